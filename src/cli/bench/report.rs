//! What was measured, for people and as `rowfeed/bench@1`.
//!
//! Owns the shape of both. Every figure is one that was taken; what could not be told is left out and not guessed.

use std::fs;

use serde_json::{Value as Json, json};

use super::super::view;
use super::readers::Latency;

/// The machine it ran on.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    cores: usize,
    /// 0 where the system does not say it.
    memory_bytes: u64,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
        Self { cores: std::thread::available_parallelism().map_or(1, usize::from), memory_bytes: kib.unwrap_or(0) * 1024 }
    }
}

/// The snapshot.
#[derive(Debug)]
pub struct Snapshot {
    /// Rows.
    pub rows: u64,
    /// From the request for the connector to the last row in the topic.
    pub seconds: f64,
    /// Of one processor.
    pub cpu_percent: f64,
    /// The most memory that was seen.
    pub rss_bytes: u64,
}

/// Inserts, or updates.
#[derive(Debug)]
pub struct Changes {
    /// `insert` or `update`.
    pub name: &'static str,
    /// Changes that were committed.
    pub offered: u64,
    /// Within this time.
    pub offered_seconds: f64,
    /// Changes that came out.
    pub captured: u64,
    /// Within this time.
    pub captured_seconds: f64,
    /// Commits.
    pub transactions: u64,
    /// From the commit to a Kafka consumer.
    pub kafka: Latency,
    /// From the commit to a reader of the HTTP stream.
    pub http: Latency,
    /// Of one processor.
    pub cpu_percent: f64,
    /// The most memory that was seen.
    pub rss_bytes: u64,
}

/// One rate that was tried.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Changes a second that were committed.
    pub offered_per_second: f64,
    /// Changes a second that came out while they were.
    pub captured_per_second: f64,
    /// Changes that had not come out when the load ended.
    pub backlog: u64,
    /// Of one processor.
    pub cpu_percent: f64,
}

/// What stood in the way of a higher rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The capture had all of a processor that it can use.
    Capture,
    /// All processors of this machine were busy.
    Machine,
    /// The lag grew, and no processor was the reason.
    Elsewhere,
    /// The database took no more changes.
    Database,
    /// All rates were kept up with.
    NotReached,
}

impl Limit {
    /// The capture stayed behind.
    pub fn is_lag(self) -> bool {
        matches!(self, Self::Capture | Self::Machine | Self::Elsewhere)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture-cpu",
            Self::Machine => "machine-cpu",
            Self::Elsewhere => "elsewhere",
            Self::Database => "database",
            Self::NotReached => "not-reached",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Capture => "the capture's processor was full",
            Self::Machine => "all processors of this machine were busy, the load, the readers and a database on it included",
            Self::Elsewhere => "no processor here was full: the database's sender, the network or the disk",
            Self::Database => "the database took no more changes; the capture kept up",
            Self::NotReached => "the capture kept up with every rate that was tried",
        }
    }
}

/// The search for the highest rate.
#[derive(Debug)]
pub struct Ceiling {
    /// The rates in order, each with whether the lag grew.
    pub steps: Vec<(Step, bool)>,
    /// Why it ended.
    pub limit: Limit,
}

impl Ceiling {
    /// The highest rate that was kept up with.
    fn held(&self) -> Option<f64> {
        self.steps.iter().filter(|(_, grew)| !grew).map(|(step, _)| step.offered_per_second).reduce(f64::max)
    }

    /// The most that came out of more than could be kept up with.
    fn overloaded(&self) -> Option<&Step> {
        let grown = self.steps.iter().filter(|(_, grew)| *grew).map(|(step, _)| step);
        grown.max_by(|a, b| a.captured_per_second.total_cmp(&b.captured_per_second))
    }

    fn text(&self) -> String {
        let rate = |rate: f64| view::count(rate as u64);
        let held = self
            .held()
            .map_or_else(|| "none of the rates was kept up with".to_owned(), |held| format!("{} changes/s before lag grew", rate(held)));
        let over = self.overloaded().map_or_else(String::new, |step| {
            format!("; {} changes/s came out of {} offered", rate(step.captured_per_second), rate(step.offered_per_second))
        });
        format!("ceiling: {held}{over} ({})\n", self.limit.sentence())
    }

