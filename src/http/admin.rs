//! Health, metrics, the levels of the log, and what the worker says about itself.

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, extract::rejection::QueryRejection};
use serde_json::{Map, Value, json};

use super::described::{Routes, does};
use super::{ApiError, App, Pairs, RequestKey, is_on, json_body, parameter};
use crate::connect::registry::ConnectorView;
use crate::connect::state::Phase;
use crate::connect::status::{TIMING_BOUNDS, TableRows, Timings};
use crate::deliver::{self, Deliveries, Outcome, SubscriptionView};
use crate::metrics::{self, ConnectorReport, PartitionReport, Report, RequestReport, SubscriptionReport, TableReport, TimingReport};
use crate::telemetry::{self, Level, Logger};

/// The commit this program was built from, when the build said it.
pub const COMMIT: &str = match option_env!("ROWFEED_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The routes.
pub fn routes() -> Routes {
    let health_of = || json!({ "status": "healthy|unhealthy", "message": "Worker has completed startup and is ready to handle requests." });
    let plain = "text/plain; charset=utf-8";
    Routes::of("Service")
        .shape("Error", json!({ "error_code": 404, "message": "Connector shop not found" }))
        .shape(
            "Problem",
            json!({ "type": "about:blank", "title": "Not Found", "status": 404, "detail": "Connector shop not found", "code?": "pg/refused",
                "at?": "db:5432/shop", "why?": "connection refused", "fix?": "start PostgreSQL", "request_id": "01934d2c-6c1f-7a52-8d0e-6f3a3f0d9b1c",
                "problems?": [{ "key": "topic.prefix", "code": "config/missing", "message": "topic.prefix is missing", "why": "", "fix": "set topic.prefix" }],
                "error_code": 404, "message": "Connector shop not found" }),
        )
        .shape("Logger", json!({ "level": "INFO|OFF|ERROR|WARN|DEBUG|TRACE", "last_modified~": 1_795_233_128_832_u64 }))
        .get(
            "/",
            root,
            does("Says which version this is")
                .answers(200, "As a worker of Kafka Connect.", json!({ "version": "4.1.0-rowfeed-0.1.0", "commit": "4f2c1ab", "kafka_cluster_id": "c1" })),
        )
        .get(
            "/health",
            health,
            does("Says whether the worker is well").answers(200, "It is.", health_of()).answers(500, "It is not.", health_of()),
        )
        .get("/livez", livez, does("Says that the process answers").text(200, "It does.", plain, "ok\n"))
        .get(
            "/readyz",
            readyz,
            does("Says whether consumers can be served")
                .query("verbose", json!(true), "A line for the log and one for each connector.")
                .query("require", json!("connectors"), "connectors: they must all work.")
                .text(200, "They can.", plain, "ok\n")
                .text(503, "They cannot.", plain, "connectors are not all working\n"),
        )
        .get(
            "/metrics",
            metrics,
            does("Tells the metrics")
                .text(200, "In Prometheus's format; in that of OpenMetrics when it is accepted.", METRICS, "# TYPE rowfeed_build info\n")
                .text(200, "", OPEN_METRICS, "# TYPE rowfeed_build info\n"),
        )
        .get(
            "/metrics/debezium",
            debezium_metrics,
            does("Tells the metrics by Debezium's names")
                .text(200, "In Prometheus's format; in that of OpenMetrics when it is accepted.", METRICS, "# TYPE debezium_metrics_Connected gauge\n")
                .text(200, "", OPEN_METRICS, "# TYPE debezium_metrics_Connected gauge\n"),
        )
        .get("/openapi.json", openapi, does("Tells this document").answers(200, "An OpenAPI document.", json!({ "<openapi>": null })))
        .get("/admin/loggers", loggers, does("Lists the loggers whose level is set").answers(200, "By name.", json!({ "<root>": "@Logger" })))
        .get(
            "/admin/loggers/{logger}",
            logger,
            does("Shows a logger's level").answers(200, "It.", json!("@Logger")).fails(404, "Logger x not found."),
        )
        .put(
            "/admin/loggers/{logger}",
            set_level,
            does("Sets a logger's level")
                .query("scope", json!("worker"), "cluster: nothing is answered.")
                .takes(json!({ "level": "DEBUG" }))
                .answers(200, "The loggers that it changes.", json!(["rowfeed::postgres"]))
                .empty(204, "It is set.")
                .fails(404, "invalid log level 'x'."),
        )
}

/// `GET /openapi.json`.
async fn openapi() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(super::document().to_string()));
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

/// The types of metrics: Prometheus's own, and OpenMetrics.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /`: clients parse the first two numbers of the version as Kafka's.
pub async fn root(State(app): State<App>) -> Response {
    let version = concat!("4.1.0-rowfeed-", env!("CARGO_PKG_VERSION"));
    Json(json!({ "version": version, "commit": COMMIT, "kafka_cluster_id": app.0.cluster_id })).into_response()
}

