//! `POST /v1/check` and `GET /v1/sources/{connector}/tables`: what a person asks before a connector is made or changed.

use axum::Json as JsonBody;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::connectors::options;
use super::described::{Routes, does};
use super::topics::Chunks;
use super::{ApiError, App, json_body, object};
use crate::connect::checks::{self, Asked, Examination, Refused, Relation};
use crate::connect::proposed;
use crate::connect::registry::Registry;

/// More findings than a database has: a reader that is slow loses none.
const FINDINGS_MAX: usize = 4096;

/// The routes.
pub fn routes() -> Routes {
    let finding = json!({ "id": "pg/wal-level", "group": "server", "status": "ok|note|warn|fail", "title": "wal_level", "observed": "replica",
        "expected?": "logical", "fix": [{ "sql?": "ALTER SYSTEM SET wal_level = logical;", "note?": "then restart PostgreSQL" }],
        "docs": "docs/errors.md#pgwal-level" });
    Routes::of("Sources")
        .shape("Finding", finding)
        .shape(
            "Relation",
            json!({ "table": "public.orders", "kind": "table|partitioned|partition|view|foreign", "primary_key": ["id"],
                "replica_identity": "default|full|index|nothing", "rows_estimated~": 1000, "size_bytes_estimated~": 81_920,
                "in_publication": true, "captured": true, "capturable": true,
                "reasons": [{ "code": "pg/select", "text": "the role may not read it" }] }),
        )
        .post(
            "/v1/check",
            check,
            does("Examines a database: can it be captured?")
                .detail("One of url, connector and config says what is examined: a database, a connector, or one that is not made yet. With a connector or its configuration it is also said whether that one would start, its publication and slot included, and whether the disk or the Kafka cluster of this service bears it. With Accept: application/x-ndjson each finding is a line as soon as it is known, and the last line is the sum of all.")
                .takes(json!({ "url?": "postgres://cdc@db.internal:5432/shop", "connector?": "shop", "config?": "@ConnectorConfig", "tables?": ["public.*"], "role?": "cdc", "slot_test?": true }))
                .answers(
                    200,
                    "What was found, and the script that mends it.",
                    json!({ "schema": "rowfeed/check@1", "ok": false, "target": "db.internal:5432/shop", "checks": ["@Finding"],
                        "fix_sql": "ALTER SYSTEM SET wal_level = logical;" }),
                )
                .fails(400, "one of url, connector and config is needed")
                .fails(404, "Connector shop not found")
                .fails(429, "too many databases are being examined: try again in a moment")
                .fails(504, "the database took too long to answer"),
        )
        .get(
            "/v1/sources/{connector}/tables",
            tables,
            does("Lists the relations of a connector's database")
                .detail("Numbers are the server's estimates; nothing is locked.")
                .answers(
                    200,
                    "All of them, and why one cannot be captured.",
                    json!({ "items": ["@Relation"] }),
                )
                .fails(404, "Connector shop not found")
                .fails(429, "too many databases are being examined: try again in a moment")
                .fails(502, "pg/refused: nothing is listening on db.internal:5432")
                .fails(504, "the database took too long to answer"),
        )
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound(message) => Self::new(StatusCode::NOT_FOUND, message),
            Refused::Malformed(problem) => Self::bad_request(problem.text()),
            Refused::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, "too many databases are being examined: try again in a moment"),
            Refused::Late => Self::new(StatusCode::GATEWAY_TIMEOUT, "the database took too long to answer"),
        }
    }
}

