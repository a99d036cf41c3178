//! Kafka Connect's single message transformations, applied to the shape of a record and not to records.
//!
//! A record's shape is known before its first row: which fields it has, where each comes from, its topic, its headers
//! ([`shape`]). Each transformation of the chain changes the shape (`steps`), once per version of a table and kind of
//! change; what comes out is compiled to pieces, bytes that are copied and values that are written ([`program`]). So a
//! chain costs nothing per row, and one that leaves fields out is faster than none. Owns that; the options of the chain are
//! `config::postgres::transforms`', the order in which a row change becomes records is the envelope's.

mod convert;
mod document;
mod message;
mod moment;
mod murmur;
mod outbox;
mod partition;
pub mod program;
mod rule;
pub mod shape;
mod steps;
mod timestamp;
mod timezone;

use crate::config::postgres::transforms::script::{NullHandling, Purpose, Script};
use crate::config::postgres::transforms::{Condition, Part, Predicate, Step, Transform};
use crate::encode::plan::EventSettings;
use rule::{Known, Rule};
use shape::{By, Content, Node, Routed, Shape};

/// Why a chain cannot be applied to a table's records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {why}")]
pub struct Unfit {
    /// The option: `transforms.x`, or a converter.
    pub option: String,
    /// What does not fit.
    pub why: String,
}

/// Sends a shape through the chain; `None` when a transformation drops the record.
pub fn apply(chain: &[Transform], mut shape: Shape) -> Result<Option<Shape>, Unfit> {
    for transform in chain {
        let unfit = |why| Unfit { option: format!("transforms.{}", transform.name), why };
        let by_topic = |only: &Condition| matches!(only.predicate, Predicate::TopicName(_));
        if shape.routed.is_some() && (transform.step.looks_at_topics() || transform.only.as_ref().is_some_and(by_topic)) {
            let why =
                "behind EventRouter, ContentBasedRouter and route.by.field the topic is each row's own: put what looks at topics before it";
            return Err(unfit(why.to_owned()));
        }
        if !concerns(transform, &shape) {
            continue;
        }
        let asks = |part, node: &Option<Node>| node.as_ref().is_some_and(Node::is_sparse) && transform.step.asks_fields(part);
        if asks(Part::Key, &shape.key) || asks(Part::Value, &shape.value) {
            let why = "behind drop.fields.header.name each record has fields of its own: put what looks at them before it";
            return Err(unfit(why.to_owned()));
        }
        // An envelope has rows where others have columns.
        let unwraps = matches!(transform.step, Step::Unwrap(_));
        if transform.null_is_default && !unwraps {
            shape.put_defaults();
        }
        let next = match &transform.step {
            Step::Script(script) => scripted(script, &transform.name, shape, true),
            step => steps::apply(step, shape).map_err(unfit)?,
        };
        match next {
            Some(next) => shape = next,
            None => return Ok(None),
        }
        if transform.null_is_default && unwraps {
            shape.put_defaults();
        }
    }
    Ok(Some(shape))
}

/// Where a record goes that is no row change (heartbeats, messages), and with which headers: of the chain, what looks at
/// topics and headers concerns it. `None` when a transformation drops it.
pub fn pass(chain: &[Transform], topic: String) -> Option<Shape> {
    let value = Some(Node::text("", false));
    let mut shape =
        Shape { topic, routed: None, key: None, value, headers: Vec::new(), conditions: Vec::new(), partition: None, timestamp: None };
    for transform in chain.iter().filter(|transform| transform.step.concerns_any_record()) {
        if concerns(transform, &shape) {
            shape = match &transform.step {
                Step::Script(script) => scripted(script, &transform.name, shape, false)?,
                step => steps::apply(step, shape).ok()??,
            };
        }
    }
    Some(shape)
}

/// `Filter` and `ContentBasedRouter`. Where nothing is known of rows, what depends on them leaves the record as it is.
fn scripted(script: &Script, name: &str, mut shape: Shape, has_rows: bool) -> Option<Shape> {
    if script.topics.as_ref().is_some_and(|topics| !topics.is_match(&shape.topic)) {
        return Some(shape);
    }
    let is_null = shape.value.as_ref().is_none_or(|value| matches!(value.content, Content::Null));
    match script.nulls {
        NullHandling::Keep if is_null => return Some(shape),
        NullHandling::Drop if is_null => return None,
        _ => {}
    }
    let option = if script.purpose == Purpose::Keep { "condition" } else { "topic.expression" };
    let rule = Rule::new(script, format!("transforms.{name}.{option}"), &shape, has_rows);
    match (script.purpose, rule.known()) {
        (Purpose::Keep, Known::Is(keeps)) => return keeps.then_some(shape),
        (Purpose::Route, Known::Topic(topic)) => shape.topic = topic.unwrap_or(shape.topic),
        _ if !has_rows => {}
        (Purpose::Keep, _) => shape.conditions.push(rule),
        (Purpose::Route, _) => {
            let by = By::Rule(rule, shape.topic.clone());
            shape.routed = Some(Routed { by, empty_is_tombstone: None, own_schema: false });
        }
    }
    Some(shape)
}

/// A chain at the transformation that decodes messages: what comes before it has been applied, `rest` is to be.
pub struct Decoding<'c> {
    /// The message's record so far: its topic and headers.
    pub shape: Shape,
    option: String,
    keeps_nulls: bool,
    rest: &'c [Transform],
}

impl<'c> Decoding<'c> {
    /// Of messages that go to `topic`; `None` where no transformation decodes them.
    pub fn new(chain: &'c [Transform], topic: &str) -> Option<Self> {
        chain.iter().enumerate().find_map(|(place, transform)| {
            let Step::Decode(keeps_nulls) = transform.step else { return None };
            let (before, rest) = chain.split_at_checked(place)?;
            let shape = pass(before, topic.to_owned()).filter(|shape| concerns(transform, shape))?;
            Some(Self { shape, option: format!("transforms.{}", transform.name), keeps_nulls, rest: rest.get(1..)? })
        })
    }

    /// The record of a message with this content; `None` where a transformation drops it.
    pub fn decode(self, settings: &EventSettings, content: &[u8]) -> Result<Option<Shape>, Unfit> {
        let unfit = |why| Unfit { option: self.option, why };
        let value = message::envelope(settings, content, self.keeps_nulls).map_err(unfit)?;
        apply(self.rest, Shape { key: None, value: Some(value), ..self.shape })
    }
}

fn concerns(transform: &Transform, shape: &Shape) -> bool {
    transform.only.as_ref().is_none_or(|only| {
        let holds = match &only.predicate {
            Predicate::TopicName(regex) => regex.is_match(&shape.topic),
            Predicate::Tombstone => shape.value.is_none(),
            Predicate::HasHeader(name) => shape.headers.iter().any(|header| header.name == *name),
        };
        holds != only.negate
    })
}
