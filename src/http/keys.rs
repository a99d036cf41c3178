//! `/v1/topics/{t}/keys/{key}`: where a row stands now, by its key; at once, or when it is newer than the asker knows.
//!
//! Owns how a key is written in a URL, what the newest record of a key means, and the waiting. Promises that an answer is of
//! everything that was durable when it was asked for; that "never there", "deleted" and "the log does not reach so far back" are told
//! apart; and that so many wait at most, each until its time is over. Leaves finding the record to [`crate::log::builtin::keys`].

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::described::{Operation, Routes, does};
use super::{ApiError, App, Pairs, browse, connectors, parameter, records, topics};
use crate::change::Lsn;
use crate::config::{quantity, suggest};
use crate::event::{Event, Kind, Op, Show, View};
use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::builtin::keys::{Kept, KeyWatch};
use crate::log::topic::TopicInfo;
use crate::problem::Problem;
use crate::record::view::RecordView;

const PARAMETERS: [&str; 5] = ["wait", "newer_than", "min_offset", "min_lsn", "view"];
/// The longest a request waits.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A connector's position moves also without a record: it is looked at so often.
const LSN_LOOK: Duration = Duration::from_millis(50);
/// The longest key that is looked up.
const KEY_BYTES_MAX: usize = 16 << 10;

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Topics")
        .shape(
            "KeyedRecord",
            json!({ "topic?": "shop.public.orders", "partition?": 0, "offset?": 1842, "ts?": "2026-11-21T13:02:11.482Z", "key?": { "id": 42 },
                "value?": { "op": "u" }, "op?~": "u", "size?": 612, "tombstone?": false, "headers?": { "<name>": null }, "<name>": null }),
        )
        .get("/v1/topics/{topic}/keys/{key}", show, described())
}

fn described() -> Operation {
    does("Shows the newest record of a key")
        .detail("ETag is its place, \"PARTITION:OFFSET\"; with If-None-Match it is 304 while nothing is newer. With wait= an answer that would be 304, 404 or 412 is held back until there is another one. A row that was deleted is 404 with deleted=true and the place of its delete; where the log does not reach back to the topic's first record, 404 becomes 410.")
        .query("wait", json!("30s"), "Waits so long for what is newer, 60s at most.")
        .query("newer_than", json!("0:1842"), "As If-None-Match: the place that is known already.")
        .query("min_offset", json!(1842), "The record must be of this offset at least.")
        .query("min_lsn", json!("0/1A2BFC8"), "The topic's connector must have published everything before this position: what pg_current_wal_lsn() says after a commit is seen then.")
        .query("view", json!("flat"), "envelope, flat (the row's columns), diff, cloudevents or raw; as a page of records has it without.")
        .answers(200, "Its newest record.", json!("@KeyedRecord"))
        .empty(304, "Nothing is newer.")
        .fails(400, "wait=x is not a time such as 30s, 60s at most")
        .fails(404, "shop.public.orders has no record of the key 42")
        .fails(410, "shop.public.orders has no record of the key 42, and its first records are gone")
        .fails(412, "the key 42 has no record of offset 1842 or later yet")
        .fails(429, "256 requests wait for a key already")
        .fails(501, "there is no index of keys: log.key_index = false")
        .fails(503, "the index of keys is being made: it has read 1200 of 180000 commits")
}

/// What was asked for.
struct Asked {
    key: String,
    until: Option<Instant>,
    known: Vec<String>,
    min_offset: Option<u64>,
    min_lsn: Option<Lsn>,
    view: Option<View>,
}

