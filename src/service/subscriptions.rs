//! The subscriptions' parts that live in other layers: groups of the broker, connectors of the registry, definitions of the settings.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::change::Lsn;
use crate::config::ServiceConfig;
use crate::config::service::LogKind;
use crate::connect::Registry;
use crate::deliver::definition::circle;
use crate::deliver::webhook::address::Guard;
use crate::deliver::{Definition, Origin, Places, Source, Sources, options};
use crate::http::groups::{Groups, Refusal};
use crate::problem::Problem;

use super::groups::KafkaGroups;

impl Places for KafkaGroups {
    fn committed(&self, group: &str) -> Vec<(String, u32, u64)> {
        self.view(group).map(|view| view.offsets).unwrap_or_default()
    }

    fn commit<'a>(
        &'a self,
        group: &'a str,
        offsets: Vec<(String, u32, u64)>,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            Groups::commit(self, group, offsets).await.map_err(|refusal| match refusal {
                Refusal::Active => format!("a Kafka client is a member of the group {group}: it is rowfeed's own, stop the client"),
                Refusal::NotFound => "the group is not there".to_owned(),
                Refusal::Other(why) => why,
            })
        })
    }

    fn forget<'a>(&'a self, group: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // One that never committed is not there.
            if let Err(refusal) = self.delete(group).await
                && refusal != Refusal::NotFound
            {
                tracing::warn!(group, "the offsets of a deleted subscription stay: {refusal:?}");
            }
        })
    }
}

/// The connectors, as sinks that ask databases see them.
pub struct Connectors(pub Arc<Registry>);

impl Sources for Connectors {
    fn source(&self, name: &str) -> Option<Source> {
        let view = self.0.source(name)?;
        let durable = Lsn(view.status.snapshot().positions.durable);
        Some(Source { name: view.name, config: view.config, durable })
    }

    fn durable(&self, name: &str) -> Option<Lsn> {
        self.0.status(name).map(|status| Lsn(status.snapshot().positions.durable))
    }

    fn of_topic(&self, topic: &str) -> Option<Source> {
        let views = self.0.views();
        let writer = crate::http::connectors::writer_among(&views, topic)?;
        self.source(&writer.name)
    }
}

/// The definitions of the settings' file, by what these settings allow; every mistake at once.
pub fn definitions(config: &ServiceConfig) -> Result<Vec<Definition>, Vec<Problem>> {
    let file = config.file.clone().unwrap_or_else(|| PathBuf::from("rowfeed.toml"));
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    // Webhooks are made with it.
    match Guard::parse(&config.webhook_allow, config.http_loopback) {
        Ok(guard) => guard.set_of_service(),
        Err(why) => return Err(vec![Problem::refuse("config/value", "http.webhook_allow cannot be read").why(why)]),
    }
    if config.log.kind == LogKind::Kafka && !config.subscriptions.is_empty() {
        let problem = Problem::refuse("config/subscriptions", "subscriptions need the built-in log").at(file.display().to_string());
        let why = "with log.kind = \"kafka\" the events are in the external cluster: sinks of Kafka Connect read them there";
        return Err(vec![problem.why(why).fix("log.kind = \"builtin\", or take [subscriptions] out")]);
    }
    for (name, entries) in &config.subscriptions {
        // `subscriptions.NAME` stands before the options.
        let (given, places) = options::of_entries(entries, 2);
        match Definition::parse(name, given, places, Origin::File(file.clone())) {
            Ok(definition) => found.push(definition),
            Err(wrong) => problems.extend(wrong),
        }
    }
    let all: Vec<(&str, &[String])> = found.iter().map(|one| (one.name.as_str(), one.topics.as_slice())).collect();
    problems.extend(all.iter().filter_map(|(name, _)| circle(name, &all).map(|problem| problem.at(file.display().to_string()))));
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}
