//! `rowfeed check` says what a start would say, each cause with what mends it; asked as a role without privileges.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use rowfeed::demo::cluster::{Cluster, Stop, free_port};
use serde_json::{Value, json};

use crate::support::http;
use crate::support::postgres::{Database, Sql, fresh_database, own_server, shared_server};
use crate::support::scene::Scene;
use crate::support::service::{connector_config, with};
use crate::support::{missing, wait_for};

/// Exit code, output and errors of `rowfeed check` for a connector's file.
fn check(database: &Database, tables: &str, more: &Value) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shop.json");
    let config = with(connector_config(database, "shop", tables), more);
    std::fs::write(&file, config.to_string()).expect("a file");
    let done = Command::new(env!("CARGO_BIN_EXE_rowfeed")).arg("check").arg(&file).arg("--no-slot-test").output().expect("rowfeed starts");
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr))
}

#[test]
fn what_would_stop_the_start_is_a_problem() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "check");
    let sql = database.sql();
    sql.run("create table orders(id int primary key); create table nokey(id int)");
    sql.run(&format!("create role {0}_cdc login replication; grant select on orders to {0}_cdc", database.name));
    let role = json!({"database.user": format!("{}_cdc", database.name)});
    let count = || sql.one("select count(*) from pg_publication");

    let (code, text) = check(&database, "public.orders", &json!({}));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(count(), "0", "it changes nothing");
    let (code, text) = check(&database, "public.order", &json!({}));
    assert!(code == Some(3) && text.contains("pg/no-tables") && text.contains("public.orders"), "{text}");
    let (code, text) = check(&database, "public.orders", &json!({"publication.autocreate.mode": "disabled"}));
    assert!(code == Some(3) && text.contains("does not exist"), "{text}");
    let (code, text) = check(&database, "public.orders", &json!({"publication.autocreate.mode": "all_tables"}));
    assert!(code == Some(3) && text.contains("pg/identity-missing") && text.contains("public.nokey"), "{text}");
    let (code, text) = check(&database, "public.orders", &role);
    assert!(code == Some(3) && text.contains("CREATE PUBLICATION"), "{text}");
    sql.run(&format!("create publication {} for table orders", database.name));
    let (code, text) = check(&database, "public.orders", &role);
    assert_eq!(code, Some(0), "{text}");
}

/// What `rowfeed check ... --json` found.
struct Found {
    code: Option<i32>,
    json: Value,
}

impl Found {
    fn of(args: &[&str]) -> Self {
        let done = Command::new(env!("CARGO_BIN_EXE_rowfeed")).arg("check").args(args).arg("--json").output().expect("rowfeed starts");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&done.stderr)));
        Self { code: done.status.code(), json }
    }

    /// For a connector's file, without the slot test.
    fn of_connector(database: &Database, tables: &str, more: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("shop.json");
        std::fs::write(&file, with(connector_config(database, "shop", tables), more).to_string()).expect("a file");
        Self::of(&[&file.to_string_lossy(), "--no-slot-test"])
    }

    fn all(&self, id: &str) -> Vec<&Value> {
        self.json["checks"].as_array().expect("checks").iter().filter(|check| check["id"] == id).collect()
    }

    /// The worst of the findings with this id.
    fn check(&self, id: &str) -> &Value {
        let worst = |check: &&Value| ["ok", "note", "warn", "fail"].iter().position(|mark| check["status"] == *mark);
        self.all(id).into_iter().max_by_key(worst).unwrap_or_else(|| panic!("no {id} in {:#}", self.json))
    }

    fn is(&self, status: &str, ids: &[&str]) {
        for id in ids {
            assert_eq!(self.check(id)["status"], status, "{id}: {:#}", self.json);
        }
    }

    fn fix(&self, id: &str) -> String {
        self.check(id)["fix"].to_string()
    }
}

fn as_role(database: &Database, role: &str) -> String {
    format!("postgres://{role}@127.0.0.1:{}/{}", database.port, database.name)
}

/// Runs the script of `rowfeed check --sql` as a superuser would.
fn mend(database: &Database, target: &str) {
    let said = Command::new(env!("CARGO_BIN_EXE_rowfeed")).args(["check", target, "--sql"]).output().expect("rowfeed starts");
    run_script(database, &String::from_utf8_lossy(&said.stdout));
}

