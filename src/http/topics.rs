//! `/v1/topics`: which topics there are, and their records as lines of JSON, live if asked.
//!
//! A stream reads the log at the pace of its client: nothing is buffered for a slow one but a few chunks, it simply reads
//! on later. When retention has overtaken it, it is told which offsets are missing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json as JsonBody, Router};
use serde_json::{Value as Json, json};
use tokio::sync::{mpsc, watch};

use super::records::{self, StartAt};
use super::{ApiError, App, Pairs, is_on, parameter};
use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::TopicInfo;
use crate::record::view::BatchView;

/// One read of the log for a stream.
const READ_BYTES: usize = 256 << 10;
/// Chunks that wait for a slow client.
const CHUNKS_MAX: usize = 2;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/v1/topics", get(list)).route("/v1/topics/{topic}", get(show)).route("/v1/topics/{topic}/records", get(read))
}

fn log(app: &App) -> Result<&BuiltinLog, ApiError> {
    let message = "topics are in the external Kafka cluster (log.kind = \"kafka\"): read them there";
    app.0.log.as_ref().ok_or_else(|| ApiError::new(StatusCode::NOT_IMPLEMENTED, message))
}

fn find(log: &BuiltinLog, name: &str) -> Result<Arc<TopicInfo>, ApiError> {
    log.topic(name).ok_or_else(|| {
        let topics = log.topics();
        let hint = crate::config::suggest::did_you_mean(name, topics.iter().map(|topic| topic.name.as_str()));
        let message = format!("there is no topic \"{name}\"; {hint}");
        ApiError::new(StatusCode::NOT_FOUND, message.trim_end_matches("; "))
    })
}

async fn list(State(app): State<App>) -> Result<Response, ApiError> {
    let log = log(&app)?;
    let mut topics = log.topics();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let items: Vec<Json> = topics.iter().map(|topic| describe(log, topic)).collect();
    Ok(JsonBody(json!({ "items": items, "next_cursor": null })).into_response())
}

async fn show(State(app): State<App>, Path(topic): Path<String>) -> Result<Response, ApiError> {
    let log = log(&app)?;
    Ok(JsonBody(describe(log, find(log, &topic)?.as_ref())).into_response())
}

fn describe(log: &BuiltinLog, topic: &TopicInfo) -> Json {
    let mut records = 0;
    let mut partitions = Vec::new();
    for partition in 0..topic.partitions {
        let Some(range) = log.offsets(topic.index, partition) else { continue };
        records += range.end - range.start;
        partitions.push(json!({ "partition": partition, "start": range.start, "end": range.end }));
    }
    let cleanup = if topic.compact { "compact" } else { "delete" };
    json!({ "name": topic.name, "partitions": partitions, "records": records, "cleanup": cleanup, "internal": topic.internal })
}

async fn read(State(app): State<App>, Path(topic): Path<String>, Query(pairs): Pairs) -> Result<Response, ApiError> {
    let log = log(&app)?;
    let topic = find(log, &topic)?;
    let request = Request::parse(&topic, &pairs)?;
    let busy = || ApiError::new(StatusCode::TOO_MANY_REQUESTS, format!("{} streams are open already", super::STREAMS_MAX));
    let room = Arc::clone(&app.0.streams).try_acquire_owned().map_err(|_| busy())?;
    let cursors = cursors(log, &topic, &request).await.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let (chunks, inbox) = mpsc::channel(CHUNKS_MAX);
    let stream = Stream { log: log.clone(), topic, cursors, left: request.limit, follow: request.follow, chunks };
    let stop = app.0.stop.clone();
    tokio::spawn(async move {
        stream.run(stop).await;
        drop(room);
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(Chunks(inbox))).into_response())
}

/// What was asked for.
struct Request {
    from: StartAt,
    limit: u64,
    follow: bool,
    partition: Option<u32>,
}

