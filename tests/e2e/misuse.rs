//! What people do to a connector that they should not, or did not mean to: wrong options, keys and types that change,
//! tables that go, names that meet. Each ends in a correct event or in an error with its remedy, and nothing is lost.

use serde_json::{Value, json};

use crate::support::http::{get, request};
use crate::support::postgres::shared_server;
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::wait_for;

/// The rows of a table's events so far, as `{column: value}`.
fn rows(scene: &Scene, table: &str) -> Vec<Value> {
    scene.events(table).iter().map(|event| event["after"].clone()).collect()
}

/// Makes a FAILED connector try again.
fn restart(scene: &Scene) {
    let answer = request(&scene.rowfeed.http(), "POST", "/connectors/scene/restart?includeTasks=true", None).expect("an answer");
    assert!(answer.status < 300, "{} {}", answer.status, answer.body);
}

/// Aim: a wrong value neither starts a connector nor touches the one that runs. Method: each is put as a new connector and over
/// the running one, which goes on with the configuration it had.
#[test]
fn a_wrong_value_or_expression_is_refused_by_name_and_the_running_connector_goes_on() {
    let Some(scene) = Scene::start("wrong", "create table t(id int primary key)", &json!({})) else { return };
    let http = scene.rowfeed.http();
    let before = get(&http, "/connectors/scene/config").expect("an answer").json();
    for (option, value) in [
        ("table.include.list", "public.(t"),
        ("table.include.list", "public[.t"),
        ("table.include.list", "*.t"),
        ("column.exclude.list", "(?<=a)b"),
        ("message.key.columns", "public.t"),
        ("message.key.columns", "public.(t:id"),
        ("decimal.handling.mode", "exact"),
        ("time.precision.mode", "seconds"),
        ("snapshot.mode", "initail"),
        ("publication.autocreate.mode", "maybe"),
        ("heartbeat.interval.ms", "often"),
        ("heartbeat.interval.ms", "-1"),
        ("database.port", "0"),
        ("tombstones.on.delete", "perhaps"),
        ("skipped.operations", "c,z"),
        ("column.mask.hash.SHA-0.with.salt.x", "public.t.id"),
        ("column.truncate.to.-1.chars", "public.t.id"),
        ("slot.name", "Up-Per"),
        ("topic.prefix", "a b"),
        ("unavailable.value.placeholder", "hex:xy"),
        ("value.converter", "org.example.Converter"),
        ("transforms", "missing"),
    ] {
        let wrong = with(scene.config().clone(), &json!({ option: value }));
        for name in ["scene", "new"] {
            let answer = scene.rowfeed.put_connector(name, &wrong);
            assert_eq!(answer.status, 400, "{option}={value}: {}", answer.body);
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            // The name of an option may itself be what is wrong with it, and a slot's name is known by itself.
            let named = message.contains(option.split(".SHA").next().unwrap_or(option)) || message.contains(&format!("\"{value}\""));
            assert!(named, "{option}={value}: {message}");
        }
    }
    assert_eq!(get(&http, "/connectors").expect("an answer").json(), json!(["scene"]));
    assert_eq!(get(&http, "/connectors/scene/config").expect("an answer").json(), before);
    scene.sql.run("insert into t values (1)");
    assert_eq!(rows(&scene, "t"), [json!({"id": 1})]);
}

