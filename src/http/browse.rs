//! Pages of a topic's records, in both directions: what a person looks through.
//!
//! Owns the walk over the partitions, the cursors, and the bounds of a page: records shown, records looked at, bytes and time. Promises
//! that a page is answered within those, however large the topic and however rare what is looked for; that following
//! `next_cursor` shows every record once, and `prev_cursor` the way back; and that records which retention took in between are
//! told as a gap. Records of several partitions are in the order of their times. Leaves what a record looks like as a line
//! of a stream to [`super::records`].
//!
//! A cursor is two letters and the partitions' places, `nb0:1842,1:77`: newest or oldest first; towards the back or forward;
//! going forward the next offset, going back the one after it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::records::{self, Chosen};
use super::{ApiError, parameter};
use crate::event::{Event, Judgement, Op};
use crate::log::builtin::BuiltinLog;
use crate::log::topic::TopicInfo;
use crate::log::{LogError, StartAt};
use crate::record::view::{RecordView, batches};

/// Parameters that only pages have: each asks for one.
pub const PARAMETERS: [&str; 6] = ["cursor", "direction", "op", "key", "max_scan", "max_ms"];

const LIMIT: u64 = 50;
const LIMIT_MAX: u64 = 1000;
/// Records that are looked at for one page.
const SCAN: u64 = 200_000;
const SCAN_MAX: u64 = 5_000_000;
/// How long is looked for one page.
const TIME: Duration = Duration::from_millis(2000);
const TIME_MAX: Duration = Duration::from_secs(30);
/// A page ends behind the record that reaches this size.
const PAGE_BYTES: usize = 8 << 20;
/// What one step of each walk keeps, of all walks together, the last record of each excepted.
const STEP_BYTES: usize = 2 << 20;
/// Records of one step at most: a page looks at so many of each partition beyond its bound.
const STEP_RECORDS: u64 = 1000;
/// Records of a walk's first step at most; the next ones are twice as many while they are small.
const FIRST_RECORDS: u64 = 16;
/// One read of the log, at most and at least: of many walks each reads less.
const READ_BYTES: std::ops::RangeInclusive<usize> = 16 << 10..=256 << 10;

/// What was asked for.
pub struct Browse {
    way: Way,
    limit: usize,
    scan_max: u64,
    time_max: Duration,
    wanted: Wanted,
}

/// Where the page is and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    newest_first: bool,
    back: bool,
    places: Vec<(u32, u64)>,
}

impl Way {
    fn text(&self) -> String {
        let places: Vec<String> = self.places.iter().map(|(partition, offset)| format!("{partition}:{offset}")).collect();
        format!("{}{}{}", if self.newest_first { 'n' } else { 'o' }, if self.back { 'b' } else { 'f' }, places.join(","))
    }

    fn parse(text: &str, partitions: u32) -> Option<Self> {
        let newest_first = text.starts_with('n');
        let rest = text.strip_prefix(['n', 'o'])?;
        let back = rest.starts_with('b');
        let mut places = Vec::new();
        for place in rest.strip_prefix(['b', 'f'])?.split(',') {
            let (partition, offset) = place.split_once(':')?;
            places.push((partition.parse().ok().filter(|partition| *partition < partitions)?, offset.parse().ok()?));
        }
        let is_rising = places.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
        is_rising.then_some(Self { newest_first, back, places })
    }
}

/// Which records are shown.
struct Wanted {
    /// Debezium's letters; none stands for all.
    ops: Vec<String>,
    /// A key as it was written, and as JSON if it is some.
    key: Option<(String, Option<Json>)>,
    chosen: Chosen,
}

impl Wanted {
    fn has_key(&self, record: &RecordView<'_>) -> bool {
        let Some((text, json)) = &self.key else { return true };
        let same = |key: &[u8]| json.is_some() && serde_json::from_slice::<Json>(key).ok() == *json;
        record.key.is_some_and(|key| key == text.as_bytes() || same(key))
    }

