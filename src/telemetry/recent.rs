//! The last lines of the log, kept for who reports a mistake.
//!
//! Owns the writer through which all lines go. Promises that what it keeps is bounded, that a line is made once, and that nothing finer than
//! `info` is kept, whatever level is written: that is where values of rows could be.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that are kept.
const LINES_MAX: usize = 200;
/// Of a longer line the beginning is.
const LINE_BYTES_MAX: usize = 2 << 10;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

fn kept() -> MutexGuard<'static, VecDeque<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last lines, oldest first, without colours.
pub fn lines() -> Vec<String> {
    kept().iter().map(|line| plain(line)).collect()
}

/// Writes lines to stderr, and keeps the last ones.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { is_kept: false }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Line {
        Line { is_kept: *of.level() <= Level::INFO }
    }
}

/// A line of the log on its way.
#[derive(Debug)]
pub struct Line {
    is_kept: bool,
}

impl Write for Line {
    /// A line comes whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.is_kept {
            keep(&mut kept(), &String::from_utf8_lossy(line));
        }
        io::stderr().write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn keep(lines: &mut VecDeque<String>, line: &str) {
    let line = line.trim_end();
    if line.is_empty() {
        return;
    }
    let end = (0..=LINE_BYTES_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    if lines.len() >= LINES_MAX {
        lines.pop_front();
    }
    lines.push_back(line.get(..end).unwrap_or_default().to_owned());
}

/// A line without the sequences that colour it.
fn plain(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_are_kept_and_long_ones_are_cut() {
        let mut lines = VecDeque::new();
        for number in 0..=LINES_MAX {
            keep(&mut lines, &format!("line {number}\n"));
        }
        keep(&mut lines, "\n");
        assert_eq!((lines.len(), lines.front().map(String::as_str)), (LINES_MAX, Some("line 1")));
        keep(&mut lines, &"é".repeat(LINE_BYTES_MAX));
        assert_eq!(lines.back().map(String::len), Some(LINE_BYTES_MAX));
        assert_eq!(plain("\x1b[2m12:00\x1b[0m \x1b[33m WARN\x1b[0m a"), "12:00  WARN a");
    }
}