/// Aim: a row is told in the type that its column had when it was written, however late it is read. Method: rows between
/// changes of types, some in one transaction, read as they come and once more after the process was away.
#[test]
fn a_column_that_changes_its_type_is_told_in_the_type_of_each_row() {
    let setup = "create type mood as enum ('sad', 'ok'); create table t(id int primary key, v int, w numeric(6,2), d date)";
    let more = json!({"value.converter.schemas.enable": "true"});
    let Some(mut scene) = Scene::start("clash", setup, &more) else { return };
    for away in [false, true] {
        if away {
            scene.sql.run("truncate t; drop table t; create table t(id int primary key, v int, w numeric(6,2), d date)");
            scene.sql.run(&format!("alter publication {} add table t", scene.slot()));
            scene.fence();
            scene.rowfeed.kill();
        }
        scene.sql.run("insert into t values (1, 7, 1.5, '2024-01-02')");
        scene.sql.run("alter table t alter v type text");
        scene.sql.run("insert into t values (2, 'seven', 1.5, '2024-01-02')");
        scene.sql.run(
            "begin; insert into t values (3, '8', 2.25, '2024-01-02'); \
             alter table t alter v type int using case v when 'seven' then 7 else v::int end, alter w type numeric(8,4); \
             insert into t values (4, 9, 2.25, '2024-01-02'); alter table t alter v type mood using 'ok'; \
             insert into t values (5, 'sad', 2.25, '2024-01-02'); commit",
        );
        scene.sql.run("alter table t alter d type timestamptz, alter v type text[] using array[v::text], alter w type text");
        scene.sql.run("insert into t values (6, '{a,b}', 'w', '2024-01-02 03:04:05+00')");
        if away {
            scene.rowfeed.run();
            scene.rowfeed.wait_until_ready();
        }
        let events = scene.events("t");
        let events = &events[events.len() - 6..];
        let payloads: Vec<&Value> = events.iter().map(|event| &event["payload"]["after"]).collect();
        assert_eq!(
            payloads,
            [
                &json!({"id": 1, "v": 7, "w": "AJY=", "d": 19724}),
                &json!({"id": 2, "v": "seven", "w": "AJY=", "d": 19724}),
                &json!({"id": 3, "v": "8", "w": "AOE=", "d": 19724}),
                &json!({"id": 4, "v": 9, "w": "V+Q=", "d": 19724}),
                &json!({"id": 5, "v": "sad", "w": "V+Q=", "d": 19724}),
                &json!({"id": 6, "v": ["a", "b"], "w": "w", "d": "2024-01-02T03:04:05.000000Z"}),
            ]
        );
        let types = |column: usize| -> Vec<&str> {
            events.iter().filter_map(|event| event["schema"]["fields"][1]["fields"][column]["type"].as_str()).collect()
        };
        assert_eq!(types(1), ["int32", "string", "string", "int32", "string", "array"]);
        assert_eq!(types(3), ["int32", "int32", "int32", "int32", "int32", "string"]);
        let scale = |event: &Value| event["schema"]["fields"][1]["fields"][2]["parameters"]["scale"].clone();
        assert_eq!(events.iter().map(scale).collect::<Vec<_>>(), [json!("2"), json!("2"), json!("2"), json!("4"), json!("4"), Value::Null]);
    }
}