    fn json(&self) -> Json {
        let step = |(step, grew): &(Step, bool)| {
            json!({
                "offered_per_second": tenth(step.offered_per_second), "captured_per_second": tenth(step.captured_per_second),
                "backlog": step.backlog, "cpu_percent": tenth(step.cpu_percent), "lag_grew": grew,
            })
        };
        json!({
            "held_per_second": self.held().map(tenth), "overloaded_per_second": self.overloaded().map(|step| tenth(step.captured_per_second)),
            "limit": self.limit.name(), "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// All of it.
#[derive(Debug)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// PostgreSQL's version.
    pub database: String,
    /// It was one of our own, on this machine.
    pub temporary: bool,
    /// Which database.
    pub target: String,
    /// The schema that was made and is gone.
    pub schema: String,
    /// The folder that the log was in.
    pub data: String,
    /// A row of the table.
    pub row_bytes: i64,
    /// The rate that was asked for.
    pub rate: u64,
    /// Inserts and updates.
    pub changes: Vec<Changes>,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The search, unless it was left out.
    pub ceiling: Option<Ceiling>,
}

impl Report {
    /// For a terminal.
    pub fn text(&self) -> String {
        let memory = view::bytes(self.machine.memory_bytes);
        let plural = if self.machine.cores == 1 { "" } else { "s" };
        let beside = if self.temporary { "; PostgreSQL, load and readers share them" } else { "; load and readers share them" };
        let mut out = format!(
            "scratch schema {} (dropped); 1 table, 6 columns, {} B rows; {} core{plural}, {memory}{beside}\nPostgreSQL {} at {}; log in {}\n\n",
            self.schema, self.row_bytes, self.machine.cores, self.database, self.target, self.data
        );
        let heading = "|offered/s|captured/s|commit → Kafka consumer|commit → HTTP stream|CPU|RSS";
        let mut rows: Vec<Vec<String>> = vec![heading.split('|').map(str::to_owned).collect()];
        rows.extend(self.changes.iter().map(row));
        let snapshot = &self.snapshot;
        rows.push(vec![
            "  snapshot".to_owned(),
            "–".to_owned(),
            view::count((snapshot.rows as f64 / snapshot.seconds) as u64),
            format!("{} rows in {:.1} s", view::count(snapshot.rows), snapshot.seconds),
            String::new(),
            format!("{:.0} %", snapshot.cpu_percent),
            view::bytes(snapshot.rss_bytes),
        ]);
        out.push_str(&view::table(&rows, &[1, 2, 5, 6]));
        out.push_str(&self.ceiling.as_ref().map_or_else(String::new, Ceiling::text));
        out
    }

    /// For programs: `rowfeed/bench@1`, but for its first key.
    pub fn json(&self) -> Json {
        let snapshot = &self.snapshot;
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "optimized": !cfg!(debug_assertions),
            "machine": { "cores": self.machine.cores, "memory_bytes": self.machine.memory_bytes },
            "database": { "version": self.database, "target": self.target, "temporary": self.temporary },
            "scratch_schema": self.schema,
            "data": self.data,
            "row_bytes": self.row_bytes,
            "rate": self.rate,
            "phases": self.changes.iter().map(phase).collect::<Vec<_>>(),
            "snapshot": {
                "rows": snapshot.rows, "seconds": thousandth(snapshot.seconds),
                "rows_per_second": tenth(snapshot.rows as f64 / snapshot.seconds),
                "cpu_percent": tenth(snapshot.cpu_percent), "rss_bytes": snapshot.rss_bytes,
            },
            "ceiling": self.ceiling.as_ref().map(Ceiling::json),
        })
    }
}

fn row(changes: &Changes) -> Vec<String> {
    let latency = |latency: &Latency| format!("p50 {}  p99 {}", short(latency.quantile_ms(0.5)), short(latency.quantile_ms(0.99)));
    vec![
        format!("  {}", changes.name),
        view::count((changes.offered as f64 / changes.offered_seconds).round() as u64),
        view::count((changes.captured as f64 / changes.captured_seconds).round() as u64),
        latency(&changes.kafka),
        latency(&changes.http),
        format!("{:.0} %", changes.cpu_percent),
        view::bytes(changes.rss_bytes),
    ]
}

fn short(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1} ms") } else { view::millis(ms.round() as u64) }
}

fn phase(changes: &Changes) -> Json {
    let latency = |latency: &Latency| {
        json!({
            "p50_ms": thousandth(latency.quantile_ms(0.5)), "p99_ms": thousandth(latency.quantile_ms(0.99)),
            "max_ms": thousandth(latency.max_ms()),
        })
    };
    json!({
        "name": changes.name, "offered": changes.offered, "captured": changes.captured, "transactions": changes.transactions,
        "offered_per_second": tenth(changes.offered as f64 / changes.offered_seconds),
        "captured_per_second": tenth(changes.captured as f64 / changes.captured_seconds),
        "commit_to_kafka": latency(&changes.kafka), "commit_to_http": latency(&changes.http),
        "cpu_percent": tenth(changes.cpu_percent), "rss_bytes": changes.rss_bytes,
    })
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn thousandth(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_the_last_rate_that_was_kept_up_with() {
        let step =
            |offered: f64, captured: f64| Step { offered_per_second: offered, captured_per_second: captured, backlog: 0, cpu_percent: 1.0 };
        let all = [(step(10_000.0, 9_990.0), false), (step(20_000.4, 20_000.0), false), (step(40_000.0, 31_000.0), true)];
        let ceiling = Ceiling { steps: all.to_vec(), limit: Limit::Capture };
        assert_eq!(
            ceiling.text(),
            "ceiling: 20,000 changes/s before lag grew; 31,000 changes/s came out of 40,000 offered (the capture's processor was full)\n"
        );
        let json = ceiling.json();
        assert_eq!((json["held_per_second"].as_f64(), json["overloaded_per_second"].as_f64()), (Some(20_000.4), Some(31_000.0)));
        let never = Ceiling { steps: vec![(step(10.0, 1.0), true)], limit: Limit::Elsewhere };
        assert!(never.text().starts_with("ceiling: none of the rates") && never.json()["held_per_second"].is_null());
        let kept = Ceiling { steps: vec![(step(10.0, 10.0), false)], limit: Limit::Database };
        assert!(kept.text().starts_with("ceiling: 10 changes/s before lag grew (the database took no more"), "{}", kept.text());
    }
}
