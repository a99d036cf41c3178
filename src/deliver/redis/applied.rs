//! What Redis remembers of us: up to where its keys are right.
//!
//! Owns the hash `rowfeed:cache:NAME` (the watermark): the next offset of each partition, by topic id, the log they belong to, and the templates
//! they were reached with. It is written in the same atomic unit as the deletes behind the fence, so a server that lost its last
//! writes lost both. Promises that who goes on from it repeats everything the server may have lost, and that everything that
//! makes it worthless is a doubt with a reason. Pure, but for the hash's name.

use std::collections::BTreeMap;

use crate::change::Lsn;
use crate::log::subscription::Place;
use crate::log::topic::id_hex;

/// The hash of a subscription.
pub fn key(name: &str) -> String {
    format!("rowfeed:cache:{name}")
}

/// What the hash says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The log's id.
    pub log: String,
    /// [`super::rules::Rules::fingerprint`], and the namespace.
    pub templates: String,
    /// The newest change behind the fence.
    pub lsn: Lsn,
    /// The greatest major version that was given to a value.
    pub version: u64,
    /// Transactions that were running when something was doubted, and are not over.
    pub suspects: Vec<u64>,
    /// Next offsets, by topic id in hexadecimal and partition.
    pub next: BTreeMap<(String, u32), u64>,
}

/// The field of a partition.
pub fn field(id: &[u8; 16], partition: u32) -> String {
    format!("next:{}:{partition}", id_hex(id))
}

impl Applied {
    /// Reads a hash; `None`: there is none. What cannot be read is left out, and so is missed.
    pub fn read(fields: &[(String, String)]) -> Option<Self> {
        let of = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let next = fields.iter().filter_map(|(field, value)| {
            let (id, partition) = field.strip_prefix("next:")?.split_once(':')?;
            Some(((id.to_owned(), partition.parse().ok()?), value.parse().ok()?))
        });
        Some(Self {
            log: of("log")?,
            templates: of("templates").unwrap_or_default(),
            lsn: of("lsn").and_then(|text| text.parse().ok()).unwrap_or_default(),
            version: of("version").and_then(|text| text.parse().ok()).unwrap_or_default(),
            suspects: of("suspects").unwrap_or_default().split(',').filter_map(|id| id.parse().ok()).collect(),
            next: next.collect(),
        })
    }

    /// Fields of partitions that are not read any more.
    pub fn others(&self, places: &[Place]) -> Vec<String> {
        let is_read = |id: &str| places.iter().any(|place| id_hex(&place.topic.id) == id);
        self.next.keys().filter(|(id, _)| !is_read(id)).map(|(id, partition)| format!("next:{id}:{partition}")).collect()
    }

    /// Where to go on in each place, and why its keys may be wrong although nothing says so: empty when all is well.
    /// `committed` is where the group was: everything before it was behind the fence once.
    pub fn resume(found: Option<&Self>, log: &str, templates: &str, places: &[Place], is_new: bool) -> (Vec<Option<u64>>, Vec<String>) {
        let none = || vec![None; places.len()];
        let Some(found) = found else {
            let why = if is_new {
                "it is new: what the cache has is not known"
            } else {
                "the server does not remember up to where its keys are right"
            };
            return (none(), vec![why.to_owned()]);
        };
        if found.log != log {
            return (none(), vec!["the server remembers a place in another log".to_owned()]);
        }
        let mut doubts = Vec::new();
        if found.templates != templates {
            doubts.push("the templates changed: keys that only the old ones name are not known".to_owned());
        }
        // Every partition is written when it is first read. One that is missing was written later than the server remembers: all of
        // it may be lost.
        let of = |place: &Place| found.next.get(&(id_hex(&place.topic.id), place.route.partition)).copied();
        let resumed = places.iter().map(|place| Some(of(place).unwrap_or(0))).collect::<Vec<_>>();
        let ids: Vec<String> = places.iter().map(|place| id_hex(&place.topic.id)).collect();
        if let Some(((gone, _), _)) = found.next.iter().find(|((id, _), _)| !ids.contains(id)) {
            // It was deleted, or is not read any more: its last records may never have been seen.
            doubts.push(format!("a topic is gone (id {gone}): its last changes may be missed"));
        }
        (resumed, doubts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::log::topic::TopicInfo;
    use crate::record::{Route, TopicIndex};

    fn place(id: u8, partition: u32) -> Place {
        let index = TopicIndex(id.into());
        let topic =
            TopicInfo { name: format!("t{id}"), index, id: [id; 16], partitions: 2, compact: false, internal: false, compression: None };
        Place { topic: Arc::new(topic), route: Route { topic: index, partition }, next: 9 }
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn who_goes_on_does_so_where_the_server_says() {
        let one = field(&[1; 16], 0);
        let found =
            Applied::read(&fields(&[("log", "L"), ("templates", "T"), ("lsn", "0/10"), ("suspects", "7,9"), (&one, "5")])).expect("a hash");
        assert_eq!((found.lsn, found.suspects.as_slice()), (Lsn(16), &[7, 9][..]));
        assert_eq!(Applied::resume(Some(&found), "L", "T", &[place(1, 0), place(1, 1)], false), (vec![Some(5), Some(0)], vec![]));
    }

    #[test]
    fn everything_that_makes_it_worthless_is_a_doubt() {
        assert_eq!(Applied::read(&[]), None);
        let found = Applied::read(&fields(&[("log", "L"), ("templates", "T"), (&field(&[1; 16], 0), "5")]));
        let doubts = |found: Option<&Applied>, log: &str, templates: &str, places: &[Place]| {
            Applied::resume(found, log, templates, places, false).1.len()
        };
        assert_eq!(doubts(found.as_ref(), "L", "T", &[place(1, 0)]), 0);
        assert_eq!(doubts(None, "L", "T", &[place(1, 0)]), 1);
        assert_eq!(doubts(found.as_ref(), "M", "T", &[place(1, 0)]), 1);
        assert_eq!(doubts(found.as_ref(), "L", "U", &[place(1, 0)]), 1);
        assert_eq!(doubts(found.as_ref(), "L", "T", &[place(2, 0)]), 1, "a topic of the same name that was made again");
    }
}
