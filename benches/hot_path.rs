//! What an event costs, step by step: decode, encode, append, seal; read back, judged, shown. `cargo bench --bench hot_path`

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use rowfeed::change::{Column, Lsn, Op, Position, Relation, RelationId, ReplicaIdentity, RowChange, SnapshotMark, TypeKind};
use rowfeed::config::postgres::{ColumnMasks, ConverterSettings, HeaderConverter, Names, SourceTypes, transforms};
use rowfeed::encode::values::ValueSettings;
use rowfeed::encode::{Draft, Encoder, EventSettings, RelationPlan};
use rowfeed::event::{Event, Filter, Show, View};
use rowfeed::log::commit::CommitBuffer;
use rowfeed::postgres::pgoutput::{Cells, decode};
use rowfeed::record::{HeaderBlock, Headers, RecordRef, RecordSink, Route, SinkFull, TopicHandle, TopicIndex};

const EVENTS: usize = 1000;

fn main() {
    divan::main();
}

/// The narrow table of the w1 workload.
const COLUMNS: [(&str, TypeKind, &str); 6] = [
    ("id", TypeKind::Int8, "123456"),
    ("customer_id", TypeKind::Int4, "4711"),
    ("status", TypeKind::Text, "new"),
    ("amount", TypeKind::Numeric(Some((12, 2))), "1234.56"),
    ("created_at", TypeKind::TimestampTz(6), "2026-01-02 10:17:36+00"),
    ("note", TypeKind::Text, "0cc175b9c0f1b6a831c399e269772661-note-56"),
];

fn insert() -> Vec<u8> {
    let mut message = vec![b'I', 0, 0, 0, 7, b'N', 0, COLUMNS.len() as u8];
    for (_, _, text) in COLUMNS {
        message.push(b't');
        message.extend_from_slice(&(text.len() as u32).to_be_bytes());
        message.extend_from_slice(text.as_bytes());
    }
    message
}

fn settings() -> EventSettings {
    let mut headers = HeaderBlock::default();
    for (name, value) in [
        ("connectorLogicalName", "bench"),
        ("taskId", "0"),
        ("connectorName", "postgresql"),
        ("runId", "01a1fd0e-8aae-719d-a7fe-3535ccad22ab"),
    ] {
        headers.push(&format!("__debezium.context.{name}"), value.as_bytes());
    }
    EventSettings {
        version: "1".into(),
        topic_prefix: "bench".into(),
        topic_delimiter: ".".into(),
        database: "bench".into(),
        values: ValueSettings::default(),
        masks: ColumnMasks::default(),
        names: Names::default(),
        source_types: SourceTypes::default(),
        skip_unchanged: false,
        tombstones_on_delete: true,
        transforms: Vec::new(),
        key_converter: ConverterSettings::default(),
        value_converter: ConverterSettings::default(),
        header_converter: HeaderConverter::Simple,
        headers,
    }
}

fn plan(settings: &EventSettings) -> RelationPlan {
    let mut columns = Vec::new();
    for (name, kind, _) in COLUMNS {
        columns.push(Column {
            name: name.into(),
            type_oid: 0,
            type_mod: -1,
            kind,
            nullable: true,
            default: None,
            key_ordinal: (name == "id").then_some(0),
            type_name: "".into(),
        });
    }
    let relation = Relation {
        id: RelationId(7),
        schema: "public".into(),
        table: "orders".into(),
        identity: ReplicaIdentity::Default,
        columns: columns.into(),
    };
    let topic = TopicHandle { index: TopicIndex(20), partitions: 1 };
    Draft::new(Arc::new(relation), settings, |_| true).expect("it fits").finish(settings, |_| topic).expect("it fits")
}

#[divan::bench]
fn decode_insert(bencher: Bencher) {
    let message = insert();
    let mut cells = Cells::default();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            divan::black_box(decode(divan::black_box(&message), &mut cells).is_ok());
        }
    });
}

/// Takes records and forgets them: the encoder alone.
struct Nowhere;

impl RecordSink for Nowhere {
    fn push(&mut self, _: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        divan::black_box(record);
        Ok(())
    }
}

fn encode_into<S: RecordSink>(sink: &mut S, plan: &mut RelationPlan, encoder: &mut Encoder, message: &[u8], cells: &mut Cells) {
    decode(message, cells).expect("well-formed");
    let relation = Arc::clone(&plan.relation);
    let at = Position {
        lsn: Lsn(28_789_624),
        previous_commit: Some(Lsn(28_789_000)),
        xid: Some(746),
        commit_time_us: 1_795_233_128_832_839,
        snapshot: SnapshotMark::False,
        xmin: None,
        epoch: 1,
    };
    let change =
        RowChange { relation: &relation, op: Op::Create, before: None, before_is_key: false, after: Some(cells.new_row(message)), at };
    encoder.encode(plan, &change, sink).expect("encodes");
}

#[divan::bench]
fn decode_and_encode(bencher: Bencher) {
    let (message, settings) = (insert(), settings());
    let (mut plan, mut encoder, mut cells) = (plan(&settings), Encoder::new(&settings), Cells::default());
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            encode_into(&mut Nowhere, &mut plan, &mut encoder, &message, &mut cells);
        }
    });
}

