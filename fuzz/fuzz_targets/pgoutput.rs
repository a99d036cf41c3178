//! Bytes as a PostgreSQL server might send them: decoded or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rowfeed::postgres::copy_text::CopyRow;
use rowfeed::postgres::error::ServerMessage;
use rowfeed::postgres::pgoutput::{Cells, WalMessage, decode};

fuzz_target!(|bytes: &[u8]| {
    let mut cells = Cells::default();
    match decode(bytes, &mut cells) {
        Ok(WalMessage::Insert(_)) => {
            let row = cells.new_row(bytes);
            for column in 0..row.len() {
                let _ = row.cell(column);
            }
        }
        Ok(WalMessage::Truncate(truncated)) => drop(truncated.relations().count()),
        _ => {}
    }
    let _ = ServerMessage::parse(bytes);
    let _ = CopyRow::default().parse(bytes);
});
