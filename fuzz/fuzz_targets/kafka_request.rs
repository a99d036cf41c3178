//! Any bytes as a Kafka request: reading them must neither panic nor take memory for lengths they announce.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let _ = rowfeed::broker::api::read_any(frame);
});
