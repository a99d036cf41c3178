//! Subjects: which schemas there are, under which versions and ids, and what a request would change.
//!
//! Nothing is changed by asking: a request becomes [`Change`]s, whoever owns the state makes them durable and then
//! [`Subjects::apply`]s them. Reading the records back applies the same changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Kind, Level, Parsed, Reference, Refusal, SCHEMA_BYTES_MAX, Schema};

/// Versions of one subject; each of them may have to be compared.
const VERSIONS_MAX: usize = 1_000;
/// Bytes of all versions together, by [`cost`]: every segment of the log repeats them.
const TOTAL_BYTES_MAX: usize = 64 << 20;
/// Schemas that one schema uses, through others too.
const REFERENCES_MAX: usize = 100;
/// The longest subject.
const SUBJECT_BYTES_MAX: usize = 1_000;

/// The longest name of a reference: a URL or a path.
const REFERENCE_BYTES_MAX: usize = 1_000;
/// What a version or a reference takes beside its texts.
const FIXED_COST: usize = 256;
/// Levels of subjects, and modes of subjects.
const SETTINGS_MAX: usize = 10_000;

/// Whether a subject takes new schemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    ReadWrite,
    /// It does not.
    ReadOnly,
    /// It takes them with the ids and versions they had elsewhere, unchecked.
    Import,
}

impl Mode {
    /// Confluent's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "READWRITE",
            Self::ReadOnly => "READONLY",
            Self::Import => "IMPORT",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::ReadWrite, Self::ReadOnly, Self::Import].into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The subject.
    pub subject: String,
    /// Its number, from 1.
    pub version: u32,
    /// The schema's id.
    pub id: u32,
    /// The schema.
    pub schema: Arc<Schema>,
    /// Deleted, but still found by its id.
    pub deleted: bool,
}

/// A step of the registry's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A version is there, or is marked as deleted.
    Put(Version),
    /// A version is gone for good.
    Forget {
        /// The subject.
        subject: String,
        /// The version.
        version: u32,
    },
    /// A subject's compatibility level, or everyone's; `None` takes it back.
    Level(Option<String>, Option<Level>),
    /// A subject's mode, or everyone's; `None` takes it back.
    Mode(Option<String>, Option<Mode>),
    /// Ids up to this one were given, also to schemas that are gone.
    Given(u32),
}

/// A schema that somebody sends.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Its language.
    pub kind: Kind,
    /// Its text.
    pub text: String,
    /// What it uses.
    pub references: Vec<Reference>,
    /// Leave out more that makes no difference.
    pub normalize: bool,
    /// Its id, in mode IMPORT.
    pub id: Option<u32>,
    /// Its version, in mode IMPORT.
    pub version: Option<u32>,
}

/// An offer that was read.
#[derive(Debug)]
pub struct Read {
    /// As it is kept.
    pub schema: Schema,
    /// To be compared.
    pub parsed: Parsed,
}

/// Everything the registry knows.
#[derive(Clone, Debug, Default)]
pub struct Subjects {
    subjects: BTreeMap<String, BTreeMap<u32, Version>>,
    /// Ids in use: the schema, and in how many versions it stands.
    ids: BTreeMap<u32, (Arc<Schema>, usize)>,
    by_schema: HashMap<Arc<Schema>, u32>,
    levels: BTreeMap<Option<String>, Level>,
    modes: BTreeMap<Option<String>, Mode>,
    given: u32,
    bytes: usize,
}

