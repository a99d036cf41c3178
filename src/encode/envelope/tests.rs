//! Whole events against the texts captured from Debezium 3.6.3.

use std::sync::Arc;

use super::*;
use crate::change::{CellSpan, Column, Lsn, RelationId, ReplicaIdentity, SnapshotMark, TypeKind};
use crate::config::postgres::{BytesConverter, ColumnMasks, ConverterSettings, HeaderConverter, Names, SourceTypes, transforms};
use crate::encode::Draft;
use crate::encode::values::ValueSettings;
use crate::record::{Route, SinkFull, TopicHandle, TopicIndex};

/// Key, value, headers.
type Record = (Option<String>, Option<String>, Vec<(String, String)>);

#[derive(Default)]
struct Collected(Vec<Record>);

impl RecordSink for Collected {
    fn push(&mut self, _: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers =
            crate::record::view::read_headers(record.headers).map(|(key, value)| (key.to_owned(), text(value.unwrap()))).collect();
        self.0.push((record.key.map(text), record.value.map(text), headers));
        Ok(())
    }
}

pub fn settings() -> EventSettings {
    EventSettings {
        version: "3.6.3.Final".into(),
        topic_prefix: "srv".into(),
        topic_delimiter: ".".into(),
        database: "t1".into(),
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
        headers: HeaderBlock::default(),
    }
}

fn column(name: &str, kind: TypeKind, nullable: bool, key: Option<u16>) -> Column {
    Column { name: name.into(), type_oid: 0, type_mod: -1, kind, nullable, default: None, key_ordinal: key, type_name: "".into() }
}

fn customers(key: bool) -> Arc<Relation> {
    Arc::new(Relation {
        id: RelationId(1),
        schema: "public".into(),
        table: "customers".into(),
        identity: ReplicaIdentity::Default,
        columns: [
            column("id", TypeKind::Int4, false, key.then_some(0)),
            column("first_name", TypeKind::Text, false, None),
            column("email", TypeKind::Text, true, None),
            column("n", TypeKind::Int4, true, None),
        ]
        .into(),
    })
}

struct Row(Vec<u8>, Vec<CellSpan>);

fn row(cells: &[Option<&str>]) -> Row {
    let mut row = Row(Vec::new(), Vec::new());
    for cell in cells {
        row.1.push(match cell {
            Some("<unchanged>") => CellSpan::UNCHANGED,
            Some(text) => CellSpan::text(row.0.len(), text.len()).unwrap(),
            None => CellSpan::NULL,
        });
        row.0.extend_from_slice(cell.unwrap_or_default().as_bytes());
    }
    row
}

impl Row {
    fn tuple(&self) -> Tuple<'_> {
        Tuple::new(&self.0, &self.1)
    }
}

fn at(snapshot: SnapshotMark, previous_commit: Option<u64>) -> Position {
    Position {
        lsn: Lsn(28_789_624),
        previous_commit: previous_commit.map(Lsn),
        xid: Some(746),
        commit_time_us: 1_795_233_128_832_839,
        snapshot,
        xmin: None,
        epoch: 1,
    }
}

fn encode(relation: &Arc<Relation>, op: Op, before: Option<&Row>, before_is_key: bool, after: Option<&Row>, at: Position) -> Collected {
    encode_with(&settings(), relation, op, before, before_is_key, after, at)
}

fn encode_with(
    settings: &EventSettings,
    relation: &Arc<Relation>,
    op: Op,
    before: Option<&Row>,
    before_is_key: bool,
    after: Option<&Row>,
    at: Position,
) -> Collected {
    let topic = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let mut plan = Draft::new(Arc::clone(relation), settings, |_| true).expect("it fits").finish(settings, |_| topic).expect("it fits");
    let mut encoder = Encoder::new(settings);
    encoder.set_now(1_795_233_129_059_060_276);
    let change = RowChange { relation, op, before: before.map(Row::tuple), before_is_key, after: after.map(Row::tuple), at };
    let mut out = Collected::default();
    encoder.encode(&mut plan, &change, &mut out).unwrap();
    out
}

