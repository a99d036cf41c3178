//! `/v1/topics`: which topics there are, and their records as lines of JSON, live if asked, or as CSV; `/v1/records`: those of
//! many. Pages of records are made in `browse.rs`.
//!
//! A stream reads the log at the pace of its client: nothing is buffered for a slow one but a few chunks, it simply reads
//! on later. When retention has overtaken it, it is told which offsets are missing. Without records it gets an empty line now and then.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json as JsonBody;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::browse::{self, Browse};
use super::connection::Peer;
use super::csv::{Csv, View};
use super::described::{Routes, does};
use super::records::{self, Chosen};
use super::stream::poll;
use super::stream::sse::Asker;
use super::{ApiError, App, Pairs, cluster, is_on, parameter};
use crate::connect::registry::ConnectorView;
use crate::event::{Event, Judgement};
use crate::log::builtin::BuiltinLog;
use crate::log::subscription::Place;
use crate::log::topic::{TopicInfo, fits, holds_secrets};
use crate::log::{LogError, StartAt};
use crate::record::compression::Compression;
use crate::record::view::batches;

/// One read of the log for a stream.
const READ_BYTES: usize = 256 << 10;
/// Chunks that wait for a slow client.
const CHUNKS_MAX: usize = 2;
/// Topics that one request may name.
const ASKED_MAX: usize = 1000;
/// How often a stream with a pattern looks for new topics.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// The routes.
pub fn routes() -> Routes {
    let missing = "there is no topic \"shop.public.order\"; did you mean \"shop.public.orders\"?";
    let elsewhere = "topics are in the external Kafka cluster (log.kind = \"kafka\"): read them there";
    let away = "Kafka: Meta data fetch error: BrokerTransportFailure (Local: Broker transport failure)";
    let of_cluster = "With an external log (log.kind = \"kafka\") those of the cluster: its transactions have offsets of their own among the records, and settings are null where the user may not see them.";
    let reads = |summary| {
        does(summary)
            .detail("A line: {\"topic\", \"partition\", \"offset\", \"ts\", \"key\", \"value\"}; or, where retention was faster, {\"topic\", \"partition\", \"gap\"}. An empty line now and then says that the stream lives.")
            .query("from", json!("start"), StartAt::FORMS)
            .query("limit", json!(10), "So many records at most.")
            .query("follow", json!(true), "New records are told as they come.")
            .query("format", json!("ndjson"), "ndjson, or csv, which Accept: text/csv asks for, too.")
            .query("where", json!("total > 100 and status = 'paid'"), "Changes that fulfil this condition only: docs/reference/filters.md. Of an update the row is looked at as it was and as it is: \"filter\" says that it enters or leaves.")
            .query("view", json!("flat"), "raw, as it is stored, unless another is asked for: envelope, without schema; flat, the row; diff, what changed; cloudevents. Of CSV: envelope, the event in one column; flat, each column of the row in one of its own.")
            .text(200, "Records, one a line.", "application/x-ndjson", RECORD)
            .text(200, "Records, one a line.", "text/csv", "topic,partition,offset,ts,op,key,value\r\n")
            .fails(400, "filter/syntax: the filter cannot be read: \"nd\" stands where \"and\", \"or\" or the end should")
            .fails(403, "__rowfeed.configs may hold passwords: read connectors at /connectors")
            .fails(404, missing)
            .fails(429, "64 streams are open already")
            .fails(501, elsewhere)
    };
    Routes::of("Topics")
        .shape(
            "Topic",
            json!({ "name": "shop.public.orders", "partitions": [{ "partition": 0, "start~": 0, "end~": 1842 }], "records": 1842,
                "cleanup~": CLEANUP, "internal": false, "connector~": "shop", "source_table?~": "public.orders",
                "records_per_second?~": 412.5, "last_change?~": "2026-11-21T13:02:11.482Z", "groups?": ["billing"],
                "config": { "cleanup.policy?": CLEANUP, "compression.type?": "producer|uncompressed|gzip|snappy|lz4|zstd", "retention.ms?": "604800000" } }),
        )
        .get(
            "/v1/topics",
            list,
            does("Lists the topics")
                .detail(of_cluster)
                .answers(200, "All of them.", json!({ "items": ["@Topic"], "next_cursor~": "" }))
                .fails(503, away),
        )
        .get(
            "/v1/topics/{topic}",
            show,
            does("Shows a topic").detail(of_cluster).answers(200, "It.", json!("@Topic")).fails(404, missing).fails(503, away),
        )
        .shape(
            "RecordPage",
            json!({ "items": [{ "topic": "shop.public.orders", "partition": 0, "offset": 1842, "ts": "2026-11-21T13:02:11.482Z", "key~": { "id": 42 },
                "value~": { "op": "u" }, "op~": "u", "size": 612, "tombstone": false, "headers": { "<name>": null }, "filter?": "enters|leaves" }],
                "next_cursor~": "nb0:1793", "prev_cursor~": "nf0:1843", "scanned": 50, "scan_limited": false, "unreadable": 0,
                "gaps": [{ "partition": 0, "from": 10, "to": 5000 }], "partitions": [{ "partition": 0, "start": 0, "end": 1843 }] }),
        )
        .get(
            "/v1/topics/{topic}/records",
            read,
            reads("Reads a topic's records")
                .query("partition", json!(0), "This partition only.")
                .query("cursor", json!("nb0:1793"), "The page that an answer's next_cursor or prev_cursor names; from, direction and partition are not looked at then.")
                .query("direction", json!("backward"), "backward, newest first, or forward. Asks for a page, as cursor, op, key, max_scan, max_ms and format=json do.")
                .query("op", json!("u,d"), "Of a page: changes of these operations only.")
                .query("key", json!("{\"id\":42}"), "Of a page: records of this key only, JSON or a text.")
                .query("max_scan", json!(200_000), "Of a page: so many records are looked at, about; then scan_limited is true and next_cursor goes on.")
                .query("max_ms", json!(2000), "Of a page: so long is looked.")
                .query("offset", json!("0:1842"), "A long poll: the next records from here on, as a list; the header rowfeed-offset says where to go on. start: from the first one kept. where, op, key, view, columns, snapshot, tombstones go with it.")
                .query("live", json!(true), "Of a long poll: where nothing is there, it is waited for; 204 when nothing came.")
                .query("timeout", json!("20s"), "Of a long poll: so long, 60s at most.")
                .empty(204, "Of a long poll: nothing came.")
                .fails(410, "the records at this offset were removed: begin anew at rowfeed-offset")
                .answers(200, "A page: 50 records, or limit, 1000 at most.", json!("@RecordPage"))
                .fails(500, "the log cannot be read"),
        )
        .get(
            "/v1/records",
            read_many,
            reads("Reads the records of several topics").query(
                "topic",
                json!(["shop.public.*"]),
                "A topic, or a pattern with *; all change topics without.",
            ),
        )
        .and(super::keys::routes())
}

