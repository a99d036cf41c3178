//! Who may ask: tokens with scopes, and pages of other origins.
//!
//! Owns what each route needs, how a token is shown (`Authorization: Bearer`, or Basic with the token as password, because kcctl and
//! others speak only that), `/v1/tokens` and CORS. Promises that with `http.auth = "token"` only the probes are open, that a route which
//! nobody put into the table needs `admin`, that an answer that goes on ends with its token, and that another origin is allowed by the list in the settings alone, never because it asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{MatchedPath, Path, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::described::{Routes, does};
use super::{ApiError, App, is_on, json_body, session};
use crate::connect::tokens::{Need, Scope, Token, TokenError};
use crate::event::Filter;
use crate::log::topic::fits;
use crate::problem::Problem;

/// Who may ask without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Open {
    /// Whoever reaches the listener.
    #[default]
    Everybody,
    /// Whoever is on this machine.
    ThisMachine,
    /// Nobody: a token is needed.
    Nobody,
}

/// The routes of tokens.
pub fn routes() -> Routes {
    let open = "tokens are made with http.auth = \"token\" or \"loopback\" only";
    Routes::of("Tokens")
        .shape("Token", json!({ "name": "grafana", "scopes": ["read:metrics"], "created_ms": 1_795_233_128_832_u64 }))
        .get(
            "/v1/tokens",
            list,
            does("Lists the tokens").answers(200, "Without their secrets.", json!({ "items": ["@Token"] })).fails(403, open),
        )
        .post(
            "/v1/tokens",
            create,
            does("Makes a token")
                .takes(json!({ "name": "grafana", "scopes": ["read:metrics"] }))
                .answers(
                    201,
                    "It, with its secret, which is shown this once.",
                    json!({ "name": "grafana", "scopes": ["read:metrics"], "created_ms": 1_795_233_128_832_u64, "token": "the secret" }),
                )
                .fails(400, "the token has no name")
                .fails(403, open)
                .fails(409, "there is a token \"grafana\" already: revoke it first"),
        )
        .delete(
            "/v1/tokens/{name}",
            revoke,
            does("Revokes a token").empty(204, "It is gone.").fails(403, open).fails(404, "there is no token \"grafana\""),
        )
}

/// What a request needs, each of these; empty: nothing, not even a token.
pub(super) fn needs(route: &str, method: &Method, query: &str, topic: Option<&str>) -> Vec<Need> {
    let or = |safe, change| vec![if method.is_safe() { safe } else { change }];
    match route {
        "/livez" | "/health" => Vec::new(),
        // The pages are nobody's secret, and a login comes before all.
        "/ui" | "/ui/{*path}" | "/v1/session" => Vec::new(),
        "/readyz" if !is_on(&pairs_of(query), "verbose") => Vec::new(),
        "/readyz" => vec![Need::SeeConnectors],
        "/" | "/openapi.json" => vec![Need::AnyToken],
        "/metrics" | "/metrics/debezium" => vec![Need::Metrics],
        "/v1/topics" => or(Need::Topics, Need::Admin),
        "/v1/ws" => vec![Need::AnyToken],
        // A ticket lets nobody read more than who asks for it.
        "/v1/tickets" => vec![Need::AnyToken],
        "/v1/stream" => {
            let named = pairs_of(query).into_iter().filter(|(name, _)| name == "topic" || name == "match");
            named.map(|(_, topic)| Need::Topic(topic)).chain([Need::AnyToken]).collect()
        }
        "/v1/records" => topics_of(query).into_iter().map(Need::Topic).collect(),
        _ if route.starts_with("/v1/topics/") => match topic {
            Some(topic) if method.is_safe() => vec![Need::Topic(topic.to_owned())],
            _ => vec![Need::Admin],
        },
        // It shows a row of a table, as a topic would.
        "/v1/sources/preview" => vec![Need::Connectors, Need::Topic("*".to_owned())],
        // Whoever may make a connector asks first whether it would start.
        "/v1/check" => vec![Need::Connectors],
        _ if CONNECTORS.iter().any(|area| is_within(route, area)) => or(Need::SeeConnectors, Need::Connectors),
        "/v1/status" | "/v1/slots" | "/v1/series" => or(Need::SeeConnectors, Need::Admin),
        "/v1/groups" | "/v1/groups/{group}" => or(Need::Topics, Need::Admin),
        // Where something is sent to is for whoever may do everything.
        "/v1/subscriptions/{name}" if !method.is_safe() => vec![Need::Admin],
        // These show rows, keys and what receivers say of them, of whatever the subscription reads: for whoever may read all topics.
        "/v1/subscriptions/{name}/test" | "/v1/subscriptions/{name}/replay" | "/v1/subscriptions/{name}/deliveries" => {
            let asked = if method.is_safe() { Need::SeeSubscriptions } else { Need::Subscriptions };
            vec![asked, Need::Topic("*".to_owned())]
        }
        _ if is_within(route, "/v1/subscriptions") => or(Need::SeeSubscriptions, Need::Subscriptions),
        // Asked with a body, and nothing is changed.
        "/subjects/{subject}" if *method == Method::POST => vec![Need::Topics],
        _ if is_within(route, "/compatibility") => vec![Need::Topics],
        _ if ["/subjects", "/schemas", "/config", "/mode", "/contexts"].iter().any(|area| is_within(route, area)) => {
            or(Need::Topics, Need::Schemas)
        }
        _ => vec![Need::Admin],
    }
}

