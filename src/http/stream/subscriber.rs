//! A subscriber, as those see it who have something for it: what waits for it, and where it is.
//!
//! Owns the small queue of pages and the subscriber's phase. Promises that pages go out in order and whole; that what waits
//! is bounded: one that is too slow leaves its channel and keeps its place alone; and that giving it a page never waits. Where
//! the socket has room and nothing waits, a page is written at once, by whoever has it: an idle subscriber is not even woken. Leaves
//! reading the log to [`super::feed`], and who gets what to [`super::tail`].

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use tokio::net::TcpStream;

use super::channel::Channel;
use super::page::Page;
use crate::http::auth::Grant;

/// Pages that wait for a slow subscriber.
const QUEUE_PAGES: usize = 8;
/// Their bytes, about.
const QUEUE_BYTES: usize = 128 << 10;

/// Where pages go.
pub enum Outlet {
    /// A socket of its own.
    Socket(TcpStream),
    /// Whoever asks for the next one: a body, a WebSocket.
    Asker,
}

/// How a subscriber gets its events.
#[derive(Clone, Debug)]
pub enum Phase {
    /// It reads the log itself, from its place on.
    Reads,
    /// It is at the end and has asked its channel to be let in.
    Asks,
    /// It is in the channel, whose pages wait until it has read up to here.
    Closes(Arc<[u64]>),
    /// It is in the channel.
    Joined,
    /// Nothing more comes.
    Over,
}

/// A subscriber.
pub struct Subscriber {
    /// What it sees.
    pub channel: Arc<Channel>,
    /// Where pages go.
    pub outlet: Outlet,
    /// Its client's address.
    pub peer: IpAddr,
    /// What it may see, and until when.
    pub grant: Option<Arc<Grant>>,
    state: Mutex<State>,
    /// Milliseconds from [`Subscriber::began`] to the last page.
    wrote_ms: AtomicU64,
    /// Its channel has it among its subscribers: for [`super::tail`] alone.
    pub listed: AtomicBool,
    began: Instant,
}

/// What changes.
pub struct State {
    /// How it gets its events.
    pub phase: Phase,
    /// The place behind all that was sent.
    pub after: Arc<[u64]>,
    /// What it read itself: sent before the queue.
    pub own: Option<Arc<Page>>,
    /// Pages of its channel.
    pub queue: VecDeque<Arc<Page>>,
    /// Bytes of the first page that are sent already.
    pub written: usize,
    /// It was told that it has caught up.
    pub told: bool,
    /// Partitions whose topics are gone, as it was told; empty: none.
    pub gone: Box<[bool]>,
    /// Who is woken.
    pub waker: Option<Waker>,
}

impl State {
    /// The page whose turn it is.
    pub fn front(&self) -> Option<&Arc<Page>> {
        match (&self.own, &self.phase) {
            (Some(own), _) => Some(own),
            // What was read before them comes first.
            (None, Phase::Closes(_)) => None,
            (None, _) => self.queue.front(),
        }
    }

    /// That page was sent.
    pub fn pop(&mut self) -> Option<Arc<Page>> {
        let page = match self.own.take() {
            Some(own) => own,
            None => self.queue.pop_front()?,
        };
        self.written = 0;
        self.after = Arc::clone(&page.after);
        if self.queue.is_empty() {
            // An idle one keeps no room.
            self.queue = VecDeque::new();
        }
        Some(page)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Leaves the channel: what waits is read again later, but for a page that was begun.
    fn fall_behind(&mut self) {
        if matches!(self.phase, Phase::Joined) && self.own.is_none() && self.written > 0 {
            self.own = self.queue.pop_front();
        }
        self.queue = VecDeque::new();
        self.phase = Phase::Reads;
        self.wake();
    }
}

impl Subscriber {
    /// One that begins here.
    pub fn new(channel: Arc<Channel>, outlet: Outlet, peer: IpAddr, grant: Option<Arc<Grant>>, at: Arc<[u64]>) -> Self {
        let state = State {
            phase: Phase::Reads,
            after: at,
            own: None,
            queue: VecDeque::new(),
            written: 0,
            told: false,
            gone: Box::default(),
            waker: None,
        };
        let (wrote_ms, listed) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { channel, outlet, peer, grant, state: Mutex::new(state), wrote_ms, listed, began: Instant::now() }
    }

