//! What a trace is told of the stream: one span per commit, from its first message to the moment it is durable.
//!
//! Owns what is known of a commit beside its events: when it began, was handed over and became durable, its topics, and the traces
//! that its transactions belong to (`pg_logical_emit_message(true, 'traceparent', '00-...')`). Promises that nothing is done per event,
//! but for the header `traceparent` of the records of such a transaction, that where nobody is told it costs one comparison per commit, and that every commit is told once, also one whose session ended
//! before it was durable. Leaves the form of a span to [`crate::service`], and telling without waiting to whoever is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::commits::Commits;
use crate::change::Lsn;
use crate::config::postgres::PostgresConfig;
use crate::connect::status::Counts;
use crate::log::LogWriter;
use crate::record::{HeaderBlock, RecordRef, RecordSink, Route, SinkFull, TopicIndex};

/// Logical messages with this prefix say which trace their transaction belongs to.
pub const TRACEPARENT: &str = "traceparent";
/// So many traces are told of a commit; its other transactions are not linked.
const PARENTS_MAX: usize = 32;
/// So many topics are named of a commit.
const TOPICS_MAX: usize = 16;
/// The longest traceparent of a version that is not known yet.
const TRACEPARENT_BYTES_MAX: usize = 256;

/// Is told each commit; never waits.
pub type Tell = Arc<dyn Fn(&CommitSpan) + Send + Sync>;

/// A commit of the stream.
pub struct CommitSpan {
    /// The connector.
    pub config: Arc<PostgresConfig>,
    /// When its first message arrived.
    pub began: SystemTime,
    /// When the log got it.
    pub handed_over: SystemTime,
    /// When it was durable; `None`: the session ended before, and what is in it comes again.
    pub durable: Option<SystemTime>,
    /// When its last transaction was committed in PostgreSQL.
    pub committed: Option<SystemTime>,
    /// What is in it.
    pub counts: Counts,
    /// About how many bytes that is.
    pub bytes: u64,
    /// What may be confirmed once it is durable.
    pub lsn: Lsn,
    /// Its topics, the first 16 of them.
    pub topics: Vec<Arc<str>>,
    /// The traces its transactions belong to.
    pub parents: Vec<Traceparent>,
}

/// A commit on its way, told when it is durable, or lost.
pub struct Pending {
    span: CommitSpan,
    tell: Tell,
}

impl Pending {
    /// It is durable.
    pub fn durable(mut self) {
        self.span.durable = Some(SystemTime::now());
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        (self.tell)(&self.span);
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("lsn", &self.span.lsn).finish_non_exhaustive()
    }
}

/// A W3C trace context: `00-<trace>-<span>-<flags>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traceparent(Box<str>);

impl Traceparent {
    /// Reads one; `None` where it is none.
    pub fn parse(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?.trim();
        let mut parts = text.splitn(5, '-');
        let mut hex = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            let legal = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            legal.then_some(part)
        };
        let (version, trace, span, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        // Later versions may have more behind; 00 has not, and ff is none.
        let more = parts.next().is_some();
        let fits = version != "ff" && !(more && version == "00") && text.len() <= TRACEPARENT_BYTES_MAX;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        (fits && is_plain && !is_zero(trace) && !is_zero(span)).then(|| Self(text.into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The traces of the transactions in the open commit.
#[derive(Debug, Default)]
pub struct Parents {
    /// That of the open transaction.
    current: Option<Traceparent>,
    /// Those of the others in the open commit.
    found: Vec<Traceparent>,
    /// The headers of the record that is being written.
    headers: HeaderBlock,
}

impl Parents {
    /// The open transaction says which trace it belongs to. Also one that was published before: when it was cut, its rest was not.
    pub fn note(&mut self, content: &[u8]) {
        match Traceparent::parse(content) {
            Some(parent) => self.current = Some(parent),
            None => tracing::debug!("a logical message with the prefix {TRACEPARENT} is no W3C trace context: it is left out"),
        }
    }

    /// The transaction is over; its end is published, or was before.
    #[inline]
    pub fn end(&mut self, published: bool) {
        if let Some(parent) = self.current.take()
            && published
            && self.found.len() < PARENTS_MAX
            && !self.found.contains(&parent)
        {
            self.found.push(parent);
        }
    }

    /// The open commit, as records of the open transaction see it.
    #[inline]
    pub fn sink<'s, S: RecordSink>(&'s mut self, commit: &'s mut S) -> Marked<'s, S> {
        Marked { commit, parent: self.current.as_ref(), headers: &mut self.headers }
    }

    /// The commit is handed over; a transaction that goes on is in the next one, too.
    fn take(&mut self) -> Vec<Traceparent> {
        let mut found = std::mem::take(&mut self.found);
        found.extend(self.current.clone());
        found
    }
}

/// A sink whose records say which trace they belong to.
pub struct Marked<'s, S> {
    commit: &'s mut S,
    parent: Option<&'s Traceparent>,
    headers: &'s mut HeaderBlock,
}

impl<S: RecordSink> RecordSink for Marked<'_, S> {
    #[inline]
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        let Some(parent) = self.parent else { return self.commit.push(to, record) };
        self.headers.clear();
        self.headers.extend_with(record.headers);
        self.headers.push(TRACEPARENT, parent.0.as_bytes());
        self.commit.push(to, RecordRef { headers: self.headers.headers(), ..record })
    }
}

/// Makes spans of the commits of one stream.
pub struct Traces {
    tell: Option<Tell>,
    /// When the first message of the open commit arrived.
    began_ns: Option<i64>,
    /// The names of topics, as far as they were asked for.
    names: HashMap<TopicIndex, Arc<str>>,
}

impl Traces {
    /// Without `tell` nothing is made.
    pub fn new(tell: Option<Tell>) -> Self {
        Self { tell, began_ns: None, names: HashMap::new() }
    }

