//! One run of a search sink: reads, gathers, sends, keeps its place.
//!
//! Promises that the place is committed behind what the server has, or what is a dead letter, and behind nothing else; that a server
//! that is busy gets smaller bulks after longer pauses, and larger ones again when it is not; and that what is held is bounded by one read and
//! one bulk. Sending again, after a crash or from an older place, changes nothing that is newer: versions say so
//! (`docs/decisions/0026-versions-of-documents.md`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::SearchSink;
use super::bulk::{self, Bulk, Fate, From, Item};
use super::client::{ANSWER_BYTES_MAX, Answer, Client};
use super::document::{self, Action};
use super::settings::Settings;
use crate::deliver::around::LOOK_EVERY;
use crate::deliver::{Around, DeadLetter, Outcome, state};
use crate::event::{Event, Judgement, Op};
use crate::log::Subscription;
use crate::log::subscription::{Chunk, Delivery, Place};
use crate::log::topic::{TopicInfo, id_hex};
use crate::problem::{Action as Does, Problem};

/// About so much is read at a time.
const READ_BYTES: usize = 1 << 20;
/// A place is committed this often at least while there is a backlog.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Pauses of a server that is busy.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A server may close the connection on a request that is too large before it has said so. A document of this size that meets nothing
/// else, so often, while other requests are answered, is taken to be such a one.
const LARGE_BYTES: usize = 512 << 10;
const REFUSALS_MAX: u32 = 4;
/// Documents whose columns are asked for at once, and how much of an answer with several of them is taken: they are held while they
/// are sent. One alone may be larger.
const PORTION_MAX: usize = 100;
const PORTION_BYTES_MAX: u64 = 32 << 20;
/// Emptying an index may take long.
const EMPTY_WAIT: Duration = Duration::from_secs(600);

/// A run.
pub struct Session<'a> {
    sink: &'a SearchSink,
    around: &'a Around,
    client: Arc<Client>,
    bulk: Bulk,
    /// The first version of each topic, by its id.
    bases: HashMap<[u8; 16], u64>,
    /// So many documents go into one request now.
    room: usize,
    /// And so many bytes: what this server took, once it refused more.
    bytes: usize,
    /// The columns of so many documents are asked for at once now.
    portion: usize,
    pause: Duration,
    /// How often a large document alone met a closed connection, one time after the other.
    refusals: u32,
    dead: Vec<DeadLetter>,
}

/// What came of a question.
enum Asked {
    Answer(Answer),
    /// Passing trouble: why, how long the server wants to rest, and whether it said nothing at all.
    Busy {
        why: String,
        after: Option<Duration>,
        is_silent: bool,
    },
}

/// Something that a record wants, with what is known of it.
#[derive(Debug)]
struct Wanted {
    action: Result<Action, String>,
    lsn: Option<u64>,
    offset: u64,
    /// The document that has the columns which were not sent, where the row's key has changed.
    old_id: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { action: Ok(Action::Nothing), lsn: None, offset: 0, old_id: None }
    }
}

/// Behind the delete of a key that changes stand a tombstone and the new row.
const MOVED_WITHIN: usize = 3;

/// What came of asking for columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completed {
    Done,
    /// It is to be asked again, for less.
    Again,
    /// The answer is longer than may be held.
    TooLong,
    Ends,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    /// It is to end: what was not sent is sent after the next start.
    Ends,
}

