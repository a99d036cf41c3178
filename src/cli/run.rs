//! `rowfeed run`: settings, then the service, until a signal.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::form::FormArgs;
use super::terminal::signs;
use super::{Failure, runtime_problem, settings, view};
use crate::config::ServiceConfig;
use crate::config::service::{Sources, is_loopback, split_address};
use crate::connect::Phase;
use crate::connect::registry::ConnectorView;
use crate::problem::Problem;
use crate::service::{Capture, Service, Signals};
use crate::telemetry;

/// Flags of `rowfeed run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The settings file [default: ./rowfeed.toml when it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of connector files (connectors_dir).
    #[arg(long, value_name = "DIR")]
    connectors: Option<PathBuf>,
    /// Folder of everything that is kept (data.dir).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where HTTP listens (http.listen).
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// Where the Kafka protocol listens (kafka.listen).
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Any setting; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Form of log lines: auto, pretty or json (logging.format).
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Level of log lines (logging.level).
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Print every setting with where it came from, and end.
    #[arg(long)]
    print_config: bool,
    /// Check the settings and every connector's configuration, and end.
    #[arg(long)]
    check_only: bool,
}

impl RunArgs {
    fn sources(&self) -> Sources {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let flags = [
            ("connectors_dir", path(&self.connectors), "--connectors"),
            ("data.dir", path(&self.data), "--data"),
            ("http.listen", self.http.clone(), "--http"),
            ("kafka.listen", self.kafka.clone(), "--kafka"),
            ("logging.format", self.log_format.clone(), "--log-format"),
            ("logging.level", self.log.clone(), "--log"),
        ];
        let flags = flags.into_iter().filter_map(|(name, value, flag)| Some((name, value?, flag)));
        Sources { file: self.config.clone(), set: self.set.clone(), flags: flags.collect(), ..Sources::of_process() }
    }
}

/// Runs the service in the foreground.
pub fn run(args: RunArgs, capture: Capture) -> Result<(), Failure> {
    let started = Instant::now();
    let config = ServiceConfig::load(&args.sources())?;
    if args.print_config {
        settings::show(&config, FormArgs::default());
        return Ok(());
    }
    if args.check_only {
        return settings::check(&config, FormArgs::default());
    }
    // All mistakes at once; the start would tell one.
    crate::service::subscriptions::definitions(&config)?;
    telemetry::start(&config.logging_level, config.logging_format)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    // Two threads serve HTTP, the Kafka protocol and timers; every source and the log have threads of their own. Few
    // blocking threads: each costs memory, and what blocks here is short.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("rowfeed")
        .enable_all()
        .build()
        .map_err(|error| runtime_problem(&error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let service = tokio::select! {
            service = Service::start(config.clone(), capture) => service?,
            // Opening a large log takes its time. Nothing is captured yet, and an opening that is cut is done again.
            () = signals.end() => return Ok(()),
        };
        let ready = started.elapsed();
        tokio::select! {
            () = settle(&service) => {}
            () = signals.end() => {
                service.stop().await;
                return Ok(());
            }
        }
        banner(&service, &config, ready);
        service.run(signals).await
    });
    // Whatever still blocks has been told to end and waited for already.
    runtime.shutdown_background();
    result.map_err(Failure::from)
}

