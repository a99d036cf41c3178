//! A schema registry that is not ours and not Confluent's: Apicurio's.
//!
//! Aim: who has one beside Kafka keeps it. Method: the connector registers with it under its Confluent-compatible address,
//! Confluent's client reads every record back through it, beside the rows' JSON events (as in `avro` and `forms`).

use serde_json::{Value, json};

use super::avro::{CONFLUENT_AVRO, all_types_are_read};
use super::forms::{JSON_SCHEMA, LISTS, NO_NULLS, PROTOBUF};
use crate::support::apicurio::Apicurio;
use crate::support::service::with;

/// Both converters ask this registry.
fn asking(url: &str) -> Value {
    json!({"key.converter.schema.registry.url": url, "value.converter.schema.registry.url": url})
}

#[test]
fn the_schemas_of_avro_may_be_in_apicurios_registry() {
    let Some(registry) = Apicurio::start() else { return };
    all_types_are_read("apicurio_avro", CONFLUENT_AVRO, &[], &asking(&registry.as_confluent()));
}

#[test]
fn the_schemas_of_json_and_of_protocol_buffers_may_be_in_apicurios_registry() {
    let Some(registry) = Apicurio::start() else { return };
    all_types_are_read("apicurio_json", JSON_SCHEMA, &[], &asking(&registry.as_confluent()));
    drop(registry);
    let Some(registry) = Apicurio::start() else { return };
    let options = with(asking(&registry.as_confluent()), &json!({"table.include.list": NO_NULLS}));
    all_types_are_read("apicurio_protobuf", PROTOBUF, LISTS, &options);
}
