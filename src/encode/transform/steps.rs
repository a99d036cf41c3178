//! What each transformation does to a shape.

use super::convert::{self, Convert};
use super::outbox;
use super::partition::{Hashed, Partition};
use super::rule::Field;
use super::shape::{By, Content, Converted, Header, HeaderContent, Listed, Live, Node, Routed, Shape};
use super::timezone;
use crate::config::postgres::transforms::{
    Added, Casts, DeleteMode, DroppedFields, Inserted, LogicalRouter, Part, Step, Timestamps, Unwrap,
};
use crate::encode::header::is_text;
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};
use crate::encode::values::{Form, Malformed};

/// Applies one transformation; `None` when it drops the record, the text when it cannot be applied.
pub fn apply(step: &Step, mut shape: Shape) -> Result<Option<Shape>, String> {
    match step {
        Step::Unwrap(unwrap) => return unwrap_row(unwrap, shape),
        Step::RegexRouter(renaming) => {
            if let Some(topic) = renaming.apply(&shape.topic) {
                shape.topic = topic;
            }
        }
        Step::LogicalRouter(router) => route_logically(router, &mut shape)?,
        Step::ReplaceField(part, include, exclude, renames) => {
            if let Some(node) = part_of(*part, &mut shape) {
                replace_fields(node, include, exclude, renames);
            }
        }
        Step::MaskField(part, names, replacement) => {
            if let Some(node) = part_of(*part, &mut shape) {
                for (name, field) in fields_of(node)?.iter_mut().filter(|(name, _)| names.iter().any(|wanted| **wanted == **name)) {
                    mask(field, replacement.as_deref()).map_err(|why| format!("field {name}: {why}"))?;
                }
            }
        }
        Step::InsertField(part, inserted) => {
            let topic = shape.topic.clone();
            if let Some(node) = part_of(*part, &mut shape) {
                for Inserted { name, optional, text } in inserted {
                    put(fields_of(node)?, name, Node::text(text.as_ref().unwrap_or(&topic), *optional));
                }
                node.schema.optional = false;
            }
        }
        Step::ExtractField(part, name) => {
            if let Some(node) = part_of(*part, &mut shape) {
                *node = node.field(name).cloned().ok_or_else(|| format!("there is no field {name}"))?;
            }
        }
        Step::HoistField(part, name) => {
            let whole = match part {
                Part::Key => &mut shape.key,
                Part::Value => &mut shape.value,
            };
            let inner = whole.take().unwrap_or(Node { schema: Schema { optional: true, ..Kind::String.into() }, content: Content::Null });
            *whole = Some(Node::of(Schema::new(Kind::Struct(Vec::new())), vec![(name.as_str().into(), inner)]));
        }
        Step::ValueToKey(names) => {
            // A tombstone has no value to make a key of: it keeps its own.
            if let Some(value) = part_of(Part::Value, &mut shape) {
                let field = |name: &String| {
                    let node = value.field(name).cloned().ok_or_else(|| format!("the value has no field {name}"))?;
                    Ok::<_, String>((name.as_str().into(), node))
                };
                let fields = names.iter().map(field).collect::<Result<_, _>>()?;
                shape.key = Some(Node::of(Schema::new(Kind::Struct(Vec::new())), fields));
            }
        }
        Step::HeaderFrom(part, names, headers, moves) => {
            if let Some(node) = part_of(*part, &mut shape) {
                let mut taken = Vec::new();
                for (name, header) in names.iter().zip(headers) {
                    if let Some(field) = node.field(name) {
                        taken.push(Header { name: header.clone(), content: HeaderContent::Value(field.clone()) });
                    }
                }
                if *moves {
                    fields_of(node)?.retain(|(name, _)| !names.iter().any(|moved| **moved == **name));
                }
                shape.headers.extend(taken);
            }
        }
        Step::InsertHeader(name, value) => {
            shape.headers.push(Header { name: name.clone(), content: HeaderContent::Bytes(value.clone().into_bytes()) });
        }
        Step::DropHeaders(names) => shape.headers.retain(|header| !names.contains(&header.name)),
        Step::Cast(part, casts) => {
            if let Some(node) = part_of(*part, &mut shape) {
                match casts {
                    Casts::Whole(to) => convert::cast_node(node, *to)?,
                    Casts::Fields(casts) => {
                        for (name, field) in fields_of(node)? {
                            if let Some((_, to)) = casts.iter().find(|(wanted, _)| **wanted == **name) {
                                convert::cast_node(field, *to).map_err(|why| format!("field {name}: {why}"))?;
                            }
                        }
                    }
                }
            }
        }
        Step::Timestamps(part, timestamps) => {
            let node = match part {
                Part::Key => shape.key.as_mut(),
                Part::Value => shape.value.as_mut(),
            };
            if let Some(node) = node {
                convert_times(node, timestamps)?;
            }
        }
        Step::SchemaMetadata(part, name, version) => {
            let node = match part {
                Part::Key => shape.key.as_mut(),
                Part::Value => shape.value.as_mut(),
            };
            if let Some(node) = node {
                if let Some(name) = name {
                    node.schema.name = Some(name.as_str().into());
                }
                node.schema.version = version.or(node.schema.version);
            }
        }
        Step::Flatten(part, delimiter) => {
            if let Some(node) = part_of(*part, &mut shape) {
                flatten(node, delimiter)?;
            }
        }
        Step::Changes(changed, unchanged) => {
            if let Some(envelope) = shape.value.as_ref().filter(|value| is_envelope(value)) {
                let pairs = changes(envelope);
                for (name, is_changed) in [(changed, true), (unchanged, false)] {
                    let Some(name) = name else { continue };
                    let content = Content::Changes(pairs.clone().unwrap_or_default(), is_changed);
                    let names = Schema::array_of(Schema::from(Kind::String).optional()).optional();
                    let schema = Schema { name: Some(name.as_str().into()), ..names };
                    shape.headers.push(Header { name: name.clone(), content: HeaderContent::Value(Node { schema, content }) });
                }
            }
        }
        Step::HeaderToValue(names, fields, moves) => {
            if let Some(value) = part_of(Part::Value, &mut shape) {
                fields_of(value)?;
                let mut taken = Vec::new();
                for header in &shape.headers {
                    if let Some((_, field)) = names.iter().zip(fields).find(|(name, _)| **name == header.name) {
                        taken.push((field, header_node(header)?));
                    }
                }
                if let Some(value) = shape.value.as_mut().filter(|_| !taken.is_empty()) {
                    let known: Vec<Box<str>> = fields_of(value)?.iter().map(|(name, _)| name.clone()).collect();
                    for (field, node) in &taken {
                        let way: Vec<&str> = field.split('.').collect();
                        insert_at(value, &way, node)?;
                    }
                    // Rows that were made may be null, as far as their schema goes.
                    let made = fields_of(value)?.iter_mut().filter(|(name, node)| node.fields().is_some() && !known.contains(name));
                    made.for_each(|(_, node)| node.schema.optional = true);
                    if *moves {
                        shape.headers.retain(|header| !names.contains(&header.name));
                    }
                }
            }
        }
        Step::Partition(fields, count, murmur) => {
            if let Some(envelope) = shape.value.as_ref().filter(|value| is_envelope(value)) {
                let parts = fields.iter().filter_map(|field| partition_field(envelope, field));
                let parts = parts.collect::<Result<Vec<_>, String>>()?;
                if !parts.is_empty() {
                    shape.partition = Some(Partition::Hashed { parts, count: *count, murmur: *murmur });
                }
            }
        }
        // Of messages only, which pass another way.
        Step::Decode(_) => {}
        Step::Timezone(zoning) => timezone::convert(zoning, &mut shape),
        // What depends on rows is the chain's affair.
        Step::Script(_) => {}
        Step::Drop => return Ok(None),
        Step::Outbox(outbox) => return outbox::route(outbox, shape),
    }
    Ok(Some(shape))
}

