//! What feeds a subscriber: it reads the log until it meets its channel, and comes back to that when it was too slow.
//!
//! Owns the way through the phases: reads, asks, closes the gap to its channel, is in it. Promises that nothing is sent twice or
//! left out where one ends and the next begins. A socket that was taken over is driven here, too.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::Streams;
use super::page::{Note, Page};
use super::reader::{Reader, Step, Wishes};
use super::subscriber::{Outlet, Phase, Subscriber};

/// Steps of one turn; then others have theirs.
const STEPS_MAX: usize = 16;

type Stepping = Pin<Box<dyn Future<Output = (Box<Reader>, Step)> + Send>>;

/// Its own reading of the log.
enum Reading {
    Not,
    Stops(Box<Reader>),
    Goes(Stepping),
}

/// A subscriber's feed. Dropped, the subscriber is over.
pub struct Feed {
    subscriber: Arc<Subscriber>,
    streams: Arc<Streams>,
    reading: Reading,
    /// Read, while something else was on its way.
    read: Option<Arc<Page>>,
    wishes: Wishes,
    /// It has caught up alone, and waits for what comes.
    waits: bool,
    /// Its last page is on its way.
    is_last: bool,
    _place: Option<super::Occupied>,
}

impl Feed {
    /// Feeds a subscriber.
    pub fn new(streams: Arc<Streams>, subscriber: Arc<Subscriber>, wishes: Wishes, place: Option<super::Occupied>) -> Self {
        streams.enter(&subscriber);
        Self { subscriber, streams, reading: Reading::Not, read: None, wishes, waits: false, is_last: false, _place: place }
    }

