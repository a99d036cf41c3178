//! The connector files, read again when asked; and what a configuration would change.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::connectors::options;
use super::described::{Routes, does};
use super::{ApiError, App, json_body};
use crate::config::postgres::effect::{Change, heaviest};
use crate::config::postgres::masked;
use crate::connect::registry::Reloaded;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Configuration")
        .shape(
            "Mistake",
            json!({ "connector~": "shop", "code": "config/value", "message": "snapshot.mode=initail is not valid", "at": "connectors/shop.toml:3",
                "why": "", "fix": "use initial" }),
        )
        .shape(
            "Reloaded",
            json!({ "schema": "rowfeed/config-reload@1", "successful": true, "started": ["shop"], "changed": ["billing"], "stopped": ["old"],
                "problems": ["@Mistake"], "error_code?": 422, "message?": "config/value: snapshot.mode=initail is not valid" }),
        )
        .post(
            "/v1/config/reload",
            reload,
            does("Reads the connector files again")
                .answers(200, "All that they say holds.", json!("@Reloaded"))
                .answers(422, "What is wrong; the other files hold all the same.", json!("@Reloaded")),
        )
        .post(
            "/v1/connectors/{name}/diff",
            diff,
            does("Says what a configuration would change")
                .detail("Nothing is changed. The body is that of PUT /connectors/{name}/config.")
                .takes(json!("@ConnectorConfig"))
                .answers(
                    200,
                    "The changes, the heaviest effect of all, and what is wrong.",
                    json!({ "schema": "rowfeed/connector-diff@1", "connector": "shop", "exists": true, "effect": "live|none|create|reconnect|restart|resnapshot",
                        "says~": "the stream goes on without interruption", "problems": ["@Mistake"],
                        "changes": [{ "key": "slot.name", "from~": "a", "to~": "b", "effect": "live|reconnect|restart|resnapshot" }] }),
                ),
        )
}

/// 200 when everything the files say holds, else 422 with what does not; the other files hold all the same.
async fn reload(State(app): State<App>) -> Response {
    let reloaded = app.0.registry.reload().await;
    let mut body = told(&reloaded);
    if reloaded.is_successful() {
        return axum::Json(body).into_response();
    }
    if let Some(map) = body.as_object_mut() {
        let message = reloaded.problems.iter().map(|(_, problem)| problem.text()).collect::<Vec<_>>().join("\n");
        map.insert("error_code".into(), StatusCode::UNPROCESSABLE_ENTITY.as_u16().into());
        map.insert("message".into(), message.into());
    }
    (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(body)).into_response()
}

/// The body is that of `PUT /connectors/{name}/config`; nothing is changed.
async fn diff(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let options = options(&json_body(&headers, &body)?)?;
    let difference = app.0.registry.diff(&name, options);
    let shown = |key: &str, value: &Option<String>| {
        let one = value.iter().map(|value| (key.to_owned(), value.clone())).collect();
        masked(&one).into_values().next()
    };
    let change = |change: &Change| {
        let (from, to) = (shown(&change.key, &change.from), shown(&change.key, &change.to));
        json!({ "key": change.key, "from": from, "to": to, "effect": change.effect.name() })
    };
    let heaviest = heaviest(&difference.changes);
    // Of one that is not there, nothing can be interrupted or missed.
    let (effect, says) = match heaviest {
        None => ("none", None),
        Some(_) if !difference.exists => ("create", None),
        Some(effect) => (effect.name(), Some(effect.says())),
    };
    let answer = json!({
        "schema": "rowfeed/connector-diff@1",
        "connector": name,
        "exists": difference.exists,
        "effect": effect,
        "says": says,
        "changes": difference.changes.iter().map(change).collect::<Vec<_>>(),
        "problems": difference.problems.iter().map(|problem| problem_json(Some(&name), problem)).collect::<Vec<_>>(),
    });
    Ok(axum::Json(answer).into_response())
}

/// What reading the connector files came to.
pub(super) fn told(reloaded: &Reloaded) -> Json {
    let problems: Vec<Json> = reloaded.problems.iter().map(|(connector, problem)| problem_json(connector.as_deref(), problem)).collect();
    json!({
        "schema": "rowfeed/config-reload@1",
        "successful": reloaded.is_successful(),
        "started": reloaded.started,
        "changed": reloaded.changed,
        "stopped": reloaded.stopped,
        "problems": problems,
    })
}

/// A mistake, and in which connector's file it is.
pub(super) fn problem_json(connector: Option<&str>, problem: &Problem) -> Json {
    json!({
        "connector": connector,
        "code": problem.code,
        "message": problem.what,
        "at": problem.at.lines().next().unwrap_or_default(),
        "why": problem.why,
        "fix": problem.fix,
    })
}
