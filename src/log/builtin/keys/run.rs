//! A run: the newest place of every key that some commits wrote, sorted, in a file that never changes.
//!
//! ```text
//! run     := block* trailer
//! block   := entry{146} (zeros behind the last one) | entries u32 | crc32c u32 (of the 4092 before)
//! entry   := hash high u64 | hash low u32 | offset u64 | commit less the run's first u32 | partition u32
//! trailer := magic u64 "RFKEYS\n\0" | version u32 | level u32 | entries u64 | first commit u64 | last commit u64
//!          | last frame: segment u64, position u64, its checksum u32 | zero u32 | cluster id, 32 bytes | crc32c u32 (of the 96 before)
//! ```
//! All integers are little-endian; entries rise by their hash. Hashes are evenly spread, so a look-up guesses its block: one or two
//! reads of 4 KiB find an entry or say that there is none, and nothing is kept in memory. The last frame says of which log the run
//! tells: one that another log lies beside is not believed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::files::{Files, LogFile, read_full};
use super::super::recover::UNBORN;
use super::table::{KeyHash, Place};

const MAGIC: [u8; 8] = *b"RFKEYS\n\0";
const VERSION: u32 = 1;
const ENTRY_BYTES: usize = 28;
const ENTRIES_PER_BLOCK: usize = 146;
const BLOCK_BYTES: usize = 4096;
const CRC_AT: usize = BLOCK_BYTES - 4;
const TRAILER_BYTES: usize = 100;
const CLUSTER_BYTES: usize = 32;
/// Blocks that are read or written at once where all of them are.
const BLOCKS_AT_ONCE: usize = 32;
/// Guesses of a look-up; behind them the rest is halved, so that no choice of keys makes it long.
const GUESSES_MAX: u32 = 6;

const _: () = assert!(ENTRIES_PER_BLOCK * ENTRY_BYTES + 8 == BLOCK_BYTES);
const _: () = assert!(TRAILER_BYTES == 8 + 4 + 4 + 8 * 3 + 8 + 8 + 4 + 4 + CLUSTER_BYTES + 4);

/// How a run's file name ends.
pub const ENDING: &str = ".keys";

/// A frame of the log, to know it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMark {
    /// The first commit of its segment.
    pub segment: u64,
    /// Its place in the file.
    pub position: u64,
    /// The checksum in its header.
    pub crc: u32,
}

/// What a run tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The first commit.
    pub from: u64,
    /// The last commit.
    pub to: u64,
    /// How often what is in it was merged.
    pub level: u32,
    /// The frame of the last commit.
    pub last: FrameMark,
    /// The log's cluster id.
    pub cluster_id: String,
}

impl About {
    /// The run's file.
    pub fn file_name(&self) -> String {
        format!("{:020}-{:020}{ENDING}", self.from, self.to)
    }
}

/// A whole run, open.
pub struct Run {
    /// What it tells of.
    pub about: About,
    path: PathBuf,
    file: Arc<dyn LogFile>,
    entries: u64,
}

impl Run {
    /// Opens a run; an error when it is none, or torn.
    pub fn open(files: &dyn Files, path: &Path) -> io::Result<Self> {
        let file = files.open(path, false)?;
        let mut tail = [0; TRAILER_BYTES];
        let at = file.size()?.checked_sub(TRAILER_BYTES as u64).ok_or_else(|| damaged("it is too short"))?;
        if read_full(file.as_ref(), &mut tail, at)? < TRAILER_BYTES {
            return Err(damaged("it is too short"));
        }
        let (about, entries) = read_trailer(&tail).ok_or_else(|| damaged("its trailer is damaged"))?;
        if entries.div_ceil(ENTRIES_PER_BLOCK as u64).checked_mul(BLOCK_BYTES as u64) != Some(at) || about.to < about.from {
            return Err(damaged("its size is another one than it says"));
        }
        Ok(Self { about, path: path.to_owned(), file, entries })
    }

