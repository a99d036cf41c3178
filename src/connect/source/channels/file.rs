//! Signals in a file, one a line: `signal.file`.
//!
//! ```text
//! {"id":...}      it waits
//! 1"id":...}      it is acted on, as an odd one: a checkpoint that counts an odd number of lines has what it asks for
//! 0"id":...}      the same, as an even one
//! ```
//!
//! A line is marked where it stands before it is acted on, and blanked once that is durable. So a process that is killed
//! anywhere between finds out whether it was acted on, as long as the checkpoint's count is kept: where there is none, a
//! marked line is acted on. Blank lines go when no signal is left. Lines that are no JSON object stay: the file may be
//! another one than was meant.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::{Door, read};
use crate::change::Signal;
use crate::connect::signals::Origin;
use crate::problem::Problem;

/// Larger files are not read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// So many kinds of trouble are told; the rest is the same again.
const TOLD_MAX: usize = 100;

/// Reads the file again and again until told to end; so many of its lines were acted on.
pub(super) fn follow(path: &Path, interval: Duration, mut lines: u64, door: &Door) {
    tracing::info!(path = %path.display(), "signals are read from a file");
    let mut told = HashSet::new();
    while door.pause(interval) {
        if let Err(error) = look(path, &mut lines, &mut told, |signal, line| door.send(signal, Origin::Line(line))) {
            tell(&mut told, &format!("{}: {error}", path.display()));
        }
    }
}

/// Acts on every line that is a signal. `send` says whether it is done with.
fn look(path: &Path, lines: &mut u64, told: &mut HashSet<String>, send: impl Fn(&Signal, u64) -> bool) -> io::Result<()> {
    let Some(text) = content(path)? else { return Ok(()) };
    for line in text.split_inclusive('\n') {
        let (whole, line) = (line.ends_with('\n'), line.trim());
        if line.is_empty() {
            continue;
        }
        let (signal, marked) = match unmarked(line) {
            Some((signal, mark)) => (Some(signal), Some(mark)),
            None => (read(line), None),
        };
        match signal {
            // The rest may be written in this moment.
            None if !whole => {}
            None => tell(told, &format!("{}: a line is not a JSON object with id, type and data, and stays", path.display())),
            Some(Err(problem)) => {
                tracing::warn!("a signal of {} has no effect: {}", path.display(), problem.text());
                blank(path, line)?;
            }
            Some(Ok(signal)) if *lines > 0 && marked == Some(mark_of(*lines)) => {
                tracing::info!(id = signal.id, "a signal of {} was acted on before the last start", path.display());
                blank(path, line)?;
            }
            Some(Ok(signal)) => {
                let Some(line) = mark(path, line, mark_of(*lines + 1))? else { continue };
                if !send(&signal, *lines + 1) {
                    return Ok(());
                }
                *lines += 1;
                blank(path, &line)?;
            }
        }
    }
    compact(path)
}

const fn mark_of(line: u64) -> u8 {
    if line.is_multiple_of(2) { b'0' } else { b'1' }
}

/// What a marked line says, and its mark.
fn unmarked(line: &str) -> Option<(Result<Signal, Problem>, u8)> {
    let mark = *line.as_bytes().first().filter(|first| matches!(first, b'0' | b'1'))?;
    Some((read(&format!("{{{}", line.get(1..)?))?, mark))
}

