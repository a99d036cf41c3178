//! `transforms` and `predicates`: Kafka Connect's single message transformations, typed.
//!
//! Owns the class names and the checks of their options, which `options.rs` lists. Promises that a class or an option that is not known
//! is refused with the nearest known one, since a transformation that is left out changes every event. What the
//! transformations do to a record is `encode::transform`'s.

mod conversions;
mod options;
pub mod pattern;
pub mod script;
mod zones;

use std::collections::BTreeMap;

pub use conversions::{CastTo, Casts, TimeTarget, Timestamps, UnixPrecision};
pub use options::PluginOption;
use options::{CLASSES, PREDICATES, SCRIPTED_FILTER};
use regex::{Captures, Regex};
use script::Script;
pub use zones::{Chosen, Zone, Zoning};

use super::own::Own;
use crate::config::define::{KeyProblem, invalid, renamed, required, unknown};
use crate::config::suggest;
use crate::problem::Problem;

/// A transformation of the chain.
#[derive(Clone, Debug)]
pub struct Transform {
    /// Its name in `transforms`.
    pub name: String,
    /// What it does.
    pub step: Step,
    /// To which records; `None` is all.
    pub only: Option<Condition>,
    /// `replace.null.with.default`: a column's default stands where it is NULL. Kafka Connect's own default is true.
    pub null_is_default: bool,
}

/// `transforms.x.predicate` and `.negate`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The predicate.
    pub predicate: Predicate,
    /// Applies where the predicate does not.
    pub negate: bool,
}

/// `org.apache.kafka.connect.transforms.predicates`.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// `TopicNameMatches`.
    TopicName(Regex),
    /// `RecordIsTombstone`.
    Tombstone,
    /// `HasHeaderKey`.
    HasHeader(String),
}

/// `$Key` or `$Value` behind a class name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// What a transformation does.
#[derive(Clone, Debug)]
pub enum Step {
    /// `io.debezium.transforms.ExtractNewRecordState`.
    Unwrap(Unwrap),
    /// `org.apache.kafka.connect.transforms.RegexRouter`.
    RegexRouter(Renaming),
    /// `io.debezium.transforms.ByLogicalTableRouter`.
    LogicalRouter(LogicalRouter),
    /// `ReplaceField`: fields to keep (empty: all), to drop, to rename.
    ReplaceField(Part, Vec<String>, Vec<String>, Vec<(String, String)>),
    /// `MaskField`: fields, and what stands there instead of the type's zero.
    MaskField(Part, Vec<String>, Option<String>),
    /// `InsertField`.
    InsertField(Part, Vec<Inserted>),
    /// `ExtractField`.
    ExtractField(Part, String),
    /// `HoistField`.
    HoistField(Part, String),
    /// `ValueToKey`.
    ValueToKey(Vec<String>),
    /// `HeaderFrom`: fields, headers, and whether the fields go.
    HeaderFrom(Part, Vec<String>, Vec<String>, bool),
    /// `InsertHeader`: name and value.
    InsertHeader(String, String),
    /// `DropHeaders`.
    DropHeaders(Vec<String>),
    /// `Cast`.
    Cast(Part, Casts),
    /// `TimestampConverter`.
    Timestamps(Part, Timestamps),
    /// `SetSchemaMetadata`: name and version.
    SchemaMetadata(Part, Option<String>, Option<u32>),
    /// `Flatten`, and what stands between the names.
    Flatten(Part, String),
    /// `io.debezium.transforms.ExtractChangedRecordState`: the headers of changed and of unchanged fields.
    Changes(Option<String>, Option<String>),
    /// `io.debezium.transforms.HeaderToValue`: headers, fields, and whether the headers go.
    HeaderToValue(Vec<String>, Vec<String>, bool),
    /// `io.debezium.transforms.partitions.PartitionRouting`: fields, how many partitions there are, and whether the hash is
    /// `murmur`.
    Partition(Vec<String>, u32, bool),
    /// `io.debezium.transforms.Filter` and `ContentBasedRouter`.
    Script(Box<Script>),
    /// `io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent`, and whether fields that are null stay.
    Decode(bool),
    /// `io.debezium.transforms.TimezoneConverter`.
    Timezone(Box<Zoning>),
    /// `org.apache.kafka.connect.transforms.Filter`: the record goes.
    Drop,
    /// `io.debezium.transforms.outbox.EventRouter`.
    Outbox(Outbox),
}

impl Step {
    /// Whether what it does depends on the topic.
    pub fn looks_at_topics(&self) -> bool {
        let of_topic = |inserted: &[Inserted]| inserted.iter().any(|field| field.text.is_none());
        match self {
            Self::RegexRouter(_) | Self::LogicalRouter(_) => true,
            Self::InsertField(_, fields) => of_topic(fields),
            // A row that names none keeps the topic it has.
            Self::Unwrap(unwrap) => unwrap.route.is_some(),
            Self::Script(script) => script.looks_at_topics(),
            Self::Timezone(zoning) => zoning.looks_at_topics(),
            _ => false,
        }
    }

