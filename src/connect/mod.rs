//! Connectors: their definitions, their life, their work.
//!
//! Owns what a connector is (a named option map from a file or from the REST API), its life (a state machine and a thread
//! of its own), and what is known about it (counters and positions). Promises that a broken connector never stops the
//! others or the process, and that what was made through the API comes back after a restart. Leaves reading PostgreSQL
//! and writing events to `source/`, and HTTP to [`crate::http`].

pub mod checks;
pub mod claims;
pub mod definitions;
pub mod ground;
pub mod position;
pub mod proposed;
pub mod registry;
pub mod schemas;
pub mod signals;
pub mod slots;
pub mod source;
pub mod state;
pub mod status;
pub mod store;
pub mod supervisor;
pub mod tallies;
pub mod tokens;
pub mod validation;
pub mod watch;

pub use definitions::Definition;
pub use registry::Registry;
pub use schemas::Schemas;
pub use signals::Signals;
pub use state::Phase;
pub use status::TaskStatus;
pub use supervisor::RunTask;
pub use tokens::Tokens;
