//! `/v1/session`: who a page of the console is, and its login.
//!
//! Owns the cookie by which a browser shows a token. Promises that no script reads it (`HttpOnly`), that it is sent to this origin's
//! pages alone (`SameSite=Strict`; over TLS also `Secure` and `__Host-`), that a request which changes something is believed by it only
//! when a page of this very origin made it, and that a link of the first start works once. Leaves what a token may do to [`super::auth`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value as Json, json};

use super::auth::{self, Open};
use super::described::{Routes, does};
use super::{ApiError, App, json_body};
use crate::config::Secret;
use crate::connect::tokens::{Scope, Token};

/// The cookie's name over TLS: a browser takes it from this very host only.
const OVER_TLS: &str = "__Host-rowfeed";
/// And without, where browsers take no such name.
const PLAIN: &str = "rowfeed";
/// A browser forgets it after this long.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// The link of the first start works this long.
const LINK_HOLDS: Duration = Duration::from_secs(3600);
/// What its secret begins with.
const LINK_PREFIX: &str = "once_";

/// How a token is shown, in OpenAPI's words.
pub fn schemes() -> Json {
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "Authorization: Bearer and the token." },
        "basic": { "type": "http", "scheme": "basic", "description": "The token as the password, of any user." },
        "session": { "type": "apiKey", "in": "cookie", "name": PLAIN,
            "description": "For pages of this origin: POST /v1/session gives it, over TLS as __Host-rowfeed." },
    })
}

/// The routes of sessions.
pub fn routes() -> Routes {
    let session = json!({ "authenticated": true, "auth": "token|loopback|none", "name~": "admin", "scopes": ["admin"] });
    Routes::of("Tokens")
        .shape("Session", session)
        .get(
            "/v1/session",
            show,
            does("Says who asks, and what they may do")
                .answers(200, "A token that is known, or nobody needs one.", json!("@Session"))
                .fails(401, "a token is needed"),
        )
        .post(
            "/v1/session",
            log_in,
            does("Gives a browser a cookie for a token")
                .detail("The cookie is for pages of this origin; programs show their token with each request instead.")
                .takes(json!({ "token": "the secret" }))
                .answers(200, "The token is known; with Set-Cookie where one is needed.", json!("@Session"))
                .fails(400, "the body is {\"token\": \"...\"}")
                .fails(401, "the token is not known here: it may have been revoked"),
        )
        .delete("/v1/session", log_out, does("Takes the cookie back").empty(204, "The browser forgets it."))
}

/// The link by which the person who started the service first logs in: used once, and soon.
#[derive(Debug)]
pub struct FirstLink(Mutex<Option<Waiting>>);

#[derive(Debug)]
struct Waiting {
    link: Secret,
    token: Secret,
    until: Instant,
}

impl FirstLink {
    /// A link for this token, and what stands behind `#login=` in it. None where there is no randomness.
    pub fn new(token: Secret) -> Option<(Arc<Self>, String)> {
        let mut random = [0; 24];
        SystemRandom::new().fill(&mut random).ok()?;
        let link = format!("{LINK_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let waiting = Waiting { link: Secret::new(link.clone()), token, until: Instant::now() + LINK_HOLDS };
        Some((Arc::new(Self(Mutex::new(Some(waiting)))), link))
    }

    /// The token, when the link is this one; it is used up.
    fn take(&self, link: &str, now: Instant) -> Option<Secret> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        // How long comparing takes tells nothing about it.
        let is_it = waiting.as_ref().is_some_and(|waiting| digest(waiting.link.expose()).as_ref() == digest(link).as_ref());
        let taken = if is_it { waiting.take() } else { None };
        taken.filter(|waiting| now < waiting.until).map(|waiting| waiting.token)
    }
}

/// The token that a request's cookie shows. Where TLS ends here, the name that other hosts and plain HTTP can set is not looked at.
pub fn secret(headers: &HeaderMap, has_tls: bool) -> Option<&str> {
    let named = |wanted: &str| {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value)
    };
    named(OVER_TLS).or_else(|| named(PLAIN).filter(|_| !has_tls))
}

/// Whether a page of this very origin made a request: a browser says so with each that changes something, and with each WebSocket.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let own = text(header::HOST);
    own.is_some() && text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, host)| host) == own
}

fn described(app: &App, token: Option<&Token>) -> Json {
    let auth = match app.0.settings.open {
        Open::Everybody => "none",
        Open::ThisMachine => "loopback",
        Open::Nobody => "token",
    };
    let scopes = token.map_or_else(|| vec![Scope::Admin.to_string()], |token| token.scopes.iter().map(Scope::to_string).collect());
    json!({ "authenticated": true, "auth": auth, "name": token.map(|token| &token.name), "scopes": scopes })
}

