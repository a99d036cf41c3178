//! Every metric: name, help, labels. Nothing is named anywhere else.
//!
//! Owns the page at `/metrics`. It is made from a plain [`Report`] each time it is asked for, so that nothing is counted
//! twice, a connector that is gone leaves no series behind, and the data plane knows nothing of Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// More topics than this get no series of their own: labels must stay few.
pub const TOPICS_MAX: usize = 500;

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// A connector's numbers.
#[derive(Clone, Debug, Default)]
pub struct ConnectorReport {
    /// Its name.
    pub name: String,
    /// The state it is in, of [`Report::states`].
    pub state: &'static str,
    /// Failures that were tried again.
    pub restarts: u64,
    /// Published changes by operation: c, u, d, r, t, m.
    pub changes: [(&'static str, u64); 6],
    /// Bytes of published changes.
    pub change_bytes: u64,
    /// Published transactions.
    pub transactions: u64,
    /// Age of the last published transaction when it was published.
    pub lag: Option<Duration>,
    /// Positions by stage: received, encoded, durable, confirmed.
    pub positions: [(&'static str, u64); 4],
    /// WAL that its slot makes the server keep.
    pub slot_retained: Option<u64>,
    /// WAL until its slot is in danger.
    pub slot_safe: Option<u64>,
    /// Whether somebody reads its slot.
    pub slot_active: Option<bool>,
    /// Snapshot rows read.
    pub snapshot_rows: u64,
    /// Tables of the snapshot, all and done.
    pub snapshot_tables: [(&'static str, u32); 2],
}

/// A partition's numbers.
#[derive(Clone, Debug, Default)]
pub struct PartitionReport {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// First offset kept.
    pub start: u64,
    /// Offset after the last.
    pub end: u64,
}

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The program's version and commit.
    pub build: (&'static str, &'static str),
    /// All states there are.
    pub states: &'static [&'static str],
    /// The connectors.
    pub connectors: Vec<ConnectorReport>,
    /// The built-in log's partitions.
    pub partitions: Vec<PartitionReport>,
    /// The built-in log's size; `None` with an external log.
    pub log_bytes: Option<u64>,
    /// The built-in log has stopped for good.
    pub log_failed: bool,
    /// Writing waits (the disk is full).
    pub log_paused: bool,
    /// HTTP streams open now.
    pub stream_clients: usize,
    /// Everything that the connector files say holds; `None` before they were read.
    pub reload_successful: Option<bool>,
}

struct Page(Registry);

impl Page {
    fn gauges(&mut self, name: &'static str, help: &'static str) -> Gauges {
        let family = Gauges::default();
        self.0.register(name, help, family.clone());
        family
    }

    /// A gauge without labels.
    fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        set_gauge(&gauge, value);
        self.0.register(name, help, gauge);
    }

    /// The encoder adds `_total` to the name.
    fn counters(&mut self, name: &'static str, help: &'static str) -> Counters {
        let family = Counters::default();
        self.0.register(name, help, family.clone());
        family
    }
}

// Metrics are doubles in Prometheus; above 2^53 the last digits are rounded, which no reader of a chart sees.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows doubles only")]
fn set_gauge(gauge: &Gauge<f64, AtomicU64>, value: u64) {
    gauge.set(value as f64);
}

fn set(family: &Gauges, labels: Labels, value: u64) {
    set_gauge(&family.get_or_create(&labels), value);
}

/// The page in Prometheus's (OpenMetrics) text form.
pub fn render(report: &Report) -> String {
    let mut page = Page(Registry::default());
    let build = page.gauges("rowfeed_build_info", "Version of the program");
    set(&build, vec![("version", report.build.0.into()), ("commit", report.build.1.into())], 1);
    connectors(&mut page, report);
    log(&mut page, report);
    let clients = page.gauges("rowfeed_stream_clients", "Streams open now");
    set(&clients, vec![("protocol", "ndjson".into())], u64::try_from(report.stream_clients).unwrap_or(u64::MAX));
    if let Some(successful) = report.reload_successful {
        let help = "0 when a connector file has mistakes and does not hold";
        page.gauge("rowfeed_config_last_reload_successful", help, successful.into());
    }
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Resident memory", bytes);
    }
    let mut out = String::new();
    encode(&mut out, &page.0).expect("writing to a String cannot fail");
    out
}

fn connectors(page: &mut Page, report: &Report) {
    let state = page.gauges("rowfeed_connector_state", "1 for the state a connector is in");
    let restarts = page.counters("rowfeed_connector_restarts", "Failures after which a connector began again by itself");
    let changes = page.counters("rowfeed_changes", "Published changes by operation");
    let bytes = page.counters("rowfeed_change_bytes", "Bytes of published changes");
    let transactions = page.counters("rowfeed_transactions", "Published transactions");
    let lag = page.gauges("rowfeed_source_lag_seconds", "Age of the last published transaction when it was published");
    let lsn = page
        .gauges("rowfeed_source_lsn_bytes", "Position in the source's log by stage; the distance between neighbours says which is slow");
    let retained = page.gauges("rowfeed_slot_retained_bytes", "WAL that the server keeps for the connector's slot");
    let safe =
        page.gauges("rowfeed_slot_safe_bytes", "WAL that can be written until the slot is in danger; absent where nothing limits it");
    let active = page.gauges("rowfeed_slot_active", "1 when somebody reads the connector's slot");
    let rows = page.gauges("rowfeed_snapshot_rows", "Rows read by the snapshot");
    let tables = page.gauges("rowfeed_snapshot_tables", "Tables of the snapshot, all and done");
    for connector in &report.connectors {
        let with = |more: Labels| -> Labels { std::iter::once(("connector", connector.name.clone())).chain(more).collect() };
        for name in report.states {
            set(&state, with(vec![("state", (*name).into())]), u64::from(*name == connector.state));
        }
        restarts.get_or_create(&with(vec![])).inc_by(connector.restarts);
        for (op, count) in connector.changes {
            changes.get_or_create(&with(vec![("op", op.into())])).inc_by(count);
        }
        bytes.get_or_create(&with(vec![])).inc_by(connector.change_bytes);
        transactions.get_or_create(&with(vec![])).inc_by(connector.transactions);
        if let Some(age) = connector.lag {
            lag.get_or_create(&with(vec![])).set(age.as_secs_f64());
        }
        for (stage, position) in connector.positions {
            set(&lsn, with(vec![("stage", stage.into())]), position);
        }
        for (family, value) in
            [(&retained, connector.slot_retained), (&safe, connector.slot_safe), (&active, connector.slot_active.map(u64::from))]
        {
            if let Some(value) = value {
                set(family, with(vec![]), value);
            }
        }
        set(&rows, with(vec![]), connector.snapshot_rows);
        for (which, count) in connector.snapshot_tables {
            set(&tables, with(vec![("state", which.into())]), count.into());
        }
    }
}

fn log(page: &mut Page, report: &Report) {
    let Some(bytes) = report.log_bytes else { return };
    page.gauge("rowfeed_log_size_bytes", "Size of the built-in log", bytes);
    page.gauge("rowfeed_log_failed", "1 when the built-in log has stopped for good", report.log_failed.into());
    page.gauge("rowfeed_log_paused", "1 while writing waits for disk space", report.log_paused.into());
    let start = page.gauges("rowfeed_topic_start_offset", "First offset that is kept");
    let end = page.gauges("rowfeed_topic_end_offset", "Offset after the last durable record");
    for partition in &report.partitions {
        let labels = || vec![("topic", partition.topic.clone()), ("partition", partition.partition.to_string())];
        set(&start, labels(), partition.start);
        set(&end, labels(), partition.end);
    }
}

/// Resident memory of this process, where the system says it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_series_with_its_labels() {
        let report = Report {
            build: ("1.2.3", "abc"),
            states: &["streaming", "failed"],
            connectors: vec![ConnectorReport {
                name: "shop".into(),
                state: "streaming",
                changes: [("c", 7), ("u", 0), ("d", 0), ("r", 0), ("t", 0), ("m", 0)],
                lag: Some(Duration::from_millis(1500)),
                slot_retained: Some(64),
                positions: [("received", 40), ("encoded", 30), ("durable", 20), ("confirmed", 10)],
                ..ConnectorReport::default()
            }],
            partitions: vec![PartitionReport { topic: "shop.public.t".into(), partition: 0, start: 1, end: 9 }],
            log_bytes: Some(4096),
            ..Report::default()
        };
        let page = render(&report);
        for line in [
            "rowfeed_build_info{version=\"1.2.3\",commit=\"abc\"} 1.0",
            "rowfeed_connector_state{connector=\"shop\",state=\"streaming\"} 1.0",
            "rowfeed_connector_state{connector=\"shop\",state=\"failed\"} 0.0",
            "rowfeed_changes_total{connector=\"shop\",op=\"c\"} 7",
            "rowfeed_source_lag_seconds{connector=\"shop\"} 1.5",
            "rowfeed_source_lsn_bytes{connector=\"shop\",stage=\"durable\"} 20.0",
            "rowfeed_slot_retained_bytes{connector=\"shop\"} 64.0",
            "rowfeed_topic_end_offset{topic=\"shop.public.t\",partition=\"0\"} 9.0",
            "rowfeed_log_size_bytes 4096.0",
            "process_resident_memory_bytes ",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
