//! The hot path allocates nothing per event.
//!
//! A counting allocator around the whole way of a change: decode, position, encode, append to a batch. Scratch and batches
//! grow while warming up; after that ten thousand events must not allocate once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rowfeed::change::{Checkpoint, Column, Lsn, Op, Position, Relation, RelationId, ReplicaIdentity, RowChange, SnapshotMark, TypeKind};
use rowfeed::config::postgres::{
    AvroSettings, CloudEventsSettings, ColumnMasks, ConverterSettings, FormSettings, HeaderConverter, JsonSchemaSettings, NameAdjustment,
    Names, ProtobufSettings, SourceTypes, transforms,
};
use rowfeed::connect::source::resume::Resume;
use rowfeed::encode::values::ValueSettings;
use rowfeed::encode::{Draft, Encoder, EventSettings, RelationPlan};
use rowfeed::event::{Event, Filter};
use rowfeed::log::commit::CommitBuffer;
use rowfeed::postgres::pgoutput::{Cells, OldRow, WalMessage, decode};
use rowfeed::record::{HeaderBlock, TopicHandle, TopicIndex};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be counted otherwise")]
// SAFETY: every call goes to the system's allocator unchanged; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const ROW: [(&str, TypeKind, &str); 12] = [
    ("id", TypeKind::Int8, "4711"),
    ("ok", TypeKind::Bool, "t"),
    ("status", TypeKind::Text, "paid \"in\" full"),
    ("amount", TypeKind::Numeric(Some((12, 2))), "1234567.89"),
    ("free", TypeKind::Numeric(None), "123.4500"),
    ("ratio", TypeKind::Float8, "0.30000000000000004"),
    ("at", TypeKind::TimestampTz(6), "2026-11-21 08:00:00.123456+00"),
    ("day", TypeKind::Date, "2026-11-21"),
    ("uid", TypeKind::Uuid, "b68a35a7-17ad-35b3-af2a-ae46edb4545a"),
    ("doc", TypeKind::Json, "{\"a\": [1, 2, {\"b\": null}]}"),
    ("raw", TypeKind::Bytea, "\\x0102ff"),
    ("note", TypeKind::Text, "(1,x)"),
];

fn relation() -> Arc<Relation> {
    let mut columns: Vec<Column> = Vec::new();
    for (name, kind, _) in ROW {
        columns.push(Column {
            name: name.into(),
            type_oid: 0,
            type_mod: -1,
            kind,
            nullable: name != "id",
            default: None,
            key_ordinal: (name == "id").then_some(0),
            type_name: "".into(),
        });
    }
    columns.push(Column {
        name: "tags".into(),
        type_oid: 0,
        type_mod: -1,
        kind: TypeKind::Array(Box::new(TypeKind::Int4)),
        nullable: true,
        default: None,
        key_ordinal: None,
        type_name: "".into(),
    });
    Arc::new(Relation {
        id: RelationId(7),
        schema: "public".into(),
        table: "orders".into(),
        identity: ReplicaIdentity::Full,
        columns: columns.into(),
    })
}

