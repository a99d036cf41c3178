//! Live streams: Server-Sent Events, WebSockets and what both are made of.
//!
//! Owns who is subscribed and how many may be. Promises that an event is encoded once for all who see it alike ([`channel`]), that
//! a record is looked at once however many filters there are ([`tail`], [`index`]), that a slow reader costs its place in the log and
//! not memory ([`subscriber`], [`feed`]), that an id resumes exactly where it was given ([`layout`]), and that a stream ends with the
//! token that it was asked with. Leaves which records there are to [`crate::log`], and what they say to [`crate::event`].

pub mod asked;
pub mod channel;
pub mod feed;
pub mod index;
pub mod layout;
pub mod lens;
pub mod page;
pub mod poll;
pub mod reader;
pub mod sse;
pub mod subscriber;
pub mod tail;
pub mod ws;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use tokio::sync::watch;

use crate::connect::Tokens;
use crate::log::builtin::BuiltinLog;
use channel::Channel;
use page::{Note, Page};
use reader::Readers;
use subscriber::Subscriber;
use tail::Tail;

/// How often is looked who needs a sign of life or has to go, at the least often.
const SWEEP: Duration = Duration::from_secs(1);

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams in all.
    pub streams: usize,
    /// Streams of one address.
    pub streams_per_ip: usize,
    /// A stream is told that it lives after this long without anything else.
    pub beat: Duration,
}

/// All live streams.
pub struct Streams {
    log: BuiltinLog,
    tail: Arc<Tail>,
    tokens: Option<Arc<Tokens>>,
    limits: Limits,
    stop: watch::Receiver<bool>,
    runs: AtomicBool,
    /// By where they are.
    subscribers: Mutex<HashMap<usize, Weak<Subscriber>>>,
    channels: Mutex<HashMap<String, Weak<Channel>>>,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
    open: AtomicUsize,
    /// Those who read the log themselves.
    readers: Arc<Readers>,
}

/// A place among the streams, given back when it is dropped.
pub struct Occupied {
    streams: Arc<Streams>,
    peer: IpAddr,
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
        let mut per_ip = lock(&self.streams.per_ip);
        if let Some(count) = per_ip.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                per_ip.remove(&self.peer);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it is held leaves plain collections.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place_of(subscriber: &Arc<Subscriber>) -> usize {
    Arc::as_ptr(subscriber).addr()
}

impl Streams {
    /// None yet, of this log.
    pub fn new(log: BuiltinLog, tokens: Option<Arc<Tokens>>, limits: Limits, stop: watch::Receiver<bool>) -> Arc<Self> {
        let (tail, runs, open, readers) = (Arc::default(), AtomicBool::new(false), AtomicUsize::new(0), Arc::default());
        let (subscribers, channels, per_ip) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { log, tail, tokens, limits, stop, runs, subscribers, channels, per_ip, open, readers })
    }

    /// The log.
    pub fn log(&self) -> &BuiltinLog {
        &self.log
    }

    /// How many there are.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Returns when all have ended, or after this long: a socket that is told why it closes goes on where it was.
    pub async fn ended(&self, most: Duration) {
        let until = Instant::now() + most;
        while self.open() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// How many there may be.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A place for one more, or why there is none.
    pub fn occupy(self: &Arc<Self>, peer: IpAddr) -> Result<Occupied, String> {
        self.run();
        let mut per_ip = lock(&self.per_ip);
        let open = self.open();
        if open >= self.limits.streams {
            return Err(format!("{open} streams are open already (http.max_streams)"));
        }
        let count = per_ip.entry(peer).or_default();
        if *count >= self.limits.streams_per_ip {
            return Err(format!("{count} streams of {peer} are open already (http.max_streams_per_ip)"));
        }
        *count += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Occupied { streams: Arc::clone(self), peer })
    }

    /// Starts what serves streams, with the first of them.
    fn run(self: &Arc<Self>) {
        if self.runs.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.tail.start(self.log.clone(), self.stop.clone()) {
            tracing::error!("live streams cannot be served: {error}");
        }
        let streams = Arc::clone(self);
        tokio::spawn(async move { streams.look_after().await });
    }

    /// The channel of this key; made when nobody has it.
    pub fn channel(&self, key: &str, make: impl FnOnce() -> Channel) -> Arc<Channel> {
        let mut channels = lock(&self.channels);
        if let Some(known) = channels.get(key).and_then(Weak::upgrade) {
            return known;
        }
        let made = Arc::new(make());
        channels.insert(key.to_owned(), Arc::downgrade(&made));
        made
    }

    fn enter(&self, subscriber: &Arc<Subscriber>) {
        lock(&self.subscribers).insert(place_of(subscriber), Arc::downgrade(subscriber));
    }

    fn join(&self, subscriber: &Arc<Subscriber>) {
        self.tail.join(subscriber);
    }

    fn leave(&self, subscriber: &Arc<Subscriber>) {
        lock(&self.subscribers).remove(&place_of(subscriber));
        self.tail.leave(&subscriber.channel);
    }

    /// Tells each stream now and then that it lives, and ends those that must not go on.
    async fn look_after(self: Arc<Self>) {
        let mut stop = self.stop.clone();
        let period = SWEEP.min(self.limits.beat / 4).max(Duration::from_millis(5));
        loop {
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            self.sweep();
        }
        // What comes next comes from another process.
        for subscriber in self.everybody() {
            subscriber.end(None);
        }
    }

    fn everybody(&self) -> Vec<Arc<Subscriber>> {
        lock(&self.subscribers).values().filter_map(Weak::upgrade).collect()
    }

    fn sweep(&self) {
        let (now, time) = (Instant::now(), SystemTime::now());
        let beat_ms = u64::try_from(self.limits.beat.as_millis()).unwrap_or(u64::MAX);
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let clock = crate::event::view::rfc3339(i64::try_from(seconds).unwrap_or(0));
        let alive = format!(": hb {}Z\n\n", clock.get(..19).unwrap_or_default());
        let mut topics = None;
        let mut grown: HashMap<usize, bool> = HashMap::new();
        for subscriber in self.everybody() {
            let channel = &subscriber.channel;
            if let Some(why) = subscriber.grant.as_ref().and_then(|grant| grant.refusal(self.tokens.as_deref(), time)) {
                let json = json!({ "code": why.code, "message": why.what, "retry": false }).to_string();
                let after = Arc::clone(&subscriber.state().after);
                subscriber.end(Some(Page::telling(Note::Error, channel.form, "", &json, after)));
                continue;
            }
            if !channel.patterns.is_empty() {
                let topics = topics.get_or_insert_with(|| self.log.topics());
                let has_grown = || channel.lacks_any(topics);
                if *grown.entry(Arc::as_ptr(channel).addr()).or_insert_with(has_grown) {
                    // It comes again with its id, and gets the new topic from its start.
                    subscriber.end(None);
                    continue;
                }
            }
            if subscriber.silent_ms(now) >= beat_ms {
                subscriber.remark(|after| match channel.form {
                    page::Form::Items => Page::of(Note::Alive, "", after),
                    page::Form::Events { .. } => {
                        let id = channel.layout.id(&after);
                        Page::of(Note::Alive, &format!("{alive}id: {id}\n\n"), after)
                    }
                });
            }
        }
        lock(&self.channels).retain(|_, channel| channel.strong_count() > 0);
    }
}