/// The key or the value, where the record has one that is not null: Kafka Connect's transformations leave the others alone.
fn part_of(part: Part, shape: &mut Shape) -> Option<&mut Node> {
    let node = match part {
        Part::Key => shape.key.as_mut(),
        Part::Value => shape.value.as_mut(),
    };
    node.filter(|node| !matches!(node.content, Content::Null))
}

fn fields_of(node: &mut Node) -> Result<&mut Vec<(Box<str>, Node)>, String> {
    node.fields_mut().ok_or_else(|| "it needs a struct, and this is a single value".to_owned())
}

/// Adds a field, or replaces the one of that name.
fn put(fields: &mut Vec<(Box<str>, Node)>, name: &str, node: Node) {
    match fields.iter_mut().find(|(field, _)| **field == *name) {
        Some(field) => field.1 = node,
        None => fields.push((name.into(), node)),
    }
}

fn replace_fields(node: &mut Node, include: &[String], exclude: &[String], renames: &[(String, String)]) {
    let listed = |names: &[String], name: &str| names.iter().any(|wanted| wanted == name);
    if let Some(fields) = node.fields_mut() {
        fields.retain(|(name, _)| !listed(exclude, name) && (include.is_empty() || listed(include, name)));
        for (name, _) in fields.iter_mut() {
            if let Some((_, new)) = renames.iter().find(|(old, _)| **old == **name) {
                *name = new.as_str().into();
            }
        }
        node.schema.optional = false;
    }
}