/// `GET /health`, as Kafka Connect 4.
pub async fn health(State(app): State<App>) -> Response {
    match failure(&app) {
        None => {
            let message = "Worker has completed startup and is ready to handle requests.";
            Json(json!({ "status": "healthy", "message": message })).into_response()
        }
        Some(message) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "status": "unhealthy", "message": message }))).into_response(),
    }
}

/// The process answers.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// The service can serve consumers. A source that is away does not change it, unless `?require=connectors` asks.
pub async fn readyz(State(app): State<App>, pairs: Result<Pairs, QueryRejection>) -> Response {
    let Query(pairs) = pairs.unwrap_or_else(|_| Query(Vec::new()));
    let failure = failure(&app);
    let views = app.0.registry.views();
    let works = |view: &ConnectorView| matches!(view.status.phase, Phase::Streaming | Phase::Snapshotting) && view.status.waiting.is_none();
    let all_work = app.paused().is_none() && views.iter().all(works);
    let required = parameter(&pairs, "require") == Some("connectors");
    let ready = failure.is_none() && (all_work || !required);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if !is_on(&pairs, "verbose") {
        return (status, failure.unwrap_or_else(|| (if ready { "ok" } else { "connectors are not all working" }).to_owned()) + "\n")
            .into_response();
    }
    let mut lines = match failure {
        None => app.paused().map_or_else(|| "[+]log ok\n".to_owned(), |full| format!("[-]log {}; capture waits\n", full.what)),
        Some(message) => format!("[-]log {message}\n"),
    };
    for view in views {
        lines.push_str(&connector_line(&app, &view));
    }
    (status, lines).into_response()
}

fn connector_line(app: &App, view: &ConnectorView) -> String {
    match app.trouble(view) {
        Some(problem) => format!("[-]connector {} {}: {}: {}\n", view.name, view.status.state(), problem.code, problem.what),
        None => match view.status.slot.as_ref().and_then(|slot| slot.warning.as_ref()) {
            Some(problem) => format!("[!]connector {} {}: {}: {}\n", view.name, view.status.state(), problem.code, problem.what),
            None => format!("[+]connector {} {}\n", view.name, view.status.state()),
        },
    }
}

fn failure(app: &App) -> Option<String> {
    app.0.log.as_ref()?.failed().map(|problem| problem.what)
}

/// `GET /admin/loggers`.
pub async fn loggers() -> Response {
    let all: Map<String, Value> = telemetry::loggers().iter().map(|(name, logger)| (name.clone(), logger_info(logger))).collect();
    Json(all).into_response()
}

/// `GET /admin/loggers/{logger}`.
pub async fn logger(Path(name): Path<String>) -> Result<Response, ApiError> {
    let missing = || ApiError::new(StatusCode::NOT_FOUND, format!("Logger {name} not found."));
    Ok(Json(logger_info(&telemetry::logger(&name).ok_or_else(missing)?)).into_response())
}

fn logger_info(logger: &Logger) -> Value {
    json!({ "level": logger.level.name(), "last_modified": logger.modified_ms })
}

/// `PUT /admin/loggers/{logger}`: with `scope=cluster` nothing is answered (KIP-976), as this worker is the cluster.
pub async fn set_level(Path(name): Path<String>, Query(pairs): Pairs, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let body = json_body(&headers, &body)?;
    let level = body.get("level").filter(|level| !level.is_null());
    let level = level.ok_or_else(|| ApiError::bad_request("Desired 'level' parameter was not specified in request."))?;
    let text = level.as_str().map_or_else(|| level.to_string(), str::to_owned);
    let unknown = || {
        let known = "it is one of OFF, ERROR, WARN, INFO, DEBUG, TRACE";
        ApiError::new(StatusCode::NOT_FOUND, format!("invalid log level '{text}'.\n{known}"))
    };
    let level = Level::parse(&text).ok_or_else(unknown)?;
    let affected = telemetry::set_level(&name, level).map_err(|error| ApiError::bad_request(error.to_string()))?;
    tracing::info!(logger = name, level = level.name(), "log level changed");
    Ok(match parameter(&pairs, "scope") {
        Some(scope) if scope.eq_ignore_ascii_case("cluster") => StatusCode::NO_CONTENT.into_response(),
        _ => Json(affected).into_response(),
    })
}

/// `GET /metrics`.
pub async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    page(&headers, metrics::render(&report(&app)))
}

/// `GET /metrics/debezium`: the names that Debezium's dashboards ask for.
pub async fn debezium_metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    page(&headers, metrics::debezium::render(&report(&app)))
}