impl Asked {
    fn parse(key: String, headers: &HeaderMap, pairs: &[(String, String)]) -> Result<Self, ApiError> {
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
            let hint = suggest::did_you_mean(name, PARAMETERS);
            return Err(ApiError::bad_request(format!("unknown parameter \"{name}\"; {hint}").trim_end_matches("; ")));
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(ApiError::bad_request(format!("a key has at most {KEY_BYTES_MAX} bytes here")));
        }
        let wait = |text: &str| {
            let wait = quantity::parse_duration(text).ok().filter(|wait| *wait <= WAIT_MAX);
            wait.ok_or_else(|| ApiError::bad_request(format!("wait={text} is not a time such as 30s, 60s at most")))
        };
        let until = parameter(pairs, "wait").map(wait).transpose()?.map(|wait| Instant::now() + wait);
        let offset = |text: &str| text.parse().map_err(|_| ApiError::bad_request(format!("min_offset={text} is not a number")));
        let lsn = |text: &str| text.parse::<Lsn>().map_err(|error| ApiError::bad_request(format!("min_lsn: {error}")));
        let headers = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known = headers.flat_map(|value| value.split(',')).chain(parameter(pairs, "newer_than"));
        let known = known.map(|place| place.trim().trim_start_matches("W/").trim_matches('"').to_owned()).collect();
        let view = |text: &str| {
            let names = View::ALL.map(|(name, _)| name).join(", ");
            View::parse(text).ok_or_else(|| ApiError::bad_request(format!("view={text} is none of {names}")))
        };
        Ok(Self {
            key,
            view: parameter(pairs, "view").map(view).transpose()?,
            until,
            known,
            min_offset: parameter(pairs, "min_offset").map(offset).transpose()?,
            min_lsn: parameter(pairs, "min_lsn").map(lsn).transpose()?,
        })
    }

    fn knows(&self, place: &str) -> bool {
        self.known.iter().any(|known| known == place || known == "*")
    }
}

/// Where a key stands.
enum Standing {
    /// There is such a row.
    Here(Kept),
    /// It was deleted, by this record.
    Deleted(Kept),
    /// Its record, or what would have been it, was removed by retention.
    Cut,
    /// There never was one.
    Never,
}

impl Standing {
    fn place(&self) -> Option<&Kept> {
        match self {
            Self::Here(kept) | Self::Deleted(kept) => Some(kept),
            Self::Cut | Self::Never => None,
        }
    }

    fn tag(&self) -> Option<String> {
        self.place().map(|kept| format!("{}:{}", kept.place.partition, kept.place.offset))
    }
}

/// Why an answer is held back.
enum Unmet {
    /// Nothing is newer than what is known.
    Known,
    Offset(u64),
    Lsn(Lsn),
    /// There is none, and whoever waits wants one.
    Absent,
}

async fn show(
    State(app): State<App>,
    Path((topic, key)): Path<(String, String)>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Result<Response, ApiError> {
    let log = topics::log(&app)?;
    let topic = topics::readable(log, &topic)?;
    let asked = Asked::parse(key, &headers, &pairs)?;
    let mut watch = watch(log, &asked)?;
    let mut stop = app.0.stop.clone();
    loop {
        // Looked at before the record is: what was published then is seen.
        let published = asked.min_lsn.map(|lsn| is_published(&app, &topic, lsn)).transpose()?;
        let (mut read, standing) = Look { log, topic: &topic }.whole(&asked.key).await?;
        let unmet = unmet(&asked, &standing, published);
        let (unmet, watch, until) = match (unmet, &mut watch, asked.until) {
            (Some(unmet), Some(watch), Some(until)) => (unmet, watch, until),
            (unmet, ..) => return answer(&topic, &asked, &standing, unmet.as_ref()),
        };
        loop {
            let look = Instant::now() + if matches!(unmet, Unmet::Lsn(_)) { LSN_LOOK } else { WAIT_MAX };
            let is_over = tokio::select! {
                changed = watch.changed() => changed.is_err(),
                () = tokio::time::sleep_until(look.min(until)) => Instant::now() >= until,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if is_over {
                return answer(&topic, &asked, &standing, Some(&unmet));
            }
            if matches!(unmet, Unmet::Lsn(_)) {
                break;
            }
            let newer = Look { log, topic: &topic }.is_newer(&asked.key, &mut read).await?;
            if newer {
                break;
            }
        }
    }
}

fn watch(log: &BuiltinLog, asked: &Asked) -> Result<Option<KeyWatch>, ApiError> {
    let (Some(keys), Some(_)) = (log.keys(), asked.until) else { return Ok(None) };
    let busy = || {
        let max = crate::log::builtin::keys::WATCHERS_MAX;
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, format!("{max} requests wait for a key already"))
    };
    keys.watch().map(Some).ok_or_else(busy)
}

/// What keeps the answer back from who waits.
fn unmet(asked: &Asked, standing: &Standing, published: Option<bool>) -> Option<Unmet> {
    if let (Some(lsn), Some(false)) = (asked.min_lsn, published) {
        return Some(Unmet::Lsn(lsn));
    }
    if let Some(min) = asked.min_offset
        && standing.place().is_none_or(|kept| kept.place.offset < min)
    {
        return Some(Unmet::Offset(min));
    }
    match standing.tag() {
        Some(tag) if asked.knows(&tag) => Some(Unmet::Known),
        None if asked.until.is_some() && asked.min_lsn.is_none() => Some(Unmet::Absent),
        _ => None,
    }
}

/// Whether the topic's connector has published everything before this position.
fn is_published(app: &App, topic: &TopicInfo, lsn: Lsn) -> Result<bool, ApiError> {
    let views = app.0.registry.views();
    let none = || ApiError::bad_request(format!("min_lsn: no connector publishes to {}", topic.name));
    let view = connectors::writer_among(&views, &topic.name).ok_or_else(none)?;
    let positions = &view.status.positions;
    Ok(positions.durable.max(positions.confirmed) >= lsn.0)
}

/// A look at a topic.
struct Look<'a> {
    log: &'a BuiltinLog,
    topic: &'a TopicInfo,
}