/// With a chain that only changes the shape: to be compared with `decode_and_encode`.
#[divan::bench]
fn decode_and_encode_transformed(bencher: Bencher) {
    let options = [
        ("transforms", "more,route"),
        ("transforms.more.type", "org.apache.kafka.connect.transforms.InsertField$Value"),
        ("transforms.more.static.field", "origin"),
        ("transforms.more.static.value", "shop"),
        ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.route.regex", "(.*)"),
        ("transforms.route.replacement", "x.$1"),
    ];
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() };
    let (message, mut plan) = (insert(), plan(&settings));
    let (mut encoder, mut cells) = (Encoder::new(&settings), Cells::default());
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            encode_into(&mut Nowhere, &mut plan, &mut encoder, &message, &mut cells);
        }
    });
}

/// With a condition on two values of the row, which holds.
#[divan::bench]
fn decode_and_encode_filtered(bencher: Bencher) {
    let condition = "value.op == 'c' && (value.after.id != 1 || value.after.id == null)";
    transformed(
        bencher,
        &[
            ("transforms", "some"),
            ("transforms.some.type", "io.debezium.transforms.Filter"),
            ("transforms.some.language", "jsr223.groovy"),
            ("transforms.some.condition", condition),
        ],
    );
}

/// With a value that becomes another type.
#[divan::bench]
fn decode_and_encode_cast(bencher: Bencher) {
    transformed(
        bencher,
        &[
            ("transforms", "unwrap,cast"),
            ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState"),
            ("transforms.cast.type", "org.apache.kafka.connect.transforms.Cast$Value"),
            ("transforms.cast.spec", "id:string"),
        ],
    );
}

fn transformed(bencher: Bencher, options: &[(&str, &str)]) {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() };
    let (message, mut plan) = (insert(), plan(&settings));
    let (mut encoder, mut cells) = (Encoder::new(&settings), Cells::default());
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            encode_into(&mut Nowhere, &mut plan, &mut encoder, &message, &mut cells);
        }
    });
}

#[divan::bench]
fn decode_encode_append_and_seal(bencher: Bencher) {
    let (message, settings) = (insert(), settings());
    let (mut plan, mut encoder, mut cells) = (plan(&settings), Encoder::new(&settings), Cells::default());
    let mut commit = CommitBuffer::default();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            encode_into(&mut commit, &mut plan, &mut encoder, &message, &mut cells);
        }
        for part in commit.parts_mut() {
            divan::black_box(part.batch.seal(0));
        }
        commit.recycle();
    });
}

#[divan::bench]
fn append_a_record(bencher: Bencher) {
    let value = vec![b'x'; 600];
    let mut commit = CommitBuffer::default();
    let route = Route { topic: TopicIndex(20), partition: 0 };
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            let record = RecordRef { timestamp_ms: 1, key: Some(b"{\"id\":1}"), value: Some(&value), headers: Headers::NONE };
            commit.push(route, record).expect("a commit buffer grows");
        }
        commit.recycle();
    });
}

/// An event of the narrow table as subscribers read it.
fn stored() -> Vec<u8> {
    /// Keeps the newest value.
    struct Newest(Vec<u8>);
    impl RecordSink for Newest {
        fn push(&mut self, _: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
            self.0 = record.value.unwrap_or_default().to_vec();
            Ok(())
        }
    }
    let (message, settings, mut newest) = (insert(), settings(), Newest(Vec::new()));
    encode_into(&mut newest, &mut plan(&settings), &mut Encoder::new(&settings), &message, &mut Cells::default());
    newest.0
}

/// A stored event read: what every record of a topic with subscribers costs.
#[divan::bench]
fn read_an_event(bencher: Bencher) {
    let value = stored();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            divan::black_box(Event::of("t", Some(b"{\"id\":123456}"), Some(divan::black_box(&value))).op());
        }
    });
}

/// Read and asked: what a filter costs beyond that.
#[divan::bench(args = ["status = 'new'", "customer_id in (1, 2, 4711) and amount > 1000.5", "op = 'u' and changed(status)", "note like '%note-56'"])]
fn read_and_judge_an_event(bencher: Bencher, text: &str) {
    let (value, filter) = (stored(), Filter::parse(text).expect("a filter"));
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            divan::black_box(filter.judge(&Event::of("t", Some(b"{\"id\":123456}"), Some(divan::black_box(&value)))));
        }
    });
}

/// Read and looked up in an index of filters.
#[divan::bench]
fn read_an_event_and_its_candidates(bencher: Bencher) {
    let equality = Filter::parse("customer_id = 4711").expect("a filter").equality().expect("it has one");
    let (value, mut found) = (stored(), Vec::new());
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            found.clear();
            let event = Event::of("t", Some(b"{\"id\":123456}"), Some(divan::black_box(&value)));
            divan::black_box(equality.column.candidates(&event, &mut found));
        }
    });
}

/// Shown in each view.
#[divan::bench(args = ["envelope", "flat", "diff", "cloudevents", "raw"])]
fn show_an_event(bencher: Bencher, view: &str) {
    let (value, view, mut out) = (stored(), View::parse(view).expect("a view"), Vec::new());
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for _ in 0..EVENTS {
            out.clear();
            let event = Event::of("t", Some(b"{\"id\":123456}"), Some(divan::black_box(&value)));
            divan::black_box(view.write(&event, &Show::default(), &mut out));
        }
    });
}