/// What stands for every value that is not null.
fn mask(field: &mut Node, replacement: Option<&str>) -> Result<(), String> {
    let mut json = Vec::new();
    match (&field.schema.kind, replacement) {
        (Kind::String, text) => json::string(&mut json, text.unwrap_or_default().as_bytes()),
        (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, Some(text)) => {
            json::integer(&mut json, text.parse::<i64>().map_err(|_| format!("the replacement {text} is not a whole number"))?);
        }
        (Kind::Float | Kind::Double, Some(text)) => {
            json::double(&mut json, text.parse::<f64>().map_err(|_| format!("the replacement {text} is not a number"))?);
        }
        (_, Some(_)) => return Err("a replacement is for texts and numbers".to_owned()),
        (Kind::Struct(_) | Kind::Bytes, None) if field.schema.name.is_none() => return Err("it cannot be masked".to_owned()),
        (_, None) => {}
    }
    match &mut field.content {
        Content::Column { form, null, .. } => {
            if json.is_empty() {
                json.extend_from_slice(&form.zero);
            }
            if **null != *b"null" {
                *null = json.as_slice().into();
            }
            let constant: Box<[u8]> = json.into();
            *form = Form { write: write_mask, unavailable: constant.clone(), zero: constant, ..form.clone() };
        }
        Content::Constant(constant) if !json.is_empty() => *constant = json.into(),
        Content::Converted(converted) => {
            let zero = match &field.schema.kind {
                _ if !json.is_empty() => json,
                Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => b"0".to_vec(),
                Kind::Float | Kind::Double => b"0.0".to_vec(),
                Kind::Boolean => b"false".to_vec(),
                _ => return Err("it cannot be masked".to_owned()),
            };
            converted.convert = Convert::Fixed(zero.into());
        }
        Content::Null => {}
        _ => return Err("only columns can be masked".to_owned()),
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "it has the type of all writers")]
fn write_mask(out: &mut Vec<u8>, _: &[u8], form: &Form) -> Result<(), Malformed> {
    out.extend_from_slice(&form.zero);
    Ok(())
}

/// True for what `ExtractNewRecordState` and the routers call an envelope.
pub(super) fn is_envelope(node: &Node) -> bool {
    node.schema.name.as_deref().is_some_and(|name| name.ends_with(".Envelope"))
}

