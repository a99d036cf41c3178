//! What of an event a subscriber sees, if anything: filters, operations, keys, columns, the view.
//!
//! Promises that the rule of a token is never got round: what it does not let through, and what cannot be judged, is not shown; a
//! row that leaves it is shown as it was, one that comes into it as it is; and a filter of the client's is not asked about the side
//! that the rule hides, or its answers would tell what is there.

use serde_json::Value as Json;

use crate::event::filter::{Equality, Filter};
use crate::event::view::{Show, View};
use crate::event::{Event, Judgement, Kind, Op};
use crate::record::TopicIndex;

/// What is shown.
#[derive(Default)]
pub struct Lens {
    /// By topic.
    pub sights: Vec<(TopicIndex, Sight)>,
    /// These operations; none stands for all.
    pub ops: Vec<Op>,
    /// This key, as [`normal`] writes it.
    pub key: Option<String>,
    /// The form.
    pub view: View,
    /// These columns.
    pub columns: Option<Vec<String>>,
    /// Without rows of snapshots.
    pub without_snapshot: bool,
    /// With tombstones.
    pub tombstones: bool,
}

/// The filters of one topic.
#[derive(Clone, Default)]
pub struct Sight {
    /// The client's and the token's together.
    both: Option<Filter>,
    /// The token's.
    rule: Option<Filter>,
    /// The client's looks at the row on both sides of a change.
    compares: bool,
}

impl Sight {
    /// What the client asks for, and what its token lets it see.
    pub fn new(asked: Option<Filter>, rule: Option<Filter>) -> Self {
        let compares = asked.as_ref().is_some_and(|asked| !asked.is_of_row() && asked.looks_at_a_row());
        let both = match (asked, rule.clone()) {
            (Some(asked), Some(rule)) => Some(asked.and(rule)),
            (asked, rule) => asked.or(rule),
        };
        Self { both, rule, compares }
    }

    fn judge(&self, event: &Event<'_>) -> Judgement {
        if let (Some(rule), true) = (&self.rule, self.compares) {
            match rule.judge(event) {
                one_side @ (Judgement::Enters | Judgement::Leaves) => return one_side,
                Judgement::Matches => {}
                Judgement::No | Judgement::Unreadable => return Judgement::No,
            }
        }
        self.both.as_ref().map_or(Judgement::Matches, |both| both.judge(event))
    }
}

/// By what an index finds a subscriber.
pub enum Handle {
    /// By the event's key.
    Key(String),
    /// By the value of a column.
    Column(Equality),
    /// It is asked about every event.
    Every,
}

impl Lens {
    fn sight(&self, topic: TopicIndex) -> Option<&Sight> {
        self.sights.iter().find(|(known, _)| *known == topic).map(|(_, sight)| sight)
    }

    /// By what it is found among others, for events of this topic.
    pub fn handle(&self, topic: TopicIndex) -> Handle {
        if let Some(key) = &self.key {
            return Handle::Key(key.clone());
        }
        let equality = self.sight(topic).and_then(|sight| if sight.compares { sight.rule.as_ref() } else { sight.both.as_ref() });
        equality.and_then(Filter::equality).map_or(Handle::Every, Handle::Column)
    }

    /// Whether it shows every event, tombstones aside.
    pub fn is_plain(&self) -> bool {
        let is_open = |(_, sight): &(TopicIndex, Sight)| sight.both.is_none();
        self.ops.is_empty() && self.key.is_none() && !self.without_snapshot && self.sights.iter().all(is_open)
    }

    /// Whether an event is shown, and as what.
    pub fn judge(&self, topic: TopicIndex, event: &Event<'_>) -> Option<Judgement> {
        let sight = self.sight(topic)?;
        let (is_tombstone, op) = (event.kind() == Kind::Tombstone, event.op());
        if (is_tombstone && !self.tombstones) || (self.without_snapshot && op == Some(Op::Read)) {
            return None;
        }
        if !self.ops.is_empty() && !op.is_some_and(|op| self.ops.contains(&op)) {
            return None;
        }
        if let Some(key) = &self.key
            && !keys_of(event).any(|known| known == *key)
        {
            return None;
        }
        Some(sight.judge(event)).filter(|judgement| judgement.is_wanted())
    }

    /// Appends an event as it is shown, on one line; false when there is nothing to show.
    pub fn write(&self, event: &Event<'_>, judgement: Judgement, out: &mut Vec<u8>) -> bool {
        // Who may see every row is shown both sides of one that comes or leaves.
        let whole = self.sights.iter().all(|(_, sight)| sight.rule.is_none());
        self.view.write(event, &Show { columns: self.columns.as_deref(), judgement, whole }, out)
    }
}

/// A key as it is compared: JSON without spaces, or the text as it is.
pub fn normal(text: &str) -> String {
    serde_json::from_str::<Json>(text).map_or_else(|_| text.to_owned(), |json| json.to_string())
}

/// Under what an event's key is known: whole, and where it is of one column, that column's value alone.
pub fn keys_of(event: &Event<'_>) -> impl Iterator<Item = String> {
    let text = event.key_payload().and_then(|key| std::str::from_utf8(key).ok());
    let json = text.and_then(|text| serde_json::from_str::<Json>(text).ok());
    let alone = match json.as_ref().and_then(Json::as_object) {
        Some(object) if object.len() == 1 => object.values().next().map(|value| match value {
            Json::String(text) => text.clone(),
            value => value.to_string(),
        }),
        _ => None,
    };
    let whole = json.map(|json| json.to_string()).or_else(|| text.map(str::to_owned));
    whole.into_iter().chain(alone)
}
