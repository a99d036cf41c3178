//! `rowfeed check` of a connector says what its start would say.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::postgres::{Database, fresh_database, shared_server};
use crate::support::service::{connector_config, with};

/// Exit code, output and errors of `rowfeed check` for a connector's file.
fn check(database: &Database, tables: &str, more: &Value) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shop.json");
    let config = with(connector_config(database, "shop", tables), more);
    std::fs::write(&file, config.to_string()).expect("a file");
    let done = Command::new(env!("CARGO_BIN_EXE_rowfeed")).arg("check").arg(&file).arg("--no-slot-test").output().expect("rowfeed starts");
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr))
}

#[test]
fn what_would_stop_the_start_is_a_problem() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "check");
    let sql = database.sql();
    sql.run("create table orders(id int primary key); create table nokey(id int)");
    sql.run(&format!("create role {0}_cdc login replication; grant select on orders to {0}_cdc", database.name));
    let role = json!({"database.user": format!("{}_cdc", database.name)});
    let count = || sql.one("select count(*) from pg_publication");

    let (code, text) = check(&database, "public.orders", &json!({}));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(count(), "0", "it changes nothing");
    let (code, text) = check(&database, "public.order", &json!({}));
    assert!(code == Some(3) && text.contains("pg/no-tables") && text.contains("public.orders"), "{text}");
    let (code, text) = check(&database, "public.orders", &json!({"publication.autocreate.mode": "disabled"}));
    assert!(code == Some(3) && text.contains("does not exist"), "{text}");
    let (code, text) = check(&database, "public.orders", &json!({"publication.autocreate.mode": "all_tables"}));
    assert!(code == Some(3) && text.contains("pg/identity-missing") && text.contains("public.nokey"), "{text}");
    let (code, text) = check(&database, "public.orders", &role);
    assert!(code == Some(3) && text.contains("create publication"), "{text}");
    sql.run(&format!("create publication {} for table orders", database.name));
    let (code, text) = check(&database, "public.orders", &role);
    assert_eq!(code, Some(0), "{text}");
}
