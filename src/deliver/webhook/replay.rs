//! Sending again: a range of what is kept, what failed, or one record as a test.
//!
//! Owns what is asked for and reading it. Promises that ids are the same as the first time, so that a receiver which remembers them sees
//! each record once; that a replay goes beside what is new and holds up no place; and that it is read only as fast as it is sent. A
//! replay is not remembered over a restart.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json, json};

use super::dispatch::send;
use super::endpoint::{Message, Tried};
use super::lanes::Lanes;
use super::partition::{Partition, payload};
use super::sink::Webhook;
use crate::deliver::{Around, Refusal};
use crate::event::{Event, Filter};
use crate::log::subscription::Place;
use crate::log::{LogError, StartAt};
use crate::record::Route;
use crate::record::view::batches;

/// How much is read at once, bytes.
const READ_BYTES: usize = 64 << 10;
/// Dead letters that are sent again at once.
const DEAD_MAX: usize = 100_000;
/// Records of a partition that are looked through for one to test with.
const TEST_RECORDS: u64 = 1_000;
/// Partitions that are.
const TEST_PARTITIONS: usize = 64;

/// What is sent again.
pub struct Replay {
    parts: VecDeque<Part>,
    filter: Option<Filter>,
    /// What waits in these ranges is tried now, before anything else.
    hurry: Vec<(Route, u64, u64)>,
}

/// A range of a partition.
struct Part {
    route: Route,
    next: u64,
    until: u64,
}

/// Reads what was asked for: the ranges of partitions that are meant, and what is told of them.
pub async fn prepare(around: &Around, asked: &Json) -> Result<(Replay, Json), Refusal> {
    let wrong = |why: String| Refusal::Wrong(why);
    let members = asked.as_object().ok_or_else(|| wrong("the body must be {\"from\": \"now-1h\"}".to_owned()))?;
    if let Some(unknown) = members.keys().find(|name| !matches!(name.as_str(), "from" | "until" | "where" | "only")) {
        return Err(wrong(format!("{unknown} is none of from, until, where and only")));
    }
    let text = |name: &str| match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(format!("{name} must be a text"))),
    };
    let from = StartAt::parse(text("from")?.ok_or_else(|| wrong("from is missing, such as now-1h".to_owned()))?).map_err(wrong)?;
    let until = text("until")?.map_or(Ok(StartAt::End), StartAt::parse).map_err(wrong)?;
    let filter = text("where")?.map(Filter::parse).transpose().map_err(|problem| wrong(problem.text()))?;
    let only_failed = match text("only")? {
        None => false,
        Some("failed") => true,
        Some(other) => return Err(wrong(format!("only={other}: it is \"failed\" or left out"))),
    };
    let ranges = ranges(around, &from, &until).await?;
    let told: Vec<Json> = ranges
        .iter()
        .map(|(place, until)| json!({ "topic": place.topic.name, "partition": place.route.partition, "from": place.next, "until": until }))
        .collect();
    let of_range = |(place, until): &(Place, u64)| (place.route, place.next, *until);
    if !only_failed {
        let parts = ranges.iter().map(of_range).map(|(route, next, until)| Part { route, next, until }).collect();
        let records: u64 = ranges.iter().map(|(place, until)| until - place.next).sum();
        return Ok((Replay { parts, filter, hurry: Vec::new() }, json!({ "ranges": told, "records": records })));
    }
    let dead = dead_letters(around, &ranges).await?;
    let count = dead.len();
    let parts = dead.into_iter().map(|(route, offset)| Part { route, next: offset, until: offset + 1 }).collect();
    // What waits may be older than what is kept: who begins at the start means it, too.
    let is_start =
        |place: &Place| around.log().offsets(place.route.topic, place.route.partition).is_some_and(|range| range.start >= place.next);
    let hurry = ranges.iter().map(|(place, until)| (place.route, if is_start(place) { 0 } else { place.next }, *until)).collect();
    Ok((Replay { parts, filter, hurry }, json!({ "ranges": told, "only": "failed", "dead": count })))
}

