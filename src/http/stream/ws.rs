//! `/v1/ws`: many subscriptions on one WebSocket, with credit.
//!
//! ```text
//! -> subscribe {id, topics, match, from, cursor, where, op, key, view, columns, credit, mode: "sample", rate}   <- subscribed
//! -> credit {id, n}   update {id, where, ..}   pause {id}   resume {id}   unsubscribe {id}   watch {what: ["state", "metrics"]}
//! <- records {id, items, cursor}   caught_up   gap   skipped {n}   end   error {code, message}   state   metrics
//! ```
//!
//! Promises that no more records are sent than there is credit for; that a cursor resumes exactly; that what cannot be sent waits in
//! the log and not in memory; and that a socket which says nothing for long is closed. Codes: 1001 the service ends, 1008 what was asked
//! for may not be read, 4400 not understood, 4401 the token does not hold any more, 4404 no such topic, 4429 too much.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::asked::Asked;
use super::feed::Feed;
use super::page::{Form, Note, Page};
use super::sse::{Asker, begin, channel, live, too_many, topics};
use super::subscriber::{Outlet, Subscriber};
use super::{Occupied, Streams};
use crate::http::auth::{self, Grant};
use crate::http::connection::{Peer, TakeOver, Wire, WireKind};
use crate::http::described::{Routes, does};
use crate::http::{ApiError, App, overview};

/// The subprotocol.
const PROTOCOL: &str = "rowfeed.v1";
/// Bytes of a message.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Subscriptions of one socket.
const SUBSCRIPTIONS_MAX: usize = 100;
/// Bytes of a subscription's name.
const NAME_BYTES_MAX: usize = 100;
/// Credit without any being named, and at most.
const CREDIT: u64 = 1000;
const CREDIT_MAX: u64 = 1 << 32;
/// A socket is asked whether it lives after this, and must have said something within twice that.
const PING: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A message is sent within this time.
const SEND_WAIT: Duration = Duration::from_secs(30);
/// How often states and numbers are looked at, and counts of skipped records told.
const TICK: Duration = Duration::from_secs(1);
/// Records a second of a sample.
const RATE: u64 = 10;
const RATE_MAX: u64 = 1000;

/// The route.
pub fn routes() -> Routes {
    Routes::of("Live streams").get(
        "/v1/ws",
        open,
        does("Opens a WebSocket for many subscriptions")
            .detail("The subprotocol is rowfeed.v1: JSON in text messages, see docs/how-to/live-updates-in-the-browser.md.")
            .query("ticket", json!("tk_0c1f"), "A ticket, in place of a token.")
            .empty(101, "It is open.")
            .fails(400, "no WebSocket is asked for: Upgrade: websocket, Sec-WebSocket-Version: 13")
            .fails(403, "a page of another origin may not change anything here: http.cors_origins lists those that may")
            .fails(429, "50 streams of 10.0.0.7 are open already (http.max_streams_per_ip)")
            .fails(501, "topics are in the external Kafka cluster (log.kind = \"kafka\"): read them there"),
    )
}