/// Runs until the subscription is told to end, or a problem.
pub async fn run(sink: &SearchSink, around: &Around) -> Result<(), Problem> {
    let client = Arc::new(Client::new(&sink.settings)?);
    let mut reader = around.open().await?;
    let room = sink.settings.bulk_records;
    let (bulk, bases, dead) = (Bulk::default(), HashMap::new(), Vec::new());
    let mut session = Session {
        sink,
        around,
        client,
        bulk,
        bases,
        room,
        bytes: sink.settings.bulk_bytes,
        portion: PORTION_MAX,
        pause: PAUSE_MIN,
        refusals: 0,
        dead,
    };
    let (mut committed, mut looked) = (Instant::now(), Instant::now());
    loop {
        if *around.stop().borrow() {
            return Ok(());
        }
        if looked.elapsed() >= LOOK_EVERY {
            around.look(&mut reader).await?;
            looked = Instant::now();
        }
        let delivery = reader.read(READ_BYTES).await.map_err(|error| state::problem(&error))?;
        let is_caught_up = delivery.is_none();
        if let Some(delivery) = delivery
            && session.take(&reader, delivery).await? == Goes::Ends
        {
            return Ok(());
        }
        if is_caught_up || committed.elapsed() >= COMMIT_EVERY {
            if session.flush(reader.places()).await? == Goes::Ends {
                return Ok(());
            }
            session.commit(&reader).await?;
            committed = Instant::now();
        }
        if is_caught_up {
            tokio::select! {
                waited = reader.wait() => waited.map_err(|error| state::problem(&error))?,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = around.stopped() => return Ok(()),
            }
        }
    }
}

