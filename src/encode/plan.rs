//! What is known about a table's events before the first row: names, constant JSON, one writer per column.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::envelope::schema;
use super::envelope::shapes::{self, Case};
use super::envelope::source::SourceBlock;
use super::schema::Schema;
use super::transform::program::{Program, Topic};
use super::transform::shape::{Node, Shape};
use super::transform::{self, Unfit};
use super::values::{Form, ValueSettings, choose, mask, source_type};
use super::wire::{NoForm, TopicForms};
use super::{header, json};
use crate::change::{Column, Relation, TypeKind};
use crate::config::postgres::transforms::Transform;
use crate::config::postgres::{
    BytesConverter, ColumnMask, ColumnMasks, ConverterSettings, HeaderConverter, NameAdjustment, Names, SourceTypes,
};

use crate::record::{HeaderBlock, TopicHandle, TopicIndex};

/// The rows of a table may name so many topics.
pub const ROUTED_MAX: usize = 10_000;

/// How a connector's events look.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// `source.version`.
    pub version: String,
    /// `topic.prefix`, which is `source.name` too.
    pub topic_prefix: String,
    /// `topic.delimiter`.
    pub topic_delimiter: String,
    /// `source.db`.
    pub database: String,
    /// How values are written.
    pub values: ValueSettings,
    /// Which columns are cut, hidden or hashed; keys are not.
    pub masks: ColumnMasks,
    /// How names are made, and made fit.
    pub names: Names,
    /// The columns whose database type stands in the schema.
    pub source_types: SourceTypes,
    /// `skip.messages.without.change`.
    pub skip_unchanged: bool,
    /// `tombstones.on.delete`.
    pub tombstones_on_delete: bool,
    /// `key.converter.*`.
    pub key_converter: ConverterSettings,
    /// `value.converter.*`.
    pub value_converter: ConverterSettings,
    /// `header.converter`: how the keys in headers are written.
    pub header_converter: HeaderConverter,
    /// `transforms`.
    pub transforms: Vec<Transform>,
    /// The context headers of `extended.headers.enabled`; empty when it is off.
    pub headers: HeaderBlock,
}

impl EventSettings {
    /// Records are not the ordinary envelopes in JSON.
    fn is_transformed(&self) -> bool {
        let by_value = |converter: ConverterSettings| converter.text || converter.bytes != BytesConverter::No;
        !self.transforms.is_empty() || by_value(self.key_converter) || by_value(self.value_converter)
    }

    /// A table's topic, as `topic.naming.strategy` names it.
    pub fn topic_name(&self, schema: &str, table: &str) -> String {
        let (naming, name) = (&self.names.topics, self.table_name(schema, table));
        let name = if naming.unicode { topic_of(&name, |_| false, true) } else { sanitised(&name) };
        let shared = naming.routing.as_ref().and_then(|routing| routing.topic.apply(&name));
        shared.filter(|topic| !topic.is_empty()).unwrap_or(name)
    }

    /// Prefix, schema and table, as they are.
    fn table_name(&self, schema: &str, table: &str) -> String {
        let schema = Some(schema).filter(|_| !self.names.topics.without_schema);
        [Some(self.topic_prefix.as_str()), schema, Some(table)].into_iter().flatten().collect::<Vec<_>>().join(&self.topic_delimiter)
    }

    /// What a column's field is called.
    pub fn field_name<'a>(&self, column: &'a str) -> Cow<'a, str> {
        field_name(column, self.names.fields)
    }

    /// Tables share topics.
    pub fn shares_topics(&self) -> bool {
        self.names.topics.routing.is_some()
    }

    /// The field of a key that tells the table, where tables share a topic: its name and value.
    pub(super) fn table_field(&self, relation: &Relation) -> Option<(&str, String)> {
        let routing = self.names.topics.routing.as_ref()?;
        let name = self.table_name(&relation.schema, &relation.table);
        let value = routing.key_value.as_ref().and_then(|renaming| renaming.apply(&name)).unwrap_or(name);
        Some((routing.key_field.as_deref()?, value))
    }

    /// What a table's schemas are named by, in front of `.Key`, `.Value`, `.Envelope`: its topic, as Avro takes it.
    pub fn schema_name(&self, schema: &str, table: &str) -> String {
        adjusted(self.topic_name(schema, table), self.names.schemas)
    }
}

