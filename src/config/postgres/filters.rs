//! Which tables and columns are captured, by Debezium's rules, compiled once.
//!
//! Debezium's lists are comma-separated regular expressions on `schema.table[.column]`: anchored, ignoring case, spaces
//! around each trimmed, `\,` for a comma inside. Include and exclude of one kind are mutually exclusive.

use regex::{Regex, RegexBuilder};

use crate::config::define::invalid;
use crate::problem::Problem;

/// One comma-separated list of anchored expressions.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<Regex>);

impl Patterns {
    /// Compiles the list given for `option`.
    pub fn parse(option: &str, list: &str) -> Result<Self, Problem> {
        split_list(list).iter().map(|pattern| compile(option, pattern)).collect::<Result<_, _>>().map(Self)
    }

    /// One of them matches the whole name.
    pub fn any_matches(&self, name: &str) -> bool {
        self.0.iter().any(|regex| regex.is_match(name))
    }

    /// The place of the first that matches the whole name; behind all when none does.
    fn place(&self, name: &str) -> usize {
        self.0.iter().position(|regex| regex.is_match(name)).unwrap_or(self.0.len())
    }

    /// Those that match none of the names, as they were written.
    fn without_effect(&self, names: &[String]) -> Vec<&str> {
        let idle = self.0.iter().filter(|regex| !names.iter().any(|name| regex.is_match(name)));
        idle.filter_map(|regex| regex.as_str().strip_prefix("^(?:")?.strip_suffix(")$")).collect()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits at commas that no backslash protects; each part is trimmed, empty parts vanish, `\,` becomes `,`.
pub fn split_list(list: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in list.chars() {
        if c == ',' && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().replace("\\,", ",")).filter(|part| !part.is_empty()).collect()
}

fn compile(option: &str, pattern: &str) -> Result<Regex, Problem> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).case_insensitive(true).build().map_err(|error| {
        let text = error.to_string();
        let why = text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&text).to_owned();
        invalid(option, pattern, &format!("a list of regular expressions: {why}"))
    })
}

/// Names to keep and names to drop.
#[derive(Clone, Debug, Default)]
struct IncludeExclude {
    include: Patterns,
    exclude: Patterns,
}

impl IncludeExclude {
    fn parse(include: (&str, &str), exclude: (&str, &str)) -> Result<Self, Problem> {
        let lists = Self { include: Patterns::parse(include.0, include.1)?, exclude: Patterns::parse(exclude.0, exclude.1)? };
        if !lists.include.is_empty() && !lists.exclude.is_empty() {
            return Err(Problem::refuse("config/exclusive", format!("{} and {} cannot both be set", include.0, exclude.0))
                .fix(format!("keep one of them: a table that {} does not name is not captured anyway", include.0)));
        }
        Ok(lists)
    }

    fn includes(&self, name: &str) -> bool {
        (self.include.is_empty() || self.include.any_matches(name)) && !self.exclude.any_matches(name)
    }
}

/// The lists of a table filter as they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableLists<'a> {
    /// `schema.include.list`.
    pub schema_include: &'a str,
    /// `schema.exclude.list`.
    pub schema_exclude: &'a str,
    /// `table.include.list`.
    pub table_include: &'a str,
    /// `table.exclude.list`.
    pub table_exclude: &'a str,
    /// `table.ignore.builtin`.
    pub ignore_builtin: bool,
}

/// Which tables are captured.
#[derive(Clone, Debug)]
pub struct TableFilter {
    schemas: IncludeExclude,
    tables: IncludeExclude,
    ignore_builtin: bool,
    /// The lists as they are written.
    lists: [String; 4],
    /// Captured whatever the lists say.
    always: Option<(String, String)>,
}

impl TableFilter {
    /// The tables that a `table.include.list` names.
    pub fn of_list(list: &str) -> Result<Self, Problem> {
        Self::parse(TableLists { schema_include: "", schema_exclude: "", table_include: list, table_exclude: "", ignore_builtin: true })
    }

