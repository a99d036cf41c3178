//! HTTP: Kafka Connect's REST API, the schema registry's, our own under `/v1`, health and metrics.
//!
//! Owns the listener, the routes, the shape of errors and the limits (body size, connections, streams, time). Promises
//! Kafka Connect's paths, bodies and codes, trailing slashes included, that a secret never leaves, that a silent client is
//! disconnected, and that without authentication no page of a browser reaches it by a name of its own, and with it
//! ([`auth`]) nobody without a token. Leaves what a connector is to [`crate::connect`] and what a record is to [`crate::record`];
//! it speaks no Kafka.

pub mod admin;
pub mod auth;
mod browse;
mod catalog;
pub mod check;
mod cluster;
mod columns;
pub mod config;
mod connection;
pub mod connectors;
mod console;
mod csv;
pub mod described;
mod diagnostics;
pub mod groups;
pub mod jwt;
mod keys;
pub mod listener;
pub mod overview;
pub mod plugins;
pub mod records;
pub mod schemas;
pub mod series;
pub mod session;
mod settings;
mod slots;
mod sources;
pub mod stream;
mod subscriptions;
pub mod tickets;
pub mod tls;
pub mod topics;

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, watch};

use crate::config::Running;
use crate::config::service::is_loopback;
use crate::connect::registry::{ConnectorView, RegistryError};
use crate::connect::state::Phase;
use crate::connect::{Registry, Schemas, Tokens};
use crate::deliver::Deliveries;
use crate::log::builtin::BuiltinLog;
use crate::log::cluster::Cluster;
use crate::problem::Problem;
use described::Routes;

/// The largest request body: a connector's configuration has a few kilobytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Streams at a time; each holds a few hundred kilobytes.
const STREAMS_MAX: usize = 64;
/// Requests at a time that change something; more wait for their turn.
const CHANGES_MAX: u32 = 64;
/// How long those may take that are still at it when the service ends.
const CHANGES_END: Duration = Duration::from_secs(5);
/// How long streams may take to say that they end.
const STREAMS_END: Duration = Duration::from_secs(1);

/// Settings of the HTTP listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host that is listened on, when only this machine may ask: then requests must name it or a loopback address, or
    /// a page in a browser could have its own name point here (DNS rebinding) and read everything.
    pub own_host: Option<String>,
    /// Who may ask without a token.
    pub open: auth::Open,
    /// The tokens; `None` where there are none to be.
    pub tokens: Option<Arc<Tokens>>,
    /// Origins whose pages may ask.
    pub cors_origins: Vec<String>,
    /// The certificate that is shown; `None`: plain HTTP.
    pub tls: Option<Arc<tls::Tls>>,
    /// A request's head has this long to arrive, from the connection or the answer before on.
    pub head_wait: Duration,
    /// A request's body has this long to arrive.
    pub body_wait: Duration,
    /// Live streams at a time, and of one address.
    pub max_streams: [usize; 2],
    /// Who verifies signed tokens; `None` where there are none to be.
    pub jwt: Option<Arc<jwt::Verifier>>,
    /// Where Kafka clients find the log.
    pub kafka_address: Option<String>,
    /// By which the person who started the service first logs in.
    pub first_link: Option<Arc<session::FirstLink>>,
    /// A followed stream sends an empty line after this long without records, so that a reader that is gone is noticed.
    pub beat: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let (head_wait, body_wait, beat) = (Duration::from_secs(30), Duration::from_secs(30), Duration::from_secs(15));
        Self {
            own_host: None,
            open: auth::Open::Everybody,
            tokens: None,
            cors_origins: Vec::new(),
            tls: None,
            max_streams: [20_000, 50],
            jwt: None,
            kafka_address: None,
            first_link: None,
            head_wait,
            body_wait,
            beat,
        }
    }
}

