//! What a person or a program asks of a running connector, in Debezium's words.
//!
//! Owns the form of a signal: `id`, `type` and `data`, the same three texts from whatever channel. Promises that what it
//! lets through can be tried: names compile, texts are there. A signal that Debezium would leave out with a warning is a
//! [`Problem`] that says why. Leaves to others where signals come from, and what becomes of them.

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// The longest `data`: Debezium's own signals have a few hundred bytes.
pub const DATA_BYTES_MAX: usize = 1 << 20;
/// The most tables, or conditions, that one signal names: expressions name more.
const NAMED_MAX: usize = 1000;

/// A signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Who asks calls it so; notifications about it carry it.
    pub id: String,
    /// What is asked for.
    pub action: Action,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `execute-snapshot`.
    Snapshot(SnapshotRequest),
    /// `stop-snapshot`, of an incremental one.
    Stop {
        /// Which tables are left out; empty: all.
        collections: Vec<Collection>,
    },
    /// `pause-snapshot`.
    Pause,
    /// `resume-snapshot`.
    Resume,
    /// `log`: a line in which `{}` stands for the position.
    Log(String),
}

/// How a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// In chunks, while the stream goes on.
    Incremental,
    /// At once, while the stream waits.
    Blocking,
    /// As an incremental one; and keys that the topic has and the table has not are deleted from the topic.
    Reconcile,
}

impl SnapshotKind {
    /// As a signal names it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Incremental => "incremental",
            Self::Blocking => "blocking",
            Self::Reconcile => "reconcile",
        }
    }
}

/// So many keys of a table's topic are remembered while it is reconciled, unless the signal says otherwise: up to 0.6 GiB.
pub const RECONCILE_KEYS: u64 = 16_000_000;
/// More cannot be asked for: 40 GiB.
const RECONCILE_KEYS_MAX: u64 = 1_000_000_000;

/// A snapshot that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// How.
    pub kind: SnapshotKind,
    /// Of which tables.
    pub collections: Vec<Collection>,
    /// Of which of their rows; the first that names a table counts.
    pub conditions: Vec<Condition>,
    /// The column by which the tables are read, in their key's place.
    pub surrogate_key: Option<String>,
    /// Of a reconciling one: so many keys of a topic may be remembered.
    pub reconcile_keys: Option<u64>,
}

impl SnapshotRequest {
    /// The most keys of a topic that are remembered; none where nothing is reconciled.
    pub fn reconciles(&self) -> Option<u64> {
        (self.kind == SnapshotKind::Reconcile).then(|| self.reconcile_keys.unwrap_or(RECONCILE_KEYS))
    }

    /// The signal's data.
    pub fn to_data(&self) -> Value {
        let condition = |condition: &Condition| json!({ "data-collection": condition.collection, "filter": condition.filter });
        json!({
            "type": self.kind.text(),
            "data-collections": self.collections.iter().map(Collection::text).collect::<Vec<_>>(),
            "additional-conditions": self.conditions.iter().map(condition).collect::<Vec<_>>(),
            "surrogate-key": self.surrogate_key,
            "reconcile-keys": self.reconcile_keys,
        })
    }

    /// What narrows this table down.
    pub fn filter_of(&self, schema: &str, table: &str) -> Option<&str> {
        let name = format!("{schema}.{table}");
        let found = self.conditions.iter().find(|condition| condition.expression.0.is_match(&name))?;
        Some(&found.filter).filter(|filter| !filter.trim().is_empty()).map(String::as_str)
    }
}

/// Which rows of some tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The tables, as they were named.
    pub collection: String,
    expression: Expression,
    /// SQL: a condition for an incremental snapshot, a whole statement for a blocking one.
    pub filter: String,
}

/// An expression for the whole of `schema.table`.
#[derive(Clone, Debug)]
struct Expression(Regex);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Expression {}

/// Tables as a signal names them: a regular expression for `schema.table`, or the name itself, quoted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    text: String,
    expression: Expression,
    name: Option<(String, String)>,
}

impl Collection {
    fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        let expression = expression(text, false).map_err(|why| not_an_expression(text, &why))?;
        Ok(Self { text: text.to_owned(), expression, name: table_name(text) })
    }

    /// It names this table.
    pub fn matches(&self, schema: &str, table: &str) -> bool {
        let is_named = |(own_schema, own_table): &(String, String)| own_schema == schema && own_table == table;
        self.expression.0.is_match(&format!("{schema}.{table}")) || self.name.as_ref().is_some_and(is_named)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The one table that it names when no expression is meant.
    pub fn name(&self) -> Option<(&str, &str)> {
        self.name.as_ref().map(|(schema, table)| (schema.as_str(), table.as_str()))
    }
}