    /// Whether it asks what a key's or a value's fields hold, and so cannot do with records of which each has fields of its
    /// own.
    pub fn asks_fields(&self, of: Part) -> bool {
        match self {
            Self::MaskField(part, ..)
            | Self::ExtractField(part, _)
            | Self::HoistField(part, _)
            | Self::HeaderFrom(part, ..)
            | Self::Cast(part, _)
            | Self::Timestamps(part, _)
            | Self::Flatten(part, _) => *part == of,
            Self::ValueToKey(_) | Self::HeaderToValue(..) => of == Part::Value,
            Self::Script(_) => true,
            _ => false,
        }
    }

    /// Whether it has a meaning for records that are no row changes: it looks at topics or headers only.
    pub fn concerns_any_record(&self) -> bool {
        matches!(
            self,
            Self::RegexRouter(_) | Self::LogicalRouter(_) | Self::InsertHeader(..) | Self::DropHeaders(_) | Self::Script(_) | Self::Drop
        )
    }
}

/// A field of `InsertField`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Its name.
    pub name: String,
    /// Whether its schema says that it may be null: `name?`, and by default; `name!` says that it may not.
    pub optional: bool,
    /// Its text; `None` is the topic's name.
    pub text: Option<String>,
}

/// `delete.tombstone.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMode {
    /// Neither deletes nor tombstones.
    Drop,
    /// A delete becomes a record without value.
    Tombstone,
    /// A delete becomes the old row, marked.
    Rewrite,
    /// The same, and the tombstone stays.
    RewriteWithTombstone,
    /// A delete becomes a tombstone.
    DeleteToTombstone,
}

/// `ExtractNewRecordState`.
#[derive(Clone, Debug)]
pub struct Unwrap {
    /// What becomes of deletes.
    pub deletes: DeleteMode,
    /// `add.fields`.
    pub fields: Vec<Added>,
    /// `add.headers`.
    pub headers: Vec<Added>,
    /// `route.by.field`: its text is the topic.
    pub route: Option<String>,
    /// `drop.fields.header.name`.
    pub dropped: Option<DroppedFields>,
}

/// Fields that a header lists are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedFields {
    /// `drop.fields.header.name`.
    pub header: String,
    /// `drop.fields.from.key`: out of the key, too.
    pub from_key: bool,
    /// `drop.fields.keep.schema.compatible`: not those that a schema requires.
    pub keeps_required: bool,
}

/// `EventRouter`: rows of an outbox table become messages of their own topics.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// `table.field.event.id`: goes into the header `id`.
    pub id: String,
    /// `table.field.event.key`.
    pub key: String,
    /// `table.field.event.payload`.
    pub payload: String,
    /// `route.by.field`.
    pub route: String,
    /// `route.topic.regex` and `route.topic.replacement`.
    pub topic: Renaming,
    /// `table.field.event.timestamp`: the record's own; `None`: when it was processed.
    pub timestamp: Option<String>,
    /// `table.field.event.schema.version`: of the schema of a payload with columns beside it.
    pub version: Option<String>,
    /// `table.fields.additional.placement`.
    pub more: Vec<Placed>,
    /// `table.field.additional.missing` is `error`.
    pub needs_more: bool,
    /// `table.op.invalid.behavior` is `fatal`.
    pub updates_are_fatal: bool,
    /// `route.tombstone.on.empty.payload`.
    pub empty_is_tombstone: bool,
    /// `table.expand.json.payload`; the flags say whether null fields and empty arrays stay.
    pub expand: Option<Expand>,
    /// `tracing.span.context.field`, where any option of tracing is given: the column that says which trace a message belongs to.
    pub trace: Option<String>,
}

/// What of a JSON payload has no type of its own and stays all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expand {
    /// `table.json.payload.null.behavior` is `optional_bytes`.
    pub nulls: bool,
    /// `table.json.payload.empty.array.behavior` is `optional_string`.
    pub empty_arrays: bool,
}

/// A further column of the outbox table, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The column.
    pub field: String,
    /// Its name there.
    pub name: String,
    /// Where.
    pub place: Place,
}

/// Where a further column of the outbox table goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into a header.
    Header,
    /// Beside the payload.
    Envelope,
    /// It is the number of the record's partition.
    Partition,
}

/// A field of the envelope that is added to the row or the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The block it is in (`source`, `transaction`); `None`: beside `op`.
    pub block: Option<String>,
    /// Its name there.
    pub field: String,
    /// Its name in the record.
    pub name: String,
}

/// A regular expression that must match the whole topic, and what the topic becomes, in Java's notation (`$1`, `${name}`).
#[derive(Clone, Debug)]
pub struct Renaming {
    whole: Regex,
    /// The expression by itself. Debezium and Kafka Connect replace the first place where it is found, which is less than
    /// the whole when it ends with something that may be nothing.
    part: Regex,
    replacement: String,
}

impl Renaming {
    /// Compiles the expression; the text says what is wrong with it.
    pub fn new(regex: &str, replacement: &str) -> Result<Self, String> {
        let part = Regex::new(regex).map_err(|error| why(&error))?;
        Ok(Self { whole: compile(regex)?, part, replacement: replacement.to_owned() })
    }

