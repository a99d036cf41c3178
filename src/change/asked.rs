//! What is asked of a capture and is not done yet, in the form in which a checkpoint keeps it.

use serde_json::{Value, json};

use super::signal::{Action, Signal, SnapshotRequest};

/// So many may be asked for at once.
pub const ASKED_MAX: usize = 10;

/// A snapshot that is taken while the stream waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The signal's id.
    pub id: String,
    /// Of what.
    pub request: SnapshotRequest,
}

impl Asked {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({ "id": self.id, "data": self.request.to_data() })
    }

    /// Reads that JSON.
    pub fn from_json(value: &Value) -> Option<Self> {
        let id = value.get("id")?.as_str()?;
        match Signal::parse(id, "execute-snapshot", &value.get("data")?.to_string()).ok()?.action {
            Action::Snapshot(request) => Some(Self { id: id.to_owned(), request }),
            _ => None,
        }
    }
}