impl Subjects {
    /// Makes a change that is durable.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(version) => self.put(version),
            Change::Forget { subject, version } => self.forget(&subject, version),
            Change::Level(subject, level) => drop(match level {
                Some(level) => self.levels.insert(subject, level),
                None => self.levels.remove(&subject),
            }),
            Change::Mode(subject, mode) => drop(match mode {
                Some(mode) => self.modes.insert(subject, mode),
                None => self.modes.remove(&subject),
            }),
            Change::Given(id) => self.given = self.given.max(id),
        }
    }

    fn put(&mut self, mut version: Version) {
        self.forget(&version.subject.clone(), version.version);
        self.given = self.given.max(version.id);
        self.bytes += cost(&version.subject, &version.schema);
        let known = self.ids.entry(version.id).or_insert_with(|| (Arc::clone(&version.schema), 0));
        known.1 += 1;
        // One copy of a schema, however many subjects have it.
        if known.0 == version.schema {
            version.schema = Arc::clone(&known.0);
        }
        self.by_schema.entry(Arc::clone(&version.schema)).or_insert(version.id);
        self.subjects.entry(version.subject.clone()).or_default().insert(version.version, version);
    }

    fn forget(&mut self, subject: &str, version: u32) {
        let Some(versions) = self.subjects.get_mut(subject) else { return };
        let Some(gone) = versions.remove(&version) else { return };
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        self.bytes = self.bytes.saturating_sub(cost(&gone.subject, &gone.schema));
        let Some(known) = self.ids.get_mut(&gone.id) else { return };
        known.1 -= 1;
        if known.1 == 0 {
            self.ids.remove(&gone.id);
            if self.by_schema.get(&gone.schema) == Some(&gone.id) {
                self.by_schema.remove(&gone.schema);
            }
        }
    }

    /// The subjects that have a version, deleted ones too when asked for.
    pub fn subjects(&self, deleted: bool) -> Vec<&str> {
        let has = |versions: &BTreeMap<u32, Version>| deleted || versions.values().any(|version| !version.deleted);
        self.subjects.iter().filter(|(_, versions)| has(versions)).map(|(name, _)| name.as_str()).collect()
    }

    /// The versions of a subject, in order.
    pub fn versions(&self, subject: &str, deleted: bool) -> Result<Vec<&Version>, Refusal> {
        let all = self.subjects.get(subject).into_iter().flat_map(BTreeMap::values);
        let found: Vec<_> = all.filter(|version| deleted || !version.deleted).collect();
        if found.is_empty() { Err(Refusal::no_subject(subject)) } else { Ok(found) }
    }

    /// One version; `None` is the latest.
    pub fn version(&self, subject: &str, version: Option<u32>, deleted: bool) -> Result<&Version, Refusal> {
        let versions = self.versions(subject, deleted)?;
        let found = match version {
            None => versions.last().copied(),
            Some(number) => versions.into_iter().find(|version| version.version == number),
        };
        found.ok_or_else(|| Refusal::no_version(version.unwrap_or_default()))
    }

    /// A schema by id.
    pub fn schema(&self, id: u32) -> Option<&Arc<Schema>> {
        self.ids.get(&id).map(|(schema, _)| schema)
    }

    /// The versions in which an id stands.
    pub fn uses(&self, id: u32, deleted: bool) -> Vec<&Version> {
        let all = self.subjects.values().flat_map(BTreeMap::values);
        all.filter(|version| version.id == id && (deleted || !version.deleted)).collect()
    }

    /// The largest id that was given.
    pub fn id_max(&self) -> u32 {
        self.given
    }

    /// Reads an offer and all that it uses.
    pub fn read(&self, offer: &Offer) -> Result<Read, Refusal> {
        if offer.text.trim().is_empty() {
            return Err(Refusal::new(42201, "Empty schema"));
        }
        if offer.text.len() > SCHEMA_BYTES_MAX {
            return Err(Refusal::new(42209, format!("The schema has more than {SCHEMA_BYTES_MAX} bytes")));
        }
        check_references(&offer.references)?;
        let used = self.used(&offer.references)?;
        let parsed = Parsed::read(offer.kind, &offer.text, &used).map_err(|why| Refusal::invalid_schema(&why))?;
        let schema = Schema { kind: offer.kind, text: parsed.text(offer.normalize), references: offer.references.clone() };
        Ok(Read { schema, parsed })
    }

    /// The texts of references, those that use none first, each once.
    fn used(&self, references: &[Reference]) -> Result<Vec<(String, String)>, Refusal> {
        let mut found: Vec<(String, String)> = Vec::new();
        // A reference, and whether what it uses itself stands before it already.
        let mut open: Vec<(Reference, bool)> = references.iter().rev().map(|reference| (reference.clone(), false)).collect();
        let mut steps = 0;
        while let Some((reference, ready)) = open.pop() {
            steps += 1;
            if steps > 2 * REFERENCES_MAX {
                return Err(Refusal::invalid_schema(&format!("it uses more than {REFERENCES_MAX} other schemas")));
            }
            if found.iter().any(|(name, _)| *name == reference.name) {
                continue;
            }
            let number = u32::try_from(reference.version).ok();
            let version = self.version(&reference.subject, number, true).map_err(|_| {
                let Reference { subject, version, .. } = &reference;
                Refusal::invalid_schema(&format!("No schema reference found for subject \"{subject}\" and version {version}"))
            })?;
            if ready {
                found.push((reference.name, version.schema.text.clone()));
            } else {
                open.push((reference, true));
                open.extend(version.schema.references.iter().rev().map(|inner| (inner.clone(), false)));
            }
        }
        Ok(found)
    }

    /// The version of a subject that has this schema.
    pub fn find(&self, subject: &str, schema: &Schema, deleted: bool) -> Result<&Version, Refusal> {
        let versions = self.versions(subject, deleted)?;
        versions.into_iter().rev().find(|version| *version.schema == *schema).ok_or_else(Refusal::no_schema)
    }

    /// What a new version is compared with, in order: those that are not deleted, or one of them.
    pub fn earlier(&self, subject: &str, only: Option<u32>) -> Result<Vec<(u32, Parsed)>, Refusal> {
        let versions = match only {
            Some(number) => vec![self.version(subject, Some(number), false)?],
            None => self.versions(subject, false).unwrap_or_default(),
        };
        let is_transitive = self.level(subject).is_transitive() || only.is_some();
        let skip = if is_transitive { 0 } else { versions.len().saturating_sub(1) };
        let read = |version: &Version| {
            let used = self.used(&version.schema.references)?;
            let parsed = Parsed::read(version.schema.kind, &version.schema.text, &used).map_err(|why| Refusal::invalid_schema(&why))?;
            Ok((version.version, parsed))
        };
        versions.into_iter().skip(skip).map(read).collect()
    }

    /// What registering comes to: the version that is there already, or a new one. The comparison with earlier versions is
    /// the caller's, because it takes time.
    pub fn register(&self, subject: &str, schema: &Schema, offer: &Offer) -> Result<Registering, Refusal> {
        check_subject(subject)?;
        let mode = self.mode(subject);
        if let Ok(known) = self.find(subject, schema, false)
            && offer.id.is_none_or(|id| id == known.id)
            && offer.version.is_none_or(|version| version == known.version)
        {
            return Ok(Registering::Known(known.clone()));
        }
        match mode {
            Mode::ReadOnly => return Err(Refusal::new(42205, format!("Subject {subject} is in read-only mode"))),
            Mode::ReadWrite if offer.id.is_some() => {
                return Err(Refusal::new(42205, format!("Subject {subject} is not in import mode")));
            }
            _ => {}
        }
        let versions = self.subjects.get(subject);
        if versions.map_or(0, BTreeMap::len) >= VERSIONS_MAX || self.bytes + cost(subject, schema) > TOTAL_BYTES_MAX {
            let why = format!("A subject has at most {VERSIONS_MAX} versions and all schemas together {TOTAL_BYTES_MAX} bytes");
            return Err(Refusal::new(42209, why));
        }
        let next = versions.and_then(|versions| versions.keys().last()).map_or(1, |last| last.saturating_add(1));
        let version = offer.version.filter(|_| mode == Mode::Import).unwrap_or(next);
        let id = match offer.id {
            Some(id) if self.schema(id).is_some_and(|known| **known != *schema) => {
                return Err(Refusal::new(42205, format!("Overwrite new schema with id {id} is not permitted.")));
            }
            Some(id) => id,
            None => self.by_schema.get(schema).copied().unwrap_or(self.given.saturating_add(1)),
        };
        if id == 0 || id > i32::MAX as u32 || version == 0 || version > i32::MAX as u32 {
            return Err(Refusal::new(42202, "Ids and versions are between 1 and 2^31-1"));
        }
        Ok(Registering::New(Version { subject: subject.to_owned(), version, id, schema: Arc::new(schema.clone()), deleted: false }))
    }

    /// All of registering: reads, looks for it, compares.
    pub fn examine(&self, subject: &str, offer: &Offer) -> Result<Registering, Refusal> {
        let Read { schema, parsed } = self.read(offer)?;
        let registering = self.register(subject, &schema, offer)?;
        if matches!(registering, Registering::New(_)) && self.mode(subject) != Mode::Import {
            let obstacles = self.level(subject).obstacles(&parsed, &self.earlier(subject, None)?);
            if !obstacles.is_empty() {
                let why = format!("Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: ");
                return Err(Refusal::new(409, format!("{why}[{}]", obstacles.join(", "))));
            }
        }
        Ok(registering)
    }

    /// Deletes a subject's versions, or one of them: first as a mark, then for good.
    pub fn delete(&self, subject: &str, only: Option<Option<u32>>, permanent: bool) -> Result<(Vec<u32>, Vec<Change>), Refusal> {
        if self.mode(subject) == Mode::ReadOnly {
            return Err(Refusal::new(42205, format!("Subject {subject} is in read-only mode")));
        }
        let all = self.versions(subject, true)?;
        let chosen: Vec<&Version> = match only {
            // Without `permanent` the latest is the latest that is not deleted.
            Some(number) => vec![self.version(subject, number, number.is_some() || permanent)?],
            None if permanent => all,
            None => all.iter().copied().filter(|version| !version.deleted).collect(),
        };
        let one = only.is_some();
        let message = |version: u32| if one { format!("Subject '{subject}' Version {version}") } else { format!("Subject '{subject}'") };
        if !permanent && chosen.iter().all(|version| version.deleted) {
            let code = if one { 40406 } else { 40404 };
            let which = message(chosen.first().map_or(0, |version| version.version));
            return Err(Refusal::new(code, format!("{which} was soft deleted. Set permanent=true to delete permanently")));
        }
        if let Some(kept) = chosen.iter().find(|version| permanent && !version.deleted) {
            let code = if one { 40407 } else { 40405 };
            let which = message(kept.version);
            return Err(Refusal::new(code, format!("{which} was not deleted first before being permanently deleted")));
        }
        if let Some(used) = chosen.iter().find(|version| self.is_used(version)) {
            let version = used.version;
            let why = format!("One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject={subject},version={version}}}.");
            return Err(Refusal::new(42206, why));
        }
        let numbers = chosen.iter().map(|version| version.version).collect();
        let mut changes: Vec<Change> = Vec::new();
        if permanent {
            // An id must not be given again: whoever read it before would take one schema for the other.
            changes.push(Change::Given(self.given));
        }
        changes.extend(chosen.into_iter().map(|version| match permanent {
            true => Change::Forget { subject: subject.to_owned(), version: version.version },
            false => Change::Put(Version { deleted: true, ..version.clone() }),
        }));
        Ok((numbers, changes))
    }

    fn is_used(&self, version: &Version) -> bool {
        self.users(version, false).next().is_some()
    }

    /// The versions that refer to this one.
    pub fn users<'a>(&'a self, used: &'a Version, deleted: bool) -> impl Iterator<Item = &'a Version> {
        let latest = self.version(&used.subject, None, false).is_ok_and(|latest| latest.version == used.version);
        let refers = move |reference: &Reference| {
            reference.subject == used.subject && (reference.version == i64::from(used.version) || (reference.version < 0 && latest))
        };
        let all = self.subjects.values().flat_map(BTreeMap::values);
        all.filter(move |version| (deleted || !version.deleted) && version.schema.references.iter().any(refers))
    }

    /// The compatibility level that holds for a subject.
    pub fn level(&self, subject: &str) -> Level {
        self.own_level(Some(subject)).or_else(|| self.own_level(None)).unwrap_or_default()
    }

    /// The level that was set for a subject, or for everyone.
    pub fn own_level(&self, subject: Option<&str>) -> Option<Level> {
        self.levels.get(&subject.map(str::to_owned)).copied()
    }

    /// The mode that holds for a subject.
    pub fn mode(&self, subject: &str) -> Mode {
        self.own_mode(Some(subject)).or_else(|| self.own_mode(None)).unwrap_or_default()
    }

    /// The mode that was set for a subject, or for everyone.
    pub fn own_mode(&self, subject: Option<&str>) -> Option<Mode> {
        self.modes.get(&subject.map(str::to_owned)).copied()
    }

    /// Whether a mode may be set: a subject that has schemas of its own takes no others' ids.
    pub fn check_mode(&self, subject: Option<&str>, mode: Mode, force: bool) -> Result<(), Refusal> {
        let has = match subject {
            Some(subject) => self.versions(subject, false).is_ok(),
            None => !self.subjects(false).is_empty(),
        };
        if mode == Mode::Import && has && !force {
            return Err(Refusal::new(42205, "Cannot import since found existing subjects"));
        }
        room(&self.modes, subject)
    }

    /// Whether a level may be set: there is room for it.
    pub fn check_level(&self, subject: Option<&str>) -> Result<(), Refusal> {
        room(&self.levels, subject)
    }
}

