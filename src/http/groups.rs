//! `/v1/groups`: consumer groups, their lag, and moving where they go on.
//!
//! Owns what a lag is and which offset a place such as `now-1h` means in each partition. Leaves groups and their offsets to
//! whoever keeps them ([`Groups`]): this layer speaks no Kafka.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json as JsonBody;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::described::{Routes, does};
use super::{ApiError, App, json_body, topics};
use crate::config::suggest;
use crate::log::StartAt;
use crate::log::builtin::BuiltinLog;
use crate::metrics::{GROUPS_MAX, GroupReport};
use crate::record::view::batches;

/// A group as an operator sees it.
#[derive(Clone, Debug, Default)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Kafka's word: Empty, PreparingRebalance, CompletingRebalance or Stable.
    pub state: &'static str,
    /// The assignor in use.
    pub protocol: Option<String>,
    /// Who is in it.
    pub members: Vec<MemberView>,
    /// Topic, partition, and the next offset to read.
    pub offsets: Vec<(String, u32, u64)>,
}

/// A member of a group.
#[derive(Clone, Debug, Default)]
pub struct MemberView {
    /// Its id.
    pub id: String,
    /// Its `group.instance.id`.
    pub instance: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it was told to read, as its assignor wrote it: [`Groups::reads`] knows.
    pub assignment: Bytes,
}

/// Why a group cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has members, whose place it is to say where they are.
    Active,
    /// There is no such group.
    NotFound,
    /// For another reason.
    Other(String),
}

/// A change that is under way; durable when it is done.
pub type Change<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send + 'a>>;

/// Who keeps the groups.
pub trait Groups: Send + Sync {
    /// The names of all.
    fn names(&self) -> Vec<String>;
    /// A group; `None` when it has neither members nor offsets.
    fn view(&self, name: &str) -> Option<GroupView>;
    /// What a member was told to read: topics and their partitions; none where its assignor's answer is not known.
    fn reads(&self, member: &MemberView) -> Vec<(String, Vec<u32>)>;
    /// Puts its next offsets at topic, partition, offset. Only while it has no members.
    fn commit<'a>(&'a self, name: &'a str, offsets: Vec<(String, u32, u64)>) -> Change<'a>;
    /// Removes it. Only while it has no members.
    fn delete<'a>(&'a self, name: &'a str) -> Change<'a>;
    /// Deletes a topic and what all groups committed of it, or neither.
    fn delete_topic<'a>(&'a self, topic: &'a str) -> Change<'a>;
}

/// The routes.
pub fn routes() -> Routes {
    let missing = "there is no group \"biling\"; did you mean \"billing\"?";
    let elsewhere = "consumer groups are in the external Kafka cluster (log.kind = \"kafka\"): ask there";
    let members = "the group \"billing\" has members: stop them first";
    Routes::of("Consumer groups")
        .shape(
            "Group",
            json!({ "name": "billing", "state": "Stable|Empty|PreparingRebalance|CompletingRebalance", "protocol~": "range", "members": 2,
                "total_lag": 12, "max_lag": 8 }),
        )
        .get(
            "/v1/groups",
            list,
            does("Lists the consumer groups")
                .answers(200, "All of them.", json!({ "items": ["@Group"], "next_cursor~": "" }))
                .fails(501, elsewhere),
        )
        .get(
            "/v1/groups/{group}",
            show,
            does("Shows a consumer group, its members and its lag")
                .detail("lag_seconds is how long ago the first record came that is not read yet; null is not known, as of partitions behind the first 200 with a lag.")
                .answers(
                    200,
                    "It.",
                    json!({ "name": "billing", "state": "Stable|Empty|PreparingRebalance|CompletingRebalance", "protocol~": "range",
                        "members": [{ "id": "c1-0", "instance_id~": "one", "client_id": "c1", "host": "127.0.0.1" }],
                        "total_lag": 12, "max_lag": 8,
                        "offsets": [{ "topic": "shop.public.orders", "partition": 0, "committed": 88, "start": 0, "end": 100, "lag": 12,
                            "lag_seconds~": 3.1, "member~": "c1-0" }] }),
                )
                .fails(404, missing)
                .fails(501, elsewhere),
        )
        .delete(
            "/v1/groups/{group}",
            delete,
            does("Deletes a consumer group without members")
                .empty(204, "It is gone.")
                .fails(404, missing)
                .fails(409, members)
                .fails(501, elsewhere),
        )
        .post(
            "/v1/groups/{group}/seek",
            seek,
            does("Moves where a consumer group goes on")
                .detail("start, end, -100, +100, offset:1842, now-5m, or milliseconds since 1970; without topics those it has offsets in.")
                .takes(json!({ "to": "now-1h", "topics?": ["shop.public.orders"], "dry_run?": true }))
                .answers(
                    200,
                    "Where it was and where it is, or would be.",
                    json!({ "group": "billing", "dry_run": true, "members": 0,
                        "offsets": [{ "topic": "shop.public.orders", "partition": 0, "before~": 100, "after": 88 }] }),
                )
                .fails(404, missing)
                .fails(409, members)
                .fails(501, elsewhere),
        )
}