async fn open(
    State(app): State<App>,
    (peer, grant): (Option<Extension<Peer>>, Option<Extension<Arc<Grant>>>),
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let streams = Arc::clone(live(&app)?);
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let has = |name, word: &str| text(name).split(',').any(|one| one.trim().eq_ignore_ascii_case(word));
    let key = text(header::SEC_WEBSOCKET_KEY);
    let wire = peer.as_ref().map_or(WireKind::Shared, |peer| peer.wire);
    let is_asked = has(header::UPGRADE, "websocket") && has(header::CONNECTION, "upgrade") && text(header::SEC_WEBSOCKET_VERSION) == "13";
    if !is_asked || key.is_empty() || wire == WireKind::Shared {
        return Err(ApiError::bad_request("no WebSocket is asked for: Upgrade: websocket, Sec-WebSocket-Version: 13, over HTTP/1.1"));
    }
    // A browser lets any page open one and sends along what it knows.
    if !auth::is_own_page(&app, &headers) {
        let message = "a page of another origin may not change anything here: http.cors_origins lists those that may";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    let asker = Asker { peer: peer.map(|peer| peer.0), grant: grant.map(|grant| grant.0) };
    let place = match streams.occupy(asker.address()) {
        Ok(place) => place,
        Err(why) => return Ok(too_many(why)),
    };
    if let Some(peer) = asker.peer.as_ref().filter(|peer| peer.wire == WireKind::Tls) {
        // It has a place among the streams instead. A socket that is taken over gives its own back.
        peer.room.give_back();
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let accept = accept.map_err(|_| ApiError::bad_request("the key of the WebSocket is none"))?;
    let set = response.headers_mut();
    set.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    set.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    set.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if has(header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        set.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    response.extensions_mut().insert(TakeOver::by(move |wire| async move {
        match wire {
            Wire::Plain(stream) => Session::new(app, streams, asker, place).run(stream).await,
            Wire::Tls(stream) => Session::new(app, streams, asker, place).run(*stream).await,
        }
    }));
    Ok(response)
}

/// Why a socket is closed.
struct Closing(u16, String);

impl Closing {
    fn new(code: u16, why: impl Into<String>) -> Self {
        Self(code, why.into())
    }
}

/// One of the subscriptions.
struct Subscribed {
    id: String,
    names: Vec<String>,
    patterns: Vec<String>,
    message: Json,
    feed: Feed,
    credit: u64,
    paused: bool,
    sample: Option<Sample>,
}

/// At most so many records a second; the rest is counted. Where nothing has to be judged it is not even read: its offsets say how much it is.
struct Sample {
    rate: u64,
    left: u64,
    skipped: u64,
}

impl Subscribed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<Page>>> {
        if self.paused || self.credit == 0 || self.rests() {
            return Poll::Pending;
        }
        // Of a sample all is looked at.
        let most = if self.sample.is_some() { u32::MAX } else { u32::try_from(self.credit).unwrap_or(u32::MAX) };
        self.feed.poll_page_of(cx, most)
    }

    /// It has shown what it may of this second, and the rest need not be looked at.
    fn rests(&self) -> bool {
        let has_shown = self.sample.as_ref().is_some_and(|sample| sample.left == 0);
        has_shown && self.feed.subscriber().channel.lens.is_plain()
    }

    fn cursor(&self) -> String {
        let subscriber = self.feed.subscriber();
        subscriber.channel.layout.id(&subscriber.state().after)
    }
}

/// A socket.
struct Session {
    app: App,
    streams: Arc<Streams>,
    asker: Asker,
    subscriptions: Vec<Subscribed>,
    /// Whose turn it is.
    turn: usize,
    watches: [bool; 2],
    states: Vec<(String, String)>,
    _place: Occupied,
}

/// What happens next.
enum Next {
    Said(Option<Result<Message, Error>>),
    Page(usize, Option<Arc<Page>>),
    Tick,
    Stop,
}

impl Session {
    fn new(app: App, streams: Arc<Streams>, asker: Asker, place: Occupied) -> Self {
        Self { app, streams, asker, subscriptions: Vec::new(), turn: 0, watches: [false; 2], states: Vec::new(), _place: place }
    }

    async fn run(mut self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let closing = self.serve(&mut socket).await;
        if let Some(Closing(code, why)) = closing {
            // A reason has 123 bytes.
            let reason: String = why.chars().filter(char::is_ascii).take(120).collect();
            let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
            let _ = tokio::time::timeout(SEND_WAIT, socket.close(Some(frame))).await;
            // What is still on its way to us is read, or closing would take the reason away.
            let _ = tokio::time::timeout(TICK, async { while let Some(Ok(_)) = socket.next().await {} }).await;
        }
    }

    async fn serve(&mut self, socket: &mut WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>) -> Option<Closing> {
        let mut stop = self.streams.stop.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut heard, mut pinged) = (Instant::now(), Instant::now());
        loop {
            let next = tokio::select! {
                said = socket.next() => Next::Said(said),
                (at, page) = poll_fn(|cx| self.poll(cx)) => Next::Page(at, page),
                _ = tick.tick() => Next::Tick,
                _ = stop.wait_for(|stop| *stop) => Next::Stop,
            };
            let done = match next {
                Next::Said(None | Some(Ok(Message::Close(_)))) => return None,
                Next::Said(Some(Err(Error::Capacity(_)))) => Err(Closing::new(4400, "the message is too large")),
                Next::Said(Some(Err(_))) => return None,
                Next::Said(Some(Ok(message))) => {
                    heard = Instant::now();
                    match message {
                        Message::Text(text) => self.hear(&text).await,
                        Message::Binary(_) => Err(Closing::new(4400, "messages are JSON in text")),
                        _ => Ok(Vec::new()),
                    }
                }
                Next::Page(at, page) => self.page(at, page).await,
                Next::Tick => {
                    if heard.elapsed() > SILENCE_MAX {
                        return None;
                    }
                    if pinged.elapsed() >= PING {
                        pinged = Instant::now();
                        let ping = Message::Ping(Bytes::new());
                        if !matches!(tokio::time::timeout(SEND_WAIT, socket.send(ping)).await, Ok(Ok(()))) {
                            return None;
                        }
                    }
                    self.tick()
                }
                Next::Stop => Err(Closing::new(1001, "the service ends")),
            };
            match done {
                Ok(messages) => {
                    for message in messages {
                        if !matches!(tokio::time::timeout(SEND_WAIT, socket.send(Message::text(message))).await, Ok(Ok(()))) {
                            return None;
                        }
                    }
                }
                Err(closing) => return Some(closing),
            }
        }
    }

    /// The next page of any subscription, in turns.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(usize, Option<Arc<Page>>)> {
        let count = self.subscriptions.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            if let Some(Poll::Ready(page)) = self.subscriptions.get_mut(at).map(|subscribed| subscribed.poll(cx)) {
                self.turn = at + 1;
                return Poll::Ready((at, page));
            }
        }
        Poll::Pending
    }

    /// What a page is told as.
    async fn page(&mut self, at: usize, page: Option<Arc<Page>>) -> Result<Vec<String>, Closing> {
        let Some(subscribed) = self.subscriptions.get_mut(at) else { return Ok(Vec::new()) };
        let id = Json::from(subscribed.id.as_str());
        let Some(page) = page else {
            let subscribed = self.subscriptions.swap_remove(at);
            let channel = &subscribed.feed.subscriber().channel;
            // A topic that its pattern fits has come into being.
            if !channel.patterns.is_empty() && self.streams.log().topics().iter().any(|topic| channel.lacks(topic)) {
                let cursor = subscribed.cursor();
                let Subscribed { id, names, patterns, message, credit, paused, sample, feed } = subscribed;
                drop(feed);
                return match self.subscribe(id, names, patterns, message, Some(&cursor), credit, sample).await {
                    Ok((told, mut again)) => {
                        again.paused = paused;
                        self.subscriptions.push(again);
                        Ok(vec![told])
                    }
                    Err(Closing(4000, why)) => Ok(vec![why]),
                    Err(closing) => Err(closing),
                };
            }
            return Ok(Vec::new());
        };
        let cursor = subscribed.feed.subscriber().channel.layout.id(&page.after);
        let body = String::from_utf8(page.body().to_vec()).unwrap_or_default();
        let more = body.strip_prefix('{').filter(|rest| rest.len() > 1).map_or_else(|| "}".to_owned(), |rest| format!(",{rest}"));
        Ok(match page.note {
            None => match &mut subscribed.sample {
                None => {
                    subscribed.credit = subscribed.credit.saturating_sub(u64::from(page.records));
                    vec![format!("{{\"type\":\"records\",\"id\":{id},\"items\":[{body}],\"cursor\":\"{cursor}\"}}")]
                }
                Some(sample) => {
                    let shown = sample.left.min(subscribed.credit).min(u64::from(page.records));
                    sample.left -= shown;
                    sample.skipped += u64::from(page.records) - shown;
                    subscribed.credit -= shown;
                    let items: Vec<&[u8]> = page.items().take(usize::try_from(shown).unwrap_or(0)).collect();
                    let items = String::from_utf8(items.join(&b',')).unwrap_or_default();
                    if shown == 0 {
                        Vec::new()
                    } else {
                        vec![format!("{{\"type\":\"records\",\"id\":{id},\"items\":[{items}],\"cursor\":\"{cursor}\"}}")]
                    }
                }
            },
            Some(Note::Alive) => Vec::new(),
            Some(Note::CaughtUp) => vec![format!("{{\"type\":\"caught_up\",\"id\":{id},\"cursor\":\"{cursor}\"}}")],
            Some(Note::Gap) => vec![format!("{{\"type\":\"gap\",\"id\":{id},\"cursor\":\"{cursor}\"{more}")],
            Some(Note::End) => vec![format!("{{\"type\":\"end\",\"id\":{id},\"cursor\":\"{cursor}\"}}")],
            Some(Note::Error) => {
                let of_token = serde_json::from_str::<Json>(&body)
                    .is_ok_and(|json| json["code"].as_str().is_some_and(|code| code.starts_with("http/")));
                if of_token {
                    return Err(Closing::new(4401, "the token does not hold any more"));
                }
                vec![format!("{{\"type\":\"error\",\"id\":{id}{more}")]
            }
        })
    }

    /// What is told once a second.
    fn tick(&mut self) -> Result<Vec<String>, Closing> {
        let grant = self.asker.grant.as_deref();
        if let Some(why) = grant.and_then(|grant| grant.refusal(self.app.0.settings.tokens.as_deref(), SystemTime::now())) {
            return Err(Closing::new(4401, why.what));
        }
        let mut told = Vec::new();
        for subscribed in &mut self.subscriptions {
            let passed = if subscribed.rests() && !subscribed.paused { subscribed.feed.skip() } else { 0 };
            if let Some(sample) = &mut subscribed.sample {
                sample.skipped += passed;
                sample.left = sample.rate;
                let skipped = std::mem::take(&mut sample.skipped);
                if skipped > 0 {
                    told.push(json!({ "type": "skipped", "id": subscribed.id, "n": skipped }).to_string());
                }
            }
        }
        let [watches_states, watches_numbers] = self.watches;
        if watches_states || watches_numbers {
            let all = overview::all(&self.app);
            if watches_states {
                let text = |json: &Json, name: &str| json[name].as_str().unwrap_or_default().to_owned();
                let states: Vec<(String, String)> = all.iter().map(|one| (text(one, "name"), text(one, "state"))).collect();
                let changed = states.iter().filter(|state| !self.states.contains(state));
                told.extend(changed.map(|(name, state)| json!({ "type": "state", "connector": name, "state": state }).to_string()));
                let gone = self.states.iter().filter(|(name, _)| !states.iter().any(|(known, _)| known == name));
                told.extend(gone.map(|(name, _)| json!({ "type": "state", "connector": name, "state": null }).to_string()));
                self.states = states;
            }
            if watches_numbers {
                told.push(json!({ "type": "metrics", "items": all, "streams": self.streams.open() }).to_string());
            }
        }
        Ok(told)
    }

    /// Does what a message asks for.
    async fn hear(&mut self, text: &str) -> Result<Vec<String>, Closing> {
        let Ok(message) = serde_json::from_str::<Json>(text) else { return Err(Closing::new(4400, "the message is no JSON")) };
        let id = message["id"].as_str().unwrap_or_default().to_owned();
        let kind = message["type"].as_str().unwrap_or_default();
        let at = self.subscriptions.iter().position(|subscribed| subscribed.id == id);
        match (kind, at.and_then(|at| self.subscriptions.get_mut(at))) {
            ("subscribe", known) => {
                if id.is_empty() || id.len() > NAME_BYTES_MAX {
                    return Err(Closing::new(4400, "a subscription has an id"));
                }
                if known.is_some() {
                    return Ok(vec![failed(&id, "stream/exists", "there is a subscription of this id already")]);
                }
                if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
                    return Err(Closing::new(4429, format!("{SUBSCRIPTIONS_MAX} subscriptions are open already")));
                }
                let all = |name: &str| match &message[name] {
                    Json::Array(list) => list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
                    Json::String(one) => vec![one.clone()],
                    _ => Vec::new(),
                };
                let (names, patterns) = (all("topics"), all("match"));
                let credit = message["credit"].as_u64().unwrap_or(CREDIT).min(CREDIT_MAX);
                let rate = message["rate"].as_u64().unwrap_or(RATE).clamp(1, RATE_MAX);
                let sample = (message["mode"] == "sample").then_some(Sample { rate, left: rate, skipped: 0 });
                let cursor = message["cursor"].as_str().map(str::to_owned);
                self.begin(id, names, patterns, message, cursor.as_deref(), credit, sample).await
            }
            ("watch", _) => {
                if self.asker.grant.as_ref().is_some_and(|grant| !grant.may_see_connectors()) {
                    return Err(Closing::new(1008, "the token may not see connectors"));
                }
                let wants = |what: &str| message["what"].as_array().is_some_and(|list| list.iter().any(|one| one == what));
                self.watches = [wants("state"), wants("metrics")];
                self.states.clear();
                self.tick()
            }
            ("credit" | "update" | "pause" | "resume" | "unsubscribe", None) => {
                Ok(vec![failed(&id, "stream/unknown", "there is no subscription of this id")])
            }
            ("credit", Some(subscribed)) => {
                let Some(more) = message["n"].as_u64() else { return Err(Closing::new(4400, "credit has no n")) };
                subscribed.credit = subscribed.credit.saturating_add(more).min(CREDIT_MAX);
                Ok(Vec::new())
            }
            ("pause" | "resume", Some(subscribed)) => {
                subscribed.paused = kind == "pause";
                Ok(Vec::new())
            }
            ("unsubscribe", Some(_)) => {
                self.subscriptions.retain(|subscribed| subscribed.id != id);
                Ok(vec![json!({ "type": "unsubscribed", "id": id }).to_string()])
            }
            ("update", Some(subscribed)) => {
                let mut changed = subscribed.message.clone();
                if let (Some(changed), Some(message)) = (changed.as_object_mut(), message.as_object()) {
                    changed.extend(message.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                let (names, patterns, cursor, credit, paused) =
                    (subscribed.names.clone(), subscribed.patterns.clone(), subscribed.cursor(), subscribed.credit, subscribed.paused);
                let sample = subscribed.sample.as_ref().map(|sample| Sample { ..*sample });
                // What was before it stays when the change is refused.
                let subscribed = self.subscribe(id.clone(), names, patterns, changed, Some(&cursor), credit, sample).await;
                match subscribed {
                    Ok((told, mut new)) => {
                        new.paused = paused;
                        let old = self.subscriptions.iter_mut().find(|subscribed| subscribed.id == id);
                        drop(old.map(|old| std::mem::replace(old, new)));
                        Ok(vec![told])
                    }
                    Err(Closing(4000, why)) => Ok(vec![why]),
                    Err(closing) => Err(closing),
                }
            }
            _ => Err(Closing::new(4400, "the message has no type that is known")),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a subscription has so many parts")]
    async fn begin(
        &mut self,
        id: String,
        names: Vec<String>,
        patterns: Vec<String>,
        message: Json,
        cursor: Option<&str>,
        credit: u64,
        sample: Option<Sample>,
    ) -> Result<Vec<String>, Closing> {
        match self.subscribe(id, names, patterns, message, cursor, credit, sample).await {
            Ok((told, subscribed)) => {
                self.subscriptions.push(subscribed);
                Ok(vec![told])
            }
            Err(Closing(4000, why)) => Ok(vec![why]),
            Err(closing) => Err(closing),
        }
    }

    /// A subscription, and what is said of it. 4000 stands for a refusal that closes nothing.
    #[expect(clippy::too_many_arguments, reason = "a subscription has so many parts")]
    async fn subscribe(
        &mut self,
        id: String,
        names: Vec<String>,
        patterns: Vec<String>,
        message: Json,
        cursor: Option<&str>,
        credit: u64,
        sample: Option<Sample>,
    ) -> Result<(String, Subscribed), Closing> {
        let refused = |error: ApiError| match error.status {
            StatusCode::NOT_FOUND => Closing::new(4404, error.message),
            StatusCode::FORBIDDEN => Closing::new(1008, error.message),
            _ => Closing(4000, failed(&id, error.problem.as_ref().map_or("stream/asked", |problem| problem.code), &error.message)),
        };
        if names.is_empty() && patterns.is_empty() {
            return Err(Closing(4000, failed(&id, "stream/asked", "no topic is named: topics, or match")));
        }
        let grant = self.asker.grant.clone();
        let mut asked = Asked::of_message(&message).map_err(refused)?;
        asked.wishes.limit = None;
        asked.wishes.until_caught_up = false;
        let topics = topics(&self.streams, &names, &patterns, cursor.is_some(), grant.as_deref()).map_err(refused)?;
        let channel = channel(&self.streams, &topics, patterns.clone(), &asked, Form::Items, grant.as_deref());
        let ended = || Closing(4000, failed(&id, "stream/asked", "the cursor is that of a stream that is over"));
        let beginning = begin(&self.streams, &channel, &asked, cursor).await.map_err(refused)?.ok_or_else(ended)?;
        if beginning.resume == "gap" && asked.wishes.fails_on_gap {
            let message = "records between the cursor and what is kept were removed (on_gap=fail)";
            return Err(Closing(4000, failed(&id, "stream/gap", message)));
        }
        let at = channel.layout.id(&beginning.places);
        let counts: serde_json::Map<String, Json> = topics.iter().map(|topic| (topic.name.clone(), topic.partitions.into())).collect();
        let mut told = json!({ "type": "subscribed", "id": id, "partitions": counts, "cursor": at }).to_string();
        if !channel.layout.aliases().is_empty() {
            let aliases: serde_json::Map<String, Json> =
                channel.layout.aliases().iter().map(|(name, alias)| (alias.clone(), name.as_str().into())).collect();
            told = json!({ "type": "subscribed", "id": id, "partitions": counts, "cursor": at, "topics": aliases }).to_string();
        }
        let places: Arc<[u64]> = beginning.places.into();
        let subscriber = Subscriber::new(channel, Outlet::Asker, self.asker.address(), grant, Arc::clone(&places));
        // Each gap, before anything else.
        let gaps = beginning.gaps.iter().map(|gap| Page::telling(Note::Gap, Form::Items, "", gap, Arc::clone(&places)));
        subscriber.state().queue = gaps.collect();
        let feed = Feed::new(Arc::clone(&self.streams), Arc::new(subscriber), asked.wishes, None);
        Ok((told, Subscribed { id, names, patterns, message, feed, credit, paused: false, sample }))
    }
}

/// A refusal that closes nothing.
fn failed(id: &str, code: &str, message: &str) -> String {
    json!({ "type": "error", "id": id, "code": code, "message": message }).to_string()
}
