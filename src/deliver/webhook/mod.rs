//! Webhooks: records as signed HTTP requests, by Standard Webhooks 1.0.

pub mod address;
pub mod answer;
pub mod body;
pub mod endpoint;
pub mod history;
pub mod lanes;
pub mod signature;
pub mod waiting;
