//! The thread that makes the index of keys: reads what is durable, commit by commit, and writes runs.
//!
//! It runs at the lowest priority and is in nobody's way: it looks a few times a second, rests for most of the time, and reads at its
//! full speed when somebody asks only. It takes no lock for longer than a look-up. What was written past the page cache it reads from the disk later. After a start
//! it goes on behind the last run that is whole and of this log; what stood in memory is read again, [`KeySettings::run_bytes`](super::KeySettings) at most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::catalog::FIRST_ORDINARY;
use super::super::files::{Files, LogFile, read_full};
use super::super::format::{self, FRAME_HEADER_BYTES, FrameAt, FrameHeader, SEGMENT_HEADER_BYTES};
use super::super::reader::Window;
use super::super::writer::CACHED_BYTES;
use super::super::{LogSettings, Shared};
use super::run::{About, ENDING, FrameMark, Run, RunWriter};
use super::table::{KeyHash, Place};
use super::{KeyIndex, KeySettings, Woken};
use crate::record::view::BatchView;

/// One pass reads so much, about.
const PASS_BYTES: u64 = 4 << 20;
/// How much is read from a file at once.
const WINDOW_BYTES: usize = 1 << 20;
/// Entries that are put into the table under one lock.
const PUT_AT_ONCE: usize = 2048;
/// So many runs of one level become one of the next.
const FAN_IN: usize = 8;
/// Runs of this level stay as they are: merging one more would hold up what is newer for long.
const LEVEL_MAX: u32 = 2;
/// How often it looks when nobody asks.
const LOOK: Duration = Duration::from_millis(100);
/// It rests for so many times as long as it read, unless somebody asks: reading back what is being written takes more from
/// the capture than a processor's time.
const REST: u32 = 15;
/// And no longer.
const REST_MAX: Duration = Duration::from_secs(1);
/// How long it lets things gather when many ask.
const GATHER: Duration = Duration::from_millis(2);
/// How often what failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often runs of segments that are gone are removed.
const TIDY: Duration = Duration::from_secs(5);

/// A place between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    /// The first commit of the segment.
    segment: u64,
    position: u64,
}

/// The thread's own state.
pub struct Follower {
    keys: Arc<KeyIndex>,
    shared: Arc<Shared>,
    files: Arc<dyn Files>,
    settings: LogSettings,
    limits: KeySettings,
    at: At,
    /// The first commit of what is in the table.
    from: u64,
    /// The commit that is read next.
    next: u64,
    last: FrameMark,
    /// Bytes of the log that the table is made of.
    table_bytes: u64,
    found: Vec<(KeyHash, Place)>,
    room: Vec<u8>,
    tidied: Instant,
    is_told: bool,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    More,
    CaughtUp,
}

/// A segment to read.
struct Stretch {
    file: Arc<dyn LogFile>,
    path: PathBuf,
    end: u64,
    sealed: bool,
    /// The segment behind it.
    next: Option<u64>,
}

impl Follower {
    /// A follower of this log.
    pub fn new(keys: Arc<KeyIndex>, shared: Arc<Shared>, files: Arc<dyn Files>, settings: LogSettings, limits: KeySettings) -> Self {
        Self {
            keys,
            shared,
            files,
            settings,
            limits,
            at: At { segment: 0, position: 0 },
            from: 0,
            next: 0,
            last: FrameMark::default(),
            table_bytes: 0,
            found: Vec::new(),
            room: Vec::new(),
            tidied: Instant::now(),
            is_told: false,
        }
    }