/// How a topic is kept short.
const CLEANUP: &str = "delete|compact|compact,delete|delete,compact";
/// A line of a stream.
const RECORD: &str = "{\"topic\":\"shop.public.orders\",\"partition\":0,\"offset\":1842,\"ts\":\"2026-11-21T13:02:11.482Z\",\"key\":{\"id\":42},\"value\":{\"op\":\"u\"}}\n";

pub(super) fn log(app: &App) -> Result<&BuiltinLog, ApiError> {
    let message = "topics are in the external Kafka cluster (log.kind = \"kafka\"): read them there";
    app.0.log.as_ref().ok_or_else(|| ApiError::new(StatusCode::NOT_IMPLEMENTED, message))
}

pub(super) fn find(log: &BuiltinLog, name: &str) -> Result<Arc<TopicInfo>, ApiError> {
    log.topic(name).ok_or_else(|| {
        let topics = log.topics();
        let hint = crate::config::suggest::did_you_mean(name, topics.iter().map(|topic| topic.name.as_str()));
        let message = format!("there is no topic \"{name}\"; {hint}");
        ApiError::new(StatusCode::NOT_FOUND, message.trim_end_matches("; "))
    })
}

async fn list(State(app): State<App>) -> Result<Response, ApiError> {
    let items: Vec<Json> = if let Some(cluster) = &app.0.cluster {
        cluster::list(&app, cluster).await?
    } else {
        let log = log(&app)?;
        let mut topics = log.topics();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        let (views, times) = (app.0.registry.views(), log.last_times());
        topics.iter().map(|topic| describe(&app, log, topic, &views, times.get(&topic.index).copied())).collect()
    };
    Ok(JsonBody(json!({ "items": items, "next_cursor": null })).into_response())
}

