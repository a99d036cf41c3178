//! SQL that reads a table page by page in the order of some of its columns.
//!
//! Owns the statements of incremental snapshots. Promises that the pages of one order give every row once, NULLs included,
//! as PostgreSQL itself orders them, and that an operator's condition is one condition, not several statements. Leaves the
//! lock and the snapshot under which a page is read to [`super::reading`].

use tokio_postgres::Client;

use super::catalog::Table;
use super::publication::Published;
use super::reading::only;
use super::{PostgresError, identifier, literal};
use crate::change::Relation;
use crate::change::incremental::Place;

/// A column by which rows are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Its name.
    pub name: String,
    /// It may be NULL: such rows come last.
    pub nullable: bool,
}

/// Which rows of a table.
#[derive(Clone, Copy, Debug)]
pub enum Page<'a> {
    /// The last one.
    Last,
    /// The first ones behind a place, up to another, no more than so many.
    Next {
        /// Behind this; `None`: from the first on.
        after: Option<&'a Place>,
        /// Up to this.
        up_to: &'a Place,
        /// So many.
        rows: u64,
        /// And those that stand at the same place as the last of them.
        with_ties: bool,
    },
    /// Those at these places.
    At(&'a [Place]),
}

/// A table as its pages are read.
#[derive(Clone, Copy, Debug)]
pub struct Paged<'a> {
    /// Its columns, in the order in which rows carry them.
    pub relation: &'a Relation,
    /// The table.
    pub table: &'a Table,
    /// What the publication says about it.
    pub published: &'a Published,
    /// What an operator wants of it.
    pub filter: Option<&'a str>,
}

/// `COPY` for a page: of [`Page::Last`] the columns of `by` only, else all of the relation.
pub fn copy(of: Paged<'_>, by: &[By], page: Page<'_>) -> String {
    let list = |names: Vec<String>, end: &str| names.iter().map(|name| format!("{name}{end}")).collect::<Vec<_>>().join(", ");
    let names = || by.iter().map(|column| identifier(&column.name)).collect::<Vec<_>>();
    let all = || of.relation.columns.iter().map(|column| identifier(&column.name)).collect::<Vec<_>>();
    let mut conditions: Vec<_> = of.published.row_filter.iter().map(|filter| format!("({filter})")).collect();
    conditions.extend(of.filter.map(operators));
    let (columns, end) = match page {
        Page::Last => (names(), format!("order by {} limit 1", list(names(), " desc"))),
        Page::Next { after, up_to, rows, with_ties } => {
            conditions.extend(after.map(|place| behind(by, place)));
            conditions.push(not_behind(by, up_to));
            let first = if with_ties { format!("fetch first {rows} rows with ties") } else { format!("limit {rows}") };
            (all(), format!("order by {} {first}", list(names(), "")))
        }
        Page::At(places) => {
            conditions.push(one_of(by, places));
            (all(), String::new())
        }
    };
    let (table, only) = (of.table.quoted(), only(of.table));
    let filter = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
    format!("copy (select {} from {only}{table}{filter} {end}) to stdout", list(columns, ""))
}

/// Whether an operator's condition is one: it is parsed, not run.
pub async fn check_filter(client: &Client, of: Paged<'_>) -> Result<(), PostgresError> {
    let Some(filter) = of.filter else { return Ok(()) };
    // A prepared statement is one statement, so whatever closes the parenthesis is an error here.
    let sql = format!("select 1 from {}{} where {}", only(of.table), of.table.quoted(), operators(filter));
    client.prepare(&sql).await.map(drop).map_err(PostgresError::from)
}

/// A comment at its end must not take what follows.
fn operators(filter: &str) -> String {
    format!("({filter}\n)")
}

/// The columns and a place as rows that PostgreSQL compares by itself, where it does: none is NULL.
fn as_rows(by: &[By], place: &Place) -> Option<(String, String)> {
    if by.iter().any(|column| column.nullable) {
        return None;
    }
    let values = place.iter().map(|value| value.as_deref().map(literal)).collect::<Option<Vec<_>>>()?;
    let names: Vec<_> = by.iter().map(|column| identifier(&column.name)).collect();
    Some((format!("({})", names.join(", ")), format!("({})", values.join(", "))))
}

fn behind(by: &[By], place: &Place) -> String {
    if let Some((names, values)) = as_rows(by, place) {
        return format!("{names} > {values}");
    }
    let greater = |(column, value): (&By, &Option<String>)| {
        let name = identifier(&column.name);
        match value {
            Some(value) if column.nullable => format!("({name} > {} or {name} is null)", literal(value)),
            Some(value) => format!("{name} > {}", literal(value)),
            // Nothing stands behind NULL.
            None => "false".to_owned(),
        }
    };
    let pairs: Vec<_> = by.iter().zip(place).collect();
    let terms = pairs.iter().enumerate().map(|(at, last)| {
        let before = pairs.iter().take(at).map(|(column, value)| equal(column, value));
        format!("({})", before.chain([greater(*last)]).collect::<Vec<_>>().join(" and "))
    });
    format!("({})", terms.collect::<Vec<_>>().join(" or "))
}