    /// Messages that arrived at `now_ns` were handled.
    #[inline]
    pub fn handled<W: LogWriter>(&mut self, commits: &Commits<W>, now_ns: i64) {
        if self.tell.is_some() && self.began_ns.is_none() && commits.records() > 0 {
            self.began_ns = Some(now_ns);
        }
    }

    /// The open commit is handed over now; nothing where it has no events, as those that only move the position.
    pub fn hand_over<W: LogWriter>(
        &mut self,
        config: &Arc<PostgresConfig>,
        commits: &Commits<W>,
        parents: &mut Parents,
        committed_us: Option<i64>,
        lsn: Lsn,
    ) -> Option<Box<Pending>> {
        let parents = parents.take();
        let tell = Arc::clone(self.tell.as_ref()?);
        let began = self.began_ns.take().map(|began_ns| since_epoch(Duration::from_nanos(u64::try_from(began_ns).unwrap_or(0))));
        let counts = *commits.counts();
        if counts.events + counts.reads == 0 {
            return None;
        }
        let handed_over = SystemTime::now();
        let topics = commits.topics(TOPICS_MAX).into_iter().filter_map(|topic| self.name(commits, topic)).collect();
        let span = CommitSpan {
            config: Arc::clone(config),
            began: began.unwrap_or(handed_over).min(handed_over),
            handed_over,
            durable: None,
            committed: committed_us.map(|time_us| since_epoch(Duration::from_micros(u64::try_from(time_us).unwrap_or(0)))),
            counts,
            bytes: commits.bytes() as u64,
            lsn,
            topics,
            parents,
        };
        Some(Box::new(Pending { span, tell }))
    }

    fn name<W: LogWriter>(&mut self, commits: &Commits<W>, topic: TopicIndex) -> Option<Arc<str>> {
        if let Some(name) = self.names.get(&topic) {
            return Some(Arc::clone(name));
        }
        let name: Arc<str> = commits.writer.topic_name(topic)?.into();
        self.names.insert(topic, Arc::clone(&name));
        Some(name)
    }
}

fn since_epoch(time: Duration) -> SystemTime {
    UNIX_EPOCH + time
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_context_is_read_as_w3c_has_it() {
        assert_eq!(Traceparent::parse(ONE.as_bytes()).as_ref().map(Traceparent::as_str), Some(ONE));
        assert_eq!(Traceparent::parse(format!(" {ONE}\n").as_bytes()).as_ref().map(Traceparent::as_str), Some(ONE));
        assert!(Traceparent::parse(format!("01-{}-more", &ONE[3..]).as_bytes()).is_some(), "a later version");
        let zero = "0".repeat(32);
        let others = [
            String::new(),
            ONE.to_uppercase(),
            format!("{ONE}-more"),
            format!("ff-{}", &ONE[3..]),
            ONE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zero),
            ONE.replace("00f067aa0ba902b7", &zero[..16]),
            ONE[..54].to_owned(),
            ONE.replace('f', "\u{e9}"),
            format!("01-{}-{}", &ONE[3..], "x".repeat(TRACEPARENT_BYTES_MAX)),
            format!("01-{}-a b", &ONE[3..]),
        ];
        for other in others {
            assert_eq!(Traceparent::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(Traceparent::parse(b"\xff\xfe"), None);
    }

    #[test]
    fn a_transaction_that_goes_on_belongs_to_the_next_commit_too() {
        let mut parents = Parents::default();
        parents.note(ONE.as_bytes());
        parents.note(b"nothing");
        assert_eq!((parents.take().len(), parents.take().len()), (1, 1));
        parents.end(true);
        assert_eq!((parents.take().len(), parents.take().len()), (1, 0));
        parents.note(ONE.as_bytes());
        parents.end(false);
        assert_eq!(parents.take().len(), 0, "all of it was published before");
        for number in 0..2 * PARENTS_MAX {
            parents.note(format!("00-{:032x}-00f067aa0ba902b7-01", number + 1).as_bytes());
            parents.end(true);
        }
        assert_eq!(parents.take().len(), PARENTS_MAX);
    }
}
