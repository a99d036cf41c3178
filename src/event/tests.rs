//! Events, views and templates, held against records as they are stored.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

const SOURCE: &str = r#"{"version":"3","connector":"postgresql","name":"shop","ts_ms":1795235576277,"snapshot":"false","db":"d","sequence":"[\"7\",\"90\"]","schema":"public","table":"orders","txId":8812,"lsn":90,"xmin":null}"#;
const KEY: &[u8] = br#"{"id":42}"#;

fn change(op: &str, before: &str, after: &str) -> String {
    format!(r#"{{"before":{before},"after":{after},"source":{SOURCE},"transaction":null,"op":"{op}","ts_ms":1}}"#)
}

fn event<'a>(key: &'a [u8], value: Option<&'a str>) -> Event<'a> {
    let of = Event::of("shop.public.orders", Some(key), value.map(str::as_bytes));
    Event { partition: 1, offset: 7, timestamp_ms: 1_795_235_576_277, ..of }
}

fn shown(view: View, event: &Event<'_>, how: &Show<'_>) -> Json {
    let mut out = Vec::new();
    assert!(view.write(event, how, &mut out), "{view:?}");
    assert!(!out.contains(&b'\n'));
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}

const NEW: &str = r#"{"id":42,"status":"new","note":null,"big":"x"}"#;
const PAID: &str = r#"{"id":42,"status":"paid","note":null,"big":"x"}"#;
const PAID_UNSENT: &str = r#"{"id":42,"status":"paid","note":null,"big":"__debezium_unavailable_value"}"#;

#[test]
fn an_event_says_what_its_record_says() {
    let value = change("u", NEW, PAID);
    let of = event(KEY, Some(&value));
    assert_eq!((of.kind(), of.op()), (Kind::Change, Some(Op::Update)));
    assert_eq!(
        (of.lsn(), of.previous_commit_lsn(), of.tx_id(), of.commit_ms()),
        (Some(Lsn(90)), Some(Lsn(7)), Some(8812), Some(1_795_235_576_277))
    );
    assert_eq!(of.row().and_then(|row| row.get("status")).and_then(Value::text).as_deref(), Some("paid"));
    assert_eq!(of.before().map(Object::raw), Some(NEW.as_bytes()));
    assert!(of.is_before_complete());
    let with_schema = format!(r#"{{"schema":{{"type":"struct"}},"payload":{value}}}"#);
    let of = event(br#"{"schema":{"a":[1]},"payload":{"id":42}}"#, Some(&with_schema));
    assert_eq!((of.op(), of.after().map(Object::raw)), (Some(Op::Update), Some(PAID.as_bytes())));
    assert_eq!(of.key_object().map(Object::raw), Some(KEY));
    for (value, kind, op) in [
        (None, Kind::Tombstone, None),
        (Some("null"), Kind::Tombstone, None),
        (Some(r#"{"schema":{},"payload":null}"#), Kind::Tombstone, None),
        (Some(PAID), Kind::Row, None),
        (Some(r#"{"op":"c","id":1}"#), Kind::Row, None),
        (Some(r#"{"id":1,"__op":"u"}"#), Kind::Row, Some(Op::Update)),
        (Some(r#"{"id":1,"__deleted":"true"}"#), Kind::Row, Some(Op::Delete)),
        (Some(r#"{"id":1,"__deleted":"false"}"#), Kind::Row, None),
        (Some(r#"{"before":null,"after":{"id":1},"op":"r"}"#), Kind::Change, Some(Op::Read)),
        (Some(r#"{"op":"m","ts_ms":1,"source":{},"message":{"prefix":"p"}}"#), Kind::Change, Some(Op::Message)),
        (Some("[1]"), Kind::Other, None),
        (Some("\"text\""), Kind::Other, None),
        (Some("text"), Kind::Unreadable, None),
        (Some(""), Kind::Unreadable, None),
        (Some("{"), Kind::Unreadable, None),
        (Some("\0\0\0\0\u{1}"), Kind::Unreadable, None),
    ] {
        let of = event(KEY, value);
        assert_eq!((of.kind(), of.op()), (kind, op), "{value:?}");
    }
    let keyed = change("d", r#"{"id":42,"status":null}"#, "null");
    assert!(!event(KEY, Some(&keyed)).is_before_complete());
    assert_eq!(event(KEY, Some(&keyed)).old_value("status"), None);
}

#[test]
fn what_stands_for_columns_that_a_delete_does_not_carry_is_not_taken_for_values() {
    let filled = r#"{"id":42,"n":null,"a":0,"b":"","c":"0.00","d":"1970-01-01T00:00:00.000000Z","e":false,"f":[],"g":"AA==","h":0.0}"#;
    let of = |before: &str| change("d", before, "null");
    let value = of(filled);
    let gone = event(KEY, Some(&value));
    assert!(!gone.is_before_complete());
    assert_eq!((gone.old_value("a"), gone.old_value("id").map(Value::raw)), (None, Some(&b"42"[..])));
    // One more column with a value: the row is whole.
    let value = of(&filled.replace("\"e\":false", "\"e\":true"));
    let whole = event(KEY, Some(&value));
    assert_eq!((whole.is_before_complete(), whole.old_value("a").map(Value::raw)), (true, Some(&b"0"[..])));
    // A key alone is whole.
    let only = of(r#"{"id":42}"#);
    assert!(event(KEY, Some(&only)).is_before_complete());
}

#[test]
fn an_unchanged_large_value_is_known_in_the_forms_of_all_types() {
    for mark in [
        r#""__debezium_unavailable_value""#,
        r#""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#,
        r#"["__debezium_unavailable_value"]"#,
        r#"{"wkb":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","srid":null}"#,
    ] {
        assert!(Value::of(mark.as_bytes()).is_unavailable(), "{mark}");
    }
    for other in ["null", "\"\"", "[]", r#""__debezium_unavailable_value ""#, "1"] {
        assert!(!Value::of(other.as_bytes()).is_unavailable(), "{other}");
    }
}

#[test]
fn each_view_shows_an_update() {
    let value = change("u", NEW, PAID_UNSENT);
    let of = event(KEY, Some(&value));
    let whole: Json = serde_json::from_str(&value).expect("JSON");
    let place = json!({ "topic": "shop.public.orders", "partition": 1, "offset": 7, "ts": "2026-11-21T04:32:56.277Z" });
    let with = |more: Json| {
        let mut all = place.clone();
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        all
    };
    let how = Show::default();
    assert_eq!(shown(View::Envelope, &of, &how), with(json!({ "key": { "id": 42 }, "value": whole })));
    assert_eq!(shown(View::Raw, &of, &how), with(json!({ "key": { "id": 42 }, "value": whole })));
    let flat = json!({ "id": 42, "status": "paid", "note": null, "big": "x", "_op": "u", "_ts": "2026-11-21T04:32:56.277Z" });
    assert_eq!(shown(View::Flat, &of, &how), flat);
    let diff =
        json!({ "key": { "id": 42 }, "op": "u", "changed": { "status": ["new", "paid"] }, "unavailable": [], "before_complete": true });
    assert_eq!(shown(View::Diff, &of, &how), with(diff));
    let cloud = shown(View::CloudEvents, &of, &how);
    assert_eq!(cloud["id"], r#"name:shop;lsn:90;txId:8812;sequence:["7","90"];partition:1;offset:7"#);
    assert_eq!((&cloud["source"], &cloud["specversion"]), (&json!("/debezium/postgresql/shop"), &json!("1.0")));
    assert_eq!((&cloud["iodebeziumop"], &cloud["iodebeziumlsn"], &cloud["iodebeziumtable"]), (&json!("u"), &json!("90"), &json!("orders")));
    assert_eq!((&cloud["time"], &cloud["data"]["after"]["status"]), (&json!("2026-11-21T04:32:56.277Z"), &json!("paid")));
}

#[test]
fn what_is_not_known_of_a_row_is_told_and_not_invented() {
    let how = Show::default();
    let unknown = change("u", "null", PAID_UNSENT);
    let of = event(KEY, Some(&unknown));
    let flat = shown(View::Flat, &of, &how);
    assert_eq!((flat.get("big"), &flat["_unavailable"]), (None, &json!(["big"])));
    let diff = shown(View::Diff, &of, &how);
    assert_eq!((&diff["changed"], &diff["row"]["status"], &diff["unavailable"]), (&Json::Null, &json!("paid"), &json!(["big"])));
    assert_eq!((&diff["before_complete"], diff["row"].get("big")), (&json!(false), None));
    // The same with the row as it was.
    let old = Object::of(NEW.as_bytes()).expect("a row");
    let diff = shown(View::Diff, &of.knowing(old), &how);
    assert_eq!((&diff["changed"], &diff["before_complete"]), (&json!({ "status": ["new", "paid"] }), &json!(true)));
    // A delete that says its key alone.
    let keyed = change("d", r#"{"id":42,"status":null,"note":null,"big":null}"#, "null");
    let of = event(KEY, Some(&keyed));
    assert_eq!(shown(View::Flat, &of, &how), json!({ "id": 42, "_op": "d", "_ts": "2026-11-21T04:32:56.277Z" }));
    let diff = shown(View::Diff, &of, &how);
    assert_eq!((&diff["changed"], &diff["before_complete"]), (&json!({ "id": [42, null] }), &json!(false)));
    let created = change("c", "null", PAID);
    let diff = shown(View::Diff, &event(KEY, Some(&created)), &how);
    assert_eq!((&diff["changed"]["status"], &diff["before_complete"]), (&json!([null, "paid"]), &json!(true)));
    let truncate = change("t", "null", "null");
    let diff = shown(View::Diff, &event(KEY, Some(&truncate)), &how);
    assert_eq!((&diff["op"], &diff["changed"]), (&json!("t"), &json!({})));
    assert_eq!(shown(View::Flat, &event(KEY, Some(&truncate)), &how)["_op"], "t");
}

#[test]
fn a_row_that_leaves_shows_nothing_new_and_one_that_comes_nothing_old() {
    let (old, new) = (r#"{"id":42,"org":5,"secret":"OLD"}"#, r#"{"id":42,"org":6,"secret":"NEW"}"#);
    let enveloped = change("u", old, new);
    let cloud = format!(r#"{{"specversion":"1.0","iodebeziumop":"u","data":{{"before":{old},"after":{new}}}}}"#);
    for value in [&enveloped, &cloud] {
        let with_schema = format!(r#"{{"schema":{{"x":"NEW OLD"}},"payload":{value}}}"#);
        for value in [value, &with_schema] {
            for (_, view) in View::ALL {
                for (judgement, hidden, seen, word) in
                    [(Judgement::Leaves, "NEW", "OLD", "leaves"), (Judgement::Enters, "OLD", "NEW", "enters")]
                {
                    let how = Show { judgement, ..Show::default() };
                    let text = shown(view, &event(KEY, Some(value)), &how).to_string();
                    assert!(!text.contains(hidden) && text.contains(seen), "{view:?} {judgement:?}: {text}");
                    let is_told = text.contains(word) || value.starts_with("{\"specversion") || value.contains("payload\":{\"specversion");
                    assert!(is_told, "{view:?} {judgement:?}: {text}");
                    let columns = ["id".to_owned()];
                    let how = Show { judgement, columns: Some(&columns), whole: false };
                    let text = shown(view, &event(KEY, Some(value)), &how).to_string();
                    assert!(!text.contains("OLD") && !text.contains("NEW") && text.contains("42"), "{view:?}: {text}");
                }
            }
        }
    }
    // A flat row, whose old form is known from elsewhere, and a large value that would be the old one's.
    let known = event(KEY, Some(new)).knowing(Object::of(old.as_bytes()).expect("a row"));
    for (_, view) in View::ALL {
        let text = shown(view, &known, &Show { judgement: Judgement::Leaves, ..Show::default() }).to_string();
        assert!(!text.contains("NEW"), "{view:?}: {text}");
    }
    let unsent = change("u", old, r#"{"id":42,"org":6,"secret":"__debezium_unavailable_value"}"#);
    for view in [View::Flat, View::Diff, View::Envelope, View::CloudEvents] {
        let text = shown(view, &event(KEY, Some(&unsent)), &Show { judgement: Judgement::Enters, ..Show::default() }).to_string();
        assert!(!text.contains("OLD"), "{view:?}: {text}");
    }
    // What cannot be taken apart is not shown in part.
    for value in ["[\"NEW\"]", "NEW", "{\"NEW\""] {
        for (_, view) in View::ALL {
            let columns = ["id".to_owned()];
            let text = shown(view, &event(KEY, Some(value)), &Show { columns: Some(&columns), ..Show::default() }).to_string();
            assert!(!text.contains("NEW"), "{view:?}: {text}");
        }
    }
}

#[test]
fn other_records_are_shown_as_what_they_are() {
    let how = Show::default();
    assert_eq!(shown(View::Flat, &event(KEY, Some(PAID)), &how)["status"], "paid");
    let diff = shown(View::Diff, &event(KEY, Some(PAID)), &how);
    assert_eq!((&diff["changed"], &diff["row"]["status"]), (&Json::Null, &json!("paid")));
    for view in [View::Flat, View::Diff, View::CloudEvents] {
        let mut out = Vec::new();
        assert!(!view.write(&event(KEY, None), &how, &mut out) && out.is_empty());
        let text = shown(view, &event(KEY, Some("plain")), &how).to_string();
        assert!(text.contains("plain"), "{text}");
        let message = r#"{"op":"m","ts_ms":1,"source":{"lsn":5},"message":{"prefix":"a","content":"Yg=="}}"#;
        let text = shown(view, &event(br#"{"prefix":"a"}"#, Some(message)), &how).to_string();
        assert!(text.contains("Yg=="), "{text}");
    }
    for view in [View::Envelope, View::Raw] {
        assert_eq!(shown(view, &event(KEY, None), &how)["value"], Json::Null);
        assert_eq!(shown(view, &event(KEY, Some("\0\u{1}")), &how)["value"], json!({ "base64": "AAE=" }));
    }
    // Lines stay lines.
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Json>(&change("u", NEW, PAID)).expect("JSON")).expect("JSON");
    for (_, view) in View::ALL {
        shown(view, &event(KEY, Some(&pretty)), &how);
    }
    assert_eq!(shown(View::Envelope, &event(KEY, Some(&pretty)), &how)["value"]["after"]["status"], "paid");
    let with_schema = format!(r#"{{"schema":{{"x":1}},"payload":{}}}"#, change("c", "null", PAID));
    assert_eq!(shown(View::Envelope, &event(KEY, Some(&with_schema)), &how)["value"]["op"], "c");
    assert_eq!(shown(View::Raw, &event(KEY, Some(&with_schema)), &how)["value"]["schema"]["x"], 1);
}

#[test]
fn a_template_makes_a_name_of_known_values_only() {
    let value = change("u", NEW, PAID_UNSENT);
    let of = event(KEY, Some(&value));
    let row = of.row().expect("a row");
    let named = |text: &str| Template::parse(text).unwrap_or_else(|problem| panic!("{problem}")).render(&of, row);
    for (text, name) in [
        ("order:{id}", Some("order:42")),
        ("{status}:{ id }:x", Some("paid:42:x")),
        ("{{{id}}}", Some("{42}")),
        ("{topic}/{schema}.{table}/{op}", Some("shop.public.orders/public.orders/u")),
        ("plain", Some("plain")),
        ("", Some("")),
        ("k:{key.id}", Some("k:42")),
        ("{big}", Some("x")),
        ("{note}", None),
        ("a{note?}b", Some("ab")),
        ("{missing}", None),
        ("{missing?}", None),
        ("{key.x}", None),
        ("{\"op\"}", None),
        ("é{\"status\"}", Some("épaid")),
    ] {
        assert_eq!(named(text).as_deref(), name, "{text}");
    }
    let template = Template::parse("{topic}:{a}:{\"b c\"?}:{key.d}").expect("a template");
    assert_eq!(template.columns().collect::<Vec<_>>(), ["a", "b c"]);
    assert!(!template.is_constant() && Template::parse("all:{topic}").expect("a template").is_constant());
    let typed = Event::of("t", None, Some(br#"{"n":1.50,"t":true,"j":{"a":1},"s":"\u00e9\n"}"#));
    let name = Template::parse("{n}|{t}|{j}|{s}").expect("a template").render(&typed, typed.row().expect("a row"));
    assert_eq!(name.as_deref(), Some("1.50|true|{\"a\":1}|é\n"));
    for (text, at, what) in [
        ("a{", 2, "this brace has no end"),
        ("a}", 2, "this brace closes nothing"),
        ("é{}", 2, "\"\" is no column"),
        ("{a b}", 1, "\"a b\" is no column"),
        ("{after.id}", 1, "\"after.id\" is no column"),
        ("{{a}", 4, "this brace closes nothing"),
    ] {
        let problem = Template::parse(text).expect_err(text);
        assert_eq!((problem.code, problem.at.as_str()), ("template/syntax", format!("character {at}").as_str()), "{text}");
        assert!(problem.what.contains(what), "{text}: {problem}");
    }
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "\"",
        ":",
        ",",
        "[",
        "]",
        "null",
        "1",
        "\"op\":\"u\"",
        "\"after\":{\"a\":1}",
        "\"before\":{",
        "\"source\":{}",
        "\\",
        "\n",
        "é",
        "\"specversion\":1,\"iodebeziumop\":\"c\",\"data\":{",
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..20).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..20)
            .prop_map(|pieces| format!("{{{}}}", pieces.join(",")).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_record_is_shown_as_one_json_object_on_one_line(key in any_bytes(), value in any_bytes(), old in any_bytes(), judgement in prop::sample::select(vec![Judgement::Matches, Judgement::Enters, Judgement::Leaves]), some in any::<bool>()) {
        let columns = ["a".to_owned()];
        let mut of = Event::of("t\"\n", Some(&key), Some(&value));
        if let Some(old) = Object::of(&old).filter(|old| serde_json::from_slice::<Json>(old.raw()).is_ok()) {
            of = of.knowing(old);
        }
        for (_, view) in View::ALL {
            let mut out = Vec::new();
            if view.write(&of, &Show { columns: some.then_some(&columns[..]), judgement, whole: false }, &mut out) {
                prop_assert!(!out.contains(&b'\n'));
                let json: Result<Json, _> = serde_json::from_slice(&out);
                prop_assert!(json.is_ok_and(|json| json.is_object()), "{:?} {}", view, String::from_utf8_lossy(&out));
            }
        }
    }

    #[test]
    fn any_template_is_read_or_refused(text in "[{}a-c.?\"é ]{0,20}") {
        if let Ok(template) = Template::parse(&text) {
            let of = Event::of("t", None, Some(br#"{"a":1,"b":null}"#));
            template.render(&of, of.row().expect("a row"));
        }
    }
}