/// The name of a schema in a mode.
pub fn adjusted(name: String, mode: NameAdjustment) -> String {
    match mode {
        NameAdjustment::None => name,
        NameAdjustment::Avro => in_avro(&name, true),
        NameAdjustment::AvroUnicode => in_avro_unicode(&name, true),
    }
}

/// A name in which all is allowed in Avro, as Debezium's adjustment mode `avro` spells it: what is not becomes `_`; a digit in
/// front stays behind one.
pub fn in_avro(name: &str, dots: bool) -> String {
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    let legal = |first: bool, c: char| c == '_' || c.is_ascii_alphabetic() || (!first && (c.is_ascii_digit() || (dots && c == '.')));
    let fitted = fit(name, legal, false);
    if digit { format!("_{}{}", &name[..1], &fitted[1..]) } else { fitted }
}

/// The same in the mode `avro_unicode`: what is not allowed becomes `_u` and its number, the underscore too.
fn in_avro_unicode(name: &str, dots: bool) -> String {
    fit(name, |first, c| c.is_ascii_alphabetic() || (!first && (c.is_ascii_digit() || (dots && c == '.'))), true)
}

fn field_name(column: &str, adjustment: NameAdjustment) -> Cow<'_, str> {
    match adjustment {
        NameAdjustment::None => column.into(),
        NameAdjustment::Avro => in_avro(column, false).into(),
        NameAdjustment::AvroUnicode => in_avro_unicode(column, false).into(),
    }
}

/// A name in which what is not legal (the first character?, the character) is `_`, or `_u` and its number, as Java writes it.
fn fit(name: &str, legal: impl Fn(bool, char) -> bool, unicode: bool) -> String {
    let mut out = String::new();
    for (place, unit) in name.encode_utf16().enumerate() {
        match u8::try_from(unit).map(char::from).ok().filter(|c| legal(place == 0, *c)) {
            Some(c) => out.push(c),
            None if !unicode => out.push('_'),
            None if unit <= 0xff => out.push_str(&format!("_u00{unit:x}")),
            None => out.push_str(&format!("_u{unit:x}")),
        }
    }
    out
}

fn topic_of(name: &str, more: impl Fn(char) -> bool, unicode: bool) -> String {
    let mut name = fit(name, |_, c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-') || more(c), unicode);
    // What fits is ASCII.
    name.truncate(249);
    name
}

/// A legal topic name of at most 249 characters. As in Java, which counts UTF-16: a character of two units is two `_`.
pub fn sanitised(name: &str) -> String {
    topic_of(name, |c| c == '_', false)
}

/// A column of the event's row.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    /// Which column of the tuple.
    pub index: usize,
    /// The field's name.
    pub name: Box<str>,
    /// `{"name":` or `,"name":`.
    pub lead: Box<[u8]>,
    /// How its values are written.
    pub form: Form,
    /// What NULL is written as: `null`, or what stands for a NOT NULL column that was not sent.
    pub null: Box<[u8]>,
    /// The column's default as its schema says it.
    pub default: Option<Box<[u8]>>,
}