type Answer = Result<Response, ApiError>;

fn groups(app: &App) -> Result<(&Arc<dyn Groups>, &BuiltinLog), ApiError> {
    let message = "consumer groups are in the external Kafka cluster (log.kind = \"kafka\"): ask there";
    app.0.groups.as_ref().zip(app.0.log.as_ref()).ok_or_else(|| ApiError::new(StatusCode::NOT_IMPLEMENTED, message))
}

fn find(groups: &Arc<dyn Groups>, name: &str) -> Result<GroupView, ApiError> {
    groups.view(name).ok_or_else(|| {
        let names = groups.names();
        let hint = suggest::did_you_mean(name, names.iter().map(String::as_str));
        ApiError::new(StatusCode::NOT_FOUND, format!("there is no group \"{name}\"; {hint}").trim_end_matches("; "))
    })
}

/// One partition of a group.
struct Lag<'a> {
    topic: &'a str,
    partition: u32,
    committed: u64,
    start: u64,
    end: u64,
}

impl Lag<'_> {
    /// How many records it has not read; those that are gone already are not counted.
    fn records(&self) -> u64 {
        self.end.saturating_sub(self.committed.max(self.start))
    }
}

/// Partitions of topics that are gone are left out.
fn lags<'a>(log: &BuiltinLog, view: &'a GroupView) -> Vec<Lag<'a>> {
    let lag = |(topic, partition, committed): &'a (String, u32, u64)| {
        let range = log.offsets(log.topic(topic)?.index, *partition)?;
        Some(Lag { topic, partition: *partition, committed: *committed, start: range.start, end: range.end })
    };
    view.offsets.iter().filter_map(lag).collect()
}

/// How far behind each group is in each partition, for the metrics.
pub(super) fn reports(app: &App) -> Vec<GroupReport> {
    let (Some(groups), Some(log)) = (&app.0.groups, &app.0.log) else { return Vec::new() };
    let report = |view: GroupView| {
        let one = |lag: Lag<'_>| GroupReport {
            group: view.name.clone(),
            topic: lag.topic.to_owned(),
            partition: lag.partition,
            lag: lag.records(),
        };
        lags(log, &view).into_iter().map(one).collect::<Vec<_>>()
    };
    let views = groups.names().into_iter().filter_map(|name| groups.view(&name));
    views.flat_map(report).take(GROUPS_MAX).collect()
}

fn summary(view: &GroupView, lags: &[Lag<'_>]) -> Json {
    let total: u64 = lags.iter().map(Lag::records).sum();
    let most = lags.iter().map(Lag::records).max().unwrap_or(0);
    json!({
        "name": view.name, "state": view.state, "protocol": view.protocol, "members": view.members.len(),
        "total_lag": total, "max_lag": most,
    })
}

/// Who reads each of these partitions, in their order: the first member that was told to.
fn readers<'a>(groups: &Arc<dyn Groups>, members: &'a [MemberView], lags: &[Lag<'_>]) -> Vec<Option<&'a str>> {
    let mut places: HashMap<&str, HashMap<u32, usize>> = HashMap::new();
    for (at, lag) in lags.iter().enumerate() {
        places.entry(lag.topic).or_default().insert(lag.partition, at);
    }
    let mut readers = vec![None; lags.len()];
    // One member's answer at a time: each may be large.
    for member in members {
        for (topic, partitions) in groups.reads(member) {
            let Some(known) = places.get(topic.as_str()) else { continue };
            for at in partitions.iter().filter_map(|partition| known.get(partition)) {
                if let Some(reader) = readers.get_mut(*at) {
                    reader.get_or_insert(member.id.as_str());
                }
            }
        }
    }
    readers
}

async fn list(State(app): State<App>) -> Answer {
    let (groups, log) = groups(&app)?;
    let views = groups.names().into_iter().filter_map(|name| groups.view(&name));
    let items: Vec<Json> = views.map(|view| summary(&view, &lags(log, &view))).collect();
    Ok(JsonBody(json!({ "items": items, "next_cursor": null })).into_response())
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let (groups, log) = groups(&app)?;
    let view = find(groups, &name)?;
    let lags = lags(log, &view);
    let mut body = summary(&view, &lags);
    let member = |member: &MemberView| json!({ "id": member.id, "instance_id": member.instance, "client_id": member.client_id, "host": member.host });
    body["members"] = view.members.iter().map(member).collect();
    let (mut offsets, mut timed) = (Vec::with_capacity(lags.len()), 0);
    for (lag, reader) in lags.iter().zip(readers(groups, &view.members, &lags)) {
        let seconds = match lag.records() {
            0 => Some(0.0),
            _ if timed < LAGS_TIMED_MAX => {
                timed += 1;
                waited(log, lag).await
            }
            _ => None,
        };
        offsets.push(json!({
            "topic": lag.topic, "partition": lag.partition, "committed": lag.committed, "start": lag.start, "end": lag.end,
            "lag": lag.records(), "lag_seconds": seconds, "member": reader,
        }));
    }
    body["offsets"] = offsets.into();
    Ok(JsonBody(body).into_response())
}

/// Of so many partitions the first record that waits is looked at.
const LAGS_TIMED_MAX: usize = 200;

/// How many seconds ago the first record came that the group has not read; one batch is read for it.
async fn waited(log: &BuiltinLog, lag: &Lag<'_>) -> Option<f64> {
    let from = lag.committed.max(lag.start);
    let bytes = log.read(log.topic(lag.topic)?.index, lag.partition, from, 1).await.ok()?;
    let mut room = Vec::new();
    let time_ms = batches(&bytes)
        .find_map(|batch| batch.records(&mut room).flatten().find(|record| record.offset >= from).map(|record| record.timestamp_ms))?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_millis()).ok())?;
    // A record of a clock that is ahead of ours has waited no time.
    Some(Duration::from_millis(u64::try_from(now_ms.saturating_sub(time_ms)).unwrap_or(0)).as_secs_f64())
}