impl Look<'_> {
    /// Where a key stands, and up to which commit that was looked at.
    async fn whole(&self, key: &str) -> Result<(u64, Standing), ApiError> {
        let failed = |error: LogError| failed(&error);
        let keyless = self.log.newest(self.topic, None, 0).await.map_err(failed)?;
        let mut read = keyless.read;
        let mut candidates = self.candidates(key, false).await.map_err(failed)?;
        let (mut tried, mut is_anew) = (0, false);
        loop {
            let Some(candidate) = candidates.get(tried).cloned() else {
                if std::mem::replace(&mut is_anew, true) {
                    break;
                }
                // Its keys may be written in another way by now.
                let others = self.candidates(key, true).await.map_err(failed)?;
                if others == candidates {
                    break;
                }
                (candidates, tried) = (others, 0);
                continue;
            };
            tried += 1;
            let found = self.log.newest(self.topic, Some(&candidate), 0).await.map_err(failed)?;
            let Some(place) = found.place else { continue };
            read = read.min(found.read);
            // A table that was emptied tells it by a record without a key.
            if let Some(emptied) = keyless.place.filter(|emptied| emptied.is_behind(&place))
                && let Some(kept) = self.log.record_at(self.topic, emptied).await.map_err(failed)?
                && kept.record(&mut Vec::new()).is_some_and(|record| self.event(&kept, &record).op() == Some(Op::Truncate))
            {
                return Ok((read, Standing::Deleted(kept)));
            }
            let Some(kept) = self.log.record_at(self.topic, place).await.map_err(failed)? else {
                return Ok((read, Standing::Cut));
            };
            let mut room = Vec::new();
            let Some(record) = kept.record(&mut room) else { continue };
            let is_it = self.log.keys().zip(record.key).is_some_and(|(keys, known)| keys.is_same(known, &candidate));
            if is_it {
                let event = self.event(&kept, &record);
                let is_gone = event.kind() == Kind::Tombstone || matches!(event.op(), Some(Op::Delete | Op::Truncate));
                let standing = if is_gone { Standing::Deleted(kept.clone()) } else { Standing::Here(kept.clone()) };
                return Ok((read, standing));
            }
        }
        let mut ranges = (0..self.topic.partitions).filter_map(|partition| self.log.offsets(self.topic.index, partition));
        Ok((read, if ranges.any(|range| range.start > 0) { Standing::Cut } else { Standing::Never }))
    }

    fn event<'r>(&'r self, kept: &Kept, record: &RecordView<'r>) -> Event<'r> {
        Event::new(&self.topic.name, kept.place.partition, record)
    }

    /// Whether there is anything about the key that is newer than `read`, which moves on.
    async fn is_newer(&self, key: &str, read: &mut u64) -> Result<bool, ApiError> {
        let failed = |error: LogError| failed(&error);
        let keyless = self.log.newest(self.topic, None, *read).await.map_err(failed)?;
        let (mut upto, mut is_newer) = (keyless.read, keyless.place.is_some());
        for candidate in self.candidates(key, false).await.map_err(failed)? {
            let found = self.log.newest(self.topic, Some(&candidate), *read).await.map_err(failed)?;
            is_newer |= found.place.is_some();
            upto = upto.min(found.read);
        }
        *read = upto;
        Ok(is_newer)
    }

    /// The keys that a text may mean, the likeliest first.
    async fn candidates(&self, text: &str, anew: bool) -> Result<Vec<Vec<u8>>, LogError> {
        let sample = self.log.sample_key(self.topic, anew).await?;
        Ok(candidates(text, sample.as_deref()))
    }
}

