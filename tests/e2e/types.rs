//! Values byte for byte, as debezium.md section 2 gives them; the same from the snapshot as from the stream.

use serde_json::{Value, json};

use crate::support::postgres::shared_server;
use crate::support::scene::Scene;

/// Type, literal, and the JSON that the column must have.
type Case = (&'static str, &'static str, &'static str);

const PLAIN: &[Case] = &[
    ("bool", "true", "true"),
    ("bool", "false", "false"),
    ("bool", "null", "null"),
    ("smallint", "-32768", "-32768"),
    ("int", "2147483647", "2147483647"),
    ("bigint", "-9223372036854775808", "-9223372036854775808"),
    ("bigint", "9007199254740993", "9007199254740993"),
    ("real", "1.5", "1.5"),
    ("real", "0.1", "0.1"),
    ("real", "100", "100.0"),
    ("real", "'NaN'", "\"NaN\""),
    ("float8", "1.5", "1.5"),
    ("float8", "0", "0.0"),
    ("float8", "-0.001", "-0.001"),
    ("float8", "12345678", "1.2345678E7"),
    ("float8", "1e300", "1.0E300"),
    ("float8", "1e-5", "1.0E-5"),
    ("float8", "'NaN'", "\"NaN\""),
    ("float8", "'Infinity'", "\"Infinity\""),
    ("float8", "'-Infinity'", "\"-Infinity\""),
    ("char(5)", "'ab'", "\"ab   \""),
    ("varchar(20)", "'é \"q\" \\'", "\"é \\\"q\\\" \\\\\""),
    ("text", "E'line\\nfeed\\ttab\\x01end'", "\"line\\nfeed\\ttab\\u0001end\""),
    ("text", "''", "\"\""),
    ("text", "'snow ☃ and 😀'", "\"snow ☃ and \\uD83D\\uDE00\""),
    ("bytea", "'\\x0102ff'", "\"AQL/\""),
    ("bytea", "''", "\"\""),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
    ("json", "'{\"a\": 1}'", "\"{\\\"a\\\": 1}\""),
    ("jsonb", "'{\"a\":1}'", "\"{\\\"a\\\": 1}\""),
    ("mood", "'ok'", "\"ok\""),
    ("inet", "'192.168.1.1/24'", "\"192.168.1.1/24\""),
    ("int4range", "'[1,5)'", "\"[1,5)\""),
];

const NUMERIC_PRECISE: &[Case] = &[
    ("numeric(10,2)", "1.10", "\"bg==\""),
    ("numeric(5,2)", "-1.10", "\"kg==\""),
    ("numeric(5,2)", "0", "\"AA==\""),
    ("numeric(5,2)", "1.28", "\"AIA=\""),
    ("numeric", "123.4500", "{\"scale\":2,\"value\":\"MDk=\"}"),
    ("numeric", "1e10", "{\"scale\":0,\"value\":\"AlQL5AA=\"}"),
    ("numeric", "'NaN'", "null"),
    ("numeric(10,2)", "'NaN'", "null"),
];

const NUMERIC_DOUBLE: &[Case] =
    &[("numeric(10,2)", "1.10", "1.1"), ("numeric", "123.4500", "123.45"), ("numeric", "'NaN'", "\"NaN\""), ("numeric", "100", "100.0")];

const NUMERIC_STRING: &[Case] = &[
    ("numeric(10,2)", "1.10", "\"1.10\""),
    ("numeric", "123.4500", "\"123.4500\""),
    ("numeric", "'NaN'", "\"NAN\""),
    ("numeric", "-5", "\"-5\""),
];

const TIME_ADAPTIVE: &[Case] = &[
    ("date", "'2024-01-02'", "19724"),
    ("date", "'1969-12-31'", "-1"),
    ("date", "'0044-03-15 BC'", "-735160"),
    ("date", "'infinity'", "-2147472692"),
    ("date", "'-infinity'", "-2147472691"),
    ("time(3)", "'01:02:03.123'", "3723123"),
    ("time", "'01:02:03.123456'", "3723123456"),
    ("time", "'24:00'", "86400000000"),
    ("timestamp(3)", "'2024-01-02 03:04:05.123'", "1704164645123"),
    ("timestamp", "'2024-01-02 03:04:05.123456'", "1704164645123456"),
    ("timestamp", "'0044-03-15 10:00:00 BC'", "-63517788000000000"),
    ("timestamp", "'infinity'", "9223372036825200000"),
    ("timestamp", "'-infinity'", "-9223372036832400000"),
    ("timestamptz", "'2024-01-02 03:04:05.123456+02'", "\"2024-01-02T01:04:05.123456Z\""),
    ("timestamptz(3)", "'2024-01-02 01:04:05.12+00'", "\"2024-01-02T01:04:05.120Z\""),
    ("timestamptz", "'infinity'", "\"infinity\""),
    ("timestamptz", "'-infinity'", "\"-infinity\""),
    ("timestamptz", "'0044-03-15 10:00:00+00 BC'", "\"-0043-03-15T10:00:00.000000Z\""),
];

const TIME_ISO: &[Case] = &[
    ("date", "'2024-01-02'", "\"2024-01-02Z\""),
    ("time", "'01:02:03.123456'", "\"01:02:03.123456Z\""),
    ("time", "'24:00'", "\"00:00:00Z\""),
    ("timestamp", "'2024-01-02 03:04:05.123456'", "\"2024-01-02T03:04:05.123456Z\""),
    ("timestamp", "'infinity'", "\"+294247-01-10T04:00:25.2Z\""),
    ("timestamptz", "'2024-01-02 01:04:05.123456+00'", "\"2024-01-02T01:04:05.123456Z\""),
];

const ARRAYS: &[Case] = &[
    ("int[]", "'{1,NULL,3}'", "[1,null,3]"),
    ("bigint[]", "'{}'", "[]"),
    ("text[]", "array['a', 'b c', 'q\"\\', null, '']", "[\"a\",\"b c\",\"q\\\"\\\\\",null,\"\"]"),
    ("bool[]", "'{t,f}'", "[true,false]"),
    ("float8[]", "'{1.5,2}'", "[1.5,2.0]"),
    ("numeric(10,2)[]", "'{1.10}'", "[\"bg==\"]"),
    ("uuid[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "[\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"]"),
    ("date[]", "'{2024-01-02}'", "[19724]"),
    ("timestamptz[]", "'{2024-01-02 01:04:05+00}'", "[\"2024-01-02T01:04:05.000000Z\"]"),
    ("mood[]", "'{ok,bad}'", "[\"ok\",\"bad\"]"),
    ("jsonb[]", "array['{\"a\":1}'::jsonb]", "[\"{\\\"a\\\": 1}\"]"),
];

/// Writes every case before the connector (snapshot) and after it (stream), and compares both.
fn hold(name: &str, cases: &[Case], more: &Value) {
    let Some(server) = shared_server() else { return };
    let mut setup = String::from("create type mood as enum ('bad', 'ok');");
    for (at, (kind, _, _)) in cases.iter().enumerate() {
        setup.push_str(&format!("create table t{at}(id int primary key, v {kind});"));
    }
    let write = |id: u32| {
        cases.iter().enumerate().map(move |(at, (_, literal, _))| format!("insert into t{at} values({id}, {literal});")).collect::<String>()
    };
    setup.push_str(&write(1));
    let mut config = json!({"snapshot.mode": "initial"});
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let scene = Scene::prepared(server, name, &setup, &config);
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run(&write(2));
    scene.fence();
    let mut wrong = Vec::new();
    for (at, (kind, literal, want)) in cases.iter().enumerate() {
        let records = scene.reader.read(&Scene::topic(&format!("t{at}")));
        assert_eq!(records.len(), 2, "{kind} {literal}");
        for (record, (op, id)) in records.iter().zip([("r", 1), ("c", 2)]) {
            let must = format!("\"after\":{{\"id\":{id},\"v\":{want}}}");
            if !record.text().contains(&must) {
                let text = record.text();
                let got = text.split("\"after\":").nth(1).and_then(|rest| rest.split(",\"source\"").next()).unwrap_or_default().to_owned();
                wrong.push(format!("{kind} {literal} ({op}): is {got}, must be {must}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), cases.len() * 2, wrong.join("\n"));
}

#[test]
fn plain_values_are_as_debezium_writes_them() {
    hold("plain", PLAIN, &json!({}));
}

#[test]
fn numeric_is_exact_by_default() {
    hold("precise", NUMERIC_PRECISE, &json!({}));
}

#[test]
fn numeric_as_double() {
    hold("double", NUMERIC_DOUBLE, &json!({"decimal.handling.mode": "double"}));
}

#[test]
fn numeric_as_string() {
    hold("string", NUMERIC_STRING, &json!({"decimal.handling.mode": "string"}));
}

#[test]
fn dates_and_times_are_as_precise_as_their_column() {
    hold("adaptive", TIME_ADAPTIVE, &json!({}));
}

#[test]
fn dates_and_times_as_iso_strings() {
    hold("iso", TIME_ISO, &json!({"time.precision.mode": "isostring"}));
}

#[test]
fn bytea_in_the_other_modes() {
    hold("b64", &[("bytea", "'\\x0102ff'", "\"AQL/\"")], &json!({"binary.handling.mode": "base64"}));
    hold("b64url", &[("bytea", "'\\x0102ff'", "\"AQL_\"")], &json!({"binary.handling.mode": "base64-url-safe"}));
    hold("hex", &[("bytea", "'\\x0102ff'", "\"0102ff\"")], &json!({"binary.handling.mode": "hex"}));
}

#[test]
fn arrays_are_arrays() {
    hold("arrays", ARRAYS, &json!({}));
}

/// Never dropped silently: what has no writer of its own yet comes as PostgreSQL prints it.
#[test]
fn any_other_type_comes_as_its_text() {
    let cases = [
        ("box", "'((1,2),(3,4))'", "\"(3,4),(1,2)\""),
        ("tsquery", "'a & b'", "\"'a' & 'b'\""),
        // Their elements are not separated by commas.
        ("box[]", "'{(3,4),(1,2);(7,8),(5,6)}'", "\"{(3,4),(1,2);(7,8),(5,6)}\""),
        ("int2vector", "'1 2 3'", "\"1 2 3\""),
        ("oidvector", "'1 2'", "\"1 2\""),
    ];
    hold("other", &cases, &json!({}));
}