    fn has_op(&self, op: Option<Op>) -> bool {
        self.ops.is_empty() || op.is_some_and(|op| self.ops.iter().any(|wanted| wanted == op.letter()))
    }

    /// Appends a record as an object, if it is wanted.
    fn render(&self, topic: &str, partition: u32, record: &RecordView<'_>, unreadable: &mut u64) -> Option<Vec<u8>> {
        if !self.has_key(record) {
            return None;
        }
        let event = Event::new(topic, partition, record);
        if !self.has_op(event.op()) {
            return None;
        }
        let judgement = self.chosen.judge(&event);
        *unreadable += u64::from(judgement == Judgement::Unreadable);
        judgement.is_wanted().then(|| render(&self.chosen, &event, judgement, record))
    }
}

impl Browse {
    /// Reads the parameters.
    pub async fn parse(log: &BuiltinLog, topic: &Arc<TopicInfo>, pairs: &[(String, String)], only: Option<u32>) -> Result<Self, ApiError> {
        let number = |name: &str, usual: u64, max: u64| match parameter(pairs, name).map(|text| (text, text.parse::<u64>())) {
            None => Ok(usual),
            Some((_, Ok(number))) if (1..=max).contains(&number) => Ok(number),
            Some((text, _)) => Err(ApiError::bad_request(format!("{name}={text} is not a number from 1 to {max}"))),
        };
        let limit = number("limit", LIMIT, LIMIT_MAX)?;
        let scan_max = number("max_scan", SCAN, SCAN_MAX)?;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let time_max = Duration::from_millis(number("max_ms", millis(TIME), millis(TIME_MAX))?);
        let ops = parameter(pairs, "op").map(|ops| ops.split(',').map(|op| op.trim().to_owned()).collect()).unwrap_or_default();
        let key = parameter(pairs, "key").map(|text| (text.to_owned(), serde_json::from_str(text).ok()));
        let wanted = Wanted { ops, key, chosen: Chosen::parse(pairs)? };
        let way = match parameter(pairs, "cursor") {
            Some(text) => {
                let wrong = || {
                    ApiError::bad_request(format!(
                        "cursor={text} is not a cursor of this topic: take next_cursor or prev_cursor of an answer"
                    ))
                };
                Way::parse(text, topic.partitions).ok_or_else(wrong)?
            }
            None => Self::begin(log, topic, pairs, only).await?,
        };
        Ok(Self { way, limit: usize::try_from(limit).unwrap_or(usize::MAX), scan_max, time_max, wanted })
    }

    /// The first page: the newest records, unless another place or direction is asked for.
    async fn begin(log: &BuiltinLog, topic: &Arc<TopicInfo>, pairs: &[(String, String)], only: Option<u32>) -> Result<Way, ApiError> {
        let from = parameter(pairs, "from").map(StartAt::parse).transpose().map_err(ApiError::bad_request)?;
        let back = match parameter(pairs, "direction") {
            Some("backward") => true,
            Some("forward") => false,
            Some(other) => return Err(ApiError::bad_request(format!("direction={other} is neither backward nor forward"))),
            None => from.as_ref().is_none_or(|from| *from == StartAt::End),
        };
        let from = from.unwrap_or(if back { StartAt::End } else { StartAt::Start });
        let places = from.places(log, topic, only).await.map_err(|error| ApiError::bad_request(error.to_string()))?;
        let places = places.into_iter().map(|place| (place.route.partition, place.next)).collect();
        Ok(Way { newest_first: back, back, places })
    }

    /// The page.
    pub async fn answer(self, log: &BuiltinLog, topic: &Arc<TopicInfo>) -> Result<Response, ApiError> {
        let page =
            Page::read(self, log, topic).await.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], page).into_response())
    }
}

/// A record, rendered, with what it is ordered by.
struct Item {
    offset: u64,
    timestamp_ms: i64,
    json: Vec<u8>,
}