    /// What changes, for a moment.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was sent just now.
    pub fn wrote(&self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.wrote_ms.store(ms, Ordering::Relaxed);
    }

    /// Milliseconds since something was sent.
    pub fn silent_ms(&self, now: Instant) -> u64 {
        let age = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX);
        age.saturating_sub(self.wrote_ms.load(Ordering::Relaxed))
    }

    /// A page of its channel; false when it is not in the channel any more.
    pub fn offer(&self, page: &Arc<Page>) -> bool {
        let mut state = self.state();
        let is_direct = match state.phase {
            Phase::Joined => state.own.is_none() && state.queue.is_empty(),
            Phase::Closes(_) => false,
            _ => return false,
        };
        if let (true, Outlet::Socket(stream)) = (is_direct, &self.outlet) {
            match stream.try_write(page.chunk()) {
                Ok(sent) if sent == page.chunk().len() => {
                    state.after = Arc::clone(&page.after);
                    drop(state);
                    self.wrote();
                    return true;
                }
                Ok(sent) => state.written = sent,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => state.written = 0,
                Err(_) => {
                    state.phase = Phase::Over;
                    state.wake();
                    return false;
                }
            }
        }
        let waiting: usize = state.queue.iter().map(|page| page.chunk().len()).sum();
        let is_full = state.queue.len() >= QUEUE_PAGES || (!state.queue.is_empty() && waiting + page.chunk().len() > QUEUE_BYTES);
        if is_full {
            state.fall_behind();
            return false;
        }
        state.queue.push_back(Arc::clone(page));
        state.wake();
        true
    }

    /// Its channel lets it in: pages come from here on.
    pub fn admit(&self, boundary: &Arc<[u64]>) -> bool {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Asks) {
            return false;
        }
        state.phase = Phase::Closes(Arc::clone(boundary));
        state.wake();
        true
    }

    /// Its channel has nothing for it any more: it reads on by itself.
    pub fn dismiss(&self) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Over) {
            state.fall_behind();
        }
    }

    /// Whether its channel has pages for it.
    pub fn is_in_channel(&self) -> bool {
        matches!(self.state().phase, Phase::Joined | Phase::Closes(_))
    }

    /// Something that belongs to no place, such as a sign of life, where nothing is on its way.
    pub fn remark(&self, make: impl FnOnce(Arc<[u64]>) -> Arc<Page>) {
        let mut state = self.state();
        if state.own.is_some() || !state.queue.is_empty() || matches!(state.phase, Phase::Over) {
            return;
        }
        // What its channel passed over for it is behind it, too: its id must not stay where retention comes.
        let seen = if matches!(state.phase, Phase::Joined) { self.channel.seen() } else { Arc::default() };
        let is_ahead = seen.len() == state.after.len() && seen.iter().zip(state.after.iter()).all(|(seen, after)| seen >= after);
        let page = make(if is_ahead { seen } else { Arc::clone(&state.after) });
        if let Outlet::Socket(stream) = &self.outlet {
            match stream.try_write(page.chunk()) {
                Ok(sent) if sent == page.chunk().len() => {
                    state.after = Arc::clone(&page.after);
                    drop(state);
                    return self.wrote();
                }
                Ok(sent) => state.written = sent,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => state.phase = Phase::Over,
            }
        }
        state.own = Some(page);
        state.wake();
    }

    /// Ends it behind what was begun, with this for a last word.
    pub fn end(&self, last: Option<Arc<Page>>) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Over) {
            return;
        }
        let begun = if state.written > 0 { state.front().cloned() } else { None };
        (state.own, state.queue) = match begun {
            Some(begun) => (Some(begun), last.into_iter().collect()),
            None => (last, VecDeque::new()),
        };
        state.phase = Phase::Over;
        state.wake();
    }
}
