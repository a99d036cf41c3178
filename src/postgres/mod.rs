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

/// An SQL identifier, quoted.
pub fn identifier(name: &str) -> String {
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