/// A walk over one partition.
struct Walk {
    partition: u32,
    start: u64,
    end: u64,
    /// Going forward the next offset to look at, going back the one after it.
    at: u64,
    /// Records of the next step.
    records: u64,
    /// Found and not yet shown, in the order of the walk.
    found: VecDeque<Item>,
}

impl Walk {
    fn is_over(&self, back: bool) -> bool {
        if back { self.at <= self.start } else { self.at >= self.end }
    }

    /// Where another page goes on.
    fn place(&self, back: bool) -> u64 {
        self.found.front().map_or(self.at, |item| if back { item.offset + 1 } else { item.offset })
    }
}

/// What reads a page.
struct Page<'a> {
    log: &'a BuiltinLog,
    topic: &'a Arc<TopicInfo>,
    back: bool,
    wanted: Wanted,
    scanned: u64,
    scan_max: u64,
    until: Instant,
    walks: Vec<Walk>,
    gaps: Vec<Json>,
    /// Records that the filter could not be asked of.
    unreadable: u64,
}

impl<'a> Page<'a> {
    async fn read(asked: Browse, log: &'a BuiltinLog, topic: &'a Arc<TopicInfo>) -> Result<Vec<u8>, LogError> {
        let Browse { way, limit, scan_max, time_max, wanted } = asked;
        let mut gaps = Vec::new();
        let mut walks = Vec::new();
        let share = u64::try_from(2 * limit / way.places.len().max(1)).unwrap_or(u64::MAX);
        let records = share.clamp(1, FIRST_RECORDS);
        for (partition, asked) in &way.places {
            let Some(range) = log.offsets(topic.index, *partition) else { continue };
            if *asked < range.start && !way.back {
                gaps.push(gap(*partition, *asked, range.start));
            }
            let at = (*asked).clamp(range.start, range.end);
            walks.push(Walk { partition: *partition, start: range.start, end: range.end, at, records, found: VecDeque::new() });
        }
        let places = |walks: &[Walk], back: bool| walks.iter().map(|walk| (walk.partition, walk.place(back))).collect::<Vec<_>>();
        let before = places(&walks, way.back);
        let until = Instant::now() + time_max;
        let mut page = Self { log, topic, back: way.back, wanted, scanned: 0, scan_max, until, walks, gaps, unreadable: 0 };
        let (mut items, mut bytes, mut limited) = (Vec::new(), 0, false);
        while items.len() < limit && bytes < PAGE_BYTES {
            match page.next(items.is_empty()).await? {
                Next::Item(item) => {
                    bytes += item.json.len();
                    items.push(item.json);
                }
                Next::Limited => {
                    limited = true;
                    break;
                }
                Next::Over => break,
            }
        }
        let after = places(&page.walks, way.back);
        if way.newest_first != way.back {
            items.reverse();
        }
        let ranges: Vec<(u64, u64)> = page.walks.iter().map(|walk| (walk.start, walk.end)).collect();
        let (onward, backward) = (Way { places: after, ..way.clone() }, Way { places: before, back: !way.back, ..way.clone() });
        let (next, prev) = if way.newest_first == way.back { (onward, backward) } else { (backward, onward) };
        let rest = json!({
            "next_cursor": cursor(&next, &ranges), "prev_cursor": cursor(&prev, &ranges), "scanned": page.scanned, "scan_limited": limited, "unreadable": page.unreadable,
            "gaps": page.gaps, "partitions": page.walks.iter().map(|walk| json!({ "partition": walk.partition, "start": walk.start, "end": walk.end })).collect::<Vec<_>>(),
        });
        Ok([b"{\"items\":[", items.join(&b',').as_slice(), b"],", rest.to_string().get(1..).unwrap_or_default().as_bytes()].concat())
    }

