//! HTTP: Kafka Connect's REST API, our own under `/v1`, health and metrics.
//!
//! Owns the listener, the routes, the shape of errors and the limits (body size, connections, streams). Promises Kafka
//! Connect's paths, bodies and codes, trailing slashes included, and that a secret never leaves. Leaves what a connector is
//! to [`crate::connect`] and what a record is to [`crate::record`]; it speaks no Kafka.

pub mod admin;
pub mod connectors;
pub mod listener;
pub mod records;
pub mod topics;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, watch};

use crate::connect::Registry;
use crate::connect::registry::RegistryError;
use crate::log::builtin::BuiltinLog;

/// The largest request body: a connector's configuration has a few kilobytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Streams at a time; each holds a few hundred kilobytes.
const STREAMS_MAX: usize = 64;

/// What the handlers work with.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    /// `None` with an external log: its topics are read from the cluster itself.
    log: Option<BuiltinLog>,
    cluster_id: String,
    /// This worker's name in status answers: the HTTP address.
    worker_id: String,
    streams: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl App {
    /// The service's parts, as HTTP sees them.
    pub fn new(
        registry: Arc<Registry>,
        log: Option<BuiltinLog>,
        cluster_id: String,
        worker_id: String,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Inner { registry, log, cluster_id, worker_id, streams: Arc::new(Semaphore::new(STREAMS_MAX)), stop }))
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/", get(admin::root))
        .route("/health", get(admin::health))
        .route("/livez", get(admin::livez))
        .route("/readyz", get(admin::readyz))
        .route("/metrics", get(admin::metrics))
        .route("/connector-plugins", get(admin::plugins))
        .merge(connectors::routes())
        .merge(topics::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(app);
    // A layer runs after routing, so the path is trimmed in a router around the one that routes.
    Router::new().fallback_service(routes).layer(middleware::from_fn(trim_slash))
}

/// Serves until `stop` says true; streams and open requests then end.
pub async fn serve(app: App, listener: tokio::net::TcpListener, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let ended = async move {
        // An error means that the sender is gone, and so is the service.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    axum::serve(listener::Limited::new(listener), router(app)).with_graceful_shutdown(ended).await
}

/// kcctl and others ask for `/connectors/`.
async fn trim_slash(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if !trimmed.is_empty() && trimmed.len() != path.len() {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{trimmed}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    next.run(request).await
}

async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "HTTP 404 Not Found")
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
}

/// An error in Kafka Connect's shape.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error_code": self.status.as_u16(), "message": self.message });
        (self.status, axum::Json(body)).into_response()
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let status = match &error {
            RegistryError::NotFound(_) => StatusCode::NOT_FOUND,
            // Kafka Connect clients retry a 409 as "rebalancing": it is for these cases only.
            RegistryError::Exists(_) | RegistryError::Ending(_) => StatusCode::CONFLICT,
            RegistryError::ManagedByFile { .. } => StatusCode::FORBIDDEN,
            RegistryError::Invalid(_) => StatusCode::BAD_REQUEST,
            RegistryError::Failed(problem) if problem.code.starts_with("config/") => {
                return Self::bad_request(problem.what.clone());
            }
            RegistryError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// Reads a JSON body. A page in a browser can send a cross-site POST of text without asking; it cannot send JSON.
fn json_body(headers: &HeaderMap, body: &Bytes) -> Result<Json, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.to_ascii_lowercase().contains("json") {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "HTTP 415 Unsupported Media Type: send Content-Type: application/json",
        ));
    }
    // serde_json refuses more than 128 levels, so a deep body cannot exhaust the stack.
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("Malformed JSON: {error}")))
}

/// The pairs of a query string.
type Pairs = axum::extract::Query<Vec<(String, String)>>;

/// The last value of a parameter.
fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A parameter that is a switch: `?verbose`, `?verbose=true`.
fn is_on(pairs: &[(String, String)], name: &str) -> bool {
    parameter(pairs, name).is_some_and(|value| value.is_empty() || value == "true" || value == "1")
}