/// What the handlers work with.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    /// `None` with an external log.
    log: Option<BuiltinLog>,
    /// The cluster that is that log, then.
    cluster: Option<Cluster>,
    /// The schema registry, which lives in that log.
    schemas: Option<Arc<Schemas>>,
    cluster_id: String,
    /// This worker's name in status answers: the HTTP address.
    worker_id: String,
    streams: Arc<Semaphore>,
    /// Live streams; `None` with an external log.
    live: Option<Arc<stream::Streams>>,
    tickets: tickets::Tickets,
    /// Requests that change something, while they do.
    changes: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
    settings: Settings,
    started: Instant,
    /// Makes names of configurations from which no password can be guessed.
    tags: RandomState,
    series: series::Series,
    /// How often was answered what; bounded, since routes, methods and statuses are few.
    requests: Mutex<BTreeMap<RequestKey, u64>>,
    /// The consumer groups of that log, when they are kept here.
    groups: Option<Arc<dyn groups::Groups>>,
    /// The subscriptions to that log.
    deliveries: Option<Deliveries>,
    /// The service's settings.
    running: Option<Running>,
}

/// Route, method, status.
type RequestKey = (String, &'static str, u16);

/// The route of a request as it is written in the table of routes; put into the answer by the layer behind the routing.
#[derive(Clone)]
struct Route(MatchedPath);

impl App {
    /// The service's parts, as HTTP sees them.
    pub fn new(
        registry: Arc<Registry>,
        log: Option<BuiltinLog>,
        schemas: Option<Arc<Schemas>>,
        cluster_id: String,
        worker_id: String,
        stop: watch::Receiver<bool>,
        settings: Settings,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let changes = Arc::new(Semaphore::new(CHANGES_MAX as usize));
        let requests = Mutex::default();
        let [all, per_ip] = settings.max_streams;
        let limits = stream::Limits { streams: all, streams_per_ip: per_ip, beat: settings.beat };
        let live = log.clone().map(|log| stream::Streams::new(log, settings.tokens.clone(), limits, stop.clone()));
        Self(Arc::new(Inner {
            registry,
            log,
            cluster: None,
            schemas,
            cluster_id,
            worker_id,
            streams,
            live,
            tickets: tickets::Tickets::default(),
            changes,
            stop,
            settings,
            started: Instant::now(),
            requests,
            tags: RandomState::new(),
            series: series::Series::default(),
            groups: None,
            deliveries: None,
            running: None,
        }))
    }

    fn requests(&self) -> MutexGuard<'_, BTreeMap<RequestKey, u64>> {
        // A panic while the lock is held leaves plain numbers.
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the consumer groups; before it is shared.
    #[must_use]
    pub fn with_groups(mut self, groups: Option<Arc<dyn groups::Groups>>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.groups = groups;
        }
        self
    }

    /// With the subscriptions; before it is shared.
    #[must_use]
    pub fn with_deliveries(mut self, deliveries: Option<Deliveries>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.deliveries = deliveries;
        }
        self
    }

    /// With the service's settings; before it is shared.
    #[must_use]
    pub fn with_running(mut self, running: Running) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.running = Some(running);
        }
        self
    }

    /// With the cluster that is the log; before it is shared.
    #[must_use]
    pub fn with_cluster(mut self, cluster: Option<Cluster>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.cluster = cluster;
        }
        self
    }

    /// Why the log takes nothing now: its disk is full.
    fn paused(&self) -> Option<Problem> {
        self.0.log.as_ref()?.paused().borrow().clone()
    }

    /// What is wrong with a connector, or holds it up: its own trouble first, then the log's.
    fn trouble(&self, view: &ConnectorView) -> Option<Problem> {
        let status = &view.status;
        let own = status.problem.clone().or_else(|| status.waiting.clone());
        let writes = matches!(status.phase, Phase::Preparing | Phase::Snapshotting | Phase::Streaming);
        own.or_else(|| self.paused().filter(|_| writes))
    }
}

