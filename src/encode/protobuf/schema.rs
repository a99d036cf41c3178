//! A Connect schema as a `.proto` file, as Confluent's `ProtobufData` makes it, to the byte.
//!
//! A struct is a message within the one that holds it, fields are numbered in order from 1, what Kafka Connect knows as
//! decimal, date, time and timestamp are the messages of those names, and what may be null is told only when
//! `optional.for.nullables` or `wrapper.for.nullables` asks for it. Names are the schema's last parts; two different structs
//! of one name in one message, which Confluent's converter would take for the same, are refused.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::write::{Field, Shape, Value};
use crate::config::postgres::{Language, ProtobufSettings};
use crate::encode::schema::{Kind, Schema};
use crate::encode::walk::lead;
use crate::encode::wire::NoForm;

const WRAPPERS: &str = "google/protobuf/wrappers.proto";
/// Google's wrappers in their file's order, and what each holds.
const WRAPPER_TYPES: [(&str, &str); 9] = [
    ("DoubleValue", "double"),
    ("FloatValue", "float"),
    ("Int64Value", "int64"),
    ("UInt64Value", "uint64"),
    ("Int32Value", "int32"),
    ("UInt32Value", "uint32"),
    ("BoolValue", "bool"),
    ("StringValue", "string"),
    ("BytesValue", "bytes"),
];
/// What stands before them in Google's file.
const WRAPPERS_HEAD: &str = "syntax = \"proto3\";
package google.protobuf;

option java_package = \"com.google.protobuf\";
option java_outer_classname = \"WrappersProto\";
option java_multiple_files = true;
option go_package = \"google.golang.org/protobuf/types/known/wrapperspb\";
option cc_enable_arenas = true;
option objc_class_prefix = \"GPB\";
option csharp_namespace = \"Google.Protobuf.WellKnownTypes\";

";

/// A file and how its message is written.
pub struct File {
    /// The file.
    pub text: String,
    /// The message's full name.
    pub record_name: String,
    /// Which message of the file it is, as it stands behind the id.
    pub index: Box<[u8]>,
    /// The message's fields.
    pub fields: Vec<Field>,
    /// It wraps a single value.
    pub is_single: bool,
}

/// The file of a schema.
pub fn of(schema: &Schema, settings: ProtobufSettings) -> Result<File, NoForm> {
    let Kind::Struct(_) = schema.kind else { return single(schema) };
    let mut writer = Writer { settings, imports: Vec::new(), unnamed: 0 };
    let full = writer.name_of(schema.name.as_deref());
    let parts: Vec<String> = full.split('.').map(|part| writer.scrubbed(part)).collect();
    parts.iter().try_for_each(|part| check(part))?;
    let (name, package) = parts.split_last().ok_or_else(|| wrong(&full))?;
    let (message, fields) = writer.message(name.clone(), schema)?;
    let mut text = String::from("syntax = \"proto3\";\n");
    if !package.is_empty() {
        put(&mut text, format_args!("package {};\n", package.join(".")));
    }
    if !writer.imports.is_empty() {
        text.push('\n');
        writer.imports.iter().for_each(|import| put(&mut text, format_args!("import \"{import}\";\n")));
    }
    text.push('\n');
    message.lines().iter().for_each(|line| put(&mut text, format_args!("{line}\n")));
    Ok(File { text, record_name: parts.join("."), index: [0].into(), fields, is_single: false })
}

/// A value that is no row.
fn single(schema: &Schema) -> Result<File, NoForm> {
    let (wrapper, value) = match &schema.kind {
        Kind::Boolean => ("BoolValue", Value::Boolean),
        Kind::Int8 | Kind::Int16 | Kind::Int32 => ("Int32Value", Value::Integer(32)),
        Kind::Int64 => ("Int64Value", Value::Integer(64)),
        Kind::Float => ("FloatValue", Value::Float),
        Kind::Double => ("DoubleValue", Value::Double),
        Kind::String => ("StringValue", Value::String),
        Kind::Bytes => ("BytesValue", Value::Bytes),
        Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => return Err(NoForm::Single("a list or a map")),
    };
    if logical(schema).is_some() {
        return Err(NoForm::Single("a decimal or a time of Kafka Connect"));
    }
    let mut text = WRAPPERS_HEAD.to_owned();
    for (name, kind) in WRAPPER_TYPES {
        put(&mut text, format_args!("message {name} {{\n  {kind} value = 1 [json_name = \"value\"];\n}}\n"));
    }
    let place = WRAPPER_TYPES.iter().position(|(name, _)| *name == wrapper).unwrap_or_default();
    // How many indexes and the index, zigzag; the first message is short.
    let index: &[u8] = if place == 0 { &[0] } else { &[2, place as u8 * 2] };
    let field = Field { lead: Box::default(), number: 1, value, shape: Shape::Implicit, nullable: false };
    Ok(File { text, record_name: format!("google.protobuf.{wrapper}"), index: index.into(), fields: vec![field], is_single: true })
}