/// What a version takes.
fn cost(subject: &str, schema: &Schema) -> usize {
    let of = |reference: &Reference| reference.name.len() + reference.subject.len() + FIXED_COST;
    subject.len() + schema.text.len() + schema.references.iter().map(of).sum::<usize>() + FIXED_COST
}

fn room<T>(settings: &BTreeMap<Option<String>, T>, subject: Option<&str>) -> Result<(), Refusal> {
    if settings.len() < SETTINGS_MAX || settings.contains_key(&subject.map(str::to_owned)) {
        return Ok(());
    }
    Err(Refusal::new(42209, format!("At most {SETTINGS_MAX} subjects have a level or a mode of their own: take back others first")))
}

fn check_references(references: &[Reference]) -> Result<(), Refusal> {
    if references.len() > REFERENCES_MAX {
        return Err(Refusal::invalid_schema(&format!("it uses more than {REFERENCES_MAX} other schemas")));
    }
    if references.iter().any(|reference| reference.name.len() > REFERENCE_BYTES_MAX || reference.subject.len() > SUBJECT_BYTES_MAX) {
        let why = format!("a reference's name has at most {REFERENCE_BYTES_MAX} bytes and its subject {SUBJECT_BYTES_MAX}");
        return Err(Refusal::invalid_schema(&why));
    }
    Ok(())
}