/// As Debezium, and said in the log: the key is what is left of the list, and where nothing is left the table's own.
#[test]
fn a_column_of_a_key_list_that_is_dropped_or_never_was_leaves_the_rest_of_the_key_and_is_told() {
    let more = json!({"message.key.columns": "public.t:a,b;public.u:a;public.never:a,gone", "snapshot.mode": "initial"});
    let setup = "create table t(id int primary key, a int, b int); create table u(id int primary key, a int);
        create table never(id int primary key, a int); alter table t replica identity full; alter table u replica identity full;
        insert into t values (1, 10, 100); insert into u values (1, 10); insert into never values (1, 10)";
    let Some(mut scene) = Scene::start("keylist", setup, &more) else { return };
    let warned = |scene: &Scene, rule: &str| {
        scene.rowfeed.log().lines().filter(|line| line.contains("message.key.columns") && line.contains(rule)).count()
    };
    scene.fence();
    assert_eq!((warned(&scene, "public.never:gone"), warned(&scene, "public.t:b"), warned(&scene, "public.u:a")), (1, 0, 0));
    scene.sql.run("insert into t values (2, 20, 200); insert into u values (2, 20)");
    scene.sql.run("alter table t drop b; alter table u drop a");
    scene.sql.run("insert into t values (3, 30); insert into u values (3); delete from t where id = 2; delete from u where id = 2");
    let keys = |scene: &Scene, table: &str| scene.records(table).iter().map(|record| record.key_text()).collect::<Vec<_>>();
    assert_eq!(keys(&scene, "never"), [r#"{"a":10}"#]);
    let t = [r#"{"a":10,"b":100}"#, r#"{"a":20,"b":200}"#, r#"{"a":30}"#, r#"{"a":20}"#, r#"{"a":20}"#];
    assert_eq!(keys(&scene, "t"), t);
    let u = [r#"{"a":10}"#, r#"{"a":20}"#, r#"{"id":3}"#, r#"{"id":2}"#, r#"{"id":2}"#];
    assert_eq!(keys(&scene, "u"), u);
    assert_eq!((warned(&scene, "public.t:b"), warned(&scene, "public.u:a")), (1, 1), "{}", scene.rowfeed.log());
    // After a restart it is the same, and said again.
    scene.rowfeed.kill();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    scene.sql.run("insert into t values (4, 40); insert into u values (4)");
    assert_eq!(keys(&scene, "t").last().map(String::as_str), Some(r#"{"a":40}"#));
    assert_eq!(keys(&scene, "u").last().map(String::as_str), Some(r#"{"id":4}"#));
    assert_eq!((warned(&scene, "public.t:b"), warned(&scene, "public.u:a")), (2, 2));
}

/// Whether `public.a` is being read.
const READING_A: &str = "select count(*) from pg_stat_activity where query like 'copy (%\"public\".\"a\"%' and state = 'active' and datname = current_database()";

/// As the next one, with the schema gone, and with a statement of one's own for the table, which is not to blame.
#[test]
fn a_schema_that_is_dropped_while_a_snapshot_is_read_takes_nothing_else_with_it() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key); insert into a select generate_series(1, 300000); create schema q; create schema r;
        create table q.b(id int primary key); insert into q.b values (1); create table r.c(id int primary key); insert into r.c values (1)";
    let more = json!({"snapshot.mode": "initial", "table.include.list": ".*",
        "snapshot.select.statement.overrides": "q.b", "snapshot.select.statement.overrides.q.b": "select * from q.b"});
    let scene = Scene::prepared(server, "vanish", setup, &more);
    scene.connect();
    wait_for("the first table to be read", || (scene.sql.one(READING_A) == "1").then_some(()));
    scene.sql.run("drop schema q cascade");
    scene.wait_until_streaming();
    wait_for("the snapshot to end", || scene.rowfeed.log().contains("snapshot finished").then_some(()));
    assert!(scene.rowfeed.log().contains("q.b is gone since the snapshot was begun"));
    scene.sql.run("insert into a values (0); insert into r.c values (0)");
    assert_eq!(Scene::ops(&scene.events("r.c")), "rc");
    assert_eq!(scene.reader.watermarks(&Scene::topic("a"), 0), Some((0, 300_001)));
    assert_eq!(scene.reader.read(&Scene::topic("q.b")).len(), 0);
}

/// Aim: a table that goes before the snapshot comes to it takes nothing else with it. Method: while the first table is read, others
/// are dropped, renamed, moved to another schema, and one is dropped and made again.
#[test]
fn tables_that_vanish_while_a_snapshot_is_read_take_nothing_else_with_them() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key); insert into a select generate_series(1, 300000);
        create table b(id int primary key); insert into b select generate_series(1, 50);
        create table c(id int primary key); insert into c select generate_series(1, 50);
        create table d(id int primary key); insert into d select generate_series(1, 50);
        create table e(id int primary key); insert into e select generate_series(1, 50);
        create table f(id int primary key); insert into f select generate_series(1, 50); create schema elsewhere";
    let more = json!({"snapshot.mode": "initial", "table.include.list": "public.*,elsewhere.*"});
    let scene = Scene::prepared(server, "vanish", setup, &more);
    scene.connect();
    wait_for("the first table to be read", || (scene.sql.one(READING_A) == "1").then_some(()));
    scene.sql.run("drop table b");
    scene.sql.run("drop table c; create table c(id int primary key); insert into c values (1000)");
    scene.sql.run("alter table d rename to renamed");
    scene.sql.run("alter table e set schema elsewhere");
    scene.wait_until_streaming();
    wait_for("the snapshot to end", || scene.rowfeed.log().contains("snapshot finished").then_some(()));
    scene.sql.run("insert into a values (0); insert into renamed values (0); insert into elsewhere.e values (0); insert into f values (0)");
    scene.sql.run("insert into c values (1001)");
    // Every event here has a row whose id is its key.
    let id = |key: &str| key.trim_start_matches("{\"id\":").trim_end_matches('}').parse::<u64>().expect("a number");
    let ids = |table: &str| scene.records(table).iter().map(|record| id(&record.key_text())).collect::<Vec<_>>();
    let read = (1..=50).chain([0]).collect::<Vec<u64>>();
    let mut all = ids("a");
    all.sort_unstable();
    assert_eq!(all, (0..=300_000).collect::<Vec<_>>());
    assert_eq!((ids("renamed"), ids("elsewhere.e"), ids("f")), (read.clone(), read.clone(), read));
    assert_eq!(ids("b"), [0; 0]);
    assert_eq!(ids("c").last(), Some(&1001), "the table made again is captured as a new one");
    assert_eq!(scene.rowfeed.status("scene")["tasks"][0]["state"], "RUNNING");
}

/// Quotes, dots, capitals, spaces, characters of other scripts and of SQL and of expressions: each table has a topic of its own, and
/// its snapshot, stream, keys and column lists find it.
#[test]
fn names_of_any_kind_are_read_and_streamed_each_under_a_topic_of_its_own() {
    let Some(server) = shared_server() else { return };
    let tables = [
        (r#""qu""ote""#, "srv.public.qu_ote"),
        (r#""do.t""#, "srv.public.do.t"),
        (r#""UPPER""#, "srv.public.UPPER"),
        (r#""upper""#, "srv.public.upper"),
        (r#""sp ace""#, "srv.public.sp_ace"),
        (r#""back\slash""#, "srv.public.back_slash"),
        (r#""$1;--""#, "srv.public._1_--"),
        (r#""(re)*gex+?""#, "srv.public._re__gex__"),
        (r#""表""#, "srv.public._"),
        (r#""čaj😀é""#, "srv.public._aj___"),
        (r#""select""#, "srv.public.select"),
        (r#""'-""#, "srv.public._-"),
    ];
    let mut setup = String::new();
    for (table, _) in tables {
        setup.push_str(&format!(
            r#"create table {table}("I""d.é" int, "K k" text, "select" text, primary key ("I""d.é", "K k")); insert into {table} values (1, 'a', 'x');"#
        ));
    }
    let scene = Scene::prepared(server, "namings", &setup, &json!({"snapshot.mode": "initial"}));
    scene.connect();
    scene.wait_until_streaming();
    for (table, _) in tables {
        scene.sql.run(&format!(r#"update {table} set "select" = 'y'; update {table} set "I""d.é" = 2; delete from {table}"#));
    }
    scene.fence();
    for (table, topic) in tables {
        let records = scene.reader.read(topic);
        let events: Vec<Value> = records.iter().map(|record| record.json()).collect();
        assert_eq!(Scene::ops(&events), "rud-cd-", "{table} {topic}");
        assert_eq!(records[0].key_text(), r#"{"I\"d.é":1,"K k":"a"}"#, "{table}");
        assert_eq!(events[1]["after"], json!({"I\"d.é": 1, "K k": "a", "select": "y"}), "{table}");
        assert_eq!(events[0]["source"]["table"], table.trim_matches('"').replace("\"\"", "\""));
    }
}

/// A line of a table without columns is empty, as one empty text is.
#[test]
fn a_table_without_columns_is_read_and_streamed() {
    let Some(server) = shared_server() else { return };
    let setup = "create table bare(); alter table bare replica identity full; \
                 insert into bare default values; insert into bare default values; \
                 create table one(v text); alter table one replica identity full; insert into one values(''), ('')";
    for threads in ["1", "2"] {
        let more = json!({"snapshot.mode": "initial", "snapshot.max.threads": threads});
        let scene = Scene::prepared(server, &format!("bare{threads}"), setup, &more);
        scene.connect();
        scene.wait_until_streaming();
        scene.sql.run("insert into bare default values");
        assert_eq!(rows(&scene, "bare"), [json!({}), json!({}), json!({})], "{threads}");
        assert_eq!(rows(&scene, "one"), [json!({"v": ""}), json!({"v": ""})], "{threads}");
    }
}

/// Aim: two tables never share a topic unnoticed, whichever comes first. Method: pairs that meet are refused before anything is
/// published, and one that appears under way stops the connector at its first row; once it is told apart everything follows.
#[test]
fn two_tables_whose_names_meet_in_one_topic_are_refused_and_nothing_is_lost() {
    let Some(server) = shared_server() else { return };
    for (one, other, topic) in [
        (r#"public."a b""#, r#"public."a#b""#, "srv.public.a_b"),
        (r#"public."ä""#, r#"public."ö""#, "srv.public._"),
        (r#"public."x.y""#, r#""public.x".y"#, "srv.public.x.y"),
    ] {
        let setup = format!(
            "create schema \"public.x\"; create table {one}(id int primary key); create table {other}(id int primary key); insert into {one} values (1)"
        );
        let more = json!({"snapshot.mode": "initial", "table.include.list": "public.*,public.x.*"});
        let scene = Scene::prepared(server, "meet", &setup, &more);
        scene.connect();
        let trace = scene.rowfeed.wait_until_failed("scene");
        assert!(trace.contains("topic/collision") && trace.contains(topic) && trace.contains("table.exclude.list"), "{trace}");
        assert_eq!(scene.sql.one("select count(*) from pg_replication_slots where database = current_database()"), "0", "{topic}");
        assert!(!scene.reader.topics().iter().any(|(name, _)| name == topic), "{topic}");
        scene.sql.run(&format!("drop table {other}"));
        restart(&scene);
        wait_for("another try", || (scene.rowfeed.status("scene")["tasks"][0]["state"] != "FAILED").then_some(()));
        scene.wait_until_streaming();
        scene.fence();
        assert_eq!(scene.reader.read(topic).len(), 1, "{topic}");
    }

    let more = json!({"publication.autocreate.mode": "all_tables"});
    let Some(scene) = Scene::start("meet", "create table \"a b\"(id int primary key)", &more) else { return };
    scene.sql.run("insert into \"a b\" values (1)");
    scene.fence();
    // The same table under another name is no other table.
    scene.sql.run("alter table \"a b\" rename to \"a+b\"; insert into \"a+b\" values (2); alter table \"a+b\" rename to \"a b\"");
    scene.sql.run("create table \"a#b\"(id int primary key); insert into \"a#b\" values (100); insert into \"a b\" values (3)");
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("topic/collision") && trace.contains("a#b"), "{trace}");
    // A restart alone changes nothing.
    let refusals = || scene.rowfeed.log().lines().filter(|line| line.contains("topic/collision")).count();
    let before = refusals();
    restart(&scene);
    wait_for("the connector to be refused again", || (refusals() > before).then_some(()));
    let strategy = json!({"topic.naming.strategy": "io.debezium.schema.SchemaUnicodeTopicNamingStrategy"});
    let answer = scene.rowfeed.put_connector("scene", &with(scene.config().clone(), &strategy));
    assert_eq!(answer.status, 200, "{}", answer.body);
    scene.fence();
    let ids = |topic: &str| scene.reader.read(topic).iter().map(|record| record.key_text()).collect::<Vec<_>>();
    assert_eq!(ids("srv.public.a_b"), [r#"{"id":1}"#, r#"{"id":2}"#]);
    assert_eq!(ids("srv.public.a_u0020b"), [r#"{"id":3}"#]);
    assert_eq!(ids("srv.public.a_u0023b"), [r#"{"id":100}"#]);
}