/// A table version's plan.
#[derive(Debug)]
pub struct RelationPlan {
    /// The table.
    pub relation: Arc<Relation>,
    /// `schema.table`.
    pub(super) name: Box<str>,
    /// Its topic.
    pub topic: TopicHandle,
    pub(super) columns: Vec<ColumnPlan>,
    pub(super) key: Vec<ColumnPlan>,
    /// What stands behind the key's columns: `,"name":"value"}`, where tables share a topic; empty elsewhere.
    pub(super) key_end: Box<[u8]>,
    /// The same as a field.
    pub(super) table_field: Option<(Box<str>, Box<str>)>,
    /// The key as it stands in a header.
    pub(super) header_key: Vec<ColumnPlan>,
    /// What stands behind it.
    pub(super) header_key_end: Box<[u8]>,
    /// What stands before it, when its schema does.
    pub(super) before_header_key: Box<[u8]>,
    pub(super) headers: HeaderBlock,
    /// `{"schema":...,"payload":` of keys and of values; empty where schemas are not published.
    pub(super) before_key: Box<[u8]>,
    pub(super) before_value: Box<[u8]>,
    pub(super) source: SourceBlock,
    /// The forms of keys and values.
    pub(super) forms: TopicForms,
    /// With `transforms`: one for each [`Case`], none where the record is dropped.
    pub(super) programs: Option<Box<[Option<Program>]>>,
}

/// A plan whose topics are not resolved yet.
#[derive(Debug)]
pub struct Draft {
    plan: RelationPlan,
    shapes: Vec<Option<Shape>>,
    /// The forms of each shape, once they were asked for.
    forms: Vec<TopicForms>,
}

impl Draft {
    /// A plan's parts, and with `transforms` what becomes of its records.
    ///
    /// `includes` says which columns are in the row (the key has all of its own).
    pub fn new(relation: Arc<Relation>, settings: &EventSettings, includes: impl Fn(&str) -> bool) -> Result<Self, Unfit> {
        let plan = RelationPlan::new(relation, settings, includes);
        let shapes = if !settings.is_transformed() {
            Vec::new()
        } else {
            let transformed = |case: &Case| transform::apply(&settings.transforms, shapes::shape(&plan, settings, *case));
            Case::ALL.iter().map(transformed).collect::<Result<_, _>>()?
        };
        Ok(Self { plan, shapes, forms: Vec::new() })
    }

    /// The topics its records go to.
    pub fn topics(&self, settings: &EventSettings) -> BTreeSet<String> {
        if !settings.is_transformed() {
            return [settings.topic_name(&self.plan.relation.schema, &self.plan.relation.table)].into();
        }
        self.shapes.iter().flatten().filter(|shape| shape.routed.is_none()).map(|shape| shape.topic.clone()).collect()
    }

    /// The forms that the settings ask for, each with its topic: their schemas get ids from a registry before the first
    /// event.
    pub fn with_forms(&mut self, settings: &EventSettings) -> Result<Vec<(String, &mut TopicForms)>, NoForm> {
        let Some(form) = settings.value_converter.form.or(settings.key_converter.form) else { return Ok(Vec::new()) };
        if !settings.is_transformed() {
            let plan = &mut self.plan;
            let topic = settings.topic_name(&plan.relation.schema, &plan.relation.table);
            let name = settings.schema_name(&plan.relation.schema, &plan.relation.table);
            let key = plan.has_key().then(|| plan.key_schema(&name));
            let value = schema::envelope(&name, &schema::row(&name, &plan.relation, &plan.columns));
            plan.forms = TopicForms::of_rows(settings, key.as_ref(), Some(&value))?;
            return Ok(vec![(topic, &mut plan.forms)]);
        }
        if self.shapes.iter().flatten().any(|shape| shape.routed.is_some()) {
            return Err(NoForm::Routed(form.title()));
        }
        if self.shapes.iter().flatten().any(|shape| [&shape.key, &shape.value].into_iter().flatten().any(Node::is_sparse)) {
            return Err(NoForm::Sparse(form.title()));
        }
        for shape in &self.shapes {
            let schema = |node: &Option<Node>| node.as_ref().map(Node::whole_schema);
            let (key, value) = shape.as_ref().map_or((None, None), |shape| (schema(&shape.key), schema(&shape.value)));
            self.forms.push(TopicForms::of_rows(settings, key.as_ref(), value.as_ref())?);
        }
        let topics = self.shapes.iter().map(|shape| shape.as_ref().map(|shape| shape.topic.clone()));
        Ok(topics.zip(&mut self.forms).filter_map(|(topic, forms)| Some((topic?, forms))).collect())
    }

