//! The sink of type `webhook`: its options, and what it can be asked.
//!
//! Owns the table of options and what the two sides of a running webhook share: the receiver, the secrets, the delivery log. Leaves the
//! work to `super::dispatch`, one run of it at a time, and replays to [`super::replay`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::address::Guard;
use super::answer::{SCHEDULE_S, Schedule};
use super::body;
use super::dispatch::Dispatcher;
use super::endpoint::{Endpoint, EndpointOptions, Target};
use super::history::{History, Wanted};
use super::lanes::{Limits, Order};
use super::replay::{self, Replay};
use super::signature::Signer;
use crate::config::define::invalid;
use crate::config::quantity;
use crate::deliver::{Around, Future, Key, Options, Question, Refusal, Sink};
use crate::event::{Event, Show, View};
use crate::metrics::Number;
use crate::problem::Problem;

/// Replays that wait for their turn.
const REPLAYS_MAX: usize = 8;
/// Tries behind the first one.
const RETRIES_MAX: usize = 50;
/// Bytes of bodies that are held of one subscription.
const HELD_BYTES: usize = 16 << 20;
/// Records that are held for each request that may be under way, and at least.
const HELD_RECORDS: (usize, usize) = (64, 1_024);

/// The options beside those that all subscriptions have.
pub static KEYS: &[Key] = &[
    Key { name: "url", default: "", doc: "where to: https://host/path, or http://" },
    Key { name: "secret", default: "", doc: "whsec_... (or whsk_... for ed25519); a list while one is replaced, the new one first" },
    Key { name: "view", default: "envelope", doc: "what stands in data: envelope, flat, diff, raw; cloudevents: the body is a CloudEvent" },
    Key { name: "columns", default: "", doc: "the row's columns that are sent; empty: all" },
    Key {
        name: "ordering",
        default: "key",
        doc: "key: one record of a key at a time, keys beside one another; topic: one record of a topic at a time",
    },
    Key { name: "concurrency", default: "8", doc: "requests at a time, 1 to 256" },
    Key { name: "timeout", default: "15s", doc: "how long one try may take" },
    Key {
        name: "retries",
        default: "5s,5m,30m,2h,5h,10h,14h,20h,24h",
        doc: "pauses between the tries of a record; behind the last one it is a dead letter",
    },
    Key {
        name: "max_waiting",
        default: "10000",
        doc: "records that may wait for another try, or behind one that does; then reading stops",
    },
    Key { name: "headers.*", default: "", doc: "headers of every request, such as headers.authorization" },
];

/// The sink.
pub struct Webhook {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) signer: Signer,
    pub(super) schedule: Schedule,
    pub(super) order: Order,
    pub(super) limits: Limits,
    pub(super) concurrency: usize,
    pub(super) history: History,
    pub(super) waiting: AtomicU64,
    view: View,
    columns: Option<Vec<String>>,
    replays: Mutex<Option<mpsc::Sender<Replay>>>,
}

/// Makes one of its options.
pub fn make(options: &mut Options) -> Option<Arc<dyn Sink>> {
    let target = options.required("url").map(|url| Target::parse(&url));
    let target = kept(options, "url", target.map(|target| target.and_then(|target| target.judged(&Guard::of_service()))));
    let secrets = options.texts("secret");
    let signer = kept(options, "secret", Some(Signer::new(secrets.iter().map(String::as_str))));
    let view = match options.text("view").map(|name| (View::parse(&name), name)) {
        None => View::default(),
        Some((Some(view), _)) => view,
        Some((None, name)) => {
            let names = View::ALL.map(|(name, _)| name);
            let hint = crate::config::suggest::did_you_mean(&name, names);
            options.problem("view", invalid("view", &name, &format!("one of {}", names.join(", "))).fix(hint));
            View::default()
        }
    };
    let columns = Some(options.list("columns")).filter(|columns| !columns.is_empty());
    let order = if options.word("ordering", &["key", "topic"]) == "topic" { Order::Topic } else { Order::Key };
    let concurrency = usize::try_from(options.number("concurrency", 8, 1..=256)).unwrap_or(1);
    let timeout = options.duration("timeout", Duration::from_secs(15));
    if timeout.is_zero() || timeout > Duration::from_secs(300) {
        options.problem("timeout", invalid("timeout", &format!("{timeout:?}"), "from 1ms to 5m"));
    }
    let schedule = retries(options);
    let waiting = usize::try_from(options.number("max_waiting", 10_000, 1..=100_000)).unwrap_or(1);
    let headers = options.map("headers");
    let endpoint_options = EndpointOptions { timeout, headers, content_type: body::content_type(view), idle_max: concurrency };
    let endpoint = target.map(|target| Endpoint::new(target, Guard::of_service(), endpoint_options));
    let endpoint = kept(options, "url", endpoint)?;
    Some(Arc::new(Webhook {
        endpoint: Arc::new(endpoint),
        signer: signer?,
        schedule,
        order,
        limits: Limits { records: (concurrency * HELD_RECORDS.0).max(HELD_RECORDS.1), bytes: HELD_BYTES, waiting },
        concurrency,
        history: History::default(),
        waiting: AtomicU64::new(0),
        view,
        columns,
        replays: Mutex::default(),
    }))
}