    /// The new name; `None` when the expression does not match.
    pub fn apply(&self, name: &str) -> Option<String> {
        if !self.whole.is_match(name) {
            return None;
        }
        let captures = self.part.captures(name)?;
        let found = captures.get(0)?.range();
        let before = name.get(..found.start)?;
        Some([before, &self.expand(&captures), name.get(found.end..)?].concat())
    }

    fn expand(&self, captures: &Captures<'_>) -> String {
        let mut out = String::new();
        let mut rest = self.replacement.as_str();
        while let Some(at) = rest.find(['$', '\\']) {
            out.push_str(&rest[..at]);
            let (mark, behind) = rest[at..].split_at(1);
            if mark == "\\" {
                let mut chars = behind.chars();
                out.extend(chars.next());
                rest = chars.as_str();
                continue;
            }
            rest = match behind.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
                Some((group, behind)) => {
                    out.push_str(captures.name(group).map_or("", |group| group.as_str()));
                    behind
                }
                None => {
                    // As Java: as many digits as still name a group.
                    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
                    let (length, group) = (1..=digits.max(1))
                        .rev()
                        .find_map(|length| {
                            let group: usize = behind.get(..length)?.parse().ok()?;
                            (length == 1 || group < captures.len()).then_some((length, group))
                        })
                        .unwrap_or((0, usize::MAX));
                    out.push_str(captures.get(group).map_or("", |group| group.as_str()));
                    &behind[length..]
                }
            };
        }
        out.push_str(rest);
        out
    }
}

/// `ByLogicalTableRouter`.
#[derive(Clone, Debug)]
pub struct LogicalRouter {
    /// `topic.regex` and `topic.replacement`.
    pub topic: Renaming,
    /// `key.field.name`; `None` when `key.enforce.uniqueness` is false.
    pub key_field: Option<String>,
    /// `key.field.regex` and `key.field.replacement`.
    pub key_value: Option<Renaming>,
}

/// The packages of the classes. Those of Kafka Connect come for keys and for values.
const CONNECT: &str = "org.apache.kafka.connect.transforms.";
const DEBEZIUM: &str = "io.debezium.transforms.";
const POSTGRES: &str = "io.debezium.connector.postgresql.transforms.";

/// Those of Debezium.
const OF_DEBEZIUM: [&str; 9] = [
    "ExtractNewRecordState",
    "ByLogicalTableRouter",
    SCRIPTED_FILTER,
    "ContentBasedRouter",
    "HeaderToValue",
    "partitions.PartitionRouting",
    "ExtractChangedRecordState",
    "TimezoneConverter",
    "outbox.EventRouter",
];
/// Those of Kafka Connect that are there for keys and for values.
const OF_A_PART: [&str; 10] = [
    "ReplaceField",
    "MaskField",
    "InsertField",
    "ExtractField",
    "HoistField",
    "HeaderFrom",
    "Cast",
    "TimestampConverter",
    "SetSchemaMetadata",
    "Flatten",
];

/// The full names of all transformations.
pub fn class_names() -> Vec<String> {
    let full = |short: &'static str| match short {
        SCRIPTED_FILTER => vec![format!("{DEBEZIUM}Filter")],
        "DecodeLogicalDecodingMessageContent" => vec![format!("{POSTGRES}{short}")],
        _ if OF_DEBEZIUM.contains(&short) => vec![format!("{DEBEZIUM}{short}")],
        _ if OF_A_PART.contains(&short) => vec![format!("{CONNECT}{short}$Key"), format!("{CONNECT}{short}$Value")],
        _ => vec![format!("{CONNECT}{short}")],
    };
    CLASSES.iter().flat_map(|(short, _)| full(short)).collect()
}

/// The options of a transformation or a predicate, by its full name.
pub fn options_of(class: &str) -> Option<&'static [PluginOption]> {
    let of_predicate = class.strip_prefix(CONNECT).and_then(|rest| rest.strip_prefix("predicates."));
    if let Some((_, options)) = of_predicate.and_then(|short| PREDICATES.iter().find(|(known, _)| *known == short)) {
        return Some(options);
    }
    let class = class.split('$').next().unwrap_or(class);
    let short = class.strip_prefix(DEBEZIUM).or(class.strip_prefix(CONNECT)).or(class.strip_prefix(POSTGRES))?;
    let short = if class == format!("{DEBEZIUM}Filter") { SCRIPTED_FILTER } else { short };
    CLASSES.iter().find(|(known, _)| *known == short).map(|(_, options)| *options)
}

/// What an option means, with the words it takes.
pub fn documentation(option: &PluginOption) -> String {
    if option.words.is_empty() { option.doc.to_owned() } else { format!("{} One of {}.", option.doc, option.words.join(", ")) }
}

/// The full names of all predicates.
pub fn predicate_names() -> Vec<String> {
    PREDICATES.iter().map(|(short, _)| format!("{CONNECT}predicates.{short}")).collect()
}