    /// Compiles the four lists.
    pub fn parse(lists: TableLists<'_>) -> Result<Self, Problem> {
        Ok(Self {
            schemas: IncludeExclude::parse(("schema.include.list", lists.schema_include), ("schema.exclude.list", lists.schema_exclude))?,
            tables: IncludeExclude::parse(("table.include.list", lists.table_include), ("table.exclude.list", lists.table_exclude))?,
            ignore_builtin: lists.ignore_builtin,
            lists: [lists.schema_include, lists.schema_exclude, lists.table_include, lists.table_exclude].map(str::to_owned),
            always: None,
        })
    }

    /// The lists, for a checkpoint: what two filters with the same text include is the same, but for the signalling table.
    pub fn written(&self) -> String {
        serde_json::json!([self.lists, self.ignore_builtin]).to_string()
    }

    /// Back from [`TableFilter::written`]; `None` when it is not in that form.
    pub fn of_written(text: &str) -> Option<Self> {
        let ([schema_include, schema_exclude, table_include, table_exclude], ignore_builtin): ([String; 4], bool) =
            serde_json::from_str(text).ok()?;
        let lists = TableLists {
            schema_include: &schema_include,
            schema_exclude: &schema_exclude,
            table_include: &table_include,
            table_exclude: &table_exclude,
            ignore_builtin,
        };
        Self::parse(lists).ok()
    }

    /// Every table that is not one of the server's own.
    pub fn everything() -> Self {
        let lists = <[String; 4]>::default();
        Self { schemas: IncludeExclude::default(), tables: IncludeExclude::default(), ignore_builtin: true, lists, always: None }
    }

    /// With one more table, whatever the lists say.
    pub fn with(self, table: Option<(String, String)>) -> Self {
        Self { always: table, ..self }
    }

    /// With the same one more table as another filter.
    pub fn with_that_of(self, other: &Self) -> Self {
        Self { always: other.always.clone(), ..self }
    }

    /// As in Debezium, tables are read in the order of the expressions that name them.
    pub fn place(&self, schema: &str, table: &str) -> usize {
        self.tables.include.place(&format!("{schema}.{table}"))
    }

    /// Expressions of the include list that name none of these tables (`schema.table`).
    pub fn without_effect(&self, names: &[String]) -> Vec<&str> {
        self.tables.include.without_effect(names)
    }

    /// True when changes of this table are published.
    pub fn includes(&self, schema: &str, table: &str) -> bool {
        if self.always.as_ref().is_some_and(|(own_schema, own_table)| own_schema == schema && own_table == table) {
            return true;
        }
        !(self.ignore_builtin && is_builtin(schema, table))
            && self.schemas.includes(schema)
            && self.tables.includes(&format!("{schema}.{table}"))
    }
}

/// The server's own tables, and PostGIS's.
fn is_builtin(schema: &str, table: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema")
        || schema.starts_with("pg_temp")
        || schema.starts_with("pg_toast")
        || table == "spatial_ref_sys"
}

/// Which logical messages are published, by their prefix.
#[derive(Clone, Debug, Default)]
pub struct PrefixFilter(IncludeExclude);

impl PrefixFilter {
    /// Compiles `message.prefix.include.list` and `message.prefix.exclude.list`.
    pub fn parse(include: &str, exclude: &str) -> Result<Self, Problem> {
        IncludeExclude::parse(("message.prefix.include.list", include), ("message.prefix.exclude.list", exclude))
            .map(Self)
            .map_err(|problem| if problem.code == "config/exclusive" { problem.fix("keep one of them") } else { problem })
    }

    /// True when messages of this prefix are published.
    pub fn includes(&self, prefix: &[u8]) -> bool {
        (self.0.include.is_empty() && self.0.exclude.is_empty()) || self.0.includes(&String::from_utf8_lossy(prefix))
    }
}

