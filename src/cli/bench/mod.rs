//! `rowfeed bench`: what this machine and this database can do, measured with the program itself.
//!
//! Owns the order of a measurement: a place of its own in the database ([`ground`]), the service as a child process
//! ([`service`]), a snapshot, inserts and updates at a given rate ([`load`]) with two readers at the other end ([`readers`]),
//! then a rate that is raised until the lag grows, and what is said about it ([`report`]). Promises that nothing stays behind
//! when it ends, in whatever way short of SIGKILL: no schema, slot, publication, process or file; that memory and time have
//! bounds; and that a change which did not arrive, or arrived twice, is an error and no figure. Leaves capturing to `rowfeed
//! run`, which it starts as anybody would: its processor time and memory hold no part of the load or of the readers.

mod ground;
mod load;
mod readers;
mod report;
mod service;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;

use super::form::FormArgs;
use super::{Failure, runtime_problem, terminal, view};
use crate::config::quantity;
use crate::problem::Problem;
use crate::service::Signals;
use ground::Ground;
use load::{Load, Phase};
use readers::{HttpReader, KafkaReader, Seen};
use report::{Ceiling, Changes, Limit, Machine, Report, Snapshot, Step};
use service::{Busy, Child, Usage};

/// Flags of `rowfeed bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The database, postgres://USER@HOST:5432/DATABASE; a temporary PostgreSQL of this machine when not given.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Changes a second that are offered.
    #[arg(long, default_value_t = 5000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// How long inserts are offered, and then updates: 1s to 10m.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration)]
    duration: Duration,
    /// Rows of the snapshot.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rows: u64,
    /// Do not look for the highest rate.
    #[arg(long)]
    no_ceiling: bool,
    /// The folder on whose disk the events are written [default: the temporary folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also in a database that has tables of its own.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    form: FormArgs,
}

const DURATION_MIN: Duration = Duration::from_secs(1);
const DURATION_MAX: Duration = Duration::from_secs(600);

fn duration(text: &str) -> Result<Duration, String> {
    let duration = quantity::parse_duration(text)?;
    if (DURATION_MIN..=DURATION_MAX).contains(&duration) { Ok(duration) } else { Err("it must be between 1s and 10m".to_owned()) }
}

/// A snapshot may take this long, and a little for each row.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(120);
/// The slowest snapshot that is waited for, rows a second.
const SNAPSHOT_ROWS_PER_SECOND_MIN: u64 = 2_000;
/// How often the growing topic is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Rates that are tried for the ceiling; each is twice the one before, until the lag grows.
const STEPS_MAX: u32 = 12;
/// Rates between the last that held and the first that did not.
const FINER_STEPS: u32 = 2;
/// How long one of them is offered, at least and at most.
const STEP_MIN: Duration = Duration::from_secs(1);
const STEP_MAX: Duration = Duration::from_secs(5);
/// When this part of what a step offered has not come out at its end, the lag grew.
const LAG_PERCENT_MAX: u64 = 10;
/// A load that offers less than this part of what it was to offer has met the limit of the database.
const OFFERED_PERCENT_MIN: u64 = 90;
/// The capture, or the machine, is busy above this part of a processor, or of all.
const CAPTURE_BUSY_PERCENT: f64 = 90.0;
const MACHINE_BUSY_PERCENT: f64 = 93.0;

/// Measures, shows the figures, and takes everything away again; exit code 130 after Ctrl-C.
pub fn bench(args: BenchArgs) -> Result<(), Failure> {
    // The load and each reader have a thread of their own to wait on.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(|error| runtime_problem(&error))?;
    let result = runtime.block_on(play(&args));
    runtime.shutdown_background();
    let report = result?;
    if args.form.is_document() {
        args.form.print("rowfeed/bench@1", report.json());
    } else {
        super::form::write_out(&terminal::signs(&report.text()));
    }
    Ok(())
}

async fn play(args: &BenchArgs) -> Result<Report, Failure> {
    if cfg!(debug_assertions) {
        eprintln!("this program was built without optimisation: its figures are far below what a release build reaches");
    }
    // Before anything exists that would have to be taken away.
    let mut signals = Signals::listen()?;
    let mut ground = Ground::open(args.url.clone(), args.dir.clone(), &mut signals).await?;
    let mut child = None;
    let outcome = tokio::select! {
        outcome = measure(args, &mut ground, &mut child) => outcome,
        () = signals.end() => Err(Failure::shown(130)),
    };
    if let Some(child) = child {
        child.stop().await;
    }
    let left = ground.close().await;
    let report = outcome?;
    left?;
    Ok(report)
}

