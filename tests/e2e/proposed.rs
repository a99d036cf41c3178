//! What a person is shown who writes a connector's configuration: the tables of the database, and an event as it would be.

use serde_json::{Value, json};

use crate::support::http::{Response, get, request};
use crate::support::postgres::{fresh_database, shared_server};
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::wait_for;

const SETUP: &str = "create table orders(id int primary key, total numeric(10, 2) not null, note text); \
    insert into orders values (1, 9.50, 'old'), (3, 12.00, null), (2, 1, 'x'); \
    create table lines(number int, order_id int, primary key (order_id, number)); insert into lines values (9, 1), (1, 2), (2, 2); \
    create table nothing(id int primary key); create table nokey(a text); insert into nokey values ('x'); \
    create table large(id int primary key, a text); insert into large values (1, 'fits'); \
    alter table large alter a set storage external; insert into large values (2, repeat('x', 300000))";

#[test]
fn a_row_is_shown_as_the_event_that_the_snapshot_then_publishes() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "preview");
    let sql = database.sql();
    sql.run(SETUP);
    let rowfeed = Rowfeed::start(&[]);
    let http = rowfeed.http();
    let config = connector_config(&database, "srv", "public.orders");
    let ask = |table: &str, more: &Value| {
        let body = json!({ "config": with(config.clone(), more), "table": table });
        request(&http, "POST", "/v1/sources/preview", Some(&body)).expect("rowfeed answers")
    };
    let shown = |table: &str, more: &Value| {
        let answer = ask(table, more);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    let text = |answer: Response| answer.body;

    let preview = shown("public.orders", &json!({}));
    assert_eq!(
        (&preview["topic"], &preview["source_row"], &preview["captured"]),
        (&json!("srv.public.orders"), &json!("newest row"), &json!(true))
    );
    assert_eq!(preview["value"]["after"]["id"], 3, "{preview:#}");
    let with_schema = shown("public.orders", &json!({ "value.converter.schemas.enable": "true" }));
    assert_eq!(with_schema["value"]["payload"]["after"]["id"], 3, "{with_schema:#}");
    // Nothing was made for it.
    let left = sql.one(&format!(
        "select (select count(*) from pg_publication) + (select count(*) from pg_replication_slots where database = '{}')",
        database.name
    ));
    assert_eq!(left, "0");
    assert!(!text(get(&http, "/v1/topics").expect("rowfeed answers")).contains("srv."));

    let plain = json!({});
    assert_eq!(preview["key"], json!({ "id": 3 }));
    let lines = shown("public.lines", &plain);
    assert_eq!((&lines["key"], &lines["captured"]), (&json!({ "order_id": 2, "number": 2 }), &json!(false)), "{lines:#}");
    let numbers = with(plain.clone(), &json!({ "decimal.handling.mode": "string" }));
    assert_eq!(shown("public.orders", &numbers)["value"]["after"]["total"], "12.00");
    let any = shown("public.nokey", &plain);
    assert_eq!((&any["source_row"], &any["key"], &any["value"]["after"]["a"]), (&json!("any row"), &Value::Null, &json!("x")));
    assert_eq!(shown("public.large", &plain)["value"]["after"], json!({ "id": 1, "a": "fits" }), "what is too large is passed over");
    let none = shown("public.nothing", &plain);
    assert_eq!((&none["source_row"], &none["value"], &none["tombstone"]), (&json!("none"), &Value::Null, &json!(false)));
    assert!(none["why"].as_str().is_some_and(|why| why.contains("no row")), "{none:#}");

    let unwrap = json!({ "transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState" });
    let flat = shown("public.orders", &with(plain.clone(), &unwrap));
    assert_eq!(flat["value"], json!({ "id": 3, "total": preview["value"]["after"]["total"], "note": null }));
    let routed = json!({ "transforms": "route", "transforms.route.type": "io.debezium.transforms.ByLogicalTableRouter",
        "transforms.route.topic.regex": "(.*)orders", "transforms.route.topic.replacement": "$1all" });
    assert_eq!(shown("public.orders", &with(plain.clone(), &routed))["topic"], "srv.public.all");
    // No registry is asked: there is none at this address.
    let avro = json!({ "value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": "http://127.0.0.1:1" });
    let shown_avro = shown("public.orders", &avro);
    assert_eq!((&shown_avro["format"], &shown_avro["value"]["after"]["id"]), (&json!("Avro"), &json!(3)), "{shown_avro:#}");

    let missing = ask("public.order", &plain);
    assert!(missing.status == 404 && missing.body.contains("public.orders"), "{}", missing.body);
    let wrong = ask("public.orders", &json!({ "snapshot.mode": "nonsense", "tabel.include.list": "x" }));
    let problems = wrong.json()["problems"].clone();
    let mut keys: Vec<&str> = problems.as_array().expect("problems").iter().filter_map(|problem| problem["key"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!((wrong.status, keys), (400, vec!["snapshot.mode", "tabel.include.list"]), "{}", wrong.body);

    // What was shown is what comes.
    let answer = rowfeed.put_connector("shop", &with(config.clone(), &plain));
    assert_eq!(answer.status, 201, "{}", answer.body);
    rowfeed.wait_until_streaming("shop", &sql, &database.name);
    let published = wait_for("the snapshot", || {
        let lines = get(&http, "/v1/topics/srv.public.orders/records?key=%7B%22id%22%3A3%7D&format=json").ok()?;
        lines.json()["items"].as_array()?.first().cloned()
    });
    assert_eq!(without_times(&preview["value"]), without_times(&published["value"]));
    assert_eq!(preview["key"], published["key"]);
}

/// A value without what differs from moment to moment.
fn without_times(value: &Value) -> Value {
    let mut value = value.clone();
    for time in ["ts_ms", "ts_us", "ts_ns"] {
        value[time] = Value::Null;
        value["source"][time] = Value::Null;
    }
    for place in ["lsn", "txId", "snapshot", "sequence"] {
        value["source"][place] = Value::Null;
    }
    value
}

#[test]
fn the_tables_of_a_database_that_nobody_reads_are_listed() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "proposed");
    let sql = database.sql();
    sql.run(SETUP);
    sql.run(&format!("create role {0}_cdc login password 'hunter2'", database.name));
    let rowfeed = Rowfeed::start(&[]);
    let http = rowfeed.http();
    let ask = |body: &Value| request(&http, "POST", "/v1/sources/tables", Some(body)).expect("rowfeed answers");
    let of = |answer: &Response, name: &str| {
        let items = answer.json()["items"].as_array().unwrap_or_else(|| panic!("{}", answer.body)).clone();
        items.into_iter().find(|item| item["table"] == name).unwrap_or_else(|| panic!("{name} is not in {}", answer.body))
    };
    let by_url = ask(&json!({ "url": database.url() }));
    assert_eq!(by_url.status, 200, "{}", by_url.body);
    assert_eq!(of(&by_url, "public.lines")["primary_key"], json!(["order_id", "number"]));
    // A form that is half filled in: the connection is there, the rest is missing or wrong.
    let half = json!({ "database.hostname": "127.0.0.1", "database.port": database.port, "database.user": "postgres",
        "database.dbname": database.name, "snapshot.mode": "nonsense", "table.include.list": "public.orders" });
    let by_options = ask(&json!({ "config": half }));
    assert_eq!(
        (of(&by_options, "public.orders")["captured"].as_bool(), of(&by_options, "public.lines")["captured"].as_bool()),
        (Some(true), Some(false))
    );
    assert_eq!(of(&by_options, "public.nokey")["reasons"][0]["code"], "pg/identity-missing");

    let role = format!("{}_cdc", database.name);
    let secret = ask(&json!({ "url": format!("postgres://{role}:hunter2@127.0.0.1:{}/none_such", database.port) }));
    assert!(secret.status == 422 && secret.body.contains("pg/database") && !secret.body.contains("hunter2"), "{}", secret.body);
    let half = ask(&json!({ "config": { "database.hostname": "127.0.0.1" } }));
    assert!(half.status == 400 && half.body.contains("database.user"), "{}", half.body);

    // Stars stand for what was kept, where it goes to the same server as the same user.
    let config = with(connector_config(&database, "srv", "public.orders"), &json!({ "database.password": "kept" }));
    assert_eq!(rowfeed.put_connector("shop", &config).status, 201);
    let stars = json!({ "name": "shop", "database.password": "********" });
    assert_eq!(ask(&json!({ "config": with(config.clone(), &stars) })).status, 200);
}
