//! Reading the log for one subscriber, at its own pace: what came before it was in its channel, and what it was too slow for.
//!
//! Promises that every record between two places is judged once and in order, that a gap is told where it is, and that nothing is
//! read before what was read is sent. It is let go as soon as its subscriber is in its channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::Streams;
use super::channel::Channel;
use super::page::{Note, PAGE_BYTES, Page, Press};
use crate::event::Event;
use crate::log::LogError;
use crate::log::subscription::{Delivery, Place, Subscription};
use crate::record::Route;

/// What all readers together may have in hand, about: the more there are, the smaller their pages.
const READERS_BYTES: usize = 128 << 20;
/// No page is smaller than this for their number's sake.
const PAGE_BYTES_MIN: usize = 8 << 10;
/// Between two looks at the log's end.
const REST: std::time::Duration = std::time::Duration::from_millis(5);
/// After so many records without one to show, the id is told.
const MARK_EVERY: u32 = 20_000;

/// How many readers there are.
#[derive(Debug, Default)]
pub struct Readers(AtomicUsize);

impl Readers {
    /// How large a page may be, that all of them have room.
    fn page_bytes(&self) -> usize {
        (READERS_BYTES / self.0.load(Ordering::Relaxed).max(1)).clamp(PAGE_BYTES_MIN, PAGE_BYTES)
    }
}

/// One of them, until it is dropped.
struct Counted(Arc<Readers>);

impl Counted {
    fn new(readers: &Arc<Readers>) -> Self {
        readers.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(readers))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a subscriber asked for beyond what its channel shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// So many records, then it ends.
    pub limit: Option<u64>,
    /// It ends when it has caught up.
    pub until_caught_up: bool,
    /// A gap ends it.
    pub fails_on_gap: bool,
    /// Records of one page at most, where others must be counted.
    pub page_records: Option<u32>,
}

impl Wishes {
    /// It cannot share what others get: it reads the log itself to its end.
    pub fn is_alone(&self) -> bool {
        self.limit.is_some() || self.until_caught_up
    }
}

/// What a step brought.
pub enum Step {
    /// Something to send.
    Page(Arc<Page>),
    /// Something to send, the last.
    Last(Arc<Page>),
    /// Everything there was has been read.
    CaughtUp,
    /// Everything up to the bound has been read.
    Reached,
}

/// A reader of the log.
pub struct Reader {
    subscription: Subscription,
    channel: Arc<Channel>,
    wishes: Wishes,
    /// The next offset of each partition.
    places: Vec<u64>,
    gone: Vec<bool>,
    press: Press,
    left: u64,
    unseen: u32,
    counted: Counted,
}

impl Reader {
    /// Reads from these places on. Of what is `gone` was told already.
    pub fn open(streams: &Streams, channel: Arc<Channel>, at: &[u64], gone: &[bool], wishes: Wishes) -> Self {
        let parts = channel.layout.parts();
        let place = |(part, next): (&super::layout::Part, &u64)| {
            let route = Route { topic: part.topic.index, partition: part.partition };
            Place { topic: Arc::clone(&part.topic), route, next: *next }
        };
        let places = parts.iter().zip(at).map(place).collect();
        let mut known = gone.to_vec();
        known.resize(parts.len(), false);
        let (press, gone) = (Press::new(channel.form), known);
        let left = wishes.limit.unwrap_or(u64::MAX);
        let subscription = Subscription::open(streams.log().clone(), places);
        let counted = Counted::new(&streams.readers);
        Self { subscription, channel, wishes, places: at.to_vec(), gone, press, left, unseen: 0, counted }
    }

    /// Where it is.
    pub fn places(&self) -> &[u64] {
        &self.places
    }

    /// Partitions that were found to be gone.
    pub fn gone(&self) -> &[bool] {
        &self.gone
    }

    /// Reads until there is something to send, or nothing more, or `until` is reached. With `waits` not before something became durable.
    pub async fn step(mut self: Box<Self>, until: Option<Arc<[u64]>>, waits: bool) -> (Box<Self>, Step) {
        let step = match self.go(until.as_deref(), waits).await {
            Ok(step) => step,
            Err(error) => {
                let json = json!({ "code": "stream/log", "message": error.to_string(), "retry": true });
                Step::Last(self.tell(Note::Error, &json.to_string()))
            }
        };
        (self, step)
    }

