//! Kafka Connect's single message transformations, applied to the shape of a record and not to records.
//!
//! A record's shape is known before its first row: which fields it has, where each comes from, its topic, its headers
//! ([`shape`]). Each transformation of the chain changes the shape (`steps`), once per version of a table and kind of
//! change; what comes out is compiled to pieces, bytes that are copied and values that are written ([`program`]). So a
//! chain costs nothing per row, and one that leaves fields out is faster than none. Owns that; the options of the chain are
//! `config::postgres::transforms`', the order in which a row change becomes records is the envelope's.

mod outbox;
pub mod program;
pub mod shape;
mod steps;

use crate::config::postgres::transforms::{Condition, Predicate, Step, Transform};
use shape::{Node, Shape};

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
            return Err(unfit("behind EventRouter the topic is each row's own: put what looks at topics before it".to_owned()));
        }
        if !concerns(transform, &shape) {
            continue;
        }
        // An envelope has rows where others have columns.
        let unwraps = matches!(transform.step, Step::Unwrap(_));
        if transform.null_is_default && !unwraps {
            shape.put_defaults();
        }
        match steps::apply(&transform.step, shape).map_err(unfit)? {
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
    let mut shape = Shape { topic, routed: None, key: None, value: Some(Node::text("", false)), headers: Vec::new() };
    for transform in chain.iter().filter(|transform| transform.step.concerns_any_record()) {
        if concerns(transform, &shape) {
            shape = steps::apply(&transform.step, shape).ok()??;
        }
    }
    Some(shape)
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
