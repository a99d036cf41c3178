//! `rowfeed check`: the doctor's findings on a terminal.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::form::FormArgs;
use crate::config::ServiceConfig;
use crate::config::native;
use crate::config::postgres::{PostgresConfig, TopicDefaults};
use crate::config::service::Sources;
use crate::connect::{definitions, ground};
use crate::postgres::doctor::{self, Depth, Diagnosis, Finding, Mark, Patient};
use crate::problem::Problem;

/// Flags of `rowfeed check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// postgres://USER@HOST:5432/DATABASE, a connector file, or the name of one.
    target: String,
    /// Tables that are meant to be captured, such as public.orders,public.users or 'public.*'; all when not given.
    #[arg(long, value_name = "PATTERNS")]
    tables: Option<String>,
    /// The role that will capture, when another one asks: the URL's must be a superuser or a member of it.
    #[arg(long)]
    role: Option<String>,
    /// Print what to fix as SQL only.
    #[arg(long)]
    sql: bool,
    #[command(flatten)]
    form: FormArgs,
    /// Recommendations count as problems.
    #[arg(long)]
    strict: bool,
    /// Do not create the temporary slot that proves the whole way.
    #[arg(long)]
    no_slot_test: bool,
    /// The settings file: for a connector's name, and to look at the disk or the Kafka of the service, too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Examines a database; exit code 3 when it found problems, 4 when it did not reach it.
pub async fn check(args: CheckArgs) -> Result<(), Failure> {
    let (config, service) = target(&args)?;
    let connector = (!args.target.contains("://")).then_some(&config);
    let depth = if args.no_slot_test { Depth::Try } else { Depth::Slot };
    let role = args.role.as_deref();
    let patient = Patient { connector, role, ..Patient::of(&config, depth) };
    let mut diagnosis = doctor::examine(patient, |_| {}).await;
    if let Some(service) = service {
        let connectors: Vec<&PostgresConfig> = connector.into_iter().collect();
        diagnosis.findings.extend(ground::examine(&service, &connectors, depth).await);
    }
    if args.form.is_document() {
        args.form.print("rowfeed/check@1", diagnosis.json());
    } else if args.sql {
        print!("{}", diagnosis.fix_sql());
        for finding in diagnosis.findings.iter().filter(|finding| finding.mark == Mark::Fail && finding.fix.is_empty()) {
            eprintln!("{}: {} ({}; no SQL mends it)", finding.title, finding.observed.replace('\n', "; "), finding.id);
        }
    } else {
        print!("{}", super::terminal::signs(&as_text(&diagnosis, args.form.is_wide())));
    }
    if diagnosis.is_unreached() {
        return Err(Failure::shown(4));
    }
    let worst = diagnosis.findings.iter().map(|finding| finding.mark).max().unwrap_or(Mark::Ok);
    if worst == Mark::Fail || (args.strict && worst == Mark::Warn) { Err(Failure::shown(3)) } else { Ok(()) }
}

/// What is to be examined, with the service's settings where those are named or needed.
fn target(args: &CheckArgs) -> Result<(PostgresConfig, Option<ServiceConfig>), Failure> {
    let load = || ServiceConfig::load(&Sources { file: args.config.clone(), ..Sources::of_process() });
    let mut settings = if args.config.is_some() { Some(load()?) } else { None };
    let tables = args.tables.as_deref().unwrap_or("");
    let path = Path::new(&args.target);
    let definition = if args.target.contains("://") {
        let mut options = native::from_url("check", &args.target, tables)?;
        if let Ok(password) = std::env::var("PGPASSWORD") {
            options.entry("database.password".to_owned()).or_insert(password);
        }
        definitions::Definition::of_api("check", options)
    } else if path.is_file() {
        definitions::load_file(path)
    } else {
        let service = match settings.take() {
            Some(service) => service,
            None => load()?,
        };
        let all = definitions::load_folder(&service.connectors_dir)?;
        let dir = service.connectors_dir.display().to_string();
        settings = Some(service);
        let names: Vec<String> = all.iter().map(|definition| definition.name.clone()).collect();
        all.into_iter().find(|definition| definition.name == args.target).ok_or_else(|| {
            let hint = crate::config::suggest::did_you_mean(&args.target, names.iter().map(String::as_str));
            let problem = Problem::refuse(
                "server/not-found",
                format!("\"{}\" is neither a URL, a file, nor the name of a connector file", args.target),
            );
            let why = format!("{dir} has no file of this name; connectors made through REST are in the service");
            problem.why(why).fix(if hint.is_empty() { "name the database: postgres://USER@HOST:5432/DATABASE".to_owned() } else { hint })
        })?
    };
    Ok((definition.config(TopicDefaults::default())?, settings))
}

/// `wide` has the code of every finding, for `rowfeed explain`.
fn as_text(diagnosis: &Diagnosis, wide: bool) -> String {
    let mut out = format!("{}\n", diagnosis.title);
    let mut group = "";
    for finding in &diagnosis.findings {
        if finding.group != group {
            group = finding.group;
            out.push_str(&format!("\n  {group}\n"));
        }
        out.push_str(&line(finding, wide));
    }
    let count = |mark: Mark| diagnosis.findings.iter().filter(|finding| finding.mark == mark).count();
    let (problems, warnings) = (count(Mark::Fail), count(Mark::Warn));
    if problems == 0 {
        let and = if warnings == 0 {
            String::new()
        } else {
            format!(" {warnings} recommendation{}: --sql prints them.", if warnings == 1 { "" } else { "s" })
        };
        out.push_str(&format!("\nReady.{and}\n"));
        return out;
    }
    out.push_str(&format!("\n{problems} problem{}. Fix:\n\n", if problems == 1 { "" } else { "s" }));
    for finding in diagnosis.findings.iter().filter(|finding| finding.mark == Mark::Fail) {
        // What is no SQL is a comment where it stands among SQL; here it is a line to copy.
        let bare = finding.group == ground::GROUP;
        for fix in finding.fix.lines() {
            out.push_str(&format!("    {}\n", if bare { fix.trim_start_matches("-- ") } else { fix }));
        }
    }
    out
}

fn line(finding: &Finding, wide: bool) -> String {
    let sign = match finding.mark {
        Mark::Ok => "✓",
        Mark::Note => "·",
        Mark::Warn => "!",
        Mark::Fail => "✗",
    };
    let code = if finding.mark == Mark::Fail || wide { format!("   [{}]", finding.id) } else { String::new() };
    let observed = finding.observed.replace('\n', "\n                                  ");
    format!("  {sign} {:<29} {observed}{code}\n", finding.title)
}
