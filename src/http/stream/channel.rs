//! A channel: what many subscribers see alike, encoded once for all of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::layout::Layout;
use super::lens::Lens;
use super::page::{Form, Page, Press};
use crate::event::{Event, Judgement};
use crate::log::topic::{TopicInfo, fits};

/// What a channel shows.
pub struct Channel {
    /// Its partitions.
    pub layout: Layout,
    /// What is shown of each event.
    pub lens: Lens,
    /// How.
    pub form: Form,
    /// Topics that come into being later belong to it, too.
    pub patterns: Vec<String>,
    /// The newest topic when it was found to lack none, and one more.
    pub looked: AtomicU32,
    /// Up to here everything was given to its subscribers, also what they do not see; empty: not known.
    pub seen: Mutex<Arc<[u64]>>,
}

impl Channel {
    /// Whether a topic belongs to it that is not in its layout yet; one that was deleted and made anew is another.
    pub fn lacks(&self, topic: &TopicInfo) -> bool {
        let is_known = || self.layout.parts().iter().any(|part| part.topic.index == topic.index);
        !topic.internal && is_among(&self.patterns, &topic.name) && !is_known()
    }

    /// Whether it lacks one of these, all that there are. They are looked at when there is a newer one than before.
    pub fn lacks_any(&self, topics: &[Arc<TopicInfo>]) -> bool {
        let newest = topics.iter().map(|topic| topic.index.0.saturating_add(1)).max().unwrap_or(0);
        if self.patterns.is_empty() || self.looked.load(Ordering::Relaxed) == newest {
            return false;
        }
        let lacks = topics.iter().any(|topic| self.lacks(topic));
        if !lacks {
            self.looked.store(newest, Ordering::Relaxed);
        }
        lacks
    }

    /// Up to here everything was given to its subscribers.
    pub fn seen(&self) -> Arc<[u64]> {
        Arc::clone(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything up to these places was given to its subscribers.
    pub fn saw(&self, places: impl Iterator<Item = u64> + Clone) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.clone().eq(seen.iter().copied()) {
            *seen = places.collect();
        }
    }

    /// One more event for a page; `after` are the places behind it. True when it is shown.
    pub fn press(&self, press: &mut Press, part: usize, event: &Event<'_>, after: impl Fn(usize) -> u64) -> bool {
        let Some(part) = self.layout.parts().get(part) else { return false };
        let Some(judgement) = self.lens.judge(part.topic.index, event) else { return false };
        self.press_judged(press, event, judgement, after)
    }

    /// As [`Self::press`], of an event whose judgement is known.
    pub fn press_judged(&self, press: &mut Press, event: &Event<'_>, judgement: Judgement, after: impl Fn(usize) -> u64) -> bool {
        press.change(&self.layout, after, |out| self.lens.write(event, judgement, out))
    }

    /// The page that was put together.
    pub fn page(&self, press: &mut Press, after: &[u64]) -> Arc<Page> {
        press.close(&self.layout, |at| after.get(at).copied().unwrap_or(0));
        press.finish(after.into())
    }
}

/// What Debezium's heartbeat topics begin with.
const HEARTBEATS: &str = "__debezium-heartbeat.";

/// Whether a name fits one of the patterns. Heartbeats must be asked for by name.
pub fn is_among(patterns: &[String], name: &str) -> bool {
    !name.starts_with(HEARTBEATS) && patterns.iter().any(|pattern| fits(pattern, name))
}
