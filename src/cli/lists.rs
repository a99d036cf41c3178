//! `topics list`, `topics show`, `connectors list` and `ready`.

use serde_json::{Value as Json, json};

use super::client::{Server, escape};
use super::terminal::{number_at, print_json, text_at};
use super::{Failure, view};
use crate::problem::Problem;

/// `rowfeed ready`: what `GET /readyz` says.
pub async fn ready(server: &Server) -> Result<(), Failure> {
    let mut answer = server.request("GET", "/readyz", None).await?;
    let text = answer.text().await?;
    if answer.status == 200 {
        print!("{text}");
        return Ok(());
    }
    Err(Problem::fail("service/not-ready", text.trim().to_owned()).into())
}

/// `rowfeed topics list`.
pub async fn topics(server: &Server, internal: bool, as_json: bool) -> Result<(), Failure> {
    let answer = server.get_json("/v1/topics").await?;
    let is_internal = |topic: &Json| topic.get("internal").and_then(Json::as_bool).unwrap_or(false);
    let items: Vec<Json> = answer
        .get("items")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter(|topic| internal || !is_internal(topic))
        .cloned()
        .collect();
    if as_json {
        println!("{}", json!({ "schema": "rowfeed/topics@1", "items": items }));
        return Ok(());
    }
    let mut rows = vec![["TOPIC", "PARTITIONS", "RECORDS", "END", "CLEANUP"].map(str::to_owned).to_vec()];
    for topic in &items {
        let text = |name: &str| topic.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
        let partitions = topic.get("partitions").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let end: u64 = partitions.iter().filter_map(|partition| partition.get("end")?.as_u64()).sum();
        let records = topic.get("records").and_then(Json::as_u64).unwrap_or(0);
        rows.push(vec![text("name"), partitions.len().to_string(), view::count(records), view::count(end), text("cleanup")]);
    }
    print!("{}", view::table(&rows, &[1, 2, 3]));
    if items.is_empty() {
        eprintln!("no topics yet: a table's topic is made with its first change");
    }
    Ok(())
}

/// `rowfeed topics show`.
pub async fn topic(server: &Server, name: &str, as_json: bool) -> Result<(), Failure> {
    let topic = server.get_json(&format!("/v1/topics/{}", escape(name))).await?;
    if as_json {
        print_json("rowfeed/topic@1", topic);
        return Ok(());
    }
    let records = view::count(number_at(&topic, "/records"));
    println!("{}   {records} records   cleanup {}", text_at(&topic, "/name"), text_at(&topic, "/cleanup"));
    let mut rows = vec![["  PARTITION", "START", "END", "RECORDS"].map(str::to_owned).to_vec()];
    for partition in topic.get("partitions").and_then(Json::as_array).into_iter().flatten() {
        let (start, end) = (number_at(partition, "/start"), number_at(partition, "/end"));
        let number = format!("  {}", number_at(partition, "/partition"));
        rows.push(vec![number, start.to_string(), end.to_string(), view::count(end.saturating_sub(start))]);
    }
    print!("{}", view::table(&rows, &[0, 1, 2, 3]));
    Ok(())
}

/// `rowfeed connectors list`.
pub async fn connectors(server: &Server, as_json: bool) -> Result<(), Failure> {
    let answer = server.get_json("/connectors?expand=status&expand=info").await?;
    let all = answer.as_object().cloned().unwrap_or_default();
    if as_json {
        let items: Vec<Json> = all.values().map(|connector| connector.get("status").cloned().unwrap_or_default()).collect();
        println!("{}", json!({ "schema": "rowfeed/connectors@1", "items": items }));
        return Ok(());
    }
    let mut rows = vec![["CONNECTOR", "STATE", "TASK", "SLOT", "SOURCE", "PROBLEM"].map(str::to_owned).to_vec()];
    for (name, connector) in &all {
        let at = |path: &str| connector.pointer(path).and_then(Json::as_str).unwrap_or("-").to_owned();
        let source =
            format!("{}:{}/{}", at("/info/config/database.hostname"), at("/info/config/database.port"), at("/info/config/database.dbname"));
        // The task's own trouble first, then that of its file, then what may become trouble.
        let told = ["/status/tasks/0/trace", "/status/connector/trace", "/status/tasks/0/warning"];
        let told = told.map(|path| connector.pointer(path).and_then(Json::as_str));
        let problem = told.into_iter().flatten().next().map(in_one_line).unwrap_or_default();
        let slot = connector.pointer("/info/config/slot.name").and_then(Json::as_str).unwrap_or("debezium").to_owned();
        rows.push(vec![
            name.clone(),
            at("/status/connector/state"),
            at("/status/tasks/0/state"),
            slot,
            source.replace(":-/", "/"),
            problem,
        ]);
    }
    print!("{}", view::table(&rows, &[]));
    Ok(())
}

/// The first line of a problem's text, with its place.
fn in_one_line(text: &str) -> String {
    let at = text.lines().find_map(|line| line.strip_prefix("  at: ")).map(|at| format!(" ({at})"));
    format!("{}{}", text.lines().next().unwrap_or_default(), at.unwrap_or_default())
}