fn known(app: &App, secret: &str) -> Option<Token> {
    app.0.settings.tokens.as_deref()?.of_secret(secret)
}

async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    if app.0.settings.open != Open::Nobody {
        return Ok(axum::Json(described(&app, None)).into_response());
    }
    let token = auth::shown_by(&app, &headers).and_then(|shown| known(&app, &shown.secret));
    let token = token.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "a token is needed"))?;
    Ok(axum::Json(described(&app, Some(&token))).into_response())
}

async fn log_in(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let body = json_body(&headers, &body)?;
    let given = body.get("token").and_then(Json::as_str).map(str::trim).filter(|token| !token.is_empty());
    let given = given.ok_or_else(|| ApiError::bad_request("the body is {\"token\": \"...\"}"))?;
    if app.0.settings.open != Open::Nobody {
        return Ok(axum::Json(described(&app, None)).into_response());
    }
    let of_link = app.0.settings.first_link.as_ref().and_then(|link| link.take(given, Instant::now()));
    let secret = of_link.as_ref().map_or(given, Secret::expose);
    let unknown = || {
        let why = if given.starts_with(LINK_PREFIX) {
            "the link has been used, or is older than an hour: log in with the token itself, which is in admin.token in the data folder"
        } else {
            "the token is not known here: it may have been revoked"
        };
        ApiError::new(StatusCode::UNAUTHORIZED, why)
    };
    let token = known(&app, secret).ok_or_else(unknown)?;
    let mut answer = axum::Json(described(&app, Some(&token))).into_response();
    answer.headers_mut().insert(header::SET_COOKIE, cookie(is_over_tls(&app, &headers), secret, KEPT)?);
    Ok(answer)
}

async fn log_out(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    answer.headers_mut().insert(header::SET_COOKIE, cookie(is_over_tls(&app, &headers), "", Duration::ZERO)?);
    Ok(answer)
}

/// Whether the page came over TLS: that ends here, or at a proxy, and then the page's origin says so.
fn is_over_tls(app: &App, headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    app.0.settings.tls.is_some() || origin.is_some_and(|origin| origin.starts_with("https://"))
}

fn cookie(is_over_tls: bool, value: &str, kept: Duration) -> Result<HeaderValue, ApiError> {
    let (name, secure) = if is_over_tls { (OVER_TLS, "; Secure") } else { (PLAIN, "") };
    let text = format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", kept.as_secs());
    let mut cookie = HeaderValue::from_str(&text).map_err(|_| ApiError::bad_request("the token has characters that no token has"))?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(secret(&headers(&[("cookie", "a=1; rowfeed=rf_x; b=2")]), false), Some("rf_x"));
        assert_eq!(secret(&headers(&[("cookie", "rowfeed=rf_x; __Host-rowfeed=rf_y")]), false), Some("rf_y"));
        assert_eq!(secret(&headers(&[("cookie", "rowfeed=; rowfeedx=rf_z; =; ;")]), false), None);
        assert_eq!(secret(&headers(&[]), false), None);
        // Over TLS only what nobody else can have set.
        assert_eq!(secret(&headers(&[("cookie", "rowfeed=rf_x")]), true), None);
        assert_eq!(secret(&headers(&[("cookie", "rowfeed=rf_x; __Host-rowfeed=rf_y")]), true), Some("rf_y"));
    }

    #[test]
    fn only_a_page_of_this_very_origin_is_believed() {
        let of = |origin| is_same_origin(&headers(&[("host", "127.0.0.1:8083"), ("origin", origin)]));
        assert!(of("http://127.0.0.1:8083"));
        assert!(!of("http://127.0.0.1:3000") && !of("null") && !of("http://evil.example"));
        assert!(!is_same_origin(&headers(&[("host", "127.0.0.1:8083")])) && !is_same_origin(&headers(&[("origin", "http://a")])));
    }

    #[test]
    fn a_link_works_once_and_soon() {
        let (first, link) = FirstLink::new(Secret::new("rf_secret".to_owned())).expect("randomness");
        let now = Instant::now();
        assert!(first.take("once_other", now).is_none());
        assert_eq!(first.take(&link, now).expect("the first time").expose(), "rf_secret");
        assert!(first.take(&link, now).is_none());
        let (late, link) = FirstLink::new(Secret::new("rf_secret".to_owned())).expect("randomness");
        assert!(late.take(&link, now + LINK_HOLDS + Duration::from_secs(1)).is_none());
    }
}
