//! Reading the built-in log: whole batches of one partition, found through the index and read from the files.
//!
//! A reader takes the index's lock for a look-up only, then reads the file with positions of its own; the writer never
//! waits for it, but learns that its newest bytes are read (`followed`). A segment that retention removes meanwhile stays readable for whoever has it open. There is no cache of
//! recent frames here: they are in the operating system's page cache, and one copy of a batch serves all its followers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::BuiltinLog;
use super::catalog::OffsetRange;
use super::files::{LogFile, read_full};
use super::format::{self, FRAME_HEADER_BYTES, FrameAt, FrameHeader};
use super::segment::{POINT_INTERVAL_BYTES, Point, Points, Segment};
use super::writer::CACHED_BYTES;
use crate::log::{Extent, LogError, Scanned};
use crate::record::view::{self, BatchView};
use crate::record::{Route, TopicHandle, TopicIndex};

/// The most that one read returns, whatever it is asked for (a first batch that is larger alone excepted), in bytes.
pub const READ_BYTES_MAX: usize = 8 << 20;
/// How many points one read looks up at once.
const POINTS_PER_READ: usize = 64;
/// The least and the most that is read from a file at once, in bytes.
const CHUNK_BYTES: std::ops::Range<usize> = 16 * 1024..1024 * 1024;

/// Where a partition's offsets begin in one segment.
struct Place {
    file: Arc<dyn LogFile>,
    path: std::path::PathBuf,
    points: Points,
    /// Where the durable frames end.
    end: u64,
    /// The partition's next offset in this segment.
    next: u64,
    sealed: bool,
}

impl Place {
    fn is_cold(&self, uncached: u64) -> bool {
        let first = match &self.points {
            Points::Here(points) => points.first().map(|point| point.position),
            Points::InFile { .. } => None,
        };
        first.is_none_or(|first| first < uncached || self.end - first.min(self.end) > CACHED_BYTES)
    }
}

impl BuiltinLog {
    /// Whole batches of a partition from offset `from` on, about `max_bytes` of them: the first one even if it is larger,
    /// and it may begin before `from`. Empty at the end of the partition.
    pub async fn read(&self, topic: TopicIndex, partition: u32, from: u64, max_bytes: usize) -> Result<Bytes, LogError> {
        let route = Route { topic, partition };
        let Some(place) = self.place(route, from)? else { return Ok(Bytes::new()) };
        let max_bytes = max_bytes.clamp(1, READ_BYTES_MAX);
        // The newest bytes are in the page cache; older ones may have to come from the disk.
        if place.sealed || place.is_cold(self.shared.uncached.load(Ordering::Relaxed)) {
            self.shared.followed.fetch_or(!place.sealed && !place.is_cold(0), Ordering::Relaxed);
            tokio::task::spawn_blocking(move || collect(&place, route, from, max_bytes)).await.map_err(|_| LogError::Closed)?
        } else {
            self.shared.followed.store(true, Ordering::Relaxed);
            collect(&place, route, from, max_bytes)
        }
    }

    /// What there is of each partition of a topic now.
    pub fn extents(&self, topic: TopicHandle) -> Result<Vec<Extent>, LogError> {
        let of = |partition| self.range(Route { topic: topic.index, partition });
        (0..topic.partitions).map(|partition| of(partition).map(|range| Extent { start: range.start, end: range.end })).collect()
    }