/// Paths about connectors.
const CONNECTORS: [&str; 5] = ["/connectors", "/connector-plugins", "/v1/connectors", "/v1/config/reload", "/v1/sources"];

fn is_within(route: &str, area: &str) -> bool {
    route.strip_prefix(area).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The parameters, as the handlers see them.
fn pairs_of(query: &str) -> Vec<(String, String)> {
    let uri = format!("/?{query}").parse::<axum::http::Uri>().unwrap_or_default();
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).map(|pairs| pairs.0).unwrap_or_default()
}

/// The topics, and patterns of them, that `/v1/records` is asked for; without any it is all.
fn topics_of(query: &str) -> Vec<String> {
    let asked: Vec<String> = pairs_of(query).into_iter().filter(|(name, _)| name == "topic").map(|(_, topic)| topic).collect();
    if asked.is_empty() { vec!["*".to_owned()] } else { asked }
}

/// Routes of live streams: they look after their tokens themselves, and know tickets and signed tokens.
const LIVE: [&str; 3] = ["/v1/topics/{topic}/stream", "/v1/stream", "/v1/ws"];
/// Names under which people put tokens into a query, where they end up in logs.
const SECRETS_IN_QUERY: [&str; 5] = ["access_token", "token", "authorization", "auth", "jwt"];

/// What a request was let through with: among its extensions.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// The token, or the one that a ticket was asked with.
    pub token: Option<Token>,
    /// It holds until then.
    pub until: Option<SystemTime>,
    /// What may be read; `None`: whatever the token says.
    pub rules: Option<Rules>,
}

/// What a ticket or a signed token lets its holder read.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Topics, and patterns of them.
    topics: Vec<String>,
    /// Filters by topic, or by pattern.
    filters: Vec<(String, Filter)>,
    /// Both as one text.
    text: String,
}

impl Rules {
    /// Topics with the filters that hold for them; or why these filters would not keep rows apart. A filter about the change, and not the row,
    /// can pass a change whose old row is not to be seen.
    pub fn new(topics: Vec<String>, filters: Vec<(String, Filter)>) -> Result<Self, String> {
        if let Some((of, filter)) = filters.iter().find(|(_, filter)| !filter.is_of_row()) {
            return Err(format!(
                "the filter of \"{of}\" is not about the row: {filter}. It may name columns of the row, and not op, before, changed() or was_null()"
            ));
        }
        // One that says nothing of any of the topics is a mistake, and its holder would see everything.
        let is_of = |of: &str, topic: &str| of == topic || fits(topic, of) || fits(of, topic);
        if let Some((of, _)) = filters.iter().find(|(of, _)| !topics.iter().any(|topic| is_of(of, topic))) {
            return Err(format!("there is a filter for \"{of}\", which is none of the topics"));
        }
        // The values of parameters are in the filters and not in their texts.
        let text = format!("{topics:?} {filters:?}");
        Ok(Self { topics, filters, text })
    }

