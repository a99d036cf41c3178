//! Subscriptions against a real log, with a sink that remembers what it was given.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::deliver::{DeadLetter, Future, Sink, Source};
use crate::log::builtin::LogSettings;
use crate::log::subscription::Delivery;
use crate::log::{LogWriter, StartAt, TopicSpec};
use crate::record::compression::Compression;
use crate::record::{Headers, RecordRef, RecordSink};

/// The next offset of each topic and partition.
type Next = BTreeMap<(String, u32), u64>;

/// Groups in memory.
#[derive(Default)]
struct Groups(Mutex<BTreeMap<String, Next>>);

impl Places for Groups {
    fn committed(&self, group: &str) -> Vec<(String, u32, u64)> {
        let groups = self.0.lock().unwrap();
        groups.get(group).into_iter().flatten().map(|((topic, partition), next)| (topic.clone(), *partition, *next)).collect()
    }

    fn commit<'a>(
        &'a self,
        group: &'a str,
        offsets: Vec<(String, u32, u64)>,
    ) -> Pin<Box<dyn std::future::Future<Output = Result<(), String>> + Send + 'a>> {
        let mut groups = self.0.lock().unwrap();
        groups.entry(group.to_owned()).or_default().extend(offsets.into_iter().map(|(topic, partition, next)| ((topic, partition), next)));
        Box::pin(std::future::ready(Ok(())))
    }

    fn forget<'a>(&'a self, group: &'a str) -> Pin<Box<dyn std::future::Future<Output = ()> + Send + 'a>> {
        self.0.lock().unwrap().remove(group);
        Box::pin(std::future::ready(()))
    }
}

struct NoSources;

impl Sources for NoSources {
    fn source(&self, _: &str) -> Option<Source> {
        None
    }

    fn of_topic(&self, _: &str) -> Option<Source> {
        None
    }
}

/// What the sink does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Take,
    Retry,
    Refuse,
    Panic,
}

#[derive(Default)]
struct Remembers {
    never_back: bool,
    seen: Mutex<Vec<Vec<u8>>>,
    runs: AtomicU32,
    on: Mutex<BTreeMap<Vec<u8>, On>>,
}

impl Remembers {
    async fn deliver(&self, around: Around) -> Result<(), Problem> {
        self.runs.fetch_add(1, Relaxed);
        let mut reader = around.open().await?;
        loop {
            around.look(&mut reader).await?;
            while let Some(delivery) = reader.read(1).await.map_err(|error| error.problem())? {
                let Delivery::Records(chunk) = delivery else { continue };
                let mut values = Vec::new();
                chunk.records(|record| {
                    values.push(record.value.unwrap().to_vec());
                    true
                });
                for value in values {
                    let on = self.on.lock().unwrap().get(&value).copied().unwrap_or(On::Take);
                    match on {
                        On::Take => self.seen.lock().unwrap().push(value),
                        On::Retry => return Err(Problem::retry("test/away", "the receiver is away")),
                        On::Refuse => return Err(Problem::refuse("test/gone", "the receiver wants no more").fix("ask it")),
                        On::Panic => panic!("a defect"),
                    }
                }
                let place = &reader.places()[chunk.place];
                around.commit(vec![(place.topic.name.clone(), place.route.partition, chunk.next)]).await?;
            }
            tokio::select! {
                woken = reader.wait() => woken.map_err(|error| error.problem())?,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
                () = around.stopped() => return Ok(()),
            }
        }
    }
}

impl Sink for Remembers {
    fn run(self: Arc<Self>, around: Around) -> Future<Result<(), Problem>> {
        Box::pin(async move { self.deliver(around).await })
    }

    fn never_goes_back(&self) -> Option<&'static str> {
        self.never_back.then_some("told once")
    }
}

fn open(dir: &std::path::Path) -> BuiltinLog {
    BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir) }).unwrap()
}

async fn append(log: &BuiltinLog, topic: &str, value: &[u8]) {
    let mut writer = log.writer(Compression::None);
    let to = writer.topic(topic, &TopicSpec::default()).await.unwrap();
    let mut commit = writer.begin().await.unwrap();
    commit.push(to.route(None), RecordRef { timestamp_ms: 1, key: None, value: Some(value), headers: Headers::NONE }).unwrap();
    let seq = writer.commit(commit).await.unwrap();
    writer.wait_durable(seq).await.unwrap();
}