#[test]
fn a_snapshot_row_is_debeziums_to_the_byte() {
    let row = row(&[Some("1"), Some("Anne"), Some("a@x"), Some("5")]);
    let out = encode(&customers(true), Op::Read, None, false, Some(&row), at(SnapshotMark::LastInDataCollection, None));
    let expected = r#"{"before":null,"after":{"id":1,"first_name":"Anne","email":"a@x","n":5},"source":{"version":"3.6.3.Final","connector":"postgresql","name":"srv","ts_ms":1795233128832,"snapshot":"last_in_data_collection","db":"t1","sequence":"[null,\"28789624\"]","ts_us":1795233128832839,"ts_ns":1795233128832839000,"schema":"public","table":"customers","txId":746,"lsn":28789624,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"r","ts_ms":1795233129059,"ts_us":1795233129059060,"ts_ns":1795233129059060276}"#;
    assert_eq!(out.0, vec![(Some(r#"{"id":1}"#.into()), Some(expected.into()), vec![])]);
}

#[test]
fn a_delete_carries_the_key_and_fillers_then_a_tombstone() {
    let old = row(&[Some("1"), None, None, None]);
    let out = encode(&customers(true), Op::Delete, Some(&old), true, None, at(SnapshotMark::False, Some(7)));
    assert_eq!(out.0.len(), 2);
    let value = out.0[0].1.as_deref().unwrap();
    assert!(value.starts_with(r#"{"before":{"id":1,"first_name":"","email":null,"n":null},"after":null,"source":"#), "{value}");
    assert!(value.contains(r#""snapshot":"false","db":"t1","sequence":"[\"7\",\"28789624\"]""#), "{value}");
    assert_eq!(out.0[1], (Some(r#"{"id":1}"#.into()), None, vec![]));
}

#[test]
fn a_key_change_is_delete_tombstone_create_with_both_keys() {
    let old = row(&[Some("1"), None, None, None]);
    let new = row(&[Some("2"), Some("Anne"), Some("<unchanged>"), None]);
    let out = encode(&customers(true), Op::Update, Some(&old), true, Some(&new), at(SnapshotMark::False, None));
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(out.0.len(), 3);
    assert_eq!((out.0[0].0.as_deref(), &out.0[0].2), (Some(r#"{"id":1}"#), &header("__debezium.newkey", r#"{"id":2}"#)));
    assert_eq!(out.0[1], (Some(r#"{"id":1}"#.into()), None, header("__debezium.newkey", r#"{"id":2}"#)));
    assert_eq!((out.0[2].0.as_deref(), &out.0[2].2), (Some(r#"{"id":2}"#), &header("__debezium.oldkey", r#"{"id":1}"#)));
    assert!(out.0[0].1.as_deref().unwrap().contains(r#""op":"d""#));
    assert!(
        out.0[2]
            .1
            .as_deref()
            .unwrap()
            .starts_with(r#"{"before":null,"after":{"id":2,"first_name":"Anne","email":"__debezium_unavailable_value","n":null}"#)
    );
}

#[test]
fn an_unchanged_large_value_comes_from_the_full_old_row() {
    let old = row(&[Some("1"), Some("Anne"), Some("long"), None]);
    let new = row(&[Some("1"), Some("Bea"), Some("<unchanged>"), None]);
    let out = encode(&customers(true), Op::Update, Some(&old), false, Some(&new), at(SnapshotMark::False, None));
    let value = out.0[0].1.as_deref().unwrap();
    assert!(
        value.starts_with(
            r#"{"before":{"id":1,"first_name":"Anne","email":"long","n":null},"after":{"id":1,"first_name":"Bea","email":"long","n":null}"#
        ),
        "{value}"
    );
}

#[test]
fn an_update_with_a_key_only_old_row_and_the_same_key_has_no_before() {
    let old = row(&[Some("1"), None, None, None]);
    let new = row(&[Some("1"), Some("Bea"), Some("<unchanged>"), None]);
    let out = encode(&customers(true), Op::Update, Some(&old), true, Some(&new), at(SnapshotMark::False, None));
    assert_eq!(out.0.len(), 1);
    assert!(out.0[0].1.as_deref().unwrap().starts_with(r#"{"before":null,"#));
}

#[test]
fn a_table_without_key_has_null_keys_and_still_tombstones() {
    let old = row(&[Some("1"), Some("Anne"), None, None]);
    let out = encode(&customers(false), Op::Delete, Some(&old), false, None, at(SnapshotMark::False, None));
    assert_eq!(out.0.len(), 2);
    assert_eq!(out.0[0].0, None);
    assert_eq!(out.0[1], (None, None, vec![]));
}

#[test]
fn a_truncate_has_neither_key_nor_rows() {
    let out = encode(&customers(true), Op::Truncate, None, false, None, at(SnapshotMark::False, None));
    assert_eq!(out.0[0].0, None);
    assert!(out.0[0].1.as_deref().unwrap().starts_with(r#"{"before":null,"after":null,"source":"#));
    assert!(out.0[0].1.as_deref().unwrap().contains(r#""transaction":null,"op":"t","#));
}

#[test]
fn a_row_with_too_few_columns_is_an_error() {
    let relation = customers(true);
    let row = row(&[Some("1")]);
    let settings = settings();
    let topic = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let mut plan = Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| topic).expect("it fits");
    let change = RowChange {
        relation: &relation,
        op: Op::Create,
        before: None,
        before_is_key: false,
        after: Some(row.tuple()),
        at: at(SnapshotMark::False, None),
    };
    let error = Encoder::new(&settings).encode(&mut plan, &change, &mut Collected::default()).unwrap_err();
    assert_eq!(error.to_string(), "public.customers: a row has 1 columns, the table has 4");
}

#[test]
fn a_row_without_its_envelope_can_say_where_it_comes_from() {
    let options = [
        ("transforms", "unwrap"),
        ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState"),
        (
            "transforms.unwrap.add.fields",
            "op,ts_ms,ts_us,ts_ns,lsn,txId,db,source.ts_ms,source.ts_us,source.ts_ns,sequence,source.snapshot,xmin",
        ),
        ("transforms.unwrap.add.headers", "source.lsn,source.table"),
    ];
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() };
    let row = row(&[Some("1"), Some("Anne"), None, Some("5")]);
    let out = encode_with(&settings, &customers(true), Op::Create, None, false, Some(&row), at(SnapshotMark::False, Some(7)));
    let expected = concat!(
        r#"{"id":1,"first_name":"Anne","email":null,"n":5,"__op":"c","__ts_ms":1795233129059,"__ts_us":1795233129059060,"#,
        r#""__ts_ns":1795233129059060276,"__lsn":28789624,"__txId":746,"__db":"t1","__source_ts_ms":1795233128832,"#,
        r#""__source_ts_us":1795233128832839,"__source_ts_ns":1795233128832839000,"__sequence":"[\"7\",\"28789624\"]","#,
        r#""__source_snapshot":null,"__xmin":null}"#
    );
    let headers = vec![("__source_lsn".to_owned(), "28789624".to_owned()), ("__source_table".to_owned(), "customers".to_owned())];
    assert_eq!(out.0, vec![(Some(r#"{"id":1}"#.into()), Some(expected.into()), headers)]);
}

#[test]
fn a_transformation_that_does_not_fit_says_why() {
    let options = [
        ("transforms", "key"),
        ("transforms.key.type", "org.apache.kafka.connect.transforms.ExtractField$Key"),
        ("transforms.key.field", "nr"),
    ];
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() };
    let unfit = Draft::new(customers(true), &settings, |_| true).expect_err("there is no such field");
    assert_eq!(unfit.to_string(), "transforms.key: there is no field nr");
}

fn outbox(more: &[(&str, &str)]) -> EventSettings {
    let mut options: std::collections::BTreeMap<_, _> = [
        ("transforms", "outbox"),
        ("transforms.outbox.type", "io.debezium.transforms.outbox.EventRouter"),
        ("transforms.outbox.table.field.event.key", "id"),
        ("transforms.outbox.table.field.event.payload", "email"),
        ("transforms.outbox.route.by.field", "first_name"),
        ("transforms.outbox.table.field.event.id", "n"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    options.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() }
}

#[test]
fn a_topic_that_a_row_names_is_asked_for_once() {
    let text = ConverterSettings { text: true, ..ConverterSettings::default() };
    let settings = EventSettings { key_converter: text, value_converter: text, ..outbox(&[]) };
    let relation = customers(true);
    let nowhere = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let mut plan =
        Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| nowhere).expect("it fits");
    let mut encoder = Encoder::new(&settings);
    let row = row(&[Some("42"), Some("order"), Some("{\"a\": \"é\\n\"}"), Some("7")]);
    let at = at(SnapshotMark::False, None);
    let change = RowChange { relation: &relation, op: Op::Create, before: None, before_is_key: false, after: Some(row.tuple()), at };
    let mut out = Collected::default();
    let Err(EncodeError::NewTopic { said, name }) = encoder.encode(&mut plan, &change, &mut out) else { panic!("the topic is new") };
    assert_eq!((&*said, name.as_str(), out.0.len()), (&b"order"[..], "outbox.event.order", 0));
    plan.learn(&said, nowhere);
    encoder.encode(&mut plan, &change, &mut out).expect("the topic is known");
    assert_eq!(out.0, vec![(Some("42".into()), Some("{\"a\": \"é\\n\"}".into()), vec![("id".into(), "7".into())])]);
}

/// A payload of bytes as it is, and what is none by the delegate.
#[test]
fn bytes_are_written_as_they_are() {
    let bytes = |bytes| ConverterSettings { bytes, ..ConverterSettings::default() };
    let [alone, delegating] = [BytesConverter::Alone, BytesConverter::Delegating].map(bytes);
    let mut relation = (*customers(true)).clone();
    relation.columns[2].kind = TypeKind::Bytea;
    let relation = Arc::new(relation);
    let nowhere = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let settings = EventSettings { key_converter: delegating, value_converter: alone, ..outbox(&[]) };
    let mut plan =
        Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| nowhere).expect("it fits");
    plan.learn(b"order", nowhere);
    let mut encoder = Encoder::new(&settings);
    for (payload, expected) in [(Some(r"\x6e756c6c"), Some("null")), (Some(r"\x"), Some("")), (Some(r"\x41"), Some("A")), (None, None)] {
        let row = row(&[Some("42"), Some("order"), payload, Some("7")]);
        let at = at(SnapshotMark::False, None);
        let change = RowChange { relation: &relation, op: Op::Create, before: None, before_is_key: false, after: Some(row.tuple()), at };
        let mut out = Collected::default();
        encoder.encode(&mut plan, &change, &mut out).expect("the topic is known");
        assert_eq!((out.0[0].0.as_deref(), out.0[0].1.as_deref()), (Some("42"), expected), "{payload:?}");
    }
    let settings = EventSettings { key_converter: alone, ..outbox(&[]) };
    let unfit = Draft::new(relation, &settings, |_| true).expect("a shape").finish(&settings, |_| nowhere).expect_err("no bytes");
    assert_eq!(unfit.option, "key.converter");
}

fn scripted(class: &str, option: &str, expression: &str) -> EventSettings {
    let options = [
        ("transforms".to_owned(), "s".to_owned()),
        ("transforms.s.type".to_owned(), format!("io.debezium.transforms.{class}")),
        ("transforms.s.language".to_owned(), "jsr223.groovy".to_owned()),
        (format!("transforms.s.{option}"), expression.to_owned()),
    ];
    EventSettings { transforms: transforms::parse(&options.into()).expect("a chain"), ..settings() }
}

#[test]
fn a_condition_drops_the_rows_for_which_it_does_not_hold() {
    let settings = scripted("Filter", "condition", "value.op == 'd' || value.after.n > 4 && value.after.email != null");
    for (n, email, kept) in [("5", Some("a@x"), 1), ("4", Some("a@x"), 0), ("5", None, 0)] {
        let row = row(&[Some("1"), Some("Anne"), email, Some(n)]);
        let out = encode_with(&settings, &customers(true), Op::Create, None, false, Some(&row), at(SnapshotMark::False, None));
        assert_eq!(out.0.len(), kept, "{n} {email:?}");
    }
    let old = row(&[Some("1"), None, None, None]);
    let out = encode_with(&settings, &customers(true), Op::Delete, Some(&old), true, None, at(SnapshotMark::False, None));
    assert_eq!(out.0.len(), 2, "the delete and, since null.handling.mode is keep, its tombstone");
}

#[test]
fn a_condition_that_fails_stops_the_connector_and_says_why() {
    let settings = scripted("Filter", "condition", "value.before.id == 1");
    let relation = customers(true);
    let topic = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let mut plan = Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| topic).expect("it fits");
    let row = row(&[Some("1"), Some("Anne"), None, None]);
    let at = at(SnapshotMark::False, None);
    let change = RowChange { relation: &relation, op: Op::Create, before: None, before_is_key: false, after: Some(row.tuple()), at };
    let error = Encoder::new(&settings).encode(&mut plan, &change, &mut Collected::default()).unwrap_err();
    let why = "value.before is null and has no field id; write ?.id where it may be null";
    assert_eq!(error.to_string(), format!("public.customers: transforms.s.condition: {why}"));
}

#[test]
fn every_topic_of_a_change_is_known_before_anything_is_pushed() {
    let settings = scripted("ContentBasedRouter", "topic.expression", "'t.' + (value.after ?: value.before).id");
    let relation = customers(true);
    let topic = |index| TopicHandle { index: TopicIndex(index), partitions: 1 };
    let mut plan =
        Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| topic(1)).expect("it fits");
    let (old, new) = (row(&[Some("1"), None, None, None]), row(&[Some("2"), Some("Anne"), None, None]));
    let at = at(SnapshotMark::False, None);
    let (before, after) = (Some(old.tuple()), Some(new.tuple()));
    let change = RowChange { relation: &relation, op: Op::Update, before, before_is_key: true, after, at };
    let (mut encoder, mut out) = (Encoder::new(&settings), Collected::default());
    for (index, expected) in [(2, "t.1"), (3, "t.2")] {
        let Err(EncodeError::NewTopic { said, name }) = encoder.encode(&mut plan, &change, &mut out) else { panic!("{expected} is new") };
        assert_eq!((name.as_str(), out.0.len()), (expected, 0));
        plan.learn(&said, topic(index));
    }
    encoder.encode(&mut plan, &change, &mut out).expect("the topics are known");
    assert_eq!(out.0.len(), 3);
}

/// The partitions and timestamps of records.
struct Places(Vec<(u32, i64)>);

impl RecordSink for Places {
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        self.0.push((to.partition, record.timestamp_ms));
        Ok(())
    }
}

#[test]
fn values_of_a_row_decide_about_its_partition() {
    let options = [
        ("transforms", "p"),
        ("transforms.p.type", "io.debezium.transforms.partitions.PartitionRouting"),
        ("transforms.p.partition.payload.fields", "change.n, change.first_name,change.nosuch"),
        ("transforms.p.partition.topic.num", "100"),
    ];
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() };
    let relation = customers(true);
    let at = at(SnapshotMark::False, None);
    let (new, old) = (row(&[Some("1"), Some("Anne"), None, Some("5")]), row(&[Some("1"), Some("Anne"), None, None]));
    let of = |op, before: Option<&Row>, after: Option<&Row>, partitions| {
        let topic = TopicHandle { index: TopicIndex(20), partitions };
        let mut plan =
            Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| topic).expect("it fits");
        let (before, after) = (before.map(Row::tuple), after.map(Row::tuple));
        let change = RowChange { relation: &relation, op, before, before_is_key: false, after, at };
        let mut out = Places(Vec::new());
        let partitions = |out: Places| out.0.into_iter().map(|(partition, _)| partition).collect::<Vec<_>>();
        Encoder::new(&settings).encode(&mut plan, &change, &mut out).map(|()| partitions(out)).map_err(|error| error.to_string())
    };
    // "Anne".hashCode() is 2045636.
    assert_eq!(of(Op::Create, None, Some(&new), 100), Ok(vec![41]));
    let tombstone = TopicHandle { index: TopicIndex(20), partitions: 100 }.route(Some(b"{\"id\":1}")).partition;
    assert_eq!(of(Op::Delete, Some(&old), None, 100), Ok(vec![36, tombstone]), "a tombstone goes where its key does");
    let why = "public.customers: partition.topic.num leads to partition 41, and the topic has 3";
    assert_eq!(of(Op::Create, None, Some(&new), 3), Err(why.to_owned()));
}

#[test]
fn a_row_of_an_outbox_says_its_partition_and_its_timestamp() {
    let mut relation = (*customers(true)).clone();
    relation.columns[3].kind = TypeKind::Int4;
    relation.columns[2].kind = TypeKind::Timestamp(6);
    let relation = Arc::new(relation);
    let place = ("transforms.outbox.table.fields.additional.placement", "n:partition");
    let time = ("transforms.outbox.table.field.event.timestamp", "email");
    let settings = outbox(&[place, time]);
    let nowhere = TopicHandle { index: TopicIndex(20), partitions: 3 };
    let mut plan =
        Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| nowhere).expect("it fits");
    plan.learn(b"order", nowhere);
    let mut encoder = Encoder::new(&settings);
    encoder.set_now(1_795_233_129_059_060_276);
    for (n, time, expected) in [
        (Some("2"), Some("2001-02-03 04:05:06.789999"), Ok((2, 981_173_106_789))),
        (None, None, Ok((nowhere.route(Some(b"42")).partition, 1_795_233_129_059))),
        (Some("3"), None, Err("table.fields.additional.placement leads to partition 3, and the topic has 3")),
        (Some("-1"), None, Err("there is no partition -1")),
        (None, Some("1969-12-31 23:59:59"), Err("the timestamp -1000 is before 1970: Kafka takes no such record")),
    ] {
        let row = row(&[Some("42"), Some("order"), time, n]);
        let at = at(SnapshotMark::False, None);
        let change = RowChange { relation: &relation, op: Op::Create, before: None, before_is_key: false, after: Some(row.tuple()), at };
        let mut out = Places(Vec::new());
        let said = encoder.encode(&mut plan, &change, &mut out).map(|()| out.0[0]).map_err(|error| error.to_string());
        assert_eq!(said, expected.map_err(|why| format!("public.customers: {why}")));
    }
    for (option, column, why) in [
        (time.0, "n", "n: it takes a timestamp without a zone, and time.precision.mode neither connect nor isostring"),
        (time.0, "nosuch", "the table has no column nosuch"),
        (place.0, "email:partition", "email: a partition is an integer of 32 bits"),
    ] {
        let unfit = Draft::new(Arc::clone(&relation), &outbox(&[(option, column)]), |_| true).expect_err(why);
        assert_eq!(unfit.to_string(), format!("transforms.outbox: {why}"));
    }
}

#[test]
fn a_value_that_cannot_be_cast_names_its_column() {
    let options = [
        ("transforms.c.type", "org.apache.kafka.connect.transforms.Cast$Key"),
        ("transforms.c.spec", "id:int16"),
        ("transforms", "u,c,v"),
        ("transforms.u.type", "io.debezium.transforms.ExtractNewRecordState"),
        ("transforms.v.type", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("transforms.v.spec", "first_name:int32"),
    ];
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() };
    let relation = customers(true);
    let topic = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let mut plan = Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| topic).expect("it fits");
    let at = at(SnapshotMark::False, None);
    let mut out = Collected::default();
    let rows = [row(&[Some("70000"), Some("7"), None, None]), row(&[Some("1"), Some("Anne"), None, None])];
    let mut push = |row: &Row| {
        let change = RowChange { relation: &relation, op: Op::Create, before: None, before_is_key: false, after: Some(row.tuple()), at };
        Encoder::new(&settings).encode(&mut plan, &change, &mut out)
    };
    push(&rows[0]).expect("numbers");
    let error = push(&rows[1]).expect_err("a name is no number");
    assert_eq!(error.to_string(), "public.customers: column first_name: a text cannot be cast to int32");
    assert_eq!(
        (out.0[0].0.as_deref(), out.0[0].1.as_deref()),
        (Some(r#"{"id":4464}"#), Some(r#"{"id":70000,"first_name":7,"email":null,"n":null}"#))
    );
}

#[test]
fn converters_that_cannot_write_a_record_are_refused() {
    let text = ConverterSettings { text: true, ..ConverterSettings::default() };
    let schemas = ConverterSettings { schemas: true, ..ConverterSettings::default() };
    for (settings, option) in [
        (EventSettings { value_converter: text, ..settings() }, "value.converter"),
        (
            EventSettings { value_converter: schemas, ..outbox(&[("transforms.outbox.table.expand.json.payload", "true")]) },
            "value.converter.schemas.enable",
        ),
    ] {
        let nowhere = TopicHandle { index: TopicIndex(20), partitions: 1 };
        let unfit = Draft::new(customers(true), &settings, |_| true).expect("a shape").finish(&settings, |_| nowhere).expect_err("refused");
        assert_eq!(unfit.option, option);
    }
}

/// `ExtractChangedRecordState`, then `ExtractNewRecordState` without what it lists.
fn without_unchanged(more: &[(&str, &str)]) -> EventSettings {
    let mut options: std::collections::BTreeMap<_, _> = [
        ("transforms", "c,u"),
        ("transforms.c.type", "io.debezium.transforms.ExtractChangedRecordState"),
        ("transforms.c.header.unchanged.name", "Unchanged"),
        ("transforms.u.type", "io.debezium.transforms.ExtractNewRecordState"),
        ("transforms.u.drop.fields.header.name", "Unchanged"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    options.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() }
}

#[test]
fn records_with_fields_of_their_own_are_refused_where_fields_must_be_known() {
    use crate::config::postgres::{AvroSettings, FormSettings};
    let cast = |of| [("transforms", "c,u,v"), ("transforms.v.type", of), ("transforms.v.spec", "id:string")];
    let unfit = |more: &[(&str, &str)]| {
        Draft::new(customers(true), &without_unchanged(more), |_| true).map(|_| ()).map_err(|unfit| unfit.to_string())
    };
    let why = "transforms.v: behind drop.fields.header.name each record has fields of its own: put what looks at them before it";
    assert_eq!(unfit(&cast("org.apache.kafka.connect.transforms.Cast$Value")), Err(why.to_owned()));
    assert_eq!(unfit(&cast("org.apache.kafka.connect.transforms.Cast$Key")), Ok(()), "the key has all of its fields");
    let named = [
        ("transforms", "h,u"),
        ("transforms.h.type", "org.apache.kafka.connect.transforms.InsertHeader"),
        ("transforms.h.header", "Unchanged"),
        ("transforms.h.value.literal", "email"),
    ];
    let why = "transforms.u: the header Unchanged is no list of ExtractChangedRecordState, nor one that InsertHeader makes";
    let chain = named.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let unwrap =
        [("transforms.u.type", "io.debezium.transforms.ExtractNewRecordState"), ("transforms.u.drop.fields.header.name", "Unchanged")];
    let options = chain.chain(unwrap.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
    let settings = EventSettings { transforms: transforms::parse(&options).expect("a chain"), ..settings() };
    assert_eq!(Draft::new(customers(true), &settings, |_| true).expect_err("no list").to_string(), why);
    assert_eq!(unfit(&[("transforms.u.route.by.field", "n")]), Err("transforms.u: route.by.field: n is no text".to_owned()));
    assert_eq!(unfit(&[("transforms.u.route.by.field", "nr")]), Err("transforms.u: route.by.field: the row has no field nr".to_owned()));
    let nowhere = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let schemas = ConverterSettings { schemas: true, ..ConverterSettings::default() };
    let finish = |settings: &EventSettings| Draft::new(customers(true), settings, |_| true).expect("a shape").finish(settings, |_| nowhere);
    let of_values = EventSettings { value_converter: schemas, ..without_unchanged(&[]) };
    assert_eq!(finish(&of_values).expect_err("schemas").option, "value.converter.schemas.enable");
    let of_keys = EventSettings { key_converter: schemas, ..without_unchanged(&[]) };
    assert!(finish(&of_keys).is_ok(), "the key has all of its fields");
    let mut avro = without_unchanged(&[]);
    avro.value_converter.form = Some(FormSettings::Avro(AvroSettings { connect_meta_data: true }));
    let none = Draft::new(customers(true), &avro, |_| true).expect("a shape").with_forms(&avro).map(|_| ()).expect_err("no schema");
    assert_eq!(none.to_string(), "rows without the fields that a header lists cannot be written as Avro");
}

#[test]
fn a_mask_holds_behind_the_event_router() {
    let masks = |columns| ColumnMasks::parse([("column.mask.with.3.chars", columns)].into_iter()).0;
    let routed = EventSettings { masks: masks("public.customers.first_name"), ..outbox(&[]) };
    let unfit = Draft::new(customers(true), &routed, |_| true).expect_err("topics would tell");
    assert_eq!(unfit.to_string(), "transforms.outbox: the column first_name is masked: topics would tell what it hides");
    let expanded =
        [("transforms.outbox.table.expand.json.payload", "true"), ("transforms.outbox.route.tombstone.on.empty.payload", "true")];
    let settings = EventSettings { masks: masks("public.customers.email"), ..outbox(&expanded) };
    let relation = customers(true);
    let nowhere = TopicHandle { index: TopicIndex(20), partitions: 1 };
    let mut plan =
        Draft::new(Arc::clone(&relation), &settings, |_| true).expect("it fits").finish(&settings, |_| nowhere).expect("it fits");
    plan.learn(b"order", nowhere);
    let mut encoder = Encoder::new(&settings);
    for payload in [Some("{\"secret\": 1}"), None] {
        let row = row(&[Some("42"), Some("order"), payload, Some("7")]);
        let at = at(SnapshotMark::False, None);
        let change = RowChange { relation: &relation, op: Op::Create, before: None, before_is_key: false, after: Some(row.tuple()), at };
        let mut out = Collected::default();
        encoder.encode(&mut plan, &change, &mut out).expect("the topic is known");
        assert_eq!(out.0[0].1.as_deref(), Some("\"***\""), "{payload:?}");
    }
}

#[test]
fn a_notification_is_written_in_avro_too() {
    use crate::change::Notice;
    use crate::config::postgres::{AvroSettings, FormSettings};
    use crate::encode::notification;
    use crate::encode::wire::FormSink;
    use crate::record::Headers;

    struct Bytes(Vec<u8>);
    impl RecordSink for Bytes {
        fn push(&mut self, _: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
            self.0 = record.value.unwrap().to_vec();
            Ok(())
        }
    }
    let mut settings = settings();
    settings.value_converter.form = Some(FormSettings::Avro(AvroSettings { connect_meta_data: true }));
    let forms = notification::forms(&settings).unwrap();
    let notice = Notice { id: "s1".into(), aggregate: "Incremental Snapshot", kind: "PAUSED", data: Vec::new() };
    let topic = TopicHandle { index: TopicIndex(0), partitions: 1 };
    let mut bytes = Bytes(Vec::new());
    let sink = &mut FormSink { inner: &mut bytes, forms: &forms, by_key: None };
    notification::push(&settings, (topic, Headers::NONE), &notice, "unused", 3, sink).unwrap();
    // Wire format, texts, the second branch of the union: one block of one entry, its end; the time.
    assert_eq!(bytes.0, b"\0\0\0\0\0\x04s1\x0cPAUSED\x28Incremental Snapshot\x02\x02\x1cconnector_name\x06srv\0\x06");
}

#[test]
fn a_header_that_cannot_be_written_stops_what_is_no_row_too() {
    let options = [
        ("transforms", "h"),
        ("transforms.h.type", "org.apache.kafka.connect.transforms.InsertHeader"),
        ("transforms.h.header", "list"),
        ("transforms.h.value.literal", "[1]"),
        ("transforms.h.predicate", "beats"),
        ("predicates", "beats"),
        ("predicates.beats.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"),
        ("predicates.beats.pattern", "beats.*"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let chain = transforms::parse(&options).expect("a chain");
    let settings = EventSettings { transforms: chain, header_converter: HeaderConverter::JsonWithSchemas, ..settings() };
    let refused = crate::encode::control::heartbeats(&settings, "beats.srv").expect_err("a list has no schema");
    assert!(refused.to_string().contains("the header list is a list or a map, and has no schema here"), "{refused}");
    assert!(crate::encode::control::messages(&settings).expect("no header").is_some());
}