/// Which columns are published.
#[derive(Clone, Debug, Default)]
pub struct ColumnFilter(IncludeExclude);

impl ColumnFilter {
    /// Compiles `column.include.list` and `column.exclude.list`.
    pub fn parse(include: &str, exclude: &str) -> Result<Self, Problem> {
        IncludeExclude::parse(("column.include.list", include), ("column.exclude.list", exclude)).map(Self)
    }

    /// True when this column's values are published.
    pub fn includes(&self, schema: &str, table: &str, column: &str) -> bool {
        (self.0.include.is_empty() && self.0.exclude.is_empty()) || self.0.includes(&format!("{schema}.{table}.{column}"))
    }
}

/// `message.key.columns`: `regex:column,column;regex:column`.
///
/// As in Debezium, each `table.column` of a rule is one expression; what all of them match makes up the key, in their order.
#[derive(Clone, Debug, Default)]
pub struct MessageKeyColumns(Vec<KeyRule>);

#[derive(Clone, Debug)]
struct KeyRule {
    table: Regex,
    columns: Vec<KeyColumnRule>,
}

#[derive(Clone, Debug)]
struct KeyColumnRule {
    /// As it is written: `table:column`.
    text: String,
    name: Regex,
}

impl MessageKeyColumns {
    const OPTION: &str = "message.key.columns";