fn route_logically(router: &LogicalRouter, shape: &mut Shape) -> Result<(), String> {
    let Some(topic) = router.topic.apply(&shape.topic).filter(|topic| !topic.is_empty()) else { return Ok(()) };
    if let Some(key) = &mut shape.key {
        let table = router.key_value.as_ref().and_then(|renaming| renaming.apply(&shape.topic)).unwrap_or_else(|| shape.topic.clone());
        let fields = fields_of(key)?;
        if let Some(name) = &router.key_field {
            put(fields, name, Node::text(&table, false));
        }
        key.schema.name = Some(format!("{topic}.Key").into());
    }
    if let Some(value) = shape.value.as_mut().filter(|value| is_envelope(value)) {
        value.schema.name = Some(format!("{topic}.Envelope").into());
        for (_, row) in value.fields_mut().into_iter().flatten().filter(|(name, _)| matches!(&**name, "before" | "after")) {
            row.schema.name = Some(format!("{topic}.Value").into());
        }
    }
    shape.topic = topic;
    Ok(())
}

fn unwrap_row(unwrap: &Unwrap, mut shape: Shape) -> Result<Option<Shape>, String> {
    let envelope = shape.value.take().filter(|value| is_envelope(value) || matches!(value.content, Content::Struct(_)));
    let Some(envelope) = envelope else {
        for added in unwrap.headers.iter().filter(|added| added.field == "op") {
            shape.headers.push(Header { name: added.name.clone(), content: HeaderContent::Bytes(b"d".to_vec()) });
        }
        return Ok((unwrap.deletes == DeleteMode::RewriteWithTombstone).then_some(shape));
    };
    if !is_envelope(&envelope) {
        shape.value = Some(envelope);
        return Ok(Some(shape));
    }
    for added in &unwrap.headers {
        if let Some(node) = find(&envelope, added) {
            let node = Node { schema: Schema { optional: true, default: None, ..node.schema }, content: node.content };
            shape.headers.push(Header { name: added.name.clone(), content: HeaderContent::Value(node) });
        }
    }
    let part = |name: &str| envelope.field(name).cloned().ok_or_else(|| format!("the envelope has no field {name}"));
    let after = part("after")?;
    // A decoded message has none.
    let before = part("before").unwrap_or_else(|_| Node { content: Content::Null, ..after.clone() });
    let exists = |node: &Node| !matches!(node.content, Content::Null);
    // The row's topic; and what a header lists goes.
    let place = |shape: &mut Shape, row: &Node| unwrap.route.as_ref().map_or(Ok(()), |name| route_by(shape, row, name));
    let dropped =
        |shape: &mut Shape, row: Option<&mut Node>| unwrap.dropped.as_ref().map_or(Ok(()), |dropped| drop_fields(dropped, shape, row));
    let deleted = !exists(&after);
    let rewrites = matches!(unwrap.deletes, DeleteMode::Rewrite | DeleteMode::RewriteWithTombstone);
    let mut row = match (exists(&after), exists(&before)) {
        (true, _) => after,
        // A truncate.
        (false, false) => return Ok(None),
        (false, true) if unwrap.deletes == DeleteMode::Drop => return Ok(None),
        (false, true) => {
            place(&mut shape, &before)?;
            if !rewrites {
                dropped(&mut shape, None)?;
                shape.value = (unwrap.deletes == DeleteMode::Tombstone).then_some(after);
                return Ok(Some(shape));
            }
            before
        }
    };
    if rewrites {
        put(fields_of(&mut row)?, "__deleted", Node::text(if deleted { "true" } else { "false" }, true));
    }
    if deleted {
        dropped(&mut shape, Some(&mut row))?;
    } else {
        place(&mut shape, &row)?;
    }
    let fields = fields_of(&mut row)?;
    for added in &unwrap.fields {
        if let Some(node) = find(&envelope, added) {
            put(fields, &added.name, Node { schema: Schema { optional: true, default: None, ..node.schema }, content: node.content });
        }
    }
    if !deleted {
        dropped(&mut shape, Some(&mut row))?;
    }
    shape.value = Some(row.required());
    Ok(Some(shape))
}

