//! `/connectors` and below, as Kafka Connect answers them.

use std::hash::BuildHasher;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json as JsonBody, extract::Query};
use serde_json::{Map, Value as Json, json};

use super::described::{Routes, does};
use super::{ApiError, App, Pairs, cluster, is_on, json_body};
use crate::config::document::json_scalar;
use crate::config::postgres::masked;
use crate::config::{Options, define};
use crate::connect::position;
use crate::connect::registry::{ConnectorView, RegistryError};
use crate::connect::state::Phase;
use crate::connect::store::{TargetState, TopicEnds};
use crate::log::topic::TopicInfo;

/// A source that is away for less than this is shown as RUNNING: every restart of a database is not an alarm.
const AWAY_SHORTLY: Duration = Duration::from_secs(30);

/// What Debezium calls what one task runs; clients show it.
const TASK_CLASS: &str = "io.debezium.connector.postgresql.PostgresConnectorTask";

/// The routes.
pub fn routes() -> Routes {
    let missing = "Connector shop not found";
    let invalid = "Connector configuration is invalid and contains the following 1 error(s):\npg/refused: nothing is listening on db:5432";
    let file = "Connector shop is managed by the file connectors/shop.toml: change it there";
    let stopped = "Connectors must be in the STOPPED state before their offsets can be modified.";
    Routes::of("Connectors")
        .shape("ConnectorConfig", json!({ "<connector.class>": "io.debezium.connector.postgresql.PostgresConnector" }))
        .shape("TaskId", json!({ "connector": "shop", "task": 0 }))
        .shape("ConnectorInfo", json!({ "name": "shop", "config": "@ConnectorConfig", "tasks": ["@TaskId"], "type": "source|sink" }))
        .shape(
            "ConnectorState",
            json!({ "state": "RUNNING|UNASSIGNED|PAUSED|FAILED|RESTARTING|STOPPED", "worker_id": "127.0.0.1:8083", "version": "0.1.0", "trace?": "" }),
        )
        .shape(
            "TaskState",
            json!({ "id": 0, "state": "RUNNING|UNASSIGNED|PAUSED|FAILED|RESTARTING", "worker_id": "127.0.0.1:8083", "version": "0.1.0",
                "trace?": "pg/auth: password authentication failed", "warning?": "slot/wal-growing: the slot keeps 3 GiB of WAL" }),
        )
        .shape(
            "ConnectorStateInfo",
            json!({ "name": "shop", "connector": "@ConnectorState", "tasks": ["@TaskState"], "type": "source|sink" }),
        )
        .shape(
            "Offsets",
            json!({ "offsets": [{ "partition": { "server": "shop" }, "offset~": { "<lsn>": null } }] }),
        )
        .shape("Message", json!({ "message": "The offsets for this connector have been altered successfully" }))
        .get(
            "/connectors",
            list,
            does("Lists the connectors")
                .detail("Names alone; with expand an object of name to status, info or both.")
                .query("expand", json!(["status"]), "status, info or both, each a parameter of its own; others are ignored.")
                .answers(200, "The names, or the objects.", json!(null)),
        )
        .post(
            "/connectors",
            create,
            does("Makes a connector")
                .detail("Its database is asked first, for 5 s at most, unless it is to rest.")
                .takes(json!({ "name?": "shop", "config": "@ConnectorConfig", "initial_state?~": "RUNNING|PAUSED|STOPPED" }))
                .answers(201, "It is made; Location says where.", json!("@ConnectorInfo"))
                .fails(400, invalid)
                .fails(409, "Connector shop already exists"),
        )
        .get("/connectors/{name}", show, does("Shows a connector").answers(200, "It.", json!("@ConnectorInfo")).fails(404, missing))
        .delete(
            "/connectors/{name}",
            delete,
            does("Deletes a connector").detail("Its slot and its topics stay.").empty(204, "It is gone.").fails(403, file).fails(404, missing),
        )
        .get(
            "/connectors/{name}/config",
            config,
            does("Shows a connector's configuration")
                .detail("Passwords are hidden; ETag names what is shown.")
                .answers(200, "The options.", json!("@ConnectorConfig"))
                .fails(404, missing),
        )
        .put(
            "/connectors/{name}/config",
            put_config,
            does("Makes or changes a connector")
                .detail("Its database is asked first, for 5 s at most, unless it rests. With If-Match only what was read is changed.")
                .takes(json!("@ConnectorConfig"))
                .answers(200, "It is changed.", json!("@ConnectorInfo"))
                .answers(201, "It is made; Location says where.", json!("@ConnectorInfo"))
                .fails(400, invalid)
                .fails(403, file)
                .fails(409, "Connector shop was deleted and its task has not ended yet: try again when it has")
                .fails(412, "the configuration is not the one that If-Match names: read it again"),
        )
        .patch(
            "/connectors/{name}/config",
            patch_config,
            does("Changes options of a connector")
                .detail("A null removes an option. With If-Match only what was read is changed.")
                .takes(json!({ "<tombstones.on.delete>": null }))
                .answers(200, "It is changed.", json!("@ConnectorInfo"))
                .fails(400, invalid)
                .fails(403, file)
                .fails(404, missing)
                .fails(412, "the configuration is not the one that If-Match names: read it again"),
        )
        .get(
            "/connectors/{name}/status",
            status,
            does("Shows a connector's state and its task's")
                .answers(200, "The states.", json!("@ConnectorStateInfo"))
                .fails(404, "No status found for connector shop"),
        )
        .get(
            "/connectors/{name}/tasks",
            tasks,
            does("Lists a connector's tasks")
                .answers(200, "One, or none when it is stopped.", json!([{ "id": "@TaskId", "config": "@ConnectorConfig" }]))
                .fails(404, missing),
        )
        .get(
            "/connectors/{name}/tasks/{task}/status",
            task_status,
            does("Shows a task's state").answers(200, "The state.", json!("@TaskState")).fails(404, "No status found for task shop-0"),
        )
        .post(
            "/connectors/{name}/tasks/{task}/restart",
            restart_task,
            does("Restarts a task").empty(204, "It is ordered.").fails(404, "Unknown task: shop-0"),
        )
        .post(
            "/connectors/{name}/restart",
            restart,
            does("Restarts a connector")
                .query("includeTasks", json!(true), "The answer is the state.")
                .query("onlyFailed", json!(true), "Only when it has failed; the answer is the state.")
                .answers(202, "It is ordered; the state.", json!("@ConnectorStateInfo"))
                .empty(204, "It is ordered.")
                .fails(404, "Unknown connector: shop"),
        )
        .put("/connectors/{name}/pause", pause, does("Pauses a connector").empty(202, "It is ordered.").fails(404, "Unknown connector shop"))
        .put("/connectors/{name}/resume", resume, does("Resumes a connector").empty(202, "It is ordered.").fails(404, "Unknown connector shop"))
        .put("/connectors/{name}/stop", stop, does("Stops a connector").empty(204, "It is ordered.").fails(404, "Unknown connector shop"))
        .get(
            "/connectors/{name}/topics",
            topics,
            does("Lists the topics a connector has written to")
                .answers(200, "By connector; none for one that is not there.", json!({ "<shop>": { "topics": ["shop.public.orders"] } }))
                .fails(503, "Kafka: Meta data fetch error: BrokerTransportFailure (Local: Broker transport failure)"),
        )
        .put(
            "/connectors/{name}/topics/reset",
            reset_topics,
            does("Begins the list of a connector's topics anew").empty(202, "It is begun."),
        )
        .get(
            "/connectors/{name}/offsets",
            offsets,
            does("Shows a connector's position").answers(200, "As Debezium keeps it.", json!("@Offsets")).fails(404, missing),
        )
        .patch(
            "/connectors/{name}/offsets",
            alter_offsets,
            does("Sets the position of a stopped connector")
                .takes(json!("@Offsets"))
                .answers(200, "It is set.", json!("@Message"))
                .fails(400, stopped)
                .fails(404, missing),
        )
        .delete(
            "/connectors/{name}/offsets",
            reset_offsets,
            does("Forgets the position of a stopped connector")
                .answers(200, "It is forgotten.", json!("@Message"))
                .fails(400, stopped)
                .fails(404, missing),
        )
        .post(
            "/v1/connectors/{name}/signals",
            signal,
            does("Sends a signal to a running connector")
                .detail("What Debezium reads from a signalling table; data may be JSON or a text of it.")
                .takes(json!({ "id?~": "s1", "type": "execute-snapshot", "data?": null }))
                .answers(202, "It waits for its turn.", json!({ "id": "s1" }))
                .fails(404, missing)
                .fails(409, "Connector shop is not running")
                .fails(422, "signal/data: the signal's data cannot be read")
                .fails(429, "too many signals wait already"),
        )
}

