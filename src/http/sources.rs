//! `/v1/sources/tables` and `/v1/sources/preview`: what a person is shown who writes a connector's configuration.
//!
//! Owns their bodies and answers. Promises that no secret of a configuration is in an answer, that mistakes are told by the option on which
//! they are, and that a row is shown only to whoever may read all topics. Leaves asking the database to [`crate::connect::proposed`].

use axum::Json as JsonBody;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json, json};

use super::check::item;
use super::connectors::options;
use super::described::{Routes, does};
use super::{ApiError, App, json_body, object};
use crate::config::define::KeyProblem;
use crate::connect::proposed::{self, Declined, Preview, Proposal, SampleRow};

/// The routes.
pub fn routes() -> Routes {
    let busy = "too many databases are being examined: try again in a moment";
    let late = "the database took too long to answer";
    Routes::of("Sources")
        .post(
            "/v1/sources/tables",
            tables,
            does("Lists the relations of a database that no connector reads yet")
                .detail("Of the configuration only the connection must be there and right; it says which tables are captured, as far as it is known. Nothing is locked or made.")
                .takes(json!({ "config?": "@ConnectorConfig", "url?": "postgres://cdc@db.internal:5432/shop" }))
                .answers(200, "All of them, and why one cannot be captured.", json!({ "items": ["@Relation"] }))
                .fails(400, "one of url and config is needed")
                .fails(429, busy)
                .fails(422, "pg/refused: nothing is listening on db.internal:5432")
                .fails(504, late),
        )
        .post(
            "/v1/sources/preview",
            preview,
            does("Shows a row of a table as the event that a configuration makes of it")
                .detail("The row with the greatest key, or any where there is none, is read and sent through the transformations and the format, as a snapshot would do. No slot, publication, topic or schema is made. What a schema registry would have the schema of is shown as JSON. Needs write:connectors and read:topics.")
                .takes(json!({ "config": "@ConnectorConfig", "table": "public.orders" }))
                .answers(
                    200,
                    "The event, or why there is none.",
                    json!({ "table": "public.orders", "captured": true, "topic~": "shop.public.orders", "key": null, "value": null,
                        "headers": { "<x>": null }, "tombstone": false, "format": "JSON", "source_row": "newest row|any row|none",
                        "why?": "the table has no row yet" }),
                )
                .fails(400, "config/missing: topic.prefix is missing")
                .fails(404, "there is no table public.order; did you mean \"public.orders\"?")
                .fails(429, busy)
                .fails(422, "pg/refused: nothing is listening on db.internal:5432")
                .fails(504, late),
        )
}

impl From<Declined> for ApiError {
    fn from(declined: Declined) -> Self {
        let mistakes = match &declined {
            Declined::Refused(_) => None,
            Declined::Mistakes(problems) => Some(problems.iter().map(mistake).collect::<Vec<_>>()),
            Declined::Source(_) => Some(Vec::new()),
        };
        let is_source = matches!(declined, Declined::Source(_));
        match (declined, mistakes) {
            (Declined::Refused(refused), _) => refused.into(),
            (declined, mistakes) => {
                let Some(problem) = declined.problem() else { return Self::bad_request("the configuration cannot be used") };
                let status = match problem.code {
                    _ if !is_source => StatusCode::BAD_REQUEST,
                    "pg/no-tables" => StatusCode::NOT_FOUND,
                    // The address came with the request: that is no failure of the service.
                    code if code.starts_with("pg/") => StatusCode::UNPROCESSABLE_ENTITY,
                    // A plan that cannot be made of it.
                    _ => StatusCode::BAD_REQUEST,
                };
                let error = Self::new(status, problem.text()).about(&problem);
                match mistakes.filter(|mistakes| !mistakes.is_empty()) {
                    Some(mistakes) => error.with("problems", mistakes),
                    None => error,
                }
            }
        }
    }
}

fn mistake(known: &KeyProblem) -> Json {
    let KeyProblem { key, problem } = known;
    json!({ "key": key, "code": problem.code, "message": problem.what, "why": problem.why, "fix": problem.fix })
}

async fn tables(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let body = object(json_body(&headers, &body)?, &["config", "url"])?;
    let proposal = match (body.get("url"), body.get("config")) {
        (Some(Json::String(url)), None) => Proposal::Url(url.clone()),
        (None, Some(config)) => Proposal::Options(options(config)?),
        _ => return Err(ApiError::bad_request("one of url and config is needed: {\"url\": \"postgres://...\"} or {\"config\": {...}}")),
    };
    let relations = proposed::relations(&app.0.registry, proposal).await?;
    Ok(JsonBody(json!({ "items": relations.iter().map(item).collect::<Vec<_>>() })).into_response())
}

async fn preview(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let body = object(json_body(&headers, &body)?, &["config", "table"])?;
    let config = body.get("config").ok_or_else(|| ApiError::bad_request("config is missing: the options of the connector"))?;
    let table = body.get("table").and_then(Json::as_str).ok_or_else(|| ApiError::bad_request("table is missing: \"schema.table\""))?;
    let preview = proposed::preview(&app.0.registry, options(config)?, table).await?;
    let no_store = [(axum::http::header::CACHE_CONTROL, "no-store")];
    Ok((no_store, JsonBody(told(preview))).into_response())
}

fn told(preview: Preview) -> Json {
    let source_row = match preview.row {
        SampleRow::Newest => "newest row",
        SampleRow::Any => "any row",
        SampleRow::None => "none",
    };
    let why = match (&preview.event, preview.row) {
        (Some(_), _) => None,
        (None, SampleRow::None) => Some("the table has no row yet, or none below 256 KiB"),
        (None, _) => Some("the transformations drop the event of this row"),
    };
    let is_tombstone = preview.event.as_ref().is_some_and(|event| event.value.is_none());
    let event = preview.event.unwrap_or_default();
    let headers: Map<String, Json> = event.headers.into_iter().map(|(name, value)| (name, as_json(value))).collect();
    let mut told = json!({
        "table": preview.table,
        "captured": preview.captured,
        "topic": Some(event.topic).filter(|topic| !topic.is_empty()),
        "key": as_json(event.key),
        "value": as_json(event.value),
        "headers": headers,
        "tombstone": is_tombstone,
        "format": preview.form,
        "source_row": source_row,
    });
    if let (Some(why), Some(map)) = (why, told.as_object_mut()) {
        map.insert("why".to_owned(), why.into());
    }
    told
}

/// Bytes as the JSON that they are, or as text.
fn as_json(bytes: Option<Vec<u8>>) -> Json {
    let Some(bytes) = bytes else { return Json::Null };
    serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
}