    fn covers(&self, topic: &str) -> bool {
        self.topics.iter().any(|pattern| fits(pattern, topic))
    }
}

impl Grant {
    /// Whether a topic, or all that fit a pattern, may be read.
    pub fn may_read(&self, topic: &str) -> bool {
        let by_token = self.token.as_ref().is_none_or(|token| token.meets(&Need::Topic(topic.to_owned())));
        by_token && self.rules.as_ref().is_none_or(|rules| rules.covers(topic))
    }

    /// Whether connectors may be seen.
    pub fn may_see_connectors(&self) -> bool {
        self.rules.is_none() && self.token.as_ref().is_none_or(|token| token.meets(&Need::SeeConnectors))
    }

    /// The filter that every event of a topic must pass.
    pub fn rule(&self, topic: &str) -> Option<Filter> {
        let filters = self.rules.iter().flat_map(|rules| &rules.filters);
        let of_it = filters.filter(|(pattern, _)| fits(pattern, topic)).map(|(_, filter)| filter.clone());
        of_it.reduce(Filter::and)
    }

    /// What tells it from others, as far as what may be read is concerned.
    pub fn rules_text(&self) -> &str {
        self.rules.as_ref().map_or("", |rules| &rules.text)
    }

    /// Why it does not hold any more.
    pub fn refusal(&self, tokens: Option<&crate::connect::Tokens>, now: SystemTime) -> Option<Problem> {
        if self.until.is_some_and(|until| until <= now) {
            return Some(Problem::refuse("http/token-expired", "the token has expired"));
        }
        let is_known = self.token.as_ref().is_none_or(|token| tokens.is_some_and(|tokens| tokens.is_known(token)));
        (!is_known).then(|| Problem::refuse("http/token-unknown", "the token is not known here: it may have been revoked"))
    }
}

/// What a live stream was let through with, other than an ordinary token.
fn live_grant(app: &App, shown: Option<&str>, pairs: &[(String, String)]) -> Option<Result<Grant, Problem>> {
    if let Some(ticket) = super::parameter(pairs, "ticket") {
        let found = app.0.tickets.take(ticket);
        let gone = "the ticket is not known here: it may have been used, and it holds for 30 s";
        return Some(found.ok_or_else(|| Problem::refuse("http/ticket", gone)));
    }
    let signed = shown.filter(|secret| secret.bytes().filter(|byte| *byte == b'.').count() == 2);
    signed.zip(app.0.settings.jwt.as_deref()).map(|(token, verifier)| verifier.grant(token))
}