/// The message of one of Kafka Connect's own types, and its file.
fn logical(schema: &Schema) -> Option<(&'static str, &'static str, Value)> {
    let parameter = |name: &str| schema.parameters.iter().find(|(known, _)| **known == *name).map(|(_, value)| value);
    Some(match schema.name.as_deref()? {
        "org.apache.kafka.connect.data.Decimal" => {
            let scale = parameter("scale").and_then(|scale| scale.parse().ok()).unwrap_or_default();
            ("confluent.type.Decimal", "confluent/type/decimal.proto", Value::Decimal(scale))
        }
        "org.apache.kafka.connect.data.Date" => ("google.type.Date", "google/type/date.proto", Value::Date),
        "org.apache.kafka.connect.data.Time" => ("google.type.TimeOfDay", "google/type/timeofday.proto", Value::Time),
        "org.apache.kafka.connect.data.Timestamp" => ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto", Value::Timestamp),
        _ => return None,
    })
}

/// A message of the file.
struct Message {
    name: String,
    /// An entry of a map, which has no word for what may be null.
    is_entry: bool,
    /// Its fields, line by line.
    fields: Vec<String>,
    messages: Vec<(Self, Option<Schema>)>,
}

impl Message {
    /// Its lines: an empty one between fields and messages.
    fn lines(&self) -> Vec<String> {
        if self.fields.is_empty() && self.messages.is_empty() {
            return vec![format!("message {} {{}}", self.name)];
        }
        let mut lines = vec![format!("message {} {{", self.name)];
        lines.extend(self.fields.iter().map(|line| format!("  {line}")));
        if !self.fields.is_empty() && !self.messages.is_empty() {
            lines.push(String::new());
        }
        for (message, _) in &self.messages {
            lines.extend(message.lines().iter().map(|line| format!("  {line}")));
        }
        lines.push("}".to_owned());
        lines
    }
}

struct Writer {
    settings: ProtobufSettings,
    imports: Vec<&'static str>,
    /// How many schemas without a name there were.
    unnamed: usize,
}

/// The type of a field: what the file says, how it is written, and whether a wrapper stands around it.
struct Type {
    name: String,
    value: Value,
    is_wrapped: bool,
    /// Properties of the field, the flag says that the value stands first.
    meta: Vec<(&'static str, String, bool)>,
}

impl Writer {
    fn name_of(&mut self, name: Option<&str>) -> String {
        name.filter(|name| !name.is_empty()).map_or_else(
            || {
                self.unnamed += 1;
                format!("ConnectDefault{}", self.unnamed)
            },
            str::to_owned,
        )
    }

    fn scrubbed(&self, name: &str) -> String {
        if self.settings.scrub_names { scrubbed(name) } else { name.to_owned() }
    }

    /// The last part of a name.
    fn short_name(&mut self, name: Option<&str>) -> String {
        let full = self.name_of(name);
        self.scrubbed(full.rsplit('.').next().unwrap_or_default())
    }

    fn import(&mut self, file: &'static str) {
        if !self.imports.contains(&file) {
            self.imports.push(file);
        }
    }

