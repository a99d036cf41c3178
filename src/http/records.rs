//! Records as lines of JSON: the shape of `/v1/topics/{t}/records`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::record::view::RecordView;

/// Appends one record as a line of JSON.
pub fn write_line(topic: &str, partition: u32, record: &RecordView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"topic\":");
    out.extend_from_slice(serde_json::Value::from(topic).to_string().as_bytes());
    let ts = rfc3339(record.timestamp_ms);
    out.extend_from_slice(format!(",\"partition\":{partition},\"offset\":{},\"ts\":\"{ts}\",\"key\":", record.offset).as_bytes());
    write_value(record.key, out);
    out.extend_from_slice(b",\"value\":");
    write_value(record.value, out);
    out.extend_from_slice(b"}\n");
}

/// JSON stays as it is, to the byte; other text becomes a JSON string; bytes that are no text (Avro and Protobuf begin with
/// a zero) `{"base64":"..."}`.
pub(super) fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(bytes) = value else { return out.extend_from_slice(b"null") };
    let is_json = !bytes.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    if is_json && !bytes.contains(&b'\n') && !bytes.contains(&b'\r') {
        out.extend_from_slice(bytes);
        return;
    }
    let value = match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => serde_json::Value::from(text),
        _ => serde_json::json!({ "base64": STANDARD.encode(bytes) }),
    };
    out.extend_from_slice(value.to_string().as_bytes());
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn rfc3339(time_ms: i64) -> String {
    let (days, in_day) = (time_ms.div_euclid(86_400_000), time_ms.rem_euclid(86_400_000));
    // Days to a date (Howard Hinnant's civil_from_days): years begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let time = Duration::from_millis(u64::try_from(in_day).unwrap_or(0));
    let (hour, minute, second) = (time.as_secs() / 3600, time.as_secs() / 60 % 60, time.as_secs() % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
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
    }
}