/// Lets a request through when its token may do what it asks for.
pub async fn authorize(
    State(app): State<App>,
    route: Option<MatchedPath>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let route = route.as_ref().map_or("", MatchedPath::as_str).to_owned();
    let topic = parameters.iter().find(|(name, _)| *name == "topic" || *name == "name").map(|(_, topic)| topic);
    let query = request.uri().query().unwrap_or_default();
    let pairs = pairs_of(query);
    let is_live = LIVE.contains(&route.as_str());
    let shown = shown_by(&app, request.headers());
    // Whatever page a person looks at, the browser would send the cookie along.
    let changes = !request.method().is_safe() || route == "/v1/ws";
    if changes && shown.as_ref().is_some_and(|shown| shown.by_cookie) && !session::is_same_origin(request.headers()) {
        let what = "a login counts for pages of this origin only: other programs show a token in Authorization";
        return refusal(request.uri().path(), Problem::refuse("http/foreign-page", what));
    }
    let by_cookie = shown.as_ref().is_some_and(|shown| shown.by_cookie);
    let shown = shown.map(|shown| shown.secret);
    if is_live {
        if let Some((name, _)) = pairs.iter().find(|(name, _)| SECRETS_IN_QUERY.contains(&name.to_ascii_lowercase().as_str())) {
            let what = format!("{name} is not taken from a query, where it would end up in logs");
            let problem = Problem::refuse("http/token-in-query", what);
            return refusal(request.uri().path(), problem.fix("ask POST /v1/tickets for a ticket, and send that: ?ticket=..."));
        }
        match live_grant(&app, shown.as_deref(), &pairs) {
            None => {}
            Some(Ok(grant)) => {
                let asked = needs(&route, request.method(), query, topic);
                let denied = asked.iter().find(|need| matches!(need, Need::Topic(topic) if !grant.may_read(topic)));
                if let Some(Need::Topic(topic)) = denied {
                    return refusal(request.uri().path(), Problem::refuse("http/scope", format!("the token may not read \"{topic}\"")));
                }
                let mut request = request;
                request.extensions_mut().insert(Arc::new(grant));
                return next.run(request).await;
            }
            Some(Err(problem)) => return refusal(request.uri().path(), problem),
        }
    }
    if app.0.settings.open != Open::Nobody {
        return next.run(request).await;
    }
    let follows = is_on(&pairs, "follow");
    let needs = needs(&route, request.method(), query, topic);
    if needs.is_empty() {
        return next.run(request).await;
    }
    let token = shown.as_deref().zip(app.0.settings.tokens.as_deref()).and_then(|(secret, tokens)| tokens.of_secret(secret));
    let problem = match token {
        None if shown.is_some() => Problem::refuse("http/token-unknown", "the token is not known here: it may have been revoked"),
        None => Problem::refuse("http/token-missing", "a token is needed: Authorization: Bearer TOKEN, or Basic with it as password"),
        Some(token) if needs.iter().all(|need| token.meets(need)) => {
            let mut request = request;
            request.extensions_mut().insert(Arc::new(Grant { token: Some(token.clone()), ..Grant::default() }));
            let mut response = next.run(request).await;
            if by_cookie {
                // A cache between keeps nothing that a header asked for, but knows no such rule for cookies.
                response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
            }
            let is_whole = is_live || response.body().size_hint().exact().is_some();
            return if is_whole { response } else { while_valid(&app, token, response, follows) };
        }
        Some(token) => {
            let scopes: Vec<String> = token.scopes.iter().map(Scope::to_string).collect();
            Problem::refuse("http/scope", format!("the token \"{}\" may not do this; its scopes are: {}", token.name, scopes.join(", ")))
        }
    };
    refusal(request.uri().path(), problem)
}

/// An answer that goes on ends when the token that it was asked with is revoked. What has an end of its own breaks off, or half
/// a file would look like a whole one.
fn while_valid(app: &App, token: Token, response: Response, follows: bool) -> Response {
    let Some(tokens) = app.0.settings.tokens.as_ref().map(Arc::clone) else { return response };
    let revoked = Box::pin(async move { tokens.until_revoked(&token).await });
    response.map(|body| Body::from_stream(Guarded { body: Some(body.into_data_stream()), revoked, follows }))
}

/// A body until its token is revoked; then what fed it is let go, too.
struct Guarded {
    body: Option<BodyDataStream>,
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// It may end anywhere.
    follows: bool,
}

impl futures_core::Stream for Guarded {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let next = Pin::new(body).poll_next(cx);
        if matches!(next, Poll::Ready(None)) {
            self.body = None;
            return Poll::Ready(None);
        }
        // Asked also while the body has always more.
        if self.revoked.as_mut().poll(cx).is_ready() {
            self.body = None;
            return Poll::Ready((!self.follows).then(|| Err(axum::Error::new("the token was revoked"))));
        }
        next
    }
}

/// Under `/v1` as RFC 9457 has it, elsewhere as Kafka Connect does.
fn refusal(path: &str, problem: Problem) -> Response {
    let (status, title) = match problem.code {
        "http/scope" | "http/foreign-page" => (StatusCode::FORBIDDEN, "Forbidden"),
        "http/token-in-query" => (StatusCode::BAD_REQUEST, "Bad Request"),
        _ => (StatusCode::UNAUTHORIZED, "Unauthorized"),
    };
    if !path.starts_with("/v1/") {
        return ApiError::new(status, problem.what).into_response();
    }
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": problem.what, "code": problem.code });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    challenged((status, kind, body.to_string()).into_response())
}

