//! Ids of events: where a stream is in every partition, as a text.
//!
//! Owns the grammar. Of one topic it is `0:1842,1:77`, of several `orders@0:1842;customers@0:10`, with names cut to the last words
//! that tell them apart; `;end` behind it says that the stream is over. Promises that an id names every partition of the
//! stream, so that one id resumes all, and that one which does not belong to the stream is refused, not guessed at. To clients an id is opaque.

use std::sync::Arc;

use crate::log::topic::TopicInfo;

/// What stands behind the id of a stream's last event.
const END: &str = ";end";
/// The id of a stream that has no topic yet.
const NOWHERE: &str = "-";
/// Bytes of an id that are read: a thousand partitions of long names.
pub const ID_BYTES_MAX: usize = 128 << 10;

/// One partition of a stream.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its topic.
    pub topic: Arc<TopicInfo>,
    /// Its number.
    pub partition: u32,
    /// What stands before its offset in an id.
    before: Vec<u8>,
}

/// The partitions of a stream, in the order of its ids.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    parts: Vec<Part>,
    /// Topics with the names that ids have for them; of one topic there is none.
    aliases: Vec<(String, String)>,
    /// Others may come.
    is_open: bool,
}

/// What an id says.
#[derive(Debug, PartialEq, Eq)]
pub struct Resume {
    /// The next offset of each partition; `None` where it is not named.
    pub next: Vec<Option<u64>>,
    /// The stream is over.
    pub ended: bool,
}

impl Layout {
    /// These topics, whole or one partition of each; by their whole names in ids where others may come.
    pub fn new(topics: &[Arc<TopicInfo>], only: Option<u32>, is_open: bool) -> Self {
        let mut layout = Self { is_open, ..Self::default() };
        let is_single = topics.len() == 1 && !is_open;
        for topic in topics {
            let alias = if is_open { topic.name.clone() } else { shortest(&topic.name, topics) };
            layout.push(topic, (!is_single).then_some(alias), only);
        }
        layout
    }

    fn push(&mut self, topic: &Arc<TopicInfo>, alias: Option<String>, only: Option<u32>) {
        let mut is_first = true;
        for partition in (0..topic.partitions).filter(|partition| only.is_none_or(|only| only == *partition)) {
            let before = match &alias {
                Some(alias) if is_first && self.parts.is_empty() => format!("{alias}@{partition}:"),
                Some(alias) if is_first => format!(";{alias}@{partition}:"),
                _ if self.parts.is_empty() => format!("{partition}:"),
                _ => format!(",{partition}:"),
            };
            is_first = false;
            self.parts.push(Part { topic: Arc::clone(topic), partition, before: before.into_bytes() });
        }
        if let Some(alias) = alias {
            self.aliases.push((topic.name.clone(), alias));
        }
    }

    /// The partitions.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Topics with their names in ids, where they need any.
    pub fn aliases(&self) -> &[(String, String)] {
        &self.aliases
    }

    /// Appends the id of these places.
    pub fn write(&self, next: impl Fn(usize) -> u64, out: &mut Vec<u8>) {
        if self.parts.is_empty() {
            // A browser takes an empty id for none.
            out.extend_from_slice(NOWHERE.as_bytes());
        }
        for (at, part) in self.parts.iter().enumerate() {
            out.extend_from_slice(&part.before);
            write_number(next(at), out);
        }
    }