    /// The next record in the order of the walk, or why there is none.
    async fn next(&mut self, is_first: bool) -> Result<Next, LogError> {
        for at in 0..self.walks.len() {
            // For the first record of a page each walk takes a step at least, or the last of many would never come on.
            let mut stepped = !is_first;
            while self.walks.get(at).is_some_and(|walk| walk.found.is_empty() && !walk.is_over(self.back)) {
                if stepped && (self.scanned >= self.scan_max || Instant::now() >= self.until) {
                    return Ok(Next::Limited);
                }
                self.step(at).await?;
                stepped = true;
            }
        }
        let heads = self.walks.iter().enumerate().filter_map(|(at, walk)| Some((walk.found.front()?.timestamp_ms, at)));
        let first = if self.back { heads.max() } else { heads.min() };
        let item = first.and_then(|(_, at)| self.walks.get_mut(at)?.found.pop_front());
        Ok(item.map_or(Next::Over, Next::Item))
    }

    /// Looks at some more records of one partition.
    async fn step(&mut self, at: usize) -> Result<(), LogError> {
        let Some(walk) = self.walks.get(at) else { return Ok(()) };
        let (partition, back, records) = (walk.partition, self.back, walk.records);
        let (low, high) = if back { (walk.at.saturating_sub(records).max(walk.start), walk.at) } else { (walk.at, walk.end) };
        let (mut next, mut bytes, enough) = (low, 0, self.scanned + records);
        let (bytes_max, mut looked) = (STEP_BYTES / self.walks.len(), 0);
        let read_bytes = (READ_BYTES.end() / self.walks.len()).max(*READ_BYTES.start());
        // Going back, the oldest are left to the next step when they are too many; the newest may not be.
        let mut lowest = low;
        let mut found: VecDeque<Item> = VecDeque::new();
        'reads: while next < high {
            let chunk = match self.log.read(self.topic.index, partition, next, read_bytes).await {
                Ok(chunk) => chunk,
                // Retention was here in between.
                Err(LogError::OffsetOutOfRange { start, .. }) if start > next => {
                    if !back {
                        self.gaps.push(gap(partition, next, start));
                    }
                    next = start;
                    continue;
                }
                // The topic was deleted.
                Err(LogError::UnknownPartition { .. }) => {
                    next = high;
                    break;
                }
                Err(error) => return Err(error),
            };
            let from = next;
            let mut room = Vec::new();
            for batch in batches(&chunk) {
                for record in batch.records(&mut room).flatten().filter(|record| (from..high).contains(&record.offset)) {
                    if !back && self.scanned >= enough {
                        break 'reads;
                    }
                    self.scanned += 1;
                    looked += size(&record);
                    next = record.offset + 1;
                    if let Some(json) = self.wanted.render(&self.topic.name, partition, &record, &mut self.unreadable) {
                        bytes += json.len();
                        found.push_back(Item { offset: record.offset, timestamp_ms: record.timestamp_ms, json });
                    }
                    if bytes < bytes_max {
                        continue;
                    }
                    if !back {
                        break 'reads;
                    }
                    while bytes >= bytes_max && found.len() > 1 {
                        let left = found.pop_front();
                        bytes -= left.as_ref().map_or(0, |item| item.json.len());
                        lowest = left.map_or(lowest, |item| item.offset + 1);
                    }
                }
                next = next.max(batch.next_offset().min(high));
            }
            // Nothing whole is left there: a damaged batch, or the end of what is kept. Do not look again.
            if next == from {
                next = high;
            }
            // Others are served by this thread, too.
            tokio::task::yield_now().await;
            if !back {
                break;
            }
        }
        if let Some(walk) = self.walks.get_mut(at) {
            walk.at = if back { lowest } else { next };
            let is_small = looked < STEP_BYTES && bytes < bytes_max && lowest == low;
            walk.records = if is_small { (2 * records).min(STEP_RECORDS) } else { (records / 2).max(1) };
            walk.found = if back { found.into_iter().rev().collect() } else { found };
        }
        Ok(())
    }
}

enum Next {
    Item(Item),
    /// Enough was looked at.
    Limited,
    /// There is no more.
    Over,
}

/// The cursor of a page that has records, none otherwise.
fn cursor(way: &Way, ranges: &[(u64, u64)]) -> Option<String> {
    let has = |((_, place), (start, end)): (&(u32, u64), &(u64, u64))| if way.back { place > start } else { place < end };
    way.places.iter().zip(ranges).any(has).then(|| way.text())
}

