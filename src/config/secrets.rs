//! Secrets: references resolved when they are used, values never printed.
//!
//! The syntax is Kafka's ConfigProvider pattern, so Debezium files work unchanged:
//! `${env:NAME}`, `${file:/path.properties:key}`, `${directory:/run/secrets:name}`, and our `${file:/path}` for a whole file and
//! `${credential:name}` for what systemd hands a service (`LoadCredential=`).
//!
//! Who may change connectors over HTTP could else read every file that the service may read, by naming it in an option that is shown, or
//! sent to a server of their own, and change one that is a file of signals. So the service says once below which folders such a configuration may name files, as Kafka's
//! `FileConfigProvider` does with `allowed.paths`; connector files are written by who has the disk, and are not bound.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use crate::problem::Problem;

/// A value that must not be shown. `Debug` prints stars; reading it is explicit.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// What stands for a secret wherever a configuration is shown (Kafka Connect clients know it as "keep the old value").
pub const MASK: &str = "********";

/// Where systemd puts a service's credentials.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// A secret file is a password or a small properties file.
const SECRET_FILE_BYTES_MAX: u64 = 1 << 20;

/// True when the whole text is one reference that is resolved: then it says where a secret is, and not what it is.
pub fn is_reference(text: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).filter(|inner| !inner.contains(['{', '}']));
    inner
        .and_then(|inner| inner.split_once(':'))
        .is_some_and(|(provider, _)| matches!(provider, "env" | "file" | "directory" | "dir" | "credential"))
}

