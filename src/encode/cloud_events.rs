//! CloudEvents: an event's envelope as Debezium's `CloudEventsConverter` writes it.
//!
//! ```text
//! {"id":"name:..;lsn:..;txId:..;sequence:..","source":"/debezium/postgresql/..","specversion":"1.0","type":..,"time":..,
//!  "datacontenttype":..,("dataschema":..,) "iodebeziumop":..,"iodebezium<a field of source>":..,"iodebeziumtx<..>":..,"data":..}
//! ```
//! `data` has before and after: as JSON, with their schema or without, or as Avro in base64 with its schema in a registry.
//! The whole may be Avro, too: a record of these attributes, `data` in bytes.
//!
//! What is no envelope (heartbeats, messages, the records of transactions) has no value, as in Debezium. Owns the
//! attributes; values are the event's own JSON, which is read again.

use std::cell::RefCell;

use super::avro::Avro;
use super::java::civil;
use super::json;
use super::plan::adjusted;
use super::schema::{Field, Kind, Schema};
use super::walk::{Mismatch, Walk, lead};
use super::wire::{NoForm, Registration};
use crate::config::postgres::CloudEventsSettings;

/// What `data` is called among schemas.
const DATA: &str = "io.debezium.connector.postgresql.Data";

/// The form of a topic's values.
#[derive(Debug)]
pub struct CloudEvents {
    /// None: the records are no envelopes.
    envelope: Option<Envelope>,
}

#[derive(Debug)]
struct Envelope {
    /// What leads to each field of the envelope, and what it is.
    fields: Vec<(Box<[u8]>, Option<Part>)>,
    source: Vec<Attribute>,
    transaction: Vec<Attribute>,
    has_extensions: bool,
    data: Data,
    whole: Option<Whole>,
}

/// The whole event in Avro.
#[derive(Debug)]
struct Whole {
    avro: Box<Avro>,
    /// The event in JSON, before it is written in Avro.
    scratch: RefCell<Vec<u8>>,
}

/// How `data` is written.
#[derive(Debug)]
enum Data {
    /// JSON, behind its schema or nothing.
    Json { before: Box<[u8]> },
    /// Avro.
    Avro(Box<Avro>),
}

/// The fields of an envelope that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Before,
    After,
    Source,
    Transaction,
    Op,
}

/// A field of `source` or `transaction` as an attribute.
#[derive(Debug)]
struct Attribute {
    name: Box<str>,
    /// What leads to it in the event.
    lead: Box<[u8]>,
    /// What leads to it in the CloudEvent.
    out: Box<[u8]>,
    /// A number of 64 bits is text there.
    is_long: bool,
}

impl CloudEvents {
    /// The form of a schema; `mark` is what stands for an unchanged value, `space` what the whole's schema is named by: the
    /// connector's and the database's name.
    pub fn new(schema: &Schema, settings: CloudEventsSettings, mark: &[u8], space: &str) -> Result<Self, NoForm> {
        let is_envelope = schema.name.as_deref().is_some_and(|name| name.ends_with(".Envelope"));
        let Kind::Struct(fields) = &schema.kind else { return Ok(Self { envelope: None }) };
        if !is_envelope {
            return Ok(Self { envelope: None });
        }
        let field = |name: &'static str| fields.iter().find(|field| *field.name == *name).ok_or(NoForm::Part(name));
        let inner = |name: &'static str, prefix: &str| match &field(name)?.schema.kind {
            Kind::Struct(fields) => Ok(attributes(fields, prefix)),
            _ => Err(NoForm::Part(name)),
        };
        let source = inner("source", "")?;
        let whole = match settings.avro_data.zip(settings.avro) {
            None => None,
            Some((avro, mode)) => {
                let name = adjusted(format!("{space}.CloudEvents.Envelope"), mode);
                let whole = whole_schema(&name, &field("source")?.schema, settings.extensions);
                Some(Whole { avro: Box::new(Avro::new(&whole, avro, mark)?), scratch: RefCell::default() })
            }
        };
        for name in ["name", "ts_ms", "lsn", "txId", "sequence"] {
            if !source.iter().any(|attribute| *attribute.name == *name) {
                return Err(NoForm::Part(name));
            }
        }
        let data = Schema::of_struct(DATA, vec![field("before")?.clone(), field("after")?.clone()]);
        field("op")?;
        let has_transaction = fields.iter().any(|field| *field.name == *"transaction");
        let known = [
            ("before", Part::Before),
            ("after", Part::After),
            ("source", Part::Source),
            ("transaction", Part::Transaction),
            ("op", Part::Op),
        ];
        let part = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, part)| *part);
        let fields = fields.iter().enumerate().map(|(place, field)| (lead(place, &field.name), part(&field.name))).collect();
        Ok(Self {
            envelope: Some(Envelope {
                fields,
                source,
                transaction: if has_transaction { inner("transaction", "tx")? } else { attributes_of_none() },
                has_extensions: settings.extensions,
                data: match settings.avro_data {
                    Some(avro) => {
                        let mut avro = Avro::new(&data, avro, mark)?;
                        avro.registration.topic_suffix = if whole.is_some() { "-data" } else { "" };
                        Data::Avro(Box::new(avro))
                    }
                    None if settings.schemas => Data::Json { before: data.before_payload() },
                    None => Data::Json { before: Box::default() },
                },
                whole,
            }),
        })
    }

    /// Whether rows have a value in this form.
    pub fn is_envelope(&self) -> bool {
        self.envelope.is_some()
    }

    /// What a registry is to know.
    pub fn registrations(&mut self) -> Vec<&mut Registration> {
        let Some(Envelope { data: Data::Avro(data), whole, .. }) = &mut self.envelope else { return Vec::new() };
        let whole = whole.as_mut().map(|whole| &mut whole.avro.registration);
        std::iter::once(&mut data.registration).chain(whole).collect()
    }

    /// Appends what `json` says; false where there is no value.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<bool, Mismatch> {
        let Some(envelope) = &self.envelope else { return Ok(false) };
        let Some(whole) = &envelope.whole else { return envelope.write(json, out).map(|()| true) };
        let mut scratch = whole.scratch.borrow_mut();
        scratch.clear();
        envelope.write(json, &mut scratch)?;
        whole.avro.write(&scratch, out)?;
        Ok(true)
    }
}