/// The ranges of all partitions that have something between the two.
async fn ranges(around: &Around, from: &StartAt, until: &StartAt) -> Result<Vec<(Place, u64)>, Refusal> {
    let mut ranges = Vec::new();
    for topic in around.topics() {
        let not_kept = |error: LogError| Refusal::Wrong(format!("{}: {error}", topic.name));
        let begins = from.places(around.log(), &topic, None).await.map_err(not_kept)?;
        let ends = until.places(around.log(), &topic, None).await.map_err(not_kept)?;
        let both = begins.into_iter().zip(ends).map(|(begin, end)| (begin, end.next));
        ranges.extend(both.filter(|(begin, end)| begin.next < *end));
    }
    Ok(ranges)
}

/// The records of these ranges that are in the topic of dead letters.
async fn dead_letters(around: &Around, ranges: &[(Place, u64)]) -> Result<BTreeSet<(Route, u64)>, Refusal> {
    let mut found = BTreeSet::new();
    let Some(topic) = around.log().topic(&around.dead_topic()) else { return Ok(found) };
    let failed = |error: LogError| Refusal::Failed(crate::deliver::state::problem(&error));
    for partition in 0..topic.partitions {
        let Some(range) = around.log().offsets(topic.index, partition) else { continue };
        let mut next = range.start;
        while next < range.end {
            let bytes = around.log().read(topic.index, partition, next, READ_BYTES).await.map_err(failed)?;
            let mut room = Vec::new();
            for batch in batches(&bytes) {
                next = next.max(batch.next_offset());
                for record in batch.records(&mut room).flatten() {
                    let header = |name: &str| {
                        let (_, value) = record.headers().find(|(known, _)| *known == name)?;
                        std::str::from_utf8(value?).ok()
                    };
                    let number = |name: &str| header(name).and_then(|text| text.parse::<u64>().ok());
                    let place = (header("rowfeed.dead.topic"), number("rowfeed.dead.partition"), number("rowfeed.dead.offset"));
                    let (Some(topic), Some(partition), Some(offset)) = place else { continue };
                    let range = ranges.iter().find(|(place, until)| {
                        place.topic.name == topic && u64::from(place.route.partition) == partition && (place.next..*until).contains(&offset)
                    });
                    if let Some((place, _)) = range {
                        found.insert((place.route, offset));
                    }
                }
            }
            if bytes.is_empty() {
                break;
            }
            if found.len() > DEAD_MAX {
                return Err(Refusal::Wrong(format!("there are more than {DEAD_MAX} dead letters in it: name a shorter range")));
            }
        }
    }
    Ok(found)
}

impl Replay {
    /// Reads some more of it into the lanes; true when it is through.
    pub(super) async fn step(
        &mut self,
        partitions: &[Arc<Partition>],
        read: &[Place],
        lanes: &mut Lanes,
        webhook: &Webhook,
        around: &Around,
    ) -> Result<bool, LogError> {
        for (route, from, until) in self.hurry.drain(..) {
            if let Some(partition) = partitions.iter().find(|partition| partition.route == route) {
                lanes.hurry_range(partition.place, from, until);
            }
        }
        let Some(part) = self.parts.front_mut() else { return Ok(true) };
        let Some(partition) = partitions.iter().find(|partition| partition.route == part.route) else {
            // A topic that is gone, or that this run has not seen yet.
            self.parts.pop_front();
            return Ok(self.parts.is_empty());
        };
        // What has not been read yet comes anyhow, in its order.
        let reached = read.iter().find(|place| place.route == part.route).map_or(0, |place| place.next);
        part.until = part.until.min(reached);
        if part.next >= part.until {
            self.parts.pop_front();
            return Ok(self.parts.is_empty());
        }
        let bytes = match around.log().read(part.route.topic, part.route.partition, part.next, READ_BYTES).await {
            Ok(bytes) => bytes,
            Err(LogError::OffsetOutOfRange { start, .. }) if start > part.next => {
                part.next = start;
                bytes::Bytes::new()
            }
            Err(LogError::OffsetOutOfRange { .. } | LogError::UnknownPartition { .. }) => {
                part.next = part.until;
                bytes::Bytes::new()
            }
            Err(error) => return Err(error),
        };
        let (from, mut room) = (part.next, Vec::new());
        for batch in batches(&bytes) {
            for record in batch.records(&mut room).flatten().filter(|record| (from..part.until).contains(&record.offset)) {
                let event = Event::new(&partition.topic, partition.route.partition, &record);
                let judgement = around.judge(&event);
                let is_wanted = judgement.is_wanted() && self.filter.as_ref().is_none_or(|filter| filter.judge(&event).is_wanted());
                if let Some(body) = is_wanted.then(|| webhook.body(&event, judgement)).flatten() {
                    lanes.again(partition.at(record.offset), partition.lane(webhook.order, &record), payload(&record, body));
                }
            }
            part.next = part.next.max(batch.next_offset());
        }
        if part.next >= part.until {
            self.parts.pop_front();
        }
        Ok(self.parts.is_empty())
    }
}