/// Where the first such line begins.
fn place(text: &str, line: &str) -> Option<u64> {
    let mut start = 0;
    for other in text.split_inclusive('\n') {
        if other.trim() == line {
            return Some((start + other.len() - other.trim_start().len()) as u64);
        }
        start += other.len();
    }
    None
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Marks the line: one byte, which is written or not. `None`: it is not there any more.
fn mark(path: &Path, line: &str, mark: u8) -> io::Result<Option<String>> {
    let Some(start) = content(path)?.and_then(|text| place(&text, line)) else { return Ok(None) };
    let file = open(path)?;
    file.write_all_at(&[mark], start)?;
    file.sync_data()?;
    Ok(Some(format!("{}{}", char::from(mark), line.get(1..).unwrap_or_default())))
}

/// Leaves nothing of the line. What is cut off in its middle by a kill is no signal.
fn blank(path: &Path, line: &str) -> io::Result<()> {
    let Some(start) = content(path)?.and_then(|text| place(&text, line)) else { return Ok(()) };
    let file = open(path)?;
    file.write_all_at(&vec![b'\n'; line.len()], start)?;
    file.sync_data()
}

/// Takes blank lines out when no signal is left, which a kill in the middle might repeat.
fn compact(path: &Path) -> io::Result<()> {
    let Some(text) = content(path)? else { return Ok(()) };
    let lines = || text.split_inclusive('\n').filter(|line| !line.trim().is_empty());
    let left: String = lines().collect();
    if left.len() == text.len() || lines().any(|line| read(line).is_some() || unmarked(line.trim()).is_some()) {
        return Ok(());
    }
    let file = open(path)?;
    // What was appended since the file was read follows what is left; the file is cut last, so that a kill loses nothing.
    let mut appended = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or_default().saturating_sub(text.len())];
    file.read_exact_at(&mut appended, text.len() as u64)?;
    let left = [left.as_bytes(), &appended].concat();
    file.write_all_at(&left, 0)?;
    file.set_len(left.len() as u64)
}

/// The file's text; `None` when there is no file, or nothing in it.
fn content(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        // As in Debezium, a folder is no file of signals.
        Ok(found) if !found.is_file() || found.len() == 0 => return Ok(None),
        Ok(found) if found.len() > FILE_BYTES_MAX => {
            return Err(io::Error::other(format!("{} bytes are too many for a file of signals: it is not read", found.len())));
        }
        Ok(_) => {}
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it grew while it was read"));
    }
    Ok(Some(text))
}

fn tell(told: &mut HashSet<String>, text: &str) {
    if told.len() < TOLD_MAX && told.insert(text.to_owned()) {
        tracing::warn!("signals: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> String {
        format!(r#"{{"id":"{id}","type":"pause-snapshot"}}"#)
    }

    /// Acts on the file; the ids of what was acted on. `ends`: the capture ends with the last one, before it answers.
    fn acted(path: &Path, lines: &mut u64, ends: bool) -> Vec<String> {
        let ids = std::cell::RefCell::new(Vec::new());
        let send = |signal: &Signal, _: u64| {
            ids.borrow_mut().push(signal.id.clone());
            !ends
        };
        look(path, lines, &mut HashSet::new(), send).expect("a file");
        ids.into_inner()
    }

    #[test]
    fn what_is_no_signal_stays_and_the_rest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("signals");
        let mut lines = 0;
        assert_eq!(acted(&path, &mut lines, false), Vec::<String>::new());
        fs::write(&path, format!(" {} \nno signal\n\n{}\n{{\"id\":\"x\"}}\n{{\"id\":", line("a"), line("a"))).expect("written");
        assert_eq!(acted(&path, &mut lines, false), ["a", "a"]);
        assert_eq!((fs::read_to_string(&path).expect("text").as_str(), lines), ("no signal\n{\"id\":", 2));
        fs::write(&path, vec![b' '; FILE_BYTES_MAX as usize + 1]).expect("written");
        assert!(look(&path, &mut lines, &mut HashSet::new(), |_, _| true).is_err());
    }

    /// Aim: no line is lost or acted on again, whether the process ends before its effect is durable or behind it. Method: the
    /// count is what a checkpoint would say.
    #[test]
    fn a_line_that_was_acted_on_is_not_acted_on_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("signals");
        for lines in [6, 7] {
            for durable in [false, true] {
                fs::write(&path, format!("{}\n{}\n", line("a"), line("a"))).expect("written");
                assert_eq!(acted(&path, &mut { lines }, true), ["a"]);
                let mut now = lines + u64::from(durable);
                assert_eq!(acted(&path, &mut now, false).len(), if durable { 1 } else { 2 }, "{lines} {durable}");
                assert_eq!((fs::read_to_string(&path).expect("text").as_str(), now), ("", lines + 2));
            }
        }
    }

    /// A count of none says nothing about a line that is marked.
    #[test]
    fn a_marked_line_waits_where_no_checkpoint_counts_any() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("signals");
        for mark in ["0", "1"] {
            fs::write(&path, format!("{mark}{}\n", &line("a")[1..])).expect("written");
            let mut lines = 0;
            assert_eq!(acted(&path, &mut lines, false), ["a"], "{mark}");
            assert_eq!((fs::read_to_string(&path).expect("text").as_str(), lines), ("", 1));
        }
    }
}
