//! `rowfeed context`: names for services, and which one is asked when a command does not say.
//!
//! Owns `$XDG_CONFIG_HOME/rowfeed/contexts.toml` (`~/.config` without that variable), readable by its owner only and replaced
//! whole. Promises that what it does not know in that file stays in it. Leaves the order of precedence (`--server`,
//! `ROWFEED_SERVER`, the current context, this machine) to [`super::ServerArgs`].

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Server;
use super::connectors::nobody;
use super::form::{self, FormArgs};
use super::{Failure, view};
use crate::problem::Problem;

/// What is done with contexts.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// Name a service; the first one is used at once.
    Add {
        /// The name.
        name: String,
        /// The service's HTTP address.
        #[arg(long, value_name = "URL")]
        server: String,
        /// A file with the token that it asks for.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// Who may have signed its certificate, PEM.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Ask it from now on.
        #[arg(long = "use")]
        and_use: bool,
    },
    /// Ask this one from now on.
    Use {
        /// The name.
        name: String,
    },
    /// All of them; the one in use has a star.
    List {
        #[command(flatten)]
        form: FormArgs,
    },
    /// Forget one.
    Remove {
        /// The name.
        name: String,
    },
}

/// The file.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
struct Contexts {
    /// The one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

/// A service.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Context {
    server: String,
    #[serde(flatten)]
    credentials: Credentials,
    /// What a newer program keeps here.
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

/// What a service is shown and believed by.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Credentials {
    /// A file with the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Who may have signed its certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// The service that is asked when a command does not say.
pub struct Current {
    /// The context's name.
    pub name: String,
    /// The service's HTTP address.
    pub server: String,
    /// What it is shown and believed by.
    pub credentials: Credentials,
}

/// Does what the command says.
pub fn run(command: ContextCommand) -> Result<(), Failure> {
    let path = path()
        .ok_or_else(|| Problem::refuse("context/file", "there is no place for contexts").why("neither XDG_CONFIG_HOME nor HOME is set"))?;
    let mut all = load(&path)?;
    match command {
        ContextCommand::Add { name, server, token_file, ca, and_use } => {
            check_name(&name)?;
            Server::parse(&server)?;
            let told = if all.contexts.contains_key(&name) { "changed" } else { "added" };
            // A command may run in any folder.
            let whole = |path: Option<PathBuf>| path.map(|path| std::path::absolute(&path).unwrap_or(path));
            let credentials = Credentials { token_file: whole(token_file), ca: whole(ca) };
            let rest = all.contexts.remove(&name).map(|known| known.rest).unwrap_or_default();
            all.contexts.insert(name.clone(), Context { server, credentials, rest });
            if and_use || all.current.is_none() {
                all.current = Some(name.clone());
            }
            save(&path, &all)?;
            let used = if all.current.as_ref() == Some(&name) { ", in use" } else { "" };
            println!("{name}   {told}{used}");
        }
        ContextCommand::Use { name } => {
            find(&all, &name)?;
            all.current = Some(name.clone());
            save(&path, &all)?;
            println!("{name}   in use");
        }
        ContextCommand::List { form } => list(&all, form),
        ContextCommand::Remove { name } => {
            find(&all, &name)?;
            all.contexts.remove(&name);
            if all.current.as_ref() == Some(&name) {
                all.current = None;
                eprintln!("{name} was in use: commands ask this machine now, until rowfeed context use NAME");
            }
            save(&path, &all)?;
            println!("{name}   removed");
        }
    }
    Ok(())
}

/// The names of all contexts; none where the file cannot be read.
pub fn names() -> Vec<String> {
    path().and_then(|path| load(&path).ok()).map(|all| all.contexts.into_keys().collect()).unwrap_or_default()
}

/// The service that is in use; `None` when there is no current context.
pub fn current() -> Result<Option<Current>, Problem> {
    let Some(path) = path() else { return Ok(None) };
    let mut all = load(&path)?;
    let Some(name) = all.current.take() else { return Ok(None) };
    let context = find(&all, &name)?;
    let (server, credentials) = (context.server.clone(), context.credentials.clone());
    Ok(Some(Current { name, server, credentials }))
}

fn list(all: &Contexts, args: FormArgs) {
    let is_current = |name: &String| all.current.as_ref() == Some(name);
    if args.is_document() {
        let item = |(name, context): (&String, &Context)| json!({ "name": name, "server": context.server, "current": is_current(name) });
        args.print("rowfeed/contexts@1", json!({ "items": all.contexts.iter().map(item).collect::<Vec<_>>() }));
        return;
    }
    let mut rows = vec![["", "CONTEXT", "SERVER"].map(str::to_owned).to_vec()];
    rows.extend(all.contexts.iter().map(|(name, context)| {
        let star = if is_current(name) { "*" } else { "" };
        vec![star.to_owned(), name.clone(), context.server.clone()]
    }));
    form::show(&view::table(&rows, &[]));
    if all.contexts.is_empty() {
        eprintln!("no contexts: commands ask {}; add one with rowfeed context add NAME --server URL", super::DEFAULT_SERVER);
    }
}

fn find<'a>(all: &'a Contexts, name: &str) -> Result<&'a Context, Problem> {
    let names: Vec<&str> = all.contexts.keys().map(String::as_str).collect();
    all.contexts.get(name).ok_or_else(|| nobody("context", name, &names))
}