async fn delete(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let (groups, _) = groups(&app)?;
    find(groups, &name)?;
    groups.delete(&name).await.map_err(|refusal| refused(&name, refusal))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `{"to": "now-1h", "topics": ["shop.public.orders"], "dry_run": true}`; without topics those the group has offsets in.
async fn seek(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let (groups, log) = groups(&app)?;
    let body = json_body(&headers, &body)?;
    let to = body.get("to").and_then(Json::as_str).ok_or_else(|| ApiError::bad_request("the body must be {\"to\": \"now-1h\"}"))?;
    let to = StartAt::parse(to).map_err(ApiError::bad_request)?;
    let dry_run = match body.get("dry_run") {
        None => false,
        Some(dry_run) => dry_run.as_bool().ok_or_else(|| ApiError::bad_request("dry_run must be true or false"))?,
    };
    let named = names_of(&body)?;
    // With topics a group may be made: a place to begin, before the first member comes.
    let view = if named.is_empty() { find(groups, &name)? } else { groups.view(&name).unwrap_or_default() };
    let mut wanted: Vec<&str> = match named.is_empty() {
        true => view.offsets.iter().map(|(topic, ..)| topic.as_str()).filter(|topic| log.topic(topic).is_some()).collect(),
        false => named,
    };
    wanted.sort_unstable();
    wanted.dedup();
    let (mut offsets, mut shown) = (Vec::new(), Vec::new());
    for topic in wanted {
        let found = topics::find(log, topic)?;
        let places = to.places(log, &found, None).await.map_err(|error| ApiError::bad_request(error.to_string()))?;
        for (partition, after) in places.into_iter().map(|place| (place.route.partition, place.next)) {
            let before = view.offsets.iter().find(|(known, number, _)| known == topic && *number == partition).map(|(.., offset)| *offset);
            shown.push(json!({ "topic": topic, "partition": partition, "before": before, "after": after }));
            offsets.push((topic.to_owned(), partition, after));
        }
    }
    if !dry_run {
        groups.commit(&name, offsets).await.map_err(|refusal| refused(&name, refusal))?;
    }
    Ok(JsonBody(json!({ "group": name, "dry_run": dry_run, "members": view.members.len(), "offsets": shown })).into_response())
}

/// So many topics may be named.
const TOPICS_MAX: usize = 1000;

fn names_of(body: &Json) -> Result<Vec<&str>, ApiError> {
    let Some(topics) = body.get("topics") else { return Ok(Vec::new()) };
    let names: Option<Option<Vec<&str>>> =
        topics.as_array().filter(|list| list.len() <= TOPICS_MAX).map(|list| list.iter().map(Json::as_str).collect());
    names.flatten().ok_or_else(|| ApiError::bad_request(format!("topics must be a list of at most {TOPICS_MAX} names")))
}

pub(super) fn refused(name: &str, refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Active => ApiError::new(StatusCode::CONFLICT, format!("the group \"{name}\" has members: stop them first")),
        Refusal::NotFound => ApiError::new(StatusCode::NOT_FOUND, format!("there is no group \"{name}\"")),
        Refusal::Other(why) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