/// `route.by.field`: a row's topic is its text, when it has one.
fn route_by(shape: &mut Shape, row: &Node, name: &str) -> Result<(), String> {
    let node = row.field(name).ok_or_else(|| format!("route.by.field: the row has no field {name}"))?;
    if node.schema.kind != Kind::String {
        return Err(format!("route.by.field: {name} is no text"));
    }
    match &node.content {
        Content::Null => {}
        Content::Constant(json) => {
            let text: Option<String> = serde_json::from_slice(json).ok();
            if let Some(topic) = text.filter(|text| text.bytes().any(|byte| byte > b' ')) {
                shape.topic = topic;
            }
        }
        _ => {
            let by = By::Field(Field::as_stored(node), shape.topic.clone());
            shape.routed = Some(Routed { by, empty_is_tombstone: None, own_schema: false });
        }
    }
    Ok(())
}

/// `drop.fields.header.name`: the row's fields, and perhaps the key's, without those that a header lists.
fn drop_fields(dropped: &DroppedFields, shape: &mut Shape, row: Option<&mut Node>) -> Result<(), String> {
    let Some(header) = shape.headers.iter().find(|header| header.name == dropped.header) else { return Ok(()) };
    let (always, by_row) = match &header.content {
        HeaderContent::Value(Node { content: Content::Null, .. }) => return Ok(()),
        HeaderContent::Value(Node { content: Content::Changes(pairs, changed), .. }) => (Vec::new(), Some((pairs.clone(), *changed))),
        HeaderContent::Bytes(text) if serde_json::from_slice::<Vec<String>>(text).is_ok() => {
            (serde_json::from_slice::<Vec<String>>(text).unwrap_or_default(), None)
        }
        _ => return Err(format!("the header {} is no list of ExtractChangedRecordState, nor one that InsertHeader makes", header.name)),
    };
    let key = shape.key.as_mut().filter(|_| dropped.from_key);
    for node in [key, row].into_iter().flatten() {
        let goes = |node: &Node| node.schema.optional || !dropped.keeps_required;
        let fields = fields_of(node)?;
        fields.retain(|(name, node)| !(goes(node) && always.iter().any(|listed| **listed == **name)));
        let Some((pairs, changed)) = &by_row else { continue };
        for (name, field) in fields.iter_mut().filter(|(_, node)| goes(node)) {
            if let Some((_, pair)) = pairs.iter().find(|(listed, _)| listed == name) {
                let content = std::mem::replace(&mut field.content, Content::Null);
                field.content = Content::Listed(Box::new(Listed { content, pair: pair.clone(), changed: *changed }));
            }
        }
    }
    Ok(())
}

/// A field of the envelope, of its source block, or of its transaction block.
fn find(envelope: &Node, added: &Added) -> Option<Node> {
    let block = match &added.block {
        None => return envelope.field(&added.field).cloned(),
        Some(block) => envelope.field(block)?,
    };
    let field = match &block.content {
        Content::Source(constants) => source_field(&block.schema, constants, &added.field),
        Content::Transaction => transaction_field(&block.schema, &added.field),
        Content::Struct(_) => block.field(&added.field).cloned().map(plain),
        // The block is not there in any record: its fields are null.
        _ => {
            let Kind::Struct(fields) = &block.schema.kind else { return None };
            let field = fields.iter().find(|field| *field.name == *added.field)?;
            Some(Node { schema: field.schema.clone(), content: Content::Null })
        }
    };
    field.or_else(|| envelope.field(&added.field).cloned())
}

/// A field of the transaction block.
fn transaction_field(schema: &Schema, name: &str) -> Option<Node> {
    let Kind::Struct(fields) = &schema.kind else { return None };
    let field = fields.iter().find(|field| *field.name == *name)?;
    let live = match name {
        "id" => Live::TransactionId,
        "total_order" => Live::TotalOrder,
        _ => Live::TableOrder,
    };
    Some(Node { schema: field.schema.clone(), content: Content::Live(live) })
}

