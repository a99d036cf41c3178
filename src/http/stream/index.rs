//! Who could want an event: found by the value of a column, or by its key, among thousands.

use std::collections::HashMap;

use super::lens::{Handle, keys_of};
use crate::event::Event;
use crate::event::filter::{Candidates, Canonical, Column};

/// The channels of one topic, by what they ask for.
#[derive(Default)]
pub struct Index {
    columns: Vec<(Column, HashMap<Canonical, Vec<usize>>)>,
    keys: HashMap<String, Vec<usize>>,
    /// Those that must be asked about every event.
    every: Vec<usize>,
    /// All of them, for events that concern everybody.
    all: Vec<usize>,
    /// Room for what is looked up.
    values: std::cell::RefCell<Vec<Canonical>>,
}

impl Index {
    /// One more channel.
    pub fn add(&mut self, channel: usize, handle: Handle) {
        self.all.push(channel);
        match handle {
            Handle::Every => self.every.push(channel),
            Handle::Key(key) => self.keys.entry(key).or_default().push(channel),
            Handle::Column(equality) => {
                let at = self.columns.iter().position(|(column, _)| *column == equality.column).unwrap_or(self.columns.len());
                if at == self.columns.len() {
                    self.columns.push((equality.column, HashMap::new()));
                }
                if let Some((_, values)) = self.columns.get_mut(at) {
                    for value in equality.values {
                        values.entry(value).or_default().push(channel);
                    }
                }
            }
        }
    }

    /// A channel is gone, which was added by this handle.
    pub fn remove(&mut self, channel: usize, handle: Handle) {
        let take_out = |from: &mut Vec<usize>| {
            if let Some(at) = from.iter().position(|known| *known == channel) {
                from.swap_remove(at);
            }
            from.is_empty()
        };
        take_out(&mut self.all);
        match handle {
            Handle::Every => drop(take_out(&mut self.every)),
            Handle::Key(key) => {
                if self.keys.get_mut(&key).is_some_and(take_out) {
                    self.keys.remove(&key);
                }
            }
            Handle::Column(equality) => {
                if let Some((_, values)) = self.columns.iter_mut().find(|(column, _)| *column == equality.column) {
                    for value in equality.values {
                        if values.get_mut(&value).is_some_and(take_out) {
                            values.remove(&value);
                        }
                    }
                }
                self.columns.retain(|(_, values)| !values.is_empty());
            }
        }
    }

    /// Appends whoever could want an event, each once.
    pub fn find(&self, event: &Event<'_>, out: &mut Vec<usize>) {
        let first = out.len();
        let mut values = self.values.borrow_mut();
        for (column, known) in &self.columns {
            values.clear();
            if column.candidates(event, &mut values) == Candidates::Everybody {
                out.truncate(first);
                out.extend_from_slice(&self.all);
                return;
            }
            out.extend(values.iter().filter_map(|value| known.get(value)).flatten().copied());
        }
        if !self.keys.is_empty() {
            out.extend(keys_of(event).filter_map(|key| self.keys.get(&key)).flatten().copied());
        }
        // Somebody may be found twice: by the old value and by the new one.
        if let Some(found) = out.get_mut(first..)
            && found.len() > 1
        {
            found.sort_unstable();
            out.dedup();
        }
        out.extend_from_slice(&self.every);
    }
}