/// True for names of options whose value is a secret.
pub fn is_named(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// True for names of settings, and for lines of files, that may hold a secret beside other things.
pub fn may_be_named(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("url") || is_named(name)
}

const SECRET_WORDS: [&str; 8] = ["user.info", "password", "secret", "salt", "jaas", "token", "key.pem", "keystore.key"];

/// Below these folders a configuration that came over HTTP may name files; not set: anywhere.
static ALLOWED: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Says it, once per process and before any such configuration is read.
pub fn allow_paths(folders: Vec<PathBuf>) {
    // A second time (a test's) keeps the first answer.
    let _ = ALLOWED.set(folders);
}

/// Replaces every `${provider:...}` of the text. Other text, `${x}` without a known provider included, stays as it is.
pub fn resolve(text: &str) -> Result<String, Problem> {
    resolve_with(text, &|name| std::env::var(name).ok(), None)
}

/// As [`resolve`], for a configuration that came over HTTP.
pub fn resolve_asked(text: &str) -> Result<String, Problem> {
    resolve_with(text, &|name| std::env::var(name).ok(), ALLOWED.get().map(Vec::as_slice))
}

/// Whether a configuration that came over HTTP may name this file in an option that is a path.
pub fn check_asked(option: &str, path: &Path) -> Result<(), Problem> {
    ALLOWED.get().map_or(Ok(()), |allowed| check_allowed(option, path, allowed))
}

/// As [`resolve`], with the environment given by the caller, and files below these folders only.
fn resolve_with(text: &str, env: &dyn Fn(&str) -> Option<String>, allowed: Option<&[PathBuf]>) -> Result<String, Problem> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        let Some(end) = from.find('}') else { break };
        let (reference, after) = from.split_at(end + 1);
        out.push_str(before);
        out.push_str(&lookup(reference, env, allowed)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn lookup(reference: &str, env: &dyn Fn(&str) -> Option<String>, allowed: Option<&[PathBuf]>) -> Result<String, Problem> {
    let may = |path: &Path| allowed.map_or(Ok(()), |allowed| check_allowed(reference, path, allowed));
    let inner = reference.trim_start_matches("${").trim_end_matches('}');
    match inner.split_once(':') {
        Some(("env", name)) => env(name).ok_or_else(|| missing(reference, format!("the environment variable {name} is not set"))),
        Some(("file", rest)) => match rest.rsplit_once(':') {
            Some((path, key)) => may(Path::new(path)).and_then(|()| property(reference, path, key)),
            None => may(Path::new(rest)).and_then(|()| whole_file(reference, Path::new(rest))),
        },
        Some(("directory" | "dir", rest)) => match rest.rsplit_once(':') {
            Some((dir, name)) if !name.contains('/') && name != ".." => {
                let path = Path::new(dir).join(name);
                may(&path).and_then(|()| whole_file(reference, &path))
            }
            _ => Err(missing(reference, "it must be ${directory:/folder:name}, with a plain file name".to_owned())),
        },
        Some(("credential", name)) if name.contains('/') || name == ".." || name.is_empty() => {
            Err(missing(reference, "it must be ${credential:name}, with a plain name".to_owned()))
        }
        Some(("credential", name)) => match env(CREDENTIALS_VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => whole_file(reference, &Path::new(&folder).join(name)),
            None => Err(missing(
                reference,
                format!("{CREDENTIALS_VARIABLE} is not set: this is no service of systemd with LoadCredential={name}:FILE"),
            )),
        },
        _ => Ok(reference.to_owned()),
    }
}

/// First by the words alone, so that nobody learns which other files there are; then by where links lead.
fn check_allowed(reference: &str, path: &Path, allowed: &[PathBuf]) -> Result<(), Problem> {
    let is_plain = path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
    let is_below = is_plain && allowed.iter().any(|folder| path.starts_with(folder));
    let leads_below = || {
        // A file that is not there is told as that.
        let Ok(path) = path.canonicalize() else { return true };
        allowed.iter().filter_map(|folder| folder.canonicalize().ok()).any(|folder| path.starts_with(folder))
    };
    if is_below && leads_below() {
        return Ok(());
    }
    let folders: Vec<String> = allowed.iter().map(|folder| folder.display().to_string()).collect();
    let why = match folders.is_empty() {
        true => "secrets.allowed_paths names no folder".to_owned(),
        false => format!("it is not below secrets.allowed_paths, which is {}", folders.join(",")),
    };
    Err(Problem::fail("secret/path", format!("{reference} may not be read for a configuration that came over HTTP")).why(why).fix(
        "secrets.allowed_paths = \"/run/secrets\"   (in rowfeed.toml, the folder of the file; then restart), or put the connector into a file of connectors/",
    ))
}

fn missing(reference: &str, why: String) -> Problem {
    Problem::fail("secret/missing", format!("the secret {reference} cannot be read")).why(why)
}

fn read(reference: &str, path: &Path) -> Result<String, Problem> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|error| missing(reference, format!("{shown}: {error}")))?.len();
    if size > SECRET_FILE_BYTES_MAX {
        return Err(missing(reference, format!("{shown} has {size} bytes; a secret has at most {SECRET_FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(path).map_err(|error| missing(reference, format!("{shown}: {error}")))
}

/// A file holding one secret; the newline an editor leaves at its end is not part of it.
fn whole_file(reference: &str, path: &Path) -> Result<String, Problem> {
    let text = read(reference, path)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// A key of a Java properties file: `key=value` or `key: value`, `#` and `!` begin comments.
fn property(reference: &str, path: &str, key: &str) -> Result<String, Problem> {
    let text = read(reference, Path::new(path))?;
    let mut names = Vec::new();
    for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with(['#', '!']) && !line.is_empty()) {
        let Some((name, value)) = line.split_once(['=', ':']) else { continue };
        if name.trim_end() == key {
            return Ok(value.trim().to_owned());
        }
        names.push(name.trim_end());
    }
    let hint = super::suggest::did_you_mean(key, names);
    Err(missing(reference, format!("{path} has no key \"{key}\"; {hint}").trim_end_matches("; ").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "PW").then(|| "s3cret".to_owned())
    }

    #[test]
    fn only_a_whole_reference_is_shown() {
        for whole in ["${credential:pw}", "${env:PW}", "${file:/a/b:key}", "${file:/a}", "${directory:/run:pw}"] {
            assert!(is_reference(whole), "{whole}");
        }
        for part in ["hunter${2}", "pre${env:PW}", "${env:PW}post", "${env:A}${env:B}", "${hunter2}", "${vault:x}", "$}{", ""] {
            assert!(!is_reference(part), "{part}");
        }
        assert!(may_be_named("log.kafka.ssl.key.pem") && may_be_named("ssl.keystore.key") && !may_be_named("topics.partitions"));
    }

    #[test]
    fn references_are_resolved_and_plain_text_stays() {
        assert_eq!(resolve_with("a${env:PW}b", &env, None).as_deref(), Ok("as3cretb"));
        assert_eq!(resolve_with("plain $ { } ${open", &env, None).as_deref(), Ok("plain $ { } ${open"));
        assert_eq!(resolve_with("${unknown}", &env, None).as_deref(), Ok("${unknown}"));
    }

    #[test]
    fn files_properties_and_directories_are_read() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("db.properties");
        std::fs::write(&file, "# comment\nuser = cdc\npassword=p=ss\n").expect("written");
        std::fs::write(dir.path().join("pw"), "whole\n").expect("written");
        let at = dir.path().display();
        assert_eq!(resolve(&format!("${{file:{at}/db.properties:password}}")).as_deref(), Ok("p=ss"));
        assert_eq!(resolve(&format!("${{file:{at}/pw}}")).as_deref(), Ok("whole"));
        assert_eq!(resolve(&format!("${{directory:{at}:pw}}")).as_deref(), Ok("whole"));
        let problem = resolve(&format!("${{file:{at}/db.properties:pasword}}")).expect_err("no such key");
        assert_eq!(problem.code, "secret/missing");
        assert!(problem.why.ends_with("did you mean \"password\"?"), "{}", problem.why);
    }

    #[test]
    fn credentials_of_systemd_are_read_by_name() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("db_password"), "s3cret\n").expect("written");
        let folder = dir.path().display().to_string();
        let env = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| folder.clone());
        assert_eq!(resolve_with("${credential:db_password}", &env, None).as_deref(), Ok("s3cret"));
        for outside in ["${credential:../db_password}", "${credential:..}", "${credential:}", "${credential:none}"] {
            assert_eq!(resolve_with(outside, &env, None).expect_err(outside).code, "secret/missing");
        }
        let problem = resolve_with("${credential:db_password}", &|_| None, None).expect_err("no service of systemd");
        assert!(problem.why.starts_with("CREDENTIALS_DIRECTORY is not set"), "{}", problem.why);
    }

    #[test]
    fn over_http_files_are_read_below_the_allowed_folders_only() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (inside, outside) = (dir.path().join("secrets"), dir.path().join("other"));
        for folder in [&inside, &outside] {
            std::fs::create_dir(folder).expect("made");
            std::fs::write(folder.join("pw"), "password=s3cret\n").expect("written");
        }
        std::os::unix::fs::symlink(inside.join("pw"), inside.join("link")).expect("linked");
        std::os::unix::fs::symlink(outside.join("pw"), inside.join("leads-out")).expect("linked");
        let allowed = [inside.clone()];
        let read = |text: &str, allowed: &[PathBuf]| resolve_with(text, &env, Some(allowed));
        let (inside, outside) = (inside.display(), outside.display());
        for fine in [format!("${{file:{inside}/pw}}"), format!("${{file:{inside}/link}}"), format!("${{directory:{inside}:pw}}")] {
            assert_eq!(read(&fine, &allowed).as_deref(), Ok("password=s3cret"), "{fine}");
        }
        assert_eq!(read(&format!("${{file:{inside}/pw:password}}"), &allowed).as_deref(), Ok("s3cret"));
        assert_eq!(read("${env:PW}", &[]).as_deref(), Ok("s3cret"));
        let refused = [
            format!("${{file:{outside}/pw}}"),
            format!("${{file:{outside}/pw:password}}"),
            format!("${{file:{outside}/nothing}}"),
            format!("${{directory:{outside}:pw}}"),
            format!("${{file:{inside}/../other/pw}}"),
            format!("${{file:{inside}/leads-out}}"),
            format!("${{file:{inside}2/pw}}"),
            "${file:pw}".to_owned(),
            "a${file:/etc/passwd}b".to_owned(),
        ];
        for beyond in refused {
            let problem = read(&beyond, &allowed).expect_err(&beyond);
            assert_eq!(problem.code, "secret/path", "{beyond}");
            assert!(read(&beyond, &[]).expect_err(&beyond).why.contains("names no folder"));
        }
        assert_eq!(read(&format!("${{file:{inside}/nothing}}"), &allowed).expect_err("not there").code, "secret/missing");
    }

    #[test]
    fn a_missing_variable_is_named_and_a_secret_is_never_printed() {
        let problem = resolve_with("${env:NOPE}", &env, None).expect_err("not set");
        assert_eq!(
            problem.to_string(),
            "error[secret/missing]: the secret ${env:NOPE} cannot be read\n  why:  the environment variable NOPE is not set"
        );
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "********");
    }
}