    fn message(&mut self, name: String, schema: &Schema) -> Result<(Message, Vec<Field>), NoForm> {
        let Kind::Struct(fields) = &schema.kind else { return Err(wrong(&name)) };
        let mut message = Message { name, is_entry: false, fields: Vec::new(), messages: Vec::new() };
        let mut written = Vec::new();
        let mut names = HashSet::new();
        for (place, field) in fields.iter().enumerate() {
            let name = self.scrubbed(&field.name);
            let number = u32::try_from(place + 1).map_err(|_| wrong(&name))?;
            let (field, is_optional) = self.field(&mut message, &name, number, &field.schema, lead(place, &field.name))?;
            // What says `optional` is a `oneof` of its own.
            let oneof = is_optional.then(|| format!("_{name}"));
            for name in oneof.into_iter().chain([name]) {
                if !names.insert(name.clone()) {
                    return Err(NoForm::Twice { name, within: message.name });
                }
            }
            written.push(field);
        }
        for (inner, _) in &message.messages {
            if !names.insert(inner.name.clone()) {
                return Err(NoForm::Twice { name: inner.name.clone(), within: message.name });
            }
        }
        Ok((message, written))
    }

    /// Adds a field to a message; also says whether it is labelled `optional`.
    fn field(&mut self, message: &mut Message, name: &str, number: u32, schema: &Schema, lead: Box<[u8]>) -> Result<(Field, bool), NoForm> {
        check(name)?;
        let (element, is_repeated) = match &schema.kind {
            Kind::Array(element) => (&**element, true),
            _ => (schema, false),
        };
        let is_map = matches!(element.kind, Kind::Map(..));
        let may_be_optional = !is_repeated && !is_map && !message.is_entry;
        let is_optional = self.settings.optional_for_nullables && schema.optional && may_be_optional;
        let Type { name: kind, value, is_wrapped, meta } = self.type_of(message, name, element)?;
        let label = match () {
            () if is_repeated || is_map => "repeated ",
            () if is_optional => "optional ",
            () => "",
        };
        let mut line = format!("{label}{kind} {name} = {number}");
        if !meta.is_empty() {
            line.push_str(" [(confluent.field_meta) = {");
            message.fields.push(line);
            message.fields.push("  params: [".to_owned());
            let last = meta.len() - 1;
            for (place, (key, value, value_first)) in meta.iter().enumerate() {
                let (key, value) = (format!("key: \"{key}\""), format!("value: \"{value}\""));
                let (first, second) = if *value_first { (value, key) } else { (key, value) };
                let end = if place == last { "    }" } else { "    }," };
                message.fields.extend(["    {".to_owned(), format!("      {first},"), format!("      {second}"), end.to_owned()]);
            }
            message.fields.extend(["  ]".to_owned(), "}];".to_owned()]);
        } else {
            line.push(';');
            message.fields.push(line);
        }
        let shape = match () {
            () if is_repeated || is_map => Shape::Repeated { wrapped: is_wrapped },
            () if is_wrapped => Shape::Wrapped,
            () if is_optional => Shape::Optional,
            () => Shape::Implicit,
        };
        Ok((Field { lead, number, value, shape, nullable: schema.optional }, is_optional))
    }

    fn type_of(&mut self, message: &mut Message, field: &str, schema: &Schema) -> Result<Type, NoForm> {
        if let Some((name, file, value)) = logical(schema) {
            self.import(file);
            let mut meta = Vec::new();
            if matches!(value, Value::Decimal(_)) {
                for (known, told) in [("connect.decimal.precision", "precision"), ("scale", "scale")] {
                    let found = schema.parameters.iter().find(|(name, _)| **name == *known);
                    meta.extend(found.map(|(_, value)| (told, value.to_string(), true)));
                }
            }
            return Ok(Type { name: name.to_owned(), value, is_wrapped: false, meta });
        }
        let (kind, wrapper, value) = match &schema.kind {
            Kind::Boolean => ("bool", "BoolValue", Value::Boolean),
            Kind::Int8 | Kind::Int16 | Kind::Int32 => ("int32", "Int32Value", Value::Integer(32)),
            Kind::Int64 => ("int64", "Int64Value", Value::Integer(64)),
            Kind::Float => ("float", "FloatValue", Value::Float),
            Kind::Double => ("double", "DoubleValue", Value::Double),
            Kind::String => ("string", "StringValue", Value::String),
            Kind::Bytes => ("bytes", "BytesValue", Value::Bytes),
            Kind::Struct(_) => return self.struct_type(message, field, schema),
            Kind::Map(keys, values) => return self.map_type(message, schema, keys, values),
            Kind::Array(_) => return Err(NoForm::Single("a list of lists")),
        };
        let is_wrapped = self.settings.wrapper_for_nullables && schema.optional;
        let short = match schema.kind {
            Kind::Int8 => Some("int8"),
            Kind::Int16 => Some("int16"),
            _ => None,
        };
        let meta = short.map(|name| ("connect.type", name.to_owned(), false)).into_iter().collect();
        if !is_wrapped {
            return Ok(Type { name: kind.to_owned(), value, is_wrapped, meta });
        }
        self.import(WRAPPERS);
        Ok(Type { name: format!("google.protobuf.{wrapper}"), value, is_wrapped, meta })
    }

