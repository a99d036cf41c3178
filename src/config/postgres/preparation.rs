//! What a connector does to its sessions, slot and tables before it reads: statements, replica identities, limits, parameters.

use super::filters::Patterns;
use crate::config::define::invalid;
use crate::problem::Problem;

/// `database.initial.statements`: separated by semicolons, of which two are one that is meant.
pub fn statements(text: &str) -> Vec<String> {
    let parts = text.replace(";;", "\0");
    parts.split(';').map(|part| part.replace('\0', ";").trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// `REPLICA IDENTITY` as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedIdentity {
    /// The primary key.
    Default,
    /// The whole row.
    Full,
    /// None.
    Nothing,
    /// An index.
    Index(String),
}

/// `replica.identity.autoset.values`: `schema.table:FULL,schema.table:INDEX name`, tables as expressions.
#[derive(Clone, Debug, Default)]
pub struct ReplicaIdentities(Vec<(String, Patterns, WantedIdentity)>);

impl ReplicaIdentities {
    const OPTION: &str = "replica.identity.autoset.values";

    /// Reads the option.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut found = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let must = "a list of <table regex>:FULL, :DEFAULT, :NOTHING or :INDEX <name>";
            let (table, identity) = part.rsplit_once(':').ok_or_else(|| invalid(Self::OPTION, part, must))?;
            let mut words = identity.split_whitespace();
            let identity = match (words.next().unwrap_or_default().to_ascii_uppercase().as_str(), words.next(), words.next()) {
                ("DEFAULT", None, None) => WantedIdentity::Default,
                ("FULL", None, None) => WantedIdentity::Full,
                ("NOTHING", None, None) => WantedIdentity::Nothing,
                ("INDEX", Some(name), None) => WantedIdentity::Index(name.to_owned()),
                _ => return Err(invalid(Self::OPTION, part, must)),
            };
            found.push((table.to_owned(), Patterns::parse(Self::OPTION, table)?, identity));
        }
        Ok(Self(found))
    }

    /// True when none is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is asked for a table. Two expressions that name it are a mistake, as with Debezium.
    pub fn of(&self, schema: &str, table: &str) -> Result<Option<&WantedIdentity>, Problem> {
        let name = format!("{schema}.{table}");
        let mut found = self.0.iter().filter(|(_, patterns, _)| patterns.any_matches(&name));
        let first = found.next();
        match (first, found.next()) {
            (Some((first, ..)), Some((second, ..))) => Err(Problem::fail("config/value", format!("{} names {name} twice", Self::OPTION))
                .why(format!("by {first} and by {second}"))
                .fix("let one of them not match it")),
            _ => Ok(first.map(|(.., identity)| identity)),
        }
    }
}

/// `guardrail.collections.max`, with what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guardrail {
    /// More tables than this are too many.
    pub tables_max: usize,
    /// The connector fails; else it warns.
    pub fails: bool,
}

/// `slot.stream.params`: `name=value;name=value`. Those that change the bytes that come are refused.
pub fn stream_parameters(text: &str) -> Result<Vec<(String, String)>, Problem> {
    const OPTION: &str = "slot.stream.params";
    const OURS: [&str; 6] = ["proto_version", "publication_names", "binary", "streaming", "two_phase", "messages"];
    let mut found = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let pair = part.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let legal = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let (name, value) = pair.filter(|(name, _)| legal(name)).ok_or_else(|| invalid(OPTION, part, "name=value;name=value"))?;
        if OURS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Problem::refuse("config/not-supported", format!("{OPTION} with {name} is not supported yet"))
                .why("the stream would have another form than the one that is read"));
        }
        found.push((name.to_owned(), value.to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_split_at_single_semicolons() {
        assert_eq!(statements("set a = 1; select ';;x'; ;"), ["set a = 1", "select ';x'"]);
        assert!(statements(" ").is_empty());
    }

    #[test]
    fn identities_are_read_and_must_be_one_a_table() {
        let found = ReplicaIdentities::parse("public.a.*:full , public.b:INDEX b_key,public.ab:DEFAULT").expect("valid");
        assert_eq!(found.of("public", "a1").expect("one"), Some(&WantedIdentity::Full));
        assert_eq!(found.of("public", "b").expect("one"), Some(&WantedIdentity::Index("b_key".into())));
        assert_eq!(found.of("public", "c").expect("none"), None);
        assert!(found.of("public", "ab").is_err());
        for wrong in ["public.a", "public.a:", "public.a:INDEX", "public.a:SOME", "public.(:FULL"] {
            assert!(ReplicaIdentities::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parameters_of_the_stream_must_leave_its_form() {
        assert_eq!(stream_parameters("origin=none;").expect("valid"), [("origin".to_owned(), "none".to_owned())]);
        for wrong in ["origin", "a b=c", "binary=true", "proto_version=2"] {
            assert!(stream_parameters(wrong).is_err(), "{wrong}");
        }
    }
}