    /// The plan, once its topics are known.
    pub fn finish(self, settings: &EventSettings, topic: impl Fn(&str) -> TopicHandle) -> Result<RelationPlan, Unfit> {
        let mut plan = self.plan;
        if !settings.is_transformed() {
            plan.topic = topic(&settings.topic_name(&plan.relation.schema, &plan.relation.table));
            return Ok(plan);
        }
        let mut forms = self.forms.into_iter();
        let program = |(shape, forms): (&Option<Shape>, Option<TopicForms>)| {
            let Some(shape) = shape else { return Ok(None) };
            let (key, value) = (settings.key_converter, settings.value_converter);
            let to = match &shape.routed {
                Some(routed) => Topic::Routed(routed.clone(), HashMap::new()),
                None => Topic::Fixed(topic(&shape.topic)),
            };
            let program = Program::new(shape, to, key, value, settings.header_converter)?;
            Ok(Some(Program { forms: forms.unwrap_or_default(), ..program }))
        };
        let programs = self.shapes.iter().map(|shape| program((shape, forms.next())));
        plan.programs = Some(programs.collect::<Result<_, _>>()?);
        Ok(plan)
    }
}

impl RelationPlan {
    /// Glues a plan: once per version of a table.
    ///
    /// `includes` says which columns are in the row (the key has all of its own).
    fn new(relation: Arc<Relation>, settings: &EventSettings, includes: impl Fn(&str) -> bool) -> Self {
        let row = relation.columns.iter().enumerate().filter(|(_, column)| includes(&column.name)).map(|(index, _)| index);
        let mut columns = plan_columns(&relation, row, &settings.values, settings.value_converter);
        mask_columns(&mut columns, &relation, settings);
        let key = || relation.key_columns().into_iter();
        let header_key = plan_columns(&relation, key(), &settings.values, ConverterSettings::default());
        let header_key = match settings.header_converter {
            HeaderConverter::Json | HeaderConverter::JsonWithSchemas => header_key,
            HeaderConverter::Simple => in_header(header_key, &relation),
            HeaderConverter::Text => as_printed(header_key, &relation),
        };
        let key = plan_columns(&relation, key(), &settings.values, settings.key_converter);
        let name = settings.schema_name(&relation.schema, &relation.table);
        let table_field: Option<(Box<str>, Box<str>)> = settings.table_field(&relation).map(|(name, value)| (name.into(), value.into()));
        let key_end = |text: fn(&mut Vec<u8>, &[u8])| {
            let Some((name, value)) = &table_field else { return Box::default() };
            let mut end = if key.is_empty() { Vec::new() } else { vec![b','] };
            text(&mut end, name.as_bytes());
            end.push(b':');
            text(&mut end, value.as_bytes());
            end.push(b'}');
            end.into()
        };
        let header_key_end = match settings.header_converter {
            HeaderConverter::Json | HeaderConverter::JsonWithSchemas => key_end(json::string),
            HeaderConverter::Simple => key_end(header::string),
            HeaderConverter::Text => {
                let lead = if key.is_empty() { "Struct{" } else { "," };
                let end = table_field.as_ref().map(|(name, value)| format!("{lead}{name}={value}}}"));
                end.unwrap_or_default().into_bytes().into()
            }
        };
        let before_header_key = if settings.header_converter == HeaderConverter::JsonWithSchemas {
            schema::key(&name, &relation, &header_key, table_field.as_ref()).before_payload()
        } else {
            Box::default()
        };
        let key_end = key_end(json::string);
        let before_key = if settings.key_converter.schemas {
            schema::key(&name, &relation, &key, table_field.as_ref()).before_payload()
        } else {
            Box::default()
        };
        let before_value = if settings.value_converter.schemas {
            schema::envelope(&name, &schema::row(&name, &relation, &columns)).before_payload()
        } else {
            Box::default()
        };
        Self {
            name: relation.name().into(),
            // Until it is resolved.
            topic: TopicHandle { index: TopicIndex(u32::MAX), partitions: 1 },
            columns,
            key,
            key_end,
            table_field,
            header_key,
            header_key_end,
            before_header_key,
            headers: settings.headers.clone(),
            before_key,
            before_value,
            source: SourceBlock::new(settings, &relation.schema, &relation.table),
            forms: TopicForms::default(),
            programs: None,
            relation,
        }
    }