    /// The file, for messages and removal.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.blocks() * BLOCK_BYTES as u64 + TRAILER_BYTES as u64
    }

    fn blocks(&self) -> u64 {
        self.entries.div_ceil(ENTRIES_PER_BLOCK as u64)
    }

    /// The newest place of a key in these commits.
    pub fn find(&self, hash: KeyHash) -> io::Result<Option<Place>> {
        let (mut low, mut high) = (0, self.blocks());
        let (mut low_hash, mut high_hash) = (0, u64::MAX);
        let mut guesses = 0;
        let mut block = [0; BLOCK_BYTES];
        while low < high {
            let middle = if guesses < GUESSES_MAX {
                let share = u128::from(hash.high.saturating_sub(low_hash)) * u128::from(high - low);
                let span = u128::from(high_hash.saturating_sub(low_hash)) + 1;
                (low + u64::try_from(share / span).unwrap_or(0)).min(high - 1)
            } else {
                low + (high - low) / 2
            };
            guesses += 1;
            if read_full(self.file.as_ref(), &mut block, middle * BLOCK_BYTES as u64)? < BLOCK_BYTES {
                return Err(damaged("it is too short"));
            }
            let entries = checked(&block)?;
            let (Some(first), Some(last)) =
                (hash_at(entries, 0), entries.len().checked_sub(ENTRY_BYTES).and_then(|at| hash_at(entries, at)))
            else {
                return Err(damaged("a block is empty"));
            };
            if hash < first {
                (high, high_hash) = (middle, first.high);
            } else if hash > last {
                (low, low_hash) = (middle + 1, last.high);
            } else {
                return Ok(self.find_in(entries, hash));
            }
        }
        Ok(None)
    }

    fn find_in(&self, entries: &[u8], hash: KeyHash) -> Option<Place> {
        let (mut low, mut high) = (0, entries.len() / ENTRY_BYTES);
        while low < high {
            let middle = low + (high - low) / 2;
            match hash_at(entries, middle * ENTRY_BYTES)?.cmp(&hash) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.place_at(entries, middle * ENTRY_BYTES),
            }
        }
        None
    }

    fn place_at(&self, entries: &[u8], at: usize) -> Option<Place> {
        Some(Place {
            offset: u64_at(entries, at + 12)?,
            commit: self.about.from + u64::from(u32_at(entries, at + 20)?),
            partition: u32_at(entries, at + 24)?,
        })
    }

    /// All entries in order.
    pub fn entries(self: &Arc<Self>) -> Entries {
        Entries { run: Arc::clone(self), next_block: 0, blocks: Vec::new(), at: 0 }
    }
}

/// The entries of a run, read one after the other.
pub struct Entries {
    run: Arc<Run>,
    next_block: u64,
    blocks: Vec<u8>,
    /// The next entry within `blocks`, counted without the blocks' ends.
    at: usize,
}

impl Entries {
    /// The next one.
    pub fn next(&mut self) -> io::Result<Option<(KeyHash, Place)>> {
        loop {
            let (block, inside) = (self.at / ENTRIES_PER_BLOCK, self.at % ENTRIES_PER_BLOCK);
            if let Some(block) = self.blocks.chunks_exact(BLOCK_BYTES).nth(block) {
                let at = inside * ENTRY_BYTES;
                if at >= entries_bytes(block) {
                    self.at += ENTRIES_PER_BLOCK - inside;
                    continue;
                }
                self.at += 1;
                let entry = hash_at(block, at).zip(self.run.place_at(block, at));
                return entry.map(Some).ok_or_else(|| damaged("a block is too short"));
            }
            let left = self.run.blocks() - self.next_block;
            if left == 0 {
                return Ok(None);
            }
            let count = left.min(BLOCKS_AT_ONCE as u64);
            self.blocks.resize(count as usize * BLOCK_BYTES, 0);
            let got = read_full(self.run.file.as_ref(), &mut self.blocks, self.next_block * BLOCK_BYTES as u64)?;
            if got < self.blocks.len() {
                return Err(damaged("it is too short"));
            }
            for block in self.blocks.chunks_exact(BLOCK_BYTES) {
                checked(block)?;
            }
            self.next_block += count;
            self.at = 0;
        }
    }
}

/// Writes a run: entries in order, then its trailer.
pub struct RunWriter {
    file: Arc<dyn LogFile>,
    unborn: PathBuf,
    from: u64,
    waiting: Vec<u8>,
    block: Vec<u8>,
    position: u64,
    entries: u64,
}

