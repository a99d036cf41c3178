//! What expressions say of a row, by Groovy's and JavaScript's rules.

use super::*;
use crate::change::{CellSpan, Lsn, Position, SnapshotMark, Tuple, TypeKind};
use crate::config::postgres::transforms::script::{NullHandling, Purpose, parse};
use crate::encode::schema::Schema;
use crate::encode::transform::shape::{Content, Header, HeaderContent, Node};
use crate::encode::values::{ValueSettings, choose};

const COLUMNS: [(&str, TypeKind, Option<&str>); 8] = [
    ("id", TypeKind::Int4, Some("7")),
    ("name", TypeKind::Text, Some("Ann \"the\" é\u{1f600}")),
    ("price", TypeKind::Numeric(Some((12, 2))), Some("-10.50")),
    ("ratio", TypeKind::Float8, Some("0.5")),
    ("ok", TypeKind::Bool, Some("t")),
    ("note", TypeKind::Text, None),
    ("status", TypeKind::Text, None),
    ("raw", TypeKind::Bytea, Some("\\x01")),
];

fn row(old: bool) -> Node {
    let fields = COLUMNS.iter().enumerate().map(|(index, (name, kind, _))| {
        let form = choose(kind, &ValueSettings::default());
        let default = (*name == "status").then(|| b"\"new\""[..].into());
        let schema = Schema { optional: true, default, ..(*form.schema).clone() };
        ((*name).into(), Node { schema, content: Content::Column { old, index, form, null: b"null"[..].into() } })
    });
    Node::of(Schema::of_struct("v", Vec::new()).optional(), fields.collect())
}

/// An insert.
fn shape() -> Shape {
    let after = row(false);
    let before = Node { schema: after.whole_schema(), content: Content::Null };
    let fields = vec![("before".into(), before), ("after".into(), after), ("op".into(), Node::text("c", false))];
    let header = Header { name: "h".to_owned(), content: HeaderContent::Bytes(b"x".to_vec()) };
    Shape {
        topic: "srv.public.t".to_owned(),
        routed: None,
        key: None,
        value: Some(Node::of(Schema::of_struct("srv.Envelope", Vec::new()), fields)),
        headers: vec![header],
        conditions: Vec::new(),
        partition: None,
        timestamp: None,
    }
}

fn rule(text: &str, dialect: Dialect) -> Rule {
    let expression = parse(text, dialect).unwrap_or_else(|error| panic!("{text}: {error}"));
    let script = Script { purpose: Purpose::Keep, expression, dialect, nulls: NullHandling::Keep, topics: None };
    Rule::new(&script, "condition".to_owned(), &shape(), true)
}

