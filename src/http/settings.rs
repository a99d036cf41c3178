//! `GET /v1/config`: the service's settings as they are in force, and the files that they and the connectors come from.
//!
//! Owns how a setting's origin is told. Promises that secrets are stars, in values and in mistakes, and that only `admin` is shown it: folders,
//! addresses and names of files are of use to whoever breaks in.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::config::{problem_json, told};
use super::described::{Routes, does};
use super::overview::unix_ms;
use super::records::rfc3339;
use super::{ApiError, App};
use crate::config::running::InForce;
use crate::config::service::{KEYS, Origin};
use crate::problem::Problem;

/// The routes.
pub fn routes() -> Routes {
    let read = json!({ "at~": "2026-11-21T13:02:11.482Z", "successful": true, "problems": ["@Mistake"], "needs_restart": ["http.listen"] });
    Routes::of("Configuration")
        .shape(
            "Setting",
            json!({ "name": "http.listen", "value": "127.0.0.1:8083", "source": "default|file|environment|flag", "from": "rowfeed.toml:9:1",
                "line~": 9, "doc~": "Kafka Connect REST API, metrics, health, topics" }),
        )
        .get(
            "/v1/config",
            show,
            does("Shows the service's settings, and how its files were read last")
                .detail("A secret is stars, or the reference to where it is.")
                .answers(
                    200,
                    "What holds now.",
                    json!({ "schema": "rowfeed/config@1", "file~": "/etc/rowfeed/rowfeed.toml", "items": ["@Setting"], "warnings": ["ROWFEED_LISTEN is not a setting"],
                        "read": read,
                        "connectors": { "folder": "/etc/rowfeed/connectors", "watched": true, "read_at~": "2026-11-21T13:02:11.482Z", "read~": "@Reloaded",
                            "files": [{ "connector": "shop", "file": "/etc/rowfeed/connectors/shop.toml", "problem~": "@ProblemInfo" }] } }),
                )
                .fails(501, "the settings are not known here"),
        )
}

async fn show(State(app): State<App>) -> Result<Response, ApiError> {
    let told = settings(&app).ok_or_else(|| ApiError::new(StatusCode::NOT_IMPLEMENTED, "the settings are not known here"))?;
    Ok(JsonBody(told).into_response())
}

/// What holds now; `None`: nobody said it.
pub(super) fn settings(app: &App) -> Option<Json> {
    let registry = &app.0.registry;
    let views = registry.views();
    let files = views.iter().filter_map(|view| {
        let file = view.file.as_ref()?.display().to_string();
        Some(json!({ "connector": view.name, "file": file, "problem": view.file_problem.as_ref().map(Problem::json) }))
    });
    let files: Vec<Json> = files.collect();
    let (read, read_at) = (registry.last_reload(), registry.last_reload_at());
    let running = app.0.running.as_ref()?.now();
    let InForce { config, read: own } = &*running;
    Some(json!({
        "schema": "rowfeed/config@1",
        "file": config.file.as_ref().map(|file| file.display().to_string()),
        "items": config.origins.iter().map(setting).collect::<Vec<_>>(),
        "warnings": config.warnings,
        "read": {
            "at": config.file.is_some().then(|| rfc3339(unix_ms(own.at))),
            "successful": own.problems.is_empty(),
            "problems": own.problems.iter().map(|problem| problem_json(None, problem)).collect::<Vec<_>>(),
            "needs_restart": own.waiting,
        },
        "connectors": {
            "folder": config.connectors_dir.display().to_string(),
            "watched": config.watch,
            "read_at": read_at.map(|at| rfc3339(unix_ms(at))),
            "read": read.as_ref().map(told),
            "files": files,
        },
    }))
}

fn setting(origin: &Origin) -> Json {
    let (source, line) = source(&origin.from);
    let doc = KEYS.iter().find(|key| key.name == origin.name).map(|key| key.doc);
    json!({ "name": origin.name, "value": origin.value, "source": source, "from": origin.from, "line": line, "doc": doc })
}

/// Which layer gave a setting, and on which line of its file.
fn source(from: &str) -> (&'static str, Option<u64>) {
    match from {
        "default" => ("default", None),
        _ if from.starts_with("environment ") => ("environment", None),
        _ if from.starts_with("--") => ("flag", None),
        // `FILE:LINE:COLUMN`
        _ => ("file", from.rsplit(':').nth(1).and_then(|line| line.parse().ok())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_setting_comes_from_is_told_apart() {
        for (from, expected) in [
            ("default", ("default", None)),
            ("environment ROWFEED_HTTP_LISTEN", ("environment", None)),
            ("--set", ("flag", None)),
            ("--http", ("flag", None)),
            ("/etc/rowfeed/rowfeed.toml:9:1", ("file", Some(9))),
        ] {
            assert_eq!(source(from), expected, "{from}");
        }
    }
}
