//! Every metric: name, help, labels. Nothing is named anywhere else.
//!
//! Owns the pages at `/metrics` and `/metrics/debezium`. They are made from a plain [`Report`] each time they are asked for, so
//! that nothing is counted twice, a connector that is gone leaves no series behind, and the data plane knows nothing of Prometheus.

pub mod debezium;
pub mod process;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// More topics than this get no series of their own: labels must stay few.
pub const TOPICS_MAX: usize = 500;

/// More partitions that groups read get no series of their own.
pub const GROUPS_MAX: usize = 2000;

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// A connector's numbers.
#[derive(Clone, Debug, Default)]
pub struct ConnectorReport {
    /// Its name.
    pub name: String,
    /// Its `topic.prefix`.
    pub server: String,
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
    /// Questions about its database, each with the status of the last look.
    pub checks: Vec<(&'static str, &'static str)>,
    /// Snapshot rows read.
    pub snapshot_rows: u64,
    /// Tables of the snapshot, all and done.
    pub snapshot_tables: [(&'static str, u32); 2],
    /// What the snapshot read of each table.
    pub tables: Vec<TableReport>,
    /// There was a snapshot since the process started.
    pub reads_snapshot: bool,
    /// It was given up before its end.
    pub snapshot_aborted: bool,
    /// How long it took, or has taken so far.
    pub snapshot_took: Option<Duration>,
    /// Published changes of all kinds, rows of snapshots included.
    pub events: u64,
    /// Changes that `skipped.operations` left out.
    pub skipped: u64,
    /// How long ago a change was published last, and a row of a snapshot.
    pub since_event: [Option<Duration>; 2],
    /// From commit to durable in the log.
    pub timings: TimingReport,
    /// The connector's `max.queue.size`.
    pub queue_size: Option<u64>,
}

impl ConnectorReport {
    /// Rows of snapshots that were published.
    fn reads(&self) -> u64 {
        self.changes.iter().filter(|(op, _)| *op == "r").map(|(_, count)| count).sum()
    }

    /// What the server has sent and the log does not hold yet.
    fn lag_bytes(&self) -> u64 {
        let at = |stage: &str| self.positions.iter().find(|(name, _)| *name == stage).map_or(0, |(_, position)| *position);
        at("received").saturating_sub(at("durable"))
    }
}

/// A snapshot's numbers of one table.
#[derive(Clone, Debug, Default)]
pub struct TableReport {
    /// The table.
    pub name: String,
    /// Rows read.
    pub rows: u64,
    /// Rows it has, by the server's statistics.
    pub estimated: Option<u64>,
}

/// A histogram's numbers.
#[derive(Clone, Debug, Default)]
pub struct TimingReport {
    /// Each bound in seconds, and how many were at most that and more than the bound before; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// All of them together, seconds.
    pub sum: f64,
}

/// How far behind a consumer group is.
#[derive(Clone, Debug, Default)]
pub struct GroupReport {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Records behind the committed offset.
    pub lag: u64,
}

/// A number that only some subscriptions have.
#[derive(Clone, Debug)]
pub struct Number {
    /// The metric's name, without `_total`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its value.
    pub value: f64,
}

/// A subscription's numbers.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionReport {
    /// Its name.
    pub name: String,
    /// The state it is in.
    pub state: &'static str,
    /// Deliveries by outcome: delivered, failed, dead, filtered.
    pub outcomes: Vec<(&'static str, u64)>,
    /// How long deliveries took.
    pub timings: TimingReport,
    /// What only its kind has.
    pub numbers: Vec<Number>,
}

/// How often HTTP answered so.
#[derive(Clone, Debug, Default)]
pub struct RequestReport {
    /// The route with its placeholders.
    pub route: String,
    /// The method.
    pub method: String,
    /// The status.
    pub status: u16,
    /// How often.
    pub count: u64,
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
    /// Consumer groups.
    pub groups: Vec<GroupReport>,
    /// Answered HTTP requests.
    pub requests: Vec<RequestReport>,
    /// Subscriptions.
    pub subscriptions: Vec<SubscriptionReport>,
}

/// The page in the older text form, for those who do not ask for OpenMetrics: there a counter's name has its `_total` in the
/// comments, too.
pub fn as_text(page: &str) -> String {
    let mut out = String::with_capacity(page.len() + 512);
    let mut lines = page.lines().filter(|line| *line != "# EOF").peekable();
    let mut help = None;
    while let Some(line) = lines.next() {
        if line.starts_with("# HELP ") && lines.peek().is_some_and(|next| next.starts_with("# TYPE ")) {
            help = Some(line);
            continue;
        }
        let name = line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter"));
        if let Some(text) = help.take() {
            let renamed = name.map(|name| text.replacen(name, &format!("{name}_total"), 1));
            out.push_str(renamed.as_deref().unwrap_or(text));
            out.push('\n');
        }
        match name {
            Some(name) => out.push_str(&format!("# TYPE {name}_total counter")),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// A histogram of each connector or subscription, as it is: the crate's own one would want to see every observation again.
#[derive(Debug)]
struct Histograms {
    name: &'static str,
    help: &'static str,
    all: Vec<(Labels, TimingReport)>,
}

impl Collector for Histograms {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(self.name, self.help, None, MetricType::Histogram)?;
        for (labels, timings) in &self.all {
            let count = timings.buckets.iter().map(|(_, count)| count).sum();
            family.encode_family(labels)?.encode_histogram::<NoLabelSet>(timings.sum, count, &timings.buckets, None)?;
        }
        Ok(())
    }
}

struct Page(Registry);

impl Page {
    fn new() -> Self {
        Self(Registry::default())
    }

    fn gauges(&mut self, name: &'static str, help: &'static str) -> Gauges {
        let family = Gauges::default();
        self.0.register(name, help, family.clone());
        family
    }

    /// A gauge without labels.
    fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.gauge_f64(name, help, to_f64(value));
    }

    fn gauge_f64(&mut self, name: &'static str, help: &'static str, value: f64) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
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
fn to_f64(value: u64) -> f64 {
    value as f64
}

fn set(family: &Gauges, labels: Labels, value: u64) {
    family.get_or_create(&labels).set(to_f64(value));
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows doubles only")]
fn set_signed(family: &Gauges, labels: Labels, value: i64) {
    family.get_or_create(&labels).set(value as f64);
}

/// The page in Prometheus's (OpenMetrics) text form.
pub fn render(report: &Report) -> String {
    let mut page = Page::new();
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
    groups(&mut page, report);
    subscriptions(&mut page, report);
    requests(&mut page, report);
    process(&mut page, process::Process::now());
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
    let lag_bytes = page.gauges("rowfeed_source_lag_bytes", "Bytes of the source's log that were received and are not durable here yet");
    let filtered = page.counters("rowfeed_filtered", "Changes that were left out, by the option that said so");
    let retained = page.gauges("rowfeed_slot_retained_bytes", "WAL that the server keeps for the connector's slot");
    let safe =
        page.gauges("rowfeed_slot_safe_bytes", "WAL that can be written until the slot is in danger; absent where nothing limits it");
    let checks = page.gauges(
        "rowfeed_check_status",
        "1 for the status of a check of the connector's database, and of what the service stands on: ok, note, warn or fail",
    );
    let active = page.gauges("rowfeed_slot_active", "1 when somebody reads the connector's slot");
    let rows = page.gauges("rowfeed_snapshot_rows", "Rows read by the snapshot, of each table");
    let estimated = page.gauges("rowfeed_snapshot_rows_estimated", "Rows a table has by the server's statistics");
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
        for (check, status) in &connector.checks {
            set(&checks, with(vec![("check", (*check).into()), ("status", (*status).into())]), 1);
        }
        for (family, value) in
            [(&retained, connector.slot_retained), (&safe, connector.slot_safe), (&active, connector.slot_active.map(u64::from))]
        {
            if let Some(value) = value {
                set(family, with(vec![]), value);
            }
        }
        set(&lag_bytes, with(vec![]), connector.lag_bytes());
        filtered.get_or_create(&with(vec![("reason", "skipped.operations".into())])).inc_by(connector.skipped);
        for table in &connector.tables {
            let labels = || with(vec![("table", table.name.clone())]);
            set(&rows, labels(), table.rows);
            if let Some(count) = table.estimated {
                set(&estimated, labels(), count);
            }
        }
        for (which, count) in connector.snapshot_tables {
            set(&tables, with(vec![("state", which.into())]), count.into());
        }
    }
    let timings = |connector: &ConnectorReport| (vec![("connector", connector.name.clone())], connector.timings.clone());
    page.0.register_collector(Box::new(Histograms {
        name: "rowfeed_commit_to_log_seconds",
        help: "From a transaction's commit to its being durable in the log; one observation a batch, of its last transaction.",
        all: report.connectors.iter().map(timings).collect(),
    }));
}

fn subscriptions(page: &mut Page, report: &Report) {
    if report.subscriptions.is_empty() {
        return;
    }
    let state = page.gauges("rowfeed_subscription_state", "1 for the state a subscription is in");
    let outcomes = page.counters("rowfeed_deliveries", "Deliveries of subscriptions by outcome");
    let dead = page.counters("rowfeed_dead_letters", "Records that a subscription gave up");
    let mut own: std::collections::BTreeMap<&'static str, Gauges> = std::collections::BTreeMap::new();
    for subscription in &report.subscriptions {
        let with = |more: Labels| -> Labels { std::iter::once(("subscription", subscription.name.clone())).chain(more).collect() };
        set(&state, with(vec![("state", subscription.state.into())]), 1);
        for (outcome, count) in &subscription.outcomes {
            outcomes.get_or_create(&with(vec![("outcome", (*outcome).into())])).inc_by(*count);
            if *outcome == "dead" {
                dead.get_or_create(&with(vec![])).inc_by(*count);
            }
        }
        for number in &subscription.numbers {
            let family = own.entry(number.name).or_insert_with(|| page.gauges(number.name, number.help));
            family.get_or_create(&with(vec![])).set(number.value);
        }
    }
    let timings = |subscription: &SubscriptionReport| (vec![("subscription", subscription.name.clone())], subscription.timings.clone());
    page.0.register_collector(Box::new(Histograms {
        name: "rowfeed_delivery_seconds",
        help: "How long a delivery took.",
        all: report.subscriptions.iter().map(timings).collect(),
    }));
}

fn groups(page: &mut Page, report: &Report) {
    let lag = page.gauges("rowfeed_group_lag_records", "Records between a consumer group's committed offset and the end");
    for group in &report.groups {
        let labels = vec![("group", group.group.clone()), ("topic", group.topic.clone()), ("partition", group.partition.to_string())];
        set(&lag, labels, group.lag);
    }
}

fn requests(page: &mut Page, report: &Report) {
    let requests = page.counters("rowfeed_http_requests", "Answered HTTP requests");
    for request in &report.requests {
        let labels = vec![("route", request.route.clone()), ("method", request.method.clone()), ("status", request.status.to_string())];
        requests.get_or_create(&labels).inc_by(request.count);
    }
}

/// The names that every Prometheus client uses for its process.
fn process(page: &mut Page, process: process::Process) {
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
        ("process_virtual_memory_bytes", "Virtual memory", process.virtual_bytes),
        ("process_open_fds", "Open file descriptors", process.open_fds),
        ("process_max_fds", "How many file descriptors may be open", process.max_fds),
        ("process_threads", "Threads", process.threads),
    ] {
        if let Some(value) = value {
            page.gauge(name, help, value);
        }
    }
    if let Some(seconds) = process.start_seconds {
        page.gauge_f64("process_start_time_seconds", "When the process started, seconds since 1970", seconds);
    }
    if let Some(seconds) = process.cpu_seconds {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(seconds);
        page.0.register("process_cpu_seconds", "Time on processors", counter);
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
                checks: vec![("pg/wal-unlimited", "warn")],
                positions: [("received", 40), ("encoded", 30), ("durable", 20), ("confirmed", 10)],
                tables: vec![TableReport { name: "public.t".into(), rows: 5, estimated: Some(8) }],
                skipped: 3,
                timings: TimingReport { buckets: vec![(0.5, 2), (f64::INFINITY, 1)], sum: 4.5 },
                ..ConnectorReport::default()
            }],
            groups: vec![GroupReport { group: "g".into(), topic: "shop.public.t".into(), partition: 0, lag: 6 }],
            requests: vec![RequestReport { route: "/connectors/{name}".into(), method: "GET".into(), status: 404, count: 2 }],
            partitions: vec![PartitionReport { topic: "shop.public.t".into(), partition: 0, start: 1, end: 9 }],
            log_bytes: Some(4096),
            subscriptions: vec![SubscriptionReport {
                name: "hook".into(),
                state: "running",
                outcomes: vec![("delivered", 4), ("dead", 1)],
                timings: TimingReport { buckets: vec![(f64::INFINITY, 1)], sum: 0.5 },
                numbers: vec![Number { name: "rowfeed_cache_staleness_seconds", help: "", value: 0.25 }],
            }],
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
            "rowfeed_check_status{connector=\"shop\",check=\"pg/wal-unlimited\",status=\"warn\"} 1.0",
            "rowfeed_topic_end_offset{topic=\"shop.public.t\",partition=\"0\"} 9.0",
            "rowfeed_log_size_bytes 4096.0",
            "rowfeed_source_lag_bytes{connector=\"shop\"} 20.0",
            "rowfeed_filtered_total{connector=\"shop\",reason=\"skipped.operations\"} 3",
            "rowfeed_snapshot_rows{connector=\"shop\",table=\"public.t\"} 5.0",
            "rowfeed_snapshot_rows_estimated{connector=\"shop\",table=\"public.t\"} 8.0",
            "rowfeed_commit_to_log_seconds_bucket{le=\"0.5\",connector=\"shop\"} 2",
            "rowfeed_commit_to_log_seconds_bucket{le=\"+Inf\",connector=\"shop\"} 3",
            "rowfeed_commit_to_log_seconds_sum{connector=\"shop\"} 4.5",
            "rowfeed_group_lag_records{group=\"g\",topic=\"shop.public.t\",partition=\"0\"} 6.0",
            "rowfeed_subscription_state{subscription=\"hook\",state=\"running\"} 1.0",
            "rowfeed_deliveries_total{subscription=\"hook\",outcome=\"delivered\"} 4",
            "rowfeed_dead_letters_total{subscription=\"hook\"} 1",
            "rowfeed_delivery_seconds_count{subscription=\"hook\"} 1",
            "rowfeed_cache_staleness_seconds{subscription=\"hook\"} 0.25",
            "rowfeed_http_requests_total{route=\"/connectors/{name}\",method=\"GET\",status=\"404\"} 2",
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
            "process_start_time_seconds 1",
            "process_open_fds ",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn the_older_text_form_names_counters_whole() {
        let text = as_text(&render(&Report::default()));
        assert!(text.contains("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total "), "{text}");
        assert!(text.contains("# HELP process_cpu_seconds_total Time on processors") && !text.contains("# EOF"), "{text}");
        assert!(text.contains("# TYPE rowfeed_build_info gauge\n"), "{text}");
    }
}
