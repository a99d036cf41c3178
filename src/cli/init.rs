//! `rowfeed init`: the first two files, `rowfeed.toml` and that of a connector.
//!
//! Owns their first text. Promises that nothing that is there is overwritten, and that a password never gets into a file. Leaves
//! what the settings mean to [`crate::config`], and whether the database can be captured to `rowfeed check`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::terminal::{ask, is_person};
use crate::config::ServiceConfig;
use crate::config::postgres::{ConnectionConfig, legal_name};
use crate::config::service::Sources;
use crate::problem::Problem;

/// Flags of `rowfeed init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The database, postgres://USER@HOST:5432/DATABASE; asked for when it is not given.
    url: Option<String>,
    /// Tables with commas between, such as public.*,audit.log; all when not given.
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    tables: Vec<String>,
    /// The connector's name, which its topics begin with [default: the database's].
    #[arg(long)]
    name: Option<String>,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Do not ask: what is not given is as usual.
    #[arg(short, long)]
    yes: bool,
}

/// The committed file: every setting with its default.
const SETTINGS: &str = include_str!("../../rowfeed.toml");

/// Writes the files and says what to do next.
pub fn init(args: InitArgs) -> Result<(), Failure> {
    let asks = !args.yes && is_person();
    let url = match args.url {
        Some(url) => url,
        None if asks => ask("database (postgres://USER@HOST:5432/DATABASE): "),
        None => {
            let problem = Problem::refuse("usage/missing", "there is no database to write a connector for");
            return Err(problem.why("there is no terminal to ask on").fix("rowfeed init postgres://USER@HOST:5432/DATABASE").into());
        }
    };
    let connection = ConnectionConfig::from_url(url.trim())?;
    let usual = legal_name(&connection.database);
    let name = match args.name {
        Some(name) => name,
        None if asks => Some(ask(&format!("name of the connector, which its topics begin with [{usual}]: ")))
            .filter(|name| !name.is_empty())
            .unwrap_or(usual),
        None => usual,
    };
    let legal = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if !legal || name.starts_with('.') {
        let problem = Problem::refuse("config/value", format!("{name:?} cannot be the name of a connector's file and topics"));
        return Err(problem
            .why("it must be letters, digits, dot, dash and underscore")
            .fix(format!("--name {}", legal_name(&name)))
            .into());
    }
    let mut tables = args.tables;
    if tables.is_empty() && asks {
        let answer = ask("tables, such as public.*,audit.log [all]: ");
        tables = answer.split(',').map(str::to_owned).collect();
    }
    let tables: Vec<String> = tables.iter().map(|glob| glob.trim().to_owned()).filter(|glob| !glob.is_empty()).collect();
    write_all(&args.dir, &name, &connector_file(&name, url.trim(), &connection, &tables))?;
    if connection.password.is_some() {
        eprintln!("the password is not in the file: set it with  export {}=...", variable(&name));
    }
    Ok(())
}

/// As long as a prefix of topics may be.
const NAME_BYTES_MAX: usize = 100;

fn variable(name: &str) -> String {
    format!("{}_DB_PASSWORD", legal_name(name).to_ascii_uppercase())
}

fn connector_file(name: &str, url: &str, connection: &ConnectionConfig, tables: &[String]) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let password = format!("password = \"${{env:{}}}\"\n", variable(name));
    let (note, which) = match tables {
        [] => ("every table", "# tables = [\"public.*\"]\n".to_owned()),
        tables => ("tables", format!("tables = [{}]\n", tables.iter().map(|glob| quoted(glob)).collect::<Vec<_>>().join(", "))),
    };
    format!(
        "# Changes of {note} of the database {}, as topics {name}.<schema>.<table>.\nurl = {}\n{}{password}topic_prefix = {}\n{which}",
        connection.database,
        quoted(&without_password(url)),
        if connection.password.is_some() { "" } else { "# " },
        quoted(name)
    )
}