/// What a CloudEvent is in Avro: texts, the attributes of `source` and of the transaction, `data` in bytes.
fn whole_schema(name: &str, source: &Schema, extensions: bool) -> Schema {
    let texts = ["id", "source", "specversion", "type", "time", "datacontenttype", "dataschema"];
    let mut fields: Vec<Field> = texts.into_iter().map(|name| Schema::from(Kind::String).field(name)).collect();
    if extensions {
        fields.push(Schema::from(Kind::String).field(&extension("op")));
        let attributes = |schema: &Schema, prefix: &str, optional: bool| match &schema.kind {
            Kind::Struct(fields) => fields.iter().map(|field| attribute(field, prefix, optional)).collect(),
            _ => Vec::new(),
        };
        fields.extend(attributes(source, "", false));
        fields.extend(attributes(&super::envelope::schema::transaction().schema, "tx", true));
    }
    fields.push(Schema::from(Kind::Bytes).field("data"));
    Schema::of_struct(name, fields)
}

/// A field of `source` or `transaction` as a field of the whole: numbers of 64 bits are text there.
fn attribute(field: &Field, prefix: &str, optional: bool) -> Field {
    let kind = if field.schema.kind == Kind::Int64 { Kind::String } else { field.schema.kind.clone() };
    let schema = Schema { optional: optional || field.schema.optional, ..Schema::new(kind) };
    schema.field(&extension(&format!("{prefix}{}", field.name)))
}

/// A name as that of an attribute.
fn extension(name: &str) -> String {
    format!("iodebezium{}", name.chars().filter(char::is_ascii_alphanumeric).collect::<String>())
}

fn attributes(fields: &[Field], prefix: &str) -> Vec<Attribute> {
    let attribute = |(place, field): (usize, &Field)| {
        let name = extension(&format!("{prefix}{}", field.name));
        Attribute {
            name: field.name.clone(),
            lead: lead(place, &field.name),
            out: format!(",\"{name}\":").into_bytes().into(),
            is_long: field.schema.kind == Kind::Int64,
        }
    };
    fields.iter().enumerate().map(attribute).collect()
}

/// The attributes of a transaction stand there, null, also when events have none.
fn attributes_of_none() -> Vec<Attribute> {
    match super::envelope::schema::transaction().schema.kind {
        Kind::Struct(fields) => attributes(&fields, "tx"),
        _ => Vec::new(),
    }
}

/// The values of an envelope's parts, as they stand in the event.
struct Parts<'a> {
    before: &'a [u8],
    after: &'a [u8],
    source: &'a [u8],
    transaction: &'a [u8],
    op: &'a [u8],
}

