//! Opening a log: reads what is there, cuts a torn tail, refuses damage.
//!
//! Sealed segments carry a footer and are trusted by its checksum. The newest segment is read frame by frame. Frames of
//! one unsynced group may reach the disk in any order, so a good frame behind a bad one proves nothing by itself; but
//! every header says which commit was `durable` when it was written. A bad frame that a later one vouches for, or that is
//! followed by another segment, was synced once: that is damage, and the log refuses to open. Any other bad frame is a
//! torn tail, and the file is cut there.
//!
//! The state (topics, positions, definitions, offsets of groups) is read from the newest segment alone, which begins with all
//! of it. A sealed segment whose footer is damaged gives its index from its frames and nothing else: what it says of the
//! state is older than what the next segment began with, and would bring back what was removed since.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LogSettings;
use super::catalog::Catalog;
use super::files::{Files, LogFile, read_full};
use super::format::{
    self, Entry, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameAt, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeaderError, VERSION,
};
use super::segment::{Segment, Span, read_footer};
use crate::log::LogError;
use crate::record::view::BatchView;

/// What was found.
pub struct Recovered {
    /// Topics, offsets and internal state.
    pub catalog: Catalog,
    /// The segments, oldest first; the last one may be open.
    pub segments: VecDeque<Segment>,
    /// The newest whole commit, 0 when there is none.
    pub last_commit: u64,
}

/// A segment's file name.
pub fn file_name(first_commit: u64) -> String {
    format!("{first_commit:020}.log")
}

/// Ending of a segment that is being made.
pub const UNBORN: &str = ".new";

/// The segments of a folder by first commit.
pub fn list_segments(dir: &Path, files: &dyn Files) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let names = files.list(dir).map_err(|source| LogError::Io { what: "cannot list", path: dir.to_owned(), source })?;
    let mut found: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let number = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?.parse().ok()?;
            Some((number, dir.join(name)))
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Opens and checks all segments.
pub fn recover(settings: &LogSettings, files: &dyn Files) -> Result<Recovered, LogError> {
    remove_unborn(&settings.dir, files)?;
    let found = list_segments(&settings.dir, files)?;
    let mut recovered = Recovered { catalog: Catalog::new(), segments: VecDeque::new(), last_commit: 0 };
    for (index, (first_commit, path)) in found.iter().cloned().enumerate() {
        let next = found.get(index + 1).map(|(next, _)| *next);
        let file = files.open(&path, false).map_err(|source| LogError::Io { what: "cannot open", path: path.clone(), source })?;
        if index > 0 && first_commit != recovered.last_commit + 1 {
            let what = format!("the segment begins with commit {first_commit}, but the one before ends with {}", recovered.last_commit);
            return Err(LogError::Damaged { path, at: 0, what });
        }
        if index == 0 {
            recovered.last_commit = first_commit.saturating_sub(1);
        }
        recovered.take_segment(first_commit, path, file, next)?;
    }
    recovered.settle_offsets();
    Ok(recovered)
}

/// A segment gets its name once its header and state frame are durable; what never got one was never acknowledged.
fn remove_unborn(dir: &Path, files: &dyn Files) -> Result<(), LogError> {
    let io = |source| LogError::Io { what: "cannot clean up", path: dir.to_owned(), source };
    for name in files.list(dir).map_err(io)?.iter().filter(|name| name.ends_with(UNBORN)) {
        files.remove(&dir.join(name)).map_err(io)?;
    }
    Ok(())
}

