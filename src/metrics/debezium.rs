//! `/metrics/debezium`: Debezium's MBeans under the names that the JMX exporter gives them.
//!
//! Owns the mapping of our numbers to the attributes of `debezium.postgres:type=connector-metrics`, so that dashboards and
//! alerts made for Debezium go on unedited. The exporter's rules make of an attribute `debezium_metrics_<Attribute>` with the
//! labels `plugin`, `name` (`topic.prefix`) and `context` (`streaming`, `snapshot`), and of `RowsScanned` one series a table;
//! truth values are 1 and 0, and text (`LastEvent`) is left out. Attributes whose thing does not exist here have the value that
//! says so: no queue stands between reading and publishing, so it is always empty.

use std::time::Duration;

use prometheus_client::encoding::text::encode;

use super::{ConnectorReport, Gauges, Labels, Page, Report, set, set_signed};

/// Debezium's `max.queue.size` where the connector does not say another.
const QUEUE_SIZE_DEFAULT: u64 = 8192;

struct Series<'a> {
    page: &'a mut Page,
    connectors: Vec<&'a ConnectorReport>,
}

impl Series<'_> {
    fn family(&mut self, attribute: &'static str) -> Gauges {
        self.page.gauges(attribute, attribute.trim_start_matches("debezium_metrics_"))
    }

    /// One attribute in one context of every connector.
    fn add(&mut self, family: &Gauges, context: &str, value: impl Fn(&ConnectorReport) -> i64) {
        for connector in &self.connectors {
            set_signed(family, labels(connector, context), value(connector));
        }
    }

    fn streaming(&mut self, attribute: &'static str, value: impl Fn(&ConnectorReport) -> i64) {
        let family = self.family(attribute);
        self.add(&family, "streaming", value);
    }

    fn snapshot(&mut self, attribute: &'static str, value: impl Fn(&ConnectorReport) -> i64) {
        let family = self.family(attribute);
        self.add(&family, "snapshot", value);
    }

    fn both(&mut self, attribute: &'static str, streaming: impl Fn(&ConnectorReport) -> i64, snapshot: impl Fn(&ConnectorReport) -> i64) {
        let family = self.family(attribute);
        self.add(&family, "streaming", streaming);
        self.add(&family, "snapshot", snapshot);
    }
}

