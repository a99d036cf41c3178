//! Logical decoding messages whose content is decoded: each has a shape of its own, which its record is written by at once.
//!
//! Owns the way from a message to its record where `DecodeLogicalDecodingMessageContent` is in the chain. Unlike rows such
//! messages cost allocations: what their fields are is known only when they come.

use super::envelope::source::SourceBlock;
use super::plan::EventSettings;
use super::transform::Decoding;
use super::transform::program::{self, BadValue, Input, Program};
use super::transform::shape::{By, Shape};
use super::{EncodeError, control, transaction};
use crate::change::{Position, TransactionCounts};
use crate::record::{HeaderBlock, RecordRef, RecordSink, TopicHandle};

/// A message's record, before its topic is open.
pub struct Decoded<'a> {
    shape: Shape,
    input: Input<'a>,
    source: SourceBlock,
}

/// How messages are decoded; `None` where they are not.
pub fn decoding(settings: &EventSettings) -> Option<Decoding<'_>> {
    Decoding::new(&settings.transforms, &control::message_topic(settings))
}

fn refused(why: String) -> EncodeError {
    EncodeError::Transform { table: "a logical decoding message".to_owned(), why }
}

fn bad(bad: BadValue) -> EncodeError {
    let (BadValue::Transform(why) | BadValue::Convert(_, why)) = bad else { return refused("a value is not of its type".to_owned()) };
    refused(why)
}

impl<'a> Decoded<'a> {
    /// Decodes a message; `None` where a transformation drops it. It is counted either way.
    pub fn new(
        settings: &EventSettings,
        decoding: Decoding<'_>,
        content: &[u8],
        at: &'a Position,
        counts: Option<&mut TransactionCounts>,
        now_ns: i64,
    ) -> Result<Option<Self>, EncodeError> {
        let place = transaction::place(counts, control::MESSAGES, at);
        let input = Input { before: None, after: None, older: None, at, place, now_ns };
        let Some(mut shape) = decoding.decode(settings, content).map_err(|unfit| refused(unfit.to_string()))? else { return Ok(None) };
        let (mut scratch, mut source) = (Vec::new(), SourceBlock::new(settings, "", ""));
        for condition in std::mem::take(&mut shape.conditions) {
            if !condition.keeps(&mut scratch, &input, |out: &mut Vec<u8>| source.write(out, at)).map_err(bad)? {
                return Ok(None);
            }
        }
        if let Some(routed) = shape.routed.take()
            && let By::Rule(rule, otherwise) = routed.by
        {
            let said = rule.topic(&mut scratch, &input, |out: &mut Vec<u8>| source.write(out, at)).map_err(bad)?;
            shape.topic = said.map_or(otherwise, |said| String::from_utf8_lossy(said).into_owned());
        }
        Ok(Some(Self { shape, input, source }))
    }

    /// Where it goes.
    pub fn topic(&self) -> &str {
        &self.shape.topic
    }

    /// Pushes the record.
    pub fn push<S: RecordSink>(mut self, settings: &EventSettings, to: TopicHandle, out: &mut S) -> Result<(), EncodeError> {
        let (key, value) = (settings.key_converter, settings.value_converter);
        let program = Program::new(&self.shape, program::Topic::Fixed(to), key, value, settings.header_converter);
        let program = program.map_err(|unfit| refused(unfit.to_string()))?;
        let input = &self.input;
        let mut source = |out: &mut Vec<u8>| self.source.write(out, input.at);
        let (mut key, mut value, mut headers) = (Vec::new(), Vec::new(), HeaderBlock::default());
        let has_key = program.key.as_ref().map_or(Ok(false), |pieces| pieces.write(&mut key, input, &mut source)).map_err(bad)?;
        let has_value = program.value.as_ref().map_or(Ok(false), |pieces| pieces.write(&mut value, input, &mut source)).map_err(bad)?;
        let headers = if let program::Headers::Fixed(block) = &program.headers {
            block.headers()
        } else {
            program.headers.write(&mut headers, &mut Vec::new(), &[], input, &mut source).map_err(bad)?;
            headers.headers()
        };
        let key = has_key.then_some(&key[..]);
        let timestamp = match &program.timestamp {
            Some(timestamp) => timestamp.of(&mut Vec::new(), input, &mut source).map_err(bad)?,
            None => None,
        };
        let timestamp_ms = timestamp.unwrap_or(input.now_ns / 1_000_000);
        let record = RecordRef { timestamp_ms, key, value: has_value.then_some(&value[..]), headers };
        let partition = match &program.partition {
            Some(partition) => partition.of(&mut Vec::new(), input, &mut source).map_err(bad)?,
            None => None,
        };
        let mut route = to.route(key);
        route.partition = partition.unwrap_or(route.partition);
        if route.partition >= to.partitions {
            return Err(refused(format!(
                "{} leads to partition {}, and the topic has {}",
                program.partition.as_ref().map_or("its key", |by| by.option()),
                route.partition,
                to.partitions
            )));
        }
        out.push(route, record)?;
        Ok(())
    }
}
