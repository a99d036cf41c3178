//! The keys of a table that is reconciled: those that its topic has alive, less those that are seen alive since.
//!
//! Pure: told what the topic's records say and which keys are read or streamed, it says which ones are left. What is left when
//! the whole table was read, and the stream has passed that, is gone (decision 0023). Of a key it keeps 88 bits of a digest
//! that nobody can choose keys for, and where its newest record is: 16 bytes, and one of the hash table's.
//!
//! Two of n keys have one digest with n²/2⁸⁹: about one chance in 2⁴¹ with 16 million. Then a key that is gone is not
//! told; none is told gone that lives.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use super::window::Shape;
use crate::change::RelationId;
use crate::encode::envelope::gone::Gone;
use crate::encode::stored::Says;
use crate::log::Extent;

/// A digest of a key.
type Digest = [u8; 11];
/// Where a record is, counted from the partition's first one.
type Place = [u8; 5];

/// So much of a topic is read again before nothing is published for a moment, in records.
const CAUGHT_UP: u64 = 20_000;
/// So often at most: whoever writes faster than we read is made to wait then.
const ROUNDS_MAX: u32 = 20;

/// A partition has more records than can be counted.
const PLACES_MAX: u64 = 1 << 40;

/// Which table's keys, and how they are compared: with another one the keys say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The table.
    pub table: RelationId,
    /// The columns as they are.
    pub shape: Shape,
    /// Those of its key.
    pub key: Vec<String>,
    /// Its topic.
    pub gone: Gone,
}

/// Why the keys cannot be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// More than were asked for.
    Keys(u64),
    /// Records of a partition.
    Records,
}

/// The keys.
#[derive(Debug)]
pub struct Keys {
    subject: Subject,
    keys_max: u64,
    digests: [RandomState; 2],
    partitions: Vec<Partition>,
    rounds: u32,
    /// The topic is read, up to its end: from now on events say more.
    is_whole: bool,
    /// The whole table was read since, and the stream has passed that.
    is_searched: bool,
    /// So many lived.
    lived: u64,
    /// So many were told gone.
    deleted: u64,
    /// How far the second pass is.
    told: Vec<u64>,
}

#[derive(Debug, Default)]
struct Partition {
    keys: HashMap<Digest, Place, BuildHasherDefault<FirstBytes>>,
    start: u64,
    /// Up to here it was read.
    at: u64,
    /// Up to here it is to be.
    end: u64,
}

/// A digest is a hash already.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    // The length, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A piece of the topic that is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of which partition.
    pub partition: u32,
    /// From where.
    pub from: u64,
    /// Up to where.
    pub until: u64,
}

impl Keys {
    /// None are known yet; no more than `keys_max` shall be.
    pub fn new(subject: Subject, keys_max: u64) -> Self {
        Self {
            subject,
            keys_max,
            digests: [RandomState::new(), RandomState::new()],
            partitions: Vec::new(),
            rounds: 0,
            is_whole: false,
            is_searched: false,
            lived: 0,
            deleted: 0,
            told: Vec::new(),
        }
    }

    /// Whose they are.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The topic was read to its end.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What is left was looked for in the whole table.
    pub fn is_searched(&self) -> bool {
        self.is_searched
    }

    /// The table was read to its end, and the stream has passed that.
    pub fn is_searched_through(&mut self) {
        self.is_searched = self.is_whole;
    }

    /// The topic's first records are gone.
    pub fn is_cut(&self) -> bool {
        self.partitions.iter().any(|partition| partition.start > 0)
    }

    /// Keys that lived in the topic when it was read.
    pub fn lived(&self) -> u64 {
        self.lived
    }

    /// Keys that were told gone.
    pub fn deleted(&self) -> u64 {
        self.deleted
    }

