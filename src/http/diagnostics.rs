//! `GET /v1/diagnostics`: one document for a report of a mistake.
//!
//! Owns what is in it. Promises no secret: what it says is what other paths say, with configurations masked as they are; and no row, but what the log of info and worse has in it, where a server quoted a value in an error.
//! It names hosts, users, tables and files, so only `admin` is shown it, and whoever sends it on should read it first.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json, json};

use super::described::{Routes, does};
use super::records::rfc3339;
use super::{App, overview, settings, slots};
use crate::config::postgres::masked;
use crate::telemetry::recent;

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Status").get(
        "/v1/diagnostics",
        show,
        does("Gathers what a report of a mistake needs")
            .detail("Version, settings, state, the connectors with their configurations and changes of state, slots, the last 200 lines of the log that are info or worse. No secrets, and no rows but what a server quoted in an error; names of hosts, tables and files.")
            .answers(
                200,
                "A file to look through and to send.",
                json!({ "schema": "rowfeed/diagnostics@1", "made_at": "2026-11-21T13:02:11.482Z", "system": { "os": "linux", "arch": "x86_64", "processors~": 2 },
                    "config~": null, "status": null, "connectors": { "<shop>": { "config": "@ConnectorConfig", "timeline": [null] } }, "slots": null, "log": ["2026-11-21T13:02:11.482Z  INFO ready"] }),
            ),
    )
}

async fn show(State(app): State<App>) -> Response {
    let mut connectors = Map::new();
    for view in app.0.registry.views() {
        let timeline = app.0.registry.changes(&view.name).unwrap_or_default();
        let timeline: Vec<Json> = timeline.iter().map(overview::change).collect();
        connectors.insert(view.name, json!({ "config": masked(&view.options), "timeline": timeline }));
    }
    let now = overview::unix_ms(std::time::SystemTime::now());
    let body = json!({
        "schema": "rowfeed/diagnostics@1",
        "made_at": rfc3339(now),
        "system": {
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "processors": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
        },
        "config": settings::settings(&app),
        "status": overview::whole_status(&app),
        "connectors": connectors,
        "slots": slots::all(&app).await,
        "log": recent::lines(),
    });
    let name = format!("attachment; filename=\"rowfeed-diagnostics-{now}.json\"");
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    (headers, format!("{body:#}\n")).into_response()
}