    /// Its rows say into which topics they go.
    pub fn is_routed(&self) -> bool {
        self.programs.iter().flatten().flatten().any(|program| matches!(program.topic, Topic::Routed(..)))
    }

    /// Learns a topic that a row named; false when there are too many.
    pub fn learn(&mut self, said: &[u8], handle: TopicHandle) -> bool {
        let mut fits = true;
        for program in self.programs.iter_mut().flatten().flatten() {
            if let Topic::Routed(_, known) = &mut program.topic {
                fits &= known.len() < ROUTED_MAX;
                known.insert(said.into(), handle);
            }
        }
        fits
    }

    /// True when events of this table carry a key.
    pub fn has_key(&self) -> bool {
        !self.key.is_empty() || self.table_field.is_some()
    }

    /// What its keys are, `name` being what schemas are named by.
    fn key_schema(&self, name: &str) -> Schema {
        schema::key(name, &self.relation, &self.key, self.table_field.as_ref())
    }
}

fn plan_columns(
    relation: &Relation,
    indexes: impl Iterator<Item = usize>,
    values: &ValueSettings,
    converter: ConverterSettings,
) -> Vec<ColumnPlan> {
    let values = ValueSettings { decimal_numbers: converter.decimal_numbers, ..values.clone() };
    indexes
        .enumerate()
        .map(|(place, index)| {
            let column = &relation.columns[index];
            let form = choose(&column.kind, &values);
            let mut lead = vec![if place == 0 { b'{' } else { b',' }];
            let name: Box<str> = field_name(&column.name, values.field_names).into();
            json::string(&mut lead, name.as_bytes());
            lead.push(b':');
            let stand_in = filler(column, &form);
            let default = default_of(column, &form, &stand_in);
            let null = match &default {
                Some(default) if converter.null_is_default => default.clone(),
                _ if column.nullable => b"null"[..].into(),
                _ => stand_in,
            };
            ColumnPlan { index, name, lead: lead.into(), form, null, default }
        })
        .collect()
}

/// Puts masks around the columns that have one, and tells the types of those that shall tell them. Debezium's order: what is
/// cut or hidden tells none.
fn mask_columns(columns: &mut [ColumnPlan], relation: &Relation, settings: &EventSettings) {
    for plan in columns {
        let column = &relation.columns[plan.index];
        let mask = settings.masks.of(&relation.schema, &relation.table, &column.name);
        let tells = mask.is_none_or(|mask| matches!(mask, ColumnMask::Hash(_)))
            && settings.source_types.include(&relation.schema, &relation.table, &column.name, &column.type_name);
        let schema = tells.then(|| source_type::told(&plan.form.schema, column));
        if let Some(mask) = mask {
            let (form, null) = mask::masked(plan.form.clone(), plan.null.clone(), column, mask, &settings.values);
            (plan.form, plan.null) = (form, null);
        }
        if let Some(schema) = schema {
            *plan.form.schema = schema;
        }
    }
}

/// A key's columns as Kafka Connect's `SimpleHeaderConverter` writes them, which looks like JSON and is not quite.
fn in_header(mut key: Vec<ColumnPlan>, relation: &Relation) -> Vec<ColumnPlan> {
    for (place, plan) in key.iter_mut().enumerate() {
        let column = &relation.columns[plan.index];
        let mut lead = vec![if place == 0 { b'{' } else { b',' }];
        header::string(&mut lead, plan.name.as_bytes());
        lead.push(b':');
        plan.lead = lead.into();
        if let Some(write) = header::writer(&column.kind, &plan.form) {
            plan.form.write = write;
        }
    }
    key
}