/// Reads the chain. Problems carry the option they are about.
pub fn parse(options: &BTreeMap<String, String>) -> Result<Vec<Transform>, Vec<KeyProblem>> {
    let mut problems = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut chain = Vec::new();
    for name in list(options.get("transforms")) {
        if seen.contains(&name) {
            problems.push(KeyProblem::new("transforms", Problem::refuse("config/value", format!("transforms names \"{name}\" twice"))));
            continue;
        }
        match read(options, &name) {
            Ok(transform) => chain.push(transform),
            Err(problem) => problems.push(*problem),
        }
        seen.push(name);
    }
    let predicates = list(options.get("predicates"));
    for key in options.keys() {
        for (kind, names) in [("transforms", &seen), ("predicates", &predicates)] {
            let owner = key.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.split('.').next());
            if let Some(owner) = owner.filter(|owner| !names.iter().any(|name| name == owner)) {
                let problem = Problem::refuse("config/unknown-key", format!("{key} is set, but {kind} does not name \"{owner}\""))
                    .why("it would have no effect")
                    .fix(format!("add {owner} to {kind}, or remove {key}"));
                problems.push(KeyProblem::new(key, problem));
            }
        }
    }
    if problems.is_empty() { Ok(chain) } else { Err(problems) }
}

fn list(value: Option<&String>) -> Vec<String> {
    let text = value.map_or("", String::as_str);
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// A problem with its option, small enough to be handed from function to function.
type Refused = Box<KeyProblem>;

fn refused(key: &str, problem: Problem) -> Refused {
    Box::new(KeyProblem::new(key, problem))
}

/// An expression that must match the whole text; else what is wrong with it.
fn compile(text: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{text})$")).map_err(|error| why(&error))
}

fn why(error: &regex::Error) -> String {
    let error = error.to_string();
    error.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&error).to_owned()
}

/// Names of options up to Debezium 2, and what they are called today.
const OLDER: [(&str, &str); 5] = [
    ("drop.tombstones", "delete.tombstone.handling.mode"),
    ("delete.handling.mode", "delete.tombstone.handling.mode"),
    ("operation.header", "add.headers=op"),
    ("add.source.fields", "add.fields"),
    ("table.field.schema.version", "table.field.event.schema.version"),
];

impl Own<'_> {
    fn need(&self, name: &str) -> Result<&str, Refused> {
        self.get(name).ok_or_else(|| refused(&self.key(name), required(&self.key(name))))
    }

    fn list(&self, name: &str) -> Vec<String> {
        list(self.options.get(&self.key(name)))
    }

    fn need_list(&self, name: &str) -> Result<Vec<String>, Refused> {
        self.need(name)?;
        Ok(self.list(name))
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Refused> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(self.wrong(name, other, "true or false")),
        }
    }

    fn wrong(&self, name: &str, value: &str, must: &str) -> Refused {
        refused(&self.key(name), invalid(&self.key(name), value, must))
    }

    /// An option that changes events and does not work yet.
    fn refuse(&self, name: &str, why: &str) -> Result<(), Refused> {
        if self.get(name).is_none() {
            return Ok(());
        }
        let key = self.key(name);
        let problem = Problem::refuse("config/not-supported", format!("{key} is not supported yet")).why(why).fix(format!("remove {key}"));
        Err(refused(&key, problem))
    }

    fn regex(&self, name: &str) -> Result<Regex, Refused> {
        let text = self.need(name)?;
        compile(text).map_err(|why| self.wrong(name, text, &format!("a regular expression: {why}")))
    }

    fn renaming(&self, regex: &str, replacement: &str) -> Result<Renaming, Refused> {
        self.renaming_of(regex, self.need(regex)?, self.need(replacement)?)
    }

    fn renaming_of(&self, name: &str, regex: &str, replacement: &str) -> Result<Renaming, Refused> {
        Renaming::new(regex, replacement).map_err(|why| self.wrong(name, regex, &format!("a regular expression: {why}")))
    }

    /// Every option must be one of the class's own.
    fn check_names(&self, known: &[&'static str]) -> Result<(), Refused> {
        for key in self.options.keys() {
            let Some(name) = key.strip_prefix(&self.prefix) else { continue };
            if !matches!(name, "type" | "predicate" | "negate") && !known.contains(&name) {
                let today = OLDER.iter().find(|(old, today)| *old == name && known.iter().any(|known| today.starts_with(known)));
                let problem = today.map_or_else(|| unknown(name, known), |(_, today)| renamed(key, today));
                return Err(refused(key, problem));
            }
        }
        Ok(())
    }
}