impl Recovered {
    /// `next`: the first commit of the segment behind it; the newest has none.
    fn take_segment(&mut self, first_commit: u64, path: PathBuf, file: Arc<dyn LogFile>, next: Option<u64>) -> Result<(), LogError> {
        let newest = next.is_none();
        check_header(first_commit, &path, file.as_ref())?;
        let io = |source| LogError::Io { what: "cannot read", path: path.clone(), source };
        if newest {
            // A process that was killed left whole frames in the page cache alone; after a failed sync the cache holds what the
            // disk does not. What is found counts as durable, so first it is made so, and then read from the disk.
            file.sync().map_err(io)?;
            file.forget(0, file.size().map_err(io)?);
        }
        let footer = read_footer(file.as_ref()).map_err(io)?.filter(|(trailer, _)| {
            // Bytes of a client at the very end of the file may look like a footer: it must fit the frames.
            !newest || matches!(Scan::new(file.as_ref(), &path, trailer.body_position).run(first_commit, |_, _, _, _| {}), Ok(None))
        });
        if let Some((trailer, spans)) = &footer
            && !newest
        {
            self.last_commit = trailer.last_commit;
            self.segments.push_back(Segment {
                first_commit,
                path: path.clone(),
                file,
                end: trailer.body_position,
                last_time_ms: trailer.last_time_ms,
                sealed: true,
                spans: spans.clone(),
            });
            return Ok(());
        }
        let end = match &footer {
            Some((trailer, _)) => trailer.body_position,
            None => file.size().map_err(io)?,
        };
        let vouched = footer.is_some() || !newest;
        let mut segment = Segment {
            first_commit,
            path: path.clone(),
            file: Arc::clone(&file),
            end: SEGMENT_HEADER_BYTES as u64,
            last_time_ms: 0,
            sealed: !newest,
            spans: HashMap::new(),
        };
        let scan = Scan::new(file.as_ref(), &path, end);
        let cut = scan.run(first_commit, |position, header, entries, body| {
            for (entry, batch) in entries.iter().zip(batches(entries, body)).filter(|_| newest) {
                self.catalog.replay(entry.route.topic, batch);
                self.catalog.advance(entry.route, entry.next_offset());
            }
            self.last_commit = header.commit;
            segment.note(position, position + u64::from(header.frame_len), header.time_ms, entries);
        })?;
        if let Some((at, what)) = cut {
            let expected = self.last_commit + 1;
            if next == Some(expected) {
                // Every frame is there; only the footer, which can be made again from them, is damaged.
                tracing::warn!(segment = %path.display(), at, "a sealed segment's footer is damaged; its frames are whole");
                self.segments.push_back(segment);
                return Ok(());
            }
            if vouched || is_state_frame(at) || vouched_for_later(file.as_ref(), &path, at, end, expected)? {
                return Err(LogError::Damaged { path, at, what: what.to_owned() });
            }
            tracing::warn!(segment = %path.display(), at, bytes = end - at, "a torn tail was cut: {what}");
            file.truncate(at).and_then(|()| file.sync()).map_err(|source| LogError::Io {
                what: "cannot cut",
                path: path.clone(),
                source,
            })?;
        }
        if footer.is_some() {
            segment.sealed = true;
        }
        self.segments.push_back(segment);
        Ok(())
    }

    /// A partition begins where its oldest segment begins; one that has no segment left is empty at its next offset.
    fn settle_offsets(&mut self) {
        settle_starts(&mut self.catalog, &self.segments);
    }
}

/// Sets every partition's first offset from the segments that are there.
pub fn settle_starts(catalog: &mut Catalog, segments: &VecDeque<Segment>) {
    for route in catalog.partitions() {
        let first = segments.iter().find_map(|segment| segment.spans.get(&route)).map(|span: &Span| span.first);
        let end = segments.iter().rev().find_map(|segment| segment.spans.get(&route)).map(|span| span.next);
        if let Some(end) = end {
            catalog.advance(route, end);
        }
        let end = catalog.offsets(route).unwrap_or_default().end;
        catalog.set_start(route, first.unwrap_or(end));
    }
}

/// The segment's header, or why it is not one.
pub fn check_header(first_commit: u64, path: &Path, file: &dyn LogFile) -> Result<(), LogError> {
    let mut head = [0; SEGMENT_HEADER_BYTES];
    let got = read_full(file, &mut head, 0).map_err(|source| LogError::Io { what: "cannot read", path: path.to_owned(), source })?;
    match format::read_segment_header(&head[..got]) {
        Ok(number) if number == first_commit => Ok(()),
        Ok(number) => Err(LogError::Damaged { path: path.to_owned(), at: 0, what: format!("the header says first commit {number}") }),
        Err(SegmentHeaderError::Version(version)) => Err(LogError::Version { path: path.to_owned(), version, supported: VERSION }),
        Err(SegmentHeaderError::Bad) => {
            Err(LogError::Damaged { path: path.to_owned(), at: 0, what: "the segment's header is damaged".into() })
        }
    }
}

/// The batches of a frame's body, by its directory.
pub fn batches<'a>(entries: &'a [Entry], body: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
    let mut at = 0usize;
    entries.iter().map(move |entry| {
        let batch = body.get(at..at + entry.length as usize).unwrap_or_default();
        at += entry.length as usize;
        batch
    })
}

/// Reads a segment frame by frame.
pub struct Scan<'a> {
    file: &'a dyn LogFile,
    path: &'a Path,
    end: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

/// How much a scan reads at once.
const SCAN_BYTES: usize = 1 << 20;