/// A key's columns as Java prints a struct.
fn as_printed(mut key: Vec<ColumnPlan>, relation: &Relation) -> Vec<ColumnPlan> {
    for (place, plan) in key.iter_mut().enumerate() {
        let lead = if place == 0 { "Struct{" } else { "," };
        plan.lead = format!("{lead}{}=", plan.name).into_bytes().into();
        plan.null = header::unquoted(&plan.null).into();
        plan.form = header::printed(&relation.columns[plan.index].kind, &plan.form);
    }
    key
}

/// What stands for a NOT NULL column that an old row does not carry, as in Debezium: its constant default, else a zero,
/// which has more than one form.
fn filler(column: &Column, form: &Form) -> Box<[u8]> {
    let Some(default) = column.default.as_deref() else { return form.zero.clone() };
    if let Some(literal) = constant(default).filter(|_| reads_default(column, form)) {
        let literal = match column.kind {
            TypeKind::Numeric(Some((_, scale))) => with_scale(literal, usize::try_from(scale).unwrap_or_default()),
            _ => literal,
        };
        let mut out = Vec::new();
        if (form.write)(&mut out, literal.as_bytes(), form).is_ok() {
            return out.into();
        }
    }
    match column.kind {
        TypeKind::Uuid => b"\"00000000-0000-0000-0000-000000000000\""[..].into(),
        TypeKind::Json => b"\"{}\""[..].into(),
        TypeKind::TimestampTz(1..) => {
            let digits = "0".repeat(usize::try_from(form.scale).unwrap_or_default());
            format!("\"1970-01-01T00:00:00.{digits}Z\"").into_bytes().into()
        }
        _ => form.zero.clone(),
    }
}

/// Debezium reads no defaults of the other types.
fn reads_default(column: &Column, form: &Form) -> bool {
    let other = matches!(column.kind, TypeKind::Other(_) | TypeKind::Geometric(_));
    !other
        && !matches!(column.kind, TypeKind::Bytea | TypeKind::Array(_) | TypeKind::Money(_))
        && !matches!(form.zero.first(), Some(b'{' | b'['))
}

/// The default as the schema has it. A call of a function is the type's zero there; what else a number may be computed
/// from is left out.
fn default_of(column: &Column, form: &Form, stand_in: &[u8]) -> Option<Box<[u8]>> {
    let expression = column.default.as_deref().filter(|_| reads_default(column, form))?;
    let number = form.zero.first().is_some_and(u8::is_ascii_digit) || matches!(column.kind, TypeKind::Numeric(_));
    let computed = constant(expression).is_none() && !is_call(expression);
    let of_time = matches!(column.kind, TypeKind::Date | TypeKind::Time(_) | TypeKind::Timestamp(_) | TypeKind::Interval);
    (!(number && computed) || of_time).then(|| stand_in.into())
}

/// `name(...`, perhaps in parentheses.
fn is_call(expression: &str) -> bool {
    let bare = expression.strip_prefix('(').unwrap_or(expression);
    let name = bare.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(bare.len());
    name > 0 && bare[name..].starts_with('(')
}

/// A number with as many digits behind the point as PostgreSQL would print.
fn with_scale(number: String, scale: usize) -> String {
    let digits = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if scale <= digits || !number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) {
        return number;
    }
    let point = if digits == 0 { "." } else { "" };
    format!("{number}{point}{}", "0".repeat(scale - digits))
}

