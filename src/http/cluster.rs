//! The topics of an external cluster in the shape of `/v1/topics`.
//!
//! Owns that shape and nothing else: the cluster is asked by [`crate::log::cluster`]. Promises an answer in the cluster's time
//! or a 503 that says why there is none. Leaves to the cluster what it does itself: making, changing and deleting topics,
//! consumer groups, records.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::{ApiError, App, connectors};
use crate::config::suggest;
use crate::connect::registry::ConnectorView;
use crate::connect::store::TopicEnds;
use crate::log::LogError;
use crate::log::cluster::{Cluster, ClusterTopic};

/// All topics.
pub async fn list(app: &App, cluster: &Cluster) -> Result<Vec<Json>, ApiError> {
    let views = app.0.registry.views();
    Ok(cluster.topics().await.map_err(away)?.iter().map(|topic| describe(&views, topic)).collect())
}

/// One topic.
pub async fn show(app: &App, cluster: &Cluster, name: &str) -> Result<Json, ApiError> {
    let topics = cluster.topics().await.map_err(away)?;
    let found = topics.iter().find(|topic| topic.name == name);
    found.map(|topic| describe(&app.0.registry.views(), topic)).ok_or_else(|| {
        let hint = suggest::did_you_mean(name, topics.iter().map(|topic| topic.name.as_str()));
        let message = format!("there is no topic \"{name}\"; {hint}");
        ApiError::new(StatusCode::NOT_FOUND, message.trim_end_matches("; "))
    })
}

/// The topics that a connector writes to, and how many records each has had.
pub async fn ends(cluster: &Cluster, view: &ConnectorView) -> Result<TopicEnds, ApiError> {
    let topics = cluster.topics().await.map_err(away)?;
    Ok(topics.iter().filter(|topic| connectors::writes(view, &topic.name)).map(|topic| (topic.name.clone(), topic.ends())).collect())
}

fn away(error: LogError) -> ApiError {
    let problem = error.problem();
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, problem.what.clone()).about(&problem)
}

fn describe(views: &[ConnectorView], topic: &ClusterTopic) -> Json {
    let partition = |range: Option<&std::ops::Range<u64>>, number: u32| json!({ "partition": number, "start": range.map(|range| range.start), "end": range.map(|range| range.end) });
    let partitions: Vec<Json> = topic.partitions.iter().map(|one| partition(one.range.as_ref(), one.number)).collect();
    let writer = if topic.is_internal() { None } else { connectors::writer_among(views, &topic.name) };
    json!({
        "name": topic.name, "partitions": partitions, "records": topic.records(), "cleanup": topic.settings.get("cleanup.policy"),
        "internal": topic.is_internal(), "connector": writer.map(|view| &view.name),
        "source_table": writer.and_then(|view| connectors::table_of(view, &topic.name)), "config": topic.settings,
    })
}
