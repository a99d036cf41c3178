//! Bytes as a record batch: read to the end or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rowfeed::record::view::BatchView;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(batch) = BatchView::parse(bytes) {
        let _ = batch.verify();
        for record in batch.records().flatten() {
            record.headers().count();
        }
    }
});