async fn measure(args: &BenchArgs, ground: &mut Ground, child: &mut Option<Child>) -> Result<Report, Failure> {
    let began = Instant::now();
    ground.refuse_strangers(args.yes).await?;
    ground.create().await?;
    ground.examine().await?;
    let mut load = Load::new(ground.session().await?, ground).await?;
    load.fill(args.rows).await?;
    let (version, row_bytes) = ground.describe().await?;
    done(&format!("{}: schema {}, {} rows", ground.title(&version), ground.name(), view::count(args.rows)), began);

    let child = child.insert(Child::start(ground.dir())?);
    child.wait_ready().await?;
    let snapshot = snapshot(args.rows, ground, child).await?;
    let mut kafka = KafkaReader::connect(child.kafka(), ground.topic(), args.rows).await?;
    let mut changes = Vec::new();
    for phase in [Phase::Insert, Phase::Update] {
        let told = format!("{}: {} a second for {}", phase.name(), view::count(args.rate), view::millis(millis(args.duration)));
        let began = Instant::now();
        changes.push(offer(args, phase, &mut load, &mut kafka, ground, child).await?);
        done(&told, began);
    }
    let ceiling = if args.no_ceiling { None } else { Some(ceiling(args, &mut load, &mut kafka, child).await?) };
    Ok(Report {
        machine: Machine::this(),
        database: version,
        temporary: ground.is_temporary(),
        target: ground.shown(),
        schema: ground.name().to_owned(),
        data: ground.dir().display().to_string(),
        row_bytes,
        rate: args.rate,
        changes,
        snapshot,
        ceiling,
    })
}