/// All routes, with what is said about them.
fn routes() -> Routes {
    admin::routes()
        .and(plugins::routes())
        .and(connectors::routes())
        .and(config::routes())
        .and(settings::routes())
        .and(diagnostics::routes())
        .and(overview::routes())
        .and(series::routes())
        .and(groups::routes())
        .and(subscriptions::routes())
        .and(topics::routes())
        .and(catalog::routes())
        .and(columns::routes())
        .and(schemas::routes())
        .and(slots::routes())
        .and(check::routes())
        .and(sources::routes())
        .and(auth::routes())
        .and(session::routes())
        .and(tickets::routes())
        .and(stream::sse::routes())
        .and(stream::ws::routes())
}

/// The description of all routes, an OpenAPI document.
pub fn document() -> Json {
    routes().document()
}

/// The service of all routes.
pub fn router(app: App) -> Router {
    let routes = routes()
        .router()
        .merge(console::router())
        .route_layer(middleware::from_fn_with_state(app.clone(), auth::authorize))
        .route_layer(middleware::from_fn(name_route))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app.clone());
    // A layer runs after routing, so the path is trimmed in a router around the one that routes.
    let around = Router::new().fallback_service(routes).layer(middleware::from_fn(trim_slash));
    let around = around.layer(middleware::from_fn_with_state(Arc::clone(&app.0.changes), finish));
    let inside = around.layer(middleware::from_fn_with_state(app.clone(), read_body));
    inside
        .layer(middleware::from_fn_with_state(app.clone(), check_host))
        .layer(middleware::from_fn_with_state(app.clone(), auth::cors))
        .layer(middleware::from_fn(console::welcome))
        .layer(middleware::from_fn_with_state(app, count))
        .layer(middleware::from_fn(identify))
}

/// Serves until `stop` says true; streams and open requests then end.
pub async fn serve(app: App, listener: tokio::net::TcpListener, mut stop: watch::Receiver<bool>) {
    let (changes, live) = (Arc::clone(&app.0.changes), app.0.live.clone());
    let (tls, head_wait) = (app.0.settings.tls.clone(), app.0.settings.head_wait);
    tokio::spawn(series::sample(app.clone(), stop.clone()));
    let serving = connection::Serving::new(router(app), head_wait);
    let mut listener = listener::Limited::new(listener);
    let open = watch::Sender::new(());
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            // An error means that the sender is gone, and so is the service.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (serving, mut ending) = (serving.clone(), open.subscribe());
        match &tls {
            None => drop(tokio::spawn(serving.plain(stream, ending))),
            Some(tls) => {
                let tls = Arc::clone(tls);
                tokio::spawn(async move {
                    let shaken = tokio::select! {
                        shaken = tls.accept(stream) => shaken,
                        _ = ending.changed() => None,
                    };
                    if let Some(stream) = shaken {
                        serving.tls(stream, ending).await;
                    }
                });
            }
        }
    }
    drop(listener);
    open.send_replace(());
    // Each connection holds a receiver until it ends.
    open.closed().await;
    // Streams that took their connections over are none any more.
    if let Some(live) = live {
        live.ended(STREAMS_END).await;
    }
    // Also those whose clients are gone.
    let _ = tokio::time::timeout(CHANGES_END, changes.acquire_many(CHANGES_MAX)).await;
}

/// Says in the answer which route it was.
async fn name_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned().map(Route);
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Counts answers. Paths and methods that nobody knows are one each: whoever asks must not make series.
async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    };
    let response = next.run(request).await;
    let route = response.extensions().get::<Route>().map_or("other", |route| route.0.as_str()).to_owned();
    *app.requests().entry((route, method, response.status().as_u16())).or_default() += 1;
    response
}