impl Envelope {
    fn parts<'a>(&self, json: &'a [u8]) -> Result<Parts<'a>, Mismatch> {
        let mut walk = Walk { rest: json };
        let mut parts = Parts { before: b"null", after: b"null", source: b"", transaction: b"null", op: b"null" };
        for (lead, part) in &self.fields {
            walk.expect(lead)?;
            let value = walk.value()?;
            match part {
                Some(Part::Before) => parts.before = value,
                Some(Part::After) => parts.after = value,
                Some(Part::Source) => parts.source = value,
                Some(Part::Transaction) => parts.transaction = value,
                Some(Part::Op) => parts.op = value,
                None => {}
            }
        }
        walk.expect(b"}")?;
        walk.end()?;
        Ok(parts)
    }

    fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let parts = self.parts(json)?;
        let of_source = |name: &str| self.of_source(parts.source, name);
        let name = of_source("name")?;
        out.extend_from_slice(b"{\"id\":\"name:");
        out.extend_from_slice(inside(name));
        out.extend_from_slice(b";lsn:");
        out.extend_from_slice(inside(of_source("lsn")?));
        out.extend_from_slice(b";txId:");
        out.extend_from_slice(inside(of_source("txId")?));
        out.extend_from_slice(b";sequence:");
        out.extend_from_slice(inside(of_source("sequence")?));
        out.extend_from_slice(b"\",\"source\":\"/debezium/postgresql/");
        out.extend_from_slice(inside(name));
        out.extend_from_slice(b"\",\"specversion\":\"1.0\",\"type\":\"io.debezium.connector.postgresql.DataChangeEvent\",\"time\":\"");
        put_time(out, Walk { rest: of_source("ts_ms")? }.integer(64)?);
        match &self.data {
            Data::Json { .. } => out.extend_from_slice(b"\",\"datacontenttype\":\"application/json\""),
            Data::Avro(avro) => {
                out.extend_from_slice(b"\",\"datacontenttype\":\"application/avro\",\"dataschema\":\"");
                out.extend_from_slice(avro.registration.registry.as_bytes());
                out.extend_from_slice(b"/schemas/ids/");
                json::integer(out, avro.registration.id);
                out.push(b'"');
            }
        }
        if self.has_extensions {
            out.extend_from_slice(b",\"iodebeziumop\":");
            out.extend_from_slice(parts.op);
            put_attributes(out, &self.source, parts.source)?;
            put_attributes(out, &self.transaction, parts.transaction)?;
        }
        out.extend_from_slice(b",\"data\":");
        match &self.data {
            Data::Json { before } => {
                out.extend_from_slice(before);
                out.extend_from_slice(b"{\"before\":");
                out.extend_from_slice(parts.before);
                out.extend_from_slice(b",\"after\":");
                out.extend_from_slice(parts.after);
                out.push(b'}');
                if !before.is_empty() {
                    out.push(b'}');
                }
            }
            Data::Avro(avro) => {
                out.push(b'"');
                let start = out.len();
                avro.write_fields(&[parts.before, parts.after], out)?;
                into_base64(out, start);
                out.push(b'"');
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// A field of the source block.
    fn of_source<'a>(&self, source: &'a [u8], name: &str) -> Result<&'a [u8], Mismatch> {
        let mut walk = Walk { rest: source };
        for attribute in &self.source {
            walk.expect(&attribute.lead)?;
            let value = walk.value()?;
            if *attribute.name == *name {
                return Ok(value);
            }
        }
        Err(Mismatch)
    }
}

fn put_attributes(out: &mut Vec<u8>, attributes: &[Attribute], json: &[u8]) -> Result<(), Mismatch> {
    let mut walk = Walk { rest: json };
    let is_null = walk.accept(b"null");
    for attribute in attributes {
        let value = if is_null {
            b"null"
        } else {
            walk.expect(&attribute.lead)?;
            walk.value()?
        };
        out.extend_from_slice(&attribute.out);
        let is_text = attribute.is_long && value != b"null";
        if is_text {
            out.push(b'"');
        }
        out.extend_from_slice(value);
        if is_text {
            out.push(b'"');
        }
    }
    if is_null {
        return walk.end();
    }
    walk.expect(b"}")?;
    walk.end()
}