/// Says how a token is shown to whoever showed none; a browser's script asks its person itself.
pub fn challenged(mut response: Response) -> Response {
    if response.status() == StatusCode::UNAUTHORIZED {
        let how = HeaderValue::from_static("Bearer realm=\"rowfeed\", Basic realm=\"rowfeed\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    }
    response
}

/// A token as a request shows it.
pub struct Shown {
    /// The token.
    pub secret: String,
    /// A browser sends it along with whatever it asks for.
    pub by_cookie: bool,
}

/// The token of a request; a header comes before a cookie.
pub fn shown_by(app: &App, headers: &HeaderMap) -> Option<Shown> {
    let by_header = secret(headers).map(|secret| Shown { secret, by_cookie: false });
    let by_cookie = || session::secret(headers, app.0.settings.tls.is_some());
    by_header.or_else(|| by_cookie().map(|secret| Shown { secret: secret.to_owned(), by_cookie: true }))
}

/// The token in a request's header.
fn secret(headers: &HeaderMap) -> Option<String> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

/// What a page may send beside what every page may.
const REQUEST_HEADERS: &str = "accept, authorization, content-type, if-match, last-event-id, x-request-id";
/// What a page may see beside what every page may.
const ANSWER_HEADERS: &str = "allow, etag, link, location, retry-after, rowfeed-offset, rowfeed-resume, rowfeed-up-to-date, x-request-id";

/// Says to pages of the listed origins that they may read the answer.
pub async fn cors(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let Some(listed) = origin.and_then(|origin| listed(&app, origin)) else {
        let mut response = next.run(request).await;
        if !app.0.settings.cors_origins.is_empty() {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
        }
        return response;
    };
    let asks_first = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_first { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    if asks_first {
        let mut allow = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
        allow(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE");
        allow(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        allow(header::ACCESS_CONTROL_MAX_AGE, "600");
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, listed);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// The origin as the settings write it, when they name it.
fn listed(app: &App, origin: &str) -> Option<HeaderValue> {
    let known = app.0.settings.cors_origins.iter().find(|known| *known == origin)?;
    HeaderValue::from_str(known).ok()
}

/// Whether it is a program that asks, or a page that may: our own, or of a listed origin.
pub fn is_own_page(app: &App, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    is_listed(app, origin.to_str().unwrap_or_default()) || session::is_same_origin(headers)
}

/// Whether a page of this origin may change things here.
pub fn is_listed(app: &App, origin: &str) -> bool {
    listed(app, origin).is_some()
}

type Answer = Result<Response, ApiError>;

/// Where everybody is let in, anybody could make a token that works when nobody is any more.
fn tokens(app: &App) -> Result<&crate::connect::Tokens, ApiError> {
    let tokens = app.0.settings.tokens.as_deref().filter(|_| app.0.settings.open != Open::Everybody);
    tokens.ok_or_else(|| ApiError::new(StatusCode::FORBIDDEN, "tokens are made with http.auth = \"token\" or \"loopback\" only"))
}

fn shown(token: &Token) -> Json {
    let scopes: Vec<String> = token.scopes.iter().map(Scope::to_string).collect();
    json!({ "name": token.name, "scopes": scopes, "created_ms": token.created_ms })
}

async fn list(State(app): State<App>) -> Answer {
    let items: Vec<Json> = tokens(&app)?.list().iter().map(shown).collect();
    Ok(axum::Json(json!({ "items": items })).into_response())
}

async fn create(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    let body = json_body(&headers, &body)?;
    let name = body.get("name").and_then(Json::as_str).ok_or_else(|| ApiError::bad_request("the token has no name"))?;
    let asked = body.get("scopes").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut scopes = Vec::new();
    for scope in asked {
        let text = scope.as_str().unwrap_or_default();
        let known = Scope::parse(text);
        scopes.push(known.ok_or_else(|| ApiError::bad_request(format!("\"{text}\" is no scope; there are: {}", Scope::FORMS)))?);
    }
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let (token, secret) = tokens(&app)?.create(name, scopes, now_ms).await?;
    let mut answer = shown(&token);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("token".into(), secret.expose().into());
    }
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, axum::Json(answer)).into_response())
}

async fn revoke(State(app): State<App>, Path(name): Path<String>) -> Answer {
    tokens(&app)?.revoke(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NotFound(name) => Self::new(StatusCode::NOT_FOUND, format!("there is no token \"{name}\"")),
            TokenError::Exists(name) => Self::new(StatusCode::CONFLICT, format!("there is a token \"{name}\" already: revoke it first")),
            TokenError::Invalid(what) => Self::bad_request(what),
            TokenError::Failed(problem) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_put_into_the_table_needs_admin() {
        let need = |route: &str, method: Method| needs(route, &method, "", Some("t"));
        assert_eq!(need("/subjects/{subject}", Method::POST), [Need::Topics]);
        assert_eq!(need("/v1/slots", Method::GET), [Need::SeeConnectors]);
        for route in ["/v1/slots/{slot}", "/v1/groups/{group}", "/v1/topics"] {
            assert_eq!(need(route, Method::DELETE), [Need::Admin], "{route}");
        }
        for route in ["", "/v1/config", "/v1/diagnostics", "/v1/tokens", "/v1/tokens/{name}", "/admin/loggers", "/connectorsx", "/v1/new"] {
            assert_eq!(need(route, Method::GET), [Need::Admin], "{route}");
        }
        assert_eq!(need("/v1/topics/{topic}/records", Method::GET), [Need::Topic("t".into())]);
        assert_eq!(need("/v1/topics/{topic}", Method::DELETE), [Need::Admin]);
        assert_eq!(need("/v1/sources/tables", Method::POST), [Need::Connectors]);
        assert_eq!(need("/v1/sources/preview", Method::POST), [Need::Connectors, Need::Topic("*".into())]);
        assert_eq!(need("/connectors/{name}/config", Method::PUT), [Need::Connectors]);
        assert_eq!(need("/v1/connectors/{name}/signals", Method::POST), [Need::Connectors]);
        assert_eq!(need("/subjects/{subject}/versions", Method::POST), [Need::Schemas]);
        let rows = |need: Need| vec![need, Need::Topic("*".into())];
        assert_eq!(need("/v1/subscriptions/{name}/test", Method::POST), rows(Need::Subscriptions));
        assert_eq!(need("/v1/subscriptions/{name}/replay", Method::POST), rows(Need::Subscriptions));
        assert_eq!(need("/v1/subscriptions/{name}/deliveries", Method::GET), rows(Need::SeeSubscriptions));
        assert_eq!(need("/v1/subscriptions/{name}/pause", Method::POST), [Need::Subscriptions]);
        assert_eq!(need("/v1/subscriptions", Method::GET), [Need::SeeSubscriptions]);
        assert!(need("/livez", Method::GET).is_empty() && need("/readyz", Method::GET).is_empty());
        for verbose in ["verbose", "%76erbose=true"] {
            assert_eq!(needs("/readyz", &Method::GET, verbose, None), [Need::SeeConnectors]);
        }
    }

    #[tokio::test]
    async fn what_is_cut_by_a_revoked_token_looks_whole_only_where_it_has_no_end() {
        for follows in [true, false] {
            let body = Some(Body::from("half").into_data_stream());
            let mut guarded = Guarded { body, revoked: Box::pin(std::future::ready(())), follows };
            let mut next = async || std::future::poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut guarded), cx)).await;
            let cut = next().await;
            assert_eq!(cut.map(|part| part.is_err()), (!follows).then_some(true));
            assert!(next().await.is_none(), "it is over");
        }
    }

    #[test]
    fn records_of_several_topics_need_each_of_them() {
        assert_eq!(topics_of(""), ["*"]);
        assert_eq!(topics_of("topic=a&from=-5&topic=b%2A"), ["a", "b*"]);
    }
}