fn with_row<T>(run: impl FnOnce(&Input<'_>) -> T) -> T {
    let (mut bytes, mut cells) = (Vec::new(), Vec::new());
    for (_, _, text) in COLUMNS {
        cells.push(text.map_or(CellSpan::NULL, |text| CellSpan::text(bytes.len(), text.len()).expect("short")));
        bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
    let at =
        Position { lsn: Lsn(1), previous_commit: None, xid: None, commit_time_us: 0, snapshot: SnapshotMark::False, xmin: None, epoch: 1 };
    run(&Input { before: None, after: Some(Tuple::new(&bytes, &cells)), older: None, at: &at, place: None, now_ns: 0 })
}

fn keeps(text: &str, dialect: Dialect) -> Result<bool, BadValue> {
    with_row(|input| rule(text, dialect).keeps(&mut Vec::new(), input, |_| {}))
}

#[test]
fn conditions_hold_by_the_rules_of_their_language() {
    use Dialect::{Groovy, JavaScript};
    for (dialect, text, expected) in [
        (Groovy, "value.op == 'c' && value.after.id == 7", true),
        (Groovy, "value.after.id > 6.5 && value.after.id < 7.01 && value.after.id >= 7L", true),
        (Groovy, "value.after.price == -10.5 && value.after.price < -10 && value.after.price > -10.51", true),
        (Groovy, "value.after.ratio == 0.5 && value.after.ratio < 1", true),
        (Groovy, "value.after.id == '7'", false),
        (JavaScript, "value.after.id == '7'", true),
        (JavaScript, "value.after.id === '7'", false),
        (JavaScript, "value.after.id !== '7' && value.after.ok === true", true),
        (Groovy, "value.after.name == 'Ann \"the\" é😀' && value.after.name.size() == 13", true),
        (JavaScript, "value.after.name.length == 13", true),
        (Groovy, "value.after.name.startsWith('Ann') && value.after.name.contains('the') && !value.after.name.endsWith('x')", true),
        (Groovy, "value.after.name.toLowerCase() == 'ann \"the\" é😀'", true),
        (Groovy, "value.after.name =~ /n+ \"t/ && !(value.after.name ==~ /Ann/) && value.after.name.matches('A.*')", true),
        (JavaScript, "/^a/i.test(value.after.name)", true),
        (Groovy, "value.after.note == null && value.after.note < 'a' && !value.after.note", true),
        (Groovy, "value.after.note?.size() == null", true),
        (Groovy, "value.after.note in ['a', null]", true),
        (Groovy, "value.after.id in [1, 7] && 8 !in [1, 7] && value.after.name in ['x'] == false", true),
        (Groovy, "(value.after.note ?: 'none') == 'none' && value.after.status == 'new'", true),
        (JavaScript, "(value.after.note ?? 'none') + 1 == 'none1' && ['x', 'none'].includes(value.after.note ?? 'none')", true),
        (Groovy, "value.before == null && value.before?.id == null && value.after != null", true),
        (JavaScript, "value.before?.id.x === undefined && value.after.nosuch == null && value.after.note !== undefined", true),
        (JavaScript, "value.after.note < 1 && value.after.note >= 0", true),
        (JavaScript, "value.after.nosuch < 1 || value.before?.id >= 0", false),
        (Groovy, "value.op == 'd' ? value.before.id == 1 : value.after.ok", true),
        (Groovy, "value.op != 'c' && value.before.id == 1", false),
        (Groovy, "value.op == 'c' || value.before.id == 1", true),
        (Groovy, "topic.startsWith('srv.') && header.h.value == 'x' && header.nosuch == null && key == null", true),
        (Groovy, "valueSchema.name().endsWith('Envelope') && valueSchema.field('op') != null && keySchema == null", true),
        (Groovy, "value.after.id % 2 == 1 and not value.after.id % 7 == 1", true),
        (Groovy, "value.after.raw != null && value.after.raw == value.after.raw", true),
        (Groovy, "value.after != value.before && (value.before ?: value.after).id == 7", true),
        (Groovy, "(value.op == 'd' ? value.before : value.after).id == 7", true),
    ] {
        assert_eq!(keeps(text, dialect), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_the_same_in_all_records_is_known_before_any() {
    for (text, known) in [
        ("value.op == 'u'", Known::Is(false)),
        ("value.op == 'u' && value.after.id == 7", Known::Is(false)),
        ("value.op == 'c' || value.after.id == 7", Known::Is(true)),
        ("value.op == 'c' && value.after.id == 7", Known::No),
        ("value.op == 'c' ? 'new' : null", Known::Topic(Some("new".to_owned()))),
        ("value.op == 'u' ? 'new' : null", Known::Topic(None)),
        ("value.after != null && value.before == null", Known::Is(true)),
        ("value.before.id == 1", Known::No),
    ] {
        assert_eq!(rule(text, Dialect::Groovy).known(), known, "{text}");
    }
}

#[test]
fn what_fails_in_a_script_fails_and_says_why() {
    for (dialect, text, why) in [
        (Dialect::Groovy, "value.before.id == 1", "value.before is null and has no field id; write ?.id where it may be null"),
        (Dialect::JavaScript, "value.before.id == 1", "value.before is null and has no field id; write ?.id where it may be null"),
        (Dialect::Groovy, "value.after.nosuch == 1", "value.after has no field nosuch"),
        (Dialect::Groovy, "header.nosuch.value == 1", "header.nosuch is null and has no field value; write ?.value where it may be null"),
        (Dialect::Groovy, "value.after.note.size() == 1", "size() is asked of null; write ?.size() where it may be null"),
        (Dialect::Groovy, "value.after.id.startsWith('7')", "startsWith() is asked of a number, not of a text"),
        (Dialect::Groovy, "value.after.id < '7'", "a number cannot be compared with a text"),
        (Dialect::Groovy, "value.after.note", "the condition is null, neither true nor false"),
        (Dialect::Groovy, "value.after.name", "the condition is a text, neither true nor false"),
        (Dialect::Groovy, "value.after.id.x == 1", "value.after.id is a single value and has no field x"),
        (Dialect::Groovy, "value.after.id % 0 == 1", "% divides whole numbers, not a number by a number"),
    ] {
        assert_eq!(keeps(text, dialect), Err(BadValue::Transform(format!("condition: {why}"))), "{text}");
    }
}

#[test]
fn a_topic_is_a_text_or_none() {
    let topic = |text| {
        with_row(|input| {
            let mut scratch = Vec::new();
            let topic = rule(text, Dialect::Groovy).topic(&mut scratch, input, |_| {});
            topic.map(|topic| topic.map(|topic| String::from_utf8_lossy(topic).into_owned()))
        })
    };
    assert_eq!(topic("'t.' + value.after.id"), Ok(Some("t.7".to_owned())));
    assert_eq!(topic("value.after.name.trim().toUpperCase()"), Ok(Some("ANN \"THE\" É😀".to_owned())));
    assert_eq!(topic("value.after.id == 8 ? 'eights' : null"), Ok(None));
    assert_eq!(topic("value.after.id"), Err(BadValue::Transform("condition: the topic is a number, not a text".to_owned())));
}

/// Of a heartbeat only the topic is known.
#[test]
fn of_records_that_are_no_rows_only_topic_and_headers_are_known() {
    for (text, known) in [
        ("topic == 'x' && value.op == 'c'", Known::Is(false)),
        ("value.op == 'c'", Known::No),
        ("topic == 'srv.public.t'", Known::Is(true)),
    ] {
        let expression = parse(text, Dialect::Groovy).expect("it is read");
        let script = Script { purpose: Purpose::Keep, expression, dialect: Dialect::Groovy, nulls: NullHandling::Keep, topics: None };
        assert_eq!(Rule::new(&script, String::new(), &shape(), false).known(), known, "{text}");
    }
}
