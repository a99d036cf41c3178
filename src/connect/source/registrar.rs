//! Ids for the schemas of a connector's topics, from the registries its converters name.
//!
//! Asked once per version of a table, before its first event: an event never waits for a registry. What was answered is
//! remembered while the connector runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::postgres::{FormSettings, Language, PostgresConfig, RegistrySettings, SubjectStrategy};
use crate::connect::Schemas;
use crate::connect::schemas::client::{Ask, Client};
use crate::encode::wire::{Registration, TopicForms, WireForm};
use crate::problem::Problem;
use crate::registry::avro::AvroSchema;

/// Ids remembered; above it all are asked again.
const KNOWN_MAX: usize = 10_000;

/// What asks for ids.
pub struct Registrar {
    key: Option<(Client, RegistrySettings)>,
    value: Option<(Client, RegistrySettings)>,
    /// Ids by subject, language and schema.
    known: Mutex<HashMap<(String, Language, String), u32>>,
}

impl Registrar {
    /// For the converters of a connector.
    pub fn new(config: &PostgresConfig, own: Option<&Arc<Schemas>>) -> Result<Self, Problem> {
        let side = |form: Option<FormSettings>, settings: &RegistrySettings| {
            let asks = form.is_some_and(|form| form.language().is_some());
            asks.then(|| Ok((Client::new(settings, own.cloned())?, settings.clone()))).transpose()
        };
        Ok(Self {
            key: side(config.key_converter.form, &config.key_registry)?,
            value: side(config.value_converter.form, &config.value_registry)?,
            known: Mutex::default(),
        })
    }

    /// Gives the forms of a topic their ids.
    pub async fn register(&self, topic: &str, forms: &mut TopicForms) -> Result<(), Problem> {
        for (side, form, suffix) in [(&self.key, &mut forms.key, "key"), (&self.value, &mut forms.value, "value")] {
            let Some((client, settings)) = side else { continue };
            for registration in form.as_mut().map(WireForm::registrations).unwrap_or_default() {
                let subject = match settings.strategy {
                    SubjectStrategy::Topic => format!("{topic}{}-{suffix}", registration.topic_suffix),
                    SubjectStrategy::Record => registration.record_name.clone(),
                    SubjectStrategy::TopicRecord => format!("{topic}{}-{}", registration.topic_suffix, registration.record_name),
                };
                registration.id = self.id(client, settings, subject, registration).await?;
                registration.registry = settings.urls.join(",");
            }
        }
        Ok(())
    }

    async fn id(&self, client: &Client, settings: &RegistrySettings, subject: String, what: &Registration) -> Result<u32, Problem> {
        let place = (subject, what.language, what.text.clone());
        if let Some(id) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(*id);
        }
        let subject = &place.0;
        // As Confluent's serializer: what registers does not look at the latest version.
        let id = if settings.auto_register {
            client.id(subject, what, Ask::Register, settings.normalize).await?
        } else if settings.use_latest {
            self.latest(client, subject, what).await?
        } else {
            client.id(subject, what, Ask::Find, settings.normalize).await?
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(place, id);
        Ok(id)
    }

    /// The latest version's id, when it describes the bytes that are written.
    async fn latest(&self, client: &Client, subject: &str, what: &Registration) -> Result<u32, Problem> {
        let (id, latest) = client.latest(subject).await?;
        let is_same = match what.language {
            Language::Avro => {
                let read = |text: &str| AvroSchema::read(text, std::iter::empty());
                matches!((read(&what.text), read(&latest)), (Ok(own), Ok(latest)) if own.writes_as(&latest))
            }
            Language::Protobuf => what.text.trim() == latest.trim(),
            // Same JSON, whatever the order of its members.
            Language::Json | Language::Connect => {
                let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
                read(&what.text).is_some_and(|own| read(&latest).as_ref() == Some(&own))
            }
        };
        if is_same {
            return Ok(id);
        }
        Err(Problem::fail(
            "registry/other-bytes",
            format!("the latest version of {subject} describes other bytes than this table's events have"),
        )
        .why("with use.latest.version=true events carry its id, and a reader would misread them")
        .fix("register the table's schema as the latest version, or set auto.register.schemas=true"))
    }
}
