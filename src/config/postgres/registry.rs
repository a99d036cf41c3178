//! Options of a converter that asks a schema registry: `key.converter.*` and `value.converter.*` of Confluent's converters and of
//! Apicurio's.

use super::Reader;
use super::naming::NameAdjustment;
use super::table::{
    APICURIO_AVRO_CONVERTER, APICURIO_JSON_CONVERTER, AVRO_CONVERTER, CLOUD_EVENTS_CONVERTER, JSON_SCHEMA_CONVERTER, PROTOBUF_CONVERTER,
};
use crate::config::Secret;
use crate::problem::Problem;

/// The language of a schema in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Avro.
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
    /// Kafka Connect's own schemas, in JSON.
    Connect,
}

impl Language {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Avro => "Avro",
            Self::Json => "JSON with a JSON Schema",
            Self::Protobuf => "Protocol Buffers",
            Self::Connect => "JSON with Kafka Connect's schema in a registry",
        }
    }
}

/// A form of keys or values that is not plain JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormSettings {
    /// Confluent's `AvroConverter`, or Apicurio's.
    Avro(AvroSettings),
    /// Confluent's `JsonSchemaConverter`.
    JsonSchema(JsonSchemaSettings),
    /// Confluent's `ProtobufConverter`.
    Protobuf(ProtobufSettings),
    /// Apicurio's `ExtJsonConverter`.
    ConnectJson,
    /// Debezium's `CloudEventsConverter`.
    CloudEvents(CloudEventsSettings),
}

impl FormSettings {
    /// The language of its schemas in a registry, where it has any.
    pub fn language(self) -> Option<Language> {
        Some(match self {
            Self::Avro(_) => Language::Avro,
            Self::JsonSchema(_) => Language::Json,
            Self::Protobuf(_) => Language::Protobuf,
            Self::ConnectJson => Language::Connect,
            Self::CloudEvents(settings) => return settings.avro_data.map(|_| Language::Avro),
        })
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::CloudEvents(_) => "CloudEvents",
            Self::Avro(_) => Language::Avro.title(),
            Self::JsonSchema(_) => Language::Json.title(),
            Self::Protobuf(_) => Language::Protobuf.title(),
            Self::ConnectJson => Language::Connect.title(),
        }
    }
}

/// How Confluent's `JsonSchemaConverter` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonSchemaSettings {
    /// `object.additional.properties`: objects may have more properties than the schema names.
    pub additional_properties: bool,
}

/// How Debezium's `CloudEventsConverter` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudEventsSettings {
    /// `extension.attributes.enable`: what the source block says stands in attributes.
    pub extensions: bool,
    /// `json.schemas.enable`: `data` in JSON has its schema with it.
    pub schemas: bool,
    /// `data.serializer.type=avro`.
    pub avro_data: Option<AvroSettings>,
    /// `serializer.type=avro`, and `schema.name.adjustment.mode` of the converter.
    pub avro: Option<NameAdjustment>,
}

/// How Confluent's `ProtobufConverter` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProtobufSettings {
    /// `optional.for.nullables`: what may be null is labelled `optional`.
    pub optional_for_nullables: bool,
    /// `wrapper.for.nullables`: single values that may be null stand in Google's wrappers.
    pub wrapper_for_nullables: bool,
    /// `scrub.invalid.names`: names are made fit.
    pub scrub_names: bool,
}

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

/// What a registry speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistryApi {
    /// Confluent's REST API.
    #[default]
    Confluent,
    /// Apicurio's own.
    Apicurio {
        /// `apicurio.registry.use-id=globalId`: not the id of the schema's content, but that of the version.
        global_ids: bool,
    },
}

