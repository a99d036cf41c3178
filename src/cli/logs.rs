//! `log verify` and `log dump`: the built-in log's files, without a service.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::form::FormArgs;
use super::{Failure, view};
use crate::log::builtin::verify;
use crate::problem::Problem;

/// Takes the data folder as well as its `log` folder.
fn log_dir(dir: &Path) -> Result<PathBuf, Problem> {
    let inside = dir.join("log");
    let found = if inside.is_dir() { inside } else { dir.to_owned() };
    if found.is_dir() {
        return Ok(found);
    }
    Err(missing(dir))
}

fn missing(dir: &Path) -> Problem {
    Problem::refuse("log/missing", format!("there is no log in {}", dir.display())).fix("name the data folder of the service")
}

/// `rowfeed log verify`.
pub fn verify(dir: &Path, form: FormArgs) -> Result<(), Failure> {
    let report = verify::verify(&log_dir(dir)?).map_err(|error| error.problem())?;
    if report.segments == 0 {
        return Err(missing(dir).into());
    }
    let (first, last) = report.commits.unwrap_or((0, 0));
    let tail = report.torn_tail.as_ref();
    if form.is_document() {
        let tail = tail.map(|(path, at, bytes, why)| json!({ "file": path.display().to_string(), "at": at, "bytes": bytes, "why": why }));
        let report = json!({
            "ok": true, "segments": report.segments, "frames": report.frames, "batches": report.batches,
            "records": report.records, "bytes": report.bytes, "first_commit": first, "last_commit": last, "torn_tail": tail,
        });
        form.print("rowfeed/log-verify@1", report);
        return Ok(());
    }
    println!(
        "{}: {} segments, {} frames, {} batches, {} records, {}, commits {first} to {last}",
        if tail.is_some() { "whole up to its tail" } else { "whole" },
        report.segments,
        view::count(report.frames),
        view::count(report.batches),
        view::count(report.records),
        view::bytes(report.bytes)
    );
    if let Some((path, at, bytes, why)) = tail {
        println!("tail:  {} from byte {at}: {bytes} bytes do not count ({why}); opening the log cuts them", path.display());
    }
    Ok(())
}

/// `rowfeed log dump`.
pub fn dump(dir: &Path, records: bool) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    let result = verify::dump(&log_dir(dir)?, records, |line| {
        if failed.is_none() {
            failed = writeln!(out, "{line}").err();
        }
    });
    // A reader that has seen enough (head, less) closes the pipe: no failure.
    drop(out.flush());
    result.map(drop).map_err(|error| error.problem().into())
}
