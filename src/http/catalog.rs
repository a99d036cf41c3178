//! `/v1/topics` beyond reading: topics are made, given other settings, and deleted.
//!
//! Owns what may be asked of a topic, in Kafka's words. Promises that the log's own topics are left alone, that a topic which a
//! connector publishes to is not deleted by accident, and that no group keeps an offset in a topic that is gone. Leaves the
//! topics to the log.

use axum::Json as JsonBody;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json, json};

use super::described::{Routes, does};
use super::{ApiError, App, Pairs, is_on, json_body, topics};
use crate::config::suggest;
use crate::log::topic::is_internal;
use crate::log::{LogError, TopicSpec};
use crate::record::compression::Compression;

/// The routes.
pub fn routes() -> Routes {
    let own = "\"__rowfeed_catalog\" is the log's own topic: nobody else makes, changes or deletes it";
    let missing = "there is no topic \"shop.public.order\"; did you mean \"shop.public.orders\"?";
    let elsewhere = "topics are in the external Kafka cluster (log.kind = \"kafka\"): read them there";
    let settings = json!({ "compression.type?": "producer|uncompressed|gzip|snappy|lz4|zstd", "cleanup.policy?": "delete" });
    Routes::of("Topics")
        .post(
            "/v1/topics",
            create,
            does("Makes a topic")
                .takes(json!({ "name": "audit", "partitions?": 3, "config?": settings }))
                .answers(201, "It.", json!("@Topic"))
                .fails(400, "name is missing")
                .fails(403, own)
                .fails(409, "the topic \"audit\" is there already")
                .fails(429, "there are 10000 topics already")
                .fails(501, elsewhere),
        )
        .patch(
            "/v1/topics/{topic}",
            alter,
            does("Changes a topic's settings")
                .takes(json!({ "config": settings }))
                .answers(200, "It.", json!("@Topic"))
                .fails(400, "unknown setting \"compresion.type\"; did you mean \"compression.type\"?")
                .fails(403, own)
                .fails(404, missing)
                .fails(501, elsewhere),
        )
        .delete(
            "/v1/topics/{topic}",
            remove,
            does("Deletes a topic and what groups committed of it")
                .query("force", json!(true), "Also where a connector publishes to it, which makes it anew with its next change.")
                .empty(204, "It is gone.")
                .fails(403, own)
                .fails(404, missing)
                .fails(409, "the connector shop publishes to \"shop.public.orders\"")
                .fails(501, elsewhere),
        )
}

type Answer = Result<Response, ApiError>;

/// More topics than this are made by connectors only.
const TOPICS_MAX: usize = 10_000;
/// As many as a setting of the service allows.
const PARTITIONS_MAX: u64 = 1024;

/// `{"name": "audit", "partitions": 3, "config": {"compression.type": "zstd"}}`
async fn create(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    let log = topics::log(&app)?;
    let body = object(json_body(&headers, &body)?, &["name", "partitions", "config"])?;
    let name = body.get("name").and_then(Json::as_str).ok_or_else(|| ApiError::bad_request("name is missing"))?;
    let partitions = match body.get("partitions") {
        None => u64::from(TopicSpec::default().partitions),
        Some(number) => number
            .as_u64()
            .filter(|number| (1..=PARTITIONS_MAX).contains(number))
            .ok_or_else(|| ApiError::bad_request(format!("partitions must be a number from 1 to {PARTITIONS_MAX}")))?,
    };
    let compression = settings(body.get("config"))?.flatten();
    if is_internal(name) {
        return Err(own(name));
    }
    if log.topic(name).is_some() {
        return Err(ApiError::new(StatusCode::CONFLICT, format!("the topic \"{name}\" is there already")));
    }
    if log.topics().len() >= TOPICS_MAX {
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, format!("there are {TOPICS_MAX} topics already")));
    }
    let spec = TopicSpec { partitions: u32::try_from(partitions).unwrap_or(1), compression, ..TopicSpec::default() };
    log.make_topic(name, &spec).await.map_err(|error| refused(&error))?;
    let body = topics::described(&app, log, topics::find(log, name)?.as_ref());
    Ok((StatusCode::CREATED, JsonBody(body)).into_response())
}

