//! Webhooks: records as signed HTTP requests, by Standard Webhooks 1.0.
//!
//! ```text
//! log -> dispatch: filter, view, body -> lanes: order per key -> endpoint: the receiver
//!           |  ^                           |                        |
//!           |  +--- waiting (stored) <-----+---- answer: again? <---+---- address: may it be reached?
//!           +--> history: the delivery log
//! ```
//!
//! Promises at least once, in the order of each key, with one id per record at every try. A receiver that fails for a key holds up
//! that key only; what waits outlives restarts, and what is given up is a dead letter. How to use it: docs/how-to/send-webhooks.md.

pub mod address;
pub mod answer;
pub mod body;
mod dispatch;
pub mod endpoint;
pub mod history;
pub mod lanes;
pub mod partition;
pub mod replay;
pub mod signature;
pub mod sink;
pub mod waiting;
