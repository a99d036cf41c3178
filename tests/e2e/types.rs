//! Values byte for byte, as debezium.md section 2 gives them; the same from the snapshot as from the stream.

use rowfeed::demo::cluster::Cluster;
use serde_json::{Value, json};

use crate::support::postgres::{postgis_server, programs, shared_server, vector_server};
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
    let mut setup = String::from("create type mood as enum ('bad', 'ok'); create domain amount as numeric(8,3);");
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
        ("circle", "'<(1,2),3>'", "\"<(1,2),3>\""),
        ("tsquery", "'a & b'", "\"'a' & 'b'\""),
        ("pg_lsn", "'0/16B3748'", "\"0/16B3748\""),
        ("regclass", "'pg_class'", "\"pg_class\""),
        ("xid", "'7'", "\"7\""),
        ("fence", "row(1)", "\"(1)\""),
        ("fence[]", "array[row(1), null]::fence[]", "[\"(1)\",null]"),
        // Their elements are not separated by commas.
        ("box[]", "'{(3,4),(1,2);(7,8),(5,6)}'", "[\"(3,4),(1,2)\",\"(7,8),(5,6)\"]"),
        ("int2vector", "'1 2 3'", "\"1 2 3\""),
        ("oidvector", "'1 2'", "\"1 2\""),
    ];
    hold("other", &cases, &json!({}));
}

/// Those that Debezium leaves out or empties have every element here, in any number of dimensions.
#[test]
fn arrays_of_every_type_keep_every_element() {
    let cases = [
        ("money[]", "'{1.50,NULL}'", "[\"AJY=\",null]"),
        ("interval[]", "'{1 day,NULL}'", "[86400000000,null]"),
        ("xml[]", "'{<a/>,NULL}'", "[\"<a/>\",null]"),
        ("name[]", "'{a_name,NULL}'", "[\"a_name\",null]"),
        ("point[]", "array['(1,2)'::point]", "[{\"x\":1.0,\"y\":2.0,\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\",\"srid\":null}]"),
        ("bit(3)[]", "'{101,NULL}'", "[\"BQ==\",null]"),
        ("varbit[]", "'{10110}'", "[\"Fg==\"]"),
        ("amount[]", "'{1.5,NULL}'", "[\"Bdw=\",null]"),
        ("mood[]", "'{ok,NULL}'", "[\"ok\",null]"),
        ("text[]", "'{{a,b},{NULL,\"c,d\"}}'", "[[\"a\",\"b\"],[null,\"c,d\"]]"),
        ("int[]", "'{{{1,2}},{{3,NULL}}}'", "[[[1,2]],[[3,null]]]"),
        ("int[]", "'[0:1]={1,2}'", "[1,2]"),
        ("jsonb[]", "array[array['{\"a\":[1,2]}'::jsonb]]", "[[\"{\\\"a\\\": [1, 2]}\"]]"),
        ("uuid[]", "array[array['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]]", "[[\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"]]"),
    ];
    hold("everyarray", &cases, &json!({}));
}

/// The statements of a section of one of the golden databases.
fn section<'a>(sql: &'a str, name: &str) -> &'a str {
    let (_, rest) = sql.split_once(&format!("--- {name}\n")).expect("a section");
    rest.split("--- ").next().unwrap_or_default()
}