    /// Keys of which nothing was seen.
    pub fn left(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.keys.len() as u64).sum()
    }

    /// The topic ends here now: what is behind what was read is to be read, too.
    pub fn extend(&mut self, extents: &[Extent]) {
        self.rounds += 1;
        if self.partitions.is_empty() {
            let begun = |of: &Extent| Partition { start: of.start, at: of.start, ..Partition::default() };
            self.partitions = extents.iter().map(begun).collect();
        }
        for (partition, extent) in self.partitions.iter_mut().zip(extents) {
            partition.end = extent.end.max(partition.at);
        }
    }

    /// So little is left to read, or so often was more left, that the rest is read while nothing is published.
    pub fn is_near(&self, extents: &[Extent]) -> bool {
        let behind = self.partitions.iter().zip(extents).map(|(partition, extent)| extent.end.saturating_sub(partition.at));
        !self.partitions.is_empty() && (behind.sum::<u64>() <= CAUGHT_UP || self.rounds >= ROUNDS_MAX)
    }

    /// What is read next.
    pub fn next_piece(&self) -> Option<Piece> {
        let (place, partition) = self.partitions.iter().enumerate().find(|(_, partition)| partition.at < partition.end)?;
        Some(Piece { partition: u32::try_from(place).ok()?, from: partition.at, until: partition.end })
    }

    /// A record of the piece that is read.
    pub fn took(&mut self, partition: u32, offset: u64, key: Option<&[u8]>, says: Says) -> Result<(), TooMany> {
        let digest = key.map(|key| self.digest(key));
        let Some(partition) = self.partitions.get_mut(partition as usize) else { return Ok(()) };
        match (says, digest) {
            (Says::Emptied, _) => partition.keys.clear(),
            (Says::Gone, Some(digest)) => {
                partition.keys.remove(&digest);
            }
            (Says::Lives, Some(digest)) => {
                let place = place(offset, partition.start).ok_or(TooMany::Records)?;
                partition.keys.insert(digest, place);
                // Not all partitions' at each record: they are added up behind each piece.
                if partition.keys.len() as u64 > self.keys_max {
                    return Err(TooMany::Keys(self.keys_max));
                }
            }
            (_, None) => {}
        }
        Ok(())
    }

    /// A piece was read up to here.
    pub fn read_to(&mut self, partition: u32, at: u64) -> Result<(), TooMany> {
        if let Some(partition) = self.partitions.get_mut(partition as usize) {
            partition.at = at;
        }
        if self.left() > self.keys_max { Err(TooMany::Keys(self.keys_max)) } else { Ok(()) }
    }

    /// The topic is read, and everything that was published is in it.
    pub fn is_read(&mut self) {
        self.is_whole = true;
        self.lived = self.left();
        self.told = self.partitions.iter().map(|partition| partition.start).collect();
    }

    /// A row with this key was read, or the stream has told of it.
    pub fn saw(&mut self, key: &[u8]) {
        // Before, the topic itself says it.
        if self.is_whole {
            let digest = self.digest(key);
            for partition in &mut self.partitions {
                partition.keys.remove(&digest);
            }
        }
    }

    /// The stream has told that there are no rows.
    pub fn saw_truncate(&mut self) {
        if self.is_whole {
            self.partitions.iter_mut().for_each(|partition| partition.keys.clear());
        }
    }

    /// The piece in which the next keys are that are left.
    pub fn next_told(&self) -> Option<Piece> {
        let open = |(place, (partition, at)): (usize, (&Partition, &u64))| {
            (!partition.keys.is_empty() && *at < partition.end).then_some((place, *at, partition.end))
        };
        let (place, from, until) = self.partitions.iter().zip(&self.told).enumerate().find_map(open)?;
        Some(Piece { partition: u32::try_from(place).ok()?, from, until })
    }

    /// The record is the newest one of a key that is left.
    pub fn is_left(&self, partition: u32, offset: u64, key: &[u8]) -> bool {
        let Some(partition) = self.partitions.get(partition as usize) else { return false };
        let known = partition.keys.get(&self.digest(key));
        known.is_some_and(|known| place(offset, partition.start).as_ref() == Some(known))
    }

    /// The key was told gone.
    pub fn told(&mut self, partition: u32, key: &[u8]) {
        let digest = self.digest(key);
        if let Some(partition) = self.partitions.get_mut(partition as usize)
            && partition.keys.remove(&digest).is_some()
        {
            self.deleted += 1;
        }
    }

    /// Of a piece everything was told up to here.
    pub fn told_to(&mut self, partition: u32, at: u64) {
        if let Some(told) = self.told.get_mut(partition as usize) {
            *told = at;
        }
    }

    fn digest(&self, key: &[u8]) -> Digest {
        let [first, second] = &self.digests;
        let [first, second] = [first.hash_one(key).to_ne_bytes(), second.hash_one(key).to_ne_bytes()];
        let [a, b, c, ..] = second;
        let [d, e, f, g, h, i, j, k] = first;
        [d, e, f, g, h, i, j, k, a, b, c]
    }
}

