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
    /// Asks the server who it is: nothing is written.
    async fn test(&self) -> Result<Json, Refusal> {
        let client = Arc::new(Client::new(&self.settings).map_err(Refusal::Failed)?);
        let answer = client.ask("/", None, None).await.map_err(Refusal::Failed)?;
        let body: Json = serde_json::from_slice(&answer.body).unwrap_or_else(|_| String::from_utf8_lossy(&answer.body).into_owned().into());
        Ok(json!({ "request": "GET /", "status": answer.status, "response": body }))
    }
}
