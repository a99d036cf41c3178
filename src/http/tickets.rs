//! Tickets: what a page in a browser shows in place of a token.
//!
//! A browser's EventSource and WebSocket send no header of ours, and a token in a URL ends up in logs. So a backend asks for a ticket
//! with its token and gives it to the page. Promises that a ticket works once, for half a minute, for no more than its asker may read, and
//! that streams which began with it end with the asker's token. Tickets are kept in memory only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value as Json, json};

use super::auth::{Grant, Open, Rules};
use super::described::{Routes, does};
use super::{ApiError, App, json_body};
use crate::event::Filter;

/// What every ticket begins with.
const PREFIX: &str = "tk_";
/// It is to be used within this time.
const HOLDS: Duration = Duration::from_secs(30);
/// Tickets at a time.
const TICKETS_MAX: usize = 100_000;
/// Topics of one ticket.
const TOPICS_MAX: usize = 100;

/// The routes of tickets.
pub fn routes() -> Routes {
    Routes::of("Live streams").post(
        "/v1/tickets",
        create,
        does("Makes a ticket for a page in a browser")
            .detail("It is shown once, in the query of a stream (?ticket=) or of /v1/ws, within 30 s. where is a filter for all its topics, or one for each.")
            .takes(json!({ "topics": ["shop.public.orders"], "where?~": "user_id = 42" }))
            .answers(201, "It.", json!({ "ticket": "tk_Yw0", "expires_in": 30 }))
            .fails(400, "the ticket has no topics")
            .fails(403, "the token may not read \"shop.public.orders\"")
            .fails(429, "100000 tickets wait to be used"),
    )
}

/// Those whose time is over are taken out this often.
const SWEEP: Duration = Duration::from_secs(1);
/// Bytes of a ticket's topics and filters.
const BYTES_MAX: usize = 16 << 10;

/// The tickets that wait to be used.
#[derive(Default)]
pub struct Tickets(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    tickets: HashMap<[u8; 32], (Grant, Instant)>,
    swept: Option<Instant>,
}

impl Tickets {
    /// The grant of a ticket, which is used up.
    pub fn take(&self, ticket: &str) -> Option<Grant> {
        let (grant, until) = self.0.lock().unwrap_or_else(PoisonError::into_inner).tickets.remove(&digest(ticket))?;
        (Instant::now() < until).then_some(grant)
    }

    fn put(&self, ticket: &str, grant: Grant, now: Instant) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP) {
            waiting.swept = Some(now);
            waiting.tickets.retain(|_, (_, until)| now < *until);
        }
        if waiting.tickets.len() >= TICKETS_MAX {
            return false;
        }
        waiting.tickets.insert(digest(ticket), (grant, now + HOLDS));
        true
    }
}

/// How long looking one up takes tells nothing about it.
fn digest(ticket: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, ticket.as_bytes()).as_ref());
    out
}

async fn create(
    State(app): State<App>,
    grant: Option<Extension<Arc<Grant>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body = json_body(&headers, &body)?;
    let asker = grant.map(|grant| Grant::clone(&grant)).unwrap_or_default();
    if app.0.settings.open == Open::Nobody && asker.token.is_none() {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "a token is needed: Authorization: Bearer TOKEN, or Basic with it as password",
        ));
    }
    let named = body.get("topics").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let topics: Option<Vec<String>> = named.iter().map(|topic| topic.as_str().map(str::to_owned)).collect();
    let topics = topics.filter(|topics| (1..=TOPICS_MAX).contains(&topics.len()));
    let topics = topics.ok_or_else(|| ApiError::bad_request(format!("the ticket has no topics: 1 to {TOPICS_MAX} names or patterns")))?;
    if let Some(denied) = topics.iter().find(|topic| !asker.may_read(topic)) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, format!("the token may not read \"{denied}\"")));
    }
    let parse = |text: &str| Filter::parse(text).map_err(|problem| ApiError::bad_request(problem.text()).about(&problem));
    let filters = match body.get("where") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::String(text)) => vec![("*".to_owned(), parse(text)?)],
        Some(Json::Object(each)) => {
            let one = |(topic, text): (&String, &Json)| {
                if !topics.contains(topic) {
                    return Err(ApiError::bad_request(format!("where names \"{topic}\", which is none of the ticket's topics")));
                }
                let text = text.as_str().ok_or_else(|| ApiError::bad_request("where is a filter, or one for each topic"))?;
                Ok((topic.clone(), parse(text)?))
            };
            each.iter().map(one).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(ApiError::bad_request("where is a filter, or one for each topic")),
    };
    let bytes: usize = topics.iter().map(String::len).chain(filters.iter().map(|(of, filter)| of.len() + filter.text().len())).sum();
    if bytes > BYTES_MAX {
        return Err(ApiError::bad_request(format!("the ticket's topics and filters have more than {BYTES_MAX} bytes together")));
    }
    let rules = Rules::new(topics, filters).map_err(ApiError::bad_request)?;
    let mut random = [0; 24];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the system gives no random numbers"))?;
    let ticket = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let grant = Grant { rules: Some(rules), ..asker };
    if !app.0.tickets.put(&ticket, grant, Instant::now()) {
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, format!("{TICKETS_MAX} tickets wait to be used")));
    }
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    let answer = json!({ "ticket": ticket, "expires_in": HOLDS.as_secs() });
    Ok((StatusCode::CREATED, no_store, axum::Json(answer)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_works_once() {
        let tickets = Tickets::default();
        assert!(tickets.put("tk_a", Grant::default(), Instant::now()));
        assert!(tickets.take("tk_b").is_none());
        assert!(tickets.take("tk_a").is_some());
        assert!(tickets.take("tk_a").is_none());
    }

    #[test]
    fn tickets_that_nobody_used_are_let_go() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        for number in 0..100 {
            assert!(tickets.put(&format!("tk_{number}"), Grant::default(), now));
        }
        assert!(tickets.put("tk_last", Grant::default(), now + HOLDS));
        assert_eq!(tickets.0.lock().expect("whole").tickets.len(), 1);
    }
}