async fn show(State(app): State<App>, Path(topic): Path<String>) -> Result<Response, ApiError> {
    if let Some(cluster) = &app.0.cluster {
        return Ok(JsonBody(cluster::show(&app, cluster, &topic).await?).into_response());
    }
    let log = log(&app)?;
    Ok(JsonBody(described(&app, log, find(log, &topic)?.as_ref())).into_response())
}

/// A topic with the groups that have an offset in it.
pub(super) fn described(app: &App, log: &BuiltinLog, topic: &TopicInfo) -> Json {
    let mut body = describe(app, log, topic, &app.0.registry.views(), log.last_time(topic));
    let Some(groups) = &app.0.groups else { return body };
    let reads = |group: &String| groups.view(group).is_some_and(|view| view.offsets.iter().any(|(known, ..)| *known == topic.name));
    body["groups"] = groups.names().into_iter().filter(reads).collect();
    body
}

fn describe(app: &App, log: &BuiltinLog, topic: &TopicInfo, views: &[ConnectorView], last_change: Option<i64>) -> Json {
    let mut records = 0;
    let mut partitions = Vec::new();
    for partition in 0..topic.partitions {
        let Some(range) = log.offsets(topic.index, partition) else { continue };
        records += range.end - range.start;
        partitions.push(json!({ "partition": partition, "start": range.start, "end": range.end }));
    }
    let cleanup = if topic.compact { "compact" } else { "delete" };
    let writer = if topic.internal { None } else { super::connectors::writer_among(views, &topic.name) };
    let compression = topic.compression.map_or("producer", |codec| if codec == Compression::None { "uncompressed" } else { codec.name() });
    json!({
        "name": topic.name, "partitions": partitions, "records": records, "cleanup": cleanup, "internal": topic.internal,
        "connector": writer.map(|view| &view.name),
        "source_table": writer.and_then(|view| super::connectors::table_of(view, &topic.name)),
        "records_per_second": app.0.series.growth(topic.index), "last_change": last_change.map(records::rfc3339),
        "config": { "cleanup.policy": cleanup, "compression.type": compression },
    })
}