    async fn go(&mut self, until: Option<&[u64]>, waits: bool) -> Result<Step, LogError> {
        for (place, next) in self.places.iter().enumerate() {
            self.subscription.seek(place, *next);
        }
        if self.left == 0 {
            return Ok(Step::Last(self.end()));
        }
        if waits {
            self.subscription.wait().await?;
            // More comes meanwhile, and thousands do not look at once.
            tokio::time::sleep(REST).await;
        }
        let page_bytes = self.counted.0.page_bytes();
        self.press.fit(page_bytes);
        loop {
            if until.is_some_and(|until| self.places.iter().zip(until).all(|(place, until)| place >= until)) {
                return Ok(self.written().map_or(Step::Reached, Step::Page));
            }
            let Some(delivery) = self.subscription.read(2 * page_bytes).await? else {
                return Ok(self.written().map_or(Step::CaughtUp, Step::Page));
            };
            match delivery {
                Delivery::Records(chunk) => {
                    self.take(&chunk, until);
                    if !self.press.is_empty() {
                        return Ok(self.written().map_or(Step::CaughtUp, Step::Page));
                    }
                }
                Delivery::Gap { place, from, to } => {
                    let json = gap(&self.channel, place, from, to);
                    if let Some(at) = self.places.get_mut(place) {
                        *at = to;
                    }
                    if self.wishes.fails_on_gap {
                        let json = json!({ "code": "stream/gap", "message": "records were removed before they were read", "retry": false });
                        return Ok(Step::Last(self.tell(Note::Error, &json.to_string())));
                    }
                    return Ok(Step::Page(self.tell(Note::Gap, &json)));
                }
                Delivery::Deleted { place } => {
                    let is_told = self.gone.get_mut(place).is_some_and(|gone| std::mem::replace(gone, true));
                    if let Some(page) = self.deleted(place).filter(|_| !is_told) {
                        return Ok(page);
                    }
                }
            }
            // Long stretches without anything to show must not keep others waiting.
            tokio::task::yield_now().await;
        }
    }

    /// The records of a chunk, as many as a page takes.
    fn take(&mut self, chunk: &crate::log::subscription::Chunk, until: Option<&[u64]>) {
        let at = chunk.place;
        let Some((topic, partition)) = self.channel.layout.parts().get(at).map(|part| (Arc::clone(&part.topic), part.partition)) else {
            return;
        };
        let bound = until.and_then(|until| until.get(at)).copied().unwrap_or(u64::MAX);
        let (channel, press, places) = (&self.channel, &mut self.press, &mut self.places);
        let (mut left, mut unseen, mut is_whole) = (self.left, self.unseen, true);
        let most = self.wishes.page_records.unwrap_or(u32::MAX);
        chunk.records(|record| {
            if record.offset >= bound {
                return true;
            }
            if left == 0 || press.is_full() || press.records() >= most {
                is_whole = false;
                return false;
            }
            if let Some(place) = places.get_mut(at) {
                *place = record.offset + 1;
            }
            let event = Event::new(&topic.name, partition, &record);
            if channel.press(press, at, &event, |part| places.get(part).copied().unwrap_or(0)) {
                left -= 1;
                unseen = 0;
            } else {
                unseen += 1;
            }
            true
        });
        (self.left, self.unseen) = (left, unseen);
        let here = self.places.get(at).copied().unwrap_or(0);
        if is_whole {
            if let Some(place) = self.places.get_mut(at) {
                *place = chunk.next.min(bound).max(here);
            }
        } else {
            self.subscription.seek(at, here);
        }
        if self.unseen >= MARK_EVERY && self.press.is_empty() && matches!(self.channel.form, super::page::Form::Events { .. }) {
            self.unseen = 0;
            let places = &self.places;
            self.press.mark(&self.channel.layout, |part| places.get(part).copied().unwrap_or(0));
        }
    }

    fn written(&mut self) -> Option<Arc<Page>> {
        (!self.press.is_empty()).then(|| self.channel.page(&mut self.press, &self.places))
    }

    fn tell(&self, note: Note, json: &str) -> Arc<Page> {
        let id = self.channel.layout.id(&self.places);
        Page::telling(note, self.channel.form, &id, json, self.places.as_slice().into())
    }

    /// The end that was asked for.
    pub fn end(&self) -> Arc<Page> {
        let id = self.channel.layout.last_id(&self.places);
        Page::telling(Note::End, self.channel.form, &id, "{}", self.places.as_slice().into())
    }

    /// What is told when a topic was deleted: once, with its last partition.
    fn deleted(&self, place: usize) -> Option<Step> {
        let parts = self.channel.layout.parts();
        let name = &parts.get(place)?.topic.name;
        let mut of_it = parts.iter().zip(&self.gone).filter(|(part, _)| part.topic.name == *name);
        if !of_it.all(|(_, gone)| *gone) {
            return None;
        }
        let json = json!({ "code": "topic/deleted", "message": format!("{name} was deleted"), "retry": false });
        let page = self.tell(Note::Error, &json.to_string());
        Some(if self.gone.iter().all(|gone| *gone) { Step::Last(page) } else { Step::Page(page) })
    }
}

/// What is said of records that are missing.
pub fn gap(channel: &Channel, part: usize, from: u64, to: u64) -> String {
    // What is behind the end was never here: the log is another one.
    let reason = if to > from { "retention" } else { "unknown-offset" };
    let (requested, resumed) = (channel.layout.place(part, from), channel.layout.place(part, to));
    json!({ "requested": requested, "resumed": resumed, "reason": reason, "missing": to.saturating_sub(from) }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_readers_there_are_the_smaller_are_their_pages() {
        let readers = Arc::new(Readers::default());
        let mut counted = vec![Counted::new(&readers)];
        assert_eq!(readers.page_bytes(), PAGE_BYTES);
        while counted.len() < 20_000 {
            counted.push(Counted::new(&readers));
            let in_hand = counted.len() * readers.page_bytes();
            assert!(in_hand <= READERS_BYTES || readers.page_bytes() == PAGE_BYTES_MIN, "{}", counted.len());
        }
        assert_eq!(readers.page_bytes(), PAGE_BYTES_MIN);
        drop(counted);
        assert_eq!(readers.page_bytes(), PAGE_BYTES);
    }
}
