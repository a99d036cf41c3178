//! How a record that waits for another try is remembered over restarts.
//!
//! Owns the stored form: one entry for each such record, by topic, partition and offset, with how often it was tried, when it is tried
//! again and why the last try failed. What the record says is not in it: that stands in the log. Promises that a stored form is read for
//! ever, and that one which cannot be read is passed over and told, not guessed.

use serde_json::{Value, json};

use super::answer::Progress;

/// The longest reason that is stored.
const ERROR_BYTES_MAX: usize = 200;
/// What keys begin with.
pub const PREFIX: &str = "waiting/";
/// The form below.
const VERSION: u64 = 1;

/// A record that waits, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its topic's name.
    pub topic: String,
    /// The topic's id: one of the same name that was made later has other records.
    pub topic_id: [u8; 16],
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// What it is in order with.
    pub lane: u64,
    /// Its tries.
    pub progress: Progress,
    /// When it is tried again, milliseconds since 1970; 0: behind those before it.
    pub next_at_ms: u64,
    /// The last status.
    pub status: Option<u16>,
    /// Why the last try failed.
    pub error: String,
}

/// The key of a record's entry.
pub fn key(topic: &str, partition: u32, offset: u64) -> String {
    format!("{PREFIX}{topic}/{partition}/{offset}")
}

impl Stored {
    /// Its key.
    pub fn key(&self) -> String {
        key(&self.topic, self.partition, self.offset)
    }

    /// Its stored form.
    pub fn write(&self) -> Vec<u8> {
        let end = (0..=self.error.len().min(ERROR_BYTES_MAX)).rev().find(|end| self.error.is_char_boundary(*end)).unwrap_or(0);
        let value = json!({
            "v": VERSION,
            "topic": self.topic,
            "id": uuid::Uuid::from_bytes(self.topic_id).to_string(),
            "partition": self.partition,
            "offset": self.offset,
            "lane": format!("{:016x}", self.lane),
            "tries": self.progress.tries,
            "counted": self.progress.counted,
            "next": self.next_at_ms,
            "status": self.status,
            "error": self.error.get(..end),
        });
        value.to_string().into_bytes()
    }

    /// Reads a stored form.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        if value.get("v")?.as_u64()? != VERSION {
            return None;
        }
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        let small = |name: &str| number(name).and_then(|number| u32::try_from(number).ok());
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Some(Self {
            topic: text("topic")?.to_owned(),
            topic_id: *uuid::Uuid::parse_str(text("id")?).ok()?.as_bytes(),
            partition: small("partition")?,
            offset: number("offset")?,
            lane: u64::from_str_radix(text("lane")?, 16).ok()?,
            progress: Progress { tries: small("tries")?, counted: small("counted")? },
            next_at_ms: number("next")?,
            status: number("status").and_then(|status| u16::try_from(status).ok()),
            error: text("error").unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored() -> Stored {
        Stored {
            topic: "shop.public.orders".into(),
            topic_id: [7; 16],
            partition: 3,
            offset: u64::MAX,
            lane: u64::MAX,
            progress: Progress { tries: 4, counted: 2 },
            next_at_ms: 1_795_233_128_832,
            status: Some(503),
            error: "é".repeat(300),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = stored();
        let read = Stored::read(&written.write()).unwrap();
        assert_eq!(read, Stored { error: "é".repeat(100), ..written });
        assert_eq!(read.key(), "waiting/shop.public.orders/3/18446744073709551615");
    }

    #[test]
    fn the_first_form_is_read_for_ever() {
        let first = br#"{"v":1,"topic":"t","id":"07070707-0707-0707-0707-070707070707","partition":0,"offset":5,"lane":"00000000000000ff","tries":1,"counted":1,"next":9,"status":null,"error":"x"}"#;
        let read = Stored::read(first).unwrap();
        assert_eq!((read.offset, read.lane, read.status, read.next_at_ms), (5, 255, None, 9));
    }

    proptest! {
        #[test]
        fn bytes_that_are_none_are_passed_over(bytes in proptest::collection::vec(any::<u8>(), 0..80), cut in 0usize..200) {
            let _ = Stored::read(&bytes);
            let whole = stored().write();
            prop_assert_eq!(Stored::read(&whole[..cut.min(whole.len() - 1)]), None);
        }
    }
}