impl Signal {
    /// Reads a signal; without `data` it has none.
    pub fn parse(id: &str, kind: &str, data: &str) -> Result<Self, Problem> {
        let problem = |problem: Problem| problem.at(format!("signal {id:?} of type {kind:?}"));
        let action = parse_action(kind, data).map_err(problem)?;
        Ok(Self { id: id.to_owned(), action })
    }
}

fn parse_action(kind: &str, data: &str) -> Result<Action, Problem> {
    // Before its data: what is not known may have any.
    match kind {
        "execute-snapshot" | "stop-snapshot" | "log" => {}
        "pause-snapshot" => return Ok(Action::Pause),
        "resume-snapshot" => return Ok(Action::Resume),
        "snapshot-window-open" | "snapshot-window-close" => {
            return Err(malformed("it marks a chunk that a Debezium reads: nothing is to be done"));
        }
        "schema-changes" => return Err(malformed("connectors for PostgreSQL keep no history of schemas: nothing is to be done")),
        _ => {
            return Err(Problem::refuse("signal/type", format!("there is no signal of type {kind:?}"))
                .fix("execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot or log"));
        }
    }
    let data = parse_data(data)?;
    match kind {
        "log" => match text_of(&data, "message")? {
            Some(message) => Ok(Action::Log(message.to_owned())),
            None => Err(malformed("its data has no message").fix(r#"{"message": "the position is {}"}"#)),
        },
        "stop-snapshot" => match snapshot_kind(&data)? {
            SnapshotKind::Incremental | SnapshotKind::Reconcile => Ok(Action::Stop { collections: collections(&data)? }),
            SnapshotKind::Blocking => Err(malformed("a blocking snapshot cannot be stopped by a signal").fix(r#"{"type": "incremental"}"#)),
        },
        _ => parse_request(&data).map(Action::Snapshot),
    }
}

fn parse_request(data: &Map<String, Value>) -> Result<SnapshotRequest, Problem> {
    let collections = collections(data)?;
    if collections.is_empty() {
        return Err(malformed("its data names no tables in data-collections").fix(r#"{"data-collections": ["public.orders"]}"#));
    }
    if data.contains_key("additional-condition") {
        return Err(malformed("additional-condition is no longer read: all rows would come")
            .fix(r#"{"additional-conditions": [{"data-collection": "public.orders", "filter": "id > 7"}]}"#));
    }
    let conditions = list_of(data, "additional-conditions")?.iter().map(parse_condition).collect::<Result<Vec<_>, _>>()?;
    let surrogate_key = text_of(data, "surrogate-key")?.filter(|column| !column.trim().is_empty()).map(str::to_owned);
    let kind = snapshot_kind(data)?;
    if kind == SnapshotKind::Reconcile && !(conditions.is_empty() && surrogate_key.is_none()) {
        return Err(malformed(
            "a reconciling snapshot reads whole tables by their keys: rows that a condition leaves out would be deleted",
        )
        .fix("leave additional-conditions and surrogate-key out, or ask for \"type\": \"incremental\""));
    }
    let reconcile_keys = reconcile_keys(data)?;
    if kind != SnapshotKind::Reconcile && reconcile_keys.is_some() {
        return Err(malformed("reconcile-keys is of a reconciling snapshot only").fix("add \"type\": \"reconcile\""));
    }
    Ok(SnapshotRequest { kind, collections, conditions, surrogate_key, reconcile_keys })
}

fn reconcile_keys(data: &Map<String, Value>) -> Result<Option<u64>, Problem> {
    match data.get("reconcile-keys") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|keys| (1..=RECONCILE_KEYS_MAX).contains(keys)) {
            Some(keys) => Ok(Some(keys)),
            None => Err(malformed(&format!("its reconcile-keys is {value}")).fix("a number from 1 to 1000000000")),
        },
    }
}

fn parse_condition(value: &Value) -> Result<Condition, Problem> {
    let wanted = r#"each of additional-conditions is {"data-collection": "public.orders", "filter": "id > 7"}"#;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let (Some(collection), Some(filter)) = (text("data-collection"), text("filter")) else {
        return Err(malformed("one of its additional-conditions lacks data-collection or filter").fix(wanted));
    };
    let expression = expression(collection, true).map_err(|why| not_an_expression(collection, &why))?;
    Ok(Condition { collection: collection.to_owned(), expression, filter: filter.to_owned() })
}

fn parse_data(data: &str) -> Result<Map<String, Value>, Problem> {
    if data.len() > DATA_BYTES_MAX {
        return Err(malformed(&format!("its data has {} bytes, more than {DATA_BYTES_MAX}", data.len())));
    }
    if data.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(data) {
        Ok(Value::Object(data)) => Ok(data),
        Ok(_) => Err(malformed("its data is not a JSON object")),
        Err(error) => Err(malformed("its data is not JSON").why(error.to_string())),
    }
}

fn snapshot_kind(data: &Map<String, Value>) -> Result<SnapshotKind, Problem> {
    match text_of(data, "type")?.map(str::to_uppercase).as_deref() {
        None | Some("INCREMENTAL") => Ok(SnapshotKind::Incremental),
        Some("BLOCKING") => Ok(SnapshotKind::Blocking),
        Some("RECONCILE") => Ok(SnapshotKind::Reconcile),
        Some(other) => Err(malformed(&format!("{other:?} is no type of snapshot")).fix("incremental, blocking or reconcile")),
    }
}

fn collections(data: &Map<String, Value>) -> Result<Vec<Collection>, Problem> {
    let parse = |value: &Value| match value.as_str() {
        Some(text) => Collection::parse(text),
        None => Err(malformed("one of its data-collections is not a text")),
    };
    list_of(data, "data-collections")?.iter().map(parse).collect()
}

fn text_of<'d>(data: &'d Map<String, Value>, name: &str) -> Result<Option<&'d str>, Problem> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty()).map(String::as_str)),
        Some(_) => Err(malformed(&format!("its {name} is not a text"))),
    }
}

fn list_of<'d>(data: &'d Map<String, Value>, name: &str) -> Result<&'d [Value], Problem> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) if list.len() <= NAMED_MAX => Ok(list),
        Some(Value::Array(list)) => Err(malformed(&format!("its {name} has {} entries, more than {NAMED_MAX}", list.len()))),
        Some(_) => Err(malformed(&format!("its {name} is not a list"))),
    }
}

