//! `/v1/slots`: the replication slots of the servers that connectors read.

use axum::Json as JsonBody;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::described::{Routes, does};
use super::{ApiError, App, Pairs, parameter};
use crate::connect::slots::{self, Refused, SlotView};

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Slots")
        .shape(
            "Slot",
            json!({ "slot": "shop", "server": "db:5432", "database~": "shop", "connector~": "shop", "type": "logical|physical", "plugin~": "pgoutput",
                "active": true, "active_pid~": 4711, "holder~": "rowfeed shop", "wal_status~": "reserved", "retained_bytes~": 1048576,
                "safe_bytes~": 1048576, "lag_bytes~": 1024, "lag_ms~": 12, "failover~": false, "temporary": false, "inactive_s~": 60 }),
        )
        .get(
            "/v1/slots",
            list,
            does("Lists the replication slots of the servers that connectors read").answers(
                200,
                "The slots, and the servers that did not answer.",
                json!({ "items": ["@Slot"], "unreached": [{ "server": "db:5432", "problem": "pg/refused: nothing is listening on db:5432" }] }),
            ),
        )
        .delete(
            "/v1/slots/{slot}",
            drop_slot,
            does("Drops a replication slot")
                .detail("What it holds back is lost to whoever reads it.")
                .query("server", json!("db:5432"), "The server, where several have a slot of this name.")
                .empty(204, "It is gone.")
                .fails(404, "there is no slot \"shop\"")
                .fails(409, "a connector or somebody else uses it")
                .fails(502, "pg/refused: nothing is listening on db:5432"),
        )
}

async fn list(State(app): State<App>) -> Response {
    JsonBody(all(&app).await).into_response()
}

/// Them, and the servers that did not answer in time.
pub(super) async fn all(app: &App) -> Json {
    let all = slots::list(&app.0.registry).await;
    let items: Vec<Json> = all.items.iter().map(item).collect();
    let unreached = |(server, problem): &(String, crate::problem::Problem)| json!({ "server": server, "problem": problem.text() });
    let unreached: Vec<Json> = all.unreached.iter().map(unreached).collect();
    json!({ "items": items, "unreached": unreached })
}

fn item(slot: &SlotView) -> Json {
    let report = &slot.report;
    json!({
        "slot": report.name,
        "server": slot.server,
        "database": report.database,
        "connector": slot.connector,
        "type": if report.logical { "logical" } else { "physical" },
        "plugin": report.plugin,
        "active": report.active_pid.is_some(),
        "active_pid": report.active_pid,
        "holder": report.holder,
        "wal_status": report.wal_status,
        "retained_bytes": report.retained_bytes,
        "safe_bytes": report.safe_bytes,
        "lag_bytes": report.lag_bytes,
        "lag_ms": slot.lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
        "failover": report.failover,
        "temporary": report.temporary,
        "inactive_s": report.inactive_s,
    })
}

async fn drop_slot(State(app): State<App>, Path(name): Path<String>, Query(pairs): Pairs) -> Result<Response, ApiError> {
    match slots::drop_slot(&app.0.registry, &name, parameter(&pairs, "server")).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(Refused::NotFound(message)) => Err(ApiError::new(StatusCode::NOT_FOUND, message)),
        Err(Refused::Conflict(message)) => Err(ApiError::new(StatusCode::CONFLICT, message)),
        Err(Refused::Failed(problem)) => Err(ApiError::new(StatusCode::BAD_GATEWAY, problem.text()).about(&problem)),
    }
}