/// Where whole frames end and why the next one does not count.
pub type Cut = Option<(u64, &'static str)>;

impl<'a> Scan<'a> {
    /// A scan of the frames up to `end`.
    pub fn new(file: &'a dyn LogFile, path: &'a Path, end: u64) -> Self {
        Self { file, path, end, buffer: Vec::new(), buffer_at: 0 }
    }

    /// Calls `each` with (position, header, entries, batches) of every whole frame; says where and why it stopped early.
    pub fn run(mut self, first_commit: u64, mut each: impl FnMut(u64, &FrameHeader, &[Entry], &[u8])) -> Result<Cut, LogError> {
        let mut position = SEGMENT_HEADER_BYTES as u64;
        let mut expected = first_commit;
        let mut entries = Vec::new();
        while position < self.end {
            let Some(head) = self.window(position, FRAME_HEADER_BYTES)? else { return Ok(Some((position, "a frame is cut short"))) };
            let header = match format::frame_header(head) {
                FrameAt::Header(header) => header,
                FrameAt::Short => return Ok(Some((position, "a frame is cut short"))),
                FrameAt::Bad(what) => return Ok(Some((position, what))),
            };
            if header.commit != expected {
                return Ok(Some((position, "a frame is out of sequence")));
            }
            let Some(frame) = self.window(position, header.frame_len as usize)? else {
                return Ok(Some((position, "a frame is cut short")));
            };
            let (head, body) = frame.split_at(header.head_bytes());
            if !format::head_checksum_holds(head) {
                return Ok(Some((position, "a frame's checksum does not hold")));
            }
            entries.clear();
            entries.extend(format::entries(head));
            if let Err(what) = check_batches(&entries, body) {
                return Ok(Some((position, what)));
            }
            each(position, &header, &entries, body);
            position += u64::from(header.frame_len);
            expected += 1;
        }
        Ok(None)
    }

    /// `len` bytes at `position`, if the file has them before its end.
    fn window(&mut self, position: u64, len: usize) -> Result<Option<&[u8]>, LogError> {
        if len as u64 > self.end.saturating_sub(position) {
            return Ok(None);
        }
        let inside = position >= self.buffer_at && position + len as u64 <= self.buffer_at + self.buffer.len() as u64;
        if !inside {
            let want = (len.max(SCAN_BYTES) as u64).min(self.end - position) as usize;
            self.buffer.resize(want, 0);
            let io = |source| LogError::Io { what: "cannot read", path: self.path.to_owned(), source };
            let got = read_full(self.file, &mut self.buffer, position).map_err(io)?;
            self.buffer.truncate(got);
            self.buffer_at = position;
        }
        let at = (position - self.buffer_at) as usize;
        Ok(self.buffer.get(at..at + len))
    }
}

/// The frame there is the state that a segment begins with: it was synced before the segment got its name, so it is never a
/// torn tail, and without it all topics and positions would be forgotten.
pub fn is_state_frame(at: u64) -> bool {
    at == SEGMENT_HEADER_BYTES as u64
}

/// Whether the batches are what the directory says, checksums included.
pub fn check_batches(entries: &[Entry], body: &[u8]) -> Result<(), &'static str> {
    let mut at = 0usize;
    for entry in entries {
        let end = at.checked_add(entry.length as usize).ok_or("a batch's length is too large")?;
        let bytes = body.get(at..end).ok_or("a batch is longer than its frame")?;
        let batch = BatchView::parse(bytes).map_err(|_| "a batch is malformed")?;
        if batch.bytes().len() != bytes.len()
            || batch.base_offset() != entry.base_offset
            || batch.count() != entry.records
            || bytes[12..16] != [0; 4]
        {
            return Err("a batch does not agree with the frame's directory");
        }
        batch.verify().map_err(|_| "a batch's checksum does not hold")?;
        at = end;
    }
    if at == body.len() { Ok(()) } else { Err("a frame has bytes behind its batches") }
}

/// Whether a whole frame head behind `at` says that commit `expected` was durable.
pub fn vouched_for_later(file: &dyn LogFile, path: &Path, at: u64, end: u64, expected: u64) -> Result<bool, LogError> {
    let io = |source| LogError::Io { what: "cannot read", path: path.to_owned(), source };
    let mut position = at;
    let mut buffer = vec![0; SCAN_BYTES];
    while position < end {
        let want = (end - position).min(SCAN_BYTES as u64) as usize;
        let got = read_full(file, &mut buffer[..want], position).map_err(io)?;
        if got < FRAME_HEADER_BYTES {
            return Ok(false);
        }
        for start in 0..=got - FRAME_HEADER_BYTES {
            if buffer[start..start + 4] != FRAME_MAGIC {
                continue;
            }
            let FrameAt::Header(header) = format::frame_header(&buffer[start..got]) else { continue };
            // As many frames must fit between the two; a client's bytes that look like a head do not know that.
            let between = (position + start as u64 - at) / FRAME_HEADER_BYTES as u64;
            if header.commit <= expected
                || header.commit - expected > between
                || header.durable < expected
                || header.durable >= header.commit
            {
                continue;
            }
            let mut head = vec![0; header.head_bytes().min((end - position) as usize)];
            let got = read_full(file, &mut head, position + start as u64).map_err(io)?;
            if got == header.head_bytes() && format::head_checksum_holds(&head) {
                return Ok(true);
            }
        }
        // The last bytes may hold the beginning of a header.
        position += (got - FRAME_HEADER_BYTES + 1) as u64;
    }
    Ok(false)
}
