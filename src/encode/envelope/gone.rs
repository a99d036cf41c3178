//! Rows that went unseen: which of a topic's keys are whose, and the records that tell that they are gone.
//!
//! Owns whether the records of a table can tell it at all, and how. Promises that a row's key is the bytes that its records
//! have, as [`crate::encode::stored`] compares them, and that a row that is told gone has the topic's own key, so that it is the same one
//! for a compacted topic, too. Leaves to `connect` which ones are gone.

use super::{Case, Encoder, end_key, in_form, program_of, write_row};
use crate::change::{Op, Position, Tuple};
use crate::config::postgres::BytesConverter;
use crate::config::postgres::transforms::{DeleteMode, Part, Step, Transform};
use crate::encode::EncodeError;
use crate::encode::plan::{EventSettings, RelationPlan};
use crate::encode::stored::{self, KeyForm};
use crate::encode::transform::program::{self, Input, Topic};
use crate::encode::wire::WireForm;
use crate::record::{Headers, RecordRef, RecordSink, Route, TopicHandle};

/// How the records of a table tell that a row is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The table's one topic.
    pub topic: TopicHandle,
    /// How its keys are compared.
    pub keys: KeyForm,
    /// By events with the old row, because values can be read back.
    pub by_events: bool,
    /// By a value that says null, as `ExtractNewRecordState` writes deletes unless it is told otherwise.
    pub by_nulls: bool,
    /// By a record without value, behind an event where there is one.
    pub tombstones: bool,
}

impl Gone {
    /// How this table's records can; else why they cannot.
    pub fn of(plan: &RelationPlan, settings: &EventSettings) -> Result<Self, String> {
        if !plan.has_key() {
            return Err("its events have no key: nobody could tell which row is gone".to_owned());
        }
        if plan.table_field.is_some() || settings.shares_topics() {
            return Err("its topic has the events of other tables, too (topic.naming.strategy)".to_owned());
        }
        if let Some(transform) = settings.transforms.iter().find(|transform| !keeps_key_and_topic(&transform.step)) {
            return Err(format!("transforms.{} may change keys or topics: the topic's keys are not the table's", transform.name));
        }
        if settings.key_converter.text || settings.key_converter.bytes != BytesConverter::No {
            return Err("key.converter writes texts or bytes: keys cannot be compared".to_owned());
        }
        let tombstones = settings.tombstones_on_delete;
        let Some(programs) = plan.programs.as_deref() else {
            let by_events = plan.forms.value.is_none();
            if !by_events && !tombstones {
                return Err(no_tombstones());
            }
            return Ok(Self { topic: plan.topic, keys: key_form(plan.forms.key.as_ref())?, by_events, by_nulls: false, tombstones });
        };
        let of = |case: Case| program_of(Some(programs), case);
        let nulls = |transform: &Transform| matches!(&transform.step, Step::Unwrap(unwrap) if unwrap.deletes == DeleteMode::Tombstone);
        let by_nulls = settings.transforms.iter().any(nulls) && of(Case::Tombstone).is_none();
        let delete = of(Case::Delete).filter(|delete| by_nulls || delete.value.is_none());
        let program = delete.or(of(Case::Tombstone).filter(|_| tombstones));
        let Some(program) = program.filter(|program| program.key.is_some() && program.conditions.is_empty()) else {
            return Err(no_tombstones());
        };
        if by_nulls && program.forms.value.is_some() {
            return Err("values that say null cannot be told from rows in its value.converter's form: set delete.tombstone.handling.mode=delete-to-tombstone"
                .to_owned());
        }
        let (Topic::Fixed(topic), None) = (&program.topic, &program.partition) else {
            return Err("its rows say themselves where they go".to_owned());
        };
        Ok(Self { topic: *topic, keys: key_form(program.forms.key.as_ref())?, by_events: false, by_nulls, tombstones: !by_nulls })
    }
}

fn no_tombstones() -> String {
    "its values cannot be read back (transforms, or a value.converter with a registry), and deletes have no tombstones: nothing could tell that a row is gone"
        .to_owned()
}

