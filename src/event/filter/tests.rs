//! The language, judgements and the index.

use proptest::prelude::*;

use super::Judgement::{Enters, Leaves, Matches, No, Unreadable};
use super::*;
use crate::event::Object;

const SOURCE: &str = r#"{"version":"3","connector":"postgresql","name":"shop","ts_ms":1795235576277,"snapshot":"false","db":"d","sequence":"[\"7\",\"90\"]","schema":"public","table":"orders","txId":8812,"lsn":90,"xmin":null}"#;

/// An event of a table whose key is `id`.
fn change(op: &str, before: &str, after: &str) -> String {
    format!(r#"{{"before":{before},"after":{after},"source":{SOURCE},"transaction":null,"op":"{op}","ts_ms":1}}"#)
}

fn judged(filter: &str, value: &str) -> Judgement {
    let filter = Filter::parse(filter).unwrap_or_else(|problem| panic!("{problem}"));
    let event = Event::of("shop.public.orders", Some(br#"{"id":42}"#), Some(value.as_bytes()));
    let judgement = filter.judge(&event);
    // What the index finds is a superset of what matches.
    if let Some(equality) = filter.equality().filter(|_| judgement.is_wanted()) {
        let mut found = Vec::new();
        let candidates = equality.column.candidates(&event, &mut found);
        let is_found = candidates == Candidates::Everybody || found.iter().any(|value| equality.values.contains(value));
        assert!(is_found, "the index does not find {filter} for {value}");
    }
    judgement
}

fn of_row(filter: &str, row: &str) -> bool {
    judged(filter, &change("c", "null", row)) == Matches
}

#[test]
fn conditions_are_those_of_sql() {
    let row =
        r#"{"id":42,"total":100.50,"status":"paid","email":"Ann@Example.com","note":null,"is_open":true,"tags":["a"],"it's":"x\"\u00e9"}"#;
    for yes in [
        "total > 100 and status in ('paid','shipped')",
        "total = 100.5 and total >= 100.50 and total <> 100 and total != 1 and not total < 100",
        "after.total between 100 and 101 and total not between 1 and 2",
        "status like 'p%d' and status like 'p__d' and status not like 'P%' and status ilike 'P%'",
        "email ilike '%@example.com' and email matches '@[Ee]xample' and email not matches '^@'",
        "note is null and status is not null and is_null(note) and not is_null(status)",
        "note is not distinct from null and status is distinct from note and status is distinct from 'x'",
        "is_open and is_open is true and is_open is not false and is_open = true and is_open = 't' and not is_open = 'off'",
        "op = 'c' and table = 'orders' and table = 'public.orders' and schema = 'public' and topic like '%.orders'",
        "table in ('x', 'public.orders') and op in ('c', 'u') and table like 'public.%'",
        "key.id = 42 and source.txId = 8812 and source.lsn = 90 and key.id = '42'",
        "\"it's\" = 'x\"é' and \"status\" = 'paid' and STATUS = 'paid' and 42 = id and -1 < id",
        "note = 1 or status = 'paid'",
        "not (note = 1 and status = 'x')",
        "(status = 'paid')",
        "true",
        "total > 1e2 and total < .2e4",
        "id in (1, 42, status)",
        "TRUE AND Status IN ('paid') AND status = 'it''s' OR status = 'paid'",
    ] {
        assert!(of_row(yes, row), "{yes}");
    }
    for no in [
        "false",
        "null",
        "note = 1",
        "not note = 1",
        "note <> 1",
        "note in (1, 2)",
        "note not in (1, 2)",
        "status not in ('x', null)",
        "missing is null",
        "missing is not null",
        "not missing",
        "status = 5",
        "status",
        "tags = '[\"a\"]'",
        "\"STATUS\" = 'paid'",
        "id = 'x'",
        "is_open = 'maybe'",
        "op = 'u'",
        "table = 'other.orders'",
        "changed(status)",
        "was_null(note)",
        "before.id = 42",
        "note like '%'",
    ] {
        assert!(!of_row(no, row), "{no}");
    }
}

#[test]
fn numbers_are_compared_exactly_however_they_are_written() {
    let is = |filter: &str, value: &str| of_row(filter, &format!("{{\"n\":{value}}}"));
    assert!(is("n = 9007199254740993", "9007199254740993") && !is("n = 9007199254740993", "9007199254740992"));
    assert!(is("n > 9007199254740992", "9007199254740993"));
    // Decimals as texts (decimal.handling.mode=string), numbers in quotes.
    assert!(is("n > 100", "\"100.000000000000000000000001\"") && is("n = 10.5", "\"10.50\"") && is("n = '10.5'", "10.50"));
    assert!(is("n in (1, 10.5)", "\"10.500\"") && is("n in ('1', '10.5')", "10.5"));
    assert!(!is("n > 100", "\"NaN\"") && !is("n <= 100", "\"NaN\"") && !is("n > 1", "\"abc\""));
    assert!(is("n = '007'", "\"007\"") && !is("n = '7'", "\"007\"") && is("n = 7", "\"007\""));
}

#[test]
fn an_update_tells_who_comes_and_who_leaves() {
    let row = |status: &str| format!(r#"{{"id":42,"status":{status},"n":1}}"#);
    let update = |old: &str, new: &str| change("u", &row(old), &row(new));
    for filter in ["status = 'paid'", "after.status = 'paid'", "status in ('paid') and table = 'orders'", "status = 'paid' and key.id = 42"]
    {
        assert_eq!(judged(filter, &update("\"paid\"", "\"paid\"")), Matches, "{filter}");
        assert_eq!(judged(filter, &update("\"new\"", "\"paid\"")), Enters, "{filter}");
        assert_eq!(judged(filter, &update("null", "\"paid\"")), Enters, "{filter}");
        assert_eq!(judged(filter, &update("\"paid\"", "\"new\"")), Leaves, "{filter}");
        assert_eq!(judged(filter, &update("\"paid\"", "null")), Leaves, "{filter}");
        assert_eq!(judged(filter, &update("\"new\"", "null")), No, "{filter}");
        // Without the old row, the new one decides.
        assert_eq!(judged(filter, &change("u", "null", &row("\"paid\""))), Matches, "{filter}");
        assert_eq!(judged(filter, &change("u", "null", &row("\"new\""))), No, "{filter}");
        // Of the old row only the key is known: null is no answer.
        assert_eq!(judged(filter, &change("u", r#"{"id":42,"status":null,"n":null}"#, &row("\"paid\""))), Matches, "{filter}");
    }
    // About the event.
    for (filter, told) in [
        ("before.status = 'new' and after.status = 'paid'", Matches),
        ("op = 'u' and changed(status)", Matches),
        ("changed(n)", No),
        ("before.status is distinct from after.status", Matches),
        ("op = 'u' and status = 'new'", No),
        ("op = 'u' and status = 'paid'", Matches),
        ("was_null(status)", No),
    ] {
        assert_eq!(judged(filter, &update("\"new\"", "\"paid\"")), told, "{filter}");
    }
    assert_eq!(judged("was_null(status)", &update("null", "\"paid\"")), Matches);
    assert_eq!(judged("changed(status)", &change("u", "null", &row("\"paid\""))), No);
    // Written otherwise, the same.
    assert_eq!(judged("changed(n)", &change("u", r#"{"id":42,"n":1.0}"#, r#"{"id":42,"n":1.00}"#)), No);
}

#[test]
fn a_delete_is_judged_by_the_old_row_and_a_truncate_is_for_all() {
    let paid = r#"{"id":42,"status":"paid"}"#;
    let gone = change("d", paid, "null");
    assert_eq!((judged("status = 'paid'", &gone), judged("status = 'new'", &gone)), (Matches, No));
    assert_eq!((judged("after.status = 'paid'", &gone), judged("op = 'd' and after.status = 'paid'", &gone)), (Matches, No));
    assert_eq!(judged("op = 'd' and status = 'paid'", &gone), Matches);
    // Without REPLICA IDENTITY FULL the delete says the key alone: the rest is not known, and null would be a lie.
    let keyed = change("d", r#"{"id":42,"status":null}"#, "null");
    assert_eq!((judged("id = 42", &keyed), judged("status is null", &keyed), judged("status = 'paid'", &keyed)), (Matches, No, No));
    let truncate = change("t", "null", "null");
    assert_eq!(
        (judged("status = 'paid'", &truncate), judged("op = 'c'", &truncate), judged("op = 't'", &truncate)),
        (Matches, No, Matches)
    );
    assert_eq!((judged("table = 'x' and id = 1", &truncate), judged("id = 1 or table = 'orders'", &truncate)), (No, Matches));
}

#[test]
fn the_old_row_may_be_known_from_elsewhere() {
    let judged = |filter: &str, value: Option<&str>, old: &str| {
        let event = Event::of("t", Some(br#"{"id":42}"#), value.map(str::as_bytes));
        assert!(!event.is_before_complete());
        Filter::parse(filter).expect("a filter").judge(&event.knowing(Object::of(old.as_bytes()).expect("a row")))
    };
    let (paid, new) = (r#"{"id":42,"status":"paid"}"#, r#"{"id":42,"status":"new"}"#);
    let update = |after: &str| change("u", "null", after);
    assert_eq!(judged("status = 'paid'", Some(&update(paid)), new), Enters);
    assert_eq!(judged("status = 'paid'", Some(&update(new)), paid), Leaves);
    assert_eq!(judged("status = 'paid'", Some(&change("d", r#"{"id":42,"status":null}"#, "null")), paid), Matches);
    assert_eq!(judged("changed(status)", Some(&update(new)), paid), Matches);
    // Flat rows, and the tombstone behind them.
    assert_eq!((judged("status = 'paid'", Some(new), paid), judged("status = 'paid'", Some(paid), new)), (Leaves, Enters));
    assert_eq!(
        (judged("status = 'paid'", None, paid), judged("id = 42", None, "{}"), judged("status = 'paid'", None, "{}")),
        (Matches, Matches, No)
    );
}

#[test]
fn a_large_value_that_was_not_sent_is_what_it_was() {
    let row = |text: &str| format!(r#"{{"id":42,"text":"{text}","n":1}}"#);
    let missing = row("__debezium_unavailable_value");
    assert_eq!(judged("text = 'long'", &change("u", &row("long"), &missing)), Matches);
    assert_eq!(judged("text = 'long'", &change("u", "null", &missing)), No);
    assert_eq!(judged("text like '%unavailable%'", &change("u", "null", &missing)), No);
    assert_eq!(judged("text is null or text is not null", &change("u", "null", &missing)), No);
    assert_eq!(judged("changed(text)", &change("u", &row("long"), &missing)), No);
    assert_eq!(judged("not changed(text)", &change("u", "null", &missing)), Matches);
}

#[test]
fn events_are_judged_whatever_form_they_have() {
    let row = r#"{"id":42,"status":"paid"}"#;
    let schema = format!(r#"{{"schema":{{"type":"struct","fields":[{{"field":"op"}}]}},"payload":{}}}"#, change("c", "null", row));
    assert_eq!((judged("status = 'paid'", &schema), judged("source.lsn = 90", &schema)), (Matches, Matches));
    assert_eq!((judged("status = 'paid'", row), judged("op = 'c'", row)), (Matches, No));
    let flat = r#"{"id":42,"status":"paid","__op":"d","__table":"orders","__source_schema":"public","__deleted":"true","__lsn":90}"#;
    assert_eq!(judged("op = 'd' and status = 'paid' and table = 'public.orders' and source.lsn = 90", flat), Matches);
    let cloud = format!(
        r#"{{"id":"x","specversion":"1.0","iodebeziumop":"u","iodebeziumschema":"public","iodebeziumtable":"orders","iodebeziumtxId":"8812","data":{{"schema":{{"a":1}},"payload":{{"before":{{"id":42,"status":"new"}},"after":{row}}}}}}}"#
    );
    assert_eq!(
        (judged("status = 'paid'", &cloud), judged("op = 'u' and source.txId = 8812 and table = 'public.orders'", &cloud)),
        (Enters, Matches)
    );
    // What cannot be read is told, unless it does not matter.
    for unreadable in ["\0\0\0\0\u{1}x", "{\"id\":42", "plain", "{\"id\":42}}"] {
        assert_eq!(judged("status = 'paid'", unreadable), Unreadable, "{unreadable}");
        assert_eq!((judged("topic = 'other'", unreadable), judged("key.id = 42", unreadable)), (No, Matches));
        assert_eq!(judged("op = 'c'", unreadable), Unreadable);
    }
    assert_eq!((judged("status = 'paid'", "[1,2]"), judged("status = 'paid'", "7")), (No, No));
    let message = r#"{"op":"m","ts_ms":1,"source":{"lsn":5},"message":{"prefix":"a","content":"Yg=="}}"#;
    assert_eq!((judged("op = 'm'", message), judged("status = 'paid'", message)), (Matches, No));
}

#[test]
fn two_filters_keep_their_meaning_beside_each_other() {
    let both = |first: &str, second: &str| Filter::parse(first).expect("a filter").and(Filter::parse(second).expect("a filter"));
    let judged = |filter: &Filter, value: &str| filter.judge(&Event::of("t", Some(br#"{"id":42}"#), Some(value.as_bytes())));
    let row = |org: u32, status: &str| format!(r#"{{"id":42,"org":{org},"status":"{status}"}}"#);
    let filter = both("org = 5", "changed(status)");
    assert_eq!(judged(&filter, &change("u", &row(5, "a"), &row(5, "b"))), Matches);
    assert_eq!(judged(&filter, &change("u", &row(4, "a"), &row(5, "b"))), Enters);
    assert_eq!(judged(&filter, &change("u", &row(5, "a"), &row(4, "b"))), Leaves);
    assert_eq!(judged(&filter, &change("u", &row(5, "a"), &row(5, "a"))), No);
    assert_eq!(judged(&both("org = 5", "status = 'b'"), &change("u", &row(5, "a"), &row(5, "b"))), Enters);
    assert_eq!(judged(&both("org = 5", "status = 'b'"), &change("u", &row(5, "a"), &row(4, "b"))), No);
    assert_eq!(judged(&both("org = 5", "op = 'c'"), &change("d", &row(5, "a"), "null")), No);
    // Or cannot reach out of its filter.
    assert_eq!(judged(&both("org = 5", "status = 'a' or true"), &change("c", "null", &row(6, "a"))), No);
    assert_eq!(judged(&both("org = 5", "op = 'c' or true"), &change("c", "null", &row(6, "a"))), No);
    assert_eq!(filter.text(), "(org = 5) and (changed(status))");
    assert_eq!(both("op = 'u'", "org in (5, 6)").equality().expect("one").column.name.as_ref(), "org");
    let problem = both("org = 5", "stauts = 'a'").check_columns(&["org", "status"]).expect_err("no such column");
    assert_eq!(problem.why, "(org = 5) and (stauts = 'a')\n               ^^^^^^");
    assert_eq!((problem.code, problem.fix.as_str()), ("filter/column", "did you mean \"status\"?"));
    both("org = 5", "Status = 'a' and key.x = 1 and source.y = 2").check_columns(&["org", "status"]).expect("all known");
}

#[test]
fn parameters_are_values_and_never_text() {
    let read = |text: &str| {
        Filter::parse_with(text, |name| match name {
            "claims.org" => Some(Literal::Text("5' or true or '".into())),
            "claims.id" => Some(Literal::of_json(&serde_json::json!(42)).expect("a number")),
            "claims.ids" => Some(Literal::of_json(&serde_json::json!([1, 42, "x"])).expect("a list")),
            "claims.none" => Some(Literal::Null),
            _ => None,
        })
    };
    let is = |text: &str| read(text).expect("a filter").judge(&Event::of("t", None, Some(br#"{"id":42,"org":"5"}"#)));
    assert_eq!((is("org = :claims.org"), is("id = :claims.id"), is("id = :claims.none")), (No, Matches, No));
    assert_eq!((is("id in :claims.ids"), is("id in (:claims.ids, 7)"), is("id not in (:claims.ids)")), (Matches, Matches, No));
    assert_eq!(read("id in :claims.ids").expect("a filter").equality().expect("one").values.len(), 5);
    for (text, what) in [
        ("id = :claims.other", "the parameter :claims.other has no value"),
        ("id = :claims.ids", ":claims.ids is a list"),
        ("id like :claims.id", "a pattern is a text"),
    ] {
        let problem = read(text).expect_err(text);
        assert!(problem.what.contains(what), "{text}: {problem}");
    }
    assert!(Filter::parse("id = :claims.id").expect_err("no values").what.contains("only in the filters of tokens"));
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_was_meant() {
    for (text, at, what, carets, fix) in [
        ("op = 'u' and chnged(status)", 14, "\"chnged\" is no function", "^^^^^^", "did you mean \"changed\"?"),
        ("afer.total > 100", 1, "\"afer\" has no columns", "^^^^", "did you mean \"after\"?"),
        ("new.total > 100", 1, "\"new\" has no columns", "^^^", "did you mean \"after\"?"),
        ("status = \"paid", 10, "this name has no end", "^^^^^", ""),
        ("status = 'paid", 10, "this text has no end", "^^^^^", ""),
        ("status == 'paid'", 8, "\"==\" has no meaning in a filter", "^^", "= compares"),
        ("a = 1 && b = 2", 7, "\"&&\" has no meaning in a filter", "^^", "write \"and\""),
        ("é = 'x' und b = 2", 9, "\"und\" stands where \"and\", \"or\" or the end should", "^^^", "did you mean \"and\"?"),
        ("status 'paid'", 8, "a text stands where a comparison should", "^^^^^^", ""),
        ("status = ", 10, "the end stands where a column or a value should", "^", ""),
        ("(status = 'x'", 14, "the end stands where \")\" should", "^", ""),
        ("op = 'update'", 6, "op is never 'update'", "^^^^^^^^", "did you mean 'u'?"),
        ("op in ('c', 'x')", 13, "op is never 'x'", "^^^", "op is one of 'c', 'r', 'u', 'd', 't', 'm'"),
        ("status matches '('", 16, "the pattern cannot be compiled: unclosed group", "^^^", ""),
        ("status like name", 13, "a pattern is a text in single quotes", "^^^^", ""),
        ("lower(status) = 'x'", 1, "\"lower\" is no function", "^^^^^", "functions: changed, was_null, is_null"),
        ("status is not nul", 15, "\"nul\" stands where", "^^^", ""),
        ("'x'", 1, "a value alone is no condition", "^^^", "compare it: column = value"),
        ("", 1, "the end stands where a column or a value should", "^", ""),
    ] {
        let problem = Filter::parse(text).expect_err(text);
        assert_eq!(problem.code, "filter/syntax", "{text}");
        assert!(problem.what.starts_with(&format!("the filter cannot be read: {what}")), "{text}: {problem}");
        assert_eq!((problem.at.as_str(), problem.fix.as_str()), (format!("character {at}").as_str(), fix), "{text}");
        assert_eq!(problem.why.lines().last().map(str::trim), Some(carets), "{text}: {problem}");
    }
    let long = format!("{}stauts = 1 nd b = 2{}", "a = 1 and ".repeat(20), " and a = 1".repeat(20));
    let why = Filter::parse(&long).expect_err("a mistake").why;
    let (shown, carets) = why.split_once('\n').expect("two lines");
    assert!(shown.starts_with("...") && shown.len() < 140, "{why}");
    assert_eq!(shown.get(carets.find('^').expect("a caret")..).map(|rest| rest.starts_with("nd b")), Some(true), "{why}");
}

#[test]
fn length_depth_and_parts_have_bounds() {
    for (text, what) in [
        (format!("{}a = 1{}", "(".repeat(3000), ")".repeat(3000)), "levels deep"),
        (format!("{}a", "not ".repeat(2000)), "levels deep"),
        (format!("a = 1{}", " or a = 1".repeat(800)), "more than 200 parts"),
        (format!("a in (b{})", ", b".repeat(800)), "more than 200 parts"),
        (format!("a in (1{})", ",1".repeat(1000)), "more than 1000 values"),
        (format!("a like 'x'{}", " or a like 'x'".repeat(16)), "more than 16 patterns"),
        ("a".repeat(10_000), "longer than 8192 bytes"),
        ("a matches '(x{1000}){1000}'".to_owned(), "cannot be compiled"),
    ] {
        let problem = Filter::parse(&text).expect_err(what);
        assert!(problem.what.contains(what), "{what}: {problem}");
    }
    Filter::parse(&format!("a in (1{})", ",1".repeat(900))).expect("a long list is neither deep nor of many parts");
}

#[test]
fn filters_of_one_column_are_found_by_its_value() {
    let of =
        |text: &str| Filter::parse(text).expect("a filter").equality().map(|found| (found.column.name.to_string(), found.values.len()));
    assert_eq!(of("org_id = 5 and status = 'x'"), Some(("org_id".into(), 2)));
    assert_eq!(of("total > 1 and (5 = org_id and true)"), Some(("org_id".into(), 2)));
    assert_eq!(of("status in ('a', 'b')"), Some(("status".into(), 2)));
    assert_eq!(of("key.id = '5'"), Some(("id".into(), 2)));
    assert_eq!(of("org_id = null"), Some(("org_id".into(), 0)));
    for none in ["a = 1 or b = 2", "not a = 1", "a <> 1", "a = b", "a in (1, b)", "table = 'x'", "true"] {
        assert_eq!(of(none), None, "{none}");
    }
    let column = |text: &str| Filter::parse(text).expect("a filter").equality().expect("one").column;
    assert_eq!(column("after.org = 5"), column("org = 6"));
    assert_ne!(column("op = 'u' and after.org = 5"), column("org = 6"));
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        (-3i64..4).prop_map(|number| number.to_string()),
        (-3i64..4).prop_map(|number| format!("{number}.0")),
        prop::sample::select(vec!["\"1\"", "\"1.0\"", "\"a\"", "\"t\"", "\"\"", "\"__debezium_unavailable_value\"", "[1]"])
            .prop_map(str::to_owned),
    ]
}

fn any_row() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just("null".to_owned()),
        4 => (any_value(), any_value(), any_value()).prop_map(|(a, b, c)| format!("{{\"id\":1,\"a\":{a},\"b\":{b},\"c\":{c}}}")),
    ]
}

fn any_event() -> impl Strategy<Value = (String, bool)> {
    let event = (prop::sample::select(vec!["c", "r", "u", "u", "d", "t", "m"]), any_row(), any_row());
    prop_oneof![
        6 => event.prop_map(|(op, before, after)| change(op, &before, &after)),
        1 => any_row(),
        1 => Just("\0".to_owned()),
    ]
    .prop_flat_map(|value| (Just(value), any::<bool>()))
}

fn any_filter() -> impl Strategy<Value = String> {
    let column = || prop::sample::select(vec!["a", "b", "before.a", "after.a", "key.id", "A", "\"a\""]);
    let literal = || prop::sample::select(vec!["1", "'1'", "'a'", "1.00", "true", "null", "'t'", "-2", "''"]);
    let leaf = prop_oneof![
        (column(), prop::sample::select(vec!["=", "=", "<>", "<", ">="]), literal()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (column(), literal(), literal()).prop_map(|(a, x, y)| format!("{a} in ({x}, {y})")),
        (column(), column()).prop_map(|(a, b)| format!("{a} is distinct from {b}")),
        column().prop_map(|a| format!("{a} is not null")),
        column().prop_map(|a| format!("{a} like '%1%'")),
        Just("changed(a)".to_owned()),
        Just("op = 'u'".to_owned()),
        Just("b".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not {part}")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"(before\.|after\.|op|and|or|not|in|is|like|between|null|distinct from|changed|[()'",.<>=:+;!~% 0-9a-zé\\-]|'x'|a = 1){0,30}"#) {
        drop(Filter::parse(&text));
        drop(Filter::parse_with(&text, |_| Some(Literal::Null)));
    }

    #[test]
    fn any_bytes_are_judged(filter in any_filter(), key in prop::collection::vec(any::<u8>(), 0..20), value in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b':'), Just(b','), Just(b'a'), Just(b'1'), any::<u8>()], 0..60)) {
        let filter = Filter::parse(&filter).expect("a filter");
        let value = [b"{\"op\":\"u\",\"source\":{},\"after\":", &value[..]].concat();
        filter.judge(&Event::of("t", Some(&key), Some(&value)));
    }

    #[test]
    fn what_was_read_is_read_again_as_the_same(text in any_filter(), (value, _) in any_event()) {
        let filter = Filter::parse(&text).expect("a filter");
        let shown = filter.row.as_ref().or(filter.event.as_ref()).expect("an expression").to_string();
        let again = Filter::parse(&shown).expect("what is shown can be read");
        prop_assert_eq!(again.row.as_ref().or(again.event.as_ref()).expect("an expression").to_string(), shown);
        let event = Event::of("t", Some(b"{\"id\":1}"), Some(value.as_bytes()));
        prop_assert_eq!(filter.judge(&event), again.judge(&event));
    }

    #[test]
    fn the_index_finds_all_that_match(text in any_filter(), more in any_filter(), (value, with_old) in any_event(), old in any_row()) {
        let filter = Filter::parse(&text).expect("a filter").and(Filter::parse(&more).expect("a filter"));
        let Some(equality) = filter.equality() else { return Ok(()) };
        let mut event = Event::of("t", Some(b"{\"id\":1}"), Some(value.as_bytes()));
        if let Some(old) = Object::of(old.as_bytes()).filter(|_| with_old) {
            event = event.knowing(old);
        }
        if !filter.judge(&event).is_wanted() {
            return Ok(());
        }
        let mut found = Vec::new();
        let everybody = equality.column.candidates(&event, &mut found) == Candidates::Everybody;
        prop_assert!(everybody || found.iter().any(|value| equality.values.contains(value)), "{} {}", filter, value);
    }

    /// A row that leaves was there, one that comes was not: as if each were asked alone.
    #[test]
    fn coming_and_leaving_agree_with_the_rows_asked_alone(a in any_value(), b in any_value(), filter in prop::sample::select(vec!["a = 1", "a in ('1', 'a')", "not a = 1", "a is null", "a", "a > 0 or a is null"])) {
        let filter = Filter::parse(filter).expect("a filter");
        let row = |value: &str| format!("{{\"id\":1,\"a\":{value},\"full\":1}}");
        let is = |op: &str, before: &str, after: &str| filter.judge(&Event::of("t", Some(b"{\"id\":1}"), Some(change(op, before, after).as_bytes())));
        let alone = |value: &str| is("c", "null", &row(value)).is_wanted();
        prop_assume!(!a.contains("unavailable") && !b.contains("unavailable"));
        let expected = match (alone(&a), alone(&b)) {
            (true, true) => Matches,
            (false, true) => Enters,
            (true, false) => Leaves,
            (false, false) => No,
        };
        prop_assert_eq!(is("u", &row(&a), &row(&b)), expected);
        prop_assert_eq!(is("d", &row(&a), "null").is_wanted(), alone(&a));
    }
}