/// Without authentication only requests that name this machine are answered. A browser that knows a token (Basic) shows it for
/// any page, so with tokens, too, only listed origins change anything.
async fn check_host(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    let Some(own) = &app.0.settings.own_host else {
        return if app.0.settings.open == auth::Open::Nobody && comes_from_another_page(&app, &request) {
            Err(other_page())
        } else {
            Ok(next.run(request).await)
        };
    };
    let is_ours = match request.headers().get(header::HOST) {
        Some(host) => host.to_str().is_ok_and(|host| {
            let host = without_port(host);
            host.eq_ignore_ascii_case("localhost") || is_loopback(host) || host.eq_ignore_ascii_case(own)
        }),
        None => request.version() == Version::HTTP_10,
    };
    if is_ours && !comes_from_another_page(&app, &request) {
        return Ok(next.run(request).await);
    }
    if is_ours {
        return Err(other_page());
    }
    let message = "the Host of the request is not this machine: ask by localhost or the address in http.listen, or set http.auth = \"token\" or \"none\"";
    Err(ApiError::new(StatusCode::FORBIDDEN, message))
}

fn other_page() -> ApiError {
    let what = "a page of another origin may not change anything here: http.cors_origins lists those that may";
    ApiError::new(StatusCode::FORBIDDEN, what).about(&Problem::refuse("http/foreign-page", what))
}

/// A browser says which page a request that changes something comes from; programs say nothing.
fn comes_from_another_page(app: &App, request: &Request) -> bool {
    !request.method().is_safe() && !auth::is_own_page(app, request.headers())
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn without_port(text: &str) -> &str {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => text.split_once(':').map_or(text, |(host, _)| host),
    }
}

/// What a request changes is finished though its client goes away: half of it would be in the log and not in memory.
async fn finish(State(changes): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    // It outlives its connection, so those have a bound of their own.
    let Ok(permit) = changes.acquire_owned().await else {
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the service is ending").into_response();
    };
    let change = async move {
        let response = next.run(request).await;
        drop(permit);
        response
    };
    let finished = tokio::spawn(change).await;
    finished.unwrap_or_else(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request was not finished").into_response())
}

/// Reads the whole body before anything else is done: within its time and its size.
async fn read_body(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(app.0.settings.body_wait, to_bytes(body, BODY_BYTES_MAX)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {BODY_BYTES_MAX} bytes"))),
        Err(_) => return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time")),
    };
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
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

/// Over plain HTTP a browser says nothing of itself, but the console does.
fn is_of_script(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|said| said == value);
    says("sec-fetch-dest", "empty") || says("x-requested-with", "rowfeed")
}

/// Gives each request an id, and errors under `/v1` the form of RFC 9457. Kafka Connect's and the registry's paths keep theirs.
async fn identify(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let is_ours = request.uri().path().starts_with("/v1/");
    let is_of_script = is_of_script(request.headers());
    let mut response = next.run(request).await;
    if is_of_script {
        // Or the browser would ask its person for a password over the page, which does that itself.
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
    }
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        if error.status.is_server_error() {
            tracing::warn!(request_id = id, status = error.status.as_u16(), "a request was not served: {}", error.message);
        }
        if is_ours {
            // What else the answer says holds: `Allow`, say.
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(described::PROBLEM));
            response = Response::from_parts(parts, error.problem_details(&id).into());
        }
    }
    // No answer is a script, whatever an attacker makes a page load.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = id.parse() {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Names a request in answers and in the log.
const REQUEST_ID: &str = "x-request-id";
/// The longest name that is taken over from a client.
const REQUEST_ID_MAX: usize = 64;

/// What the client, or a proxy before it, calls the request; else a new name.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let fits = |id: &&str| (1..=REQUEST_ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    given.filter(fits).map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