fn definition(sink: &Arc<Remembers>, from: StartAt) -> Definition {
    let given = options::of_json(&json!({ "type": "test", "topics": ["shop.*"] })).unwrap();
    let sink: Arc<dyn Sink> = Arc::clone(sink) as Arc<dyn Sink>;
    let origin = Origin::File("rowfeed.toml".into());
    Definition { name: "s".into(), kind: "test", origin, given, topics: vec!["shop.*".into()], filter: None, from, sink }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn seen(sink: &Remembers) -> Vec<Vec<u8>> {
    sink.seen.lock().unwrap().clone()
}

/// Aim: what is new begins at the end, goes on where it was after a restart and a pause, reads later topics from their start, and never
/// the dead letters or what it is not told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (log, groups, sink) = (open(dir.path()), Arc::new(Groups::default()), Arc::new(Remembers::default()));
    append(&log, "shop.old", b"before").await;
    let all = Deliveries::new(log.clone(), groups.clone(), Arc::new(NoSources));
    all.start(vec![definition(&sink, StartAt::End)]).await;
    until("it begins", || !groups.0.lock().unwrap().is_empty()).await;
    append(&log, "shop.old", b"1").await;
    append(&log, "other", b"not asked for").await;
    append(&log, "shop.new", b"2").await;
    until("both topics", || seen(&sink).len() == 2).await;
    let mut both = seen(&sink);
    both.sort();
    assert_eq!(both, [b"1", b"2"]);

    all.set_paused("s", true).await.unwrap();
    append(&log, "shop.old", b"3").await;
    assert_eq!((all.view("s").unwrap().state, all.view("s").unwrap().lag), (State::Paused(None), 1));
    all.shut_down().await;
    log.close();
    drop((all, log));

    // The pause holds over a restart, and so does the place.
    let log = open(dir.path());
    let all = Deliveries::new(log.clone(), groups.clone(), Arc::new(NoSources));
    all.start(vec![definition(&sink, StartAt::End)]).await;
    assert_eq!(all.view("s").unwrap().state, State::Paused(None));
    all.set_paused("s", false).await.unwrap();
    until("what came meanwhile", || seen(&sink).last().is_some_and(|value| value == b"3")).await;
    until("its place", || all.view("s").unwrap().lag == 0).await;
    assert_eq!(seen(&sink).len(), 3);

    // Back, and the same again.
    all.go_back("s", vec![("shop.old".to_owned(), 0, 0)]).await.unwrap();
    until("all of the topic", || seen(&sink).len() == 6).await;
    assert_eq!(seen(&sink)[3..], [b"before".to_vec(), b"1".to_vec(), b"3".to_vec()]);
    assert!(matches!(all.delete("s").await, Err(DeliverError::ManagedByFile(text)) if text.contains("rowfeed.toml")));
    assert!(matches!(all.view("t"), Err(DeliverError::NotFound(text)) if text.contains("\"t\"")));
    let limit = Duration::from_secs(20);
    let deleted = tokio::time::timeout(limit, all.delete("t")).await.expect("an answer");
    let paused = tokio::time::timeout(limit, all.set_paused("t", true)).await.expect("an answer");
    assert!(matches!((deleted, paused), (Err(DeliverError::NotFound(_)), Err(DeliverError::NotFound(_)))));
    all.shut_down().await;
    log.close();
}

/// Aim: trouble is tried again from the place, what the receiver does not want pauses with its reason, a defect fails that subscription.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_is_tried_again_and_what_needs_a_person_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (log, sink) = (open(dir.path()), Arc::new(Remembers::default()));
    append(&log, "shop.t", b"1").await;
    sink.on.lock().unwrap().extend([(b"1".to_vec(), On::Retry), (b"2".to_vec(), On::Refuse), (b"3".to_vec(), On::Panic)]);
    let all = Deliveries::new(log.clone(), Arc::new(Groups::default()), Arc::new(NoSources));
    all.start(vec![definition(&sink, StartAt::Start)]).await;
    until("it tries again", || sink.runs.load(Relaxed) >= 2).await;
    assert!(all.view("s").unwrap().status.restarts() >= 1);
    sink.on.lock().unwrap().remove(&b"1"[..]);
    until("it got through", || seen(&sink) == [b"1"]).await;

    append(&log, "shop.t", b"2").await;
    let paused = |state: &State| matches!(state, State::Paused(Some(problem)) if problem.fix == "ask it");
    until("it rests", || paused(&all.view("s").unwrap().state)).await;
    all.shut_down().await;
    all.start(vec![definition(&sink, StartAt::Start)]).await;
    assert!(paused(&all.view("s").unwrap().state), "also after a restart");
    sink.on.lock().unwrap().remove(&b"2"[..]);
    append(&log, "shop.t", b"3").await;
    all.set_paused("s", false).await.unwrap();
    until("it failed", || matches!(all.view("s").unwrap().state, State::Failed(problem) if problem.code == "internal/panic")).await;
    assert_eq!(seen(&sink), [b"1", b"2"]);

    let around = all.around("s").unwrap();
    let letter = DeadLetter {
        topic: "shop.t".into(),
        partition: 0,
        offset: 2,
        key: None,
        value: Some((&b"3"[..]).into()),
        attempts: 3,
        error: "why".into(),
    };
    around.dead_letters(&[letter]).await.unwrap();
    assert_eq!(log.offsets(log.topic("__rowfeed.dead.s").unwrap().index, 0).unwrap().end, 1);
    assert!(!around.topics().iter().any(|topic| topic.name.starts_with("__rowfeed.dead")));
    all.shut_down().await;
    log.close();
}

