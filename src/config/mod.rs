//! Settings: the service's own and a connector's.
//!
//! Owns every option's name, type, default and text, and turns what people write (files, environment, flags, REST
//! bodies) into typed values. Promises that an unknown key is an error naming the nearest known one, that an error says
//! file, line and column where there is a file, and that a secret is never printed. Leaves opening sockets, files of
//! data and databases to the layers above; it imports nothing of ours but [`crate::problem`].

pub mod define;
pub mod document;
pub mod native;
pub mod postgres;
pub mod quantity;
pub mod running;
pub mod secrets;
pub mod service;
pub mod suggest;

use std::collections::BTreeMap;

/// A connector's options as written: name to value, secrets still as `${...}` references.
pub type Options = BTreeMap<String, String>;

pub use postgres::PostgresConfig;
pub use running::Running;
pub use secrets::Secret;
pub use service::ServiceConfig;
