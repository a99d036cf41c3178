//! Signals in a file, one a line: `signal.file`.
//!
//! A line is taken out once it is done with, so a process that is killed in between reads it again. Lines that are no JSON
//! object stay: the file may be another one than was meant.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::{Door, read};

/// Larger files are not read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// So many kinds of trouble are told; the rest is the same again.
const TOLD_MAX: usize = 100;

/// Reads the file again and again until told to end.
pub(super) fn follow(path: &Path, interval: Duration, door: &Door) {
    tracing::info!(path = %path.display(), "signals are read from a file");
    let mut told = HashSet::new();
    while door.pause(interval) {
        if let Err(error) = look(path, door, &mut told) {
            tell(&mut told, &format!("{}: {error}", path.display()));
        }
    }
}

/// Acts on every line that is a signal.
fn look(path: &Path, door: &Door, told: &mut HashSet<String>) -> io::Result<()> {
    let Some(text) = content(path)? else { return Ok(()) };
    for line in text.split_inclusive('\n') {
        let (whole, line) = (line.ends_with('\n'), line.trim());
        if line.is_empty() {
            continue;
        }
        match read(line) {
            // The rest may be written in this moment.
            None if !whole => {}
            None => tell(told, &format!("{}: a line is not a JSON object with id, type and data, and stays", path.display())),
            Some(Err(problem)) => {
                tracing::warn!("a signal of {} has no effect: {}", path.display(), problem.text());
                take_out(path, line)?;
            }
            Some(Ok(signal)) => {
                if !door.send(&signal, None) {
                    return Ok(());
                }
                take_out(path, line)?;
            }
        }
    }
    Ok(())
}

/// Takes the first such line out. What was appended meanwhile stays.
fn take_out(path: &Path, line: &str) -> io::Result<()> {
    let Some(text) = content(path)? else { return Ok(()) };
    let mut left = String::new();
    let mut found = false;
    for other in text.split_inclusive('\n') {
        if !found && other.trim() == line {
            found = true;
        } else {
            left.push_str(other);
        }
    }
    if !found {
        return Ok(());
    }
    let file = File::options().read(true).write(true).open(path)?;
    // What was appended since the file was read follows what is left; the file is cut last, so that a kill repeats a line
    // and loses none.
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

    #[test]
    fn a_line_is_taken_out_and_the_others_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("signals");
        assert_eq!(content(&path).expect("no file"), None);
        fs::write(&path, "a\n b \nc\nb\nd").expect("written");
        take_out(&path, "b").expect("taken");
        assert_eq!(fs::read_to_string(&path).expect("text"), "a\nc\nb\nd");
        take_out(&path, "d").expect("taken");
        take_out(&path, "x").expect("nothing to take");
        assert_eq!(fs::read_to_string(&path).expect("text"), "a\nc\nb\n");
        fs::write(&path, vec![b' '; FILE_BYTES_MAX as usize + 1]).expect("written");
        assert!(content(&path).is_err());
    }
}