impl RunWriter {
    /// Begins a run in a folder, whose first commit will be `from`.
    pub fn begin(files: &dyn Files, dir: &Path, name: &str, from: u64) -> io::Result<Self> {
        let unborn = dir.join(format!("{name}{UNBORN}"));
        let file = files.open(&unborn, true)?;
        Ok(Self { file, unborn, from, waiting: Vec::new(), block: Vec::with_capacity(BLOCK_BYTES), position: 0, entries: 0 })
    }

    /// Adds an entry, whose hash is greater than the one before.
    pub fn push(&mut self, hash: KeyHash, place: Place) -> io::Result<()> {
        let behind = place.commit.checked_sub(self.from).and_then(|commits| u32::try_from(commits).ok());
        let behind = behind.ok_or_else(|| damaged("a commit is not one of the run"))?;
        self.block.extend_from_slice(&hash.high.to_le_bytes());
        self.block.extend_from_slice(&hash.low.to_le_bytes());
        self.block.extend_from_slice(&place.offset.to_le_bytes());
        self.block.extend_from_slice(&behind.to_le_bytes());
        self.block.extend_from_slice(&place.partition.to_le_bytes());
        self.entries += 1;
        if self.block.len() == ENTRIES_PER_BLOCK * ENTRY_BYTES { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        let count = (self.block.len() / ENTRY_BYTES) as u32;
        self.block.resize(CRC_AT - 4, 0);
        self.block.extend_from_slice(&count.to_le_bytes());
        self.block.extend_from_slice(&crc32c::crc32c(&self.block).to_le_bytes());
        self.waiting.append(&mut self.block);
        if self.waiting.len() >= BLOCKS_AT_ONCE * BLOCK_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.waiting, self.position)?;
        self.position += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Makes it durable under its name.
    pub fn finish(mut self, files: &dyn Files, dir: &Path, about: &About) -> io::Result<Run> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let trailer = write_trailer(about, self.entries);
        self.waiting.extend_from_slice(&trailer);
        self.write()?;
        self.file.sync()?;
        let path = dir.join(about.file_name());
        files.rename(&self.unborn, &path)?;
        Run::open(files, &path)
    }
}

/// The bytes of a block's entries, when its checksum holds.
fn checked(block: &[u8]) -> io::Result<&[u8]> {
    let stored = u32_at(block, CRC_AT);
    let holds = block.get(..CRC_AT).is_some_and(|bytes| Some(crc32c::crc32c(bytes)) == stored);
    block.get(..entries_bytes(block)).filter(|_| holds).ok_or_else(|| damaged("a block's checksum does not hold"))
}

fn entries_bytes(block: &[u8]) -> usize {
    (u32_at(block, CRC_AT - 4).unwrap_or(0) as usize).min(ENTRIES_PER_BLOCK) * ENTRY_BYTES
}

fn write_trailer(about: &About, entries: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(TRAILER_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&about.level.to_le_bytes());
    for number in [entries, about.from, about.to, about.last.segment, about.last.position] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&about.last.crc.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let mut cluster = about.cluster_id.clone().into_bytes();
    cluster.resize(CLUSTER_BYTES, 0);
    out.extend_from_slice(&cluster);
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out
}

fn read_trailer(tail: &[u8; TRAILER_BYTES]) -> Option<(About, u64)> {
    let (bytes, stored) = tail.split_at(TRAILER_BYTES - 4);
    if !tail.starts_with(&MAGIC) || u32_at(tail, 8)? != VERSION || Some(crc32c::crc32c(bytes)) != u32_at(stored, 0) {
        return None;
    }
    let cluster = bytes.get(64..)?;
    let end = cluster.iter().position(|byte| *byte == 0).unwrap_or(cluster.len());
    let about = About {
        level: u32_at(tail, 12)?,
        from: u64_at(tail, 24)?,
        to: u64_at(tail, 32)?,
        last: FrameMark { segment: u64_at(tail, 40)?, position: u64_at(tail, 48)?, crc: u32_at(tail, 56)? },
        cluster_id: String::from_utf8(cluster.get(..end)?.to_vec()).ok()?,
    };
    Some((about, u64_at(tail, 16)?))
}

fn hash_at(entries: &[u8], at: usize) -> Option<KeyHash> {
    Some(KeyHash { high: u64_at(entries, at)?, low: u32_at(entries, at + 8)? })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the run is damaged: {what}"))
}