/// Connectors have this long to show what becomes of them, before the start is told.
const SETTLE_MAX: Duration = Duration::from_millis(1500);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Returns when no connector is still beginning.
async fn settle(service: &Service) {
    let begun = Instant::now();
    let begins = |view: &ConnectorView| matches!(view.status.phase, Phase::Created | Phase::Preparing);
    while service.registry.views().iter().any(begins) && begun.elapsed() < SETTLE_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What runs and where, for people.
fn banner(service: &Service, config: &ServiceConfig, ready: Duration) {
    let file = config.file.as_deref().map_or_else(|| "none (defaults)".to_owned(), |file| file.display().to_string());
    let commit = Some(crate::http::admin::COMMIT).filter(|commit| *commit != "unknown").map(|commit| format!(" ({commit})"));
    eprintln!("rowfeed {}{}    config {file}   data {}", env!("CARGO_PKG_VERSION"), commit.unwrap_or_default(), config.data_dir.display());
    match (service.kafka, service.log_size()) {
        (Some(kafka), Some((topics, bytes))) => eprintln!("  kafka    {kafka}    {topics} topics, {}", view::bytes(bytes)),
        _ => eprintln!("  kafka    external cluster {}", config.log.bootstrap),
    }
    let scheme = if config.http_tls.is_some() { "https" } else { "http" };
    eprintln!("  http     {scheme}://{}", service.http);
    eprintln!(
        "  console  {scheme}://{}/ui/{}",
        service.http,
        service.login.as_ref().map(|link| format!("#login={link}   (once, within an hour)")).unwrap_or_default()
    );
    let loopback =
        [&config.http_listen, &config.kafka_listen].iter().all(|address| split_address(address).is_some_and(|(host, _)| is_loopback(host)));
    if config.http_token {
        let plain = config.http_tls.is_none() && !split_address(&config.http_listen).is_some_and(|(host, _)| is_loopback(host));
        eprintln!("  auth     http: a token{}; kafka: none", if plain { ", unencrypted (http.tls_cert)" } else { "" });
    } else {
        eprintln!(
            "  auth     none{}",
            if loopback { " (loopback only)" } else { ": anyone who reaches these addresses can read every row" }
        );
    }
    let views = service.registry.views();
    match views.is_empty() {
        true => eprintln!(
            "  no connectors yet: make one in the console, put a file into {}, or PUT /connectors/NAME/config",
            config.connectors_dir.display()
        ),
        false => eprint!("\n{}\n", signs(&connectors(&views))),
    }
    eprintln!("ready in {:.2} s. Ctrl-C stops cleanly (nothing is lost).", ready.as_secs_f64());
}

/// The connectors as columns, and behind each that is in trouble what to do.
fn connectors(views: &[ConnectorView]) -> String {
    let mut rows = vec![["  connector", "source", "tables", "state"].map(str::to_owned).to_vec()];
    rows.extend(views.iter().map(row));
    let table = view::table(&rows, &[2]);
    let mut lines = table.lines();
    let mut out = format!("{}\n", lines.next().unwrap_or_default());
    for (line, view) in lines.zip(views) {
        out.push_str(&format!("{line}\n"));
        for (label, text) in trouble(view).into_iter().flat_map(|problem| [("why", &problem.why), ("fix", &problem.fix)]) {
            if !text.is_empty() {
                out.push_str(&format!("      {label}: {}\n", text.replace('\n', "\n           ")));
            }
        }
    }
    out
}

/// Its own trouble first, then what holds it up, then that of its file.
fn trouble(view: &ConnectorView) -> Option<&Problem> {
    view.status.problem.as_ref().or(view.status.waiting.as_ref()).or(view.file_problem.as_ref())
}

fn row(view: &ConnectorView) -> Vec<String> {
    let option = |name: &str, usual: &str| view.options.get(name).map_or(usual, String::as_str).to_owned();
    let source = format!("{}:{}/{}", option("database.hostname", "?"), option("database.port", "5432"), option("database.dbname", "?"));
    let snapshot = view.status.snapshot;
    let tables = view.status.captured.map_or_else(|| "-".to_owned(), |tables| tables.to_string());
    let phase = view.status.state();
    let state = match trouble(view) {
        Some(problem) => format!("{phase}   {}: {}", problem.code, problem.what),
        None if matches!(view.status.phase, Phase::Snapshotting) => {
            format!("{phase}   {} of {} tables", snapshot.tables_done, snapshot.tables_total)
        }
        None => format!("{phase}   slot {}", option("slot.name", "debezium")),
    };
    vec![format!("  {}{}", if trouble(view).is_some() { "! " } else { "" }, view.name), source, tables, state]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::connect::status::{SnapshotProgress, StatusSnapshot};
    use crate::connect::store::TargetState;

    #[test]
    fn each_connector_is_told_with_what_holds_it_up() {
        let view = |name: &str, phase: Phase, problem: Option<Problem>| {
            let options = [("database.hostname", "db"), ("database.dbname", "shop"), ("slot.name", "s")];
            let snapshot = SnapshotProgress { tables_total: 14, tables_done: 2, rows: 7, ..SnapshotProgress::default() };
            ConnectorView {
                name: name.to_owned(),
                options: options.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect(),
                file: None,
                status: StatusSnapshot { phase, problem, snapshot, captured: Some(14), ..StatusSnapshot::default() },
                target: TargetState::Running,
                file_problem: None,
                topics_reset: Arc::default(),
            }
        };
        let wrong = Problem::fail("pg/auth", "password authentication failed").fix("correct it\nnow");
        let failed = Phase::Failed { retry: false, problem: wrong.clone() };
        let views = [view("billing", Phase::Snapshotting, None), view("crm", failed, Some(wrong)), view("shop", Phase::Streaming, None)];
        let expected = "
  connector  source        tables  state
  billing    db:5432/shop      14  snapshot   2 of 14 tables
  ! crm      db:5432/shop      14  failed   pg/auth: password authentication failed
      fix: correct it
           now
  shop       db:5432/shop      14  streaming   slot s
";
        assert_eq!(format!("\n{}", connectors(&views)), expected);
    }
}