/// `TimestampConverter`, which also changes the schema of a value that is null.
fn convert_times(node: &mut Node, timestamps: &Timestamps) -> Result<(), String> {
    let Some(wanted) = &timestamps.field else { return convert::time_node(node, timestamps) };
    let of_field = |why| format!("field {wanted}: {why}");
    if matches!(node.content, Content::Null) {
        let Kind::Struct(fields) = &mut node.schema.kind else { return Ok(()) };
        for field in fields.iter_mut().filter(|field| *field.name == **wanted) {
            let mut nothing = Node { schema: field.schema.clone(), content: Content::Null };
            convert::time_node(&mut nothing, timestamps).map_err(of_field)?;
            field.schema = nothing.schema;
        }
        return Ok(());
    }
    for (_, field) in fields_of(node)?.iter_mut().filter(|(name, _)| **name == **wanted) {
        convert::time_node(field, timestamps).map_err(of_field)?;
    }
    Ok(())
}

/// What a header holds, as a value.
fn header_node(header: &Header) -> Result<Node, String> {
    match &header.content {
        HeaderContent::Value(node) => Ok(node.clone()),
        HeaderContent::Bytes(text) => {
            let text = String::from_utf8_lossy(text);
            if !is_text(&header.name, &text) {
                return Err(format!(
                    "the header {} is not a text, and only texts that were inserted can go into the value yet",
                    header.name
                ));
            }
            Ok(Node::text(&text, false))
        }
        HeaderContent::OtherKey => Err(format!("the header {} is a key, which cannot go into the value yet", header.name)),
    }
}

/// Puts a value where a way of names leads.
fn insert_at(node: &mut Node, way: &[&str], value: &Node) -> Result<(), String> {
    let Some((name, rest)) = way.split_first() else { return Ok(()) };
    node.schema.optional = false;
    let is_null = matches!(node.content, Content::Null);
    if is_null && let Kind::Struct(fields) = &mut node.schema.kind {
        // A row that is not there has the field in its schema.
        if rest.is_empty() && !fields.iter().any(|field| *field.name == **name) {
            fields.push(value.whole_schema().field(name));
        }
        return Ok(());
    }
    let fields = node.fields_mut().ok_or_else(|| format!("the field {name} cannot be added to what is no row"))?;
    if rest.is_empty() {
        put(fields, name, value.clone());
        return Ok(());
    }
    if !fields.iter().any(|(field, _)| **field == **name) {
        fields.push(((*name).into(), Node::of(Schema::new(Kind::Struct(Vec::new())), Vec::new())));
    }
    match fields.iter_mut().find(|(field, _)| **field == **name) {
        Some((_, inner)) => insert_at(inner, rest, value),
        None => Ok(()),
    }
}

/// A field of `PartitionRouting`; `None` where the record does not have it.
fn partition_field(envelope: &Node, way: &str) -> Option<Result<Hashed, String>> {
    let mut names: Vec<&str> = way.split('.').map(str::trim).collect();
    if names.first() == Some(&"change") {
        let is_delete = matches!(envelope.field("op").map(|op| &op.content), Some(Content::Constant(json)) if **json == *b"\"d\"");
        *names.first_mut()? = if is_delete { "before" } else { "after" };
    }
    let found = match names.as_slice() {
        [field] => envelope.field(field)?.clone(),
        [block, field] => match envelope.field(block)? {
            Node { schema, content: Content::Source(constants) } => source_field(schema, constants, field)?,
            block => block.field(field)?.clone(),
        },
        _ => return Some(Err(format!("{way} is deeper than rows are"))),
    };
    Hashed::new(&found).map_err(|why| format!("{way}: {why}")).transpose()
}

/// The rows of an update beside each other, by field.
fn changes(envelope: &Node) -> Option<Vec<(Box<str>, [Content; 2])>> {
    let (before, after) = (envelope.field("before")?, envelope.field("after")?.fields()?);
    before.fields()?;
    let pair = |(name, node): &(Box<str>, Node)| Some((name.clone(), [before.field(name)?.content.clone(), node.content.clone()]));
    Some(after.iter().filter_map(pair).collect())
}