/// What a handler answers.
pub type Answer = Result<Response, ApiError>;

async fn list(State(app): State<App>, Query(pairs): Pairs) -> Answer {
    let expand: Vec<&str> = pairs.iter().filter(|(name, _)| name == "expand").map(|(_, value)| value.as_str()).collect();
    let (with_status, with_info) = (expand.contains(&"status"), expand.contains(&"info"));
    if expand.is_empty() {
        return Ok(JsonBody(app.0.registry.names()).into_response());
    }
    let mut all = Map::new();
    for view in app.0.registry.views() {
        let mut entry = Map::new();
        if with_status {
            entry.insert("status".into(), state_info(&app, &view));
        }
        if with_info {
            entry.insert("info".into(), info(&view));
        }
        all.insert(view.name, entry.into());
    }
    Ok(JsonBody(all).into_response())
}

async fn create(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    let body = json_body(&headers, &body)?;
    // A misspelt initial_state would start what is to rest.
    let known = ["name", "config", "initial_state"];
    if let Some(key) = body.as_object().and_then(|body| body.keys().find(|key| !known.contains(&key.as_str()))) {
        return Err(ApiError::bad_request(define::unknown(key, &known).text()));
    }
    let config = body.get("config").ok_or_else(|| ApiError::bad_request("the body must be {\"name\": ..., \"config\": {...}}"))?;
    let mut options = options(config)?;
    let inside = options.get("name").cloned();
    let name = body.get("name").and_then(Json::as_str).map(str::to_owned).or(inside);
    let name = name.ok_or_else(|| ApiError::bad_request("the connector has no name"))?.trim().to_owned();
    let target = match body.get("initial_state").and_then(Json::as_str) {
        None => TargetState::Running,
        Some(text) => TargetState::parse(text)
            .ok_or_else(|| ApiError::bad_request(define::invalid("initial_state", text, "RUNNING, PAUSED or STOPPED").text()))?,
    };
    options.entry("name".to_owned()).or_insert_with(|| name.clone());
    let view = app.0.registry.create(&name, options, target).await?;
    Ok(created(&view))
}