/// What registering comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registering {
    /// The schema is there.
    Known(Version),
    /// It becomes this version.
    New(Version),
}

/// Whether a subject may have this name.
pub fn check_subject(subject: &str) -> Result<(), Refusal> {
    let bad = subject.trim().is_empty() || subject.len() > SUBJECT_BYTES_MAX || subject.chars().any(char::is_control);
    if bad || matches!(subject, "__GLOBAL" | "__EMPTY") {
        return Err(Refusal::new(42208, format!("The subject '{subject}' is not valid: 1 to {SUBJECT_BYTES_MAX} printable bytes")));
    }
    if subject.starts_with(":.") {
        return Err(Refusal::new(42208, format!("The subject '{subject}' names a context: there is only the default one here")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(text: &str) -> Offer {
        Offer { text: text.to_owned(), ..Offer::default() }
    }

    /// Registers as the caller does, without comparing: id and version.
    fn register(subjects: &mut Subjects, subject: &str, offer: &Offer) -> Result<(u32, u32), Refusal> {
        let read = subjects.read(offer)?;
        match subjects.register(subject, &read.schema, offer)? {
            Registering::Known(version) => Ok((version.id, version.version)),
            Registering::New(version) => {
                let numbers = (version.id, version.version);
                subjects.apply(Change::Put(version));
                Ok(numbers)
            }
        }
    }

    fn delete(subjects: &mut Subjects, subject: &str, only: Option<Option<u32>>, permanent: bool) -> Result<Vec<u32>, u32> {
        let (numbers, changes) = subjects.delete(subject, only, permanent).map_err(|refusal| refusal.code)?;
        changes.into_iter().for_each(|change| subjects.apply(change));
        Ok(numbers)
    }

    #[test]
    fn equal_schemas_share_an_id_and_no_id_is_given_twice() {
        let mut subjects = Subjects::default();
        assert_eq!(register(&mut subjects, "a", &offer("\"int\"")), Ok((1, 1)));
        assert_eq!(register(&mut subjects, "a", &offer(" {\"type\":\"int\"}")), Ok((1, 1)), "the same schema");
        assert_eq!(register(&mut subjects, "b", &offer("\"int\"")), Ok((1, 1)));
        assert_eq!(register(&mut subjects, "a", &offer("\"long\"")), Ok((2, 2)));
        assert_eq!(delete(&mut subjects, "a", Some(Some(2)), false), Ok(vec![2]));
        assert_eq!(register(&mut subjects, "a", &offer("\"long\"")), Ok((2, 3)), "a new version of the same schema");
        assert_eq!(delete(&mut subjects, "a", None, false), Ok(vec![1, 3]));
        assert!(subjects.schema(2).is_some(), "a mark hides no id");
        assert_eq!(delete(&mut subjects, "a", None, true), Ok(vec![1, 2, 3]));
        assert!(subjects.schema(2).is_none() && subjects.schema(1).is_some());
        assert_eq!(register(&mut subjects, "c", &offer("\"string\"")), Ok((3, 1)));
        assert_eq!((subjects.subjects(false), subjects.id_max()), (vec!["b", "c"], 3));
    }

    #[test]
    fn deleting_goes_in_two_steps() {
        let mut subjects = Subjects::default();
        assert_eq!(delete(&mut subjects, "a", None, false), Err(40401));
        register(&mut subjects, "a", &offer("\"int\"")).expect("registered");
        register(&mut subjects, "a", &offer("\"long\"")).expect("registered");
        assert_eq!(delete(&mut subjects, "a", Some(Some(7)), false), Err(40402));
        assert_eq!(delete(&mut subjects, "a", Some(Some(1)), true), Err(40407));
        assert_eq!(delete(&mut subjects, "a", None, true), Err(40405));
        assert_eq!(delete(&mut subjects, "a", Some(None), false), Ok(vec![2]));
        assert_eq!(delete(&mut subjects, "a", Some(Some(2)), false), Err(40406));
        assert_eq!(subjects.version("a", None, false).map(|version| version.version), Ok(1));
        assert_eq!(delete(&mut subjects, "a", None, false), Ok(vec![1]));
        assert_eq!(delete(&mut subjects, "a", None, false), Err(40404));
        assert_eq!(subjects.versions("a", false).map_err(|refusal| refusal.code), Err(40401));
        assert_eq!(delete(&mut subjects, "a", Some(Some(1)), true), Ok(vec![1]));
        assert_eq!(delete(&mut subjects, "a", None, true), Ok(vec![2]));
        assert_eq!(delete(&mut subjects, "a", None, true), Err(40401));
    }

    #[test]
    fn references_are_found_once_and_protect_what_they_name() {
        let mut subjects = Subjects::default();
        let reference = |name: &str, version| Reference { name: name.to_owned(), subject: name.to_owned(), version };
        let using = |text: &str, references: &[Reference]| Offer { references: references.to_vec(), ..offer(text) };
        register(&mut subjects, "A", &offer(r#"{"type":"record","name":"A","fields":[]}"#)).expect("registered");
        let b = using(r#"{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}"#, &[reference("A", 1)]);
        register(&mut subjects, "B", &b).expect("registered");
        let both = [reference("B", -1), reference("A", 1)];
        let c = using(r#"{"type":"record","name":"C","fields":[{"name":"a","type":"A"},{"name":"b","type":"B"}]}"#, &both);
        register(&mut subjects, "C", &c).expect("registered");
        assert_eq!(register(&mut subjects, "D", &using("\"A\"", &[reference("A", 9)])).map_err(|refusal| refusal.code), Err(42201));
        assert_eq!(delete(&mut subjects, "A", Some(Some(1)), false), Err(42206));
        assert_eq!(delete(&mut subjects, "B", None, false), Err(42206));
        assert_eq!(delete(&mut subjects, "C", None, false), Ok(vec![1]));
        assert_eq!(delete(&mut subjects, "B", None, false), Ok(vec![1]));
    }

    #[test]
    fn modes_say_who_may_write() {
        let mut subjects = Subjects::default();
        register(&mut subjects, "a", &offer("\"int\"")).expect("registered");
        subjects.apply(Change::Mode(None, Some(Mode::ReadOnly)));
        assert_eq!(register(&mut subjects, "a", &offer("\"long\"")).map_err(|refusal| refusal.code), Err(42205));
        assert_eq!(register(&mut subjects, "a", &offer("\"int\"")), Ok((1, 1)), "what is there may be asked for");
        subjects.apply(Change::Mode(Some("b".into()), Some(Mode::Import)));
        let import = Offer { id: Some(70), version: Some(7), ..offer("\"string\"") };
        assert_eq!(register(&mut subjects, "b", &import), Ok((70, 7)));
        let other = Offer { id: Some(70), version: Some(8), ..offer("\"bytes\"") };
        assert_eq!(register(&mut subjects, "b", &other).map_err(|refusal| refusal.code), Err(42205));
        assert_eq!(subjects.check_mode(None, Mode::Import, false).map_err(|refusal| refusal.code), Err(42205));
        assert!(subjects.check_mode(None, Mode::Import, true).is_ok() && subjects.check_mode(Some("z"), Mode::Import, false).is_ok());
    }

    #[test]
    fn subjects_have_names_and_schemas_have_limits() {
        let mut subjects = Subjects::default();
        for (subject, code) in [("", 42208), (":.other:x", 42208), ("a\nb", 42208)] {
            assert_eq!(register(&mut subjects, subject, &offer("\"int\"")).map_err(|refusal| refusal.code), Err(code), "{subject}");
        }
        let long = format!("\"{}\"", "x".repeat(SCHEMA_BYTES_MAX));
        assert_eq!(subjects.read(&offer(&long)).map(drop).map_err(|refusal| refusal.code), Err(42209));
        assert_eq!(subjects.read(&offer(" ")).map(drop).map_err(|refusal| refusal.code), Err(42201));
    }

    #[test]
    fn what_is_kept_beside_the_text_counts_and_ends() {
        let mut subjects = Subjects::default();
        register(&mut subjects, "a", &offer("\"int\"")).expect("registered");
        let reference = |name: &str, subject: &str| Reference { name: name.to_owned(), subject: subject.to_owned(), version: 1 };
        let using = |references: Vec<Reference>| Offer { references, ..offer("\"long\"") };
        let small = subjects.bytes;
        assert!(small >= FIXED_COST);
        register(&mut subjects, "b", &using(vec![reference(&"n".repeat(500), "a")])).expect("registered");
        assert!(subjects.bytes >= small + 500 + 2 * FIXED_COST);
        delete(&mut subjects, "b", None, false).expect("marked");
        delete(&mut subjects, "b", None, true).expect("gone");
        assert_eq!(subjects.bytes, small, "what is gone takes nothing");
        for bad in [
            vec![reference(&"n".repeat(REFERENCE_BYTES_MAX + 1), "a")],
            vec![reference("n", &"a".repeat(SUBJECT_BYTES_MAX + 1))],
            vec![reference("n", "a"); REFERENCES_MAX + 1],
        ] {
            assert_eq!(subjects.read(&using(bad)).map(drop).map_err(|refusal| refusal.code), Err(42201));
        }
        subjects.bytes = TOTAL_BYTES_MAX - FIXED_COST;
        assert_eq!(register(&mut subjects, "c", &offer("\"int\"")).map_err(|refusal| refusal.code), Err(42209));
        for at in 0..SETTINGS_MAX {
            subjects.apply(Change::Level(Some(at.to_string()), Some(Level::Full)));
            subjects.apply(Change::Mode(Some(at.to_string()), Some(Mode::ReadOnly)));
        }
        assert!(subjects.check_level(Some("0")).is_ok() && subjects.check_mode(Some("0"), Mode::ReadWrite, false).is_ok());
        assert_eq!(subjects.check_level(Some("x")).map_err(|refusal| refusal.code), Err(42209));
        assert_eq!(subjects.check_mode(Some("x"), Mode::ReadWrite, false).map_err(|refusal| refusal.code), Err(42209));
    }
}