/// `{"config": {"compression.type": "zstd"}}`
async fn alter(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let log = topics::log(&app)?;
    let body = object(json_body(&headers, &body)?, &["config"])?;
    let changed = settings(body.get("config"))?;
    if topics::find(log, &name)?.internal {
        return Err(own(&name));
    }
    if let Some(compression) = changed {
        log.set_compression(&name, compression).await.map_err(|error| refused(&error))?;
    }
    Ok(JsonBody(topics::described(&app, log, topics::find(log, &name)?.as_ref())).into_response())
}

async fn remove(State(app): State<App>, Path(name): Path<String>, Query(pairs): Pairs) -> Answer {
    let log = topics::log(&app)?;
    if topics::find(log, &name)?.internal {
        return Err(own(&name));
    }
    if let Some(connector) = super::connectors::writer_of(&app, &name).filter(|_| !is_on(&pairs, "force")) {
        let message = format!(
            "the connector {connector} publishes to \"{name}\" and would make it anew with the next change: leave its table out, or delete the connector, or force it (?force=true)"
        );
        return Err(ApiError::new(StatusCode::CONFLICT, message));
    }
    // With what groups committed of it, in one commit: a topic of this name that is made later begins at zero.
    match &app.0.groups {
        Some(groups) => groups.delete_topic(&name).await.map_err(|refusal| super::groups::refused(&name, refusal))?,
        None => log.delete_topic(&name).await.map_err(|error| refused(&error))?,
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn own(name: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, format!("\"{name}\" is the log's own topic: nobody else makes, changes or deletes it"))
}

fn refused(error: &LogError) -> ApiError {
    let status = match error {
        LogError::InvalidTopicName(_) => StatusCode::BAD_REQUEST,
        LogError::TooManyPartitions { .. } => StatusCode::TOO_MANY_REQUESTS,
        LogError::UnknownPartition { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    ApiError::new(status, error.to_string())
}

fn object(body: Json, known: &[&str]) -> Result<Map<String, Json>, ApiError> {
    let Json::Object(body) = body else { return Err(ApiError::bad_request("the body must be a JSON object")) };
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(body),
        Some(key) => Err(unknown("key", key, known)),
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> ApiError {
    let hint = suggest::did_you_mean(name, known.iter().copied());
    ApiError::bad_request(format!("unknown {what} \"{name}\"; {hint}").trim_end_matches("; "))
}

/// What a topic can be told.
const KNOWN: [&str; 2] = ["cleanup.policy", "compression.type"];
/// What a topic of Kafka can be told, and ours cannot.
const OF_THE_WHOLE_LOG: [(&str, &str); 5] = [
    ("retention.ms", "log.retention"),
    ("retention.bytes", "log.max_bytes"),
    ("segment.bytes", "log.segment_bytes"),
    ("segment.ms", "log.retention"),
    ("delete.retention.ms", "log.retention"),
];

/// The new compression: none when the settings do not name it, `Some(None)` for `producer`.
fn settings(config: Option<&Json>) -> Result<Option<Option<Compression>>, ApiError> {
    let Some(config) = config else { return Ok(None) };
    let config = config.as_object().ok_or_else(|| ApiError::bad_request("config must be an object of texts"))?;
    let mut found = None;
    for (key, value) in config {
        let text = value.as_str().ok_or_else(|| ApiError::bad_request(format!("{key} must be a text")))?;
        match key.as_str() {
            "compression.type" if text == "producer" => found = Some(None),
            "compression.type" => match Compression::named(text) {
                Some(codec) => found = Some(Some(codec)),
                None => {
                    let must = "one of producer, uncompressed, gzip, snappy, lz4, zstd";
                    return Err(ApiError::bad_request(format!("compression.type = \"{text}\" is not allowed: it must be {must}")));
                }
            },
            "cleanup.policy" if text == "delete" => {}
            "cleanup.policy" => {
                return Err(ApiError::bad_request(
                    "cleanup.policy must be delete: the built-in log removes whole segments, by log.retention and log.max_bytes",
                ));
            }
            key => {
                let whole = OF_THE_WHOLE_LOG.iter().find(|(known, _)| *known == key);
                return Err(match whole {
                    Some((_, setting)) => ApiError::bad_request(format!("{key} is set for the whole log: {setting} in rowfeed.toml")),
                    None => unknown("setting", key, &KNOWN),
                });
            }
        }
    }
    Ok(found)
}
