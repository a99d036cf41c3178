//! Talks to PostgreSQL: connections, the replication protocol, pgoutput, the catalogue, publications and slots.
//!
//! Owns everything that knows PostgreSQL's bytes or SQL. Hands out borrowed messages and rows ([`crate::change`]); knows
//! nothing of events or logs. Bytes from the server are bytes from outside: lengths are checked, buffers grow with what
//! arrives, and nothing panics.

pub mod application;
pub mod catalog;
pub mod choices;
pub mod connection;
pub mod copy_text;
mod deadline;
pub mod doctor;
pub mod error;
pub mod frames;
pub mod identity;
pub mod inventory;
pub mod locks;
pub mod paging;
mod patience;
pub mod pgoutput;
pub mod publication;
pub mod reading;
pub mod replication;
pub mod slot;
pub mod slots;
pub mod tls;
pub mod types;
pub mod visibility;

pub use connection::Connection;
pub use error::{LOGICAL_WAL, PostgresError};
/// An SQL session, and a statement prepared in it.
pub use tokio_postgres::{Client, Statement};

/// An SQL identifier, quoted. It stays in its line and has no `--` in it, whoever named the thing: statements are printed as scripts, in which
/// the rest of a name must not be read as a statement of its own
/// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>).
pub fn identifier(name: &str) -> String {
    if !name.contains("--") && !name.contains(char::is_control) {
        return delimited(name);
    }
    let escaped = name.chars().map(|letter| match letter {
        '"' => "\"\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        letter if letter == '-' || letter.is_control() => format!("\\{:04X}", u32::from(letter)),
        letter => letter.to_string(),
    });
    format!("U&\"{}\"", escaped.collect::<String>())
}

/// `"schema"."table"`, each an [`identifier`].
pub fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(table))
}

/// An identifier in double quotes, as it is: for what is read by others than the parser of statements.
pub fn delimited(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL string literal, quoted.
pub fn literal(text: &str) -> String {
    // E'' keeps a backslash what it is whatever standard_conforming_strings says.
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_and_stays_in_its_line() {
        assert_eq!(identifier("My \"table\" - 1"), "\"My \"\"table\"\" - 1\"");
        assert_eq!(identifier("a\nb -- c\\\""), "U&\"a\\000Ab \\002D\\002D c\\\\\"\"\"");
        assert_eq!(delimited("a\n\""), "\"a\n\"\"\"");
    }
}
