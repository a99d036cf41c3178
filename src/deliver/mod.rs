//! Subscriptions: what is delivered from the log to others, and how far each delivery is.
//!
//! Owns the definitions of subscriptions ([`definition`]), their running ([`registry`], `supervise`) and what a sink has around it
//! ([`around`]). A sink ([`Sink`]) is one folder: its options, and a future that delivers until it is told to stop. Promises
//! that a slow or dead receiver holds up nobody but itself, that a subscription goes on where it was, as the consumer group
//! `rowfeed.sub.NAME`, that passing trouble is tried again for ever with a growing pause, and that what needs a person is
//! said and kept. Leaves what a record says to [`crate::event`] and reading to [`crate::log::subscription`]. It knows neither
//! connectors nor the Kafka protocol: what it needs of both comes through [`Sources`] and [`Places`].

pub mod around;
pub mod definition;
pub mod elasticsearch;
pub mod options;
pub mod redis;
pub mod registry;
pub mod state;
pub mod status;
mod supervise;
pub mod webhook;

use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value as Json;

pub use around::{Around, DeadLetter};
pub use definition::{Definition, Origin};
pub use options::{Key, Options};
pub use registry::{Deliveries, SubscriptionView};
pub use status::{Outcome, Status};

use crate::change::Lsn;
use crate::config::postgres::PostgresConfig;
use crate::metrics::Number;
use crate::problem::Problem;

/// What group ids of subscriptions begin with; the subscription's name follows.
pub const GROUP_PREFIX: &str = "rowfeed.sub.";
/// What names of dead-letter topics begin with; the subscription's name follows.
pub const DEAD_PREFIX: &str = "__rowfeed.dead.";

/// A future of a sink.
pub type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// Who delivers. One for each subscription; what it remembers between two runs is in itself.
pub trait Sink: Send + Sync {
    /// Delivers until `around.stopped()`, then returns `Ok`. Problems: `Retry` is tried again after a pause, `Refuse` pauses the
    /// subscription until somebody resumes it, everything else makes it failed.
    fn run(self: Arc<Self>, around: Around) -> Future<Result<(), Problem>>;

    /// Answers what only this kind of sink knows. Asked at any time, also while it does not run.
    fn ask(self: Arc<Self>, _: Around, question: Question) -> Future<Result<Json, Refusal>> {
        Box::pin(async move { Err(Refusal::NotSupported(question.name())) })
    }

    /// Numbers of its own for the metrics.
    fn numbers(&self) -> Vec<Number> {
        Vec::new()
    }
}

/// What a sink may be asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// Deliver the newest record that fits once more, and say how that went.
    Test,
    /// The deliveries known: all, or those in a state.
    Deliveries {
        /// `failed`, `pending`, `delivered`, `dead`.
        state: Option<String>,
        /// So many at most.
        limit: usize,
    },
    /// Deliver a range again.
    Replay(Json),
    /// Wait until everything up to a position of the source is delivered.
    Barrier {
        /// The position.
        lsn: Lsn,
        /// So long at most.
        timeout: std::time::Duration,
    },
    /// What happened to a key of the receiver.
    Explain {
        /// The key.
        key: String,
    },
}

impl Question {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Deliveries { .. } => "deliveries",
            Self::Replay(_) => "replay",
            Self::Barrier { .. } => "barrier",
            Self::Explain { .. } => "explain",
        }
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// This kind of sink does not know it.
    NotSupported(&'static str),
    /// The question is wrong.
    Wrong(String),
    /// There is no such thing.
    NotFound(String),
    /// Not in time.
    Timeout(String),
    /// For another reason.
    Failed(Problem),
}

/// A kind of sink.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name: `type` of a subscription.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// Its options beside those that all have.
    pub keys: &'static [Key],
    /// Makes one of its options; `None` where they have mistakes, which the options remember.
    pub make: fn(&mut Options) -> Option<Arc<dyn Sink>>,
}

/// All kinds: a new one is a line here.
pub static KINDS: &[Kind] = &[
    Kind { name: "webhook", doc: "signed HTTP requests, by Standard Webhooks", keys: webhook::sink::KEYS, make: webhook::sink::make },
    self::redis::KIND,
    elasticsearch::KIND,
];

/// The places of consumer groups: where a subscription goes on.
pub trait Places: Send + Sync {
    /// What a group has committed: topic, partition, next offset.
    fn committed(&self, group: &str) -> Vec<(String, u32, u64)>;
    /// Commits offsets of a group; durable when it returns.
    fn commit<'a>(
        &'a self,
        group: &'a str,
        offsets: Vec<(String, u32, u64)>,
    ) -> Pin<Box<dyn std::future::Future<Output = Result<(), String>> + Send + 'a>>;
    /// Forgets a group.
    fn forget<'a>(&'a self, group: &'a str) -> Pin<Box<dyn std::future::Future<Output = ()> + Send + 'a>>;
}

/// A connector, as a sink that asks its database sees it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its options: how to connect.
    pub config: Arc<PostgresConfig>,
    /// Everything up to here is durable in the log.
    pub durable: Lsn,
}

/// The connectors.
pub trait Sources: Send + Sync {
    /// One by name.
    fn source(&self, name: &str) -> Option<Source>;
    /// The one that writes a topic.
    fn of_topic(&self, topic: &str) -> Option<Source>;
}