fn not_behind(by: &[By], place: &Place) -> String {
    match as_rows(by, place) {
        Some((names, values)) => format!("{names} <= {values}"),
        None => format!("not {}", behind(by, place)),
    }
}

fn one_of(by: &[By], places: &[Place]) -> String {
    let rows: Option<Vec<_>> = places.iter().map(|place| as_rows(by, place)).collect();
    match rows.as_deref() {
        Some([(names, first), rest @ ..]) => {
            let values: Vec<_> = [first].into_iter().chain(rest.iter().map(|(_, values)| values)).map(String::as_str).collect();
            format!("{names} in ({})", values.join(", "))
        }
        Some([]) => "false".to_owned(),
        None => {
            let place = |place: &Place| {
                let parts: Vec<_> = by.iter().zip(place).map(|(column, value)| equal(column, value)).collect();
                format!("({})", parts.join(" and "))
            };
            format!("({})", places.iter().map(place).collect::<Vec<_>>().join(" or "))
        }
    }
}

fn equal(column: &By, value: &Option<String>) -> String {
    let name = identifier(&column.name);
    match value {
        Some(value) => format!("{name} = {}", literal(value)),
        None => format!("{name} is null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Column, RelationId, ReplicaIdentity, TypeKind};

    fn by(columns: &[(&str, bool)]) -> Vec<By> {
        columns.iter().map(|(name, nullable)| By { name: (*name).into(), nullable: *nullable }).collect()
    }

    fn place(values: &[Option<&str>]) -> Place {
        values.iter().map(|value| value.map(str::to_owned)).collect()
    }

    #[test]
    fn pages_are_read_in_the_order_of_their_columns() {
        let column = |name: &str| Column {
            name: name.into(),
            type_oid: 23,
            type_mod: -1,
            kind: TypeKind::Int4,
            nullable: false,
            default: None,
            key_ordinal: None,
        };
        let (id, identity) = (RelationId(1), ReplicaIdentity::Default);
        let relation = Relation { id, schema: "s".into(), table: "t".into(), identity, columns: Box::new([column("a"), column("B")]) };
        let (schema, name) = ("s".to_owned(), "t".to_owned());
        let table = Table { id, schema, table: name, partitioned: false, ancestors: Vec::new(), identity, has_primary_key: true };
        let published = Published { schema: "s".into(), table: "t".into(), columns: None, row_filter: Some("a > 0".into()) };
        let of = Paged { relation: &relation, table: &table, published: &published, filter: Some("b < 3 -- so") };
        let (after, up_to) = (place(&[Some("1"), Some("it's")]), place(&[Some("8"), Some("9")]));
        let next = |after| Page::Next { after, up_to: &up_to, rows: 5, with_ties: false };
        let columns = by(&[("a", false), ("B", false)]);
        assert_eq!(
            copy(of, &columns, next(Some(&after))),
            "copy (select \"a\", \"B\" from only \"s\".\"t\" where (a > 0) and (b < 3 -- so\n) and (\"a\", \"B\") > ('1', 'it''s') \
             and (\"a\", \"B\") <= ('8', '9') order by \"a\", \"B\" limit 5) to stdout"
        );
        let last = copy(of, &columns[1..], Page::Last);
        assert!(last.starts_with("copy (select \"B\" from") && last.ends_with("order by \"B\" desc limit 1) to stdout"), "{last}");
        let at = copy(of, &columns, Page::At(&[after.clone(), up_to.clone()]));
        assert!(at.contains("(\"a\", \"B\") in (('1', 'it''s'), ('8', '9'))"), "{at}");
        let tied = copy(of, &columns, Page::Next { after: None, up_to: &up_to, rows: 5, with_ties: true });
        assert!(tied.ends_with("fetch first 5 rows with ties) to stdout"), "{tied}");
    }

    #[test]
    fn nulls_stand_behind_all_values() {
        let columns = by(&[("a", true), ("b", false)]);
        assert_eq!(
            behind(&columns, &place(&[Some("1"), Some("2")])),
            "(((\"a\" > '1' or \"a\" is null)) or (\"a\" = '1' and \"b\" > '2'))"
        );
        assert_eq!(not_behind(&columns, &place(&[None, Some("2")])), "not ((false) or (\"a\" is null and \"b\" > '2'))");
        assert_eq!(one_of(&columns, &[place(&[None, Some("2")])]), "((\"a\" is null and \"b\" = '2'))");
    }
}
