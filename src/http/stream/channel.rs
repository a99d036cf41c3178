//! A channel: what many subscribers see alike, encoded once for all of them.

use std::sync::Arc;

use super::layout::Layout;
use super::lens::Lens;
use super::page::{Form, Page, Press};
use crate::event::{Event, Judgement};
use crate::log::topic::{TopicInfo, fits};

/// What a channel shows.
pub struct Channel {
    /// Two channels with the same key show the same.
    pub key: String,
    /// Its partitions.
    pub layout: Layout,
    /// What is shown of each event.
    pub lens: Lens,
    /// How.
    pub form: Form,
    /// Topics that come into being later belong to it, too.
    pub patterns: Vec<String>,
}

impl Channel {
    /// Whether a topic belongs to it that is not in its layout yet; one that was deleted and made anew is another.
    pub fn lacks(&self, topic: &TopicInfo) -> bool {
        let is_known = || self.layout.parts().iter().any(|part| part.topic.index == topic.index);
        !topic.internal && is_among(&self.patterns, &topic.name) && !is_known()
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
