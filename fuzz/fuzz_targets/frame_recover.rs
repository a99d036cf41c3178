//! A damaged log: opening it cuts a tail, or refuses and says where; it never panics and never shows what was not written.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rowfeed::log::builtin::{BuiltinLog, LogSettings, verify};

/// A small whole segment, to be damaged.
fn segment() -> &'static (String, Vec<u8>) {
    static SEGMENT: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    SEGMENT.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = BuiltinLog::open(settings(dir.path())).expect("an empty log opens");
        log.close();
        let file = std::fs::read_dir(dir.path()).expect("readable").flatten().find(|file| file.path().extension().is_some_and(|end| end == "log")).expect("a segment");
        (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).expect("readable"))
    })
}

fn settings(dir: &std::path::Path) -> LogSettings {
    LogSettings { min_free_bytes: 0, ..LogSettings::new(dir) }
}

fuzz_target!(|bytes: &[u8]| {
    let (name, whole) = segment();
    let mut damaged = whole.clone();
    // The first bytes say where to write the rest: over the segment, or behind it.
    let at = bytes.first_chunk::<2>().map_or(0, |at| usize::from(u16::from_le_bytes(*at))) % (whole.len() + 1);
    damaged.truncate(at.max(32));
    damaged.extend_from_slice(bytes.get(2..).unwrap_or_default());
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join(name), &damaged).expect("writable");
    let _ = verify::verify(dir.path());
    if let Ok(log) = BuiltinLog::open(settings(dir.path())) {
        log.close();
    }
});
