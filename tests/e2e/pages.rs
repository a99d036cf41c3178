//! The SQL of the documentation's pages, on a real server.
//!
//! Aim: what a reader copies works. Method: every `sql` block is run, in a transaction that is rolled back, on a database with
//! the tables the pages speak of and the roles that a provider has; what no transaction takes, what `psql` is given in
//! shell blocks, and every statement within a sentence (code that ends with a semicolon) is read by the server's grammar
//! without being run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::postgres::{Sql, explain, fresh_database, own_server, runtime, shared_server};

#[test]
fn statements_of_the_pages_are_statements_of_postgresql() {
    // Roles belong to the whole server, and other tests make some of these names.
    let Some(server) = own_server(false, &[]) else { return };
    let sql = fresh_database(&server, "pages").sql();
    let (mut run, mut read, mut wrong) = (0, 0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for block in blocks(&text, "sql") {
            let (apart, together): (Vec<_>, Vec<_>) = statements(&block).into_iter().partition(|one| one.starts_with("ALTER SYSTEM"));
            let before = "create table public.orders(id int primary key, status text); create table public.customers(id int primary key); \
                          create role rds_replication";
            let script = format!("begin; {before}; {};", together.join(";\n"));
            if let Err(why) = attempt(&sql, &script) {
                wrong.push(format!("{}: {why}\n{block}", page.display()));
            }
            sql.run("rollback");
            run += together.len();
            read += reads(&sql, &apart, &page, &mut wrong);
        }
        let mut others: Vec<String> =
            ["bash", "sh", "console"].iter().flat_map(|language| blocks(&text, language)).flat_map(|block| given_to_psql(&block)).collect();
        others.extend(within_sentences(&text));
        read += reads(&sql, &others, &page, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run > 15 && read > 20, "only {run} and {read} statements were found: are the pages read?");
}

/// Has the server's grammar read statements: how many there were.
fn reads(sql: &Sql, statements: &[String], page: &Path, wrong: &mut Vec<String>) -> usize {
    for statement in statements {
        let unrun = format!("do $page$ begin if false then {statement}\n; end if; end $page$");
        if let Err(why) = attempt(sql, &unrun) {
            wrong.push(format!("{}: {why}\n{statement}", page.display()));
        }
    }
    statements.len()
}

/// The pages of the providers show what the doctor prints there: that is asked of a server with the role by which each is known.
#[test]
fn pages_of_providers_show_what_the_doctor_prints() {
    let Some(server) = own_server(false, &[("wal_level", "replica")]) else { return };
    let sql = fresh_database(&server, "providers").sql();
    let database = sql.one("select current_database()");
    sql.run("create table public.orders(id int primary key)");
    for (page, role) in [
        ("amazon-rds-aurora", "rds_superuser"),
        ("azure", "azure_pg_admin"),
        ("google-cloud-sql", "cloudsqlsuperuser"),
        ("supabase", "supabase_admin"),
        ("neon", "neon_superuser"),
    ] {
        sql.run(&format!("create role {role}"));
        sql.run("create role cdc login; grant select on public.orders to cdc");
        let url = format!("postgres://cdc@127.0.0.1:{}/{database}", server.port());
        let done = Command::new(env!("CARGO_BIN_EXE_rowfeed"))
            .args(["check", &url, "--tables", "public.orders"])
            .output()
            .expect("rowfeed starts");
        let printed = String::from_utf8(done.stdout).expect("text");
        sql.run(&format!("drop owned by cdc; drop role cdc; drop role {role}"));
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/how-to/{page}.md"))).expect("a page");
        let mut seen = 0;
        for line in blocks(&text, "text").iter().flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()) {
            // Where else to connect to depends on the address, which here is another one.
            let fix = line.starts_with("    ") && !line.contains("connect to") && !line.starts_with("     ");
            // `HOST as USER · PostgreSQL 15.18 (...) · Amazon RDS · primary`
            let title = line.split(" · ").nth(2).filter(|_| line.contains(" · primary"));
            let expected = title.map(|provider| format!(" · {provider} · primary")).or_else(|| fix.then(|| line.trim().to_owned()));
            if let Some(expected) = expected {
                seen += 1;
                assert!(printed.contains(&expected), "{page}: {expected:?} is not in\n{printed}");
            }
        }
        assert!(seen > 0, "{page} shows nothing that the doctor prints");
    }
}

#[test]
fn what_is_no_statement_is_noticed() {
    let Some(server) = shared_server() else { return };
    let sql = fresh_database(server, "nopages").sql();
    let mut wrong = Vec::new();
    let good = ["ALTER SYSTEM SET wal_level = 'logical'", "SELECT pg_terminate_backend(1) -- ends it"].map(str::to_owned);
    reads(&sql, &good, Path::new("good"), &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
    reads(&sql, &["CREATE PUBLICATION p FOR TABEL t".to_owned()], Path::new("bad"), &mut wrong);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(
        given_to_psql("psql <<'SQL'\nselect 1;\nselect 2;\nSQL\npsql -c \"DROP ROLE a\" -c 'SELECT 3'"),
        ["select 1", "select 2", "DROP ROLE a", "SELECT 3"]
    );
    assert_eq!(within_sentences("do `ALTER ROLE ... REPLICATION;`, or `ALTER TABLE`"), ["ALTER ROLE x REPLICATION"]);
}

fn attempt(sql: &Sql, script: &str) -> Result<(), String> {
    runtime().block_on(sql.client().batch_execute(script)).map_err(|error| explain(&error))
}

/// The statements of a script, without those that begin and end a transaction: there is one around them.
fn statements(script: &str) -> Vec<String> {
    let kept = script.lines().map(|line| line.split("--").next().unwrap_or_default().trim_end());
    let whole = kept.collect::<Vec<_>>().join("\n");
    whole.split(';').map(|one| one.trim().to_owned()).filter(|one| !["", "begin", "commit"].contains(&one.as_str())).collect()
}

/// What stands between `<<'SQL'` and `SQL`, and behind `-c`.
fn given_to_psql(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        if !line.contains("psql") {
            continue;
        }
        if line.contains("<<'SQL'") {
            let inner: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "SQL").collect();
            found.extend(statements(&inner.join("\n")));
        }
        for rest in line.split(" -c ").skip(1) {
            let Some(quote) = rest.chars().next().filter(|one| ['"', '\''].contains(one)) else { continue };
            found.extend(rest[1..].split(quote).next().map(|one| one.trim_end_matches(';').to_owned()));
        }
    }
    found
}

/// Code in a sentence that begins with a word of SQL in capitals and ends as a statement does; three dots stand for a name.
fn within_sentences(text: &str) -> Vec<String> {
    let words = ["SELECT ", "CREATE ", "ALTER ", "DROP ", "GRANT ", "REVOKE ", "INSERT ", "UPDATE ", "DELETE "];
    let code = text.lines().filter(|line| !line.starts_with("```")).flat_map(|line| line.split('`').skip(1).step_by(2));
    let whole = code.filter(|code| code.ends_with(';') && words.iter().any(|word| code.starts_with(word)));
    let named = whole.map(|code| code.trim_end_matches(';').replace("'...'", "'x'").replace("...", "x").replace("PID", "1"));
    named.collect()
}

fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).filter_map(|rest| rest.split("\n```").next()).map(str::to_owned).collect()
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    for folder in ["docs", "docs/how-to", "docs/tutorial", "docs/explanation"] {
        let entries = fs::read_dir(root.join(folder)).expect("the folder is there").filter_map(Result::ok).map(|entry| entry.path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    }
    found.sort();
    found
}