    /// As [`Self::write`], of places in order.
    pub fn id(&self, next: &[u64]) -> String {
        let mut out = Vec::new();
        self.write(|at| next.get(at).copied().unwrap_or(0), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// One partition's place, as ids write it.
    pub fn place(&self, part: usize, next: u64) -> String {
        let Some(part) = self.parts.get(part) else { return String::new() };
        let alias = self.aliases.iter().find(|(name, _)| *name == part.topic.name).map(|(_, alias)| format!("{alias}@"));
        format!("{}{}:{next}", alias.unwrap_or_default(), part.partition)
    }

    /// The id of a stream that is over.
    pub fn last_id(&self, next: &[u64]) -> String {
        self.id(next) + END
    }

    /// Reads an id; what is wrong is told. Topics that are gone are passed over, unless the id is of nothing else.
    pub fn parse(&self, text: &str, is_gone: impl Fn(&str) -> bool) -> Result<Resume, String> {
        if text.len() > ID_BYTES_MAX {
            return Err("the id is longer than any of ours".to_owned());
        }
        let (text, ended) = text.strip_suffix(END).map_or((text, false), |text| (text, true));
        let mut next = vec![None; self.parts.len()];
        if text == NOWHERE {
            return Ok(Resume { next, ended });
        }
        let aliases: Vec<&str> = text.split(';').filter_map(|group| Some(group.split_once('@')?.0)).collect();
        let (mut found, mut lost) = (false, None);
        for group in text.split(';') {
            let (alias, places) = match group.split_once('@') {
                Some((alias, places)) => (Some(alias), places),
                None => (None, group),
            };
            let places =
                crate::log::start::parse_partitions(places).ok_or_else(|| format!("\"{group}\" is no list of PARTITION:OFFSET"))?;
            let name = match alias {
                None if self.aliases.is_empty() => None,
                None => return Err(format!("\"{group}\" does not say of which topic it is")),
                Some(alias) => {
                    let name = self.named(alias, &aliases);
                    if name.is_none() {
                        lost = Some(alias);
                        if is_gone(alias) {
                            continue;
                        }
                        return Err(format!("\"{alias}\" is no topic of this stream"));
                    }
                    name
                }
            };
            found = true;
            for (partition, offset) in places {
                let is_it = |part: &Part| part.partition == partition && name.is_none_or(|name| part.topic.name == name);
                let at = self.parts.iter().position(is_it).ok_or_else(|| format!("there is no partition {partition}"))?;
                if let Some(place) = next.get_mut(at) {
                    *place = Some(offset);
                }
            }
        }
        match lost.filter(|_| !found && !self.is_open) {
            Some(alias) => Err(format!("\"{alias}\" is no topic of this stream")),
            None => Ok(Resume { next, ended }),
        }
    }

    /// The topic that an id names so: by its name here, by its whole name, or by one that told it from a topic that is gone since.
    fn named(&self, alias: &str, others: &[&str]) -> Option<&str> {
        if let Some((name, _)) = self.aliases.iter().find(|(name, known)| known == alias || name == alias) {
            return Some(name);
        }
        let mut names: Vec<&str> = self.parts.iter().map(|part| part.topic.name.as_str()).collect();
        names.dedup();
        if let Some(name) = names.iter().find(|name| **name == alias) {
            return Some(name);
        }
        // Of an open stream whole names are in its ids.
        let is_it = |name: &&str| !self.is_open && !others.contains(name) && ends_with(name, alias);
        let mut fitting = names.into_iter().filter(is_it);
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

/// Appends a number in digits.
pub fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (number % 10) as u8;
        }
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Whether these are the last words of a name.
pub fn ends_with(name: &str, tail: &str) -> bool {
    name.strip_suffix(tail).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The last words of a name that no other of the topics ends with.
fn shortest(name: &str, topics: &[Arc<TopicInfo>]) -> String {
    let tails = name.rmatch_indices('.').map(|(at, _)| name.get(at + 1..).unwrap_or(name));
    let is_its_own = |tail: &&str| !tail.is_empty() && topics.iter().filter(|topic| ends_with(&topic.name, tail)).count() == 1;
    tails.into_iter().find(is_its_own).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::TopicIndex;

    pub fn topic(name: &str, index: u32, partitions: u32) -> Arc<TopicInfo> {
        let (index, id) = (TopicIndex(index), [0; 16]);
        Arc::new(TopicInfo { name: name.into(), index, id, partitions, compact: false, internal: false, compression: None })
    }

    #[test]
    fn an_id_names_every_partition_and_is_read_back() {
        let single = Layout::new(&[topic("shop.public.orders", 1, 3)], None, false);
        assert_eq!(single.id(&[1842, 77, 9001]), "0:1842,1:77,2:9001");
        assert_eq!(single.parse("0:1842,2:7", |_| false).expect("an id"), Resume { next: vec![Some(1842), None, Some(7)], ended: false });
        assert!(single.parse("0:1,1:2,2:3;end", |_| false).expect("an id").ended);
        let both = [topic("shop.public.orders", 1, 1), topic("shop.public.customers", 2, 2), topic("old.public.orders", 3, 1)];
        let several = Layout::new(&both, None, false);
        let id = several.id(&[1842, 10, 11, 3]);
        assert_eq!(id, "shop.public.orders@0:1842;customers@0:10,1:11;old.public.orders@0:3");
        assert_eq!(several.parse(&id, |_| false).expect("an id").next, [Some(1842), Some(10), Some(11), Some(3)]);
        assert_eq!(Layout::new(&both[..1], None, true).id(&[5]), "shop.public.orders@0:5");
        // One of them is deleted: the others go on, by whatever names the id has for them.
        let rest = Layout::new(&both[..1], None, false);
        assert_eq!(rest.parse(&id, |_| true).expect("an id").next, [Some(1842)]);
        assert_eq!(rest.parse("orders@0:7;customers@0:10", |_| true).expect("an id").next, [Some(7)]);
        assert!(rest.parse("customers@0:10", |_| true).is_err(), "it is of another stream");
        assert!(rest.parse(&id, |_| false).is_err());
        assert_eq!(Layout::new(&both[..1], None, true).parse("crm.orders@0:1", |_| true).expect("an id").next, [None]);
        for wrong in ["", "x", "0:1", "orders@0:1", "customers@7:1", "customers@0:-1", "customers"] {
            assert!(several.parse(wrong, |_| false).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_refused(text in "[0-9:,;@a-z.]{0,40}") {
            let layout = Layout::new(&[topic("a.b", 1, 2), topic("a.c", 2, 1)], None, false);
            if let Ok(resume) = layout.parse(&text, |_| false) {
                prop_assert_eq!(resume.next.len(), 3);
            }
        }

        #[test]
        fn every_place_comes_back(next in proptest::collection::vec(any::<u64>(), 3)) {
            let layout = Layout::new(&[topic("a.b", 1, 2), topic("a.c", 2, 1)], None, false);
            let read = layout.parse(&layout.id(&next), |_| false).expect("an id");
            prop_assert_eq!(read.next, next.into_iter().map(Some).collect::<Vec<_>>());
        }
    }
}
