//! Records that wait for their turn: made in one place, written to the log in another, in order.

use super::{Headers, RecordRef, RecordSink, Route, SinkFull};

/// Records one behind the other, in memory that can be used again.
#[derive(Debug, Default)]
pub struct Staged {
    /// Key, value and headers of each.
    bytes: Vec<u8>,
    records: Vec<Place>,
}

/// One record; its parts follow those of the record before it.
#[derive(Clone, Copy, Debug)]
struct Place {
    to: Route,
    timestamp_ms: i64,
    key: Option<u32>,
    value: Option<u32>,
    headers: u32,
    header_count: u32,
}

impl Staged {
    /// Bytes of its records.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// Writes the records into `sink`, in their order.
    pub fn replay<S: RecordSink>(&self, sink: &mut S) -> Result<(), SinkFull> {
        let mut rest = &self.bytes[..];
        let mut next = |length: u32| {
            let (part, after) = rest.split_at(length as usize);
            rest = after;
            part
        };
        for place in &self.records {
            let (key, value) = (place.key.map(&mut next), place.value.map(&mut next));
            let headers = Headers { count: place.header_count, bytes: next(place.headers) };
            sink.push(place.to, RecordRef { timestamp_ms: place.timestamp_ms, key, value, headers })?;
        }
        Ok(())
    }
}

impl RecordSink for Staged {
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        let length = |part: &[u8]| u32::try_from(part.len()).map_err(|_| SinkFull(format!("a record has a part of {} bytes", part.len())));
        let place = Place {
            to,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(length).transpose()?,
            value: record.value.map(length).transpose()?,
            headers: length(record.headers.bytes)?,
            header_count: record.headers.count,
        };
        for part in [record.key, record.value, Some(record.headers.bytes)].into_iter().flatten() {
            self.bytes.extend_from_slice(part);
        }
        self.records.push(place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::builder::BatchBuilder;
    use crate::record::{HeaderBlock, TopicIndex};

    /// A batch, and where each of its records was to go.
    #[derive(Default)]
    struct Batch(Vec<Route>, BatchBuilder);

    impl RecordSink for Batch {
        fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
            self.0.push(to);
            self.1.append(record);
            Ok(())
        }
    }

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut block = HeaderBlock::default();
        block.push("a", b"1");
        let (mut direct, mut staged, mut replayed) = (Batch::default(), Staged::default(), Batch::default());
        let records = [(Some(&b"k"[..]), Some(&b"value"[..])), (None, Some(b"")), (Some(b""), None), (None, None)];
        for round in 0..2 {
            for (index, (key, value)) in records.into_iter().enumerate() {
                let to = Route { topic: TopicIndex(index as u32 % 2), partition: 0 };
                let headers = if index == 1 { block.headers() } else { Headers::NONE };
                let record = RecordRef { timestamp_ms: index as i64, key, value, headers };
                direct.push(to, record).unwrap();
                staged.push(to, record).unwrap();
            }
            staged.replay(&mut replayed).unwrap();
            assert_eq!(staged.bytes(), 10, "round {round}");
            staged.clear();
        }
        assert_eq!(direct.0, replayed.0);
        assert_eq!(direct.1.seal(0), replayed.1.seal(0));
    }
}