async fn read(
    State(app): State<App>,
    Path(topic): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Result<Response, ApiError> {
    let log = log(&app)?;
    let topic = readable(log, &topic)?;
    if pairs.iter().any(|(name, _)| poll::PARAMETERS.contains(&name.as_str())) {
        let asker = Asker { peer: peer.map(|peer| peer.0), grant: None };
        return poll::answer(&app, topic, &pairs, asker).await;
    }
    let form = Form::asked(&pairs, &headers)?;
    if form == Form::Page {
        let known = [&["from", "limit", "partition", "format", "where", "view"][..], &browse::PARAMETERS].concat();
        let request = Request::parse(&pairs, &known, topic.partitions)?;
        let _room = room(&app)?;
        return Browse::parse(log, &topic, &pairs, request.partition).await?.answer(log, &topic).await;
    }
    let request = Request::parse(&pairs, &["from", "limit", "follow", "partition", "format", "where", "view"], topic.partitions)?;
    stream(&app, log, vec![topic], None, request, form).await
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// JSON, one a line.
    Lines,
    /// A file for spreadsheets.
    Csv(View),
    /// JSON, with cursors.
    Page,
}

impl Form {
    /// `format`, or what only one form has, or the header Accept; else lines, as it was before there were others.
    fn asked(pairs: &[(String, String)], headers: &HeaderMap) -> Result<Self, ApiError> {
        let accepts = |media: &str| {
            let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
            accepted
                .flat_map(|value| value.split(','))
                .any(|one| one.split(';').next().is_some_and(|one| one.trim().eq_ignore_ascii_case(media)))
        };
        // A file has two views only.
        let csv = || match parameter(pairs, "view") {
            None | Some("envelope") => Ok(Self::Csv(View::Envelope)),
            Some("flat") => Ok(Self::Csv(View::Flat)),
            Some(other) => Err(ApiError::bad_request(format!("view={other}: of CSV there are envelope and flat"))),
        };
        let form = match parameter(pairs, "format") {
            Some("ndjson") => Self::Lines,
            Some("csv") => csv()?,
            Some("json") => Self::Page,
            Some(other) => return Err(ApiError::bad_request(format!("format={other} is none of json, ndjson and csv"))),
            None if browse::PARAMETERS.iter().any(|name| parameter(pairs, name).is_some()) => Self::Page,
            None if accepts("text/csv") => csv()?,
            None => Self::Lines,
        };
        if is_on(pairs, "follow") && form != Self::Lines {
            return Err(ApiError::bad_request("follow=true goes on for ever: take format=ndjson with it"));
        }
        Ok(form)
    }
}

/// `GET /v1/records?topic=A&topic=B*`: several topics on one stream; all change topics without `topic`.
async fn read_many(State(app): State<App>, headers: HeaderMap, Query(pairs): Pairs) -> Result<Response, ApiError> {
    let log = log(&app)?;
    let form = Form::asked(&pairs, &headers)?;
    let request = Request::parse(&pairs, &["from", "limit", "follow", "topic", "format", "where", "view"], 0)?;
    if form == Form::Page {
        return Err(ApiError::bad_request("pages are those of one topic: /v1/topics/TOPIC/records"));
    }
    let asked: Vec<String> = pairs.iter().filter(|(name, _)| name == "topic").map(|(_, value)| value.clone()).collect();
    if asked.len() > ASKED_MAX {
        return Err(ApiError::bad_request(format!("more than {ASKED_MAX} topics are asked for: use a pattern")));
    }
    let (patterns, names): (Vec<String>, Vec<String>) = asked.into_iter().partition(|topic| topic.contains('*'));
    let mut topics = names.iter().map(|name| readable(log, name)).collect::<Result<Vec<_>, _>>()?;
    let wanted = (names.is_empty() || !patterns.is_empty()).then_some(Wanted { patterns });
    if let Some(wanted) = &wanted {
        topics.extend(wanted.find(log));
    }
    topics.sort_by_key(|topic| topic.index);
    topics.dedup_by_key(|topic| topic.index);
    stream(&app, log, topics, wanted, request, form).await
}

/// A topic whose records may be read.
pub(super) fn readable(log: &BuiltinLog, name: &str) -> Result<Arc<TopicInfo>, ApiError> {
    if holds_secrets(name) {
        let message = format!("{name} may hold passwords: read connectors at /connectors, subscriptions at /v1/subscriptions");
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    find(log, name)
}

/// Room among those who read records.
fn room(app: &App) -> Result<OwnedSemaphorePermit, ApiError> {
    let busy = || ApiError::new(StatusCode::TOO_MANY_REQUESTS, format!("{} streams are open already", super::STREAMS_MAX));
    Arc::clone(&app.0.streams).try_acquire_owned().map_err(|_| busy())
}

async fn stream(
    app: &App,
    log: &BuiltinLog,
    topics: Vec<Arc<TopicInfo>>,
    wanted: Option<Wanted>,
    request: Request,
    form: Form,
) -> Result<Response, ApiError> {
    let room = room(app)?;
    let mut cursors = Vec::new();
    for topic in topics {
        let found = find_cursors(log, &topic, &request.from, request.partition).await;
        cursors.extend(found.map_err(|error| ApiError::bad_request(error.to_string()))?);
    }
    let (chunks, inbox) = mpsc::channel(CHUNKS_MAX);
    let beat = app.0.settings.beat;
    let csv = if let Form::Csv(view) = form { Some(Csv::new(view)) } else { None };
    let media = if csv.is_some() { "text/csv; charset=utf-8" } else { "application/x-ndjson" };
    let stream = Stream {
        log: log.clone(),
        cursors,
        wanted,
        left: request.limit,
        follow: request.follow,
        chosen: request.chosen,
        beat,
        csv,
        chunks,
    };
    let stop = app.0.stop.clone();
    tokio::spawn(async move {
        stream.run(stop).await;
        drop(room);
    });
    let headers = [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(Chunks(inbox))).into_response())
}

/// Topics that are asked for by pattern, those that do not exist yet included.
struct Wanted {
    /// None stands for all but heartbeats.
    patterns: Vec<String>,
}

impl Wanted {
    fn find(&self, log: &BuiltinLog) -> impl Iterator<Item = Arc<TopicInfo>> {
        log.topics().into_iter().filter(|topic| !topic.internal && self.matches(&topic.name))
    }

    fn matches(&self, name: &str) -> bool {
        if self.patterns.is_empty() { !name.starts_with(HEARTBEATS) } else { self.patterns.iter().any(|pattern| fits(pattern, name)) }
    }
}

/// What Debezium's heartbeat topics begin with.
const HEARTBEATS: &str = "__debezium-heartbeat.";

/// What was asked for.
struct Request {
    from: StartAt,
    limit: u64,
    follow: bool,
    partition: Option<u32>,
    chosen: Chosen,
}

impl Request {
    fn parse(pairs: &[(String, String)], known: &[&str], partitions: u32) -> Result<Self, ApiError> {
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let hint = crate::config::suggest::did_you_mean(name, known.iter().copied());
            return Err(ApiError::bad_request(format!("unknown parameter \"{name}\"; {hint}").trim_end_matches("; ")));
        }
        let follow = is_on(pairs, "follow");
        let from = match parameter(pairs, "from") {
            Some(text) => StartAt::parse(text).map_err(ApiError::bad_request)?,
            None if follow => StartAt::End,
            None => StartAt::Start,
        };
        let number = |name: &str| match parameter(pairs, name) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| ApiError::bad_request(format!("{name}={text} is not a number"))),
        };
        let limit = number("limit")?.unwrap_or(u64::MAX);
        let partition = match number("partition")? {
            None => None,
            Some(number) => {
                let partition = u32::try_from(number).ok().filter(|number| *number < partitions);
                let missing = || ApiError::new(StatusCode::NOT_FOUND, format!("the topic has {partitions} partitions"));
                Some(partition.ok_or_else(missing)?)
            }
        };
        Ok(Self { from, limit, follow, partition, chosen: Chosen::parse(pairs)? })
    }
}