fn labels(connector: &ConnectorReport, context: &str) -> Labels {
    vec![("plugin", "postgres".into()), ("name", connector.server.clone()), ("context", context.into())]
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Debezium says -1 before there is anything to tell.
fn millis(value: Option<Duration>) -> i64 {
    value.map_or(-1, |value| i64::try_from(value.as_millis()).unwrap_or(i64::MAX))
}

/// The page in Prometheus's text form. Connectors that are stopped have no MBeans in Debezium, and no series here.
pub fn render(report: &Report) -> String {
    let mut page = Page::new();
    let connectors = report.connectors.iter().filter(|connector| connector.state != "stopped").collect();
    let mut series = Series { page: &mut page, connectors };
    activity(&mut series);
    queue(&mut series);
    stream(&mut series);
    snapshot(&mut series);
    let mut out = String::new();
    encode(&mut out, &page.0).expect("writing to a String cannot fail");
    out
}

fn activity(series: &mut Series<'_>) {
    let [inserts, updates, deletes] = [0, 1, 2].map(|at| move |connector: &ConnectorReport| signed(connector.changes[at].1));
    series.both("debezium_metrics_TotalNumberOfEventsSeen", |c| signed(c.events.saturating_sub(c.reads())), |c| signed(c.reads()));
    series.both("debezium_metrics_TotalNumberOfCreateEventsSeen", inserts, |_| 0);
    series.both("debezium_metrics_TotalNumberOfUpdateEventsSeen", updates, |_| 0);
    series.both("debezium_metrics_TotalNumberOfDeleteEventsSeen", deletes, |_| 0);
    let [streamed, read] = [0, 1].map(|at| move |connector: &ConnectorReport| millis(connector.since_event[at]));
    series.both("debezium_metrics_MilliSecondsSinceLastEvent", streamed, read);
    // The publication leaves out what is not captured: the server never sends it.
    series.both("debezium_metrics_NumberOfEventsFiltered", |_| 0, |_| 0);
    series.both("debezium_metrics_NumberOfEventsSkipped", |c| signed(c.skipped), |_| 0);
    series.both("debezium_metrics_NumberOfErroneousEvents", |_| 0, |_| 0);
}

fn queue(series: &mut Series<'_>) {
    let size = |c: &ConnectorReport| signed(c.queue_size.unwrap_or(QUEUE_SIZE_DEFAULT));
    series.both("debezium_metrics_QueueTotalCapacity", size, size);
    series.both("debezium_metrics_QueueRemainingCapacity", size, size);
    series.both("debezium_metrics_CurrentQueueSizeInBytes", |_| 0, |_| 0);
    series.both("debezium_metrics_MaxQueueSizeInBytes", |_| 0, |_| 0);
}

fn stream(series: &mut Series<'_>) {
    series.streaming("debezium_metrics_Connected", |c| (c.state == "streaming").into());
    series.streaming("debezium_metrics_MilliSecondsBehindSource", |c| millis(c.lag));
    series.streaming("debezium_metrics_NumberOfCommittedTransactions", |c| signed(c.transactions));
}

fn snapshot(series: &mut Series<'_>) {
    let total = |c: &ConnectorReport| i64::from(c.snapshot_tables[0].1);
    let left = |c: &ConnectorReport| i64::from(c.snapshot_tables[0].1.saturating_sub(c.snapshot_tables[1].1));
    let unfinished = move |c: &ConnectorReport| c.reads_snapshot && left(c) > 0 && !c.snapshot_aborted;
    let works = |c: &ConnectorReport| matches!(c.state, "snapshot" | "snapshotting" | "streaming");
    series.snapshot("debezium_metrics_TotalTableCount", total);
    series.snapshot("debezium_metrics_RemainingTableCount", left);
    series.snapshot("debezium_metrics_SnapshotRunning", move |c| (unfinished(c) && works(c)).into());
    series.snapshot("debezium_metrics_SnapshotPaused", |_| 0);
    series.snapshot("debezium_metrics_SnapshotCompleted", move |c| (c.reads_snapshot && left(c) == 0).into());
    series.snapshot("debezium_metrics_SnapshotAborted", move |c| (c.snapshot_aborted || (unfinished(c) && !works(c))).into());
    series.snapshot("debezium_metrics_SnapshotSkipped", |c| (!c.reads_snapshot && c.state == "streaming").into());
    series.snapshot("debezium_metrics_SnapshotDurationInSeconds", |c| signed(c.snapshot_took.unwrap_or_default().as_secs()));
    series.snapshot("debezium_metrics_SnapshotPausedDurationInSeconds", |_| 0);
    let rows = series.family("debezium_metrics_RowsScanned");
    for connector in &series.connectors {
        for table in &connector.tables {
            let mut labels = labels(connector, "snapshot");
            labels.push(("table", table.name.clone()));
            set(&rows, labels, table.rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TableReport;

    /// What the panels and variables of Debezium's own Grafana dashboard (`debezium-examples/monitoring`) ask for: metric,
    /// context, and whether any context does. Its other panels are about the JVM and Kafka Connect's own worker, which are not here.
    const DASHBOARD: &[(&str, &[&str])] = &[
        ("Connected", &["streaming"]),
        ("MilliSecondsSinceLastEvent", &["streaming"]),
        ("NumberOfEventsSkipped", &["streaming", "snapshot"]),
        ("TotalNumberOfEventsSeen", &["streaming", "snapshot"]),
        ("RemainingTableCount", &["snapshot"]),
        ("TotalTableCount", &["snapshot"]),
        ("RowsScanned", &["snapshot"]),
        ("SnapshotAborted", &["snapshot"]),
        ("SnapshotCompleted", &["snapshot"]),
        ("SnapshotRunning", &["snapshot"]),
        // Of the older one, what is not MySQL's.
        ("MilliSecondsBehindSource", &["streaming"]),
        ("NumberOfCommittedTransactions", &["streaming"]),
        ("NumberOfErroneousEvents", &["streaming", "snapshot"]),
        ("NumberOfEventsFiltered", &["streaming", "snapshot"]),
        ("QueueRemainingCapacity", &["streaming", "snapshot"]),
        ("QueueTotalCapacity", &["streaming", "snapshot"]),
        ("SnapshotDurationInSeconds", &["snapshot"]),
    ];

    fn report() -> Report {
        let shop = ConnectorReport {
            name: "inventory-connector".into(),
            server: "shop".into(),
            state: "streaming",
            changes: [("c", 3), ("u", 2), ("d", 1), ("r", 10), ("t", 0), ("m", 0)],
            events: 16,
            skipped: 4,
            lag: Some(Duration::from_millis(250)),
            since_event: [Some(Duration::from_secs(2)), None],
            reads_snapshot: true,
            snapshot_aborted: false,
            snapshot_tables: [("total", 2), ("done", 2)],
            tables: vec![TableReport { name: "public.orders".into(), rows: 10, estimated: None }],
            ..ConnectorReport::default()
        };
        let gone = ConnectorReport { server: "gone".into(), state: "stopped", ..ConnectorReport::default() };
        Report { connectors: vec![shop, gone], ..Report::default() }
    }

    #[test]
    fn every_query_of_debeziums_dashboard_finds_its_series() {
        let page = render(&report());
        for (metric, contexts) in DASHBOARD {
            for context in *contexts {
                let labels = format!("debezium_metrics_{metric}{{plugin=\"postgres\",name=\"shop\",context=\"{context}\"");
                assert!(page.lines().any(|line| line.starts_with(&labels)), "{labels} is not in\n{page}");
            }
        }
    }

    #[test]
    fn the_numbers_are_debeziums() {
        let page = render(&report());
        let at = |context: &str| format!("{{plugin=\"postgres\",name=\"shop\",context=\"{context}\"}}");
        for (metric, context, value) in [
            ("TotalNumberOfEventsSeen", "streaming", "6.0"),
            ("TotalNumberOfEventsSeen", "snapshot", "10.0"),
            ("MilliSecondsSinceLastEvent", "streaming", "2000.0"),
            ("MilliSecondsSinceLastEvent", "snapshot", "-1.0"),
            ("MilliSecondsBehindSource", "streaming", "250.0"),
            ("NumberOfEventsSkipped", "streaming", "4.0"),
            ("Connected", "streaming", "1.0"),
            ("SnapshotCompleted", "snapshot", "1.0"),
            ("SnapshotRunning", "snapshot", "0.0"),
        ] {
            let line = format!("debezium_metrics_{metric}{} {value}\n", at(context));
            assert!(page.contains(&line), "{line} is not in\n{page}");
        }
        assert!(page.contains("name=\"shop\",context=\"snapshot\",table=\"public.orders\"} 10.0\n"), "{page}");
        assert!(!page.contains("gone"), "a stopped connector has no MBeans");
    }
}
