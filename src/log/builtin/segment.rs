//! One segment file and its index: where in the file a partition's offsets are.
//!
//! The index is sparse: a point per partition for every [`POINT_INTERVAL_BYTES`] of the file in which the partition
//! occurs. Between a point and the next one every batch of the partition lies less than that interval behind the point,
//! so a reader scans a bounded stretch and then jumps. The active segment keeps its points in memory; a sealed one keeps
//! only a line per partition in memory and its points in the file's footer.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::files::{LogFile, read_full};
use super::format::{self, Entry, TRAILER_BYTES, Trailer};
use crate::record::{Route, TopicIndex};

/// How far apart two points of a partition are, at least.
pub const POINT_INTERVAL_BYTES: u64 = 64 * 1024;
/// Bytes of a point in the footer.
pub const POINT_BYTES: usize = 24;
/// Bytes of a partition's line in the footer, before its points.
const LINE_BYTES: usize = 36;
/// A footer larger than this is damaged.
const FOOTER_BYTES_MAX: u64 = 1 << 30;

/// A place where a partition occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Base offset of the batch there.
    pub offset: u64,
    /// Position of its frame in the file.
    pub position: u64,
    /// The largest timestamp of the partition's batches in this segment before this one; `i64::MIN` when it is the first.
    pub max_before: i64,
}

/// What a segment holds of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First offset in this segment.
    pub first: u64,
    /// Offset after the last one in this segment.
    pub next: u64,
    /// The largest timestamp.
    pub max_timestamp: i64,
    /// Its points.
    pub points: Points,
}

/// Where a span's points are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Points {
    /// In memory.
    Here(Vec<Point>),
    /// In the file's footer: position and number.
    InFile {
        /// Where the first point is.
        position: u64,
        /// How many.
        count: u32,
    },
}

/// A segment.
pub struct Segment {
    /// Its number: the first commit in it.
    pub first_commit: u64,
    /// The file's path, for messages and removal.
    pub path: PathBuf,
    /// The open file; readers hold on to it when the segment is removed.
    pub file: Arc<dyn LogFile>,
    /// Where the durable frames end.
    pub end: u64,
    /// When the newest frame was written, milliseconds.
    pub last_time_ms: i64,
    /// No more frames will come.
    pub sealed: bool,
    /// What it holds.
    pub spans: HashMap<Route, Span>,
}

impl Segment {
    /// Notes a durable frame at `position`.
    pub fn note(&mut self, position: u64, end: u64, time_ms: i64, entries: &[Entry]) {
        for entry in entries {
            let span = self.spans.entry(entry.route).or_insert_with(|| Span {
                first: entry.base_offset,
                next: entry.base_offset,
                max_timestamp: i64::MIN,
                points: Points::Here(Vec::new()),
            });
            if let Points::Here(points) = &mut span.points
                && points.last().is_none_or(|last| position >= last.position + POINT_INTERVAL_BYTES)
            {
                points.push(Point { offset: entry.base_offset, position, max_before: span.max_timestamp });
            }
            span.next = entry.next_offset();
            span.max_timestamp = span.max_timestamp.max(entry.max_timestamp);
        }
        self.end = end;
        self.last_time_ms = time_ms;
    }

    /// The footer that seals it, to be written at `self.end`, and the spans as they are once it is written.
    pub fn footer(&self, last_commit: u64) -> (Vec<u8>, HashMap<Route, Span>) {
        let mut body = Vec::new();
        let mut sealed = HashMap::with_capacity(self.spans.len());
        for (route, span) in &self.spans {
            let Points::Here(points) = &span.points else { continue };
            body.extend_from_slice(&route.topic.0.to_le_bytes());
            body.extend_from_slice(&route.partition.to_le_bytes());
            body.extend_from_slice(&span.first.to_le_bytes());
            body.extend_from_slice(&span.next.to_le_bytes());
            body.extend_from_slice(&span.max_timestamp.to_le_bytes());
            body.extend_from_slice(&(points.len() as u32).to_le_bytes());
            let position = self.end + body.len() as u64;
            for point in points {
                body.extend_from_slice(&point.offset.to_le_bytes());
                body.extend_from_slice(&point.position.to_le_bytes());
                body.extend_from_slice(&point.max_before.to_le_bytes());
            }
            sealed.insert(*route, Span { points: Points::InFile { position, count: points.len() as u32 }, ..span.clone() });
        }
        format::put_footer(&mut body, &Trailer { body_position: self.end, last_commit, last_time_ms: self.last_time_ms });
        (body, sealed)
    }

    /// The points of a span from the last one that is at or before `offset` on, at most `max`.
    pub fn points_from(file: &dyn LogFile, points: &Points, offset: u64, max: usize) -> io::Result<Vec<Point>> {
        match points {
            Points::Here(points) => {
                let at = points.partition_point(|point| point.offset <= offset).saturating_sub(1);
                Ok(points.iter().skip(at).take(max).copied().collect())
            }
            Points::InFile { position, count } => {
                let (mut low, mut high) = (0u32, *count);
                while low < high {
                    let middle = low + (high - low) / 2;
                    let point = read_points(file, position + u64::from(middle) * POINT_BYTES as u64, 1)?;
                    if point.first().is_some_and(|point| point.offset <= offset) { low = middle + 1 } else { high = middle }
                }
                let at = low.saturating_sub(1);
                let take = (count - at).min(max as u32);
                read_points(file, position + u64::from(at) * POINT_BYTES as u64, take)
            }
        }
    }
}

/// Reads `count` points at `position` of a footer.
pub fn read_points(file: &dyn LogFile, position: u64, count: u32) -> io::Result<Vec<Point>> {
    let mut bytes = vec![0; count as usize * POINT_BYTES];
    let got = read_full(file, &mut bytes, position)?;
    if got < bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes
        .chunks_exact(POINT_BYTES)
        .map(|point| Point { offset: u64_le(point, 0), position: u64_le(point, 8), max_before: u64_le(point, 16) as i64 })
        .collect())
}

fn u64_le(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn u32_le(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// A sealed segment's footer, if the file ends with a whole one.
pub fn read_footer(file: &dyn LogFile) -> io::Result<Option<(Trailer, HashMap<Route, Span>)>> {
    let len = file.size()?;
    let Some(tail_at) = len.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    let mut tail = [0; TRAILER_BYTES];
    if read_full(file, &mut tail, tail_at)? < TRAILER_BYTES {
        return Ok(None);
    }
    let Some(trailer) = format::read_trailer(&tail) else { return Ok(None) };
    let Some(body_len) = tail_at.checked_sub(trailer.body_position).filter(|len| *len <= FOOTER_BYTES_MAX) else { return Ok(None) };
    let mut body = vec![0; body_len as usize];
    if read_full(file, &mut body, trailer.body_position)? < body.len() || !format::footer_checksum_holds(&body, &tail) {
        return Ok(None);
    }
    let mut spans = HashMap::new();
    let mut at = 0;
    while at + LINE_BYTES <= body.len() {
        let route = Route { topic: TopicIndex(u32_le(&body, at)), partition: u32_le(&body, at + 4) };
        let count = u32_le(&body, at + 32);
        let position = trailer.body_position + (at + LINE_BYTES) as u64;
        spans.insert(
            route,
            Span {
                first: u64_le(&body, at + 8),
                next: u64_le(&body, at + 16),
                max_timestamp: u64_le(&body, at + 24) as i64,
                points: Points::InFile { position, count },
            },
        );
        at += LINE_BYTES + count as usize * POINT_BYTES;
    }
    Ok(Some((trailer, spans)))
}
