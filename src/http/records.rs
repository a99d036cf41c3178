//! Records as lines of JSON: the shape of `/v1/topics/{t}/records`.

pub use crate::event::view::{rfc3339, write_value};
use crate::event::{Event, Show, View};
use crate::record::view::RecordView;

/// Appends one record as a line of JSON.
pub fn write_line(topic: &str, partition: u32, record: &RecordView<'_>, out: &mut Vec<u8>) {
    View::Raw.write(&Event::new(topic, partition, record), &Show::default(), out);
    out.push(b'\n');
}