fn tuple(out: &mut Vec<u8>, id: &str, list: &str) {
    out.extend_from_slice(&13u16.to_be_bytes());
    let mut cell = |text: &str| {
        out.push(b't');
        out.extend_from_slice(&(text.len() as u32).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    for (name, _, text) in ROW {
        cell(if name == "id" { id } else { text });
    }
    cell(list);
}

/// Insert, update with the whole old row, update of the key, delete: as pgoutput sends them.
fn messages(list: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (kind, old, new) in [(b'I', None, Some("1")), (b'U', Some("1"), Some("1")), (b'U', Some("1"), Some("2")), (b'D', Some("2"), None)] {
        let mut message = vec![kind, 0, 0, 0, 7];
        if let Some(id) = old {
            message.push(b'O');
            tuple(&mut message, id, list);
        }
        if let Some(id) = new {
            message.push(b'N');
            tuple(&mut message, id, list);
        }
        all.push(message);
    }
    all
}

struct HotPath {
    cells: Cells,
    resume: Resume,
    encoder: Encoder,
    plan: RelationPlan,
    commit: CommitBuffer,
    lsn: u64,
}

impl HotPath {
    fn transaction(&mut self, messages: &[Vec<u8>]) {
        self.lsn += 100;
        let final_lsn = Lsn(self.lsn);
        self.resume.begin(final_lsn, 1, 2).expect("in order");
        for message in messages {
            assert!(self.resume.row().expect("inside a transaction"));
            let (op, old, has_new) = match decode(message, &mut self.cells).expect("well-formed") {
                WalMessage::Insert(_) => (Op::Create, OldRow::None, true),
                WalMessage::Update(_, old) => (Op::Update, old, true),
                WalMessage::Delete(_, old) => (Op::Delete, old, false),
                other => panic!("{other:?}"),
            };
            let relation = Arc::clone(&self.plan.relation);
            let change = RowChange {
                relation: &relation,
                op,
                before: (old != OldRow::None).then(|| self.cells.old(message)),
                before_is_key: old == OldRow::Key,
                after: has_new.then(|| self.cells.new_row(message)),
                at: Position {
                    lsn: final_lsn,
                    previous_commit: Some(Lsn(1)),
                    xid: Some(1),
                    commit_time_us: 2,
                    snapshot: SnapshotMark::False,
                    xmin: None,
                    epoch: self.lsn,
                },
            };
            self.encoder.encode(&mut self.plan, &change, &mut self.commit).expect("encodes");
        }
        assert!(self.resume.commit(final_lsn, Lsn(self.lsn + 50), 2).expect("in order"));
    }

    /// As much as one commit of the log holds, then the buffer is used again.
    fn commit(&mut self, messages: &[Vec<u8>]) {
        for _ in 0..250 {
            self.transaction(messages);
        }
        self.commit.recycle();
    }
}

#[test]
fn ten_thousand_events_allocate_nothing() {
    let json = ConverterSettings::default();
    let avro = ConverterSettings { form: Some(FormSettings::Avro(AvroSettings { connect_meta_data: true })), ..json };
    let schema = FormSettings::JsonSchema(JsonSchemaSettings { additional_properties: true });
    let protobuf = ConverterSettings { form: Some(FormSettings::Protobuf(ProtobufSettings::default())), ..json };
    let json_schema = ConverterSettings { form: Some(schema), ..json };
    assert_eq!(allocations_with(&[], json), 0, "allocations");
    assert_eq!(allocations_with(&[], avro), 0, "allocations in Avro");
    let data = AvroSettings { connect_meta_data: true };
    let events = FormSettings::CloudEvents(CloudEventsSettings { extensions: true, schemas: true, avro_data: Some(data), avro: None });
    let events = ConverterSettings { form: Some(events), ..json };
    assert_eq!(allocations_with(&[], events), 0, "allocations in CloudEvents");
    let avro_events = CloudEventsSettings { extensions: true, schemas: true, avro_data: Some(data), avro: Some(NameAdjustment::Avro) };
    let avro_events = ConverterSettings { form: Some(FormSettings::CloudEvents(avro_events)), ..json };
    assert_eq!(allocations_with(&[], avro_events), 0, "allocations in CloudEvents in Avro");
    let connect = ConverterSettings { form: Some(FormSettings::ConnectJson), ..json };
    assert_eq!(allocations_with(&[], connect), 0, "allocations in Apicurio's JSON");
    assert_eq!(allocations_with(&[], protobuf), 0, "allocations in Protocol Buffers");
    assert_eq!(allocations_with(&[], json_schema), 0, "allocations with a JSON Schema");
    let chain = [
        ("transforms", "unwrap,less"),
        ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState"),
        ("transforms.unwrap.add.fields", "op,source.ts_ms,lsn"),
        ("transforms.less.type", "org.apache.kafka.connect.transforms.InsertField$Value"),
        ("transforms.less.static.field", "origin"),
        ("transforms.less.static.value", "shop"),
    ];
    assert_eq!(allocations_with(&chain, json), 0, "allocations with transforms");
    assert_eq!(allocations_with(&chain, avro), 0, "allocations with transforms in Avro");
    let by_value = [
        ("transforms", "some,unwrap,cast,time"),
        ("transforms.some.type", "io.debezium.transforms.Filter"),
        ("transforms.some.language", "jsr223.groovy"),
        (
            "transforms.some.condition",
            "(value.after ?: value.before).status.toLowerCase().startsWith('paid \"') && (value.after ?: value.before).amount > 12.5 \
             && (value.after?.id in [3, 4] || value.source.table + value.op != 'x')",
        ),
        ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState"),
        ("transforms.unwrap.add.fields", "source.ts_ms"),
        ("transforms.cast.type", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("transforms.cast.spec", "id:string,amount:float64,ratio:string,ok:int32"),
        ("transforms.time.type", "org.apache.kafka.connect.transforms.TimestampConverter$Value"),
        ("transforms.time.field", "__source_ts_ms"),
        ("transforms.time.target.type", "string"),
        ("transforms.time.format", "yyyy-MM-dd HH:mm:ss.SSS"),
    ];
    assert_eq!(allocations_with(&by_value, json), 0, "allocations with a condition and conversions");
    let own = [
        ("transforms", "changes,unwrap"),
        ("transforms.changes.type", "io.debezium.transforms.ExtractChangedRecordState"),
        ("transforms.changes.header.unchanged.name", "Unchanged"),
        ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState"),
        ("transforms.unwrap.route.by.field", "status"),
        ("transforms.unwrap.drop.fields.header.name", "Unchanged"),
        ("transforms.unwrap.drop.fields.from.key", "true"),
    ];
    assert_eq!(allocations_with(&own, json), 0, "allocations with a row's own topic and fields");
    let zones = [
        ("transforms", "zone,route,decode"),
        ("transforms.zone.type", "io.debezium.transforms.TimezoneConverter"),
        ("transforms.zone.converted.timezone", "America/New_York"),
        ("transforms.zone.exclude.list", "source:orders:source.ts_us"),
        ("transforms.route.type", "io.debezium.transforms.partitions.PartitionRouting"),
        ("transforms.route.partition.payload.fields", "change.status,change.id"),
        ("transforms.route.partition.topic.num", "3"),
        ("transforms.route.partition.hash.function", "murmur"),
        ("transforms.decode.type", "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent"),
    ];
    assert_eq!(allocations_with(&zones, json), 0, "allocations with another zone and partitions");
    assert_eq!(allocations_of_readers(), 0, "allocations of reading and judging");
}

/// The way back: stored events read, looked up in an index of filters and judged, once everything has grown.
fn allocations_of_readers() -> u64 {
    let value = concat!(
        r#"{"before":{"id":42,"org":7,"status":"new","amount":"12.50"},"after":{"id":42,"org":7,"status":"paid","amount":"1e2"},"#,
        r#""source":{"name":"shop","schema":"public","table":"orders","txId":8812,"lsn":90,"sequence":"[\"7\",\"90\"]"},"op":"u","ts_ms":1}"#
    );
    let filters = ["org = 7 and amount > 12.5", "changed(status) and table in ('x', 'orders')", "status like 'pa%' or key.id is null"];
    let filters = filters.map(|text| Filter::parse(text).expect("a filter"));
    let equality = filters[0].equality().expect("it has one");
    let mut found = Vec::new();
    let mut read = || {
        let event = Event::of("shop.public.orders", Some(br#"{"id":42}"#), Some(value.as_bytes()));
        found.clear();
        equality.column.candidates(&event, &mut found);
        assert!(filters.iter().all(|filter| filter.judge(&event).is_wanted()));
        assert_eq!((event.lsn(), event.previous_commit_lsn()), (Some(Lsn(90)), Some(Lsn(7))));
    };
    // A regular expression keeps what it has worked out.
    (0..100).for_each(|_| read());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..10_000).for_each(|_| read());
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// How many allocations ten thousand events need once everything has grown.
fn allocations_with(chain: &[(&str, &str)], converter: ConverterSettings) -> u64 {
    let options = chain.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut headers = HeaderBlock::default();
    headers.push("__debezium.context.taskId", b"0");
    let settings = EventSettings {
        version: "1".into(),
        topic_prefix: "shop".into(),
        topic_delimiter: ".".into(),
        database: "shop".into(),
        values: ValueSettings::default(),
        masks: ColumnMasks::default(),
        names: Names::default(),
        source_types: SourceTypes::default(),
        skip_unchanged: false,
        tombstones_on_delete: true,
        transforms: transforms::parse(&options).expect("a chain"),
        key_converter: converter,
        value_converter: converter,
        header_converter: HeaderConverter::Simple,
        headers,
    };
    let topic = TopicHandle { index: TopicIndex(20), partitions: 3 };
    let mut draft = Draft::new(relation(), &settings, |_| true).expect("it fits");
    draft.with_forms(&settings).expect("names that every form allows");
    let mut plan = draft.finish(&settings, |_| topic).expect("it fits");
    // What rows that name their topic say.
    plan.learn(b"paid \"in\" full", topic);
    let mut path = HotPath {
        cells: Cells::default(),
        resume: Resume::new(Checkpoint::default(), Lsn(0)),
        encoder: Encoder::new(&settings),
        plan,
        commit: CommitBuffer::default(),
        lsn: 0,
    };
    // Protocol Buffers have no NULL in a list.
    let is_protobuf = matches!(converter.form, Some(FormSettings::Protobuf(_)));
    let messages = messages(if is_protobuf { "{1,2,3}" } else { "{1,NULL,3}" });
    for _ in 0..3 {
        path.commit(&messages);
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..10 {
        path.commit(&messages);
    }
    ALLOCATIONS.load(Ordering::Relaxed) - before
}