/// The keys that a text may mean, the likeliest first: a whole key in JSON, in any order of its members; the value of its only column;
/// a key that is a text.
fn candidates(text: &str, sample: Option<&[u8]>) -> Vec<Vec<u8>> {
    let sample = sample.and_then(|key| serde_json::from_slice::<Json>(key).ok());
    let sample = sample.as_ref().and_then(Json::as_object);
    let json: Option<Json> = serde_json::from_str(text).ok();
    let mut found = vec![text.as_bytes().to_vec()];
    if let Some(json) = &json {
        found.push(without_spaces(text).into_bytes());
        if let (Some(object), Some(sample)) = (json.as_object(), sample) {
            let ordered: serde_json::Map<String, Json> =
                sample.keys().filter_map(|name| Some((name.clone(), object.get(name)?.clone()))).collect();
            if ordered.len() == object.len() {
                found.push(Json::from(ordered).to_string().into_bytes());
            }
        }
        found.push(json.to_string().into_bytes());
    }
    let quoted = Json::from(text).to_string();
    if let Some((name, value)) = sample.filter(|sample| sample.len() == 1).and_then(|sample| sample.iter().next()) {
        let of = |value: &str| format!("{{{}:{value}}}", Json::from(name.as_str())).into_bytes();
        let bare = json.as_ref().filter(|json| !json.is_object() && !json.is_array()).map(|_| of(text.trim()));
        let in_quotes = of(&quoted);
        if value.is_string() {
            found.push(in_quotes);
            found.extend(bare);
        } else {
            found.extend(bare);
            found.push(in_quotes);
        }
    }
    found.push(quoted.into_bytes());
    let mut seen = std::collections::HashSet::new();
    found.retain(|key| seen.insert(key.clone()));
    found
}

/// JSON without the spaces between its parts; numbers and texts stay as they were written.
fn without_spaces(json: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::with_capacity(json.len()), false, false);
    for letter in json.chars() {
        if inside || !letter.is_ascii_whitespace() {
            out.push(letter);
        }
        match letter {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && letter == '\\' && !escaped;
    }
    out
}

