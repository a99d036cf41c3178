//! `/v1/status` and `/v1/connectors/{name}`: what a person wants to see first, in our own words.
//!
//! Owns the native view of a connector: its phase by our names, its lag, counts, snapshots and trouble as a whole
//! [`Problem`]. Promises that a value that is not known is null. Leaves Kafka Connect's view to [`super::connectors`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json as JsonBody;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::described::{Routes, does};
use super::records::rfc3339;
use super::{ApiError, App, Pairs, admin, parameter};
use crate::connect::position;
use crate::connect::registry::ConnectorView;
use crate::connect::runs::Run;
use crate::connect::status::{CheckResult, EndedTable, SnapshotProgress, StateChange, TableRows};
use crate::connect::store::TargetState;
use crate::connect::tallies::TableChanges;
use crate::log::StartAt;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Status")
        .shape(
            "ProblemInfo",
            json!({ "code": "pg/refused", "what": "nothing is listening on db:5432", "at": "db:5432/shop", "why": "connection refused", "fix": "start PostgreSQL" }),
        )
        .shape(
            "Incremental",
            json!({ "id~": "s1", "state": "running|paused", "tables": ["public.orders"], "rows_done~": 2048,
                "reconcile~": { "phase": "keys|rows|deletes", "keys": 1000, "deleted": 3 } }),
        )
        .shape(
            "ConnectorOverview",
            json!({ "name": "shop", "state": "streaming", "state_since~": "2026-11-21T13:02:11.482Z", "tables~": 3, "target": "running|paused|stopped", "managed_by": "api", "source": "db:5432/shop",
                "slot": "debezium", "lag_ms~": 12, "changes": 100, "transactions": 40, "restarts": 0, "failing_seconds~": 3,
                "problem~": "@ProblemInfo", "warning~": "@ProblemInfo", "file_problem~": "@ProblemInfo", "changes_per_second~": 12.5, "slot_retained_bytes~": 16_777_216,
                "slot_safe_bytes~": 8_589_934_592_u64, "checks": [{ "id": "pg/wal-unlimited", "status": "warn|fail", "title": "WAL limit", "observed": "-1" }],
                "snapshot": { "tables_total": 3, "tables_done": 3, "rows_done": 1000, "rows_earlier": 0, "aborted": false, "took_seconds~": 4,
                    "rows_estimated~": 1000, "rows_per_second~": 250.5, "eta_seconds~": 0,
                    "tables": [{ "table": "public.orders", "state": "queued|running|completed|aborted", "rows_done": 1000, "rows_estimated~": 1000,
                        "rows_per_second~": 250.5, "eta_seconds~": 0 }] }, "incremental~": "@Incremental",
                "incremental_ended": [{ "table": "public.orders", "status": "SUCCEEDED", "rows_done": 1000, "rows_deleted~": 3, "why~": "" }],
                "snapshots": [{ "kind": "snapshot|incremental", "began_at": "2026-11-21T13:02:11.482Z", "ended_at~": "2026-11-21T13:02:15.482Z",
                    "tables": 3, "rows_done": 1000, "status": "IN_PROGRESS" }] }),
        )
        .get(
            "/v1/status",
            status,
            does("Shows the service and all connectors").answers(
                200,
                "What `rowfeed status` shows.",
                json!({ "version": "0.1.0", "commit": "4f2c1ab", "address": "127.0.0.1:8083", "kafka~": { "address": "127.0.0.1:9092" }, "uptime_seconds": 12,
                    "log": { "kind": "builtin|kafka", "size_bytes?": 4096, "topics?": 3, "problem?~": "@ProblemInfo" },
                    "connectors": ["@ConnectorOverview"] }),
            ),
        )
        .get(
            "/v1/connectors",
            list,
            does("Lists the connectors in Rowfeed's words")
                .answers(200, "All of them.", json!({ "items": ["@ConnectorOverview"], "next_cursor~": "" })),
        )
        .get(
            "/v1/connectors/{name}",
            show,
            does("Shows a connector in Rowfeed's words").answers(200, "It.", json!("@ConnectorOverview")).fails(404, "Connector shop not found"),
        )
        .get(
            "/v1/connectors/{name}/tables",
            tables,
            does("Counts a connector's changes by table")
                .detail("Since the service started, of the tables that had any, 10,000 at most; the rows of snapshots are told with the snapshot.")
                .answers(
                    200,
                    "The tables, by name.",
                    json!({ "items": [{ "table": "public.orders", "inserts": 40, "updates": 55, "deletes": 5, "truncates": 0 }],
                        "next_cursor~": "" }),
                )
                .fails(404, "Connector shop not found"),
        )
        .get(
            "/v1/connectors/{name}/timeline",
            timeline,
            does("Shows a connector's last changes of state")
                .detail("Since the service started, 256 at most, oldest first.")
                .query("from", json!("now-1h"), "From this time on: now-1h, or milliseconds since 1970.")
                .answers(
                    200,
                    "The changes with their causes.",
                    json!({ "items": [{ "ts": "2026-11-21T13:02:11.482Z", "state": "waiting", "code~": "pg/refused",
                        "message~": "nothing is listening on db:5432", "why~": "connection refused", "fix~": "start PostgreSQL" }],
                        "next_cursor~": "" }),
                )
                .fails(400, "from=yesterday is not a time")
                .fails(404, "Connector shop not found"),
        )
}