    /// As [`crate::log::LogWriter::scan`] says.
    pub async fn scan(
        &self,
        of: Route,
        from: u64,
        until: u64,
        bytes_max: usize,
        mut each: impl FnMut(Scanned<'_>) + Send,
    ) -> Result<u64, LogError> {
        if from >= until {
            return Ok(until);
        }
        let bytes = match self.read(of.topic, of.partition, from, bytes_max).await {
            Ok(bytes) => bytes,
            // Retention was faster.
            Err(LogError::OffsetOutOfRange { start, .. }) if start > from => return Ok(start.min(until)),
            Err(error) => return Err(error),
        };
        let (mut next, mut room) = (from, Vec::new());
        let malformed = |at| LogError::Damaged {
            path: format!("partition {} of topic {}", of.partition, of.topic.0).into(),
            at,
            what: "a record is malformed".to_owned(),
        };
        for batch in view::batches(&bytes) {
            for record in batch.records(&mut room) {
                let record = record.map_err(|_| malformed(batch.base_offset()))?;
                if (from..until).contains(&record.offset) {
                    each(Scanned { offset: record.offset, key: record.key, value: record.value });
                }
            }
            next = batch.next_offset();
        }
        // An offset that is there has a batch.
        if next > from { Ok(next.min(until)) } else { Err(malformed(from)) }
    }

    /// The first record with a timestamp of at least `time_ms`: its offset and timestamp. `None` when there is none.
    pub async fn offset_for_time(&self, topic: TopicIndex, partition: u32, time_ms: i64) -> Result<Option<(u64, i64)>, LogError> {
        let route = Route { topic, partition };
        let range = self.range(route)?;
        let found = {
            let index = self.shared.index();
            index.segments.iter().find_map(|segment| {
                let span = segment.spans.get(&route).filter(|span| span.max_timestamp >= time_ms)?;
                Some((place_in(segment, route, |points| points.partition_point(|point| point.max_before < time_ms))?, span.first))
            })
        };
        let Some((place, first)) = found else { return Ok(None) };
        let walk = move || -> Result<Option<(u64, i64)>, LogError> {
            let start = start_for_time(&place, first, time_ms)?;
            let (mut hit, mut room) = (None, Vec::new());
            walk_batches(&place, route, start, CHUNK_BYTES.end, |batch| {
                if batch.max_timestamp() < time_ms {
                    return true;
                }
                hit = batch
                    .records(&mut room)
                    .flatten()
                    .find(|record| record.timestamp_ms >= time_ms)
                    .map(|record| (record.offset, record.timestamp_ms));
                hit.is_none()
            })?;
            Ok(hit)
        };
        let hit = tokio::task::spawn_blocking(walk).await.map_err(|_| LogError::Closed)??;
        Ok(hit.filter(|(offset, _)| *offset >= range.start))
    }

    /// The first record with the largest timestamp of the partition: its offset and timestamp.
    pub async fn max_timestamp(&self, topic: TopicIndex, partition: u32) -> Result<Option<(u64, i64)>, LogError> {
        let route = Route { topic, partition };
        self.range(route)?;
        let max = {
            let index = self.shared.index();
            index.segments.iter().filter_map(|segment| segment.spans.get(&route)).map(|span| span.max_timestamp).max()
        };
        match max {
            Some(max) => self.offset_for_time(topic, partition, max).await,
            None => Ok(None),
        }
    }

    fn range(&self, route: Route) -> Result<OffsetRange, LogError> {
        self.offsets(route.topic, route.partition)
            .ok_or_else(|| LogError::UnknownPartition { topic: route.topic.0.to_string(), partition: route.partition })
    }

    /// The segment that holds `from`; `None` at the end of the partition.
    fn place(&self, route: Route, from: u64) -> Result<Option<Place>, LogError> {
        let range = self.range(route)?;
        if from < range.start || from > range.end {
            return Err(LogError::OffsetOutOfRange { asked: from, start: range.start, end: range.end });
        }
        if from == range.end {
            return Ok(None);
        }
        let index = self.shared.index();
        // Followers read near the end.
        let segment = index
            .segments
            .iter()
            .rev()
            .find(|segment| segment.spans.get(&route).is_some_and(|span| span.first <= from && from < span.next));
        Ok(segment.and_then(|segment| place_in(segment, route, |points| points.partition_point(|point| point.offset <= from))))
    }
}

/// A place to read from; of points in memory only those are copied that one read can use, from the one before `behind`.
fn place_in(segment: &Segment, route: Route, behind: impl FnOnce(&[Point]) -> usize) -> Option<Place> {
    let span = segment.spans.get(&route)?;
    let points = match &span.points {
        Points::Here(points) => Points::Here(points.iter().skip(behind(points).saturating_sub(1)).take(POINTS_PER_READ).copied().collect()),
        in_file @ Points::InFile { .. } => in_file.clone(),
    };
    Some(Place {
        file: Arc::clone(&segment.file),
        path: segment.path.clone(),
        points,
        end: segment.end,
        next: span.next,
        sealed: segment.sealed,
    })
}

/// The offset of the last point before which no record is as young as `time_ms`.
fn start_for_time(place: &Place, first: u64, time_ms: i64) -> Result<u64, LogError> {
    let io = |source| LogError::Io { what: "cannot read", path: place.path.clone(), source };
    let points = match &place.points {
        Points::Here(points) => points.clone(),
        Points::InFile { position, count } => super::segment::read_points(place.file.as_ref(), *position, *count).map_err(io)?,
    };
    let at = points.partition_point(|point| point.max_before < time_ms);
    Ok(points.get(at.saturating_sub(1)).map_or(first, |point| point.offset))
}

fn collect(place: &Place, route: Route, from: u64, max_bytes: usize) -> Result<Bytes, LogError> {
    let mut out = Vec::new();
    walk_batches(place, route, from, max_bytes, |batch| {
        if batch.next_offset() <= from {
            return true;
        }
        let bytes = batch.bytes();
        if !out.is_empty() && out.len() + bytes.len() > max_bytes {
            return false;
        }
        out.extend_from_slice(bytes);
        out.len() < max_bytes
    })?;
    Ok(Bytes::from(out))
}

/// Calls `each` with the partition's batches from about `from` on until it says false or the segment ends.
fn walk_batches(
    place: &Place,
    route: Route,
    from: u64,
    max_bytes: usize,
    mut each: impl FnMut(BatchView<'_>) -> bool,
) -> Result<(), LogError> {
    let io = |source| LogError::Io { what: "cannot read", path: place.path.clone(), source };
    let file = place.file.as_ref();
    let mut window = Window::new(file, place.end, (max_bytes + 4096).clamp(CHUNK_BYTES.start, CHUNK_BYTES.end));
    let mut from = from;
    loop {
        let points = Segment::points_from(file, &place.points, from, POINTS_PER_READ).map_err(io)?;
        for (index, point) in points.iter().enumerate() {
            let next_point = points.get(index + 1);
            match walk_point(place, route, &mut window, *point, next_point.map(|next| next.position), &mut each)? {
                Walked::Enough => return Ok(()),
                Walked::ToEnd => {}
            }
        }
        // More points than one look-up returned: go on from the last one's successor, if the partition goes on.
        let Some(last) = points.last() else { return Ok(()) };
        if points.len() < POINTS_PER_READ || matches!(place.points, Points::Here(_)) || last.offset + 1 >= place.next {
            return Ok(());
        }
        let more = Segment::points_from(file, &place.points, last.offset, 2).map_err(io)?;
        match more.get(1) {
            Some(next) => from = next.offset,
            None => return Ok(()),
        }
    }
}

enum Walked {
    Enough,
    ToEnd,
}

/// Walks the frames from a point to the next one: every batch of the partition lies within the index's interval.
fn walk_point(
    place: &Place,
    route: Route,
    window: &mut Window<'_>,
    point: Point,
    next_position: Option<u64>,
    each: &mut impl FnMut(BatchView<'_>) -> bool,
) -> Result<Walked, LogError> {
    let damaged = |at, what: &str| LogError::Damaged { path: place.path.clone(), at, what: what.to_owned() };
    let io = |source| LogError::Io { what: "cannot read", path: place.path.clone(), source };
    let limit = next_position.unwrap_or(place.end).min(point.position + POINT_INTERVAL_BYTES).min(place.end);
    let mut position = point.position;
    while position < limit {
        let head = window.get(position, FRAME_HEADER_BYTES).map_err(io)?.ok_or_else(|| damaged(position, "a frame is cut short"))?;
        let FrameAt::Header(header) = format::frame_header(head) else { return Err(damaged(position, "no frame begins here")) };
        if !walk_frame(place, route, window, position, &header, each)? {
            return Ok(Walked::Enough);
        }
        position += u64::from(header.frame_len);
    }
    Ok(Walked::ToEnd)
}

fn walk_frame(
    place: &Place,
    route: Route,
    window: &mut Window<'_>,
    position: u64,
    header: &FrameHeader,
    each: &mut impl FnMut(BatchView<'_>) -> bool,
) -> Result<bool, LogError> {
    let damaged = |at, what: &str| LogError::Damaged { path: place.path.clone(), at, what: what.to_owned() };
    let io = |source| LogError::Io { what: "cannot read", path: place.path.clone(), source };
    let head = window.get(position, header.head_bytes()).map_err(io)?.ok_or_else(|| damaged(position, "a frame is cut short"))?;
    let mut at = position + header.head_bytes() as u64;
    let mut wanted = Vec::new();
    for entry in format::entries(head) {
        if entry.route == route {
            wanted.push((at, entry));
        }
        at += u64::from(entry.length);
    }
    for (at, entry) in wanted {
        let bytes = window.get(at, entry.length as usize).map_err(io)?.ok_or_else(|| damaged(at, "a batch is cut short"))?;
        let batch = BatchView::parse(bytes).map_err(|error| damaged(at, &error.to_string()))?;
        if batch.base_offset() != entry.base_offset {
            return Err(damaged(at, "a batch does not agree with the frame's directory"));
        }
        if !each(batch) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A stretch of the file in memory.
pub(super) struct Window<'a> {
    file: &'a dyn LogFile,
    end: u64,
    buffer: Vec<u8>,
    at: u64,
    chunk: usize,
}

impl<'a> Window<'a> {
    /// A window on the first `end` bytes of a file, which reads `chunk` bytes at once.
    pub(super) fn new(file: &'a dyn LogFile, end: u64, chunk: usize) -> Self {
        Self { file, end, buffer: Vec::new(), at: 0, chunk }
    }
}

impl Window<'_> {
    /// `len` bytes at a position; none where there are not so many.
    pub(super) fn get(&mut self, position: u64, len: usize) -> std::io::Result<Option<&[u8]>> {
        if len as u64 > self.end.saturating_sub(position) {
            return Ok(None);
        }
        let inside = position >= self.at && position + len as u64 <= self.at + self.buffer.len() as u64;
        if !inside {
            let want = (len.max(self.chunk) as u64).min(self.end - position) as usize;
            self.buffer.resize(want, 0);
            let got = read_full(self.file, &mut self.buffer, position)?;
            self.buffer.truncate(got);
            self.at = position;
        }
        let from = (position - self.at) as usize;
        Ok(self.buffer.get(from..from + len))
    }
}