/// What was made; a problem is remembered by the option's name.
fn kept<T>(options: &mut Options, name: &str, made: Option<Result<T, Problem>>) -> Option<T> {
    match made? {
        Ok(made) => Some(made),
        Err(problem) => {
            options.problem(name, problem);
            None
        }
    }
}

fn retries(options: &mut Options) -> Schedule {
    let texts = options.list("retries");
    if texts.is_empty() {
        return Schedule::new(SCHEDULE_S.map(Duration::from_secs).to_vec());
    }
    // `none`: a record that fails once is a dead letter.
    if texts == ["none"] {
        return Schedule::new(Vec::new());
    }
    let mut waits = Vec::new();
    for text in &texts {
        match quantity::parse_duration(text) {
            Ok(wait) => waits.push(wait),
            Err(why) => options.problem("retries", invalid("retries", text, &format!("durations such as 5s, or none: {why}"))),
        }
    }
    if waits.len() > RETRIES_MAX {
        options.problem("retries", invalid("retries", "[...]", &format!("{RETRIES_MAX} pauses at most")));
    }
    Schedule::new(waits)
}

impl Webhook {
    /// The body for an event that the filter has judged so.
    pub(super) fn body(&self, event: &Event<'_>, judgement: crate::event::Judgement) -> Option<bytes::Bytes> {
        body::body(event, self.view, &Show { columns: self.columns.as_deref(), judgement, ..Show::default() })
    }

    fn replays(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Replay>>> {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Webhook {
    fn run(self: Arc<Self>, around: Around) -> Future<Result<(), Problem>> {
        Box::pin(async move {
            let (sender, replays) = mpsc::channel(REPLAYS_MAX);
            let dispatcher = Dispatcher::open(Arc::clone(&self), around).await?;
            *self.replays() = Some(sender);
            let ended = Box::pin(dispatcher.run(replays)).await;
            *self.replays() = None;
            ended
        })
    }

    fn ask(self: Arc<Self>, around: Around, question: Question) -> Future<Result<Json, Refusal>> {
        Box::pin(async move {
            match question {
                Question::Test => Box::pin(replay::test(&self, &around)).await,
                Question::Deliveries { state, limit } => {
                    let wanted = state.unwrap_or_default();
                    let wanted = Wanted::parse(&wanted)
                        .ok_or_else(|| Refusal::Wrong(format!("state={wanted} is none of failed, pending, delivered and dead")))?;
                    Ok(json!({ "items": self.history.list(wanted, limit) }))
                }
                Question::Replay(asked) => {
                    let (replay, told) = replay::prepare(&around, &asked).await?;
                    let sender = self.replays().clone();
                    let not_now = |why: &str| Problem::refuse("webhook/replay", "nothing can be delivered again now").why(why);
                    let Some(sender) = sender else {
                        return Err(Refusal::Failed(not_now("the subscription does not run").fix("rowfeed subscriptions resume NAME")));
                    };
                    sender
                        .try_send(replay)
                        .map_err(|_| Refusal::Failed(not_now("other replays are not through yet").fix("wait for them")))?;
                    Ok(told)
                }
                other => Err(Refusal::NotSupported(other.name())),
            }
        })
    }

    fn numbers(&self) -> Vec<Number> {
        let value = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        vec![Number {
            name: "rowfeed_webhook_waiting_records",
            help: "Records that wait for another try, or behind one that does",
            value: value(self.waiting.load(Ordering::Relaxed)),
        }]
    }
}
