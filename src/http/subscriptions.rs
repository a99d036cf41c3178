//! `/v1/subscriptions`: what is delivered to whom, and what a person does about it.
//!
//! Leaves what a subscription is to [`crate::deliver`]. A sink's own knowledge (deliveries, barrier, why a key was deleted) is asked of it.

use std::time::Duration;

use axum::Json as JsonBody;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::described::{Routes, does};
use super::{ApiError, App, Pairs, json_body, parameter, topics};
use crate::config::quantity;
use crate::deliver::registry::DeliverError;
use crate::deliver::{Deliveries, Question, Refusal};
use crate::log::StartAt;
use crate::problem::Problem;

/// Deliveries that are shown at once.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;
/// How long a barrier waits, unless it is said, and at most.
const BARRIER_WAIT: Duration = Duration::from_secs(10);
const BARRIER_WAIT_MAX: Duration = Duration::from_secs(60);

/// The routes.
pub fn routes() -> Routes {
    let missing = "there is no subscription \"ordres\"; did you mean \"orders\"?";
    let elsewhere = "subscriptions read the built-in log, and this service has an external one (log.kind = \"kafka\")";
    let of_file = "the subscription \"orders\" is defined in rowfeed.toml: change it there";
    let other = "a subscription of type redis knows no deliveries";
    Routes::of("Subscriptions")
        .shape(
            "Subscription",
            json!({ "name": "orders", "type": "webhook", "state": "starting|running|waiting|paused|failed", "problem~": { "code": "config/value", "what": "", "at": "", "why": "", "fix": "" },
                "note~": { "code": "config/value", "what": "", "at": "", "why": "", "fix": "" }, "topics": ["shop.public.orders"], "lag": 0, "group": "rowfeed.sub.orders", "delivered": 10, "failed": 0, "dead": 0, "filtered": 2,
                "restarts": 0, "last_delivery_ms~": 1_795_233_128_832_u64, "file~": "rowfeed.toml", "config": { "<type>": null } }),
        )
        .get("/v1/subscriptions", list, does("Lists the subscriptions").answers(200, "All of them.", json!({ "items": ["@Subscription"] })).fails(501, elsewhere))
        .get("/v1/subscriptions/{name}", show, does("Shows a subscription").answers(200, "It, secrets masked.", json!("@Subscription")).fails(404, missing).fails(501, elsewhere))
        .put(
            "/v1/subscriptions/{name}",
            put,
            does("Makes or changes a subscription")
                .detail("The options are those of [subscriptions.NAME] in rowfeed.toml; a masked value keeps what it was.")
                .takes(json!({ "type": "webhook", "topics": ["shop.public.orders"], "url": "https://app.example.com/hooks", "<option>": null }))
                .answers(200, "It was changed.", json!("@Subscription"))
                .answers(201, "It was made.", json!("@Subscription"))
                .fails(400, "type must be one of webhook, redis")
                .fails(403, of_file)
                .fails(429, "there are 1000 subscriptions already")
                .fails(501, elsewhere),
        )
        .delete("/v1/subscriptions/{name}", remove, does("Deletes a subscription, with its place").empty(204, "It is gone.").fails(403, of_file).fails(404, missing).fails(501, elsewhere))
        .post("/v1/subscriptions/{name}/pause", pause, does("Pauses a subscription; its place is kept").empty(202, "It rests.").fails(404, missing).fails(501, elsewhere))
        .post("/v1/subscriptions/{name}/resume", resume, does("Lets a subscription go on that is paused or failed").empty(202, "It goes on.").fails(404, missing).fails(501, elsewhere))
        .post(
            "/v1/subscriptions/{name}/test",
            test,
            does("Delivers the newest record that fits, once, and shows how that went").answers(200, "The attempt.", json!({ "<part>": null })).fails(400, other).fails(404, missing).fails(501, elsewhere).fails(502, "the receiver cannot be reached"),
        )
        .post(
            "/v1/subscriptions/{name}/replay",
            replay,
            does("Delivers a range again")
                .takes(json!({ "from": "now-1h", "until~": "now", "where~": "status = 'paid'", "only~": "failed" }))
                .answers(202, "What is delivered again.", json!({ "<part>": null }))
                .fails(400, "from is missing")
                .fails(404, missing)
                .fails(501, elsewhere)
                .fails(502, "the receiver cannot be reached"),
        )
        .get(
            "/v1/subscriptions/{name}/deliveries",
            deliveries,
            does("Shows what was delivered, and what was not")
                .query("state", json!("failed"), "failed, pending, delivered or dead; all without.")
                .query("limit", json!(100), "So many at most.")
                .answers(200, "The newest first.", json!({ "items": [{ "<part>": null }] }))
                .fails(400, other)
                .fails(404, missing)
                .fails(501, elsewhere)
                .fails(502, "the receiver cannot be reached"),
        )
        .get(
            "/v1/subscriptions/{name}/barrier",
            barrier,
            does("Waits until what was committed up to a position has arrived at the receiver")
                .query("lsn", json!("0/1A2B3C8"), "What pg_current_wal_insert_lsn() said after the commit.")
                .query("timeout", json!("10s"), "So long at most, 60s.")
                .answers(200, "It has.", json!({ "lsn": "0/1A2B3C8", "<part>": null }))
                .fails(400, "lsn is missing")
                .fails(404, missing)
                .fails(501, elsewhere)
                .fails(502, "the receiver cannot be reached")
                .fails(504, "not within 10 s"),
        )
        .get(
            "/v1/subscriptions/{name}/explain",
            explain,
            does("Tells what happened to a key of the receiver")
                .query("key", json!("product:42"), "The key.")
                .answers(200, "What is known.", json!({ "key": "product:42", "<part>": null }))
                .fails(400, "key is missing")
                .fails(404, missing)
                .fails(501, elsewhere)
                .fails(502, "the receiver cannot be reached"),
        )
}