fn place(offset: u64, start: u64) -> Option<Place> {
    let [_, _, _, place @ ..] = offset.checked_sub(start).filter(|place| *place < PLACES_MAX)?.to_be_bytes();
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::stored::KeyForm;
    use crate::record::{TopicHandle, TopicIndex};

    fn keys(keys_max: u64, partitions: &[(u64, u64)]) -> Keys {
        let topic = TopicHandle { index: TopicIndex(1), partitions: partitions.len() as u32 };
        let gone = Gone { topic, keys: KeyForm::Json, by_events: true, by_nulls: false, tombstones: true };
        let mut keys = Keys::new(Subject { table: RelationId(1), shape: Vec::new(), key: Vec::new(), gone }, keys_max);
        keys.extend(&partitions.iter().map(|(start, end)| Extent { start: *start, end: *end }).collect::<Vec<_>>());
        keys
    }

    fn number(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    #[test]
    fn what_nobody_has_seen_since_is_left_at_its_newest_record() {
        let mut keys = keys(10, &[(100, 106), (0, 1)]);
        assert_eq!(keys.next_piece(), Some(Piece { partition: 0, from: 100, until: 106 }));
        for (offset, key, says) in
            [(100, 1, Says::Lives), (101, 2, Says::Lives), (102, 3, Says::Lives), (103, 1, Says::Lives), (104, 2, Says::Gone)]
        {
            keys.took(0, offset, Some(&number(key)), says).expect("few");
        }
        // Nothing that is seen before the topic is whole counts: the topic says it.
        keys.saw(&number(1));
        keys.read_to(0, 106).expect("few");
        assert_eq!(keys.next_piece(), Some(Piece { partition: 1, from: 0, until: 1 }));
        keys.took(1, 0, Some(&number(4)), Says::Lives).expect("few");
        keys.read_to(1, 1).expect("few");
        assert_eq!(keys.next_piece(), None);
        keys.is_read();
        assert_eq!((keys.lived(), keys.left()), (3, 3));
        for seen in [3, 4, 9] {
            keys.saw(&number(seen));
        }
        assert_eq!(keys.next_told(), Some(Piece { partition: 0, from: 100, until: 106 }), "the other partition has none left");
        let is_left = |keys: &Keys, offset, key| keys.is_left(0, offset, &number(key));
        assert!(is_left(&keys, 103, 1) && !is_left(&keys, 100, 1) && !is_left(&keys, 102, 3) && !is_left(&keys, 99, 1));
        keys.told(0, &number(1));
        keys.told(0, &number(1));
        assert_eq!((keys.deleted(), keys.left(), keys.next_told()), (1, 0, None));
    }

    #[test]
    fn a_truncate_empties_the_partition_that_is_read_and_all_of_them_later() {
        let mut keys = keys(10, &[(0, 9), (0, 9)]);
        for (partition, key) in [(0, 1), (1, 2)] {
            keys.took(partition, 0, Some(&number(key)), Says::Lives).expect("few");
        }
        keys.took(1, 1, None, Says::Emptied).expect("few");
        keys.saw_truncate();
        assert_eq!(keys.left(), 1);
        keys.is_read();
        keys.saw_truncate();
        assert_eq!(keys.left(), 0);
    }

    #[test]
    fn more_keys_than_were_asked_for_are_refused() {
        let mut one = keys(2, &[(0, 9)]);
        one.took(0, 0, Some(b"a"), Says::Lives).expect("one");
        one.took(0, 1, Some(b"b"), Says::Lives).expect("two");
        assert_eq!(one.took(0, 2, Some(b"c"), Says::Lives), Err(TooMany::Keys(2)));
        let mut two = keys(2, &[(0, 9), (0, 9)]);
        for (partition, key) in [(0, b"a"), (0, b"b"), (1, b"c")] {
            two.took(partition, 0, Some(key), Says::Lives).expect("each partition has few");
        }
        assert_eq!(two.read_to(1, 9), Err(TooMany::Keys(2)));
        assert_eq!(keys(2, &[(0, 1)]).took(0, 1 << 40, Some(b"a"), Says::Lives), Err(TooMany::Records));
    }

    #[test]
    fn it_follows_the_topic_until_little_is_left() {
        let mut keys = keys(10, &[(0, 100)]);
        let grown = [Extent { start: 0, end: 200_000 }];
        keys.read_to(0, 100).expect("few");
        assert!(!keys.is_near(&grown) && keys.is_near(&[Extent { start: 0, end: 20_100 }]));
        keys.extend(&grown);
        assert_eq!(keys.next_piece(), Some(Piece { partition: 0, from: 100, until: 200_000 }));
        (0..ROUNDS_MAX).for_each(|_| keys.extend(&grown));
        assert!(keys.is_near(&grown), "not for ever");
    }
}