async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer {
    Ok(JsonBody(info(&app.0.registry.view(&name)?)).into_response())
}

async fn config(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let view = app.0.registry.view(&name)?;
    Ok(([(header::ETAG, tag(&app, &view))], JsonBody(masked(&view.options))).into_response())
}

/// Names a configuration, passwords included, for as long as the service runs.
fn tag(app: &App, view: &ConnectorView) -> String {
    format!("\"{:016x}\"", app.0.tags.hash_one(&view.options))
}

/// The options that a change is meant for, where the request names them by `If-Match`.
fn read_before(app: &App, name: &str, headers: &HeaderMap) -> Result<Option<Options>, ApiError> {
    let Some(wanted) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let wanted = wanted.to_str().unwrap_or_default();
    let view = app.0.registry.view(name).ok();
    let is_it = |view: &ConnectorView| wanted.split(',').map(str::trim).any(|one| one == "*" || one == tag(app, view));
    let found = view.filter(is_it).map(|view| view.options);
    found.map(Some).ok_or_else(|| RegistryError::Changed(name.to_owned()).into())
}

async fn put_config(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let options = options(&json_body(&headers, &body)?)?;
    let read = read_before(&app, &name, &headers)?;
    let (made, view) = app.0.registry.put_over(&name, options, read.as_ref()).await?;
    Ok(if made { created(&view) } else { ([(header::ETAG, tag(&app, &view))], JsonBody(info(&view))).into_response() })
}