    /// The thread's loop.
    pub fn run(mut self) {
        lower_priority();
        // A defect here must not take the log with it: questions are refused, and everything else goes on.
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.serve()));
        if ran.is_err() {
            tracing::error!("the index of keys ended with a defect of the program; look-ups by key are refused until the next start");
        }
    }

    fn serve(&mut self) {
        if let Err(error) = self.load() {
            tracing::warn!("the index of keys is made anew: {error}");
            self.begin_anew();
        }
        // Somebody waits for it.
        let mut hurries = false;
        loop {
            let begun = Instant::now();
            let wait = match self.pass() {
                Ok(Passed::More) if hurries => Duration::ZERO,
                Ok(Passed::More) => begun.elapsed().saturating_mul(REST).min(REST_MAX),
                Ok(Passed::CaughtUp) => {
                    hurries = false;
                    LOOK
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_told, true) {
                        tracing::warn!("the index of keys waits: {error}");
                    }
                    RETRY
                }
            };
            match self.keys.wait(wait) {
                Woken::Closing => return,
                Woken::Asked => {
                    hurries = true;
                    // What many ask for together is read once.
                    if wait == LOOK {
                        std::thread::sleep(GATHER);
                    }
                }
                Woken::Time => {}
            }
        }
    }

    /// Opens what an earlier process left: the runs that follow one another without a gap, as far as they tell of this log.
    fn load(&mut self) -> io::Result<()> {
        let mut names: Vec<String> = self.files.list(&self.settings.dir)?;
        names.retain(|name| name.ends_with(ENDING));
        names.sort();
        let mut opened: Vec<Run> = Vec::new();
        for path in names.iter().map(|name| self.settings.dir.join(name)) {
            match Run::open(self.files.as_ref(), &path) {
                Ok(run) if run.about.cluster_id == self.shared.cluster_id => opened.push(run),
                Ok(_) => self.remove(&path),
                Err(error) => {
                    tracing::warn!(run = %path.display(), "an index of keys is left out: {error}");
                    self.remove(&path);
                }
            }
        }
        // Of two that begin together the longer one is what the other was merged into.
        opened.sort_by_key(|run| (run.about.from, Reverse(run.about.to)));
        let oldest = self.shared.index().segments.front().map_or(0, |segment| segment.first_commit);
        let mut runs: Vec<Arc<Run>> = Vec::new();
        let mut whole = true;
        for run in opened {
            let next = runs.last().map(|last| last.about.to + 1);
            let is_merged = next.is_some_and(|next| run.about.to < next);
            let is_old = run.about.to < oldest;
            let follows = next.map_or(run.about.from <= oldest, |next| run.about.from == next);
            whole &= is_merged || is_old || follows;
            if is_merged || is_old || !whole || !self.is_of_this_log(&run) {
                whole &= is_merged || is_old;
                self.remove(run.path());
            } else {
                runs.push(Arc::new(run));
            }
        }
        match runs.last().map(|run| run.about.clone()) {
            None => self.begin_anew(),
            Some(about) => {
                self.last = about.last;
                self.at = At { segment: about.last.segment, position: about.last.position + self.frame_bytes(about.last)? };
                (self.from, self.next) = (about.to + 1, about.to + 1);
                self.keys.state_mut().runs = runs;
                self.keys.set_read(about.to);
            }
        }
        Ok(())
    }

    /// Whether the run's last frame is where the run says. One whose segment is gone has a newer one behind it, or is no use.
    fn is_of_this_log(&self, run: &Run) -> bool {
        let mark = run.about.last;
        let gone = self.shared.index().segments.front().is_some_and(|first| mark.segment < first.first_commit);
        gone || self.header_at(mark).is_ok_and(|(header, crc)| header.commit == run.about.to && crc == mark.crc)
    }

    fn frame_bytes(&self, mark: FrameMark) -> io::Result<u64> {
        Ok(u64::from(self.header_at(mark)?.0.frame_len))
    }

    fn header_at(&self, mark: FrameMark) -> io::Result<(FrameHeader, u32)> {
        let file = {
            let index = self.shared.index();
            let segment = index.segments.iter().find(|segment| segment.first_commit == mark.segment);
            let segment = segment.filter(|segment| mark.position + FRAME_HEADER_BYTES as u64 <= segment.end);
            segment.map(|segment| Arc::clone(&segment.file)).ok_or_else(|| io::Error::other("its last frame is not in the log"))?
        };
        let mut head = [0; FRAME_HEADER_BYTES];
        read_full(file.as_ref(), &mut head, mark.position)?;
        match format::frame_header(&head) {
            FrameAt::Header(header) => Ok((header, stored_crc(&head))),
            FrameAt::Short | FrameAt::Bad(_) => Err(io::Error::other("there is no frame where its last one was")),
        }
    }

    /// Forgets everything and reads the log from its start.
    fn begin_anew(&mut self) {
        let runs = {
            let mut state = self.keys.state_mut();
            state.table.clear();
            state.read = 0;
            std::mem::take(&mut state.runs)
        };
        self.keys.set_read(0);
        for run in runs {
            self.remove(run.path());
        }
        let first = self.shared.index().segments.front().map_or(1, |segment| segment.first_commit);
        self.at = At { segment: first, position: SEGMENT_HEADER_BYTES as u64 };
        (self.from, self.next, self.last, self.table_bytes) = (first, first, FrameMark::default(), 0);
    }

    fn remove(&self, path: &Path) {
        if let Err(error) = self.files.remove(path) {
            tracing::debug!(run = %path.display(), "a run of the index of keys stays: {error}");
        }
    }

    /// Reads some of what is new.
    fn pass(&mut self) -> io::Result<Passed> {
        if self.keys.damaged.swap(false, Ordering::Relaxed) {
            self.begin_anew();
        }
        if self.tidied.elapsed() >= TIDY {
            self.tidied = Instant::now();
            self.tidy();
        }
        let len = self.keys.state().table.len();
        if len >= self.limits.run_keys || self.table_bytes >= self.limits.run_bytes {
            self.spill()?;
        }
        let Some(stretch) = self.stretch() else { return Ok(Passed::CaughtUp) };
        if self.at.position >= stretch.end {
            let Some(next) = stretch.next.filter(|_| stretch.sealed) else { return Ok(Passed::CaughtUp) };
            self.at = At { segment: next, position: SEGMENT_HEADER_BYTES as u64 };
            return Ok(Passed::More);
        }
        let begun = self.at.position;
        let mut window = Window::new(stretch.file.as_ref(), stretch.end, WINDOW_BYTES);
        while self.at.position < stretch.end && self.at.position - begun < PASS_BYTES {
            self.frame(&stretch, &mut window)?;
        }
        self.put();
        self.is_told = false;
        self.table_bytes += self.at.position - begun;
        // What nobody follows any more gives its memory back; the writer does that for what it wrote itself.
        if stretch.sealed || stretch.end - self.at.position > CACHED_BYTES {
            stretch.file.forget(begun, self.at.position - begun);
        }
        self.keys.set_read(self.next - 1);
        Ok(Passed::More)
    }

    /// The segment to read; where retention was faster, the first one that is left.
    fn stretch(&mut self) -> Option<Stretch> {
        let index = self.shared.index();
        let place = index.segments.partition_point(|segment| segment.first_commit < self.at.segment);
        let segment = index.segments.get(place)?;
        if segment.first_commit != self.at.segment {
            self.at = At { segment: segment.first_commit, position: SEGMENT_HEADER_BYTES as u64 };
        }
        Some(Stretch {
            file: Arc::clone(&segment.file),
            path: segment.path.clone(),
            end: segment.end,
            sealed: segment.sealed,
            next: index.segments.get(place + 1).map(|next| next.first_commit),
        })
    }

    /// Takes in the frame at the place.
    fn frame(&mut self, stretch: &Stretch, window: &mut Window<'_>) -> io::Result<()> {
        let position = self.at.position;
        let damaged = || io::Error::other(format!("{}: no frame at byte {position}", stretch.path.display()));
        let head = window.get(position, FRAME_HEADER_BYTES)?.ok_or_else(damaged)?;
        let FrameAt::Header(header) = format::frame_header(head) else { return Err(damaged()) };
        let head = window.get(position, header.head_bytes())?.ok_or_else(damaged)?;
        let mark = FrameMark { segment: self.at.segment, position, crc: stored_crc(head) };
        let entries: Vec<_> = format::entries(head).collect();
        let mut at = position + header.head_bytes() as u64;
        for entry in entries {
            let here = at;
            at += u64::from(entry.length);
            if entry.route.topic.0 < FIRST_ORDINARY {
                continue;
            }
            let bytes = window.get(here, entry.length as usize)?.ok_or_else(damaged)?;
            let Ok(batch) = BatchView::parse(bytes) else { continue };
            let mut room = std::mem::take(&mut self.room);
            for record in batch.records(&mut room).flatten() {
                let hash = self.keys.hasher.hash(entry.route.topic, record.key);
                self.found.push((hash, Place { commit: header.commit, partition: entry.route.partition, offset: record.offset }));
                if self.found.len() >= PUT_AT_ONCE {
                    self.put();
                }
            }
            self.room = room;
        }
        self.last = mark;
        self.next = header.commit + 1;
        self.at.position += u64::from(header.frame_len);
        Ok(())
    }

    fn put(&mut self) {
        if !self.found.is_empty() {
            self.keys.state_mut().table.extend(self.found.drain(..));
        }
    }

    /// Makes a run of what is in the table.
    fn spill(&mut self) -> io::Result<()> {
        let mut entries: Vec<(KeyHash, Place)> = self.keys.state().table.iter().map(|(hash, place)| (*hash, *place)).collect();
        entries.sort_unstable_by_key(|(hash, _)| *hash);
        self.check_space(entries.len() as u64)?;
        let about = About { from: self.from, to: self.next - 1, level: 0, last: self.last, cluster_id: self.shared.cluster_id.clone() };
        let (files, dir) = (self.files.as_ref(), self.settings.dir.as_path());
        let mut writer = RunWriter::begin(files, dir, &about.file_name(), about.from)?;
        for (hash, place) in entries {
            writer.push(hash, place)?;
        }
        let run = Arc::new(writer.finish(files, dir, &about)?);
        {
            let mut state = self.keys.state_mut();
            state.runs.push(run);
            state.table.clear();
        }
        (self.from, self.table_bytes) = (self.next, 0);
        while self.merge()? {}
        Ok(())
    }

    /// Makes one run of the last ones, if there are enough of one level.
    fn merge(&mut self) -> io::Result<bool> {
        let inputs: Vec<Arc<Run>> = {
            let state = self.keys.state();
            let Some(at) = state.runs.len().checked_sub(FAN_IN) else { return Ok(false) };
            state.runs.get(at..).unwrap_or_default().to_vec()
        };
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return Ok(false) };
        let level = last.about.level;
        let spans = last.about.to - first.about.from;
        if level >= LEVEL_MAX || spans > u64::from(u32::MAX) || inputs.iter().any(|run| run.about.level != level) {
            return Ok(false);
        }
        self.check_space(inputs.iter().map(|run| run.bytes()).sum::<u64>() / 28)?;
        let about = About { from: first.about.from, level: level + 1, ..last.about.clone() };
        let merged = Arc::new(self.merged(&inputs, &about)?);
        {
            let mut state = self.keys.state_mut();
            let at = state.runs.len() - FAN_IN;
            state.runs.splice(at.., [merged]);
        }
        for run in &inputs {
            self.remove(run.path());
        }
        Ok(true)
    }

    fn merged(&self, inputs: &[Arc<Run>], about: &About) -> io::Result<Run> {
        let oldest = self.shared.index().segments.front().map_or(0, |segment| segment.first_commit);
        let (files, dir) = (self.files.as_ref(), self.settings.dir.as_path());
        let mut writer = RunWriter::begin(files, dir, &about.file_name(), about.from)?;
        let mut readers: Vec<_> = inputs.iter().map(Run::entries).collect();
        // The least hash first, and of one hash the newest run.
        let mut heads = BinaryHeap::with_capacity(readers.len());
        let mut places = vec![None; readers.len()];
        for (number, reader) in readers.iter_mut().enumerate() {
            if let Some((hash, place)) = reader.next().inspect_err(|_| self.keys.damaged.store(true, Ordering::Relaxed))? {
                heads.push((Reverse(hash), number));
                places[number] = Some(place);
            }
        }
        let mut before = None;
        while let Some((Reverse(hash), number)) = heads.pop() {
            if let Some(place) = places[number].take().filter(|place: &Place| place.commit >= oldest && before != Some(hash)) {
                writer.push(hash, place)?;
                before = Some(hash);
            }
            let next = readers[number].next().inspect_err(|_| self.keys.damaged.store(true, Ordering::Relaxed))?;
            if let Some((hash, place)) = next {
                heads.push((Reverse(hash), number));
                places[number] = Some(place);
            }
        }
        writer.finish(files, dir, about)
    }

    /// Runs of segments that are all gone go, too.
    fn tidy(&mut self) {
        let oldest = self.shared.index().segments.front().map_or(0, |segment| segment.first_commit);
        let gone: Vec<Arc<Run>> = {
            let mut state = self.keys.state_mut();
            let count = state.runs.partition_point(|run| run.about.to < oldest);
            state.runs.drain(..count).collect()
        };
        for run in gone {
            self.remove(run.path());
        }
    }

    fn check_space(&self, entries: u64) -> io::Result<()> {
        let free = self.files.free_bytes(&self.settings.dir).unwrap_or(u64::MAX);
        // An entry has 28 bytes, and each 146 of them have 8 more.
        let needed = entries * 29 + 8192;
        if free.saturating_sub(self.settings.min_free_bytes) >= needed { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

fn stored_crc(head: &[u8]) -> u32 {
    head.get(FRAME_HEADER_BYTES - 4..FRAME_HEADER_BYTES).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Whatever else wants this processor goes first.
#[expect(unsafe_code, reason = "the standard library has no priorities; at the usual one the thread takes time from the capture")]
fn lower_priority() {
    // SAFETY: the call takes three numbers and touches no memory of ours. 0 is the calling thread; its result does not matter.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, 19) };
}