/// How ids of schemas are got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// What it speaks.
    pub api: RegistryApi,
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
    /// The form that the converter of keys or of values writes; `None` when it writes plain JSON.
    pub(super) fn form(&mut self, of: &str) -> Option<FormSettings> {
        let option = |name: &str| format!("{of}.converter.{name}");
        match self.text(&format!("{of}.converter")).as_str() {
            AVRO_CONVERTER => {
                self.refuse_scrubbing(of);
                Some(FormSettings::Avro(AvroSettings { connect_meta_data: self.flag(&option("connect.meta.data")) }))
            }
            JSON_SCHEMA_CONVERTER => {
                let additional_properties = self.flag(&option("object.additional.properties"));
                Some(FormSettings::JsonSchema(JsonSchemaSettings { additional_properties }))
            }
            PROTOBUF_CONVERTER => Some(FormSettings::Protobuf(ProtobufSettings {
                optional_for_nullables: self.flag(&option("optional.for.nullables")),
                wrapper_for_nullables: self.flag(&option("wrapper.for.nullables")),
                scrub_names: self.flag(&option("scrub.invalid.names")),
            })),
            APICURIO_AVRO_CONVERTER => {
                Some(FormSettings::Avro(AvroSettings { connect_meta_data: self.flag(&option("connect.meta.data")) }))
            }
            APICURIO_JSON_CONVERTER => Some(FormSettings::ConnectJson),
            CLOUD_EVENTS_CONVERTER => Some(FormSettings::CloudEvents(self.cloud_events(of))),
            _ => None,
        }
    }

    fn cloud_events(&mut self, of: &str) -> CloudEventsSettings {
        let option = |name: &str| format!("{of}.converter.{name}");
        if of == "key" {
            let problem = Problem::refuse("config/not-supported", "key.converter = CloudEventsConverter would leave every key out");
            self.refuse(
                "key.converter",
                problem.why("CloudEvents are made of envelopes").fix("key.converter=org.apache.kafka.connect.json.JsonConverter"),
            );
            return CloudEventsSettings { extensions: true, schemas: true, avro_data: None, avro: None };
        }
        let metadata = option("metadata.source");
        let text = self.text(&metadata);
        let sources: Vec<&str> = text.split(',').map(str::trim).collect();
        let generates = |name: &str| sources.contains(&format!("{name}:generate").as_str());
        let known = |source: &&str| {
            matches!(source.split_once(':'), Some(("id" | "type", "generate") | ("traceparent" | "dataSchemaName", "generate" | "header")))
        };
        if sources.first() != Some(&"value") || !generates("id") || !generates("type") || !sources.iter().skip(1).all(known) {
            let problem = Problem::refuse("config/not-supported", format!("{metadata} = \"{text}\" is not supported yet"));
            self.refuse(
                &metadata,
                problem.why("metadata is taken from the event's value, id and type are made of it").fix("value,id:generate,type:generate"),
            );
        }
        let is_avro = self.word(&option("data.serializer.type")) == "avro";
        let whole = self.word(&option("serializer.type")) == "avro";
        if whole && !is_avro {
            let problem = Problem::refuse("config/value", format!("{0} = avro cannot hold data in JSON", option("serializer.type")));
            self.refuse(&option("serializer.type"), problem.fix(format!("{} = avro", option("data.serializer.type"))));
        }
        let url = option("avro.schema.registry.url");
        if is_avro && self.text(&url).is_empty() && self.text(&option("avro.apicurio.registry.url")).is_empty() {
            let problem = Problem::refuse("config/missing", format!("{url} is missing"))
                .why("the attribute dataschema is an address of the registry");
            self.refuse(&url, problem.fix(format!("set {url}")));
        }
        let avro = AvroSettings { connect_meta_data: self.flag(&option("avro.connect.meta.data")) };
        CloudEventsSettings {
            extensions: self.flag(&option("extension.attributes.enable")),
            schemas: self.flag(&option("json.schemas.enable")),
            avro_data: is_avro.then_some(avro),
            avro: whole.then(|| NameAdjustment::of(&self.word(&option("schema.name.adjustment.mode")))),
        }
    }

    /// What stands before the names of the registry's options.
    fn registry_prefix(&mut self, of: &str) -> String {
        let is_inside = self.text(&format!("{of}.converter")) == CLOUD_EVENTS_CONVERTER;
        if is_inside { format!("{of}.converter.avro") } else { format!("{of}.converter") }
    }

    /// Names are changed for Protocol Buffers only; JSON Schema takes all.
    fn refuse_scrubbing(&mut self, of: &str) {
        let option = format!("{of}.converter.scrub.invalid.names");
        if self.flag(&option) {
            let problem = Problem::refuse("config/not-supported", format!("{option}=true is not supported with Avro"))
                .why("names would stay as they are");
            self.refuse(&option, problem.fix("schema.name.adjustment.mode=avro and field.name.adjustment.mode=avro"));
        }
    }

    /// The registry of a converter.
    pub(super) fn registry(&mut self, of: &str) -> RegistrySettings {
        let prefix = self.registry_prefix(of);
        let option = |name: &str| format!("{prefix}.{name}");
        let class = self.text(&format!("{of}.converter"));
        let in_apicurio = [APICURIO_AVRO_CONVERTER, APICURIO_JSON_CONVERTER].contains(&class.as_str());
        // Debezium's CloudEvents ask Apicurio's registry when its address is there.
        if in_apicurio || (class == CLOUD_EVENTS_CONVERTER && !self.text(&option("apicurio.registry.url")).is_empty()) {
            return self.apicurio(&prefix);
        }
        let strategy = match self.text(&option(&format!("{of}.subject.name.strategy"))).rsplit('.').next() {
            Some("RecordNameStrategy") => SubjectStrategy::Record,
            Some("TopicRecordNameStrategy") => SubjectStrategy::TopicRecord,
            _ => SubjectStrategy::Topic,
        };
        RegistrySettings {
            api: RegistryApi::Confluent,
            urls: self.urls(&option("schema.registry.url")),
            user: self.user(&prefix),
            auto_register: self.flag(&option("auto.register.schemas")),
            use_latest: self.flag(&option("use.latest.version")),
            normalize: self.flag(&option("normalize.schemas")),
            strategy,
        }
    }

    /// Apicurio's registry. What only finds schemas would have to find those that its converter has cut into pieces.
    fn apicurio(&mut self, prefix: &str) -> RegistrySettings {
        let option = |name: &str| format!("{prefix}.apicurio.{name}");
        let (url, registers) = (option("registry.url"), option("registry.auto-register"));
        let urls = self.urls(&url);
        if urls.len() != 1 {
            let problem = Problem::refuse("config/missing", format!("{url} is not one address"));
            self.refuse(&url, problem.fix(format!("{url}=http://HOST:8080/apis/registry/v2, or v3")));
        }
        let auto_register = self.flag(&registers);
        if !auto_register {
            let problem = Problem::refuse("config/not-supported", format!("{registers}=false is not supported"))
                .why("schemas are looked up by registering them");
            self.refuse(&registers, problem.fix(format!("{registers}=true")));
        }
        let user = self.text(&option("auth.username"));
        let password = self.text(&option("auth.password"));
        RegistrySettings {
            api: RegistryApi::Apicurio { global_ids: self.word(&option("registry.use-id")) == "globalid" },
            urls,
            user: (!user.is_empty()).then(|| (user, Secret::new(password))),
            auto_register,
            ..RegistrySettings::default()
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
                    let fix = match key.strip_suffix("registry.url").filter(|prefix| prefix.ends_with("apicurio.")) {
                        Some(prefix) => format!("{prefix}auth.username=NAME and {prefix}auth.password=${{env:...}}"),
                        None => format!(
                            "{0}basic.auth.credentials.source=USER_INFO and {0}basic.auth.user.info=${{env:...}}",
                            key.trim_end_matches("schema.registry.url")
                        ),
                    };
                    Problem::refuse("config/value", format!("{key} holds a name or a password")).fix(fix)
                }
                Some(_) => continue,
            };
            self.refuse(key, problem);
        }
        urls
    }

    fn user(&mut self, prefix: &str) -> Option<(String, Secret)> {
        if self.word(&format!("{prefix}.basic.auth.credentials.source")) != "user_info" {
            return None;
        }
        let key = format!("{prefix}.basic.auth.user.info");
        let older = format!("{prefix}.schema.registry.basic.auth.user.info");
        let text = Some(self.text(&key)).filter(|text| !text.is_empty()).unwrap_or_else(|| self.text(&older));
        let user = text.split_once(':').map(|(name, password)| (name.to_owned(), Secret::new(password)));
        if user.is_none() {
            self.refuse(&key, Problem::refuse("config/value", format!("{key} is not NAME:PASSWORD")));
        }
        user
    }
}