fn answer(topic: &TopicInfo, asked: &Asked, standing: &Standing, unmet: Option<&Unmet>) -> Result<Response, ApiError> {
    let tag = standing.tag().map(|tag| format!("\"{tag}\""));
    let headers = |response: Response| match &tag {
        Some(tag) => ([(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())], response).into_response(),
        None => ([(header::CACHE_CONTROL, "no-cache")], response).into_response(),
    };
    let (name, key) = (&topic.name, &asked.key);
    match unmet {
        Some(Unmet::Known) => return Ok(headers(StatusCode::NOT_MODIFIED.into_response())),
        Some(Unmet::Offset(min)) => {
            return Err(not_yet(format!("the key {key} has no record of offset {min} or later yet")));
        }
        Some(Unmet::Lsn(lsn)) => return Err(not_yet(format!("what is before {lsn} is not published to {name} yet"))),
        Some(Unmet::Absent) | None => {}
    }
    let refused = |status, problem: Problem| ApiError::new(status, problem.what.clone()).about(&problem);
    match standing {
        Standing::Here(kept) => {
            let mut room = Vec::new();
            let record =
                kept.record(&mut room).ok_or_else(|| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the record cannot be read"))?;
            let event = Event::new(name, kept.place.partition, &record);
            let mut body = Vec::new();
            match asked.view {
                Some(view) => drop(view.write(&event, &Show::default(), &mut body)),
                None => body = browse::whole(name, kept.place.partition, &record),
            }
            Ok(headers(([(header::CONTENT_TYPE, "application/json")], body).into_response()))
        }
        Standing::Deleted(kept) => {
            let ts = kept.record(&mut Vec::new()).map(|record| records::rfc3339(record.timestamp_ms));
            let problem = Problem::refuse("key/deleted", format!("the key {key} of {name} was deleted"));
            let error = refused(StatusCode::NOT_FOUND, problem)
                .with("deleted", true)
                .with("partition", kept.place.partition)
                .with("offset", kept.place.offset)
                .with("ts", ts);
            Ok(headers(error.into_response()))
        }
        Standing::Cut => {
            let problem = Problem::refuse("key/cut", format!("{name} has no record of the key {key}, and its first records are gone"))
                .why("retention has removed them, and nobody can tell whether one of them was it")
                .fix("bring every row to the topic again:\nrowfeed snapshot start CONNECTOR --table SCHEMA.TABLE");
            Err(refused(StatusCode::GONE, problem))
        }
        Standing::Never => {
            let problem = Problem::refuse("key/unknown", format!("{name} has no record of the key {key}"))
                .why("the topic is whole from its first record on: no such row was ever published");
            Err(refused(StatusCode::NOT_FOUND, problem).with("deleted", false))
        }
    }
}

fn not_yet(what: String) -> ApiError {
    ApiError::new(StatusCode::PRECONDITION_FAILED, what.clone()).about(&Problem::retry("key/not-yet", what))
}

fn failed(error: &LogError) -> ApiError {
    let status = match error {
        LogError::KeysBehind { .. } | LogError::Closed => StatusCode::SERVICE_UNAVAILABLE,
        LogError::KeysOff => StatusCode::NOT_IMPLEMENTED,
        LogError::UnknownPartition { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::new(status, error.to_string()).about(&error.problem())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, sample: Option<&str>) -> Vec<String> {
        let found = candidates(text, sample.map(str::as_bytes));
        found.into_iter().map(|key| String::from_utf8(key).expect("text")).collect()
    }

    #[test]
    fn a_key_is_found_however_it_is_written() {
        assert_eq!(of("42", Some(r#"{"id":7}"#)), ["42", r#"{"id":42}"#, r#"{"id":"42"}"#, r#""42""#]);
        assert_eq!(of("42", Some(r#"{"id":"7"}"#))[1], r#"{"id":"42"}"#);
        assert_eq!(of("a \"b\"", Some(r#"{"name":"x"}"#)), ["a \"b\"", r#"{"name":"a \"b\""}"#, r#""a \"b\"""#]);
        let two = of(r#"{ "b" : 1.50, "a": "x  y" }"#, Some(r#"{"a":"","b":0}"#));
        assert!(two.contains(&r#"{"b":1.50,"a":"x  y"}"#.to_owned()) && two.contains(&r#"{"a":"x  y","b":1.5}"#.to_owned()), "{two:?}");
        assert_eq!(of("abc", None), ["abc", r#""abc""#]);
        assert!(!of("42", Some(r#"{"a":1,"b":2}"#)).iter().any(|key| key.contains("\"a\"")));
        assert_eq!(without_spaces(r#"{ "a\" b" : [ 1 , "c\\" , 2 ] }"#), r#"{"a\" b":[1,"c\\",2]}"#);
    }

    #[test]
    fn what_is_known_is_a_place_in_any_of_its_forms() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, "W/\"0:7\", \"1:8\"".parse().expect("a header"));
        let asked = Asked::parse("k".into(), &headers, &[("newer_than".into(), "2:9".into())]).expect("valid");
        assert!(asked.knows("0:7") && asked.knows("1:8") && asked.knows("2:9") && !asked.knows("0:8"));
        let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
        for (name, value) in [("wait", "2h"), ("wait", "x"), ("min_offset", "-1"), ("min_lsn", "12"), ("wiat", "1s")] {
            assert!(Asked::parse("k".into(), &HeaderMap::new(), &pairs(name, value)).is_err(), "{name}={value}");
        }
    }
}