fn check_name(name: &str) -> Result<(), Problem> {
    let legal =
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_whitespace) && !name.chars().any(char::is_control);
    let wrong = || Problem::refuse("config/value", format!("{name:?} cannot be the name of a context")).why("it must be one word");
    if legal { Ok(()) } else { Err(wrong()) }
}

const NAME_BYTES_MAX: usize = 100;

/// An empty variable counts as none, as the XDG rules say.
fn path() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = of("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(|| Some(of("HOME")?.join(".config")))?;
    Some(config.join("rowfeed").join("contexts.toml"))
}

fn load(path: &Path) -> Result<Contexts, Problem> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Contexts::default()),
        Err(error) => return Err(Problem::refuse("context/file", format!("{shown} cannot be read")).why(error.to_string())),
    };
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or("").lines().count().max(1));
        Problem::refuse("context/file", "the file of contexts cannot be understood")
            .at(format!("{shown}:{line}"))
            .why(error.message().to_owned())
            .fix("correct it, or remove it and add the contexts again")
    })
}

/// Written beside it and renamed, so that it is never half a file.
fn save(path: &Path, all: &Contexts) -> Result<(), Problem> {
    let failed = |why: String| Problem::refuse("context/file", format!("{} cannot be written", path.display())).why(why);
    let text = toml::to_string(all).map_err(|error| failed(error.to_string()))?;
    let write = || {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
        fs::rename(&beside, path)
    };
    write().map_err(|error: std::io::Error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_keeps_in_the_file_stays() {
        let text = "current = \"prod\"\ncolour = \"red\"\n\n[contexts.prod]\nserver = \"http://a:1\"\nregion = \"eu\"\n";
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("rowfeed").join("contexts.toml");
        assert_eq!(load(&path).expect("none yet"), Contexts::default());
        let mut all: Contexts = toml::from_str(text).expect("valid");
        all.contexts.get_mut("prod").expect("there").server = "http://b:2".to_owned();
        save(&path, &all).expect("written");
        let written = fs::read_to_string(&path).expect("there");
        assert!(written.contains("colour = \"red\"") && written.contains("region = \"eu\"") && written.contains("http://b:2"), "{written}");
        assert_eq!(load(&path).expect("read"), all);
        fs::write(&path, "current = 7\n").expect("written");
        let problem = load(&path).expect_err("wrong");
        assert!(problem.code == "context/file" && problem.at.ends_with("contexts.toml:1"), "{problem}");
    }
}
