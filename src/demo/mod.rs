//! `rowfeed demo`: a whole capture on the terminal, with nothing to prepare.
//!
//! Owns the temporary PostgreSQL ([`cluster`]), the shop it holds, the live traffic on it and the readable account
//! of the changes. Promises that nothing stays behind when it ends: no process, no file, however it ends. Leaves
//! capturing to the service, which it starts exactly as `rowfeed run` does.
//!
//! The tests use [`cluster`] too: a server that cleans up after itself is the same thing there.

pub mod cluster;