fn read(options: &BTreeMap<String, String>, name: &str) -> Result<Transform, Refused> {
    let own = Own { options, prefix: format!("transforms.{name}.") };
    let class = own.need("type")?;
    let (base, part) = match class.rsplit_once('$') {
        Some((base, "Key")) => (base, Some(Part::Key)),
        Some((base, "Value")) => (base, Some(Part::Value)),
        _ => (class, None),
    };
    let mut short = [CONNECT, DEBEZIUM, POSTGRES].iter().find_map(|package| base.strip_prefix(package)).unwrap_or(base);
    if short == "Filter" && (base.starts_with(DEBEZIUM) || own.get("condition").is_some()) {
        short = SCRIPTED_FILTER;
    }
    let Some((short, known)) = CLASSES.iter().find(|(class, _)| *class == short) else {
        if short == "TimestampRouter" {
            let problem = Problem::refuse("config/not-supported", format!("the transformation {class} cannot be applied"))
                .why("a source's records have no timestamp when they are transformed; with Debezium it stops the connector")
                .fix("remove it");
            return Err(refused(&own.key("type"), problem));
        }
        let hint = suggest::did_you_mean(short, CLASSES.iter().map(|(class, _)| *class));
        let problem = Problem::refuse("config/not-supported", format!("the transformation {class} is not supported"))
            .why("leaving it out would change every event")
            .fix(hint);
        return Err(refused(&own.key("type"), problem));
    };
    own.check_names(&known.iter().map(|option| option.name).collect::<Vec<_>>())?;
    let of = || part.ok_or_else(|| own.wrong("type", class, &format!("{CONNECT}{short}$Key or {CONNECT}{short}$Value")));
    let step = match *short {
        "ExtractNewRecordState" => Step::Unwrap(unwrap(&own)?),
        "ByLogicalTableRouter" => Step::LogicalRouter(logical_router(&own)?),
        "RegexRouter" => Step::RegexRouter(own.renaming("regex", "replacement")?),
        "ReplaceField" => {
            let either = |new: &str, old: &str| if own.get(new).is_some() { own.list(new) } else { own.list(old) };
            Step::ReplaceField(of()?, either("include", "whitelist"), either("exclude", "blacklist"), renames(&own)?)
        }
        "MaskField" => Step::MaskField(of()?, own.need_list("fields")?, own.get("replacement").map(str::to_owned)),
        "InsertField" => Step::InsertField(of()?, inserted(&own)?),
        "ExtractField" => Step::ExtractField(of()?, one_field(&own)?),
        "HoistField" => Step::HoistField(of()?, own.need("field")?.to_owned()),
        "ValueToKey" => Step::ValueToKey(own.need_list("fields")?),
        "HeaderFrom" => {
            let (fields, headers) = (own.need_list("fields")?, own.need_list("headers")?);
            if fields.len() != headers.len() {
                return Err(own.wrong("headers", &headers.join(","), "as many names as fields has"));
            }
            let moves = match own.need("operation")? {
                "move" => true,
                "copy" => false,
                other => return Err(own.wrong("operation", other, "move or copy")),
            };
            Step::HeaderFrom(of()?, fields, headers, moves)
        }
        "InsertHeader" => Step::InsertHeader(own.need("header")?.to_owned(), own.need("value.literal")?.to_owned()),
        "DropHeaders" => Step::DropHeaders(own.need_list("headers")?),
        "outbox.EventRouter" => Step::Outbox(outbox(&own)?),
        SCRIPTED_FILTER => Step::Script(Box::new(conversions::script(&own, script::Purpose::Keep)?)),
        "ContentBasedRouter" => Step::Script(Box::new(conversions::script(&own, script::Purpose::Route)?)),
        "DecodeLogicalDecodingMessageContent" => Step::Decode(own.flag("fields.null.include", false)?),
        "TimezoneConverter" => Step::Timezone(Box::new(zones::zoning(&own)?)),
        "Cast" => Step::Cast(of()?, conversions::casts(&own)?),
        "TimestampConverter" => Step::Timestamps(of()?, conversions::timestamps(&own)?),
        "SetSchemaMetadata" => {
            let part = of()?;
            let (name, version) = conversions::schema_metadata(&own)?;
            Step::SchemaMetadata(part, name, version)
        }
        "Flatten" => Step::Flatten(of()?, own.options.get(&own.key("delimiter")).map_or(".", |text| text.trim()).to_owned()),
        "HeaderToValue" => {
            let (headers, fields) = (own.need_list("headers")?, own.need_list("fields")?);
            if fields.len() != headers.len() {
                return Err(own.wrong("fields", &fields.join(","), "as many names as headers has"));
            }
            let moves = match own.need("operation")? {
                "move" => true,
                "copy" => false,
                other => return Err(own.wrong("operation", other, "move or copy")),
            };
            Step::HeaderToValue(headers, fields, moves)
        }
        "partitions.PartitionRouting" => {
            let fields = own.need_list("partition.payload.fields")?;
            let count = own.need("partition.topic.num")?;
            let number = count.parse().ok().filter(|number| (1..=10_000).contains(number));
            let murmur = match own.get("partition.hash.function").map(str::to_ascii_lowercase).as_deref() {
                None | Some("java") => false,
                Some("murmur") => true,
                Some(other) => return Err(own.wrong("partition.hash.function", other, "java or murmur")),
            };
            Step::Partition(fields, number.ok_or_else(|| own.wrong("partition.topic.num", count, "a number from 1 to 10000"))?, murmur)
        }
        "ExtractChangedRecordState" => {
            let name = |option| own.get(option).map(str::to_owned);
            Step::Changes(name("header.changed.name"), name("header.unchanged.name"))
        }
        _ => Step::Drop,
    };
    let null_is_default = own.flag("replace.null.with.default", false)?;
    Ok(Transform { name: name.to_owned(), step, only: condition(options, &own)?, null_is_default })
}