impl Request {
    fn parse(topic: &TopicInfo, pairs: &[(String, String)]) -> Result<Self, ApiError> {
        let known = ["from", "limit", "follow", "partition"];
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let hint = crate::config::suggest::did_you_mean(name, known);
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
                let partition = u32::try_from(number).ok().filter(|number| *number < topic.partitions);
                let missing = || ApiError::new(StatusCode::NOT_FOUND, format!("topic {} has {} partitions", topic.name, topic.partitions));
                Some(partition.ok_or_else(missing)?)
            }
        };
        Ok(Self { from, limit, follow, partition })
    }
}

/// A place in one partition.
struct Cursor {
    partition: u32,
    next: u64,
    /// Where a stream that does not follow ends: the end when it was asked for, so that a busy topic has one.
    end: u64,
}

async fn cursors(log: &BuiltinLog, topic: &TopicInfo, request: &Request) -> Result<Vec<Cursor>, LogError> {
    let mut cursors = Vec::new();
    for partition in (0..topic.partitions).filter(|partition| request.partition.is_none_or(|asked| asked == *partition)) {
        let Some(range) = log.offsets(topic.index, partition) else { continue };
        let next = match request.from {
            StartAt::Start => range.start,
            StartAt::End => range.end,
            StartAt::BeforeEnd(count) => range.end.saturating_sub(count).max(range.start),
            StartAt::AfterStart(count) => range.start.saturating_add(count).min(range.end),
            StartAt::Offset(offset) => offset,
            StartAt::Time(time) => log.offset_for_time(topic.index, partition, time).await?.map_or(range.end, |(offset, _)| offset),
        };
        if next > range.end || next < range.start {
            return Err(LogError::OffsetOutOfRange { asked: next, start: range.start, end: range.end });
        }
        cursors.push(Cursor { partition, next, end: range.end });
    }
    Ok(cursors)
}

/// A reader that feeds one client.
struct Stream {
    log: BuiltinLog,
    topic: Arc<TopicInfo>,
    cursors: Vec<Cursor>,
    left: u64,
    follow: bool,
    chunks: mpsc::Sender<Result<Bytes, LogError>>,
}

impl Stream {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut durable = self.log.durable();
        loop {
            // Seen before reading: what becomes durable while we read wakes us afterwards.
            durable.borrow_and_update();
            match self.round().await {
                Ok(true) if self.left > 0 => continue,
                Ok(_) if self.left > 0 && self.follow => {}
                Ok(_) => return,
                Err(error) => return drop(self.chunks.send(Err(error)).await),
            }
            tokio::select! {
                changed = durable.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.chunks.closed() => return,
            }
        }
    }

    /// Reads each partition once; true when there may be more.
    async fn round(&mut self) -> Result<bool, LogError> {
        let mut more = false;
        for at in 0..self.cursors.len() {
            let (partition, next, end) = match self.cursors.get(at) {
                Some(cursor) if self.left > 0 && (self.follow || cursor.next < cursor.end) => (cursor.partition, cursor.next, cursor.end),
                _ => continue,
            };
            let (chunk, reached) = match self.log.read(self.topic.index, partition, next, READ_BYTES).await {
                Ok(bytes) => self.lines(&bytes, partition, next, if self.follow { u64::MAX } else { end }),
                Err(LogError::OffsetOutOfRange { start, .. }) if start > next => (self.gap(partition, next, start), start),
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
    fn lines(&mut self, mut bytes: &[u8], partition: u32, next: u64, end: u64) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let mut reached = next;
        while let Ok(batch) = BatchView::parse(bytes) {
            bytes = bytes.get(batch.bytes().len()..).unwrap_or(&[]);
            for record in batch.records().flatten() {
                if record.offset < next || record.offset >= end || self.left == 0 {
                    continue;
                }
                records::write_line(&self.topic.name, partition, &record, &mut out);
                self.left -= 1;
                reached = record.offset + 1;
            }
            if self.left > 0 {
                reached = reached.max(batch.next_offset());
            }
        }
        (out, reached)
    }

    fn gap(&self, partition: u32, from: u64, to: u64) -> Vec<u8> {
        let line = json!({ "topic": self.topic.name, "partition": partition, "gap": { "from": from, "to": to } });
        format!("{line}\n").into_bytes()
    }
}

/// The receiving end as a body.
struct Chunks(mpsc::Receiver<Result<Bytes, LogError>>);

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
