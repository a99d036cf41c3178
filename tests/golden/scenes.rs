//! The scenes: a database, options, and the comparison.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rowfeed::demo::cluster::Cluster;
use serde_json::{Value, json};

use crate::debezium::{Debezium, Judge};
use crate::differences::{DIFFERENCES, Difference};
use crate::masks::{Event, rank};
use crate::support::postgres::{postgis_server, programs, shared_server, vector_server};
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::wait_for;

/// The statements of a section of a file; a statement ends at the end of a line.
pub fn section<'a>(sql: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("--- {name}\n");
    let Some((_, rest)) = sql.split_once(&head) else { return Vec::new() };
    let text = rest.split("--- ").next().unwrap_or_default();
    text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Builds `sql_file`'s database, publishes it, and compares with the captured events, and with Debezium beside it when the
/// [`Judge`] is there.
pub fn hold(name: &str, sql_file: &str, options: &Value) {
    if let Some(server) = shared_server() {
        hold_on(server, name, sql_file, options);
    }
}

/// As [`hold`], on a server of the scene's choice.
fn hold_on(server: &Cluster, name: &str, sql_file: &str, options: &Value) {
    hold_with(server, name, sql_file, options, |scene, sql, _| {
        for part in ["rows", "stream"] {
            section(sql, part).iter().for_each(|statement| scene.sql.run(statement));
        }
    });
}

/// As [`hold`], with something else than the file's rows and stream once both are streaming.
pub fn hold_while(name: &str, sql_file: &str, options: &Value, act: impl FnOnce(&Scene, &str, Option<&mut Debezium>)) {
    if let Some(server) = shared_server() {
        hold_with(server, name, sql_file, options, act);
    }
}