/// Fields of structs become fields of the whole.
fn flatten(node: &mut Node, delimiter: &str) -> Result<(), String> {
    let mut flat = Vec::new();
    let fields = std::mem::take(fields_of(node)?);
    let optional = node.schema.optional;
    for (name, field) in fields {
        flatten_into(&mut flat, &name, field, optional, delimiter)?;
    }
    node.content = Content::Struct(flat);
    Ok(())
}

fn flatten_into(flat: &mut Vec<(Box<str>, Node)>, name: &str, node: Node, optional: bool, delimiter: &str) -> Result<(), String> {
    let Node { mut schema, content } = node;
    let optional = optional || schema.optional;
    let inner = |field: &str| format!("{name}{delimiter}{field}");
    match content {
        Content::Struct(fields) => {
            for (field, node) in fields {
                flatten_into(flat, &inner(&field), node, optional, delimiter)?;
            }
            return Ok(());
        }
        // A row that is not there has no fields here, and all of them in the schema.
        Content::Null => {
            if let Kind::Struct(fields) = schema.kind {
                for field in fields {
                    let node = Node { schema: field.schema, content: Content::Null };
                    flatten_into(flat, &inner(&field.name), node, optional, delimiter)?;
                }
                return Ok(());
            }
        }
        Content::Source(_) | Content::Transaction => {
            for (field, node) in opened(&Node { schema, content }) {
                flatten_into(flat, &inner(&field), node, optional, delimiter)?;
            }
            return Ok(());
        }
        _ => {
            schema.optional = optional;
            let kind = match &schema.kind {
                Kind::Struct(_) => "the struct of a single column cannot be flattened yet",
                Kind::Map(..) => "a map cannot be flattened",
                _ => {
                    flat.push((name.into(), Node { schema, content }));
                    return Ok(());
                }
            };
            return Err(format!("field {name}: {kind}"));
        }
    }
    schema.optional = optional;
    flat.push((name.into(), Node { schema, content: Content::Null }));
    Ok(())
}

/// The fields of a source or transaction block. Here, unlike where single fields are asked for, the default of
/// `source.snapshot` is written, not null: [`plain`] takes that back.
pub(super) fn opened(block: &Node) -> Vec<(Box<str>, Node)> {
    let Kind::Struct(fields) = &block.schema.kind else { return Vec::new() };
    let open = |field: &crate::encode::schema::Field| {
        let mut node = match &block.content {
            Content::Source(constants) => source_field(&block.schema, constants, &field.name)?,
            _ => transaction_field(&block.schema, &field.name)?,
        };
        if let (Content::Live(Live::Snapshot), Some(default)) = (&node.content, &node.schema.default) {
            let null = default.clone();
            node.content = Content::Converted(Box::new(Converted { content: node.content, convert: Convert::Same, null }));
        }
        Some((field.name.as_ref().into(), node))
    };
    fields.iter().filter_map(open).collect()
}

/// A field of an opened block with its default as null.
fn plain(mut field: Node) -> Node {
    if let Content::Converted(converted) = &field.content
        && matches!(converted.convert, Convert::Same)
    {
        field.content = converted.content.clone();
    }
    field
}

/// A field of the source block.
pub(super) fn source_field(schema: &Schema, constants: &[(&str, Box<[u8]>)], name: &str) -> Option<Node> {
    let Kind::Struct(fields) = &schema.kind else { return None };
    let field = fields.iter().find(|field| *field.name == *name)?;
    let content = match name {
        "ts_ms" => Content::Live(Live::SourceMs),
        "ts_us" => Content::Live(Live::SourceUs),
        "ts_ns" => Content::Live(Live::SourceNs),
        "snapshot" => Content::Live(Live::Snapshot),
        "sequence" => Content::Live(Live::Sequence),
        "txId" => Content::Live(Live::Xid),
        "lsn" => Content::Live(Live::Lsn),
        "xmin" => Content::Live(Live::Xmin),
        _ => {
            let constant = constants.iter().find(|(constant, _)| *constant == name);
            constant.map_or(Content::Null, |(_, json)| Content::Constant(json.clone()))
        }
    };
    Some(Node { schema: field.schema.clone(), content })
}