/// As a whole (`rowfeed/check@1`), or line by line: each finding as soon as it is known, then the sum of all.
async fn check(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let examination = prepare(&app.0.registry, &json_body(&headers, &body)?)?;
    let service = app.0.running.as_ref().map(|running| running.now().config.clone());
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accepts.contains("application/x-ndjson") {
        return Ok(JsonBody(examination.run(service, |_| {}).await?.json()).into_response());
    }
    let (lines, inbox) = mpsc::channel(FINDINGS_MAX);
    let line = |value: &Json| Ok(Bytes::from(format!("{value}\n")));
    let findings = lines.clone();
    tokio::spawn(async move {
        let examined = examination.run(service, |finding| drop(findings.try_send(line(&finding.json()))));
        let done = tokio::select! {
            done = examined => done,
            // Nobody waits for it: others may.
            () = lines.closed() => return,
        };
        let last = match done {
            Ok(diagnosis) => {
                json!({ "schema": "rowfeed/check@1", "ok": diagnosis.is_ok(), "target": diagnosis.title, "fix_sql": diagnosis.fix_sql() })
            }
            Err(refused) => json!({ "schema": "rowfeed/check@1", "ok": false, "error": ApiError::from(refused).message }),
        };
        // A reader that is gone wants nothing any more.
        let _ = lines.send(line(&last)).await;
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(Chunks(inbox))).into_response())
}

fn prepare(registry: &Registry, body: &Json) -> Result<Examination, ApiError> {
    let Some(config) = body.get("config") else { return Ok(checks::prepare(registry, asked(body)?)?) };
    let body = object(body.clone(), &["config", "slot_test"])?;
    Ok(proposed::examination(registry, options(config)?, slot_test(body.get("slot_test"))?)?)
}

/// It is made where nothing else is said.
fn slot_test(value: Option<&Json>) -> Result<bool, ApiError> {
    value.map_or(Ok(true), |value| value.as_bool().ok_or_else(|| ApiError::bad_request("slot_test is true or false")))
}

fn asked(body: &Json) -> Result<Asked, ApiError> {
    let map = body.as_object().ok_or_else(|| ApiError::bad_request("the body is an object with one of url, connector and config"))?;
    let mut asked = Asked { slot_test: slot_test(map.get("slot_test"))?, ..Asked::default() };
    for (key, value) in map {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| ApiError::bad_request(format!("{key} is a text")));
        match key.as_str() {
            "url" => asked.url = Some(text()?),
            "connector" => asked.connector = Some(text()?),
            "role" => asked.role = Some(text()?),
            "slot_test" => {}
            "tables" => {
                let list = value.as_array().ok_or_else(|| ApiError::bad_request("tables is a list of patterns"))?;
                let table = |table: &Json| table.as_str().map(str::to_owned);
                asked.tables =
                    list.iter().map(table).collect::<Option<_>>().ok_or_else(|| ApiError::bad_request("tables is a list of texts"))?;
            }
            _ => {
                return Err(ApiError::bad_request(format!(
                    "unknown key \"{key}\": there are url, connector, config, tables, role, slot_test"
                )));
            }
        }
    }
    Ok(asked)
}

async fn tables(State(app): State<App>, Path(connector): Path<String>) -> Result<Response, ApiError> {
    match checks::relations(&app.0.registry, &connector).await? {
        Ok(relations) => {
            let items: Vec<Json> = relations.iter().map(item).collect();
            Ok(JsonBody(json!({ "items": items })).into_response())
        }
        Err(problem) => Err(ApiError::new(StatusCode::BAD_GATEWAY, problem.text())),
    }
}

/// One of them.
pub(super) fn item(relation: &Relation) -> Json {
    let reason = |(code, text): &(&str, &str)| json!({ "code": code, "text": text });
    json!({
        "table": format!("{}.{}", relation.schema, relation.table),
        "kind": relation.kind,
        "primary_key": relation.primary_key,
        "replica_identity": relation.identity,
        "rows_estimated": relation.rows,
        "size_bytes_estimated": relation.bytes,
        "in_publication": relation.published,
        "captured": relation.captured,
        "capturable": relation.reasons.is_empty(),
        "reasons": relation.reasons.iter().map(reason).collect::<Vec<_>>(),
    })
}