/// Records that retention took before they were looked at.
fn gap(partition: u32, from: u64, to: u64) -> Json {
    json!({ "partition": partition, "from": from, "to": to })
}

/// Its key and its value.
fn size(record: &RecordView<'_>) -> usize {
    record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)
}

/// A record as an object, whatever it is, as it is stored.
pub(super) fn whole(topic: &str, partition: u32, record: &RecordView<'_>) -> Vec<u8> {
    render(&Chosen::everything(), &Event::new(topic, partition, record), Judgement::Matches, record)
}

/// A record as an object.
fn render(chosen: &Chosen, event: &Event<'_>, judgement: Judgement, record: &RecordView<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    chosen.write_open(event, judgement, &mut out);
    let (size, op) = (size(record), event.op().map(Op::letter));
    out.extend_from_slice(
        format!(",\"op\":{},\"size\":{size},\"tombstone\":{},\"headers\":{{", Json::from(op), record.value.is_none()).as_bytes(),
    );
    for (number, (name, value)) in record.headers().enumerate() {
        out.extend_from_slice(format!("{}{}:", if number == 0 { "" } else { "," }, Json::from(name)).as_bytes());
        records::write_value(value, &mut out);
    }
    out.extend_from_slice(b"}}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::builtin::LogSettings;
    use crate::log::{LogWriter, TopicSpec};
    use crate::record::compression::Compression;
    use crate::record::{Headers, RecordRef, RecordSink};

    #[tokio::test]
    async fn what_retention_takes_while_a_page_is_read_is_told_as_a_gap() {
        let dir = tempfile::tempdir().expect("a folder");
        let small = LogSettings { segment_bytes: 50_000, max_bytes: 150_000, min_free_bytes: 0, ..LogSettings::new(dir.path()) };
        let log = BuiltinLog::open(small).expect("a log");
        let mut writer = log.writer(Compression::None);
        let handle = writer.topic("t", &TopicSpec::default()).await.expect("a topic");
        for _ in 0..200 {
            let mut commit = writer.begin().await.expect("a commit");
            let record = RecordRef { timestamp_ms: 0, key: None, value: Some(&[b'x'; 5000]), headers: Headers::NONE };
            commit.push(handle.route(None), record).expect("room");
            let seq = writer.commit(commit).await.expect("accepted");
            writer.wait_durable(seq).await.expect("durable");
        }
        let topic = log.topic("t").expect("the topic");
        let range = log.offsets(topic.index, 0).expect("its records");
        assert!(range.start > 0, "{range:?}");
        // As it was before retention.
        let walk = Walk { partition: 0, start: 0, end: range.end, at: 0, records: 1, found: VecDeque::new() };
        let chosen = Chosen::parse(&[]).expect("nothing is asked for");
        let (wanted, until) = (Wanted { ops: Vec::new(), key: None, chosen }, Instant::now() + TIME_MAX);
        let (walks, gaps) = (vec![walk], Vec::new());
        let mut page =
            Page { log: &log, topic: &topic, back: false, wanted, scanned: 0, scan_max: SCAN, until, walks, gaps, unreadable: 0 };
        let first = page.next(true).await.expect("readable");
        assert!(matches!(first, Next::Item(item) if item.offset == range.start));
        assert_eq!(page.gaps, [gap(0, 0, range.start)]);
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_given() {
        let way = Way { newest_first: true, back: false, places: vec![(0, 1842), (2, 77)] };
        assert_eq!(way.text(), "nf0:1842,2:77");
        assert_eq!(Way::parse("nf0:1842,2:77", 3), Some(way));
        for bad in ["", "n", "nb", "xb0:1", "nb0", "nb0:x", "nb3:1", "nb1:1,0:1", "nb0:1,0:2", "nb0:-1", "nb0:1,"] {
            assert_eq!(Way::parse(bad, 3), None, "{bad}");
        }
    }
}
