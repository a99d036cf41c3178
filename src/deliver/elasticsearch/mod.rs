//! Elasticsearch and OpenSearch: an index that has one document for each row, always the newest.
//!
//! A change becomes a document with the row's columns, a delete takes it away, a `TRUNCATE` takes all of a table away. The document's id is
//! the row's key; its version grows with every change and is kept by the server, so whatever is sent twice or late changes nothing.
//!
//! - [`settings`]: the options; [`document`]: what a record wants; [`bulk`]: requests and answers; [`client`]: the server behind HTTP.
//! - `session`: one run.
//!
//! Why it is so: `docs/decisions/0026-versions-of-documents.md`.

pub mod bulk;
pub mod client;
pub mod document;
mod session;
pub mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value as Json, json};

use self::client::Client;
use self::settings::Settings;
use super::{Around, Future, Kind, Options, Question, Refusal, Sink};
use crate::metrics::Number;
use crate::problem::Problem;

/// The kind.
pub const KIND: Kind =
    Kind { name: "elasticsearch", doc: "keeps an index of Elasticsearch or OpenSearch equal to tables", keys: settings::KEYS, make };

fn make(options: &mut Options) -> Option<Arc<dyn Sink>> {
    Settings::read(options).map(|settings| Arc::new(SearchSink { settings, incomplete: AtomicU64::new(0) }) as Arc<dyn Sink>)
}

/// One subscription.
pub struct SearchSink {
    settings: Settings,
    /// Documents that stayed without a column that PostgreSQL did not send.
    incomplete: AtomicU64,
}

impl Sink for SearchSink {
    fn run(self: Arc<Self>, around: Around) -> Future<Result<(), Problem>> {
        Box::pin(async move { Box::pin(session::run(&self, &around)).await })
    }

    fn ask(self: Arc<Self>, _: Around, question: Question) -> Future<Result<Json, Refusal>> {
        Box::pin(async move {
            match question {
                Question::Test => self.test().await,
                other => Err(Refusal::NotSupported(other.name())),
            }
        })
    }

    fn numbers(&self) -> Vec<Number> {
        vec![Number {
            name: "rowfeed_search_incomplete_total",
            help: "Documents without a column that PostgreSQL did not send and the index did not have",
            value: self.incomplete.load(Relaxed) as f64,
        }]
    }
}

impl SearchSink {
    /// Asks the server who it is: nothing is written. Of its answer only that is shown.
    async fn test(&self) -> Result<Json, Refusal> {
        let client = Arc::new(Client::new(&self.settings).map_err(Refusal::Failed)?);
        let answer = client.ask("/", None, None).await.map_err(Refusal::Failed)?;
        Ok(greeting(answer.status, &answer.body))
    }
}

/// Characters of a text of the server's that are shown.
const SHOWN_MAX: usize = 200;

/// Who a server says it is: no more than that of its answer, and a bounded part.
fn greeting(status: u16, body: &[u8]) -> Json {
    let body: Json = serde_json::from_slice(body).unwrap_or_default();
    let text = |path: &str| body.pointer(path).and_then(Json::as_str).map(|text| text.chars().take(SHOWN_MAX).collect::<String>());
    json!({
        "request": "GET /", "status": status, "name": text("/name"), "version": text("/version/number"),
        "distribution": text("/version/distribution"), "error": text("/error/reason").or_else(|| text("/error")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_shows_who_the_server_is_and_nothing_else() {
        let long = "x".repeat(10_000);
        let body =
            json!({ "name": long, "version": { "number": "2.19", "distribution": "opensearch", "other": long }, "credentials": "s3cret" });
        let shown = greeting(200, body.to_string().as_bytes());
        assert_eq!((&shown["status"], &shown["version"], &shown["distribution"]), (&json!(200), &json!("2.19"), &json!("opensearch")));
        let shown = shown.to_string();
        assert!(shown.len() < 2048 && !shown.contains("s3cret"), "{shown}");
        assert!(!greeting(200, b"AKIA s3cret").to_string().contains("s3cret"));
        assert_eq!(greeting(401, br#"{"error":{"reason":"who?"},"status":401}"#)["error"], "who?");
    }
}
