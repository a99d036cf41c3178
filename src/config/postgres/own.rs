//! The options of one thing among several of its kind: `transforms.NAME.*`, `NAME.*`.

use std::collections::BTreeMap;

/// Options that begin alike.
pub(super) struct Own<'a> {
    /// All of the connector's.
    pub options: &'a BTreeMap<String, String>,
    /// How these begin.
    pub prefix: String,
}

impl Own<'_> {
    /// An option's whole name.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Its value; one that is empty is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.options.get(&self.key(name)).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