/// The URL as it was given, but for its password.
fn without_password(url: &str) -> String {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let plain = match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (user, rest))) => format!("{scheme}://{}@{rest}", user.split(':').next().unwrap_or(user)),
        None => url.to_owned(),
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("password=")).collect();
    if kept.is_empty() { plain } else { format!("{plain}?{}", kept.join("&")) }
}

fn write_all(dir: &Path, name: &str, connector: &str) -> Result<(), Failure> {
    let settings = dir.join("rowfeed.toml");
    let folder = if settings.exists() {
        let sources = Sources { file: Some(settings.clone()), ..Sources::of_process() };
        ServiceConfig::load(&sources)?.connectors_dir
    } else {
        dir.join("connectors")
    };
    let file = folder.join(format!("{name}.toml"));
    if let Some(there) = ["toml", "json"].map(|kind| file.with_file_name(format!("{name}.{kind}"))).into_iter().find(|path| path.exists()) {
        let problem = Problem::refuse("config/exists", format!("{} is there already, and is not overwritten", there.display()));
        return Err(problem.fix("choose another --name, or edit that file").into());
    }
    make(&folder, &file, connector)?;
    let mut made = vec![&file];
    if settings.exists() {
        eprintln!("{} is there already and stays as it is", settings.display());
    } else {
        make(dir, &settings, SETTINGS)?;
        made.insert(0, &settings);
    }
    for path in made {
        println!("wrote {}", path.display());
    }
    eprintln!("next:  rowfeed check {}      then  rowfeed run --config {}", file.display(), settings.display());
    Ok(())
}

/// Makes a file that is not there yet.
fn make(folder: &Path, path: &Path, text: &str) -> Result<(), Problem> {
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error: std::io::Error| {
        Problem::refuse("config/file", format!("{} cannot be written", path.display())).why(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::postgres::TopicDefaults;
    use crate::connect::definitions;

    fn args(url: &str, dir: &Path) -> InitArgs {
        InitArgs {
            url: Some(url.to_owned()),
            tables: vec!["public.*".into(), " audit.log".into()],
            name: None,
            dir: dir.to_owned(),
            yes: true,
        }
    }

    #[test]
    fn the_files_are_valid_without_the_password_and_stay() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        init(args("postgres://cdc:hunter2@db.internal/Shop?sslmode=require&password=hunter3", dir.path())).expect("written");
        let file = dir.path().join("connectors/shop.toml");
        let text = fs::read_to_string(&file).expect("there");
        let expected = "\
# Changes of tables of the database Shop, as topics shop.<schema>.<table>.
url = \"postgres://cdc@db.internal/Shop?sslmode=require\"
password = \"${env:SHOP_DB_PASSWORD}\"
topic_prefix = \"shop\"
tables = [\"public.*\", \"audit.log\"]
";
        assert_eq!(text, expected);
        assert_eq!(fs::read_to_string(dir.path().join("rowfeed.toml")).expect("there"), SETTINGS);
        let mistakes = definitions::load_file(&file).config(TopicDefaults::default()).err().unwrap_or_default();
        assert!(mistakes.iter().all(|problem| problem.code == "secret/missing"), "{mistakes:?}");
        let again = init(args("postgres://cdc@db/shop", dir.path())).expect_err("it is there");
        assert_eq!((again.problems[0].code, fs::read_to_string(&file).expect("there")), ("config/exists", text));
        // Another database beside it: the settings stay.
        fs::write(dir.path().join("rowfeed.toml"), "connectors_dir = \"c\"\n").expect("written");
        init(InitArgs { tables: Vec::new(), ..args("postgres://cdc@db/crm", dir.path()) }).expect("written");
        let crm = dir.path().join("c/crm.toml");
        assert!(fs::read_to_string(&crm).expect("there").contains("\n# password = \"${env:CRM_DB_PASSWORD}\"\n"));
        assert_eq!(definitions::load_file(&crm).config(TopicDefaults::default()).map(drop), Ok(()));
        let wrong = init(InitArgs { name: Some("../x".into()), ..args("postgres://cdc@db/x", dir.path()) }).expect_err("no name");
        assert_eq!(wrong.problems[0].code, "config/value");
    }
}