fn hold_with(server: &Cluster, name: &str, sql_file: &str, options: &Value, act: impl FnOnce(&Scene, &str, Option<&mut Debezium>)) {
    let sql = &fs::read_to_string(folder().join(sql_file)).expect("the database's file");
    if programs().is_some_and(|programs| programs.major() < 15) {
        return eprintln!("SKIPPED: the databases need PostgreSQL 15");
    }
    let judge = Judge::of_this_run();
    if judge != Judge::Captured && !Debezium::is_here() {
        return;
    }
    let options = with(json!({"snapshot.mode": "initial", "table.include.list": "public[.].*,s.1 é[.].*"}), options);
    let scene = Scene::prepared(server, name, "select 1", &options);
    for part in ["setup", "rows"] {
        section(sql, part).iter().for_each(|statement| scene.sql.run(statement));
    }
    // No snapshot is empty: its end can be waited for.
    if options["snapshot.mode"] == "initial" {
        scene.sql.run("insert into fence values (0)");
    }
    scene.connect();
    scene.wait_until_streaming();
    let mut debezium = (judge != Judge::Captured).then(|| {
        // What our defaults are where Kafka Connect's are others.
        let ours = json!({"key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
            "key.converter.replace.null.with.default": "false", "value.converter.replace.null.with.default": "false"});
        let own = json!({"slot.name": format!("{}_dbz", scene.slot()), "publication.autocreate.mode": "disabled"});
        let mut debezium = Debezium::start(&with(with(ours, scene.config()), &own));
        if options["snapshot.mode"] == "initial" {
            debezium.wait_for("Debezium's snapshot", "\"after\":{\"id\":0}");
        }
        debezium
    });
    let slots = if debezium.is_some() { "2" } else { "1" };
    wait_for("every slot to be active", || {
        (scene.sql.one("select count(*) from pg_replication_slots where database = current_database() and active") == slots).then_some(())
    });
    scene.fence();
    act(&scene, sql, debezium.as_mut());
    scene.fence();
    let tells = options["provide.transaction.metadata"] == "true";
    if tells {
        // The end of a transaction comes after its last event: another one follows that can be waited for.
        scene.fence();
    }
    let mut ours = Vec::new();
    for (topic, _) in scene.reader.topics() {
        if topic.starts_with("srv.") && topic != "srv.public.fence" {
            ours.extend(scene.reader.read(&topic).iter().map(|record| Event::from_record(&topic, record)));
        }
    }
    if tells {
        forget_last_transaction(&mut ours);
    }
    ours.retain(|event| !event.marks_a_chunk());
    ours.iter_mut().for_each(Event::mask);
    let schemas_only = name.starts_with("schemas_");
    if schemas_only {
        for text in ours.iter().flat_map(|event| [&event.key, &event.value]).flatten() {
            serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
        keep_schemas(&mut ours);
    }
    let file = folder().join(format!("{name}.jsonl"));
    if let Some(debezium) = &mut debezium {
        let last = scene.sql.one("select max(id) from fence");
        debezium.wait_for("Debezium's last event", &format!("\"after\":{{\"id\":{last}}}"));
        let mut theirs = debezium.events();
        if tells {
            forget_last_transaction(&mut theirs);
        }
        theirs.retain(|event| event.topic != "srv.public.fence" && !event.marks_a_chunk());
        theirs.sort_by(|a, b| a.topic.cmp(&b.topic));
        theirs.iter_mut().for_each(|event| {
            event.restore_snapshot_default();
            event.mask();
        });
        if schemas_only {
            keep_schemas(&mut theirs);
        }
        let log = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!(".cache/golden/{name}.log"));
        let _ = fs::write(log, debezium.log());
        let live = compare(name, &theirs, &ours);
        rank(&mut theirs);
        let lines: Vec<String> = theirs.iter().map(|event| event.line(&scene.database.name) + "\n").collect();
        if judge == Judge::Refresh {
            fs::write(&file, lines.concat()).expect("the captured file");
        }
        assert!(live.is_empty(), "{name} beside Debezium: {} differ\n{}", live.len(), live.join("\n"));
        let stale = stale(&fs::read_to_string(&file).unwrap_or_default(), &lines.concat());
        assert!(stale.is_empty(), "{name}.jsonl is not what Debezium says now (scripts/golden_refresh.sh)\n{}", stale.join("\n"));
    }
    let captured = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let theirs: Vec<Event> = captured.lines().map(|line| Event::from_captured(line, &scene.database.name)).collect();
    rank(&mut ours);
    let wrong = compare(name, &theirs, &ours);
    assert!(wrong.is_empty(), "{name}: {} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// What a captured file says otherwise than the same scene does now.
fn stale(captured: &str, now: &str) -> Vec<String> {
    let (captured, now): (Vec<&str>, Vec<&str>) = (captured.lines().collect(), now.lines().collect());
    let mut wrong = Vec::new();
    if captured.len() != now.len() {
        wrong.push(format!("{} records were captured, now there are {}", captured.len(), now.len()));
    }
    let pairs = captured.iter().zip(&now).enumerate().filter(|(_, (captured, now))| captured != now);
    wrong.extend(pairs.map(|(line, (captured, now))| format!("line {}\n{}", line + 1, contrast(Some(captured), Some(now)))));
    wrong
}

#[test]
fn a_stale_capture_is_told() {
    assert!(stale("a\nb\n", "a\nb\n").is_empty());
    assert_eq!(stale("a\nb\n", "a\nc\n"), ["line 2\n  - b\n  + c"]);
    assert_eq!(stale("", "a\n"), ["0 records were captured, now there are 1"]);
}

/// Takes away the newest transaction, of which the end may not have been seen.
fn forget_last_transaction(events: &mut Vec<Event>) {
    let is_begin = |event: &Event| event.value.as_deref().is_some_and(|value| value.contains("\"status\":\"BEGIN\""));
    let last = events.iter().rposition(is_begin).expect("a transaction");
    let topic = events[last].topic.clone();
    let mut place = 0..;
    events.retain(|event| place.next().is_none_or(|place: usize| place < last || event.topic != topic));
}

/// Of most events the schemas alone, each once: other scenes compare what is in them.
fn keep_schemas(events: &mut Vec<Event>) {
    const WHOLE: [&str; 4] = ["srv.public.plain", "srv.public.keyless", "srv.message", "srv.notices"];
    // Debezium's snapshot has a column more than its stream, a listed difference; and what the catalogue says of a table
    // that is altered under way depends on when it was asked.
    events.retain(|event| !matches!(event.topic.as_str(), "srv.public.generated" | "srv.public.changing"));
    for event in events.iter_mut().filter(|event| !WHOLE.contains(&event.topic.as_str())) {
        for text in [&mut event.key, &mut event.value].into_iter().flatten() {
            let end = text.find(",\"payload\":").expect("a schema before the payload");
            text.truncate(end);
        }
        event.headers.clear();
    }
    events.retain(|event| event.value.is_some() || WHOLE.contains(&event.topic.as_str()));
    events.dedup();
}

/// Everything that differs and is not listed; and what is listed and does not differ.
fn compare(name: &str, theirs: &[Event], ours: &[Event]) -> Vec<String> {
    let by_topic = |events: &[Event]| {
        let mut topics: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        for event in events {
            topics.entry(event.topic.clone()).or_default().push(event.clone());
        }
        topics
    };
    let (theirs, ours) = (by_topic(theirs), by_topic(ours));
    let mut used = vec![false; DIFFERENCES.len()];
    let mut wrong = Vec::new();
    let topics: std::collections::BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    for topic in topics {
        let none = Vec::new();
        let (theirs, ours) = (theirs.get(topic).unwrap_or(&none), ours.get(topic).unwrap_or(&none));
        if theirs.len() != ours.len() {
            wrong.push(format!("{topic}: Debezium has {} records, rowfeed {}", theirs.len(), ours.len()));
        }
        for (place, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            let agreed = agree(name, theirs, &mut used);
            for (what, theirs, ours) in [("key", &agreed.key, &ours.key), ("value", &agreed.value, &ours.value)] {
                if theirs != ours {
                    wrong.push(format!("{topic} {place} {what}\n{}", contrast(theirs.as_deref(), ours.as_deref())));
                }
            }
            if agreed.headers != ours.headers {
                wrong.push(format!("{topic} {place} headers\n  - {:?}\n  + {:?}", agreed.headers, ours.headers));
            }
            // Elsewhere the key decides, and Debezium's engine has no partitions.
            if agreed.partition.is_some_and(|partition| ours.partition != Some(partition)) || agreed.timestamp != ours.timestamp {
                let (theirs, ours) = ((agreed.partition, agreed.timestamp), (ours.partition, ours.timestamp));
                wrong.push(format!("{topic} {place} partition and timestamp\n  - {theirs:?}\n  + {ours:?}"));
            }
        }
    }
    for (difference, used) in DIFFERENCES.iter().zip(used) {
        if difference.scenes.contains(&name) && !used {
            let Difference { table, theirs, ours, why, .. } = difference;
            wrong.push(format!("{table}: listed, but there is no {theirs} to be {ours} ({why})"));
        }
    }
    wrong
}

/// What we promise instead of Debezium's record.
fn agree(name: &str, theirs: &Event, used: &mut [bool]) -> Event {
    let mut agreed = theirs.clone();
    for (difference, used) in DIFFERENCES.iter().zip(used) {
        if difference.scenes.contains(&name)
            && agreed.topic.strip_prefix("srv.public.") == Some(difference.table)
            && let Some(value) = &mut agreed.value
            && value.contains(difference.theirs)
            && value.contains(difference.only)
        {
            *value = value.replace(difference.theirs, difference.ours);
            *used = true;
        }
    }
    agreed
}

/// Two texts from where they differ to where they agree again, with a little around it.
fn contrast(theirs: Option<&str>, ours: Option<&str>) -> String {
    let (Some(theirs), Some(ours)) = (theirs, ours) else { return format!("  - {theirs:?}\n  + {ours:?}") };
    let (a, b): (Vec<char>, Vec<char>) = (theirs.chars().collect(), ours.chars().collect());
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count().saturating_sub(40);
    let same_end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count().saturating_sub(20);
    let cut = |text: &[char]| text[start..text.len().saturating_sub(same_end).max(start)].iter().take(600).collect::<String>();
    format!("  - {}\n  + {}", cut(&a), cut(&b))
}

#[test]
fn values_in_the_default_modes() {
    hold("values_default", "values.sql", &json!({}));
}

#[test]
fn values_as_text() {
    hold(
        "values_text",
        "values.sql",
        &json!({"decimal.handling.mode": "string", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
            "interval.handling.mode": "string",
            "table.include.list": "public[.](v_numeric|v_money|v_bytea|v_bit|v_interval|v_date|v_time.*|a_numeric|a_bytea|a_date|a_time.*|fence)"}),
    );
}

#[test]
fn times_of_day_in_microseconds() {
    hold_times("adaptive_time_microseconds");
}

#[test]
fn times_in_microseconds() {
    hold_times("microseconds");
}

#[test]
fn times_in_nanoseconds() {
    hold_times("nanoseconds");
}

#[test]
fn times_as_kafka_connect_has_them() {
    hold_times("connect");
}

fn hold_times(mode: &str) {
    let options = json!({"time.precision.mode": mode, "hstore.handling.mode": "map",
        "table.include.list": "public[.](v_hstore|v_date|v_time.*|a_date|a_time.*|fence)"});
    hold(&format!("values_{mode}"), "values.sql", &options);
}

#[test]
fn values_with_doubles_and_base64() {
    hold(
        "values_double",
        "values.sql",
        &json!({"decimal.handling.mode": "double", "binary.handling.mode": "base64",
        "table.include.list": "public[.](v_numeric|v_money|v_bytea|a_numeric|a_bytea|fence)"}),
    );
}

#[test]
fn keys_identities_large_values_names_and_transactions() {
    hold("shapes", "shapes.sql", &json!({"skipped.operations": "none"}));
}

/// What stands for values that were not sent, in the other modes.
#[test]
fn stand_ins_as_text() {
    hold(
        "stand_ins_text",
        "shapes.sql",
        &json!({"decimal.handling.mode": "string", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
            "unavailable.value.placeholder": "hex:2d2d", "table.include.list": "public[.](fillers|defaulted|big|big_not_null|text_key|key_types|fence)"}),
    );
}

#[test]
fn stand_ins_with_doubles_and_base64() {
    hold(
        "stand_ins_double",
        "shapes.sql",
        &json!({"decimal.handling.mode": "double", "binary.handling.mode": "base64",
            "table.include.list": "public[.](fillers|defaulted|big|text_key|key_types|fence)"}),
    );
}

#[test]
fn options_that_change_the_shape() {
    hold(
        "options",
        "options.sql",
        &json!({
            "message.key.columns": "public.cust.*:alt,id;public.no_key:a;public.by_index:id",
            "column.exclude.list": "public[.]cust.*[.]secret",
            "tombstones.on.delete": "false",
            "extended.headers.enabled": "false",
            "binary.handling.mode": "base64-url-safe",
            "table.include.list": "public[.](cust|cust_full|no_key|by_index|other|fence)",
        }),
    );
}

const TRANSFORMED: &str = "public[.](plain|full_row|keyless|unique_only|composite|by_index|defaulted|fence)";

#[test]
fn rows_without_their_envelope() {
    let unwrap = json!({"transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.unwrap.replace.null.with.default": "false",
        "predicates": "rows", "predicates.rows.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.rows.pattern": ".*fence", "transforms.unwrap.predicate": "rows", "transforms.unwrap.negate": "true",
        "table.include.list": TRANSFORMED, "skipped.operations": "none"});
    hold("unwrap_default", "shapes.sql", &unwrap);
    for mode in ["drop", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"] {
        let more = json!({"transforms.unwrap.delete.tombstone.handling.mode": mode,
            "transforms.unwrap.add.fields": "op,table,source.snapshot:snap,id,schema,connector:by",
            // Debezium's tombstone shares its header object with its delete, and so has the delete's headers as well.
            "transforms.unwrap.add.headers": if mode == "rewrite-with-tombstone" { "" } else { "op,table,connector,transaction.id" },
            "value.converter.schemas.enable": if mode == "rewrite" { "true" } else { "false" },
            "table.include.list": "public[.](plain|full_row|keyless|fence)"});
        hold(&format!("unwrap_{}", mode.replace('-', "_")), "shapes.sql", &with(unwrap.clone(), &more));
    }
}

#[test]
fn records_of_other_topics_and_with_other_fields() {
    let options = serde_json::from_str(include_str!("transforms.json")).expect("JSON");
    hold("transforms", "shapes.sql", &options);
}

/// A chain of Debezium's scripted transformations, each for one table.
fn scripts(language: &str, of: &[(usize, &str, &str)]) -> Value {
    let mut options = json!({"table.include.list": "public[.](c[0-9]+|fence)"});
    for (table, option, expression) in of {
        let class = if *option == "condition" { "Filter" } else { "ContentBasedRouter" };
        let own = json!({"type": format!("io.debezium.transforms.{class}"), "language": language, *option: expression,
            "topic.regex": format!("srv[.]public[.]c{table}")});
        for (name, value) in own.as_object().expect("an object") {
            options[format!("transforms.s{table}.{name}")] = value.clone();
        }
    }
    options["transforms"] = json!(of.iter().map(|(table, ..)| format!("s{table}")).collect::<Vec<_>>().join(","));
    options
}

#[test]
fn conditions_and_topics_in_groovy() {
    let options = scripts(
        "jsr223.groovy",
        &[
            (1, "condition", "value.op == 'u' && value.before.id == 2"),
            (2, "condition", "value.op != 'd' || value.before.id != 2"),
            (3, "condition", "value.op == 'd' || value.after.status != null && value.after.kind in ['a', 'b', null]"),
            (4, "condition", "(value.after ?: value.before).price > 10"),
            (5, "condition", "value.after?.price >= 10.5 || value.before?.ratio < 1"),
            (6, "condition", "value?.after?.note?.startsWith('H') ?: false"),
            (7, "condition", "value.after == null || value.after.note ==~ /.*l{2}.*/ || value.after.get('small') == 3"),
            (
                8,
                "condition",
                "value.op in ['c', 'r'] ? value.after.ok == true : value.source.table == 'c8' && value.source.snapshot == 'false'",
            ),
            (9, "condition", "value.before != null && value.after != null && value.before.status != value.after.status || value.op == 'd'"),
            (
                10,
                "condition",
                "valueSchema.name().endsWith('Envelope') && keySchema.field('id') != null && topic.endsWith('c10') && key.id != 3",
            ),
            (
                11,
                "condition",
                "value.after?.note?.toUpperCase() == 'HELLO' || value.after?.note?.size() == 0 || value.after?.note?.contains('\"q\"')",
            ),
            (12, "condition", "!value.after || value.after.small != null && value.after.small % 2 == 1"),
            (13, "condition", "value.after?.n == 9007199254740993 || value.after?.price == 10.5 || value.after?.ratio == 1.5"),
            (14, "topic.expression", "value.op == 'd' ? 'srv.gone' : null"),
            (15, "condition", "header['__debezium.context.taskId']?.value == '0' && value.op == 'c'"),
            (16, "topic.expression", "value == null ? 'srv.nulls' : ((value.after ?: value.before).id == 1 ? 'srv.ones' : null)"),
        ],
    );
    let nulls = json!({"transforms.s13.null.handling.mode": "drop", "transforms.s16.null.handling.mode": "evaluate"});
    hold("transforms_groovy", "transforms.sql", &with(options, &nulls));
}

#[test]
fn conditions_and_topics_in_javascript() {
    let options = scripts(
        "jsr223.graal.js",
        &[
            (1, "condition", "value.op === 'c' && value.after.id !== 3"),
            (2, "condition", "value.after ? value.after.kind === 'a' : true"),
            (3, "condition", "value.after?.note != null && value.after.note.length > 4"),
            (4, "condition", "['a', 'b'].includes(value.after?.kind ?? 'b')"),
            (5, "condition", "/^h/i.test(value.after?.note ?? '') || value.op == 'd'"),
            (6, "condition", "value.after?.id == '3' || value.after?.small == null"),
            (7, "condition", "topic.endsWith('c7') && value.source.table == 'c7' && value.source.snapshot === 'false'"),
            (8, "condition", "value.after?.n > 50 || value.after?.ratio < 0.5"),
            (9, "condition", "value.after?.nosuch == null && value.after?.status == 'new'"),
            (10, "topic.expression", "value.op == 'd' ? 'srv.gone' : (value.after.kind ? 'srv.kind.' + value.after.kind : null)"),
        ],
    );
    let tables = json!({"table.include.list": "public[.](c[1-9]|c10|fence)"});
    hold("transforms_javascript", "transforms.sql", &with(options, &tables));
}

/// Tables, a class and its options.
type Step<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A chain whose steps are each for the tables that a name matches.
fn conversions(steps: &[Step<'_>]) -> Value {
    let mut options = json!({"table.include.list": "public[.](v[0-9]|fence)",
        "key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    for (place, (tables, class, own)) in steps.iter().enumerate() {
        options[format!("transforms.s{place}.type")] = json!(class);
        options[format!("transforms.s{place}.predicate")] = json!(format!("p{place}"));
        options[format!("predicates.p{place}.type")] = json!("org.apache.kafka.connect.transforms.predicates.TopicNameMatches");
        options[format!("predicates.p{place}.pattern")] = json!(format!("srv.public.({tables})"));
        for (name, value) in *own {
            options[format!("transforms.s{place}.{name}")] = json!(value);
        }
    }
    let names = |letter: &str| json!((0..steps.len()).map(|place| format!("{letter}{place}")).collect::<Vec<_>>().join(","));
    options["transforms"] = names("s");
    options["predicates"] = names("p");
    options
}

const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";
const CAST: &str = "org.apache.kafka.connect.transforms.Cast$Value";
const TIMES: &str = "org.apache.kafka.connect.transforms.TimestampConverter$Value";
const AS_IT_IS: (&str, &str) = ("replace.null.with.default", "false");

#[test]
fn values_of_other_types_and_forms() {
    let time = |field, target, more: &[(&'static str, &'static str)]| {
        let mut own = vec![("field", field), ("target.type", target), AS_IT_IS];
        own.extend_from_slice(more);
        own.leak() as &[_]
    };
    let micros = ("unix.precision", "microseconds");
    let options = conversions(&[
        ("v1|v2", UNWRAP, &[AS_IT_IS, ("add.fields", "op")]),
        (
            "v1",
            CAST,
            &[
                AS_IT_IS,
                (
                    "spec",
                    "s:string,i:int64,l:int32,r:float64,d:float32,b:string,t:boolean,tn:int32,tf:float64,p:string,p8:float64,y:string,def:string,defp:string,da:int64,nosuch:int16",
                ),
            ],
        ),
        (
            "v2",
            CAST,
            &[
                AS_IT_IS,
                (
                    "spec",
                    "s:boolean,i:string,l:float64,r:int32,d:int64,b:int8,da:int8,tn:int64,tf:float32,p:int16,p8:string,def:float64,defp:boolean,t:string",
                ),
            ],
        ),
        ("v1", "org.apache.kafka.connect.transforms.Cast$Key", &[AS_IT_IS, ("spec", "id:string")]),
        ("v2", "org.apache.kafka.connect.transforms.ExtractField$Key", &[("field", "id")]),
        ("v2", "org.apache.kafka.connect.transforms.Cast$Key", &[("spec", "string")]),
        ("v1", TIMES, time("ts", "string", &[("format", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")])),
        ("v1", TIMES, time("us", "Timestamp", &[micros])),
        ("v1", TIMES, time("tt", "unix", &[("format", "yyyy-MM-dd HH:mm"), ("unix.precision", "seconds")])),
        ("v2", TIMES, time("ts", "Date", &[])),
        ("v2", TIMES, time("us", "Time", &[micros])),
        ("v2", TIMES, time("tt", "string", &[("format", "yyyy-MM-dd HH:mm")])),
        ("v3", "org.apache.kafka.connect.transforms.Flatten$Value", &[("delimiter", "_")]),
        // What differs from run to run, and NULL beside a default, a listed difference.
        (
            "v3",
            "org.apache.kafka.connect.transforms.ReplaceField$Value",
            &[
                AS_IT_IS,
                (
                    "exclude",
                    "source_version,source_ts_ms,source_ts_us,source_ts_ns,source_db,source_sequence,source_txId,source_lsn,ts_ms,ts_us,ts_ns,before_def,after_def",
                ),
            ],
        ),
        (
            "v3",
            "org.apache.kafka.connect.transforms.SetSchemaMetadata$Value",
            &[AS_IT_IS, ("schema.name", "shop.Flat"), ("schema.version", "3")],
        ),
        (
            "v4",
            "io.debezium.transforms.ExtractChangedRecordState",
            &[("header.changed.name", "Changed"), ("header.unchanged.name", "Unchanged")],
        ),
        (
            "v4",
            "io.debezium.transforms.HeaderToValue",
            &[
                ("headers", "Changed,__debezium.context.taskId,Unchanged"),
                ("fields", "changed,source_task,more.unchanged"),
                ("operation", "move"),
            ],
        ),
    ]);
    // Debezium's tombstone shares its header object with its delete, and so has the delete's headers as well.
    hold("transforms_values", "transforms.sql", &with(options, &json!({"tombstones.on.delete": "false"})));
}

#[test]
fn rows_that_name_their_topic_and_leave_fields_out() {
    const MODE: &str = "delete.tombstone.handling.mode";
    const FROM: (&str, &str) = ("drop.fields.header.name", "Unchanged");
    let options = conversions(&[
        ("r[23]", "io.debezium.transforms.ExtractChangedRecordState", &[("header.unchanged.name", "Unchanged")]),
        ("r4", "org.apache.kafka.connect.transforms.InsertHeader", &[("header", "Unchanged"), ("value.literal", r#"["note","n","req"]"#)]),
        ("r2", UNWRAP, &[AS_IT_IS, FROM, (MODE, "delete-to-tombstone"), ("add.fields", "op")]),
        (
            "r[134]",
            UNWRAP,
            &[
                AS_IT_IS,
                FROM,
                ("route.by.field", "way"),
                ("drop.fields.from.key", "true"),
                ("drop.fields.keep.schema.compatible", "false"),
                (MODE, "rewrite"),
                ("add.fields", "op,table"),
                ("add.headers", "op"),
            ],
        ),
    ]);
    // Debezium's tombstone shares its header object with its delete, and so has the delete's headers as well.
    let plain = json!({"table.include.list": "public[.](r[0-9]|fence)", "transforms": "s0,s1,s2,s3,last",
        "transforms.last.type": "org.apache.kafka.connect.transforms.DropHeaders", "transforms.last.headers": "Unchanged",
        "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false"});
    hold("unwrap_routed", "transforms.sql", &with(options, &plain));
}

#[test]
fn times_as_kafka_connect_has_them_in_other_forms() {
    let options = conversions(&[
        ("v1|v2|v3", UNWRAP, &[AS_IT_IS]),
        ("v1", CAST, &[AS_IT_IS, ("spec", "da:string,ti:string,ts:string,us:int64")]),
        ("v2", TIMES, &[("field", "da"), ("target.type", "string"), ("format", "EEE, d MMM yyyy"), AS_IT_IS]),
        ("v2", TIMES, &[("field", "ti"), ("target.type", "string"), ("format", "hh:mm a"), AS_IT_IS]),
        ("v2", TIMES, &[("field", "ts"), ("target.type", "unix"), AS_IT_IS]),
        ("v3", TIMES, &[("field", "ts"), ("target.type", "Date"), AS_IT_IS]),
        ("v3", TIMES, &[("field", "da"), ("target.type", "unix"), ("unix.precision", "nanoseconds"), AS_IT_IS]),
    ]);
    hold("transforms_connect", "transforms.sql", &with(options, &json!({"time.precision.mode": "connect"})));
}

/// Zones with the same offset all year where the time of day is converted: Debezium takes today's.
#[test]
fn times_of_other_zones() {
    const ZONES: &str = "io.debezium.transforms.TimezoneConverter";
    let options = conversions(&[
        ("z1", ZONES, &[("converted.timezone", "Asia/Kolkata")]),
        (
            "z[2-4]",
            ZONES,
            &[("converted.timezone", "America/New_York"), ("include.list", "source:z2:us,z2:after.tz,z2:source.ts_ms,z3:made")],
        ),
        ("z[34]", ZONES, &[("converted.timezone", "Europe/Berlin"), ("include.list", "topic:srv.public.z4:tz0,srv.public.z4:before.ms")]),
        ("z[56]", ZONES, &[("converted.timezone", "-09:30"), ("exclude.list", "source:z5:tz,z5:tod,z5:source.ts_us,z6")]),
        ("z5", "io.debezium.transforms.Filter", &[("language", "jsr223.groovy"), ("condition", "value.op != 'c' || value.after.id != 5")]),
        ("z7", ZONES, &[("converted.timezone", "UTC")]),
        ("z7", UNWRAP, &[AS_IT_IS, ("add.fields", "source.snapshot,table")]),
    ]);
    let options = with(options, &json!({"table.include.list": "public[.](z[0-9]|fence)", "skipped.operations": "none"}));
    hold(
        "zones",
        "zones.sql",
        &with(options.clone(), &json!({"value.converter.schemas.enable": "false", "key.converter.schemas.enable": "false"})),
    );
    hold(
        "zones_connect",
        "zones.sql",
        &with(options.clone(), &json!({"time.precision.mode": "connect", "table.include.list": "public[.](z[27]|fence)"})),
    );
    hold(
        "zones_nanoseconds",
        "zones.sql",
        &with(
            options,
            &json!({"time.precision.mode": "nanoseconds", "column.exclude.list": "public[.]z[0-9][.]def", "table.include.list": "public[.](z[25]|fence)"}),
        ),
    );
}

#[test]
fn an_outbox_tables_rows_are_messages_of_the_topics_they_name() {
    let outbox = json!({"table.include.list": "public[.](outbox|plain|fence)",
        "transforms": "outbox", "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "predicates": "outbox", "predicates.outbox.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.outbox.pattern": ".*outbox", "transforms.outbox.predicate": "outbox",
        "transforms.outbox.route.topic.replacement": "srv.outbox.${routedByValue}"});
    hold("outbox", "outbox.sql", &outbox);
    let more = json!({"transforms.outbox.table.fields.additional.placement":
            "type:header:eventType,tenant:header,type:envelope:kind,tenant:envelope,part:partition",
        "transforms.outbox.table.field.event.timestamp": "at", "transforms.outbox.table.field.event.schema.version": "version",
        "topic.creation.groups": "routed", "topic.creation.routed.include": "srv[.].*[.].", "topic.creation.routed.partitions": "3", "topic.creation.routed.replication.factor": "1",
        "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
        "transforms.outbox.table.expand.json.payload": "true", "transforms.outbox.route.tombstone.on.empty.payload": "true",
        "transforms.outbox.route.topic.regex": "(.)(.*)", "transforms.outbox.route.topic.replacement": "srv.$2.$1"});
    hold("outbox_envelope", "outbox.sql", &with(outbox.clone(), &more));
    let more = json!({"transforms.outbox.table.expand.json.payload": "true", "transforms.outbox.table.json.payload.null.behavior": "optional_bytes",
        "transforms.outbox.table.fields.additional.placement": "type:header", "key.converter.schemas.enable": "true",
        "transforms.outbox.table.field.event.timestamp": "at_us", "transforms.outbox.table.field.event.schema.version": "nosuch"});
    hold("outbox_expanded", "outbox.sql", &with(outbox, &more));
}

#[test]
fn headers_in_other_forms() {
    let chain = json!({"table.include.list": "public[.](plain|composite|text_key|key_types|fence)",
        "transforms": "from,number,flag,unwrap,copied",
        "predicates": "plain", "predicates.plain.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.plain.pattern": "srv[.]public[.]plain",
        "transforms.from.type": "org.apache.kafka.connect.transforms.InsertHeader",
        "transforms.from.header": "from", "transforms.from.value.literal": "a \"shop\"",
        "transforms.number.type": "org.apache.kafka.connect.transforms.InsertHeader",
        "transforms.number.header": "number", "transforms.number.value.literal": "70000",
        "transforms.flag.type": "org.apache.kafka.connect.transforms.InsertHeader",
        "transforms.flag.header": "flag", "transforms.flag.value.literal": "true",
        "transforms.unwrap.type": UNWRAP, "transforms.unwrap.replace.null.with.default": "false", "transforms.unwrap.predicate": "plain",
        "transforms.unwrap.add.headers": "op,source.table,transaction.id", "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
        "transforms.copied.type": "org.apache.kafka.connect.transforms.HeaderFrom$Value", "transforms.copied.predicate": "plain",
        "transforms.copied.fields": "id,v", "transforms.copied.headers": "id,v", "transforms.copied.operation": "copy",
        "transforms.copied.replace.null.with.default": "false"});
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let texts = json!({"header.converter": "org.apache.kafka.connect.storage.StringConverter"});
    hold("headers_text", "shapes.sql", &with(chain.clone(), &texts));
    hold(
        "headers_json",
        "shapes.sql",
        &with(chain.clone(), &json!({"header.converter": json, "header.converter.schemas.enable": "false"})),
    );
    let schemas = json!({"header.converter": json, "header.converter.schemas.enable": "true"});
    hold("headers_schemas", "shapes.sql", &with(chain, &schemas));
    let plain = json!({"table.include.list": "public[.](plain|composite|fence)"});
    hold("headers_plain_schemas", "shapes.sql", &with(plain, &schemas));
}

#[test]
fn messages_are_decoded() {
    const DECODE: &str = "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent";
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    // Debezium's fails at a tombstone, which has no schema.
    let decode = json!({"table.include.list": "public[.](plain|fence)", "tombstones.on.delete": "false",
        "transforms": "decode", "transforms.decode.type": DECODE});
    hold("messages", "messages.sql", &decode);
    hold(
        "messages_nulls",
        "messages.sql",
        &with(with(decode.clone(), &schemas), &json!({"transforms.decode.fields.null.include": "true"})),
    );
    let route = json!({"transforms": "named,decode,zone,outbox,more", "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.named.type": "org.apache.kafka.connect.transforms.InsertHeader",
        "transforms.named.header": "from", "transforms.named.value.literal": "rowfeed",
        "transforms.zone.type": "io.debezium.transforms.TimezoneConverter", "transforms.zone.converted.timezone": "+01:00",
        "transforms.more.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.more.regex": "(.*)[.]order", "transforms.more.replacement": "$1.orders",
        "predicates": "messages", "predicates.messages.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.messages.pattern": "srv[.]message", "transforms.outbox.predicate": "messages",
        "transforms.outbox.table.field.event.id": "id", "transforms.outbox.route.topic.replacement": "srv.out.${routedByValue}"});
    let route = with(decode, &route);
    let more = json!({"transforms.outbox.table.fields.additional.placement": "type:header:eventType", "transforms.decode.fields.null.include": "true"});
    hold("messages_routed", "messages.sql", &with(route.clone(), &more));
    let more = json!({"transforms.outbox.table.fields.additional.placement": "type:envelope", "transforms.outbox.table.expand.json.payload": "true",
        "transforms.outbox.route.tombstone.on.empty.payload": "true", "transforms.decode.fields.null.include": "true"});
    hold("messages_expanded", "messages.sql", &with(with(route, &schemas), &more));
}

/// Kafka Connect's own defaults of the JSON converter, and decimals as numbers.
#[test]
fn nulls_as_defaults_and_decimals_as_numbers() {
    let options = |tables: &str| {
        json!({"key.converter.replace.null.with.default": "true", "value.converter.replace.null.with.default": "true",
            "key.converter.decimal.format": "NUMERIC", "value.converter.decimal.format": "numeric", "table.include.list": tables})
    };
    hold("converter_shapes", "shapes.sql", &options("public[.](plain|full_row|defaulted|fillers|text_key|key_types|fence)"));
    hold("converter_values", "values.sql", &options("public[.](v_numeric|fence)"));
}

#[test]
fn schemas_of_values_in_the_default_modes() {
    hold("schemas_default", "values.sql", &json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"}));
}

#[test]
fn schemas_of_values_as_text() {
    hold(
        "schemas_text",
        "values.sql",
        &json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true",
            "decimal.handling.mode": "string", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
            "interval.handling.mode": "string", "hstore.handling.mode": "map"}),
    );
}

#[test]
fn schemas_of_values_as_kafka_connect_has_them() {
    hold(
        "schemas_connect",
        "values.sql",
        &json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true",
            "decimal.handling.mode": "double", "time.precision.mode": "connect", "binary.handling.mode": "base64"}),
    );
}

#[test]
fn schemas_of_keys_defaults_and_names() {
    hold(
        "schemas_shapes",
        "shapes.sql",
        &json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true", "skipped.operations": "none"}),
    );
}

#[test]
fn what_is_not_asked_for_is_skipped() {
    let options = json!({"skip.messages.without.change": "true", "column.exclude.list": "public[.]t[.]hidden",
        "column.truncate.to.3.chars": "public[.]t[.]masked", "message.prefix.include.list": "wanted.*"});
    hold("skips", "skips.sql", &options);
}

#[test]
fn names_are_made_fit() {
    let options = json!({"topic.naming.strategy": "io.debezium.schema.SchemaUnicodeTopicNamingStrategy"});
    hold("names", "names.sql", &options);
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    hold("schemas_avro", "names.sql", &with(json!({"schema.name.adjustment.mode": "avro"}), &schemas));
    hold("schemas_avro_unicode", "names.sql", &with(json!({"schema.name.adjustment.mode": "avro_unicode"}), &schemas));
    let fields = json!({"field.name.adjustment.mode": "avro_unicode", "table.include.list": "public[.](Odd Names|fence)"});
    hold("schemas_fields", "propagate.sql", &with(fields, &schemas));
}

#[test]
fn values_that_events_lack_are_read_again() {
    let options = json!({"post.processors": "again", "again.type": "io.debezium.processors.reselect.ReselectColumnsPostProcessor",
        "again.reselect.columns.exclude.list": "public[.]keyed:left_out"});
    hold("reselect", "reselect.sql", &options);
}

#[test]
fn tables_share_a_topic() {
    let options = json!({"topic.naming.strategy": "io.debezium.schema.DefaultRegexTopicNamingStrategy",
        "topic.regex": "srv[.]([^_]*)(_keys)?(_[0-9])?", "topic.replacement": "srv.public.$1$2",
        "topic.key.field.regex": "srv[.](.*)s_([0-9])", "topic.key.field.replacement": "$2-$1"});
    hold("shared", "shared.sql", &options);
    let by_schema = json!({"topic.naming.strategy": "io.debezium.schema.SchemaRegexTopicNamingStrategy",
        "topic.regex": "srv[.](.*)_[0-9]", "topic.replacement": "srv.$1", "topic.key.field.name": "table",
        "key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    hold("schemas_shared", "shared.sql", &by_schema);
    // What may be nothing is found to be nothing: the rest of the name stays.
    let not_unique = json!({"topic.regex": "srv[.](.*?)(_[0-9])?", "topic.replacement": "srv.public.$1", "topic.key.enforce.uniqueness": "false", "table.include.list": "public[.](orders_.|keyless_1|fence)"});
    hold("shared_keys", "shared.sql", &with(options, &not_unique));
}

#[test]
fn schemas_tell_the_types_of_the_database() {
    let options = json!({"column.propagate.source.type": "public[.](numbers|texts|times|cut)[.].*",
        "datatype.propagate.source.type": ".*[.]mood,public[.]others[.].+,.+[.]Odd Names[.]TEXT",
        "column.truncate.to.3.chars": "public[.]cut[.]a", "column.mask.with.3.chars": "public[.]cut[.]b",
        "key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    hold("schemas_propagated", "propagate.sql", &options);
}

#[test]
fn transactions_are_told() {
    let options = json!({"provide.transaction.metadata": "true", "skipped.operations": "none",
        "table.include.list": "public[.](a|b|orders|Order Items|customers|addresses|no_key|fence)"});
    hold("transactions", "transactions.sql", &options);
    let more = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true",
        "topic.transaction": "tx.boundaries", "table.include.list": "public[.](a|fence)"});
    hold("schemas_transactions", "transactions.sql", &with(options, &more));
}

#[test]
fn envelopes_as_cloud_events() {
    let events = json!({"value.converter": "io.debezium.converters.CloudEventsConverter", "skipped.operations": "none",
        "value.converter.json.schemas.enable": "false", "value.converter.json.replace.null.with.default": "false",
        "table.include.list": "public[.](plain|full_row|keyless|defaulted|key_types|fence)"});
    hold("cloud_events", "shapes.sql", &events);
    let more = json!({"value.converter.json.schemas.enable": "true", "value.converter.extension.attributes.enable": "false",
        "table.include.list": "public[.](plain|fence)"});
    hold("cloud_events_schemas", "shapes.sql", &with(events, &more));
}

#[test]
fn columns_that_are_cut_hidden_or_hashed() {
    let algorithms = [
        ("MD5", "md5"),
        ("SHA-1", "sha1"),
        ("SHA-224", "sha224"),
        ("SHA-384", "sha384"),
        ("SHA-512", "sha512"),
        ("SHA-512/224", "sha512_224"),
        ("SHA-512/256", "sha512_256"),
        ("SHA3-224", "sha3_224"),
        ("SHA3-256", "sha3_256"),
        ("SHA3-384", "sha3_384"),
        ("SHA3-512", "sha3_512"),
    ];
    let mut options = json!({
        "decimal.handling.mode": "string",
        "interval.handling.mode": "string",
        "column.truncate.to.3.chars": "public[.]cut(_more)?[.].*,public[.]several[.]a",
        "column.truncate.to.12.chars": "public[.]whole[.].*",
        "column.mask.with.5.chars": "public[.]stars(_more)?[.].*,public[.]several[.](a|b)",
        "column.mask.with.0.chars": "public[.]empty[.]t",
        "column.mask.hash.SHA-256.with.salt.CzQMA0cB5K": "public[.]hashed(_more)?[.].*,public[.]several[.](a|b|c),public[.]propagated[.]t",
        "column.mask.hash.v2.SHA-256.with.salt.a.b=c": "public[.]hashed_v2[.].*,public[.]several[.].*,public[.]algorithms[.]v2",
        "column.propagate.source.type": "public[.]propagated[.]t",
    });
    for (algorithm, column) in algorithms {
        options[format!("column.mask.hash.{algorithm}.with.salt.x")] = json!(format!("public[.]algorithms[.]{column}"));
    }
    hold("masks", "masks.sql", &options);
    options["key.converter.schemas.enable"] = json!("true");
    options["value.converter.schemas.enable"] = json!("true");
    options["table.include.list"] = json!("public[.](cut_more|whole|stars|hashed|propagated|fence)");
    hold("schemas_masks", "masks.sql", &options);
}

const TYPES: &str = "public[.](t_.*|required|big|fence)";

#[test]
fn types_that_are_left_out() {
    let Some(server) = postgis_server() else { return };
    let options = json!({"unknown.datatypes.handling.mode": "omit", "table.include.list": "public[.].*"});
    hold_on(server, "types_omitted", "types.sql", &options);
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    hold_on(server, "schemas_types_omitted", "types.sql", &with(options, &schemas));
}

#[test]
fn types_as_bytes_of_their_text() {
    let Some(server) = postgis_server() else { return };
    let options = json!({"include.unknown.datatypes": "true", "table.include.list": TYPES});
    hold_on(server, "types_bytes", "types.sql", &options);
    let more = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true", "binary.handling.mode": "hex",
        "hstore.handling.mode": "map"});
    hold_on(server, "schemas_types_bytes", "types.sql", &with(options, &more));
}

#[test]
fn vectors() {
    let Some(server) = vector_server() else { return };
    hold_on(server, "vectors", "vectors.sql", &json!({}));
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"});
    hold_on(server, "schemas_vectors", "vectors.sql", &schemas);
}

#[test]
fn a_partitioned_table_published_as_one() {
    hold("partitions", "partitions.sql", &json!({"publish.via.partition.root": "true", "table.include.list": "public[.](parted|fence)"}));
}