    /// Whom it feeds.
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// True when there is something to send, false when nothing comes any more.
    pub fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        for _ in 0..STEPS_MAX {
            let phase = {
                let mut state = self.subscriber.state();
                if state.own.is_none() && !matches!(state.phase, Phase::Over) {
                    state.own = self.read.take();
                }
                if state.front().is_some() {
                    return Poll::Ready(true);
                }
                if self.is_last {
                    state.phase = Phase::Over;
                }
                if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    state.waker = Some(cx.waker().clone());
                }
                state.phase.clone()
            };
            match phase {
                Phase::Over => return Poll::Ready(false),
                Phase::Asks | Phase::Joined => return Poll::Pending,
                Phase::Reads => match self.poll_step(cx, None) {
                    Poll::Ready(step) => self.take(step),
                    Poll::Pending => return Poll::Pending,
                },
                Phase::Closes(until) => {
                    let is_there = matches!(self.reading, Reading::Not) && self.subscriber.state().after == until;
                    let step = if is_there { Poll::Ready(Step::Reached) } else { self.poll_step(cx, Some(until)) };
                    match step {
                        Poll::Ready(step) => self.take(step),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, until: Option<Arc<[u64]>>) -> Poll<Step> {
        loop {
            match std::mem::replace(&mut self.reading, Reading::Not) {
                Reading::Not => {
                    let channel = Arc::clone(&self.subscriber.channel);
                    let state = self.subscriber.state();
                    let reader = Reader::open(&self.streams, channel, &state.after, &state.gone, self.wishes);
                    drop(state);
                    self.reading = Reading::Stops(Box::new(reader));
                }
                Reading::Stops(reader) => self.reading = Reading::Goes(Box::pin(reader.step(until.clone(), self.waits))),
                Reading::Goes(mut stepping) => match stepping.as_mut().poll(cx) {
                    Poll::Ready((reader, step)) => {
                        self.reading = Reading::Stops(reader);
                        return Poll::Ready(step);
                    }
                    Poll::Pending => {
                        self.reading = Reading::Goes(stepping);
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    fn take(&mut self, step: Step) {
        let places: Option<Arc<[u64]>> = match &self.reading {
            Reading::Stops(reader) => Some(reader.places().into()),
            _ => None,
        };
        match step {
            Step::Page(page) => {
                if let (Some(Note::Error), Reading::Stops(reader)) = (page.note, &self.reading) {
                    // One topic of several was deleted: told once, and the others go on.
                    self.subscriber.state().gone = reader.gone().into();
                }
                self.read = Some(page);
                self.waits = false;
            }
            Step::Last(page) => {
                self.read = Some(page);
                self.is_last = true;
            }
            Step::CaughtUp if self.wishes.is_alone() => {
                self.waits = true;
                let Some(places) = places else { return };
                if self.wishes.until_caught_up {
                    if let Reading::Stops(reader) = &self.reading {
                        self.read = Some(reader.end());
                        self.is_last = true;
                    }
                } else {
                    self.tell_caught_up(&mut self.subscriber.state(), places);
                }
            }
            Step::CaughtUp => {
                let mut state = self.subscriber.state();
                // It may have been ended meanwhile; or be in the channel, whose bound is behind the end then.
                if matches!(state.phase, Phase::Reads) {
                    self.reading = Reading::Not;
                    state.after = places.unwrap_or_else(|| Arc::clone(&state.after));
                    state.phase = Phase::Asks;
                    drop(state);
                    self.streams.join(&self.subscriber);
                }
            }
            Step::Reached => {
                let mut state = self.subscriber.state();
                let Phase::Closes(until) = state.phase.clone() else { return };
                // Beyond it only where records were removed: those pages tell nothing new.
                self.reading = Reading::Not;
                state.phase = Phase::Joined;
                // In one breath with it: what its channel has for it comes behind.
                self.tell_caught_up(&mut state, until);
            }
        }
    }

    /// It is there; told once to each subscriber.
    fn tell_caught_up(&self, state: &mut super::subscriber::State, places: Arc<[u64]>) {
        state.after = Arc::clone(&places);
        if !std::mem::replace(&mut state.told, true) {
            let channel = &self.subscriber.channel;
            let id = channel.layout.id(&places);
            // Where a sign of life is on its way, it is the one that is left out.
            state.own.get_or_insert_with(|| Page::telling(Note::CaughtUp, channel.form, &id, "{\"lag\":0}", places));
        }
    }

    /// The next page for whoever asks for pages.
    pub fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<Page>>> {
        match self.poll_more(cx) {
            Poll::Ready(true) => {
                let page = self.subscriber.state().pop();
                self.subscriber.wrote();
                Poll::Ready(page)
            }
            Poll::Ready(false) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Feed {
    /// As [`Self::poll_page`], of at most so many records: a page with more is read again in smaller ones.
    pub fn poll_page_of(&mut self, cx: &mut Context<'_>, records: u32) -> Poll<Option<Arc<Page>>> {
        self.wishes.page_records = Some(records);
        for _ in 0..STEPS_MAX {
            match self.poll_more(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
            let mut state = self.subscriber.state();
            let is_small = state.front().is_none_or(|page| page.records <= records);
            if is_small {
                if let Some(page) = state.pop() {
                    drop(state);
                    self.subscriber.wrote();
                    return Poll::Ready(Some(page));
                }
            } else {
                (state.own, state.phase) = (None, Phase::Reads);
                state.queue.clear();
                drop(state);
                (self.reading, self.read, self.is_last) = (Reading::Not, None, false);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Feed {
    /// Passes over what waits, or, where it has fallen behind its channel, over all that there is: how many records that were; there by their
    /// offsets, tombstones and what compaction took among them. For one whose page is not on its way.
    pub fn skip(&mut self) -> u64 {
        let mut state = self.subscriber.state();
        match state.phase {
            Phase::Joined => {
                let mut skipped = 0;
                while state.front().is_some_and(|page| page.note.is_none()) {
                    skipped += state.pop().map_or(0, |page| u64::from(page.records));
                }
                skipped
            }
            // A gap or an error that waits is told first.
            Phase::Reads if state.own.as_ref().or(self.read.as_ref()).is_some_and(|page| page.note.is_some()) => 0,
            Phase::Reads => {
                let log = self.streams.log();
                let layout = &self.subscriber.channel.layout;
                let ranges: Option<Vec<_>> = layout.parts().iter().map(|part| log.offsets(part.topic.index, part.partition)).collect();
                // What retention took, and a topic that is gone, its own reading finds and tells.
                let Some(ranges) =
                    ranges.filter(|ranges| ranges.iter().zip(state.after.iter()).all(|(range, after)| range.start <= *after))
                else {
                    return 0;
                };
                let ends: Arc<[u64]> = ranges.iter().zip(state.after.iter()).map(|(range, after)| range.end.max(*after)).collect();
                let skipped = ends.iter().zip(state.after.iter()).map(|(end, after)| end - after).sum();
                (state.after, state.own) = (ends, None);
                drop(state);
                (self.reading, self.read) = (Reading::Not, None);
                skipped
            }
            Phase::Asks | Phase::Closes(_) | Phase::Over => 0,
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        {
            let mut state = self.subscriber.state();
            state.phase = Phase::Over;
            (state.own, state.waker) = (None, None);
            state.queue.clear();
        }
        self.streams.leave(&self.subscriber);
    }
}

/// A body that is fed.
pub struct Body(pub Feed);

impl futures_core::Stream for Body {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_page(cx).map(|page| page.map(|page| Ok(page.body())))
    }
}

/// A socket that is fed, until its client goes or nothing comes any more.
pub struct Socket(pub Feed);

/// The end of a body in chunks.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Socket {
    /// True when the client is gone. What it says is not listened to.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Outlet::Socket(stream) = &self.0.subscriber.outlet else { return Poll::Ready(()) };
        let mut said = [0; 256];
        for _ in 0..STEPS_MAX {
            match stream.poll_read_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {}
            }
            match stream.try_read(&mut said) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        // Whoever says so much is no reader of events.
        Poll::Ready(())
    }
}

impl Future for Socket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_gone(cx).is_ready() {
            return Poll::Ready(());
        }
        let subscriber = Arc::clone(&self.0.subscriber);
        let Outlet::Socket(stream) = &subscriber.outlet else { return Poll::Ready(()) };
        for _ in 0..STEPS_MAX {
            match self.0.poll_more(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(false) => {
                    // Its end, if there is room for it: else the closing says it.
                    let _ = stream.try_write(LAST_CHUNK);
                    return Poll::Ready(());
                }
                Poll::Ready(true) => {}
            }
            let mut state = subscriber.state();
            let Some(page) = state.front().cloned() else { continue };
            let rest = page.chunk().get(state.written..).unwrap_or_default();
            match stream.try_write(rest) {
                Ok(sent) => {
                    state.written += sent;
                    if sent == rest.len() {
                        state.pop();
                    }
                    drop(state);
                    subscriber.wrote();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                        state.waker = Some(cx.waker().clone());
                    }
                    drop(state);
                    match stream.poll_write_ready(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Err(_)) => return Poll::Ready(()),
                        Poll::Ready(Ok(())) => {}
                    }
                }
                Err(_) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
