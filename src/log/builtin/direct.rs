//! Large writes past the page cache.
//!
//! A backlog or a snapshot writes faster than anybody reads, and pages that nobody reads cost more CPU than the write
//! (docs/performance.md). Owns the aligned memory that the operating system asks for. Promises the same bytes at the same
//! place as an ordinary write, not durable before the file is synced; what is not a whole block goes the ordinary way, and
//! so does everything where the file system refuses. Leaves to the writer when it is worth it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::files::LogFile;

/// What positions, lengths and memory are multiples of: enough for every device.
const BLOCK: usize = 4096;
/// How much is written at once.
const STAGE: usize = 1 << 20;
/// One is filled while the other is written.
const STAGES: usize = 2;

/// A second descriptor of a file, for large writes.
#[derive(Debug)]
pub struct Direct {
    file: File,
    stages: Vec<Stage>,
}

/// Aligned memory.
#[derive(Debug)]
struct Stage(Vec<u8>);

impl Stage {
    fn new() -> Self {
        Self(vec![0; STAGE + BLOCK])
    }

    fn bytes(&mut self) -> &mut [u8] {
        let start = self.0.as_ptr().align_offset(BLOCK).min(BLOCK);
        &mut self.0[start..start + STAGE]
    }
}

/// A filled stage: its bytes, and where they belong.
struct Filled {
    stage: Stage,
    length: usize,
    at: u64,
}

impl Direct {
    /// Opens an existing file; `None` where its file system knows no such writes.
    pub fn open(path: &Path) -> Option<Self> {
        let file = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok()?;
        Some(Self { file, stages: Vec::new() })
    }

    /// Writes the parts one behind the other from `at` on, while the next one is made. After an error any part of them may
    /// have been written.
    pub fn write<'p>(&mut self, ordinary: &dyn LogFile, parts: impl Iterator<Item = &'p [u8]>, at: u64) -> io::Result<()> {
        self.stages.resize_with(STAGES, Stage::new);
        let ((full, to_write), (empty, to_fill)) = (channel(), channel());
        for stage in self.stages.drain(..) {
            let _ = empty.send(stage);
        }
        let file = &self.file;
        thread::scope(|scope| {
            let writing = move || write_stages(file, ordinary, &to_write, &empty);
            let Ok(disk) = thread::Builder::new().name("rowfeed-disk".into()).spawn_scoped(scope, writing) else {
                // No thread is to be had now: slower, not wrong.
                let mut at = at;
                return parts.into_iter().try_for_each(|part| {
                    ordinary.write_all_at(part, at)?;
                    at += part.len() as u64;
                    Ok(())
                });
            };
            let filled = fill(ordinary, parts, at, &to_fill, &full);
            drop(full);
            // What the disk said comes first: it is why no stage came back.
            disk.join().map_err(|_| io::Error::other("the thread that writes to the disk ended with a defect"))??;
            // Not before: a file has one writer at a time, and the rest would wait for the disk.
            let Filled { mut stage, length, at } = filled?;
            ordinary.write_all_at(&stage.bytes()[..length], at)?;
            self.stages.push(stage);
            Ok::<_, io::Error>(())
        })?;
        self.stages.extend(to_fill.try_iter());
        Ok(())
    }
}

/// Cuts the parts into stages of whole blocks; what is before the first goes the ordinary way, what is behind the last is
/// returned.
fn fill<'p>(
    ordinary: &dyn LogFile,
    parts: impl Iterator<Item = &'p [u8]>,
    at: u64,
    to_fill: &Receiver<Stage>,
    full: &Sender<Filled>,
) -> io::Result<Filled> {
    let ended = || io::Error::other("the disk takes no more");
    let mut until_block = (BLOCK - (at % BLOCK as u64) as usize) % BLOCK;
    let mut at = at;
    let mut stage = to_fill.recv().map_err(|_| ended())?;
    let mut length = 0;
    for part in parts {
        let (head, mut rest) = part.split_at(until_block.min(part.len()));
        if !head.is_empty() {
            ordinary.write_all_at(head, at)?;
            at += head.len() as u64;
            until_block -= head.len();
        }
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(STAGE - length));
            stage.bytes()[length..length + now.len()].copy_from_slice(now);
            length += now.len();
            rest = later;
            if length == STAGE {
                full.send(Filled { stage, length, at }).map_err(|_| ended())?;
                at += STAGE as u64;
                length = 0;
                stage = to_fill.recv().map_err(|_| ended())?;
            }
        }
    }
    let (whole, rest) = (length - length % BLOCK, length % BLOCK);
    let mut last = to_fill.recv().map_err(|_| ended())?;
    last.bytes()[..rest].copy_from_slice(&stage.bytes()[whole..length]);
    full.send(Filled { stage, length: whole, at }).map_err(|_| ended())?;
    Ok(Filled { stage: last, length: rest, at: at + whole as u64 })
}

fn write_stages(file: &File, ordinary: &dyn LogFile, to_write: &Receiver<Filled>, empty: &Sender<Stage>) -> io::Result<()> {
    for Filled { mut stage, length, at } in to_write {
        let bytes = &stage.bytes()[..length];
        match FileExt::write_all_at(file, bytes, at) {
            // The file system, or the device below it, asks for more than it said.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => ordinary.write_all_at(bytes, at)?,
            written => written?,
        }
        let _ = empty.send(stage);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::builtin::files::{Files, RealFiles};

    #[test]
    fn any_bytes_at_any_place_are_the_same_as_written_the_ordinary_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let ordinary = RealFiles.open(&path, true).unwrap();
        let mut direct = Direct::open(&path).expect("the file system of the tests takes direct writes");
        let mut expected = Vec::new();
        let sizes = [1, 5000, 4096, 3, 9_000_000, 70_000, 4095, 0, STAGE, STAGE + 1, 12_288];
        for (round, size) in sizes.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..size).map(|index| (index * 7 + round) as u8).collect();
            let parts = bytes.chunks(100_000);
            direct.write(ordinary.as_ref(), parts, expected.len() as u64).unwrap();
            expected.extend_from_slice(&bytes);
            ordinary.write_all_at(b"tail", expected.len() as u64).unwrap();
            expected.extend_from_slice(b"tail");
        }
        assert_eq!(direct.stages.len(), STAGES);
        ordinary.sync().unwrap();
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    /// Aim: a disk that is full, or gone, is told, and nobody waits for ever.
    #[test]
    fn what_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let ordinary = RealFiles.open(&path, true).unwrap();
        // A descriptor that may only read.
        let mut direct = Direct { file: File::open(&path).unwrap(), stages: Vec::new() };
        let parts = vec![7; STAGE * 5];
        assert!(direct.write(ordinary.as_ref(), std::iter::once(&parts[..]), 0).is_err());
        let mut working = Direct::open(&path).unwrap();
        working.write(ordinary.as_ref(), std::iter::once(&parts[..]), 5).unwrap();
        assert!(std::fs::read(&path).unwrap()[5..] == parts);
    }
}