fn condition(options: &BTreeMap<String, String>, transform: &Own<'_>) -> Result<Option<Condition>, Refused> {
    let negate = transform.flag("negate", false)?;
    let Some(name) = transform.get("predicate") else { return Ok(None) };
    if !list(options.get("predicates")).iter().any(|known| known == name) {
        return Err(transform.wrong("predicate", name, "one of the names in predicates"));
    }
    let own = Own { options, prefix: format!("predicates.{name}.") };
    let class = own.need("type")?;
    let short = class.strip_prefix(&format!("{CONNECT}predicates.")).unwrap_or(class);
    let predicate = match short {
        "TopicNameMatches" => Predicate::TopicName(own.regex("pattern")?),
        "RecordIsTombstone" => Predicate::Tombstone,
        "HasHeaderKey" => Predicate::HasHeader(own.need("name")?.to_owned()),
        _ => return Err(own.wrong("type", class, "TopicNameMatches, RecordIsTombstone or HasHeaderKey")),
    };
    own.check_names(&["pattern", "name"])?;
    Ok(Some(Condition { predicate, negate }))
}

fn unwrap(own: &Own<'_>) -> Result<Unwrap, Refused> {
    let deletes = match own.get("delete.tombstone.handling.mode").unwrap_or("tombstone") {
        "drop" => DeleteMode::Drop,
        "tombstone" => DeleteMode::Tombstone,
        "rewrite" => DeleteMode::Rewrite,
        "rewrite-with-tombstone" => DeleteMode::RewriteWithTombstone,
        "delete-to-tombstone" => DeleteMode::DeleteToTombstone,
        other => {
            let modes = "drop, tombstone, rewrite, rewrite-with-tombstone or delete-to-tombstone";
            return Err(own.wrong("delete.tombstone.handling.mode", other, modes));
        }
    };
    let prefixed = |option: &str| {
        let prefix = own.options.get(&own.key(&format!("{option}.prefix"))).map_or("__", |prefix| prefix.trim());
        let read =
            |text: &String| added(prefix, text).ok_or_else(|| own.wrong(option, text, "field or block.field, each perhaps with :name"));
        own.list(option).iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    let from_key = own.flag("drop.fields.from.key", false)?;
    let keeps_required = own.flag("drop.fields.keep.schema.compatible", true)?;
    let dropped = own.get("drop.fields.header.name").map(|header| DroppedFields { header: header.to_owned(), from_key, keeps_required });
    let route = own.get("route.by.field").map(str::to_owned);
    Ok(Unwrap { deletes, fields: prefixed("add.fields")?, headers: prefixed("add.headers")?, route, dropped })
}

/// `op`, `source.ts_ms`, `lsn:position`.
fn added(prefix: &str, text: &str) -> Option<Added> {
    let mut parts = text.split(':');
    let (path, name) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let (block, field) = match path.split_once('.') {
        Some((block, field)) => (Some(block.to_owned()), field.to_owned()),
        None => (None, path.to_owned()),
    };
    let default = block.as_ref().map_or_else(|| field.clone(), |block| format!("{block}_{field}"));
    let name = format!("{prefix}{}", name.unwrap_or(&default));
    let block = block.or_else(|| match field.as_str() {
        "id" | "data_collection_order" | "total_order" => Some("transaction".to_owned()),
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        _ => Some("source".to_owned()),
    });
    Some(Added { block, field, name })
}

fn logical_router(own: &Own<'_>) -> Result<LogicalRouter, Refused> {
    let unique = own.flag("key.enforce.uniqueness", true)?;
    let mode = own.get("schema.name.adjustment.mode").unwrap_or("none");
    if mode != "none" {
        return Err(own.wrong("schema.name.adjustment.mode", mode, "none"));
    }
    let key_value = match own.get("key.field.regex") {
        Some(_) => Some(own.renaming("key.field.regex", "key.field.replacement")?),
        None => None,
    };
    let key_field = own.get("key.field.name").unwrap_or("__dbz__physicalTableIdentifier").to_owned();
    Ok(LogicalRouter { topic: own.renaming("topic.regex", "topic.replacement")?, key_field: unique.then_some(key_field), key_value })
}

const PLACES: &str = "column:header, column:envelope or column:partition, each perhaps with :name";

fn outbox(own: &Own<'_>) -> Result<Outbox, Refused> {
    let field = |option: &str, default: &str| own.get(option).unwrap_or(default).to_owned();
    let one_of = |option: &str, words: &[&str]| {
        let word = own.get(option).unwrap_or(words[0]);
        words.iter().position(|known| *known == word).ok_or_else(|| own.wrong(option, word, &words.join(" or ")))
    };
    let expand = Expand {
        nulls: one_of("table.json.payload.null.behavior", &["ignore", "optional_bytes"])? == 1,
        empty_arrays: one_of("table.json.payload.empty.array.behavior", &["ignore", "optional_string"])? == 1,
    };
    let regex = own.get("route.topic.regex").unwrap_or("(?<routedByValue>.*)");
    let topic = own.renaming_of("route.topic.regex", regex, &field("route.topic.replacement", "outbox.event.${routedByValue}"))?;
    let option = "table.fields.additional.placement";
    let placed = |text: &String| {
        let parts: Vec<_> = text.split(':').map(str::trim).collect();
        let (field, place, name) = match parts[..] {
            [field, place] => (field, place, field),
            [field, place, name] => (field, place, name),
            _ => return Err(own.wrong(option, text, PLACES)),
        };
        let place = match place {
            "header" => Place::Header,
            "envelope" => Place::Envelope,
            "partition" => Place::Partition,
            _ => return Err(own.wrong(option, text, PLACES)),
        };
        Ok(Placed { field: field.to_owned(), name: name.to_owned(), place })
    };
    let some = |option: &str| own.get(option).map(str::to_owned);
    // Spans are of commits and not of messages, so the name of one has no effect, nor has leaving out those without a trace.
    own.flag("tracing.with.context.field.only", false)?;
    let options = ["tracing.span.context.field", "tracing.operation.name", "tracing.with.context.field.only"];
    let is_traced = options.iter().any(|option| own.get(option).is_some());
    Ok(Outbox {
        id: field("table.field.event.id", "id"),
        key: field("table.field.event.key", "aggregateid"),
        payload: field("table.field.event.payload", "payload"),
        route: field("route.by.field", "aggregatetype"),
        topic,
        timestamp: some("table.field.event.timestamp"),
        version: some("table.field.event.schema.version"),
        more: own.list(option).iter().map(placed).collect::<Result<_, _>>()?,
        needs_more: one_of("table.field.additional.missing", &["error", "ignore"])? == 0,
        updates_are_fatal: one_of("table.op.invalid.behavior", &["warn", "error", "fatal"])? == 2,
        empty_is_tombstone: own.flag("route.tombstone.on.empty.payload", false)?,
        expand: own.flag("table.expand.json.payload", false)?.then_some(expand),
        trace: is_traced.then(|| field("tracing.span.context.field", "tracingspancontext")),
    })
}

/// Both syntaxes name a field of the record itself by its name. V2 also knows fields within fields, `a.b`, and names in
/// backticks.
fn one_field(own: &Own<'_>) -> Result<String, Refused> {
    let field = own.need("field")?;
    match own.get("syntax.version").map(str::to_ascii_uppercase).as_deref() {
        None | Some("V1") => {}
        Some("V2") if field.contains(['.', '`']) => {
            return Err(own.wrong("syntax.version", "V2", "V1: a field within a field is not reached"));
        }
        Some("V2") => {}
        Some(other) => return Err(own.wrong("syntax.version", other, "V1 or V2")),
    }
    Ok(field.to_owned())
}

fn renames(own: &Own<'_>) -> Result<Vec<(String, String)>, Refused> {
    let pair = |text: &String| {
        let pair = text.split_once(':').map(|(old, new)| (old.trim().to_owned(), new.trim().to_owned()));
        pair.filter(|(old, new)| !old.is_empty() && !new.is_empty()).ok_or_else(|| own.wrong("renames", text, "old:new,old:new"))
    };
    own.list("renames").iter().map(pair).collect()
}

fn inserted(own: &Own<'_>) -> Result<Vec<Inserted>, Refused> {
    own.refuse("offset.field", "a source's records have no offset yet when they are transformed")?;
    own.refuse("partition.field", "a source's records have no partition yet when they are transformed")?;
    own.refuse("timestamp.field", "a source's records have no timestamp yet when they are transformed")?;
    let field = |name: &str, text: Option<String>| {
        let optional = !name.ends_with('!');
        Inserted { name: name.trim_end_matches(['!', '?']).to_owned(), optional, text }
    };
    let mut fields = Vec::new();
    if let Some(name) = own.get("topic.field") {
        fields.push(field(name, None));
    }
    if let Some(name) = own.get("static.field") {
        fields.push(field(name, Some(own.need("static.value")?.to_owned())));
    }
    if fields.is_empty() {
        return Err(refused(&own.key("static.field"), required(&own.key("static.field"))));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn topics_are_renamed_as_java_renames_them() {
        for (regex, replacement, name, expected) in [
            (r"srv\.(.*)\.(.*)", "$1_$2", "srv.public.orders", Some("public_orders")),
            (r"srv\.(?<schema>.*)\.(?<table>.*)", "${table}-${schema}", "srv.public.orders", Some("orders-public")),
            ("(.*)", r"a\$1$1", "t", Some("a$1t")),
            ("(a)b", "$10", "ab", Some("a0")),
            ("b", "x", "abc", None),
        ] {
            let renaming = Renaming::new(regex, replacement).expect("valid");
            assert_eq!(renaming.apply(name).as_deref(), expected, "{regex} {replacement}");
        }
    }

    #[test]
    fn a_chain_is_read_in_order_with_its_predicates() {
        let chain = parse(&options(&[
            ("transforms", "unwrap, route"),
            ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState"),
            ("transforms.unwrap.add.fields", "op,source.ts_ms,lsn:at"),
            ("transforms.unwrap.delete.tombstone.handling.mode", "rewrite"),
            ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
            ("transforms.route.regex", "(.*)"),
            ("transforms.route.replacement", "x.$1"),
            ("transforms.route.predicate", "orders"),
            ("transforms.route.negate", "true"),
            ("predicates", "orders"),
            ("predicates.orders.type", "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"),
            ("predicates.orders.pattern", ".*orders"),
        ]))
        .expect("a chain");
        let Step::Unwrap(unwrap) = &chain[0].step else { panic!("{:?}", chain[0]) };
        let names: Vec<_> = unwrap.fields.iter().map(|added| (added.block.as_deref(), added.field.as_str(), added.name.as_str())).collect();
        assert_eq!(names, [(None, "op", "__op"), (Some("source"), "ts_ms", "__source_ts_ms"), (Some("source"), "lsn", "__at")]);
        assert_eq!(unwrap.deletes, DeleteMode::Rewrite);
        assert!(chain[1].only.as_ref().is_some_and(|only| only.negate));
    }

    /// A value that an option would take, for those that must be given.
    fn sample(option: &PluginOption) -> &'static str {
        match option.name {
            "spec" => "id:string",
            "partition.topic.num" => "3",
            "target.type" => "unix",
            "condition" => "value.op == 'c'",
            "topic.expression" => "'t'",
            "converted.timezone" => "Europe/Berlin",
            _ => option.words.first().unwrap_or(&"a"),
        }
    }

    /// What is shown of an option is so: without one that is required the chain is refused, for that option; the default may
    /// be written out; and each word is taken.
    #[test]
    fn options_are_as_their_rows_say() {
        for class in class_names() {
            let rows = options_of(&class).expect("a class has options");
            let given = |without: &str, more: Option<(&str, &str)>| {
                let mut pairs: BTreeMap<String, String> = options(&[("transforms", "x"), ("transforms.x.type", &class)]);
                let needed = rows.iter().filter(|row| row.required && row.name != without);
                pairs.extend(needed.map(|row| (format!("transforms.x.{}", row.name), sample(row).to_owned())));
                // One of its two is needed, which is not said of either.
                if class.contains("InsertField") {
                    pairs.extend(options(&[("transforms.x.static.field", "a"), ("transforms.x.static.value", "a")]));
                }
                // Needed for texts, which is said in its own words.
                if class.contains("TimestampConverter") {
                    pairs.extend(options(&[("transforms.x.format", "yyyy")]));
                }
                if class.contains("SetSchemaMetadata") {
                    pairs.extend(options(&[("transforms.x.schema.name", "a")]));
                }
                pairs.extend(more.map(|(name, value)| (format!("transforms.x.{name}"), value.to_owned())));
                parse(&pairs)
            };
            given("", None).unwrap_or_else(|problems| panic!("{class}: {problems:?}"));
            for row in rows {
                if row.required {
                    let problems = given(row.name, None).expect_err(row.name);
                    assert_eq!(problems[0].key, format!("transforms.x.{}", row.name), "{class}");
                }
                for value in row.default.iter().chain(row.words) {
                    given("", Some((row.name, value))).unwrap_or_else(|problems| panic!("{class} {} = {value}: {problems:?}", row.name));
                }
                assert!(row.default.is_none_or(|default| row.words.is_empty() || row.words.contains(&default)), "{class} {}", row.name);
                assert!(row.doc.ends_with('.') && !(row.required && row.default.is_some()), "{class} {}", row.name);
            }
        }
        let extract = |version: &str, field: &str| {
            parse(&options(&[
                ("transforms", "x"),
                ("transforms.x.type", "org.apache.kafka.connect.transforms.ExtractField$Value"),
                ("transforms.x.field", field),
                ("transforms.x.syntax.version", version),
            ]))
        };
        assert!(extract("V1", "a.b").is_ok() && extract("v2", "a").is_ok());
        assert_eq!(extract("V2", "a.b").expect_err("refused")[0].key, "transforms.x.syntax.version");
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_nearest() {
        for (pairs, key, text) in [
            (&[("transforms", "a")][..], "transforms.a.type", "transforms.a.type is missing"),
            (
                &[("transforms", "a"), ("transforms.a.type", "io.debezium.transforms.ExtractNewRecordStat")],
                "transforms.a.type",
                "the transformation io.debezium.transforms.ExtractNewRecordStat is not supported",
            ),
            (
                &[("transforms", "a"), ("transforms.a.type", "ExtractNewRecordState"), ("transforms.a.add.field", "op")],
                "transforms.a.add.field",
                "unknown key \"add.field\"",
            ),
            (&[("transforms.a.type", "RegexRouter")], "transforms.a.type", "transforms.a.type is set, but transforms does not name \"a\""),
            (
                &[("transforms", "a"), ("transforms.a.type", "org.apache.kafka.connect.transforms.ReplaceField")],
                "transforms.a.type",
                "transforms.a.type = \"org.apache.kafka.connect.transforms.ReplaceField\" is not allowed",
            ),
            (
                &[
                    ("transforms", "a"),
                    ("transforms.a.type", "RegexRouter"),
                    ("transforms.a.regex", "("),
                    ("transforms.a.replacement", "x"),
                ],
                "transforms.a.regex",
                "transforms.a.regex = \"(\" is not allowed",
            ),
        ] {
            let problems = parse(&options(pairs)).expect_err(text);
            assert_eq!((problems[0].key.as_str(), problems[0].problem.what.as_str()), (key, text));
        }
    }
}