    /// Compiles the option.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut rules = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let bad = || invalid(Self::OPTION, part, "<table regex>:<column>,<column>; several separated by semicolons");
            let (table, columns) = part.rsplit_once(':').ok_or_else(bad)?;
            let columns: Vec<String> = columns.split(',').map(|column| column.trim().to_owned()).collect();
            if table.trim().is_empty() || columns.iter().any(String::is_empty) {
                return Err(bad());
            }
            let table = table.trim();
            let rule = |column: &String| {
                let name = compile(Self::OPTION, &format!("{table}.{column}"))?;
                Ok(KeyColumnRule { text: format!("{table}:{column}"), name })
            };
            let columns = columns.iter().map(rule).collect::<Result<_, Problem>>()?;
            rules.push(KeyRule { table: compile(Self::OPTION, table)?, columns });
        }
        Ok(Self(rules))
    }

    /// The key columns asked for this table, in the rules' order; `None` means its own key.
    pub fn for_table(&self, schema: &str, table: &str, columns: &[&str]) -> Option<Vec<String>> {
        let mut key: Vec<String> = Vec::new();
        for rule in self.0.iter().flat_map(|rule| &rule.columns) {
            for column in columns.iter().filter(|column| rule.name.is_match(&format!("{schema}.{table}.{column}"))) {
                if !key.iter().any(|known| known == column) {
                    key.push((*column).to_owned());
                }
            }
        }
        (!key.is_empty()).then_some(key)
    }

    /// Columns of rules for this table that it does not have, as `table:column`.
    pub fn without_effect(&self, schema: &str, table: &str, columns: &[&str]) -> Vec<&str> {
        let name = format!("{schema}.{table}");
        let hits = |rule: &KeyColumnRule| columns.iter().any(|column| rule.name.is_match(&format!("{name}.{column}")));
        let of_table = self.0.iter().filter(|rule| rule.table.is_match(&name)).flat_map(|rule| &rule.columns);
        of_table.filter(|rule| !hits(rule)).map(|rule| rule.text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_as_they_were_written() {
        let lists =
            TableLists { table_include: r"public\.a,public\.b\,c", schema_exclude: "x\"y", ignore_builtin: true, ..TableLists::default() };
        let filter = TableFilter::parse(lists).expect("valid");
        let back = TableFilter::of_written(&filter.written()).expect("its own form");
        assert_eq!(back.written(), filter.written());
        assert!(back.includes("public", "a") && back.includes("public", "b,c") && !back.includes("public", "b"));
        let signals = Some(("s".to_owned(), "signals".to_owned()));
        assert!(back.with_that_of(&filter.with(signals)).includes("s", "signals"));
        assert!(TableFilter::of_written("[]").is_none() && TableFilter::of_written(r#"[["","","(",""],true]"#).is_none());
    }

    fn tables(include: &str, exclude: &str) -> TableFilter {
        let lists = TableLists { table_include: include, table_exclude: exclude, ignore_builtin: true, ..TableLists::default() };
        TableFilter::parse(lists).expect("valid lists")
    }

    #[test]
    fn table_lists_are_anchored_ignore_case_and_trim_spaces() {
        let filter = tables("public\\.orders , inventory.c.*", "");
        assert!(filter.includes("public", "orders") && filter.includes("Public", "ORDERS"));
        assert!(filter.includes("inventory", "customers"));
        assert!(!filter.includes("public", "orders2") && !filter.includes("xpublic", "orders"));
        assert_eq!(["orders", "x"].map(|table| filter.place("public", table)), [0, 2]);
        let filter = tables("", "public\\.secret");
        assert!(filter.includes("public", "orders") && !filter.includes("public", "secret"));
    }

    #[test]
    fn the_servers_own_tables_are_left_out() {
        let filter = TableFilter::everything();
        for (schema, table) in [("pg_catalog", "pg_class"), ("information_schema", "x"), ("pg_temp_3", "t"), ("public", "spatial_ref_sys")]
        {
            assert!(!filter.includes(schema, table), "{schema}.{table}");
        }
    }

    #[test]
    fn a_backslash_protects_a_comma() {
        assert_eq!(split_list("a\\,b, c{1\\,2} ,,d"), ["a,b", "c{1,2}", "d"]);
        assert!(tables("public\\.c{1\\,2}", "").includes("public", "cc"));
    }

    #[test]
    fn columns_and_message_keys_are_matched_by_full_name() {
        let columns = ColumnFilter::parse("", "public\\.customers\\.password.*").expect("valid");
        assert!(!columns.includes("public", "customers", "password_hash") && columns.includes("public", "customers", "id"));
        let keys = MessageKeyColumns::parse("public.cust:alt, id ; (.*).orders:id").expect("valid");
        let columns = ["id", "v", "Alt"];
        assert_eq!(keys.for_table("public", "cust", &columns), Some(vec!["Alt".into(), "id".into()]));
        assert_eq!(keys.for_table("x", "orders", &columns), Some(vec!["id".into()]));
        assert_eq!(keys.for_table("x", "other", &columns), None);
        // All rules that match add up; one that matches no column leaves the table its own key.
        let keys = MessageKeyColumns::parse("public\\.t:v;public\\.(t|u):id;public\\.w:gone").expect("valid");
        assert_eq!(keys.for_table("public", "t", &columns), Some(vec!["v".into(), "id".into()]));
        assert_eq!(keys.for_table("public", "w", &columns), None);
        assert_eq!(keys.without_effect("public", "w", &columns), ["public\\.w:gone"]);
        assert!(keys.without_effect("public", "u", &columns).is_empty());
        let keys = MessageKeyColumns::parse("public\\.t:id, gone").expect("valid");
        assert_eq!(keys.without_effect("public", "t", &columns), ["public\\.t:gone"], "the others still count");
    }

    #[test]
    fn wrong_lists_are_refused_with_the_reason() {
        let both = TableLists { table_include: "a", table_exclude: "b", ..TableLists::default() };
        assert_eq!(TableFilter::parse(both).expect_err("both").code, "config/exclusive");
        let problem = Patterns::parse("table.include.list", "public.(").expect_err("unclosed");
        assert_eq!(problem.why, "it must be a list of regular expressions: unclosed group");
        assert!(MessageKeyColumns::parse("public.t").is_err() && MessageKeyColumns::parse("t:a,,b").is_err());
    }
}