/// Aim: whatever a column's type, what the snapshot says of a value is what the stream says of it. Method: the rows of the
/// databases that are compared with Debezium, written before the connector and once more while it streams; each table's
/// reads and creates must then be the same bytes but for the row's number.
fn agree(server: &Cluster, name: &str, sql: &str, extra: &str, options: &Value) {
    if programs().is_some_and(|programs| programs.major() < 15) {
        return eprintln!("SKIPPED: the databases need PostgreSQL 15");
    }
    let rows = format!("{}{extra}", section(sql, "rows"));
    let mut config = json!({"snapshot.mode": "initial"});
    config.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
    let scene = Scene::prepared(server, name, section(sql, "setup"), &config);
    scene.sql.run(&rows);
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run(&rows);
    scene.fence();
    let (mut tables, mut values, mut wrong) = (0, 0, Vec::new());
    for (topic, _) in scene.reader.topics() {
        if !topic.starts_with("srv.public.") || topic == Scene::topic("fence") {
            continue;
        }
        let mut found = [Vec::new(), Vec::new()];
        for record in scene.reader.read(&topic) {
            let text = record.text();
            let (row, rest) = text.split_once("\"after\":{\"id\":").and_then(|(_, rest)| rest.split_once(",\"source\":")).expect("a row");
            let row = row.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
            found[usize::from(!rest.contains("\"op\":\"r\""))].push(row);
        }
        let [read, created] = found;
        tables += 1;
        values += read.len();
        if read.len() != created.len() {
            wrong.push(format!("{topic}: {} rows read, {} streamed", read.len(), created.len()));
        }
        let differing = read.iter().zip(&created).filter(|(read, created)| read != created);
        wrong.extend(differing.map(|(read, created)| format!("{topic}\n  r {read}\n  c {created}")));
    }
    assert!(tables >= 2 && values >= 6, "{tables} tables with {values} rows prove nothing");
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// As many digits as a numeric has, and a document whose numbers no other type holds.
const EXTREME: &str = "insert into v_numeric(n) values (repeat('9', 131072)::numeric + 0.1), (1e-16383), (('1e131071')::numeric);
    insert into v_json(j, b) values ('{\"a\":1e400,\"a\":\"\\u0000\"}', '{\"a\":1e400}');
    insert into v_int(o) values (4294967295);";

#[test]
fn snapshot_and_stream_agree_for_every_type() {
    let Some(server) = shared_server() else { return };
    let sql = include_str!("../golden/values.sql");
    agree(server, "agree", sql, EXTREME, &json!({}));
    let text = json!({"decimal.handling.mode": "string", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
        "interval.handling.mode": "string", "hstore.handling.mode": "map"});
    agree(server, "agree_text", sql, EXTREME, &text);
    let connect = json!({"decimal.handling.mode": "double", "time.precision.mode": "connect", "binary.handling.mode": "base64"});
    agree(server, "agree_connect", sql, "", &connect);
    let nanoseconds = json!({"time.precision.mode": "nanoseconds", "binary.handling.mode": "base64-url-safe"});
    agree(server, "agree_nano", sql, "", &nanoseconds);
    agree(server, "agree_micro", sql, "", &json!({"time.precision.mode": "microseconds"}));
    agree(server, "agree_time", sql, "", &json!({"time.precision.mode": "adaptive_time_microseconds"}));
}

#[test]
fn snapshot_and_stream_agree_for_unknown_types_and_those_of_extensions() {
    let Some(server) = postgis_server() else { return };
    let sql = include_str!("../golden/types.sql");
    agree(server, "agree_types", sql, "", &json!({}));
    agree(server, "agree_bytes", sql, "", &json!({"include.unknown.datatypes": "true", "binary.handling.mode": "hex"}));
    agree(server, "agree_omit", sql, "", &json!({"unknown.datatypes.handling.mode": "omit"}));
}

#[test]
fn snapshot_and_stream_agree_for_vectors() {
    let Some(server) = vector_server() else { return };
    agree(server, "agree_vectors", include_str!("../golden/vectors.sql"), "", &json!({}));
}

/// PostgreSQL 18 streams them when the publication says so, and then the snapshot has them, too; else neither has.
#[test]
fn generated_columns_are_in_the_snapshot_where_they_are_in_the_stream() {
    let setup = "create table t(id int primary key, a int, g int generated always as (a * 2) stored, b text); insert into t values (1, 2, default, 'x')";
    // A server with pgvector is of version 18.
    let servers = [(shared_server(), None), (vector_server(), None), (vector_server(), Some(" with (publish_generated_columns = stored)"))];
    for (server, with) in servers {
        let Some(server) = server else { continue };
        let more = json!({"snapshot.mode": "initial", "publication.autocreate.mode": if with.is_some() { "disabled" } else { "filtered" }});
        let scene = Scene::prepared(server, "generated", setup, &more);
        if let Some(with) = with {
            scene.sql.run(&format!("create publication {} for table t, fence{with}", scene.slot()));
        }
        scene.connect();
        scene.wait_until_streaming();
        scene.sql.run("insert into t values (2, 3, default, 'y'); update t set a = 5 where id = 1; delete from t where id = 2");
        let events = scene.events("t");
        assert_eq!(Scene::ops(&events), "rcud-");
        let row = |id: i64, a: i64, b: &str| match with {
            Some(_) => json!({"id": id, "a": a, "g": a * 2, "b": b}),
            None => json!({"id": id, "a": a, "b": b}),
        };
        let rows: Vec<&Value> = events[..3].iter().map(|event| &event["after"]).collect();
        assert_eq!(rows, [&row(1, 2, "x"), &row(2, 3, "y"), &row(1, 5, "x")], "{with:?}");
    }
}