/// From the request for a connector to the last row in the topic.
async fn snapshot(rows: u64, ground: &Ground, child: &Child) -> Result<Snapshot, Problem> {
    let before = child.usage().await?;
    let began = Instant::now();
    child.capture(ground).await?;
    let until = began + SNAPSHOT_WAIT + Duration::from_secs(rows / SNAPSHOT_ROWS_PER_SECOND_MIN);
    let mut peak = before.resident_bytes;
    loop {
        let seen = child.records(ground.topic()).await?;
        if seen >= rows {
            break;
        }
        child.check().await?;
        if Instant::now() > until {
            return Err(behind(&format!("the snapshot of {} rows had {} after {:?}", rows, seen, began.elapsed())));
        }
        peak = peak.max(child.usage().await?.resident_bytes);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let took = began.elapsed();
    let after = child.usage().await?;
    child.wait_streaming(until).await?;
    done(&format!("snapshot: {} rows", view::count(rows)), began);
    Ok(Snapshot { rows, seconds: took.as_secs_f64(), cpu_percent: after.percent_since(&before), rss_bytes: peak.max(after.resident_bytes) })
}

/// One phase: the load at one end, a Kafka consumer and an HTTP reader at the other.
async fn offer(
    args: &BenchArgs,
    phase: Phase,
    load: &mut Load,
    kafka: &mut KafkaReader,
    ground: &Ground,
    child: &Child,
) -> Result<Changes, Problem> {
    let http = HttpReader::open(child.server(), ground.topic(), kafka.next_offset()).await?;
    let before = child.usage().await?;
    let (began, acks) = (Instant::now(), load.begin());
    let mut readers = JoinSet::new();
    let of_http = acks.clone();
    readers.spawn(async move { http.read(&of_http).await });
    let (written, by_kafka) =
        child.watch(async { tokio::try_join!(load.offer(phase, args.rate, args.duration, &acks), kafka.read(&acks)) }).await?;
    let by_http = match child.watch(async { Ok(readers.join_next().await) }).await? {
        Some(Ok(seen)) => seen?,
        _ => return Err(Problem::fail("bench/service", "the HTTP reader met a defect")),
    };
    let after = child.usage().await?;
    whole(&by_kafka, &acks, "Kafka")?;
    whole(&by_http, &acks, "HTTP")?;
    let seconds = |seen: &Seen| seen.last.unwrap_or(began).saturating_duration_since(began).as_secs_f64().max(written.took.as_secs_f64());
    Ok(Changes {
        name: phase.name(),
        offered: written.rows,
        offered_seconds: written.took.as_secs_f64(),
        captured: by_kafka.count,
        captured_seconds: seconds(&by_kafka),
        transactions: written.transactions,
        kafka: by_kafka.latency,
        http: by_http.latency,
        cpu_percent: after.percent_since(&before),
        rss_bytes: after.resident_bytes.max(child.peak()),
    })
}

/// Each change came once.
fn whole(seen: &Seen, acks: &load::Acks, reader: &str) -> Result<(), Problem> {
    let (count, sum) = acks.expected();
    if (seen.count, seen.sum) == (count, sum) {
        return Ok(());
    }
    Err(Problem::fail("bench/lost", format!("{count} changes were committed, and {} came by {reader}, or others", seen.count))
        .why("each change carries a number; their count or their sum is not that of what was written")
        .fix("report this as a defect, with the output of this command"))
}

/// Inserts at twice the rate again and again, until the readers stay behind or the database takes no more; then in between.
async fn ceiling(args: &BenchArgs, load: &mut Load, kafka: &mut KafkaReader, child: &Child) -> Result<Ceiling, Problem> {
    let began = Instant::now();
    let time = (args.duration / 10).clamp(STEP_MIN, STEP_MAX);
    let mut ceiling = Ceiling { steps: Vec::new(), limit: Limit::NotReached };
    let (mut held, mut grown) = (args.rate, None);
    let mut finer = 0;
    for _ in 0..STEPS_MAX {
        let rate = match grown {
            None => held.saturating_mul(2),
            // Halfway, as growth goes.
            Some(grown) => (held as f64 * grown as f64).sqrt() as u64,
        };
        let (step, limit) = try_rate(rate, time, load, kafka, child).await?;
        ceiling.steps.push((step, limit.is_some_and(Limit::is_lag)));
        match limit {
            None => held = rate,
            Some(Limit::Database) => {
                if grown.is_none() {
                    ceiling.limit = Limit::Database;
                }
                break;
            }
            Some(limit) => {
                ceiling.limit = limit;
                grown = Some(rate);
            }
        }
        finer += u32::from(grown.is_some());
        if finer > FINER_STEPS {
            break;
        }
    }
    done("ceiling", began);
    Ok(ceiling)
}

/// One rate: what came of it, and what stood in its way.
async fn try_rate(
    rate: u64,
    time: Duration,
    load: &mut Load,
    kafka: &mut KafkaReader,
    child: &Child,
) -> Result<(Step, Option<Limit>), Problem> {
    let (acks, seen) = (load.begin(), kafka.counter());
    let (used, busy, from) = (child.usage().await?, Busy::now(), seen.get());
    let offered = async {
        let written = load.offer(Phase::Insert, rate, time, &acks).await?;
        // What the reader has at the moment the load ends, while all of it runs.
        let captured = seen.get() - from;
        Ok((written, captured, child.usage().await?, Busy::now()))
    };
    let ((written, captured, used_after, busy_after), read) = child.watch(async { tokio::try_join!(offered, kafka.read(&acks)) }).await?;
    whole(&read, &acks, "Kafka")?;
    let seconds = written.took.as_secs_f64();
    let step = Step {
        offered_per_second: written.rows as f64 / seconds,
        captured_per_second: captured as f64 / seconds,
        backlog: written.rows.saturating_sub(captured),
        cpu_percent: used_after.percent_since(&used),
    };
    let machine_busy = busy_after.percent_since(&busy).is_some_and(|percent| percent > MACHINE_BUSY_PERCENT);
    let limit = if step.backlog * 100 > written.rows * LAG_PERCENT_MAX {
        match (machine_busy, step.cpu_percent > CAPTURE_BUSY_PERCENT) {
            (true, _) => Some(Limit::Machine),
            (false, true) => Some(Limit::Capture),
            (false, false) => Some(Limit::Elsewhere),
        }
    } else {
        (written.rows * 100 < written.asked * OFFERED_PERCENT_MIN).then_some(Limit::Database)
    };
    Ok((step, limit))
}

fn behind(what: &str) -> Problem {
    Problem::fail("bench/behind", what.to_owned())
        .why("the capture did not come to an end within the time that a measurement has")
        .fix("offer less: --rate, --rows; or look whether another program keeps this machine or the database busy")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn done(what: &str, since: Instant) {
    eprintln!("{}", terminal::signs(&format!("  ✓ {what:<88} {:.1} s", since.elapsed().as_secs_f64())));
}

/// What a child used between two looks.
impl Usage {
    fn percent_since(&self, before: &Self) -> f64 {
        let seconds = self.at.saturating_duration_since(before.at).as_secs_f64();
        if seconds > 0.0 { (self.cpu_seconds - before.cpu_seconds) * 100.0 / seconds } else { 0.0 }
    }
}
