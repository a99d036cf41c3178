//! How far an incremental snapshot is, in the form in which a checkpoint keeps it.
//!
//! Owns what has to outlive the process: who asked, which tables are left with their conditions, the last key written and
//! the greatest one to read. Promises that what is written comes back as it was. What is read and not yet written is not
//! here: it is read again.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// The values by which a row is found, as PostgreSQL's text; `None` is NULL.
pub type Place = Vec<Option<String>>;

/// A table to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// SQL that its rows must fulfil.
    pub filter: Option<String>,
    /// The column by which it is read, in its key's place.
    pub surrogate_key: Option<String>,
    /// It is reconciled with its topic, of which so many keys may be remembered.
    pub reconcile: Option<u64>,
}

impl Collection {
    /// `schema.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// How far a table is reconciled. It is told only: a process that is killed begins the table again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// `keys`: the topic is read; `rows`: the table is; `deletes`: what is gone is told.
    pub phase: String,
    /// Keys that lived in the topic.
    pub keys: u64,
    /// Keys of them that were told gone.
    pub deleted: u64,
}

/// An incremental snapshot that is not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incremental {
    /// The signal that asked last.
    pub id: String,
    /// It rests until it is resumed.
    pub paused: bool,
    /// The tables that are left; the first is being read.
    pub left: VecDeque<Collection>,
    /// Of the first table: by which columns it is read, once it is begun.
    pub by: String,
    /// The last row written.
    pub cursor: Option<Place>,
    /// The greatest row when it was begun: those behind it come by the stream.
    pub greatest: Option<Place>,
    /// Rows to read once more, because an event came without their large values.
    pub repairs: Vec<Place>,
    /// Rows read so far.
    pub rows: u64,
    /// How far the first table is reconciled, when it is.
    pub reconciled: Option<Reconciled>,
}

impl Incremental {
    /// The table that is being read.
    pub fn current(&self) -> Option<&Collection> {
        self.left.front()
    }

    /// The first table is begun again.
    pub fn begin_again(&mut self) {
        self.by.clear();
        self.cursor = None;
        self.greatest = None;
        self.repairs.clear();
        self.rows = 0;
        self.reconciled = None;
    }

    /// The first table is over.
    pub fn next(&mut self) {
        self.left.pop_front();
        self.begin_again();
    }

    /// The names of all that are left, with commas between.
    pub fn names(&self) -> String {
        self.left.iter().map(Collection::name).collect::<Vec<_>>().join(",")
    }

    /// For the checkpoint.
    pub fn to_json(&self) -> Value {
        let collection = |of: &Collection| match of.reconcile {
            // As versions read it that know of nothing more.
            None => json!([of.schema, of.table, of.filter, of.surrogate_key]),
            Some(keys) => json!([of.schema, of.table, of.filter, of.surrogate_key, keys]),
        };
        let mut written = json!({
            "id": self.id,
            "paused": self.paused,
            "left": self.left.iter().map(collection).collect::<Vec<_>>(),
            "by": self.by,
            "cursor": self.cursor,
            "greatest": self.greatest,
            "repairs": self.repairs,
            "rows": self.rows,
        });
        if let (Some(Reconciled { phase, keys, deleted }), Some(written)) = (&self.reconciled, written.as_object_mut()) {
            written.insert("reconciled".to_owned(), json!({ "phase": phase, "keys": keys, "deleted": deleted }));
        }
        written
    }

    /// Back from the checkpoint; `None` when it is not in this form.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let list = |name: &str| value.get(name)?.as_array();
        let collection = |value: &Value| {
            let (schema, table, filter, surrogate_key, reconcile) = match value.as_array()?.as_slice() {
                [schema, table, filter, surrogate_key] => (schema, table, filter, surrogate_key, None),
                [schema, table, filter, surrogate_key, keys] => (schema, table, filter, surrogate_key, Some(keys.as_u64()?)),
                _ => return None,
            };
            let (schema, table) = (schema.as_str()?.to_owned(), table.as_str()?.to_owned());
            Some(Collection { schema, table, filter: maybe_text(filter)?, surrogate_key: maybe_text(surrogate_key)?, reconcile })
        };
        Some(Self {
            id: text("id")?,
            paused: value.get("paused")?.as_bool()?,
            left: list("left")?.iter().map(collection).collect::<Option<_>>()?,
            by: text("by")?,
            cursor: maybe_place(value.get("cursor")?)?,
            greatest: maybe_place(value.get("greatest")?)?,
            repairs: list("repairs")?.iter().map(place).collect::<Option<_>>()?,
            rows: value.get("rows")?.as_u64()?,
            reconciled: match value.get("reconciled") {
                None | Some(Value::Null) => None,
                Some(value) => Some(Reconciled {
                    phase: value.get("phase")?.as_str()?.to_owned(),
                    keys: value.get("keys")?.as_u64()?,
                    deleted: value.get("deleted")?.as_u64()?,
                }),
            },
        })
    }
}

fn maybe_text(value: &Value) -> Option<Option<String>> {
    if value.is_null() { Some(None) } else { value.as_str().map(|text| Some(text.to_owned())) }
}

fn place(value: &Value) -> Option<Place> {
    value.as_array()?.iter().map(maybe_text).collect()
}

fn maybe_place(value: &Value) -> Option<Option<Place>> {
    if value.is_null() { Some(None) } else { place(value).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incremental_snapshot_comes_back_as_it_was_written() {
        let of = |table: &str, filter: Option<&str>, surrogate_key: Option<&str>| Collection {
            schema: "public".into(),
            table: table.into(),
            filter: filter.map(str::to_owned),
            surrogate_key: surrogate_key.map(str::to_owned),
            reconcile: surrogate_key.map(|_| 16_000_000),
        };
        let snapshot = Incremental {
            id: "s\"1".into(),
            paused: true,
            left: [of("a", Some("id < 3"), None), of("b", None, Some("at"))].into(),
            by: "id, at".into(),
            cursor: Some(vec![Some("1".into()), None]),
            greatest: Some(vec![Some("9".into()), Some("x".into())]),
            repairs: vec![vec![Some("4".into())]],
            rows: 7,
            reconciled: Some(Reconciled { phase: "rows".into(), keys: 5, deleted: 1 }),
        };
        assert_eq!(Incremental::from_json(&snapshot.to_json()), Some(snapshot.clone()));
        assert_eq!(snapshot.names(), "public.a,public.b");
        assert_eq!(Incremental::from_json(&json!({})), None);
        let mut next = snapshot;
        next.next();
        assert_eq!((next.names().as_str(), &next.cursor, next.rows, &next.reconciled), ("public.b", &None, 0, &None));
        assert_eq!(Incremental::from_json(&next.to_json()), Some(next));
    }
}