impl Session<'_> {
    fn settings(&self) -> &Settings {
        &self.sink.settings
    }

    async fn commit(&mut self, reader: &Subscription) -> Result<(), Problem> {
        let known = self.around.committed();
        // A topic that was deleted has no place any more, also where there is another one of its name.
        let is_there = |place: &&Place| self.around.log().topic(&place.topic.name).is_some_and(|topic| topic.index == place.route.topic);
        let places = reader.places().iter().filter(is_there).map(|place| (place.topic.name.clone(), place.route.partition, place.next));
        let moved = places.filter(|(topic, partition, next)| known.get(&(topic.clone(), *partition)) != Some(next)).collect();
        self.around.commit(moved).await
    }

    /// Takes in what a read brought.
    async fn take(&mut self, reader: &Subscription, delivery: Delivery) -> Result<Goes, Problem> {
        match delivery {
            Delivery::Records(chunk) => self.records(reader, &chunk).await,
            Delivery::Gap { place, from, to } => {
                let topic = reader.places().get(place).map_or("", |place| &place.topic.name).to_owned();
                let what = format!("{} records of {topic} were removed by retention before they reached the index", to - from);
                let fix = "bring every row again:\nrowfeed snapshot start CONNECTOR --table SCHEMA.TABLE";
                tracing::warn!(subscription = self.around.name(), code = "search/gap", "{what}");
                self.around.status().note(Some(Problem::refuse("search/gap", what).fix(fix)));
                Ok(Goes::On)
            }
            Delivery::Deleted { .. } => Ok(Goes::On),
        }
    }

    async fn records(&mut self, reader: &Subscription, chunk: &Chunk) -> Result<Goes, Problem> {
        let Some(place) = reader.places().get(chunk.place).cloned() else { return Ok(Goes::On) };
        let base = self.base(&place.topic).await?;
        let (mut wanted, mut filtered) = (Vec::new(), 0);
        chunk.records(|record| {
            let event = Event::new(&place.topic.name, place.route.partition, &record);
            match self.wanted(&event) {
                Some(found) => wanted.push(found),
                None => filtered += 1,
            }
            true
        });
        self.around.status().count(Outcome::Filtered, filtered);
        for at in 0..wanted.len() {
            if self.keep_moved(reader.places(), &mut wanted, at).await? == Goes::Ends {
                return Ok(Goes::Ends);
            }
            let Some(Wanted { action, lsn, offset, .. }) = wanted.get_mut(at).map(std::mem::take) else { break };
            let from = From { place: chunk.place, offset };
            let item = |index, id, members, missing| Item { index, id, version: base + offset, members, missing, from, records: 1 };
            match action {
                Ok(Action::Nothing) => {}
                Ok(Action::Delete { index, id }) => self.bulk.push(item(index, id, None, Vec::new())),
                Ok(Action::Index { index, id, mut members, missing }) => {
                    if let Some(mark) = &self.settings().mark {
                        let value = match lsn {
                            Some(lsn) => json!({ "topic": place.topic.name, "lsn": lsn }),
                            None => json!({ "topic": place.topic.name }),
                        };
                        let name = Json::from(mark.as_str()).to_string();
                        document::push_member(name.trim_matches('"').as_bytes(), value.to_string().as_bytes(), &mut members);
                    }
                    self.bulk.push(item(index, id, Some(members), missing));
                }
                Ok(Action::Empty { index, lsn }) => {
                    if self.flush(reader.places()).await? == Goes::Ends || self.empty(&index, &place.topic.name, lsn).await? == Goes::Ends {
                        return Ok(Goes::Ends);
                    }
                }
                Err(why) => self.give_up(&place, offset, 1, why).await?,
            }
            let is_full = self.bulk.len() >= self.settings().bulk_records || self.bulk.bytes() >= self.settings().bulk_bytes;
            if is_full && self.flush(reader.places()).await? == Goes::Ends {
                return Ok(Goes::Ends);
            }
        }
        Ok(Goes::On)
    }

    /// What a record wants; none: the filter leaves it out. A delete is never left out: without its old row nobody knows whether the
    /// document is there, and taking away what is not there does no harm. So it is with an update whose old row is not known.
    fn wanted(&self, event: &Event<'_>) -> Option<Wanted> {
        let is_gone = event.op() == Some(Op::Delete) || event.value.is_none();
        let leaves = match self.around.judge_live(event) {
            Judgement::Leaves => true,
            Judgement::No if is_gone => false,
            Judgement::No if event.op() == Some(Op::Update) && event.before().is_none() => true,
            Judgement::No if event.op() != Some(Op::Truncate) => return None,
            _ => false,
        };
        let action = document::action(event, &self.settings().index, leaves, self.settings().mark.as_deref());
        let is_cut = matches!(&action, Ok(Action::Index { missing, .. }) if !missing.is_empty());
        let old_id = if is_cut { document::old_id(event) } else { None };
        Some(Wanted { action, lsn: event.lsn().map(|lsn| lsn.0), offset: event.offset, old_id })
    }

    /// A key that changes is a delete and a new row close behind it. What PostgreSQL did not send of the new row only the old document
    /// has: before that goes, it is asked for.
    async fn keep_moved(&mut self, places: &[Place], wanted: &mut [Wanted], at: usize) -> Result<Goes, Problem> {
        let Some((Wanted { action: Ok(Action::Delete { index, id }), offset, .. }, behind)) =
            wanted.get_mut(at..).and_then(<[_]>::split_first_mut)
        else {
            return Ok(Goes::On);
        };
        let moved = behind.iter_mut().take(MOVED_WITHIN).find(|wanted| wanted.old_id.as_deref() == Some(id.as_str()));
        let Some(Ok(Action::Index { members, missing, .. })) = moved.map(|wanted| &mut wanted.action) else { return Ok(Goes::On) };
        // The old document is to be as it was last.
        if self.flush(places).await? == Goes::Ends {
            return Ok(Goes::Ends);
        }
        let (index, id, from) = (index.clone(), id.clone(), From { place: 0, offset: *offset });
        let (known, missing) = (Some(std::mem::take(members)), std::mem::take(missing));
        let mut old = [Item { index, id, version: 0, members: known, missing, from, records: 0 }];
        let goes = loop {
            match self.complete(&mut old).await? {
                Completed::Done => break Goes::On,
                Completed::Again => {}
                Completed::TooLong => {
                    self.sink.incomplete.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    break Goes::On;
                }
                Completed::Ends => break Goes::Ends,
            }
        };
        let [Item { members: filled, .. }] = old;
        *members = filled.unwrap_or_default();
        Ok(goes)
    }

    /// The version of a topic's offset 0: kept since the topic was first met, and greater than all versions of an earlier topic of that
    /// name, because no partition grows by a record per microsecond.
    async fn base(&mut self, topic: &TopicInfo) -> Result<u64, Problem> {
        if let Some(base) = self.bases.get(&topic.id) {
            return Ok(*base);
        }
        let key = format!("version/{}", id_hex(&topic.id));
        let number = |bytes: &Bytes| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok();
        let base = match self.around.state(&key).as_ref().and_then(number) {
            Some(base) => base,
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(0));
                // A clock that was set back.
                let newest = self.around.states("version/").iter().filter_map(|(_, base)| number(base)).max().unwrap_or(0);
                let base = now.max(newest + 1);
                self.around.put_states(vec![(key, Some(base.to_string().into_bytes()))]).await?;
                base
            }
        };
        self.bases.insert(topic.id, base);
        Ok(base)
    }

    /// Sends what was gathered; returns when the server has all of it, dead letters excepted.
    async fn flush(&mut self, places: &[Place]) -> Result<Goes, Problem> {
        let mut items = self.bulk.take();
        self.portion = (self.portion * 2).min(PORTION_MAX);
        while !items.is_empty() {
            // Cut anew at each try: after trouble there go fewer into one.
            let mut count = self.fits(&items);
            if bulk::lacking(items.get(..count).unwrap_or_default()) > 0 {
                let end = bulk::portion(items.get(..count).unwrap_or_default(), self.portion);
                match self.complete(items.get_mut(..end).unwrap_or_default()).await? {
                    Completed::Done => count = self.fits(items.get(..end).unwrap_or_default()),
                    Completed::Again => continue,
                    Completed::TooLong => {
                        self.ask_for_less(places, &mut items, end).await?;
                        continue;
                    }
                    Completed::Ends => return Ok(Goes::Ends),
                }
            }
            let body = bulk::encode(items.get(..count).unwrap_or_default());
            let bytes = body.len();
            let begun = Instant::now();
            let answer = match self.ask_once("/_bulk?filter_path=errors,items.*.status,items.*.error", body, None, ANSWER_BYTES_MAX).await?
            {
                Asked::Answer(answer) => answer,
                Asked::Busy { why, after, is_silent } => {
                    if is_silent && bytes >= LARGE_BYTES {
                        self.bytes = (bytes / 2).max(LARGE_BYTES / 2);
                    }
                    self.refusals = if is_silent && count == 1 && bytes >= LARGE_BYTES { self.refusals + 1 } else { 0 };
                    if self.refusals >= REFUSALS_MAX && self.client.ask("/", None, None).await.is_ok() {
                        let why = format!("the server closes the connection when it is sent this document of {bytes} bytes: {why}");
                        self.give_up_first(places, &mut items, why).await?;
                    } else if self.slow_down(count, &why, after).await == Goes::Ends {
                        return Ok(Goes::Ends);
                    }
                    continue;
                }
            };
            if answer.status == 413 {
                if count == 1 {
                    let why = format!("the server takes no document of this size: {bytes} bytes");
                    self.give_up_first(places, &mut items, why).await?;
                } else {
                    self.bytes = bytes / 2;
                }
                continue;
            }
            let fates = bulk::judge(&answer.body, count).ok_or_else(|| nonsense(&answer))?;
            self.around.status().took(begun.elapsed());
            let rest = items.split_off(count);
            let mut again = Vec::new();
            let mut busy = None;
            for (item, fate) in items.into_iter().zip(fates) {
                match fate {
                    Fate::Done => self.around.status().count(Outcome::Delivered, item.records),
                    Fate::Dead(why) => self.give_up_item(places, &item, why).await?,
                    Fate::Stop(problem) => return Err(problem),
                    Fate::Again(why) => {
                        self.around.status().count(Outcome::Failed, item.records);
                        busy = Some(why);
                        again.push(item);
                    }
                }
            }
            again.extend(rest);
            items = again;
            match busy {
                Some(why) if self.slow_down(count, &why, None).await == Goes::Ends => return Ok(Goes::Ends),
                Some(_) => {}
                None => self.went_well(),
            }
        }
        self.bury().await?;
        Ok(Goes::On)
    }

    /// How many of the items go into one request.
    fn fits(&self, items: &[Item]) -> usize {
        let (mut bytes, mut count) = (0, 0);
        for item in items.iter().take(self.room.max(1)) {
            bytes += item.members.as_ref().map_or(0, Vec::len) + item.id.len() + item.index.len();
            if count > 0 && bytes > self.bytes {
                break;
            }
            count += 1;
        }
        count
    }

    /// Adds the columns that PostgreSQL did not send, as the server has them.
    async fn complete(&mut self, items: &mut [Item]) -> Result<Completed, Problem> {
        let Some(question) = bulk::ask_missing(items) else { return Ok(Completed::Done) };
        let lacking = bulk::lacking(items);
        let most = if lacking == 1 { ANSWER_BYTES_MAX } else { PORTION_BYTES_MAX };
        match self.ask_once("/_mget", question, None, most).await? {
            Asked::Answer(answer) if !answer.is_whole || answer.status == 413 => Ok(Completed::TooLong),
            Asked::Answer(answer) => {
                let incomplete = bulk::fill_missing(items, &answer.body).ok_or_else(|| nonsense(&answer))?;
                self.sink.incomplete.fetch_add(incomplete, std::sync::atomic::Ordering::Relaxed);
                Ok(Completed::Done)
            }
            Asked::Busy { why, after, .. } => {
                self.portion = (lacking / 2).max(1);
                Ok(if self.slow_down(self.room, &why, after).await == Goes::Ends { Completed::Ends } else { Completed::Again })
            }
        }
    }

    /// After an answer that was too long: for half of those before `end`; one whose document alone is so large is a dead letter.
    async fn ask_for_less(&mut self, places: &[Place], items: &mut Vec<Item>, end: usize) -> Result<(), Problem> {
        let asked = items.get(..end).unwrap_or_default();
        let lacking = bulk::lacking(asked);
        if lacking > 1 {
            self.portion = lacking / 2;
            return Ok(());
        }
        let Some(at) = asked.iter().position(|item| !item.missing.is_empty()) else { return Ok(()) };
        let item = items.remove(at);
        let why = format!("the columns that PostgreSQL did not send are more than {ANSWER_BYTES_MAX} bytes in the index");
        self.give_up_item(places, &item, why).await
    }

    /// Takes away a topic's documents that are older than a `TRUNCATE`. Newer ones may be there: it may be told again.
    async fn empty(&mut self, index: &str, topic: &str, lsn: u64) -> Result<Goes, Problem> {
        let mark = self.settings().mark.clone().unwrap_or_default();
        let index = in_path(index);
        let is_of_topic = json!({ "bool": { "minimum_should_match": 1, "should": [
            { "term": { format!("{mark}.topic"): topic } }, { "term": { format!("{mark}.topic.keyword"): topic } },
        ] } });
        let is_older = json!({ "range": { format!("{mark}.lsn"): { "lt": lsn } } });
        let query = json!({ "query": { "bool": { "filter": [is_of_topic, is_older] } } }).to_string().into_bytes();
        // A search finds what was refreshed only.
        for (path, body) in [
            (format!("/{index}/_refresh?ignore_unavailable=true"), Vec::new()),
            (format!("/{index}/_delete_by_query?conflicts=proceed&refresh=true&ignore_unavailable=true"), query),
        ] {
            let Some(_) = self.ask(&path, body, Some(EMPTY_WAIT)).await? else { return Ok(Goes::Ends) };
        }
        Ok(Goes::On)
    }

    /// Asks until there is an answer that is none of passing trouble; none when it is to end.
    async fn ask(&mut self, path: &str, body: Vec<u8>, wait: Option<Duration>) -> Result<Option<Answer>, Problem> {
        loop {
            match self.ask_once(path, body.clone(), wait, ANSWER_BYTES_MAX).await? {
                Asked::Answer(answer) => return Ok(Some(answer)),
                Asked::Busy { why, after, .. } => {
                    if self.slow_down(self.room, &why, after).await == Goes::Ends {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Asks once; what nobody can mend by asking again is a problem.
    async fn ask_once(&mut self, path: &str, body: Vec<u8>, wait: Option<Duration>, most: u64) -> Result<Asked, Problem> {
        let answer = match self.client.ask_for(path, Some(body), wait, most).await {
            Ok(answer) => answer,
            Err(problem) if problem.action == Does::Retry => {
                let why = problem.text();
                self.around.status().trouble(Some(problem));
                return Ok(Asked::Busy { why, after: None, is_silent: true });
            }
            Err(problem) => return Err(problem),
        };
        match answer.status {
            200..=299 | 413 => {
                self.around.status().trouble(None);
                Ok(Asked::Answer(answer))
            }
            408 | 429 | 500.. => {
                let why = format!("the search server answers {}", answer.status);
                self.around.status().trouble(Some(Problem::retry("search/busy", why.clone()).why(reason(&answer))));
                Ok(Asked::Busy { why, after: answer.retry_after.map(Duration::from_secs), is_silent: false })
            }
            401 | 403 => Err(Problem::fail("search/auth", "the search server refuses this user")
                .why(reason(&answer))
                .fix("correct user and password, or api_key; the user needs the right to write to the index")),
            status => Err(Problem::fail("search/refused", format!("the search server answers {status}"))
                .why(reason(&answer))
                .fix("is url the address of Elasticsearch or OpenSearch? Then report it, with this text")),
        }
    }

    /// Waits, and asks for less the next time.
    async fn slow_down(&mut self, count: usize, why: &str, after: Option<Duration>) -> Goes {
        self.room = (count / 2).max(1);
        let pause = after.unwrap_or(self.pause).clamp(PAUSE_MIN, PAUSE_MAX);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        tracing::debug!(subscription = self.around.name(), pause_ms = pause.as_millis() as u64, "the search server is busy: {why}");
        tokio::select! {
            () = tokio::time::sleep(pause) => Goes::On,
            () = self.around.stopped() => Goes::Ends,
        }
    }

    fn went_well(&mut self) {
        self.pause = PAUSE_MIN;
        self.room = (self.room * 2).min(self.settings().bulk_records);
    }

    async fn give_up_first(&mut self, places: &[Place], items: &mut Vec<Item>, why: String) -> Result<(), Problem> {
        self.refusals = 0;
        if items.is_empty() {
            return Ok(());
        }
        let item = items.remove(0);
        self.give_up_item(places, &item, why).await
    }

    async fn give_up_item(&mut self, places: &[Place], item: &Item, why: String) -> Result<(), Problem> {
        let Some(place) = places.get(item.from.place).cloned() else { return Ok(()) };
        self.give_up(&place, item.from.offset, item.records, why).await
    }

    /// Makes a dead letter of a record, which is read again for that.
    async fn give_up(&mut self, place: &Place, offset: u64, records: u64, why: String) -> Result<(), Problem> {
        let chunk = self.around.log().read(place.route.topic, place.route.partition, offset, 1).await;
        let (mut key, mut value) = (None, None);
        if let Ok(bytes) = chunk {
            let chunk = Chunk { place: 0, bytes, from: offset, next: offset + 1 };
            chunk.records(|record| {
                key = record.key.map(Bytes::copy_from_slice);
                value = record.value.map(Bytes::copy_from_slice);
                false
            });
        }
        self.around.status().count(Outcome::Dead, records);
        let (topic, partition) = (place.topic.name.clone(), place.route.partition);
        tracing::warn!(subscription = self.around.name(), topic, partition, offset, "a record goes to the dead letters: {why}");
        self.dead.push(DeadLetter { topic, partition, offset, key, value, attempts: 1, error: why });
        if self.dead.len() >= DEAD_MAX { self.bury().await } else { Ok(()) }
    }

    async fn bury(&mut self) -> Result<(), Problem> {
        if !self.dead.is_empty() {
            self.around.dead_letters(&self.dead).await?;
            self.dead.clear();
        }
        Ok(())
    }
}

/// A name as one piece of a path.
fn in_path(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Dead letters that are put together.
const DEAD_MAX: usize = 100;

/// The reason in an answer that is an error, as far as it has one.
fn reason(answer: &Answer) -> String {
    let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = json.get("error");
    let text = error
        .and_then(|error| error.get("reason").or(Some(error)))
        .map(|reason| reason.as_str().map_or_else(|| reason.to_string(), str::to_owned));
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    text.chars().take(500).collect()
}

fn nonsense(answer: &Answer) -> Problem {
    Problem::fail("search/answer", "the search server's answer is not one")
        .why(reason(answer))
        .fix("is url the address of Elasticsearch or OpenSearch?")
}

#[cfg(test)]
mod tests;
