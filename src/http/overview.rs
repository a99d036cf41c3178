//! `/v1/status` and `/v1/connectors/{name}`: what a person wants to see first, in our own words.
//!
//! Owns the native view of a connector: its phase by our names, its lag, counts, snapshots and trouble as a whole
//! [`Problem`]. Promises that a value that is not known is null. Leaves Kafka Connect's view to [`super::connectors`].

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json as JsonBody, Router};
use serde_json::{Value as Json, json};

use super::{ApiError, App, admin};
use crate::connect::position;
use crate::connect::registry::ConnectorView;
use crate::connect::store::TargetState;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/v1/status", get(status)).route("/v1/connectors", get(list)).route("/v1/connectors/{name}", get(show))
}

async fn status(State(app): State<App>) -> Response {
    let log = match &app.0.log {
        None => json!({ "kind": "kafka" }),
        Some(log) => json!({
            "kind": "builtin",
            "size_bytes": log.size_bytes(),
            "topics": log.topics().iter().filter(|topic| !topic.internal).count(),
            "problem": log.failed().or_else(|| app.paused()).as_ref().map(Problem::json),
        }),
    };
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": admin::COMMIT,
        "address": app.0.worker_id,
        "uptime_seconds": app.0.started.elapsed().as_secs(),
        "log": log,
        "connectors": all(&app),
    });
    JsonBody(body).into_response()
}

async fn list(State(app): State<App>) -> Response {
    JsonBody(json!({ "items": all(&app), "next_cursor": null })).into_response()
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(JsonBody(describe(&app, &app.0.registry.view(&name)?)).into_response())
}

fn all(app: &App) -> Vec<Json> {
    app.0.registry.views().iter().map(|view| describe(app, view)).collect()
}

fn describe(app: &App, view: &ConnectorView) -> Json {
    let option = |name: &str, usual: &str| view.options.get(name).map_or(usual, String::as_str).to_owned();
    let (host, port) = (option("database.hostname", "?"), option("database.port", "5432"));
    let status = &view.status;
    json!({
        "name": view.name,
        "state": status.phase.name(),
        "target": match view.target {
            TargetState::Running => "running",
            TargetState::Paused => "paused",
            TargetState::Stopped => "stopped",
        },
        "managed_by": view.file.as_deref().map_or_else(|| "api".to_owned(), |file| format!("file:{}", file.display())),
        "source": format!("{host}:{port}/{}", option("database.dbname", "?")),
        "slot": option("slot.name", "debezium"),
        "lag_ms": status.lag.map(millis),
        "changes": status.counts.events,
        "transactions": status.counts.transactions,
        "restarts": status.restarts,
        "failing_seconds": status.failing_for.map(|time| time.as_secs()),
        "problem": app.trouble(view).as_ref().map(Problem::json),
        "warning": status.slot.as_ref().and_then(|slot| slot.warning.as_ref()).map(Problem::json),
        "snapshot": { "tables_total": status.snapshot.tables_total, "tables_done": status.snapshot.tables_done, "rows_done": status.snapshot.rows },
        "incremental": incremental(app, view),
    })
}

/// The incremental snapshot that the stored position knows of.
fn incremental(app: &App, view: &ConnectorView) -> Option<Json> {
    let stored = position::stored(app.0.log.as_ref()?, view)?;
    let stored: Json = serde_json::from_slice(&stored).ok()?;
    let state = stored.get("incremental")?;
    let part = |table: &Json, at: usize| table.get(at).and_then(Json::as_str).unwrap_or("").to_owned();
    let left = state.get("left").and_then(Json::as_array).into_iter().flatten();
    let left: Vec<String> = left.map(|table| format!("{}.{}", part(table, 0), part(table, 1))).collect();
    if left.is_empty() {
        return None;
    }
    let paused = state.get("paused").and_then(Json::as_bool).unwrap_or(false);
    // The first table is the one that is read; the rows are its own.
    Some(
        json!({ "id": state.get("id"), "state": if paused { "paused" } else { "running" }, "tables": left, "rows_done": state.get("rows") }),
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
