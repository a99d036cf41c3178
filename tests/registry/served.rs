//! A registry on a free port, over a log in a temporary folder, that may be stopped and started again.

use std::sync::Arc;

use rowfeed::cli::client::Server;
use rowfeed::config::postgres::TopicDefaults;
use rowfeed::connect::registry::Registry;
use rowfeed::connect::store::Store;
use rowfeed::connect::{RunTask, Schemas};
use rowfeed::http;
use rowfeed::log::builtin::{BuiltinLog, LogSettings};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

/// A running registry; it ends with the test.
pub struct Served {
    server: Server,
    /// `host:port`.
    pub address: String,
    log: BuiltinLog,
    stop: watch::Sender<bool>,
    dir: tempfile::TempDir,
}

impl Served {
    pub async fn start() -> Self {
        Self::on(tempfile::tempdir().expect("a temporary folder")).await
    }

    async fn on(dir: tempfile::TempDir) -> Self {
        let log = BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir.path()) }).expect("a log");
        let no_task: RunTask = Arc::new(|_, _, _| Ok(()));
        let registry = Arc::new(Registry::new(Store::Memory, no_task, Arc::new(|_| {}), TopicDefaults::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let stop = watch::Sender::new(false);
        let (schemas, settings) = (Schemas::open(log.clone()), http::Settings::default());
        let app =
            http::App::new(registry, Some(log.clone()), Some(schemas), "cluster".into(), "worker:1".into(), stop.subscribe(), settings);
        tokio::spawn(http::serve(app, listener, stop.subscribe()));
        Self { server: Server::parse(&address).expect("an address"), address, log, stop, dir }
    }

    /// The same data, served again.
    pub async fn restart(self) -> Self {
        self.stop.send_replace(true);
        self.log.close();
        drop(self.log);
        Self::on(self.dir).await
    }

    /// Status and body of an answer.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Json>) -> (u16, Json) {
        let body = body.map(|body| body.to_string());
        let mut response = self.server.request(method, path, body.as_deref()).await.expect("an answer");
        let kind = response.header("content-type").map(str::to_owned);
        let text = response.text().await.expect("a body");
        if response.status != 405 {
            assert_eq!(kind.as_deref(), Some("application/vnd.schemaregistry.v1+json"), "{method} {path}: {text}");
        }
        (response.status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    /// Registers an Avro schema: its id, or the error's code.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u64, u64> {
        let (_, body) = self.ask("POST", &format!("/subjects/{subject}/versions"), Some(json!({ "schema": schema }))).await;
        body["id"].as_u64().ok_or_else(|| body["error_code"].as_u64().expect("an id or an error"))
    }
}