/// In OpenMetrics's form for those who ask for it, as Prometheus does; else in the older one, which everybody reads.
fn page(headers: &HeaderMap, page: String) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        return ([(header::CONTENT_TYPE, OPEN_METRICS)], page).into_response();
    }
    ([(header::CONTENT_TYPE, METRICS)], metrics::as_text(&page)).into_response()
}

fn report(app: &App) -> Report {
    let log = app.0.log.as_ref();
    Report {
        build: (env!("CARGO_PKG_VERSION"), COMMIT),
        states: &Phase::NAMES,
        connectors: app.0.registry.views().iter().map(connector_report).collect(),
        partitions: partitions(app),
        log_bytes: log.map(|log| log.size_bytes()),
        log_failed: log.is_some_and(|log| log.failed().is_some()),
        log_paused: app.paused().is_some(),
        stream_clients: super::STREAMS_MAX - app.0.streams.available_permits(),
        reload_successful: app.0.registry.last_reload().map(|last| last.is_successful()),
        groups: super::groups::reports(app),
        requests: requests(app),
        subscriptions: app.0.deliveries.as_ref().map(subscriptions).unwrap_or_default(),
    }
}

fn subscriptions(deliveries: &Deliveries) -> Vec<SubscriptionReport> {
    let report = |view: SubscriptionView| {
        let (counts, sum_us) = view.status.timings();
        let bounds = deliver::status::TIMING_BOUNDS.into_iter().chain([f64::INFINITY]);
        SubscriptionReport {
            state: view.state.name(),
            outcomes: Outcome::ALL.iter().map(|outcome| (outcome.name(), view.status.counted(*outcome))).collect(),
            timings: TimingReport { buckets: bounds.zip(counts).collect(), sum: Duration::from_micros(sum_us).as_secs_f64() },
            numbers: view.numbers,
            name: view.name,
        }
    };
    deliveries.views().into_iter().map(report).collect()
}

fn connector_report(view: &ConnectorView) -> ConnectorReport {
    let (counts, at, snapshot) = (view.status.counts, view.status.positions, view.status.snapshot);
    let slot = view.status.slot.as_ref();
    ConnectorReport {
        name: view.name.clone(),
        server: view.options.get("topic.prefix").cloned().unwrap_or_default(),
        state: view.status.state(),
        restarts: view.status.restarts,
        changes: [
            ("c", counts.inserts),
            ("u", counts.updates),
            ("d", counts.deletes),
            ("r", counts.reads),
            ("t", counts.truncates),
            ("m", counts.messages),
        ],
        change_bytes: counts.bytes,
        transactions: counts.transactions,
        lag: view.status.lag,
        positions: [("received", at.received), ("encoded", at.encoded), ("durable", at.durable), ("confirmed", at.confirmed)],
        slot_retained: slot.and_then(|slot| slot.retained_bytes),
        slot_safe: slot.and_then(|slot| slot.safe_bytes),
        slot_active: slot.map(|slot| slot.active),
        checks: view.status.checks.iter().map(|check| (check.id, check.status)).collect(),
        snapshot_rows: snapshot.rows,
        snapshot_tables: [("total", snapshot.tables_total), ("done", snapshot.tables_done)],
        tables: view.status.tables.iter().map(table).collect(),
        reads_snapshot: snapshot.begun,
        snapshot_aborted: snapshot.aborted,
        snapshot_took: snapshot.took,
        events: counts.events,
        skipped: counts.skipped,
        since_event: view.status.since_event,
        timings: timings(&view.status.timings),
        queue_size: view.options.get("max.queue.size").and_then(|size| size.trim().parse().ok()),
    }
}

fn table(table: &TableRows) -> TableReport {
    TableReport { name: table.name.clone(), rows: table.rows, estimated: table.estimated }
}

fn timings(timings: &Timings) -> TimingReport {
    let bounds = TIMING_BOUNDS.into_iter().chain([f64::INFINITY]);
    TimingReport { buckets: bounds.zip(timings.counts).collect(), sum: Duration::from_micros(timings.sum_us).as_secs_f64() }
}

fn requests(app: &App) -> Vec<RequestReport> {
    let report = |((route, method, status), count): (&RequestKey, &u64)| RequestReport {
        route: route.clone(),
        method: (*method).to_owned(),
        status: *status,
        count: *count,
    };
    app.requests().iter().map(report).collect()
}

fn partitions(app: &App) -> Vec<PartitionReport> {
    let Some(log) = &app.0.log else { return Vec::new() };
    let mut reports = Vec::new();
    for topic in log.topics().iter().filter(|topic| !topic.internal).take(metrics::TOPICS_MAX) {
        for partition in 0..topic.partitions {
            if let Some(range) = log.offsets(topic.index, partition) {
                reports.push(PartitionReport { topic: topic.name.clone(), partition, start: range.start, end: range.end });
            }
        }
    }
    reports
}
