//! Ids for the schemas of a connector's topics, from the registries its converters name.
//!
//! Asked once per version of a table, before its first event: an event never waits for a registry. What was answered is
//! remembered while the connector runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::postgres::{PostgresConfig, RegistrySettings, SubjectStrategy};
use crate::connect::Schemas;
use crate::connect::schemas::client::{Ask, Client};
use crate::encode::avro::{Avro, TopicAvro};
use crate::problem::Problem;
use crate::registry::avro::AvroSchema;

/// Ids remembered; above it all are asked again.
const KNOWN_MAX: usize = 10_000;

/// What asks for ids.
pub struct Registrar {
    key: Option<(Client, RegistrySettings)>,
    value: Option<(Client, RegistrySettings)>,
    /// Ids by subject and schema.
    known: Mutex<HashMap<(String, String), u32>>,
}

impl Registrar {
    /// For the converters of a connector.
    pub fn new(config: &PostgresConfig, own: Option<&Arc<Schemas>>) -> Result<Self, Problem> {
        let side = |is_avro: bool, settings: &RegistrySettings| {
            is_avro.then(|| Ok((Client::new(settings, own.cloned())?, settings.clone()))).transpose()
        };
        Ok(Self {
            key: side(config.key_converter.avro.is_some(), &config.key_registry)?,
            value: side(config.value_converter.avro.is_some(), &config.value_registry)?,
            known: Mutex::default(),
        })
    }

    /// Gives the forms of a topic their ids.
    pub async fn register(&self, topic: &str, avro: &mut TopicAvro) -> Result<(), Problem> {
        for (side, form, suffix) in [(&self.key, &mut avro.key, "key"), (&self.value, &mut avro.value, "value")] {
            if let (Some((client, settings)), Some(form)) = (side, form) {
                let subject = match settings.strategy {
                    SubjectStrategy::Topic => format!("{topic}-{suffix}"),
                    SubjectStrategy::Record => form.record_name.clone(),
                    SubjectStrategy::TopicRecord => format!("{topic}-{}", form.record_name),
                };
                let id = self.id(client, settings, subject, form).await?;
                form.set_id(id);
            }
        }
        Ok(())
    }

    async fn id(&self, client: &Client, settings: &RegistrySettings, subject: String, form: &Avro) -> Result<u32, Problem> {
        let place = (subject, form.schema.clone());
        if let Some(id) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(*id);
        }
        let (subject, schema) = (&place.0, &place.1);
        // As Confluent's serializer: what registers does not look at the latest version.
        let id = if settings.auto_register {
            client.id(subject, schema, Ask::Register, settings.normalize).await?
        } else if settings.use_latest {
            self.latest(client, subject, schema).await?
        } else {
            client.id(subject, schema, Ask::Find, settings.normalize).await?
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(place, id);
        Ok(id)
    }

    /// The latest version's id, when it describes the bytes that are written.
    async fn latest(&self, client: &Client, subject: &str, schema: &str) -> Result<u32, Problem> {
        let (id, latest) = client.latest(subject).await?;
        let read = |text: &str| AvroSchema::read(text, std::iter::empty());
        match (read(schema), read(&latest)) {
            (Ok(own), Ok(latest)) if own.writes_as(&latest) => Ok(id),
            _ => Err(Problem::fail(
                "registry/other-bytes",
                format!("the latest version of {subject} describes other bytes than this table's events have"),
            )
            .why("with use.latest.version=true events carry its id, and a reader would misread them")
            .fix("register the table's schema as the latest version, or set auto.register.schemas=true")),
        }
    }
}