type Answer = Result<Response, ApiError>;

fn all(app: &App) -> Result<&Deliveries, ApiError> {
    let message = "subscriptions read the built-in log, and this service has an external one (log.kind = \"kafka\")";
    app.0.deliveries.as_ref().ok_or_else(|| ApiError::new(StatusCode::NOT_IMPLEMENTED, message))
}

impl From<DeliverError> for ApiError {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::NotFound(message) => Self::new(StatusCode::NOT_FOUND, message),
            DeliverError::ManagedByFile(message) => Self::new(StatusCode::FORBIDDEN, message),
            DeliverError::TooMany => Self::new(StatusCode::TOO_MANY_REQUESTS, "there are 1000 subscriptions already"),
            DeliverError::Invalid(problems) => {
                let texts: Vec<String> = problems.iter().map(Problem::text).collect();
                let error = Self::bad_request(texts.join("\n"));
                problems.first().map_or(error.clone(), |first| error.about(first))
            }
            DeliverError::Failed(problem) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem.text()).about(&problem),
            DeliverError::Refused(refusal) => match refusal {
                Refusal::NotSupported(what) => Self::bad_request(format!("a subscription of this type knows no {what}")),
                Refusal::Wrong(message) => Self::bad_request(message),
                Refusal::NotFound(message) => Self::new(StatusCode::NOT_FOUND, message),
                Refusal::Timeout(message) => Self::new(StatusCode::GATEWAY_TIMEOUT, message),
                Refusal::Failed(problem) => Self::new(StatusCode::BAD_GATEWAY, problem.text()).about(&problem),
            },
        }
    }
}

async fn list(State(app): State<App>) -> Answer {
    let items: Vec<Json> = all(&app)?.views().iter().map(|view| view.json()).collect();
    Ok(JsonBody(json!({ "items": items })).into_response())
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer {
    Ok(JsonBody(all(&app)?.view(&name)?.json()).into_response())
}

async fn put(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let deliveries = all(&app)?;
    let is_new = deliveries.put(&name, &json_body(&headers, &body)?).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, JsonBody(deliveries.view(&name)?.json())).into_response())
}