/// Which tables change, and how.
async fn tables(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let one = |table: TableChanges| {
        let [inserts, updates, deletes, truncates] = table.counts;
        json!({ "table": table.table, "inserts": inserts, "updates": updates, "deletes": deletes, "truncates": truncates })
    };
    let items: Vec<Json> = app.0.registry.table_changes(&name)?.into_iter().map(one).collect();
    Ok(JsonBody(json!({ "items": items, "next_cursor": null })).into_response())
}

/// What happened to a connector, and why.
async fn timeline(State(app): State<App>, Path(name): Path<String>, Query(pairs): Pairs) -> Result<Response, ApiError> {
    let since = since(&pairs)?;
    let changes = app.0.registry.changes(&name)?;
    let items: Vec<Json> = changes.iter().filter(|change| unix_ms(change.at) >= since).map(change).collect();
    Ok(JsonBody(json!({ "items": items, "next_cursor": null })).into_response())
}

/// A change of a connector's state with its cause.
pub(super) fn change(change: &StateChange) -> Json {
    let problem = change.problem.as_ref();
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "ts": rfc3339(unix_ms(change.at)),
        "state": change.state,
        "code": problem.map(|problem| problem.code),
        "message": problem.map(|problem| problem.what.clone()),
        "why": problem.and_then(|problem| told(&problem.why)),
        "fix": problem.and_then(|problem| told(&problem.fix)),
    })
}

