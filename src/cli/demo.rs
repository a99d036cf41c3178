//! `rowfeed demo`: a temporary PostgreSQL, a live shop, the service, and its changes on the terminal.

use std::time::Instant;

use clap::Args;

use super::{Failure, runtime_problem, tail, terminal, view};
use crate::config::service::LoggingFormat;
use crate::demo::{DemoOptions, NAME, Running, Shop, start_traffic};
use crate::problem::Problem;
use crate::service::{Capture, Signals};
use crate::telemetry;

/// Flags of `rowfeed demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Changes a second.
    #[arg(long, default_value_t = 20, value_name = "N")]
    rate: u32,
    /// Rows in each table at the start.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rows: u32,
    /// Leave the temporary files when it ends.
    #[arg(long)]
    keep: bool,
    /// A PostgreSQL server to use (a database is made in it, and dropped again) instead of a temporary one.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// No changes of its own: make some with psql.
    #[arg(long)]
    no_traffic: bool,
    /// Where the Kafka protocol listens [default: 127.0.0.1:9092, or a free port].
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Where HTTP listens [default: 127.0.0.1:8083, or a free port].
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
}

impl DemoArgs {
    fn options(&self) -> DemoOptions {
        DemoOptions {
            rate: if self.no_traffic { 0 } else { self.rate },
            rows: self.rows,
            keep: self.keep,
            url: self.url.clone(),
            kafka: self.kafka.clone(),
            http: self.http.clone(),
        }
    }
}

/// Runs the demo until Ctrl-C.
pub fn demo(args: DemoArgs, capture: Capture) -> Result<(), Failure> {
    telemetry::start("warn", LoggingFormat::Pretty)?;
    let options = args.options();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| runtime_problem(&error))?;
    let result = runtime.block_on(play(&options, capture));
    runtime.shutdown_background();
    result
}

async fn play(options: &DemoOptions, capture: Capture) -> Result<(), Failure> {
    let began = Instant::now();
    // Before anything exists that would have to be taken away.
    let mut signals = Signals::listen()?;
    let opening = options.clone();
    let mut opened = tokio::task::spawn_blocking(move || Shop::open(&opening));
    let shop = tokio::select! {
        shop = &mut opened => shop,
        () = signals.end() => {
            // initdb hears Ctrl-C too, so what comes of it is no news; a server that started is taken away again.
            if let Ok(Ok(shop)) = opened.await {
                shop.close().await?;
            }
            return Ok(());
        }
    };
    let shop = shop.map_err(|_| Problem::fail("demo/postgres-start", "the temporary server met a defect"))??;
    done(&shop.describe(), began);
    let started = tokio::select! {
        started = start(&shop, options, capture) => started.map(Some),
        () = signals.end() => Ok(None),
    };
    let outcome = match started {
        Ok(Some(running)) => show(&shop, running, options, signals).await,
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    let kept =
        if options.keep { "stopped; the temporary files are left" } else { "stopped; temporary files removed (keep them with --keep)" };
    let closed = shop.close().await;
    eprintln!("\n  {kept}");
    outcome?;
    closed.map_err(Failure::from)
}

/// From the empty server to a stream of changes.
async fn start(shop: &Shop, options: &DemoOptions, capture: Capture) -> Result<Running, Failure> {
    let began = Instant::now();
    shop.fill(options.rows).await?;
    let rows = view::count(u64::from(options.rows));
    done(&format!("schema {NAME}: customers, products, orders, order_items ({rows} rows each)"), began);
    let began = Instant::now();
    let running = Running::start(shop, options, capture).await?;
    let (tables, rows) = running.snapshot;
    done(&format!("rowfeed running, snapshot of {tables} tables, {} rows", view::count(rows)), began);
    Ok(running)
}

/// Changes on the terminal until the service ends, which listens to signals itself.
async fn show(shop: &Shop, running: Running, options: &DemoOptions, signals: Signals) -> Result<(), Failure> {
    if options.rate > 0 {
        eprintln!("{}", terminal::signs(&format!("  ✓ traffic: about {} changes/s", options.rate)));
    }
    let http = format!("http://{}", running.service.http);
    hints(shop, &running, &http);
    let changes = tokio::spawn(tail::tail(tail::TailArgs::following(http, format!("{NAME}.*"))));
    let traffic = start_traffic(shop, options);
    let ended = running.service.run(signals).await;
    changes.abort();
    if let Some(traffic) = traffic {
        traffic.abort();
    }
    ended.map_err(Failure::from)
}

/// Ways to look at the same changes, to paste into another terminal.
fn hints(shop: &Shop, running: &Running, http: &str) {
    let server = if http == "http://127.0.0.1:8083" { String::new() } else { format!(" --server {http}") };
    let program = std::env::current_exe().map_or_else(|_| "rowfeed".to_owned(), |path| path.display().to_string());
    let topic = format!("{NAME}.public.orders");
    eprintln!("\n  console   {http}/ui/");
    eprintln!("  tail      {program} tail {topic}{server}");
    if let Some(kafka) = running.service.kafka {
        eprintln!("  kafka     kcat -b {kafka} -t {topic} -C");
    }
    eprintln!("  http      curl -N '{http}/v1/topics/{topic}/records?from=-5&follow=true'");
    eprintln!("  state     curl {http}/connectors/{NAME}/status");
    eprintln!("  psql      psql {}", shop.shown_url());
    eprintln!("  log       {}\n\n  Ctrl-C ends everything and removes it.\n", running.data.display());
}

fn done(what: &str, since: Instant) {
    eprintln!("{}", terminal::signs(&format!("  ✓ {what:<88} {:.1} s", since.elapsed().as_secs_f64())));
}