/// The text of a default that is a literal: `5`, `-1.5`, `true`, `'x'::text`.
fn constant(expression: &str) -> Option<String> {
    if let Some(rest) = expression.strip_prefix('\'') {
        let mut text = String::new();
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                    chars.next();
                    text.push('\'');
                }
                '\'' => {
                    let cast = &rest[at + 1..];
                    return (cast.is_empty() || (cast.starts_with("::") && !cast.contains(['\'', '|', '+']))).then_some(text);
                }
                c => text.push(c),
            }
        }
        return None;
    }
    let bare = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(expression);
    let plain = matches!(bare, "true" | "false")
        || (bare.parse::<f64>().is_ok() && bare.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')));
    plain.then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_literal_defaults_are_constants() {
        for (expression, expected) in [
            ("5", Some("5")),
            ("(-5)", Some("-5")),
            ("1.50", Some("1.50")),
            ("true", Some("true")),
            ("'it''s'::text", Some("it's")),
            ("'a'::character varying", Some("a")),
            ("now()", None),
            ("nextval('s'::regclass)", None),
            ("'a'::text || 'b'::text", None),
            ("CURRENT_DATE", None),
            ("inf", None),
        ] {
            assert_eq!(constant(expression).as_deref(), expected, "{expression}");
        }
    }

    #[test]
    fn old_rows_are_filled_with_what_debezium_fills_them_with() {
        let values = ValueSettings::default();
        for (kind, default, expected) in [
            (TypeKind::Int4, None, "0"),
            (TypeKind::Int4, Some("7"), "7"),
            (TypeKind::Int4, Some("(1 + 1)"), "0"),
            (TypeKind::Uuid, None, "\"\""),
            (TypeKind::Uuid, Some("gen_random_uuid()"), "\"00000000-0000-0000-0000-000000000000\""),
            (TypeKind::Json, None, "\"\""),
            (TypeKind::Json, Some("f()"), "\"{}\""),
            (TypeKind::Json, Some("'[]'::jsonb"), "\"[]\""),
            (TypeKind::TimestampTz(3), None, "\"1970-01-01T00:00:00Z\""),
            (TypeKind::TimestampTz(3), Some("now()"), "\"1970-01-01T00:00:00.000Z\""),
            (TypeKind::TimestampTz(0), Some("now()"), "\"1970-01-01T00:00:00Z\""),
            (TypeKind::Numeric(Some((6, 2))), Some("1.5"), "\"AJY=\""),
            (TypeKind::Numeric(None), Some("12.50"), r#"{"scale":0,"value":"AA=="}"#),
            (TypeKind::Bytea, Some(r"'\x0102'::bytea"), "\"\""),
            (TypeKind::Array(Box::new(TypeKind::Int4)), Some("'{1,2}'::integer[]"), "[]"),
        ] {
            let form = choose(&kind, &values);
            let name = format!("{kind:?} {default:?}");
            let column = Column {
                name: "c".into(),
                type_oid: 0,
                type_mod: -1,
                kind,
                nullable: false,
                default: default.map(Into::into),
                key_ordinal: None,
                type_name: "".into(),
            };
            assert_eq!(String::from_utf8_lossy(&filler(&column, &form)), expected, "{name}");
        }
    }

    #[test]
    fn a_default_has_its_columns_scale() {
        for (number, scale, expected) in [("1.5", 2, "1.50"), ("-7", 2, "-7.00"), ("1.55", 2, "1.55"), ("3", 0, "3"), ("NaN", 2, "NaN")] {
            assert_eq!(with_scale(number.to_owned(), scale), expected);
        }
    }

    #[test]
    fn names_for_avro_are_debeziums() {
        for (name, schema, field) in
            [("test-server.t1.Key", "test_server.t1.Key", "test_server_t1_Key"), ("1st", "_1st", "_1st"), ("é😀", "___", "___")]
        {
            assert_eq!((in_avro(name, true).as_str(), in_avro(name, false).as_str()), (schema, field));
        }
    }

    #[test]
    fn topic_names_are_debeziums() {
        assert_eq!(sanitised("srv.s1.dbz_878_some|test@data"), "srv.s1.dbz_878_some_test_data");
        assert_eq!(sanitised("srv.public.Weird Table"), "srv.public.Weird_Table");
        assert_eq!(sanitised("s.é.😀"), "s._.__");
        assert_eq!(sanitised(&"é".repeat(300)).len(), 249);
    }
}