/// Merges: a null removes a key.
async fn patch_config(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let Json::Object(patch) = json_body(&headers, &body)? else { return Err(ApiError::bad_request("the body must be a JSON object")) };
    let change = |(key, value): (String, Json)| match value {
        Json::Null => Ok((key, None)),
        value => scalar(&key, &value).map(|value| (key, Some(value))),
    };
    let changes = patch.into_iter().map(change).collect::<Result<Vec<_>, _>>()?;
    app.0.registry.view(&name)?;
    let read = read_before(&app, &name, &headers)?;
    let view = app.0.registry.patch_over(&name, changes, read.as_ref()).await?;
    Ok(([(header::ETAG, tag(&app, &view))], JsonBody(info(&view))).into_response())
}

async fn delete(State(app): State<App>, Path(name): Path<String>) -> Answer {
    app.0.registry.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn status(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let view = app.0.registry.view(&name);
    let view = view.map_err(|_| ApiError::new(StatusCode::NOT_FOUND, format!("No status found for connector {name}")))?;
    Ok(JsonBody(state_info(&app, &view)).into_response())
}

async fn tasks(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let view = app.0.registry.view(&name)?;
    let mut config = masked(&view.options);
    config.insert("task.class".to_owned(), TASK_CLASS.to_owned());
    let task = json!({ "id": { "connector": name, "task": 0 }, "config": config });
    let tasks = if has_task(&view) { vec![task] } else { Vec::new() };
    Ok(JsonBody(tasks).into_response())
}

async fn task_status(State(app): State<App>, Path((name, task)): Path<(String, String)>) -> Answer {
    let missing = || format!("No status found for task {name}-{task}");
    let view = app.0.registry.view(&name).map_err(|_| not_there(missing()))?;
    is_our_task(&view, &task, missing)?;
    Ok(JsonBody(task_info(&app, &view)).into_response())
}

async fn restart_task(State(app): State<App>, Path((name, task)): Path<(String, String)>) -> Answer {
    let view = app.0.registry.view(&name).map_err(|_| not_there(format!("Unknown connector: {name}")))?;
    is_our_task(&view, &task, || format!("Unknown task: {name}-{task}"))?;
    app.0.registry.restart(&name, false)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn not_there(message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, message)
}

fn is_our_task(view: &ConnectorView, task: &str, missing: impl Fn() -> String) -> Result<(), ApiError> {
    match task.parse::<u32>() {
        Ok(0) if has_task(view) => Ok(()),
        Ok(_) => Err(not_there(missing())),
        Err(_) => Err(not_there("HTTP 404 Not Found".to_owned())),
    }
}

/// The words of Kafka Connect for a request about a connector that is not there.
fn known(result: Result<(), RegistryError>, name: &str) -> Result<(), ApiError> {
    result.map_err(|error| match error {
        RegistryError::NotFound(_) => not_there(format!("Unknown connector {name}")),
        error => error.into(),
    })
}

/// With either parameter the answer is the state (KIP-745), without it is empty.
async fn restart(State(app): State<App>, Path(name): Path<String>, Query(pairs): Pairs) -> Answer {
    let (tasks, only_failed) = (is_on(&pairs, "includeTasks"), is_on(&pairs, "onlyFailed"));
    app.0.registry.view(&name).map_err(|_| not_there(format!("Unknown connector: {name}")))?;
    let (view, again) = app.0.registry.restart(&name, only_failed)?;
    Ok(if tasks || only_failed {
        let mut state = state_info(&app, &view);
        // What is ordered has begun, whatever the task has got to.
        for place in if again { ["/connector/state", "/tasks/0/state"].as_slice() } else { &[] } {
            if let Some(state) = state.pointer_mut(place) {
                *state = "RESTARTING".into();
            }
        }
        (StatusCode::ACCEPTED, JsonBody(state)).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    })
}

async fn pause(State(app): State<App>, Path(name): Path<String>) -> Answer {
    known(app.0.registry.set_target(&name, TargetState::Paused).await, &name)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn resume(State(app): State<App>, Path(name): Path<String>) -> Answer {
    known(app.0.registry.set_target(&name, TargetState::Running).await, &name)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn stop(State(app): State<App>, Path(name): Path<String>) -> Answer {
    known(app.0.registry.set_target(&name, TargetState::Stopped).await, &name)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ours: what Debezium reads from a signalling table, `{"id", "type", "data"}`; `data` may be JSON itself or a text of it.
async fn signal(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    // Before the body: who asks for what is not there learns that.
    app.0.registry.view(&name)?;
    let body = json_body(&headers, &body)?;
    let wrong = |what: &str| ApiError::bad_request(format!(r#"{what}: the body is {{"type": "execute-snapshot", "data": {{...}}}}"#));
    let kind = body.get("type").and_then(Json::as_str).ok_or_else(|| wrong("the signal has no type"))?;
    let id = match body.get("id") {
        None | Some(Json::Null) => uuid::Uuid::new_v4().to_string(),
        Some(Json::String(id)) => id.clone(),
        Some(_) => return Err(wrong("the id is not a text")),
    };
    let data = match body.get("data") {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(data) => data.to_string(),
    };
    app.0.registry.signal(&name, &id, kind, &data)?;
    Ok((StatusCode::ACCEPTED, JsonBody(json!({ "id": id }))).into_response())
}

/// The topics a connector has written to since it was made, or since the list was begun anew. As in Kafka Connect a connector
/// that is not there has none.
async fn topics(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let view = app.0.registry.view(&name).ok();
    let ends = match &view {
        Some(view) => topic_ends(&app, view).await?,
        None => TopicEnds::new(),
    };
    let since = view.map(|view| view.topics_reset).unwrap_or_default();
    // A topic that was deleted and made again begins at zero.
    let is_new = |(topic, end): &(&String, &u64)| **end > 0 && since.get(*topic) != Some(*end);
    let names: Vec<&String> = ends.iter().filter(is_new).map(|(topic, _)| topic).collect();
    Ok(JsonBody(json!({ name: { "topics": names } })).into_response())
}

async fn reset_topics(State(app): State<App>, Path(name): Path<String>) -> Answer {
    if let Ok(view) = app.0.registry.view(&name) {
        app.0.registry.reset_topics(&name, topic_ends(&app, &view).await?).await?;
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

/// The topics that a connector writes to, and how many records each has had.
async fn topic_ends(app: &App, view: &ConnectorView) -> Result<TopicEnds, ApiError> {
    if let Some(cluster) = &app.0.cluster {
        return cluster::ends(cluster, view).await;
    }
    let Some(log) = &app.0.log else { return Ok(TopicEnds::new()) };
    let records = |topic: &TopicInfo| (0..topic.partitions).filter_map(|partition| Some(log.offsets(topic.index, partition)?.end)).sum();
    Ok(log.topics().iter().filter(|topic| writes(view, &topic.name)).map(|topic| (topic.name.clone(), records(topic))).collect())
}

/// The connector that publishes to a topic, by its prefix.
pub(super) fn writer_of(app: &App, topic: &str) -> Option<String> {
    writer_among(&app.0.registry.views(), topic).map(|view| view.name.clone())
}

/// The connector of these that publishes to a topic.
pub fn writer_among<'a>(views: &'a [ConnectorView], topic: &str) -> Option<&'a ConnectorView> {
    views.iter().find(|view| writes(view, topic))
}

/// The table whose changes a topic has, as far as its name says so: transformations may have renamed it.
pub(super) fn table_of(view: &ConnectorView, topic: &str) -> Option<String> {
    let option = |name: &str, default: &'static str| view.options.get(name).map_or(default, String::as_str);
    if !option("transforms", "").trim().is_empty() {
        return None;
    }
    let delimiter = option("topic.delimiter", ".");
    let (schema, table) = topic.strip_prefix(option("topic.prefix", ""))?.strip_prefix(delimiter)?.split_once(delimiter)?;
    Some(format!("{schema}.{table}"))
}

/// Whether a topic has the connector's prefix, or is its heartbeats'.
pub(super) fn writes(view: &ConnectorView, topic: &str) -> bool {
    let option = |name: &str, default: &'static str| view.options.get(name).map_or(default, String::as_str).to_owned();
    let server = option("topic.prefix", "");
    let prefix = format!("{server}{}", option("topic.delimiter", "."));
    let heartbeat = view.options.get("topic.heartbeat.name").cloned();
    let heartbeat = heartbeat.unwrap_or_else(|| format!("{}.{server}", option("topic.heartbeat.prefix", "__debezium-heartbeat")));
    topic.starts_with(&prefix) || topic == heartbeat
}

/// The position, as Debezium keeps it.
async fn offsets(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let view = app.0.registry.view(&name)?;
    let partition = json!({ "server": position::server(&view) });
    let value = app.0.log.as_ref().and_then(|log| position::stored(log, &view));
    let offset = value.and_then(|value| serde_json::from_slice::<Json>(&value).ok());
    let offsets = offset.map(|offset| vec![json!({ "partition": partition, "offset": offset })]).unwrap_or_default();
    Ok(JsonBody(json!({ "offsets": offsets })).into_response())
}

/// Takes a position over, Debezium's own offset included (KIP-875): a stopped connector goes on from there when it is resumed.
async fn alter_offsets(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let view = settled(&app, &name).await?;
    let body = json_body(&headers, &body)?;
    if body.get("offsets").is_none_or(|offsets| offsets.is_null() || offsets.as_array().is_some_and(Vec::is_empty)) {
        return Err(ApiError::bad_request("Partitions / offsets need to be provided for an alter offsets request"));
    }
    let shape = "the body must be {\"offsets\": [{\"partition\": {\"server\": topic.prefix}, \"offset\": {...}}]}, with one entry";
    let entries = body.get("offsets").and_then(Json::as_array).map(Vec::as_slice);
    let Some([entry]) = entries else { return Err(ApiError::bad_request(shape)) };
    let server = entry.get("partition").and_then(|partition| partition.get("server")).and_then(Json::as_str);
    let server = server.ok_or_else(|| ApiError::bad_request(shape))?;
    let ours = position::server(&view);
    if server != ours {
        return Err(ApiError::bad_request(format!(
            "the partition is of server \"{server}\", topic.prefix of this connector is \"{ours}\""
        )));
    }
    let log = stopped_log(&app, &view)?;
    let failed = |error: crate::log::LogError| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.problem().text());
    match entry.get("offset") {
        Some(Json::Null) => position::reset(log, &view).await.map_err(failed)?,
        Some(offset @ Json::Object(_)) => {
            let offset = offset.to_string().into_bytes();
            position::check(&offset).map_err(ApiError::bad_request)?;
            position::alter(log, &view, offset).await.map_err(failed)?;
        }
        _ => return Err(ApiError::bad_request(shape)),
    }
    Ok(JsonBody(json!({ "message": "The offsets for this connector have been altered successfully" })).into_response())
}

/// A stop is over within this: the capture is given up after less.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// The connector; when its stop has been ordered, and so its state says STOPPED, as soon as its task has ended.
async fn settled(app: &App, name: &str) -> Result<ConnectorView, ApiError> {
    let late = tokio::time::Instant::now() + STOP_WAIT;
    loop {
        let view = app.0.registry.view(name)?;
        let stopping = view.target == TargetState::Stopped && !matches!(view.status.phase, Phase::Stopped);
        if !stopping || tokio::time::Instant::now() >= late {
            return Ok(view);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The log that keeps positions, when the connector is stopped.
fn stopped_log<'a>(app: &'a App, view: &ConnectorView) -> Result<&'a crate::log::builtin::BuiltinLog, ApiError> {
    if !matches!(view.status.phase, Phase::Stopped) {
        return Err(ApiError::bad_request(format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{}/stop' endpoint",
            view.name
        )));
    }
    app.0.log.as_ref().ok_or_else(|| {
        ApiError::bad_request("positions in an external cluster are changed there: write the offset, or a tombstone, to its offsets topic")
    })
}

/// Forgets the position, of a stopped connector only (KIP-875): it begins anew when it is resumed.
async fn reset_offsets(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let view = settled(&app, &name).await?;
    let log = stopped_log(&app, &view)?;
    position::reset(log, &view).await.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.problem().text()))?;
    Ok(JsonBody(json!({ "message": "The offsets for this connector have been reset successfully" })).into_response())
}

/// A flat JSON map as options; numbers and booleans become text, as Kafka Connect's clients expect.
pub fn options(json: &Json) -> Result<Options, ApiError> {
    let Json::Object(map) = json else { return Err(ApiError::bad_request("a connector's configuration is a JSON object of texts")) };
    map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| Ok((key.clone(), scalar(key, value)?))).collect()
}

fn scalar(key: &str, value: &Json) -> Result<String, ApiError> {
    json_scalar(value).ok_or_else(|| ApiError::bad_request(format!("{key} must be a text, a number, true or false")))
}

fn created(view: &ConnectorView) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(location) = format!("/connectors/{}", escape(&view.name)).parse() {
        headers.insert(header::LOCATION, location);
    }
    (StatusCode::CREATED, headers, JsonBody(info(view))).into_response()
}

/// %-escapes what cannot stand in a path.
fn escape(name: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    name.bytes().map(|byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Kafka Connect's ConnectorInfo.
fn info(view: &ConnectorView) -> Json {
    let tasks = if has_task(view) { vec![json!({ "connector": view.name, "task": 0 })] } else { Vec::new() };
    json!({ "name": view.name, "config": masked(&view.options), "tasks": tasks, "type": "source" })
}

/// What a connector is that has been stopped, or is at its end.
const STOPPED: &str = "STOPPED";

/// A stopped connector has no tasks (KIP-875).
fn has_task(view: &ConnectorView) -> bool {
    connector_state(view) != STOPPED
}

/// Kafka Connect's ConnectorStateInfo.
fn state_info(app: &App, view: &ConnectorView) -> Json {
    let mut connector = json!({ "state": connector_state(view), "worker_id": app.0.worker_id, "version": env!("CARGO_PKG_VERSION") });
    // What its file says now does not hold: its task is as it was.
    if let (Some(problem), Some(map)) = (&view.file_problem, connector.as_object_mut()) {
        map.insert("trace".into(), problem.text().into());
    }
    // A stopped one has no task that could say it.
    if let (Some(warning), Some(map), false) = (slot_warning(view), connector.as_object_mut(), has_task(view)) {
        map.insert("warning".into(), warning.text().into());
    }
    let tasks = if has_task(view) { vec![task_info(app, view)] } else { Vec::new() };
    json!({ "name": view.name, "connector": connector, "tasks": tasks, "type": "source" })
}

fn slot_warning(view: &ConnectorView) -> Option<&crate::problem::Problem> {
    view.status.slot.as_ref()?.warning.as_ref()
}

fn task_info(app: &App, view: &ConnectorView) -> Json {
    let mut task = json!({ "id": 0, "state": task_state(view), "worker_id": app.0.worker_id, "version": env!("CARGO_PKG_VERSION") });
    if let (Some(problem), Some(map)) = (app.trouble(view), task.as_object_mut()) {
        map.insert("trace".into(), problem.text().into());
    }
    // Not in Kafka Connect's answer, and only there while something is the matter.
    if let (Some(warning), Some(map)) = (slot_warning(view), task.as_object_mut()) {
        map.insert("warning".into(), warning.text().into());
    }
    task
}

/// The connector's own state: a failed task leaves it RUNNING, as in Kafka Connect.
fn connector_state(view: &ConnectorView) -> &'static str {
    match (view.target, &view.status.phase) {
        (TargetState::Stopped, _) | (_, Phase::Stopped) => STOPPED,
        (TargetState::Paused, _) | (_, Phase::Paused) => "PAUSED",
        (_, Phase::Created) => "UNASSIGNED",
        _ => "RUNNING",
    }
}

/// The task's state, within what Kafka Connect's clients know.
fn task_state(view: &ConnectorView) -> &'static str {
    let status = &view.status;
    let away_long = status.failing_for.is_some_and(|time| !status.has_worked || time >= AWAY_SHORTLY);
    match &status.phase {
        Phase::Failed { retry: false, .. } => "FAILED",
        Phase::Failed { retry: true, .. } | Phase::Preparing if away_long => "RESTARTING",
        Phase::Created => "UNASSIGNED",
        Phase::Paused | Phase::Stopped => "PAUSED",
        _ => "RUNNING",
    }
}
