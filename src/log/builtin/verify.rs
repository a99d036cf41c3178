//! `rowfeed log verify` and `rowfeed log dump`: reads every byte of a log's folder without opening it for writing.

use std::path::{Path, PathBuf};

use super::files::RealFiles;
use super::format::{Entry, FrameHeader};
use super::recover::{Scan, batches, check_header, is_state_frame, list_segments, vouched_for_later};
use super::segment::read_footer;
use crate::log::LogError;
use crate::record::compression::Compression;
use crate::record::view::BatchView;

/// What a verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments read.
    pub segments: u64,
    /// Whole frames.
    pub frames: u64,
    /// Batches in them.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
    /// First and last commit.
    pub commits: Option<(u64, u64)>,
    /// Bytes behind the last whole frame of the newest segment, and why they do not count. A process that is writing, or
    /// was killed while it wrote, leaves such a tail; opening the log cuts it.
    pub torn_tail: Option<(PathBuf, u64, u64, String)>,
}

/// Reads all frames of a folder; `each` sees every one with its position and its batches.
///
/// Errors name the file and the position of the first damage.
pub fn walk(dir: &Path, mut each: impl FnMut(&Path, u64, &FrameHeader, &[Entry], &[u8])) -> Result<Report, LogError> {
    let files = RealFiles;
    let mut report = Report::default();
    let found = list_segments(dir, &files)?;
    let count = found.len();
    for (index, (first_commit, path)) in found.into_iter().enumerate() {
        let io = |source| LogError::Io { what: "cannot read", path: path.clone(), source };
        let file = std::fs::File::open(&path).map_err(io)?;
        check_header(first_commit, &path, &file)?;
        let expected = report.commits.map_or(first_commit, |(_, last)| last + 1);
        if first_commit != expected {
            return Err(LogError::Damaged {
                path,
                at: 0,
                what: format!("the segment begins with commit {first_commit}, expected {expected}"),
            });
        }
        let footer = read_footer(&file).map_err(io)?;
        let len = file.metadata().map(|data| data.len()).map_err(io)?;
        let end = footer.as_ref().map_or(len, |(trailer, _)| trailer.body_position);
        let cut = Scan::new(&file, &path, end).run(first_commit, |position, header, entries, body| {
            report.frames += 1;
            report.batches += entries.len() as u64;
            report.records += entries.iter().map(|entry| u64::from(entry.records)).sum::<u64>();
            report.bytes += u64::from(header.frame_len);
            report.commits = Some((report.commits.map_or(header.commit, |(first, _)| first), header.commit));
            each(&path, position, header, entries, body);
        })?;
        report.segments += 1;
        match cut {
            None => {}
            // As opening the log decides it.
            Some((at, what)) => {
                let next_commit = report.commits.map_or(first_commit, |(_, last)| last + 1);
                let may_be_tail = index + 1 == count && footer.is_none() && !is_state_frame(at);
                let is_tail = may_be_tail && !vouched_for_later(&file, &path, at, end, next_commit)?;
                if !is_tail {
                    return Err(LogError::Damaged { path, at, what: what.to_owned() });
                }
                report.torn_tail = Some((path, at, end - at, what.to_owned()));
            }
        }
    }
    Ok(report)
}

/// Proves a folder whole: every frame, batch and checksum.
pub fn verify(dir: &Path) -> Result<Report, LogError> {
    walk(dir, |_, _, _, _, _| {})
}

/// Prints frames and batches, one a line, through `line`; with `records`, every record's offset, key and size too.
pub fn dump(dir: &Path, records: bool, mut line: impl FnMut(String)) -> Result<Report, LogError> {
    let mut room = Vec::new();
    walk(dir, |path, position, header, entries, body| {
        line(format!(
            "{} @{position} commit={} durable={} time_ms={} bytes={}",
            path.file_name().unwrap_or_default().to_string_lossy(),
            header.commit,
            header.durable,
            header.time_ms,
            header.frame_len
        ));
        for (entry, batch) in entries.iter().zip(batches(entries, body)) {
            line(format!(
                "  topic={} partition={} offsets={}..{} bytes={}",
                entry.route.topic.0,
                entry.route.partition,
                entry.base_offset,
                entry.next_offset(),
                entry.length
            ));
            if !records {
                continue;
            }
            let Ok(batch) = BatchView::parse(batch) else { continue };
            let codec = batch.compression().map_or("unknown", Compression::name);
            line(format!("    compression={codec}"));
            for record in batch.records(&mut room).flatten() {
                let key = record.key.map_or("null".into(), |key| String::from_utf8_lossy(key).escape_debug().to_string());
                let value = record.value.map_or("null".into(), |value| format!("{} bytes", value.len()));
                line(format!("    offset={} time_ms={} key={key} value={value}", record.offset, record.timestamp_ms));
            }
        }
    })
}