    fn struct_type(&mut self, message: &mut Message, field: &str, schema: &Schema) -> Result<Type, NoForm> {
        let mut name = self.short_name(schema.name.as_deref());
        // A field and a message of one name cannot stand beside each other.
        if name == field {
            name.push_str("Message");
        }
        check(&name)?;
        let bare = Schema { optional: false, ..bare(schema) };
        let known = message.messages.iter().find(|(inner, _)| inner.name == name);
        let is_known = known.is_some();
        if message.name == name || known.is_some_and(|(_, known)| known.as_ref() != Some(&bare)) {
            return Err(NoForm::Twice { name, within: message.name.clone() });
        }
        let unnamed = self.unnamed;
        let (inner, fields) = self.message(name.clone(), schema)?;
        if is_known {
            self.unnamed = unnamed;
        } else {
            message.messages.push((inner, Some(bare)));
        }
        Ok(Type { name, value: Value::Message(fields), is_wrapped: false, meta: Vec::new() })
    }

    fn map_type(&mut self, message: &mut Message, schema: &Schema, keys: &Schema, values: &Schema) -> Result<Type, NoForm> {
        let name = format!("{}Entry", entry_name(&self.short_name(schema.name.as_deref())));
        let mut inner = Message { name: name.clone(), is_entry: true, fields: Vec::new(), messages: Vec::new() };
        self.field(&mut inner, "key", 1, keys, Box::default())?;
        let (value, _) = self.field(&mut inner, "value", 2, values, Box::default())?;
        message.messages.push((inner, None));
        Ok(Type { name, value: Value::Map(Box::new(value)), is_wrapped: false, meta: Vec::new() })
    }
}

/// What of a schema a message says.
fn bare(schema: &Schema) -> Schema {
    let kind = match &schema.kind {
        Kind::Struct(fields) => Kind::Struct(fields.iter().map(|field| bare(&field.schema).field(&field.name)).collect()),
        Kind::Array(element) => Kind::Array(Box::new(bare(element))),
        Kind::Map(keys, values) => Kind::Map(Box::new(bare(keys)), Box::new(bare(values))),
        kind => kind.clone(),
    };
    let parameters = if logical(schema).is_some() { schema.parameters.clone() } else { Vec::new() };
    Schema { optional: schema.optional, name: schema.name.clone(), parameters, ..Schema::new(kind) }
}

/// The words between underscores, each with a capital and nothing else large.
fn entry_name(name: &str) -> String {
    if !name.contains('_') {
        return name.to_owned();
    }
    let word = |word: &str| {
        let lower = word.to_ascii_lowercase();
        let (first, rest) = lower.split_at_checked(1).unwrap_or((&lower, ""));
        first.to_ascii_uppercase() + rest
    };
    name.split('_').map(word).collect()
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = text.write_fmt(what);
}

fn wrong(name: &str) -> NoForm {
    NoForm::Name { language: Language::Protobuf, name: name.to_owned() }
}

fn check(name: &str) -> Result<(), NoForm> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') { Ok(()) } else { Err(wrong(name)) }
}

/// `scrub.invalid.names`: what is not allowed is written as in an address, with `_` for what is not a letter or a digit there.
fn scrubbed(name: &str) -> String {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let Some(first) = name.bytes().next() else { return String::new() };
    if first.is_ascii_alphabetic() && name.bytes().all(is_fine) {
        return name.to_owned();
    }
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            byte if is_fine(byte) => out.push(char::from(byte)),
            b'.' | b'-' | b'*' | b' ' => out.push('_'),
            byte => put(&mut out, format_args!("_{byte:02X}")),
        }
    }
    // What begins with neither a letter nor a sign gets a letter; a sign became `_` only afterwards.
    if first.is_ascii_digit() || first == b'_' { format!("x{out}") } else { out }
}