/// An error in Kafka Connect's shape.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    /// What is known beyond the message.
    problem: Option<Box<Problem>>,
    /// Members of problem details beside the usual ones.
    members: Vec<(&'static str, Json)>,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), problem: None, members: Vec::new() }
    }

    /// With another member in its details.
    fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// With what is known beyond the message.
    fn about(self, problem: &Problem) -> Self {
        Self { problem: Some(Box::new(problem.clone())), ..self }
    }

    /// Problem details (RFC 9457); the members of Kafka Connect's shape are there, too, for clients that know it.
    fn problem_details(&self, request_id: &str) -> String {
        let status = self.status.as_u16();
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": status,
            "detail": self.message,
            "request_id": request_id,
            "error_code": status,
            "message": self.message,
        });
        if let (Some(problem), Some(map)) = (&self.problem, body.as_object_mut()) {
            map.insert("type".into(), format!("urn:rowfeed:error:{}", problem.code).into());
            for (member, text) in [("code", problem.code), ("at", &problem.at), ("why", &problem.why), ("fix", &problem.fix)] {
                if !text.is_empty() {
                    map.insert(member.into(), text.into());
                }
            }
        }
        for (name, value) in &self.members {
            body[*name] = value.clone();
        }
        body.to_string()
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error_code": self.status.as_u16(), "message": self.message });
        let body = axum::Json(body);
        let mut response = auth::challenged((self.status, body).into_response());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let status = match &error {
            RegistryError::NotFound(_) => StatusCode::NOT_FOUND,
            // Kafka Connect clients retry a 409 as "rebalancing": it is for these cases only.
            RegistryError::Exists(_) | RegistryError::Ending(_) | RegistryError::NotRunning(_) => StatusCode::CONFLICT,
            RegistryError::TooMany(_) | RegistryError::Busy => StatusCode::TOO_MANY_REQUESTS,
            RegistryError::Malformed(_) => StatusCode::UNPROCESSABLE_ENTITY,
            RegistryError::ManagedByFile { .. } => StatusCode::FORBIDDEN,
            RegistryError::Invalid(_) | RegistryError::NoClass | RegistryError::UnknownClass { .. } => StatusCode::BAD_REQUEST,
            RegistryError::Failed(problem) if problem.code.starts_with("config/") => {
                return Self::bad_request(problem.what.clone());
            }
            RegistryError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            RegistryError::Changed(_) => StatusCode::PRECONDITION_FAILED,
        };
        let told = Self::new(status, error.to_string());
        match &error {
            RegistryError::Malformed(problem) | RegistryError::Failed(problem) => told.about(problem),
            RegistryError::Invalid(problems) => problems.first().map_or(told.clone(), |first| told.about(first)),
            _ => told,
        }
    }
}

/// Reads a JSON body. A page in a browser can send a cross-site POST of text without asking; it cannot send JSON.
fn json_body(headers: &HeaderMap, body: &Bytes) -> Result<Json, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    // `text/plain;a=json` is text to a browser.
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !(essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "HTTP 415 Unsupported Media Type: send Content-Type: application/json",
        ));
    }
    // serde_json refuses more than 128 levels, so a deep body cannot exhaust the stack.
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("Malformed JSON: {error}")))
}

/// A body that is an object with none but these keys.
fn object(body: Json, known: &[&str]) -> Result<serde_json::Map<String, Json>, ApiError> {
    let Json::Object(body) = body else { return Err(ApiError::bad_request("the body must be a JSON object")) };
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(body),
        Some(key) => Err(ApiError::bad_request(format!("unknown key \"{key}\": there are {}", known.join(", ")))),
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::routing::put;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[tokio::test]
    async fn what_a_request_changes_is_finished_though_its_client_goes_away() {
        let (begun, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (inside, told) = (Arc::clone(&begun), Arc::clone(&done));
        let changes = Arc::new(Semaphore::new(1));
        let handler = put(move || async move {
            inside.add_permits(1);
            tokio::time::sleep(Duration::from_millis(50)).await;
            told.add_permits(1);
        });
        let service = TowerToHyperService::new(Router::new().route("/", handler).layer(middleware::from_fn_with_state(changes, finish)));
        let request = Request::builder().method("PUT").uri("/").body(Body::empty()).expect("a request");
        tokio::select! {
            _ = service.call(request) => panic!("it was answered before it was dropped"),
            entered = begun.acquire() => drop(entered),
        }
        let finished = tokio::time::timeout(Duration::from_secs(10), done.acquire()).await;
        assert!(finished.is_ok(), "it went with its client");
    }
}