/// A text without its quotes, still escaped; all else as it is.
fn inside(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

/// `2026-11-21T04:32:56.277Z`.
fn put_time(out: &mut Vec<u8>, ms: i64) {
    let (year, month, day) = civil(ms.div_euclid(86_400_000));
    let of_day = ms.rem_euclid(86_400_000);
    put_padded(out, year.max(0), 4);
    for (mark, number, digits) in [
        (b'-', month, 2),
        (b'-', day, 2),
        (b'T', of_day / 3_600_000, 2),
        (b':', of_day / 60_000 % 60, 2),
        (b':', of_day / 1000 % 60, 2),
        (b'.', of_day % 1000, 3),
    ] {
        out.push(mark);
        put_padded(out, number, digits);
    }
    out.push(b'Z');
}

fn put_padded(out: &mut Vec<u8>, number: i64, digits: u32) {
    let mut least = 10_i64.pow(digits - 1);
    while least > 1 && number < least {
        out.push(b'0');
        least /= 10;
    }
    json::integer(out, number);
}

/// Turns what was appended from `start` on into base64, in its place: from behind, where there is room.
fn into_base64(out: &mut Vec<u8>, start: usize) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let length = out.len().saturating_sub(start);
    let chunks = length.div_ceil(3);
    out.resize(start + chunks * 4, 0);
    let Some(text) = out.get_mut(start..) else { return };
    for chunk in (0..chunks).rev() {
        let left = (length - chunk * 3).min(3);
        let byte = |place: usize| if place < left { text.get(chunk * 3 + place).copied().unwrap_or_default() } else { 0 };
        let bits = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
        let digit = |place: usize| {
            if place > left { b'=' } else { DIGITS.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or_default() }
        };
        let four = [digit(0), digit(1), digit(2), digit(3)];
        if let Some(room) = text.get_mut(chunk * 4..chunk * 4 + 4) {
            room.copy_from_slice(&four);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::postgres::{AvroSettings, NameAdjustment};
    use crate::encode::envelope::schema::envelope;
    use proptest::prelude::*;

    const EVENT: &str = concat!(
        r#"{"before":null,"after":{"id":1,"t":"a\"}b"},"source":{"version":"3.6.3","connector":"postgresql","name":"srv","ts_ms":1795235576277,"#,
        r#""snapshot":"last","db":"d","sequence":"[null,\"5\"]","ts_us":1795235576277123,"ts_ns":1795235576277123000,"schema":"public","table":"t","#,
        r#""txId":null,"lsn":5,"xmin":null,"origin":null,"origin_lsn":null},"transaction":TX,"op":"r","ts_ms":1,"ts_us":2,"ts_ns":3}"#
    );

    fn schema() -> Schema {
        let fields = vec![Schema::from(Kind::Int32).field("id"), Schema::from(Kind::String).optional().field("t")];
        envelope("srv.public.t", &Schema::of_struct("srv.public.t.Value", fields))
    }

    fn written(settings: CloudEventsSettings, event: &str) -> String {
        let mut form = CloudEvents::new(&schema(), settings, b"~", "srv.d").expect("an envelope");
        for registration in form.registrations() {
            registration.id = 7;
            registration.registry = "http://r:8081".to_owned();
        }
        let mut out = Vec::new();
        assert_eq!(form.write(event.as_bytes(), &mut out), Ok(true));
        String::from_utf8(out).expect("text")
    }

    const PLAIN: CloudEventsSettings = CloudEventsSettings { extensions: true, schemas: false, avro_data: None, avro: None };

    #[test]
    fn an_envelope_is_debeziums() {
        let head = concat!(
            r#"{"id":"name:srv;lsn:5;txId:null;sequence:[null,\"5\"]","source":"/debezium/postgresql/srv","specversion":"1.0","#,
            r#""type":"io.debezium.connector.postgresql.DataChangeEvent","time":"2026-11-21T04:32:56.277Z","datacontenttype":"application/json","#
        );
        let extensions = concat!(
            r#""iodebeziumop":"r","iodebeziumversion":"3.6.3","iodebeziumconnector":"postgresql","iodebeziumname":"srv","#,
            r#""iodebeziumtsms":"1795235576277","iodebeziumsnapshot":"last","iodebeziumdb":"d","iodebeziumsequence":"[null,\"5\"]","#,
            r#""iodebeziumtsus":"1795235576277123","iodebeziumtsns":"1795235576277123000","iodebeziumschema":"public","iodebeziumtable":"t","#,
            r#""iodebeziumtxId":null,"iodebeziumlsn":"5","iodebeziumxmin":null,"iodebeziumorigin":null,"iodebeziumoriginlsn":null,"#,
            r#""iodebeziumtxid":"9:5","iodebeziumtxtotalorder":"1","iodebeziumtxdatacollectionorder":"2","#
        );
        let data = r#""data":{"before":null,"after":{"id":1,"t":"a\"}b"}}}"#;
        let event = EVENT.replace("TX", r#"{"id":"9:5","total_order":1,"data_collection_order":2}"#);
        assert_eq!(written(PLAIN, &event), format!("{head}{extensions}{data}"));
        let bare = CloudEventsSettings { extensions: false, ..PLAIN };
        assert_eq!(written(bare, &EVENT.replace("TX", "null")), format!("{head}{data}"));
        let with_schema = written(CloudEventsSettings { schemas: true, ..bare }, &EVENT.replace("TX", "null"));
        let begin = format!("{head}\"data\":{{\"schema\":{{\"type\":\"struct\",\"fields\":[{{\"type\":\"struct\",");
        assert!(with_schema.starts_with(&begin), "{with_schema}");
        let end =
            r#""optional":false,"name":"io.debezium.connector.postgresql.Data"},"payload":{"before":null,"after":{"id":1,"t":"a\"}b"}}}}"#;
        assert!(with_schema.ends_with(end), "{with_schema}");
    }

    /// In Avro: zero, the id, null, the row (branch, 1, branch and text).
    #[test]
    fn data_may_be_avro() {
        let settings = CloudEventsSettings { extensions: false, avro_data: Some(AvroSettings { connect_meta_data: true }), ..PLAIN };
        let text = written(settings, &EVENT.replace("TX", "null"));
        let bytes = [&[0, 0, 0, 0, 7, 0, 2, 2, 2, 8][..], b"a\"}b"].concat();
        let mut expected = Vec::new();
        json::base64(&mut expected, &bytes, json::Alphabet::Standard);
        let data = String::from_utf8(expected).expect("text");
        let end = format!("\"datacontenttype\":\"application/avro\",\"dataschema\":\"http://r:8081/schemas/ids/7\",\"data\":\"{data}\"}}");
        assert!(text.ends_with(&end), "{text}\n{end}");
    }

    /// `cloud_event.txt` is what the real `CloudEventsConverter` makes of this event with Apicurio's `AvroData`: the schema of
    /// `data`, that of the whole, the bytes with the ids 7 and 8; the same once more without extensions.
    #[test]
    fn the_whole_may_be_avro() {
        let captured = include_str!("../../tests/registry/converters/cloud_event.txt");
        let captured: Vec<&str> = captured.lines().collect();
        let event = EVENT.replace("TX", r#"{"id":"9:5","total_order":1,"data_collection_order":2}"#);
        for (extensions, expected) in [true, false].into_iter().zip(captured.chunks(3)) {
            let avro_data = Some(AvroSettings { connect_meta_data: true });
            let settings = CloudEventsSettings { extensions, avro_data, avro: Some(NameAdjustment::Avro), ..PLAIN };
            let mut form = CloudEvents::new(&schema(), settings, b"~", "srv.d").expect("an envelope");
            let mut schemas = Vec::new();
            for (registration, id) in form.registrations().into_iter().zip(7..) {
                (registration.id, registration.registry) = (id, "http://r:8081".to_owned());
                schemas.push((registration.topic_suffix, registration.text.clone()));
            }
            assert_eq!(schemas, [("-data", expected[0].to_owned()), ("", expected[1].to_owned())]);
            let mut out = Vec::new();
            assert_eq!(form.write(event.as_bytes(), &mut out), Ok(true));
            assert_eq!(out.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected[2]);
        }
    }

    #[test]
    fn what_is_no_envelope_has_no_value() {
        let heartbeat = Schema::of_struct("io.debezium.connector.common.Heartbeat", vec![Schema::from(Kind::Int64).field("ts_ms")]);
        let form = CloudEvents::new(&heartbeat, PLAIN, b"~", "srv.d").expect("a form");
        assert!(!form.is_envelope());
        assert_eq!(form.write(b"{\"ts_ms\":1}", &mut Vec::new()), Ok(false));
        let cut = Schema::of_struct("t.Envelope", vec![Schema::from(Kind::String).field("op")]);
        assert_eq!(CloudEvents::new(&cut, PLAIN, b"~", "srv.d").err(), Some(NoForm::Part("source")));
    }

    proptest! {
        #[test]
        fn base64_in_its_place_is_base64(before in proptest::collection::vec(any::<u8>(), 0..5), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut out = [&before[..], &bytes[..]].concat();
            into_base64(&mut out, before.len());
            let mut expected = before;
            json::base64(&mut expected, &bytes, json::Alphabet::Standard);
            prop_assert_eq!(out, expected);
        }
    }
}
