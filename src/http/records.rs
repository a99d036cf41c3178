//! Records as lines of JSON: the shape of `/v1/topics/{t}/records`.

pub use crate::event::view::{rfc3339, write_value};
use crate::event::{Event, Show, View};
use crate::record::view::RecordView;

/// Appends one record as a line of JSON.
pub fn write_line(topic: &str, partition: u32, record: &RecordView<'_>, out: &mut Vec<u8>) {
    View::Raw.write(&Event::new(topic, partition, record), &Show::default(), out);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
<<<<<<< HEAD
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_233_128_832), "2026-11-21T03:52:08.832Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn json_stays_to_the_byte_and_what_is_no_text_is_not_lost() {
        let shown = |value: Option<&[u8]>| {
            let mut out = Vec::new();
            write_value(value, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(shown(Some(b"{\"a\":1.50}")), "{\"a\":1.50}");
        assert_eq!(shown(Some(b"plain")), "\"plain\"");
        assert_eq!(shown(Some(b"{\n}")), "\"{\\n}\"");
        assert_eq!(shown(Some(b"\xff")), "{\"base64\":\"/w==\"}");
        // Confluent's header: a zero and the schema's id.
        assert_eq!(shown(Some(b"\0\0\0\0\x02a")), "{\"base64\":\"AAAAAAJh\"}");
        assert_eq!((shown(Some(b"")), shown(None)), ("\"\"".into(), "null".into()));
=======
    fn the_places_to_begin_are_read() {
        assert_eq!(StartAt::parse("earliest"), Ok(StartAt::Start));
        assert_eq!(StartAt::parse("-100"), Ok(StartAt::BeforeEnd(100)));
        assert_eq!(StartAt::parse("+5"), Ok(StartAt::AfterStart(5)));
        assert_eq!(StartAt::parse("offset:1842"), Ok(StartAt::Offset(1842)));
        assert_eq!(StartAt::parse("1700000000000"), Ok(StartAt::Time(1_700_000_000_000)));
        assert!(matches!(StartAt::parse("now-5m"), Ok(StartAt::Time(_))));
        for bad in ["", "1842", "offset:x", "--1", "now-5 years", "é"] {
            assert!(StartAt::parse(bad).is_err(), "{bad}");
        }
>>>>>>> event
    }
}