/// As in Debezium, names of tables are as they are written, those of conditions in any case.
fn expression(text: &str, any_case: bool) -> Result<Expression, String> {
    let built = regex::RegexBuilder::new(&format!("^(?:{text})$")).case_insensitive(any_case).build();
    built.map(Expression).map_err(|error| {
        let text = error.to_string();
        text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&text).to_owned()
    })
}

/// `schema.table`, each part plain or in double quotes, in which a quote is doubled.
fn table_name(text: &str) -> Option<(String, String)> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                parts.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter => parts.last_mut()?.push(letter),
        }
    }
    let table = parts.pop()?;
    let schema = parts.pop()?;
    let whole = parts.is_empty() && !quoted && !schema.is_empty() && !table.is_empty();
    whole.then_some((schema, table))
}

fn malformed(what: &str) -> Problem {
    Problem::refuse("signal/malformed", what)
}

fn not_an_expression(text: &str, why: &str) -> Problem {
    malformed(&format!("{text:?} is not a regular expression")).why(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(kind: &str, data: &str) -> Action {
        Signal::parse("s1", kind, data).unwrap_or_else(|problem| panic!("{problem}")).action
    }

    fn request(data: &str) -> SnapshotRequest {
        match action("execute-snapshot", data) {
            Action::Snapshot(request) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_snapshot_is_asked_for_as_in_debezium() {
        let asked = request(r#"{"data-collections": [" public.orders "]}"#);
        assert_eq!((asked.kind, asked.surrogate_key.as_deref()), (SnapshotKind::Incremental, None));
        assert_eq!(asked.collections[0].text(), "public.orders");
        let asked = request(
            r#"{"data-collections": ["public\\..*"], "type": "Blocking", "surrogate-key": "at",
                "additional-conditions": [{"data-collection": "PUBLIC.A", "filter": "id < 3"}, {"data-collection": "public.*", "filter": " "}]}"#,
        );
        assert_eq!((asked.kind, asked.surrogate_key.as_deref()), (SnapshotKind::Blocking, Some("at")));
        assert!(asked.collections[0].matches("public", "orders") && !asked.collections[0].matches("other", "public.x"));
        // The first condition that names the table counts, in any case; an empty one is none.
        assert_eq!((asked.filter_of("public", "a"), asked.filter_of("public", "b")), (Some("id < 3"), None));
    }

    #[test]
    fn a_reconciling_snapshot_is_of_whole_tables() {
        let asked = request(r#"{"data-collections": ["a.b"], "type": "reconcile"}"#);
        assert_eq!((asked.kind, asked.reconciles()), (SnapshotKind::Reconcile, Some(RECONCILE_KEYS)));
        let asked = request(r#"{"data-collections": ["a.b"], "type": "RECONCILE", "reconcile-keys": 7}"#);
        assert_eq!((asked.reconciles(), request(&asked.to_data().to_string())), (Some(7), asked));
        assert_eq!(request(r#"{"data-collections": ["a.b"]}"#).reconciles(), None);
    }

    #[test]
    fn tables_are_named_by_expression_or_by_name() {
        let named = |text: &str, schema: &str, table: &str| Collection::parse(text).expect("valid").matches(schema, table);
        assert!(named("public.a", "public", "a") && named("public.(a|b)", "public", "b"));
        assert!(!named("public.a", "public", "ab") && !named("public.a", "Public", "A"));
        assert!(named(r#""public"."A.b""#, "public", "A.b") && named(r#"public."q""x""#, "public", "q\"x"));
        assert!(!named("db.public.a", "public", "a"));
        assert_eq!(Collection::parse("public.a").expect("valid").name(), Some(("public", "a")));
        assert_eq!(Collection::parse("public").expect("valid").name(), None);
    }

    #[test]
    fn other_signals_are_read() {
        assert_eq!(action("pause-snapshot", ""), Action::Pause);
        assert_eq!(action("resume-snapshot", "{}"), Action::Resume);
        assert_eq!(action("log", r#"{"message": "at {}"}"#), Action::Log("at {}".into()));
        assert_eq!(action("stop-snapshot", ""), Action::Stop { collections: Vec::new() });
        let Action::Stop { collections } = action("stop-snapshot", r#"{"type": "INCREMENTAL", "data-collections": ["s.t"]}"#) else {
            panic!("a stop")
        };
        assert!(collections[0].matches("s", "t"));
    }

    #[test]
    fn what_cannot_be_acted_on_says_why() {
        for (kind, data, why) in [
            ("EXECUTE-SNAPSHOT", "{}", "there is no signal of type"),
            ("snapshot-window-open", "", "nothing is to be done"),
            ("execute-snapshot", "", "names no tables"),
            ("execute-snapshot", "[]", "not a JSON object"),
            ("execute-snapshot", "{", "not JSON"),
            ("execute-snapshot", r#"{"data-collections": [7]}"#, "not a text"),
            ("execute-snapshot", r#"{"data-collections": "public.a"}"#, "not a list"),
            ("execute-snapshot", r#"{"data-collections": ["("]}"#, "not a regular expression"),
            ("execute-snapshot", r#"{"data-collections": ["a.b"], "type": "other"}"#, "no type of snapshot"),
            ("execute-snapshot", r#"{"data-collections": ["a.b"], "additional-condition": "x"}"#, "no longer read"),
            ("execute-snapshot", r#"{"data-collections": ["a.b"], "additional-conditions": [{"filter": "x"}]}"#, "lacks data-collection"),
            ("execute-snapshot", r#"{"data-collections": ["a.b"], "type": "reconcile", "surrogate-key": "x"}"#, "reads whole tables"),
            ("execute-snapshot", r#"{"data-collections": ["a.b"], "type": "reconcile", "reconcile-keys": 0}"#, "reconcile-keys is 0"),
            ("execute-snapshot", r#"{"data-collections": ["a.b"], "reconcile-keys": 7}"#, "of a reconciling snapshot only"),
            ("stop-snapshot", r#"{"type": "blocking"}"#, "cannot be stopped"),
            ("log", "{}", "no message"),
        ] {
            let problem = Signal::parse("s1", kind, data).expect_err(data);
            assert!(problem.what.contains(why) && problem.at.contains("s1"), "{data}: {problem}");
        }
    }
}