/// The parameter `from` as milliseconds since 1970.
fn since(pairs: &[(String, String)]) -> Result<i64, ApiError> {
    match parameter(pairs, "from").map(|text| (text, StartAt::parse(text))) {
        None | Some((_, Ok(StartAt::Start))) => Ok(i64::MIN),
        Some((_, Ok(StartAt::Time(time)))) => Ok(time),
        Some((text, _)) => Err(ApiError::bad_request(format!("from={text} is not a time: use now-1h, or milliseconds since 1970"))),
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

async fn status(State(app): State<App>) -> Response {
    JsonBody(whole_status(&app)).into_response()
}

/// The service and all connectors.
pub(super) fn whole_status(app: &App) -> Json {
    let log = match &app.0.log {
        None => json!({ "kind": "kafka" }),
        Some(log) => json!({
            "kind": "builtin",
            "size_bytes": log.size_bytes(),
            "topics": log.topics().iter().filter(|topic| !topic.internal).count(),
            "problem": log.failed().or_else(|| app.paused()).as_ref().map(Problem::json),
        }),
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": admin::COMMIT,
        "address": app.0.worker_id,
        "kafka": app.0.settings.kafka_address.as_ref().map(|address| json!({ "address": address })),
        "uptime_seconds": app.0.started.elapsed().as_secs(),
        "log": log,
        "connectors": all(app),
    })
}

async fn list(State(app): State<App>) -> Response {
    JsonBody(json!({ "items": all(&app), "next_cursor": null })).into_response()
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(JsonBody(describe(&app, &app.0.registry.view(&name)?)).into_response())
}

pub(super) fn all(app: &App) -> Vec<Json> {
    app.0.registry.views().iter().map(|view| describe(app, view)).collect()
}

fn describe(app: &App, view: &ConnectorView) -> Json {
    let option = |name: &str, usual: &str| view.options.get(name).map_or(usual, String::as_str).to_owned();
    let (host, port) = (option("database.hostname", "?"), option("database.port", "5432"));
    let status = &view.status;
    let whole = whole(&status.snapshot, &status.tables);
    json!({
        "name": view.name,
        "state": status.state(),
        "state_since": status.since.map(|since| rfc3339(unix_ms(since))),
        "tables": status.captured,
        "target": match view.target {
            TargetState::Running => "running",
            TargetState::Paused => "paused",
            TargetState::Stopped => "stopped",
        },
        "managed_by": view.file.as_deref().map_or_else(|| "api".to_owned(), |file| format!("file:{}", file.display())),
        "source": format!("{host}:{port}/{}", option("database.dbname", "?")),
        "slot": option("slot.name", "debezium"),
        "lag_ms": status.lag_now().map(millis),
        "changes": status.counts.events,
        "transactions": status.counts.transactions,
        "restarts": status.restarts,
        "failing_seconds": status.failing_for.map(|time| time.as_secs()),
        "problem": app.trouble(view).as_ref().map(Problem::json),
        "checks": status.checks.iter().filter(|check| matches!(check.status, "warn" | "fail")).map(check).collect::<Vec<_>>(),
        "warning": status.slot.as_ref().and_then(|slot| slot.warning.as_ref()).map(Problem::json),
        "file_problem": view.file_problem.as_ref().map(Problem::json),
        "changes_per_second": app.0.series.rate(&view.name),
        "slot_retained_bytes": status.slot.as_ref().and_then(|slot| slot.retained_bytes),
        "slot_safe_bytes": status.slot.as_ref().and_then(|slot| slot.safe_bytes),
        "snapshot": {
            "tables_total": status.snapshot.tables_total, "tables_done": status.snapshot.tables_done, "rows_done": status.snapshot.rows,
            "rows_earlier": status.snapshot.rows_earlier, "aborted": status.snapshot.aborted,
            "took_seconds": status.snapshot.took.map(|took| took.as_secs()), "rows_estimated": whole.estimated,
            "rows_per_second": whole.rate(), "eta_seconds": whole.seconds_left(),
            "tables": status.tables.iter().map(|rows| table(rows, &status.snapshot)).collect::<Vec<_>>(),
        },
        "incremental": incremental(app, view),
        "snapshots": status.runs.iter().map(run).collect::<Vec<_>>(),
        "incremental_ended": status.ended_tables.iter().map(ended).collect::<Vec<_>>(),
    })
}

/// All tables of a snapshot as one. How many rows there are is known when it is of each of them.
fn whole(progress: &SnapshotProgress, tables: &[TableRows]) -> TableRows {
    let (whole, rows_of_them) = progress.whole_earlier;
    let known = u32::try_from(tables.len()).is_ok_and(|tables| tables + whole == progress.tables_total) && progress.tables_total > 0;
    // What was read counts with what it was: the estimates are of what is to come.
    let rows = |table: &TableRows| if table.done { Some(table.rows) } else { table.estimated.map(|rows| rows.max(table.rows)) };
    let estimated = if known { tables.iter().map(rows).chain([Some(rows_of_them)]).sum() } else { None };
    let done = progress.aborted || progress.tables_done >= progress.tables_total;
    TableRows { name: String::new(), rows: progress.rows, before: progress.rows_earlier, estimated, done, took: progress.took }
}

fn table(table: &TableRows, progress: &SnapshotProgress) -> Json {
    let state = if table.done || progress.tables_done >= progress.tables_total {
        "completed"
    } else if progress.aborted {
        "aborted"
    } else if table.took.is_some() {
        "running"
    } else {
        "queued"
    };
    json!({
        "table": table.name, "state": state, "rows_done": table.rows, "rows_estimated": table.estimated,
        "rows_per_second": table.rate(), "eta_seconds": table.seconds_left(),
    })
}

/// A snapshot that was, or is.
fn run(run: &Run) -> Json {
    json!({ "kind": run.kind.name(), "began_at": rfc3339(unix_ms(run.began)), "ended_at": run.ended.map(|ended| rfc3339(unix_ms(ended))),
        "tables": run.tables, "rows_done": run.rows, "status": run.status })
}

fn ended(table: &EndedTable) -> Json {
    json!({ "table": table.table, "status": table.status, "rows_done": table.rows, "rows_deleted": table.deleted, "why": table.why })
}

/// The incremental snapshot that the stored position knows of.
fn incremental(app: &App, view: &ConnectorView) -> Option<Json> {
    let stored = position::stored(app.0.log.as_ref()?, view)?;
    let stored: Json = serde_json::from_slice(&stored).ok()?;
    let state = stored.get("rowfeed")?.get("incremental")?;
    let part = |table: &Json, at: usize| table.get(at).and_then(Json::as_str).unwrap_or("").to_owned();
    let left = state.get("left").and_then(Json::as_array).into_iter().flatten();
    let left: Vec<String> = left.map(|table| format!("{}.{}", part(table, 0), part(table, 1))).collect();
    if left.is_empty() {
        return None;
    }
    let paused = state.get("paused").and_then(Json::as_bool).unwrap_or(false);
    // The first table is the one that is read; the rows are its own.
    Some(json!({ "id": state.get("id"), "state": if paused { "paused" } else { "running" }, "tables": left, "rows_done": state.get("rows"),
        "reconcile": state.get("reconciled") }))
}

/// A check of the database that is not well.
fn check(check: &CheckResult) -> Json {
    json!({ "id": check.id, "status": check.status, "title": check.title, "observed": check.observed })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
