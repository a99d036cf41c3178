//! Options of a converter that asks a schema registry: `key.converter.*` and `value.converter.*` of Confluent's converters.

use super::Reader;
use super::table::AVRO_CONVERTER;
use crate::config::Secret;
use crate::problem::Problem;

/// How Confluent's `AvroConverter` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvroSettings {
    /// `connect.meta.data`: what Avro has no word for stands in properties `connect.*`.
    pub connect_meta_data: bool,
}

/// `subject.name.strategy`: what a schema's subject is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectStrategy {
    /// `<topic>-key`, `<topic>-value`.
    #[default]
    Topic,
    /// The record's full name.
    Record,
    /// `<topic>-<the record's full name>`.
    TopicRecord,
}

/// How ids of schemas are got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// `schema.registry.url`; none: the registry of this process.
    pub urls: Vec<String>,
    /// `basic.auth.user.info`: name and password.
    pub user: Option<(String, Secret)>,
    /// `auto.register.schemas`.
    pub auto_register: bool,
    /// `use.latest.version`.
    pub use_latest: bool,
    /// `normalize.schemas`.
    pub normalize: bool,
    /// `key.subject.name.strategy`, `value.subject.name.strategy`.
    pub strategy: SubjectStrategy,
}

impl Reader<'_> {
    /// How the converter of keys or of values writes Avro; `None` when it writes JSON.
    pub(super) fn avro(&mut self, of: &str) -> Option<AvroSettings> {
        if self.text(&format!("{of}.converter")) != AVRO_CONVERTER {
            return None;
        }
        Some(AvroSettings { connect_meta_data: self.flag(&format!("{of}.converter.connect.meta.data")) })
    }

    /// The registry of a converter.
    pub(super) fn registry(&mut self, of: &str) -> RegistrySettings {
        let option = |name: &str| format!("{of}.converter.{name}");
        let strategy = match self.text(&option(&format!("{of}.subject.name.strategy"))).rsplit('.').next() {
            Some("RecordNameStrategy") => SubjectStrategy::Record,
            Some("TopicRecordNameStrategy") => SubjectStrategy::TopicRecord,
            _ => SubjectStrategy::Topic,
        };
        RegistrySettings {
            urls: self.urls(&option("schema.registry.url")),
            user: self.user(of),
            auto_register: self.flag(&option("auto.register.schemas")),
            use_latest: self.flag(&option("use.latest.version")),
            normalize: self.flag(&option("normalize.schemas")),
            strategy,
        }
    }

    fn urls(&mut self, key: &str) -> Vec<String> {
        let text = self.text(key);
        let urls: Vec<String> =
            text.split(',').map(|url| url.trim().trim_end_matches('/').to_owned()).filter(|url| !url.is_empty()).collect();
        for url in &urls {
            let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            let problem = match host {
                None => Problem::refuse("config/value", format!("{key} holds something that is no address")).fix("http://HOST:PORT"),
                Some(host) if host.contains('@') => {
                    Problem::refuse("config/value", format!("{key} holds a name or a password")).fix(format!(
                        "{0}basic.auth.credentials.source=USER_INFO and {0}basic.auth.user.info=${{env:...}}",
                        key.trim_end_matches("schema.registry.url")
                    ))
                }
                Some(_) => continue,
            };
            self.refuse(key, problem);
        }
        urls
    }

    fn user(&mut self, of: &str) -> Option<(String, Secret)> {
        if self.word(&format!("{of}.converter.basic.auth.credentials.source")) != "user_info" {
            return None;
        }
        let key = format!("{of}.converter.basic.auth.user.info");
        let older = format!("{of}.converter.schema.registry.basic.auth.user.info");
        let text = Some(self.text(&key)).filter(|text| !text.is_empty()).unwrap_or_else(|| self.text(&older));
        let user = text.split_once(':').map(|(name, password)| (name.to_owned(), Secret::new(password)));
        if user.is_none() {
            self.refuse(&key, Problem::refuse("config/value", format!("{key} is not NAME:PASSWORD")));
        }
        user
    }
}