async fn remove(State(app): State<App>, Path(name): Path<String>) -> Answer {
    all(&app)?.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn pause(State(app): State<App>, Path(name): Path<String>) -> Answer {
    all(&app)?.set_paused(&name, true).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn resume(State(app): State<App>, Path(name): Path<String>) -> Answer {
    all(&app)?.set_paused(&name, false).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn test(State(app): State<App>, Path(name): Path<String>) -> Answer {
    Ok(JsonBody(all(&app)?.ask(&name, Question::Test).await?).into_response())
}

/// A sink with a delivery log replays beside what is new; the others go back with their place.
async fn replay(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let deliveries = all(&app)?;
    let body = json_body(&headers, &body)?;
    let from = body.get("from").and_then(Json::as_str).ok_or_else(|| ApiError::bad_request("the body must be {\"from\": \"now-1h\"}"))?;
    let from = StartAt::parse(from).map_err(ApiError::bad_request)?;
    let answer = match deliveries.ask(&name, Question::Replay(body.clone())).await {
        Err(DeliverError::Refused(Refusal::NotSupported(_))) => {
            if let Some(other) = ["until", "where", "only"].into_iter().find(|name| body.get(*name).is_some()) {
                return Err(ApiError::bad_request(format!("a subscription of this type goes back as a whole: leave {other} out")));
            }
            let log = topics::log(&app)?;
            let mut offsets = Vec::new();
            for topic in deliveries.view(&name)?.topics {
                let topic = topics::find(log, &topic)?;
                let places = from.places(log, &topic, None).await.map_err(|error| ApiError::bad_request(error.to_string()))?;
                offsets.extend(places.into_iter().map(|place| (topic.name.clone(), place.route.partition, place.next)));
            }
            let offsets = deliveries.go_back(&name, offsets).await?;
            let shown =
                |(topic, partition, offset): (String, u32, u64)| json!({ "topic": topic, "partition": partition, "offset": offset });
            json!({ "from": offsets.into_iter().map(shown).collect::<Vec<_>>() })
        }
        answer => answer?,
    };
    Ok((StatusCode::ACCEPTED, JsonBody(answer)).into_response())
}

async fn deliveries(State(app): State<App>, Path(name): Path<String>, Query(pairs): Pairs) -> Answer {
    let limit = match parameter(&pairs, "limit").map(|text| (text, text.parse::<usize>())) {
        None => LIMIT,
        Some((_, Ok(limit))) if (1..=LIMIT_MAX).contains(&limit) => limit,
        Some((text, _)) => return Err(ApiError::bad_request(format!("limit={text} is not a number from 1 to {LIMIT_MAX}"))),
    };
    let state = parameter(&pairs, "state").map(str::to_owned);
    Ok(JsonBody(all(&app)?.ask(&name, Question::Deliveries { state, limit }).await?).into_response())
}

async fn barrier(State(app): State<App>, Path(name): Path<String>, Query(pairs): Pairs) -> Answer {
    let lsn = parameter(&pairs, "lsn").ok_or_else(|| ApiError::bad_request("lsn is missing: what pg_current_wal_insert_lsn() said"))?;
    let lsn = lsn.parse().map_err(|error: crate::change::lsn::NotAnLsn| ApiError::bad_request(error.to_string()))?;
    let timeout = match parameter(&pairs, "timeout").map(|text| (text, quantity::parse_duration(text))) {
        None => BARRIER_WAIT,
        Some((_, Ok(timeout))) => timeout.min(BARRIER_WAIT_MAX),
        Some((text, Err(why))) => return Err(ApiError::bad_request(format!("timeout={text}: {why}"))),
    };
    Ok(JsonBody(all(&app)?.ask(&name, Question::Barrier { lsn, timeout }).await?).into_response())
}

async fn explain(State(app): State<App>, Path(name): Path<String>, Query(pairs): Pairs) -> Answer {
    let key = parameter(&pairs, "key").filter(|key| !key.is_empty()).ok_or_else(|| ApiError::bad_request("key is missing"))?;
    Ok(JsonBody(all(&app)?.ask(&name, Question::Explain { key: key.to_owned() }).await?).into_response())
}