/// Runs a script as a superuser would, with psql; panics where a statement fails.
pub fn run_script(database: &Database, script: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("fix.sql");
    std::fs::write(&file, script).expect("a file");
    let done =
        Command::new("psql").arg(database.url()).args(["-X", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&file).output().expect("psql starts");
    assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
}

fn start_again(server: &mut Cluster) {
    server.stop(Stop::Fast);
    server.start_again().unwrap_or_else(|problem| panic!("{problem}"));
}

/// Aim: the script mends everything that SQL can mend. Method: a server and two databases with all of it wrong at once.
#[test]
fn the_script_makes_the_next_check_pass() {
    let settings = [("wal_level", "replica"), ("max_wal_senders", "0"), ("max_replication_slots", "1")];
    let Some(mut server) = own_server(false, &settings) else { return };
    if Command::new("psql").arg("--version").output().is_err() {
        return missing("psql (postgresql-client)");
    }
    let (first, second) = (fresh_database(&server, "first"), fresh_database(&server, "second"));
    let sql = first.sql();
    sql.run("create role cdc login; select pg_create_physical_replication_slot('old')");
    sql.run(
        "create table orders(id int primary key); create table clicks(at int); \
         create table secret(id int primary key); alter table secret enable row level security; \
         do $$ begin execute format('revoke execute on function %s from public', \
           (select oid::regprocedure from pg_proc where proname = 'pg_logical_emit_message' and prosrc like '%text')); end $$",
    );
    second.sql().run("create schema \"In\"; create table \"In\".\"It's\"(id int primary key)");
    let (one, two) = (as_role(&first, "cdc"), as_role(&second, "cdc"));
    let failing = ["pg/wal-level", "pg/slots-full", "pg/senders-full", "pg/role-replication", "pg/select"];

    let found = Found::of(&[&one]);
    assert_eq!(found.code, Some(3));
    found.is("fail", &failing);
    found.is("fail", &["pg/identity-missing", "pg/publication"]);
    found.is("warn", &["pg/wal-unlimited", "pg/heartbeat"]);
    assert_eq!((&found.json["schema"], &found.json["ok"]), (&json!("rowfeed/check@1"), &json!(false)));
    let level = found.check("pg/wal-level");
    assert_eq!((&level["expected"], &level["fix"][0]["sql"]), (&json!("logical"), &json!("ALTER SYSTEM SET wal_level = 'logical';")));
    assert!(found.fix("pg/slots-full").contains("old"), "{:#}", found.json);
    let found = Found::of(&[&two]);
    found.is("fail", &failing);

    // Where others run the server, a person is told what to do there.
    sql.run("create role rds_superuser");
    let found = Found::of(&[&one]);
    assert!(found.fix("pg/wal-level").contains("rds.logical_replication = 1"), "{:#}", found.json);
    assert!(found.fix("pg/role-replication").contains("GRANT rds_replication TO"), "{:#}", found.json);
    sql.run("drop role rds_superuser");

    mend(&first, &one);
    mend(&second, &two);
    // Only with the right to replicate, reading is judged for itself.
    start_again(&mut server);
    for target in [&one, &two] {
        let found = Found::of(&[target, "--strict"]);
        assert_eq!(found.code, Some(0), "{:#}", found.json);
        assert_eq!(found.json["fix_sql"], "", "{:#}", found.json);
        found.is("ok", &failing);
        found.is(
            "ok",
            &["pg/identity-missing", "pg/wal-unlimited", "pg/publication", "pg/heartbeat", "pg/slot-temp", "pg/pooler", "pg/rls"],
        );
        found.is("ok", &["pg/standby", "pg/encoding", "clock/skew", "pg/no-tables", "pg/long-tx", "pg/slot-health", "pg/reachable"]);
    }
    let slots = first.sql().one("select count(*) from pg_replication_slots where slot_name <> 'old'");
    assert_eq!(slots, "0", "it leaves nothing behind");
}

/// Aim: a name that somebody chose is never a statement of the script that a superuser runs. Method: tables whose names hold one, wrong in
/// whatever way is told by name; what mends them is run statement by statement in one database, and as a script in another.
#[test]
fn a_name_is_never_a_statement_of_the_script() {
    let Some(server) = own_server(false, &[]) else { return };
    if Command::new("psql").arg("--version").output().is_err() {
        return missing("psql (postgresql-client)");
    }
    let name = |what: &str| format!("\"{what}\"\"\nALTER ROLE cdc SUPERUSER; -- \"");
    let setup = format!(
        "create schema {schema}; create table {schema}.{}(at int); create table {}(at int); create unlogged table {}(at int); \
         create table \"like\nothers\"(id int primary key); create table {hidden}(id int primary key); alter table {hidden} enable row level security",
        name("inside"),
        name("keyless"),
        name("unlogged"),
        schema = name("schema"),
        hidden = name("hidden"),
    );
    let (first, second) = (fresh_database(&server, "by_step"), fresh_database(&server, "as_script"));
    let sql = first.sql();
    sql.run("create role cdc login replication");
    for database in [&first, &second] {
        database.sql().run(&setup);
        let target = as_role(database, "cdc");
        sql.run("alter role cdc nobypassrls");
        let found = Found::of(&[&target]);
        found.is("fail", &["pg/identity-missing", "pg/select", "pg/rls"]);
        found.is("note", &["pg/unlogged"]);
        if database.name == second.name {
            mend(database, &target);
        } else {
            let steps = found.json["checks"].as_array().expect("checks").iter().filter_map(|check| check["fix"].as_array()).flatten();
            let statements = steps.filter_map(|step| step["sql"].as_str()).collect::<Vec<_>>();
            assert!(statements.len() > 5, "{statements:?}");
            statements.iter().for_each(|statement| sql.run(statement));
        }
        let found = Found::of(&[&target, "--no-slot-test"]);
        found.is("ok", &["pg/identity-missing", "pg/select", "pg/rls", "pg/publication"]);
        assert_eq!(sql.one("select rolsuper from pg_roles where rolname = 'cdc'"), "f");
    }
    for tables in ["public.*,public.like_other", "public.like_other"] {
        for near in [
            Found::of(&[&as_role(&first, "cdc"), "--no-slot-test", &format!("--tables={tables}")]),
            Found::of_connector(&first, tables, &json!({})),
        ] {
            let fix = near.fix("pg/no-tables");
            assert!(fix.contains(r"like\\nothers") && !fix.contains(r#""sql":"others"#), "{:#}", near.json);
        }
    }
}

#[test]
fn what_a_connector_would_not_get_is_told() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "check_tables");
    let sql = database.sql();
    sql.run(
        "create table orders(id int primary key, note text); create table users(id int primary key); create publication p for table orders",
    );
    let role = format!("{}_cdc", database.name);
    sql.run(&format!("create role {role} login replication; grant select on all tables in schema public to {role}"));
    let own = json!({"database.user": role, "publication.name": "p", "publication.autocreate.mode": "disabled"});
    let found = |tables: &str| Found::of_connector(&database, tables, &own);

    let ok = found("public.orders");
    assert_eq!(ok.code, Some(0), "{:#}", ok.json);
    ok.is("ok", &["pg/publication", "pg/toast", "pg/rls"]);
    ok.is("note", &["pg/identity-default"]);
    let lacks = found("public.orders,public.users");
    lacks.is("fail", &["pg/publication"]);
    assert_eq!(lacks.check("pg/publication")["fix"][0]["sql"], "ALTER PUBLICATION \"p\" ADD TABLE \"public\".\"users\";");
    sql.run("alter publication p add table users");
    found("public.orders,public.users").is("ok", &["pg/publication"]);
    sql.run("alter publication p set (publish = 'insert')");
    let some = found("public.orders");
    some.is("warn", &["pg/publication"]);
    assert!(some.check("pg/publication")["observed"].as_str().is_some_and(|seen| seen.contains("updates, deletes, truncates")));

    let typo = found("public.orders,public.user");
    typo.is("warn", &["pg/no-tables"]);
    assert!(typo.fix("pg/no-tables").contains("did you mean \\\"public.users\\\""), "{:#}", typo.json);
    sql.run("insert into orders select 1, string_agg(md5(i::text), '') from generate_series(1, 3000) i");
    let large = found("public.orders");
    large.is("note", &["pg/toast"]);
    assert!(large.check("pg/toast")["observed"].as_str().is_some_and(|seen| seen.starts_with("public.orders.note:")));
    sql.run("alter table orders replica identity full");
    found("public.orders").is("ok", &["pg/toast", "pg/identity-default"]);
    sql.run("alter table orders enable row level security");
    let hidden = found("public.orders");
    hidden.is("fail", &["pg/rls"]);
    sql.run(&format!("alter role {role} bypassrls"));
    found("public.orders").is("ok", &["pg/rls"]);

    sql.run(
        "create view v as select 1 as x; create unlogged table u(id int primary key); \
         create foreign data wrapper w; create server s foreign data wrapper w; create foreign table f(id int) server s",
    );
    let unsent = found("public.*");
    unsent.is("note", &["pg/view", "pg/unlogged", "pg/foreign"]);
    assert!(found("public.orders").all("pg/view").is_empty());
}

#[test]
fn how_a_slot_fares_is_told() {
    let Some(server) = own_server(false, &[("max_slot_wal_keep_size", "16MB")]) else { return };
    let (database, other) = (fresh_database(&server, "slots"), fresh_database(&server, "other"));
    let sql = database.sql();
    sql.run(
        "create table t(id int primary key); create role cdc login replication; grant select on t to cdc; create publication p for table t",
    );
    let own = json!({"database.user": "cdc", "publication.name": "p", "publication.autocreate.mode": "disabled", "slot.name": "mine"});
    let found = || Found::of_connector(&database, "public.t", &own);
    found().is("ok", &["pg/slot-health", "pg/failover", "pg/wal-unlimited"]);

    other.sql().run("select pg_create_logical_replication_slot('mine', 'pgoutput')");
    found().is("fail", &["pg/slot-database"]);
    sql.run("select pg_drop_replication_slot('mine'); select pg_create_logical_replication_slot('mine', 'pgoutput')");
    found().is("ok", &["pg/slot-health"]);
    for id in 1..=4 {
        sql.run(&format!("insert into t values({id})"));
        sql.run("select pg_switch_wal()");
    }
    sql.run("checkpoint");
    let lost = found();
    lost.is("fail", &["pg/slot-health"]);
    assert!(lost.fix("pg/slot-health").contains("pg_drop_replication_slot('mine')"), "{:#}", lost.json);
    // Somebody else's is a warning.
    Found::of(&[&as_role(&database, "cdc"), "--no-slot-test"]).is("warn", &["pg/slot-health"]);
    sql.run("select pg_drop_replication_slot('mine'); select pg_create_physical_replication_slot('standby_1')");
    let major = server.programs().major();
    found().is(if major < 17 { "note" } else { "warn" }, &["pg/failover"]);
    if major >= 17 {
        let with_failover = with(own.clone(), &json!({"slot.failover": "true"}));
        let waits = Found::of_connector(&database, "public.t", &with_failover);
        assert!(waits.fix("pg/failover").contains("synchronized_standby_slots = 'standby_1'"), "{:#}", waits.json);
        sql.run("alter system set synchronized_standby_slots = 'standby_1'");
        sql.run("select pg_reload_conf()");
        wait_for("the setting", || {
            (Found::of_connector(&database, "public.t", &with_failover).check("pg/failover")["status"] == "ok").then_some(())
        });
    }
}

/// The slot test waits ten seconds for it.
#[test]
fn a_transaction_that_holds_up_a_slot_is_told() {
    let Some(server) = own_server(false, &[]) else { return };
    let database = fresh_database(&server, "old");
    let sql = database.sql();
    sql.run("create table t(id int primary key); create role cdc login replication; grant select on t to cdc");
    let busy = database.sql();
    busy.run("set application_name = 'nightly'");
    busy.run("begin; insert into t values(1)");
    let found = Found::of(&[&as_role(&database, "cdc")]);
    found.is("warn", &["pg/long-tx"]);
    assert!(found.check("pg/long-tx")["observed"].as_str().is_some_and(|seen| seen.contains("nightly")), "{:#}", found.json);
    busy.run("commit");
    wait_for("the test's slot to be gone", || (sql.one("select count(*) from pg_replication_slots") == "0").then_some(()));
    let found = Found::of(&[&as_role(&database, "cdc")]);
    found.is("ok", &["pg/long-tx", "pg/slot-temp"]);
}

#[test]
fn a_standby_is_told_from_a_primary() {
    let Some(mut server) = own_server(false, &[]) else { return };
    let database = fresh_database(&server, "standby");
    database.sql().run("create table t(id int primary key); create role cdc login replication; grant select on t to cdc");
    Found::of(&[&as_role(&database, "cdc"), "--no-slot-test"]).is("ok", &["pg/standby", "pg/heartbeat"]);
    server.stop(Stop::Fast);
    std::fs::write(server.dir().join("data/standby.signal"), "").expect("a file");
    server.start_again().unwrap_or_else(|problem| panic!("{problem}"));
    let found = Found::of(&[&as_role(&database, "cdc")]);
    let old = server.programs().major() < 16;
    found.is(if old { "fail" } else { "warn" }, &["pg/standby"]);
    found.is("note", &["pg/heartbeat"]);
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let Some(server) = own_server(false, &[]) else { return };
    let database = fresh_database(&server, "shop");
    let hba = "host all barred 127.0.0.1/32 reject\nhost all known 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
    std::fs::write(server.dir().join("data/pg_hba.conf"), hba).expect("a file");
    let sql = database.sql();
    sql.run("create role barred login; set password_encryption = 'scram-sha-256'; create role known login password 'right'; create role cdc login; select pg_reload_conf()");
    sql.run("create table t(id int primary key)");
    sql.run("create database ascii encoding 'SQL_ASCII' locale 'C' template template0");
    let (port, name) = (database.port, &database.name);
    wait_for("the new rules", || Sql::try_connect(&format!("postgres://barred@127.0.0.1:{port}/{name}")).is_err().then_some(()));
    for (target, id, code, told) in [
        (format!("postgres://cdc@127.0.0.1:{port}/{name}x"), "pg/database", 3, "did you mean"),
        (format!("postgres://barred@127.0.0.1:{port}/{name}"), "pg/hba", 3, "127.0.0.1/32"),
        (format!("postgres://known:wrong@127.0.0.1:{port}/{name}"), "pg/auth", 3, "database.password"),
        (format!("postgres://known@127.0.0.1:{port}/{name}"), "pg/password-missing", 3, "database.password"),
        (format!("postgres://cdc@127.0.0.1:{port}/{name}?sslmode=require"), "pg/tls", 3, "sslmode"),
        (format!("postgres://cdc@127.0.0.1:{port}/ascii"), "pg/encoding", 3, "UTF8"),
        ("postgres://cdc@127.0.0.1:1/shop".to_owned(), "pg/refused", 4, "database.port"),
        ("postgres://cdc@no-such-host.invalid/shop".to_owned(), "pg/dns", 4, "database.hostname"),
    ] {
        let found = Found::of(&[&target, "--no-slot-test"]);
        assert_eq!(found.code, Some(code), "{target}: {:#}", found.json);
        found.is("fail", &[id]);
        assert!(found.fix(id).contains(told), "{target}: {:#}", found.json);
    }
    let found = Found::of(&[&format!("postgres://known:right@127.0.0.1:{port}/{name}"), "--no-slot-test"]);
    found.is("ok", &["pg/reachable"]);
}

/// A PgBouncer in front of a server, until it is dropped.
struct PgBouncer {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    fn start(server: &Cluster, more: &str) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|path| std::path::Path::new(path).exists());
        let Some(program) = program else {
            missing("pgbouncer");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, at) = (free_port().expect("a port"), folder.path().display());
        let users = folder.path().join("users.txt");
        let conf = folder.path().join("pgbouncer.ini");
        std::fs::write(&users, "\"cdc\" \"\"\n").expect("a file");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {at}/users.txt\npool_mode = transaction\n{more}\n",
            server.port()
        );
        std::fs::write(&conf, text).expect("a file");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut command = Command::new(program);
        // It refuses to run as root.
        if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
            command.args(["-u", "nobody"]);
        }
        let child = command.arg(&conf).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgbouncer starts");
        let bouncer = Self { child, port, _folder: folder };
        wait_for("pgbouncer to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(bouncer)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As it comes, PgBouncer refuses what our sessions set; told to ignore that, it drops the wish to replicate silently.
#[test]
fn a_pooler_is_told_from_the_server() {
    let Some(server) = own_server(false, &[]) else { return };
    let database = fresh_database(&server, "pooled");
    database.sql().run("create table t(id int primary key); create role cdc login replication; grant select on t to cdc");
    let ignored = "ignore_startup_parameters = options,replication,intervalstyle,extra_float_digits,bytea_output,client_min_messages,\
                   statement_timeout,idle_in_transaction_session_timeout";
    for more in ["", ignored] {
        let Some(bouncer) = PgBouncer::start(&server, more) else { return };
        let target = format!("postgres://cdc@127.0.0.1:{}/{}", bouncer.port, database.name);
        let found = Found::of(&[&target]);
        assert_eq!(found.code, Some(3), "{:#}", found.json);
        found.is("fail", &["pg/pooler"]);
        assert!(found.fix("pg/pooler").contains("not the pooler"), "{:#}", found.json);
    }
    let found = Found::of(&[&as_role(&database, "cdc")]);
    found.is("ok", &["pg/pooler", "pg/slot-temp"]);
}

/// A superuser asks what the capturing role will meet.
#[test]
fn another_role_is_asked_for() {
    let Some(server) = own_server(false, &[]) else { return };
    let database = fresh_database(&server, "roles");
    database.sql().run("create table t(id int primary key); create role cdc login; create role plain login");
    let found = |asks: &str, role: &str| Found::of(&[&as_role(&database, asks), "--role", role, "--no-slot-test"]);
    let closed = found("postgres", "cdc");
    assert_eq!(closed.code, Some(3));
    closed.is("fail", &["pg/role-replication", "pg/select"]);
    assert!(closed.fix("pg/role-replication").contains("cdc") && !closed.fix("pg/select").contains("postgres"), "{:#}", closed.json);
    assert_eq!(closed.check("pg/select")["docs"], "docs/errors.md#pgselect");
    database.sql().run("alter role cdc replication; grant select on t to cdc");
    found("postgres", "cdc").is("ok", &["pg/role-replication", "pg/select"]);
    found("plain", "cdc").is("fail", &["check/role"]);
    found("postgres", "nobody").is("fail", &["check/role"]);
}

/// `POST /v1/check`, whole and line by line, and the tables to choose from.
#[test]
fn the_service_examines_a_database_and_lists_its_tables() {
    let Some(server) = own_server(false, &[]) else { return };
    let setup = "create table t(id int primary key); create table clicks(at int); create view v as select 1 as x; \
                 create unlogged table u(id int primary key); create table ab(b int, a int, primary key (a, b)); \
                 insert into t select generate_series(1, 1000); analyze t";
    let more = json!({"table.include.list": "public.t,public.fence"});
    let Some(scene) = Scene::on(&server, "asked", setup, &more) else { return };
    let address = scene.rowfeed.http();
    let ask = |body: &Value| http::request(&address, "POST", "/v1/check", Some(body)).expect("rowfeed answers");

    let whole = ask(&json!({"connector": "scene", "slot_test": false}));
    assert_eq!(whole.status, 200, "{}", whole.body);
    let found = Found { code: None, json: whole.json() };
    assert_eq!((&found.json["schema"], &found.json["ok"]), (&json!("rowfeed/check@1"), &json!(true)), "{:#}", found.json);
    found.is("ok", &["pg/wal-level", "pg/slot-health", "pg/publication"]);
    assert!(!found.all("disk/space").is_empty(), "what the hourly look says of the service is said here, too: {:#}", found.json);
    let url = as_role(&scene.database, "postgres");
    let found = Found { code: None, json: ask(&json!({"url": url, "tables": ["public.clicks"]})).json() };
    assert_eq!(found.json["ok"], false);
    found.is("fail", &["pg/identity-missing"]);
    found.is("ok", &["pg/slot-temp"]);
    let found = Found { code: None, json: ask(&json!({"connector": "scene", "tables": ["public.clicks"], "slot_test": false})).json() };
    found.is("fail", &["pg/identity-missing"]);

    let body = json!({"url": url, "slot_test": false});
    let lines = http::request_for(&address, "POST", "/v1/check", "application/x-ndjson", Some(&body)).expect("rowfeed answers");
    let lines: Vec<Value> = lines.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (last, findings) = lines.split_last().expect("lines");
    assert!(findings.len() > 10 && findings.iter().all(|finding| finding["id"].is_string() && finding["docs"].is_string()), "{findings:?}");
    assert_eq!((&last["schema"], &last["ok"]), (&json!("rowfeed/check@1"), &json!(false)), "the table without a key: {last}");

    // One that is not made yet: as whom, under which publication, and which tables are its own.
    scene.sql.run("create role reader login replication; grant select on t, ab to reader");
    let mut draft = scene.config().clone();
    draft["database.user"] = "reader".into();
    draft["table.include.list"] = "public.ab".into();
    for (option, name) in [("slot.name", "drafted"), ("publication.name", "drafted"), ("topic.prefix", "drafted")] {
        draft[option] = name.into();
    }
    let examined = |draft: &Value| Found { code: None, json: ask(&json!({"config": draft, "slot_test": false})).json() };
    let found = examined(&draft);
    found.is("fail", &["pg/publication"]);
    let fix = found.json["fix_sql"].as_str().expect("a script").to_owned();
    assert!(fix.contains("CREATE PUBLICATION \"drafted\" FOR TABLE \"public\".\"ab\";") && !fix.contains("clicks"), "{fix}");
    draft["publication.autocreate.mode"] = "disabled".into();
    examined(&draft).is("fail", &["pg/publication"]);
    scene.sql.run("create publication drafted for table ab");
    let found = examined(&draft);
    found.is("ok", &["pg/publication"]);
    assert_eq!(found.json["ok"], true, "{:#}", found.json);
    // What a start would set is as good as set.
    let mut keyless = scene.config().clone();
    keyless["table.include.list"] = "public.clicks".into();
    examined(&keyless).is("fail", &["pg/identity-missing"]);
    keyless["replica.identity.autoset.values"] = "public.clicks:FULL".into();
    examined(&keyless).is("ok", &["pg/identity-missing", "pg/publication"]);
    let validate = "/connector-plugins/PostgresConnector/config/validate";
    let validated = http::request(&address, "PUT", validate, Some(&keyless)).expect("rowfeed answers").json();
    let lists =
        validated["configs"].as_array().expect("options").iter().find(|option| option["definition"]["name"] == "table.include.list");
    assert_eq!(lists.expect("it is listed")["value"]["errors"], json!([]), "a form says the same");
    keyless["database.user"] = "reader".into();
    examined(&keyless).is("fail", &["pg/identity-missing"]);
    // What is wrong elsewhere does not keep anybody from asking; without an address there is nobody to ask.
    draft["snapshot.mode"] = "nonsense".into();
    assert_eq!(examined(&draft).json["ok"], true);
    draft["database.port"] = "nonsense".into();
    let refused = ask(&json!({"config": draft}));
    assert_eq!((refused.status, &refused.json()["problems"][0]["key"]), (400, &json!("database.port")), "{}", refused.body);

    assert_eq!(ask(&json!({"connector": "nobody"})).status, 404);
    for wrong in [
        json!({}),
        json!({"url": url, "connector": "scene"}),
        json!({"url": "mysql://a@b/c"}),
        json!({"urls": url}),
        json!([]),
        json!({"config": draft, "url": url}),
    ] {
        assert_eq!(ask(&wrong).status, 400, "{wrong}");
    }

    let tables = http::get(&address, "/v1/sources/scene/tables").expect("rowfeed answers").json();
    let table = |name: &str| {
        let all = tables["items"].as_array().expect("items").iter();
        all.clone().find(|item| item["table"] == format!("public.{name}")).unwrap_or_else(|| panic!("{name} is not in {tables:#}"))
    };
    let t = table("t");
    assert_eq!((&t["primary_key"], &t["rows_estimated"], &t["captured"]), (&json!(["id"]), &json!(1000), &json!(true)), "{t}");
    assert_eq!((&t["in_publication"], &t["capturable"], &t["replica_identity"]), (&json!(true), &json!(true), &json!("default")), "{t}");
    assert!(t["size_bytes_estimated"].as_u64() > Some(8000), "{t}");
    assert_eq!((&table("ab")["primary_key"], &table("ab")["in_publication"]), (&json!(["a", "b"]), &json!(false)));
    for (name, code) in [("clicks", "pg/identity-missing"), ("v", "pg/view"), ("u", "pg/unlogged")] {
        assert_eq!((&table(name)["capturable"], &table(name)["reasons"][0]["code"]), (&json!(false), &json!(code)));
    }
    assert_eq!(http::get(&address, "/v1/sources/nobody/tables").expect("rowfeed answers").status, 404);
}

/// Aim: what becomes worse while a connector runs is told once, in the log, the status and a metric. Method: a setting of the
/// server is taken back, and the connector restarted, which has its database looked at again.
#[test]
fn a_database_that_drifts_is_told() {
    let Some(server) = own_server(false, &[("max_slot_wal_keep_size", "1GB")]) else { return };
    let Some(scene) = Scene::on(&server, "drift", "create table t(id int primary key)", &json!({})) else { return };
    let address = scene.rowfeed.http();
    let metric = |status: &str| {
        let line = format!("rowfeed_check_status{{connector=\"scene\",check=\"pg/wal-unlimited\",status=\"{status}\"}} 1");
        let page = http::get(&address, "/metrics").expect("rowfeed answers").body;
        page.contains(&line).then_some(page)
    };
    let page = wait_for("the first look", || metric("ok"));
    assert!(page.contains("check=\"disk/space\""), "{page}");
    assert!(page.contains("check=\"pg/publication\",status=\"ok\"") && page.contains("check=\"pg/slot-health\",status=\"ok\""), "{page}");
    assert!(!page.contains("status=\"fail\""), "{page}");
    assert!(!scene.rowfeed.log().contains("is worse than before"), "{}", scene.rowfeed.log());
    scene.sql.run("alter system set max_slot_wal_keep_size = -1");
    scene.sql.run("select pg_reload_conf()");
    let answer = http::request(&address, "POST", "/connectors/scene/restart?includeTasks=true", None).expect("rowfeed answers");
    assert!(matches!(answer.status, 200 | 202 | 204), "{}", answer.body);
    wait_for("the drift to be seen", || metric("warn"));
    assert_eq!(scene.rowfeed.log().matches("is worse than before: WAL limit").count(), 1, "{}", scene.rowfeed.log());
    let own = http::get(&address, "/v1/connectors/scene").expect("rowfeed answers").json();
    let checks = own["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["id"] == "pg/wal-unlimited" && check["status"] == "warn"), "{own}");
}

/// The service's own settings are looked at with those of its connectors: here the disk of the built-in log.
#[test]
fn a_disk_that_is_too_small_for_the_log_is_told() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "room");
    database.sql().run("create table t(id int primary key)");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = folder.path().join("rowfeed.toml");
    let found = |log: &str| {
        std::fs::write(&settings, format!("[data]\ndir = \"{}/data\"\n[log]\n{log}\n", folder.path().display())).expect("a file");
        Found::of(&[&as_role(&database, "postgres"), "--no-slot-test", "--config", &settings.to_string_lossy()])
    };
    found("max_bytes = \"64MiB\"\nsegment_bytes = \"16MiB\"\nmin_free_bytes = \"1MiB\"").is("ok", &["disk/space"]);
    found("max_bytes = \"9000TiB\"").is("warn", &["disk/space"]);
    let full = found("min_free_bytes = \"9000TiB\"");
    full.is("fail", &["disk/space"]);
    assert_eq!((full.code, &full.json["ok"]), (Some(3), &json!(false)));
    let without = Found::of(&[&as_role(&database, "postgres"), "--no-slot-test"]);
    assert!(without.all("disk/space").is_empty(), "nobody has named a service");
}