/// A place in one partition.
struct Cursor {
    topic: Arc<TopicInfo>,
    partition: u32,
    next: u64,
    /// Where a stream that does not follow ends: the end when it was asked for, so that a busy topic has one.
    end: u64,
}

/// A stream's places of a topic.
async fn find_cursors(log: &BuiltinLog, topic: &Arc<TopicInfo>, from: &StartAt, only: Option<u32>) -> Result<Vec<Cursor>, LogError> {
    let cursor = |place: Place| {
        let end = log.offsets(place.route.topic, place.route.partition).map_or(place.next, |range| range.end);
        Cursor { topic: place.topic, partition: place.route.partition, next: place.next, end }
    };
    Ok(from.places(log, topic, only).await?.into_iter().map(cursor).collect())
}

/// A reader that feeds one client.
struct Stream {
    log: BuiltinLog,
    cursors: Vec<Cursor>,
    wanted: Option<Wanted>,
    left: u64,
    follow: bool,
    chosen: Chosen,
    beat: Duration,
    /// Lines of CSV instead of JSON.
    csv: Option<Csv>,
    chunks: mpsc::Sender<Result<Bytes, LogError>>,
}

impl Stream {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut durable = self.log.durable();
        let mut beat = interval(self.beat);
        let mut look_at = Instant::now() + LOOK_INTERVAL;
        loop {
            // Here and not where it waits: a busy stream may never wait.
            if self.follow && Instant::now() >= look_at {
                self.look().await;
                look_at = Instant::now() + LOOK_INTERVAL;
            }
            // Seen before reading: what becomes durable while we read wakes us afterwards.
            durable.borrow_and_update();
            match self.round().await {
                Ok(true) if self.left > 0 => {
                    beat.reset();
                    continue;
                }
                Ok(_) if self.left > 0 && self.follow => {}
                Ok(_) => return self.end().await,
                Err(error) => return drop(self.chunks.send(Err(error)).await),
            }
            let woken = tokio::select! {
                changed = durable.changed() => if changed.is_ok() { Woken::Written } else { Woken::End },
                _ = stop.wait_for(|stop| *stop) => Woken::End,
                () = self.chunks.closed() => Woken::End,
                _ = beat.tick() => Woken::Beat,
                () = tokio::time::sleep_until(look_at), if self.wanted.is_some() => Woken::Look,
            };
            match woken {
                Woken::Written | Woken::Look => {}
                // A reader whose machine is gone is noticed only by writing to it.
                Woken::Beat => drop(self.chunks.send(Ok(Bytes::from_static(b"\n"))).await),
                Woken::End => return,
            }
        }
    }

    /// What a file without rows has.
    async fn end(&mut self) {
        let rest = self.csv.as_mut().map(Csv::end).unwrap_or_default();
        if !rest.is_empty() {
            drop(self.chunks.send(Ok(rest.into())).await);
        }
    }

    /// Topics that have come into being are read from their start.
    async fn look(&mut self) {
        let Some(wanted) = &self.wanted else { return };
        let known: BTreeSet<_> = self.cursors.iter().map(|cursor| cursor.topic.index).collect();
        for topic in wanted.find(&self.log).filter(|topic| !known.contains(&topic.index)) {
            self.cursors.extend(find_cursors(&self.log, &topic, &StartAt::Start, None).await.unwrap_or_default());
        }
    }

    /// Reads each partition once; true when there may be more.
    async fn round(&mut self) -> Result<bool, LogError> {
        let mut more = false;
        for at in 0..self.cursors.len() {
            let (topic, partition, next, end) = match self.cursors.get(at) {
                Some(cursor) if self.left > 0 && (self.follow || cursor.next < cursor.end) => {
                    (Arc::clone(&cursor.topic), cursor.partition, cursor.next, cursor.end)
                }
                _ => continue,
            };
            // Most of many topics have nothing new: that is known without reading.
            if self.log.offsets(topic.index, partition).is_some_and(|range| range.end == next) {
                continue;
            }
            let (chunk, reached) = match self.log.read(topic.index, partition, next, READ_BYTES).await {
                Ok(bytes) => self.lines(&topic, &bytes, partition, next, if self.follow { u64::MAX } else { end }),
                // A file has no line for a gap: there it breaks off.
                Err(LogError::OffsetOutOfRange { start, .. }) if start > next && self.csv.is_none() => {
                    (gap(&topic, partition, next, start), start)
                }
                // The topic was deleted: the others go on.
                Err(LogError::UnknownPartition { .. }) => (Vec::new(), end),
                Err(error) => return Err(error),
            };
            if reached > next {
                more = true;
            }
            if let Some(cursor) = self.cursors.get_mut(at) {
                // Nothing more to read although the end is not reached: retention or a malformed batch; do not spin.
                cursor.next = if reached == next && !self.follow { cursor.end } else { reached };
            }
            if !chunk.is_empty() && self.chunks.send(Ok(chunk.into())).await.is_err() {
                self.left = 0;
            }
        }
        Ok(more)
    }

    /// The records of whole batches from `next` on as lines; also the offset after the last.
    fn lines(&mut self, topic: &TopicInfo, bytes: &[u8], partition: u32, next: u64, end: u64) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let mut reached = next;
        let mut room = Vec::new();
        for batch in batches(bytes) {
            for record in batch.records(&mut room).flatten() {
                if record.offset < next || record.offset >= end || self.left == 0 {
                    continue;
                }
                let event = Event::new(&topic.name, partition, &record);
                let is_written = match &mut self.csv {
                    // A file of rows has no line for one that leaves the filter.
                    Some(csv) => {
                        matches!(self.chosen.judge(&event), Judgement::Matches | Judgement::Enters)
                            && csv.write(&topic.name, partition, &record, &mut out)
                    }
                    None => self.chosen.write_line(&event, &mut out),
                };
                self.left -= u64::from(is_written);
                reached = record.offset + 1;
            }
            if self.left > 0 {
                reached = reached.max(batch.next_offset());
            }
            // What was read compressed may be many times as large as lines.
            if self.left == 0 || out.len() >= READ_BYTES {
                break;
            }
        }
        (out, reached)
    }
}

fn gap(topic: &TopicInfo, partition: u32, from: u64, to: u64) -> Vec<u8> {
    let line = json!({ "topic": topic.name, "partition": partition, "gap": { "from": from, "to": to } });
    format!("{line}\n").into_bytes()
}

/// Why a stream that follows goes on.
enum Woken {
    Written,
    Beat,
    Look,
    End,
}

/// Ticks for the first time after one period.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The receiving end as a body.
pub(super) struct Chunks(pub mpsc::Receiver<Result<Bytes, LogError>>);

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        assert!(fits("shop.public.*", "shop.public.orders") && fits("*", "") && fits("a*c*e", "abcde") && fits("a**", "a"));
        assert!(fits("*ab*ab", "abab") && fits("a*b", "abb"));
        assert!(!fits("shop.public", "shop.public.orders") && !fits("a*c", "abcd") && !fits("ab*b", "ab") && !fits("*a*a", "a"));
    }
}