/// What changes values and headers only.
fn keeps_key_and_topic(step: &Step) -> bool {
    match step {
        Step::Unwrap(unwrap) => unwrap.route.is_none() && unwrap.dropped.as_ref().is_none_or(|dropped| !dropped.from_key),
        Step::ReplaceField(part, ..)
        | Step::MaskField(part, ..)
        | Step::InsertField(part, _)
        | Step::HeaderFrom(part, ..)
        | Step::Cast(part, _)
        | Step::Timestamps(part, _)
        | Step::SchemaMetadata(part, ..)
        | Step::Flatten(part, _) => *part == Part::Value,
        Step::InsertHeader(..) | Step::DropHeaders(_) | Step::Changes(..) | Step::HeaderToValue(..) | Step::Timezone(_) => true,
        // It is about other records.
        Step::Decode(_) => true,
        Step::RegexRouter(_)
        | Step::LogicalRouter(_)
        | Step::ExtractField(..)
        | Step::HoistField(..)
        | Step::ValueToKey(_)
        | Step::Partition(..)
        | Step::Script(_)
        | Step::Drop
        | Step::Outbox(_) => false,
    }
}

fn key_form(form: Option<&WireForm>) -> Result<KeyForm, String> {
    match form {
        None => Ok(KeyForm::Json),
        Some(WireForm::Avro(_) | WireForm::JsonSchema(_) | WireForm::Protobuf(_)) => Ok(KeyForm::WithId),
        Some(WireForm::ConnectJson(_) | WireForm::CloudEvents(_)) => Err("key.converter writes keys that cannot be compared".to_owned()),
    }
}

impl Encoder {
    /// The key of a row's records, as it is compared; `older` fills in what the row does not carry. Good until the next call.
    pub fn key_of(&mut self, plan: &RelationPlan, gone: &Gone, row: Tuple<'_>, older: Option<Tuple<'_>>) -> Result<&[u8], EncodeError> {
        self.key.clear();
        write_row(&mut self.key, &plan.key, &plan.relation, Some(row), older)?;
        end_key(&mut self.key, &plan.key_end);
        let of_program = program_of(plan.programs.as_deref(), Case::Create).and_then(|program| program.forms.key.as_ref());
        let [scratch, _] = &mut self.in_form;
        let key = in_form(&plan.relation, of_program.or(plan.forms.key.as_ref()), Some(&self.key), scratch)?;
        Ok(gone.keys.comparable(key.unwrap_or_default()))
    }

    /// Tells that a row is gone of which a topic has this key and this value.
    pub fn push_gone<S: RecordSink>(
        &mut self,
        plan: &mut RelationPlan,
        gone: &Gone,
        (partition, key, value): (u32, &[u8], &[u8]),
        at: &Position,
        out: &mut S,
    ) -> Result<(), EncodeError> {
        let route = Route { topic: gone.topic.index, partition };
        let case = if gone.by_nulls { Case::Delete } else { Case::Tombstone };
        let fixed = match program_of(plan.programs.as_deref(), case).map(|program| &program.headers) {
            Some(program::Headers::Fixed(block)) => block.headers(),
            Some(_) => Headers::NONE,
            None => plan.headers.headers(),
        };
        if gone.by_events {
            let row = stored::row(value);
            let before = row.map_or(&b"null"[..], |row| row.row);
            let to = &mut self.value;
            to.clear();
            match row.and_then(|row| row.schema).filter(|_| !plan.before_value.is_empty()) {
                // The old row is as that says: the table may have other columns now.
                Some(schema) => {
                    to.extend_from_slice(b"{\"schema\":");
                    to.extend_from_slice(schema);
                    to.extend_from_slice(b",\"payload\":");
                }
                None => to.extend_from_slice(&plan.before_value),
            }
            to.extend_from_slice(b"{\"before\":");
            to.extend_from_slice(before);
            to.extend_from_slice(b",\"after\":null,\"source\":");
            plan.source.write(to, at);
            to.extend_from_slice(b",\"transaction\":null,\"op\":\"");
            to.extend_from_slice(Op::Delete.letter().as_bytes());
            to.extend_from_slice(&self.now);
            if !plan.before_value.is_empty() {
                to.push(b'}');
            }
            out.push(route, RecordRef { timestamp_ms: self.now_ms, key: Some(key), value: Some(&self.value), headers: fixed })?;
        }
        if gone.by_nulls
            && let Some(value) = program_of(plan.programs.as_deref(), Case::Delete).and_then(|program| program.value.as_ref())
        {
            let input = Input { before: None, after: None, older: None, at, place: None, now_ns: self.now_ns };
            let source = &mut plan.source;
            self.value.clear();
            value.write(&mut self.value, &input, |to| source.write(to, at)).map_err(|bad| super::bad_value(&plan.relation, bad))?;
            out.push(route, RecordRef { timestamp_ms: self.now_ms, key: Some(key), value: Some(&self.value), headers: fixed })?;
        }
        if gone.tombstones {
            out.push(route, RecordRef { timestamp_ms: self.now_ms, key: Some(key), value: None, headers: fixed })?;
        }
        Ok(())
    }
}