/// Sends the newest record that fits, once, and tells request and answer as they were.
pub async fn test(webhook: &Webhook, around: &Around) -> Result<Json, Refusal> {
    let failed = |error: LogError| Refusal::Failed(crate::deliver::state::problem(&error));
    let mut newest: Option<(i64, Partition, u64, bytes::Bytes)> = None;
    let mut looked_at = 0;
    for topic in around.topics() {
        let places = StartAt::BeforeEnd(TEST_RECORDS).places(around.log(), &topic, None).await.map_err(failed)?;
        for place in places {
            looked_at += 1;
            if looked_at > TEST_PARTITIONS {
                break;
            }
            let partition = Partition::of(&place, 0);
            let mut next = place.next;
            loop {
                let bytes = match around.log().read(place.route.topic, place.route.partition, next, 1 << 20).await {
                    Ok(bytes) => bytes,
                    // Retention was faster.
                    Err(LogError::OffsetOutOfRange { .. } | LogError::UnknownPartition { .. }) => break,
                    Err(error) => return Err(failed(error)),
                };
                let mut room = Vec::new();
                for batch in batches(&bytes) {
                    for record in batch.records(&mut room).flatten() {
                        if newest.as_ref().is_some_and(|(time, ..)| *time > record.timestamp_ms) {
                            continue;
                        }
                        let event = Event::new(&partition.topic, partition.route.partition, &record);
                        let judgement = around.judge(&event);
                        if let Some(body) = judgement.is_wanted().then(|| webhook.body(&event, judgement)).flatten() {
                            newest = Some((record.timestamp_ms, partition.clone(), record.offset, body));
                        }
                    }
                    next = next.max(batch.next_offset());
                }
                if bytes.is_empty() {
                    break;
                }
            }
        }
    }
    let Some((_, partition, offset, body)) = newest else {
        return Err(Refusal::NotFound(format!("none of the newest {TEST_RECORDS} records of its topics fits the filter")));
    };
    let id = partition.message_id(offset);
    let timestamp_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let signature = webhook.signer.sign(&id, timestamp_s, &body);
    let shown = webhook.endpoint.shown_headers(&Message { id: &id, timestamp_s, signature, body: body.clone() });
    let began = Instant::now();
    let tried = send(webhook, &id, timestamp_s, body.clone()).await;
    let named = |headers: Vec<(String, String)>| -> Json {
        Json::Object(headers.into_iter().map(|(name, value)| (name, Json::String(value))).collect::<Map<_, _>>())
    };
    let request = json!({
        "method": "POST", "url": webhook.endpoint.target().url(), "headers": named(shown), "body": String::from_utf8_lossy(&body),
    });
    let (response, error) = match tried {
        Tried::Answered(answer) => {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            (json!({ "status": answer.status, "headers": named(answer.headers), "body": body }), None)
        }
        Tried::Failed { why, .. } => (Json::Null, Some(why)),
        Tried::Refused(problem) => return Err(Refusal::Failed(problem)),
    };
    Ok(json!({
        "webhook_id": id, "topic": &*partition.topic, "partition": partition.route.partition, "offset": offset,
        "request": request, "response": response, "error": error, "duration_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}