/// Aim: a replay delivers again, and never leaves out what was not delivered: not of a topic that is behind, nor of one that came while
/// it rested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_never_moves_forward() {
    let dir = tempfile::tempdir().unwrap();
    let (log, groups, sink) = (open(dir.path()), Arc::new(Groups::default()), Arc::new(Remembers::default()));
    append(&log, "shop.a", b"1").await;
    let all = Deliveries::new(log.clone(), groups.clone(), Arc::new(NoSources));
    all.start(vec![definition(&sink, StartAt::Start)]).await;
    until("the first", || all.view("s").unwrap().lag == 0 && seen(&sink).len() == 1).await;
    all.set_paused("s", true).await.unwrap();
    append(&log, "shop.a", b"2").await;
    append(&log, "shop.b", b"3").await;

    let end = |topic: &str| (topic.to_owned(), 0, log.offsets(log.topic(topic).unwrap().index, 0).unwrap().end);
    let places = all.go_back("s", vec![end("shop.a"), end("shop.b")]).await.unwrap();
    assert_eq!(places, [("shop.a".to_owned(), 0, 1), ("shop.b".to_owned(), 0, 0)]);
    assert_eq!((all.view("s").unwrap().state, all.view("s").unwrap().lag), (State::Paused(None), 2));
    all.set_paused("s", false).await.unwrap();
    until("what was not delivered", || seen(&sink).len() == 3).await;
    let mut values = seen(&sink);
    values.sort();
    assert_eq!(values, [b"1", b"2", b"3"]);
    all.shut_down().await;

    let once = Arc::new(Remembers { never_back: true, ..Remembers::default() });
    all.start(vec![definition(&once, StartAt::Start)]).await;
    let refused = all.go_back("s", vec![("shop.a".to_owned(), 0, 0)]).await;
    assert!(matches!(refused, Err(DeliverError::Refused(Refusal::Wrong(text))) if text.contains("told once")));
    all.shut_down().await;
    log.close();
}

/// Aim: dead letters end: a subscription does not read its own, and one that does not fit with its headers is kept without its value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_always_kept_and_never_delivered_to_who_gave_it_up() {
    let own = |name: &str| {
        let json = json!({ "type": "webhook", "url": "https://h.example.com/", "topics": ["shop.t", "__rowfeed.dead.s"],
            "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" });
        Definition::parse(name, options::of_json(&json).unwrap(), BTreeMap::new(), Origin::Api)
    };
    let problems = own("s").err().unwrap();
    assert!(problems.len() == 1 && problems[0].why.contains("never end"), "{problems:?}");
    assert!(own("other").is_ok());

    let dir = tempfile::tempdir().unwrap();
    let (log, sink) = (open(dir.path()), Arc::new(Remembers::default()));
    let all = Deliveries::new(log.clone(), Arc::new(Groups::default()), Arc::new(NoSources));
    all.start(vec![definition(&sink, StartAt::Start)]).await;
    let around = all.around("s").unwrap();
    // It fitted with its own key and without headers.
    let value = vec![0; crate::log::commit::RECORD_BYTES_MAX - 40];
    let letter = DeadLetter {
        topic: "shop.t".into(),
        partition: 0,
        offset: 2,
        key: Some((&b"k"[..]).into()),
        value: Some(value.into()),
        attempts: 3,
        error: "why".into(),
    };
    let large_key = DeadLetter { key: letter.value.clone(), value: None, offset: 3, ..letter.clone() };
    around.dead_letters(&[letter, large_key]).await.unwrap();
    let topic = log.topic("__rowfeed.dead.s").unwrap();
    let mut kept = Vec::new();
    for partition in 0..topic.partitions {
        let bytes = log.read(topic.index, partition, 0, 1 << 20).await.unwrap();
        let mut room = Vec::new();
        for batch in crate::record::view::batches(&bytes) {
            for record in batch.records(&mut room).flatten() {
                let named = |name: &str| record.headers().any(|(known, _)| known == name);
                kept.push((record.key.map(<[u8]>::to_vec), record.value.is_some(), named("rowfeed.dead.value"), named("rowfeed.dead.key")));
            }
        }
    }
    kept.sort();
    assert_eq!(kept, [(None, false, false, true), (Some(b"k".to_vec()), false, true, false)]);
    all.shut_down().await;
    log.close();
}
