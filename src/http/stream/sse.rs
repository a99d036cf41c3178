//! Server-Sent Events: `/v1/topics/{topic}/stream` and `/v1/stream`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::asked::Asked;
use super::channel::{Channel, is_among};
use super::feed::{self, Feed};
use super::layout::{Layout, ends_with};
use super::page::{Form, Note, Page, told};
use super::reader::{Wishes, gap};
use super::subscriber::{Outlet, Subscriber};
use super::{Occupied, Streams};
use crate::http::auth::Grant;
use crate::http::connection::{Peer, TakeOver, Wire, WireKind};
use crate::http::described::{Operation, Routes, does};
use crate::http::topics::readable;
use crate::http::{ApiError, App, Pairs, parameter};
use crate::log::topic::TopicInfo;

/// Topics that one request may name.
const ASKED_MAX: usize = 1000;
/// A browser whose stream broke off waits so many milliseconds.
const RETRY_MS: usize = 2000;
/// Many of them wait up to so many more, each its own time.
const RETRY_SPREAD_MS: usize = 4000;

/// The routes.
pub fn routes() -> Routes {
    let stream = |summary| {
        parameters(does(summary))
            .detail("An event stream for EventSource: change, caught-up, gap, end, error. An event's id is the place behind it in every partition; Last-Event-ID resumes there. A comment every 15 s says that the stream lives.")
            .text(200, "Events, as they come.", "text/event-stream", EVENT)
            .empty(204, "The stream was over: a browser does not ask again.")
            .fails(400, "where: unknown column")
            .fails(403, "__rowfeed.configs may hold passwords: read connectors at /connectors")
            .fails(404, "there is no topic \"shop.public.order\"; did you mean \"shop.public.orders\"?")
            .fails(410, "records between Last-Event-ID and what is kept were removed (on_gap=fail)")
            .fails(429, "50 streams of 10.0.0.7 are open already (http.max_streams_per_ip)")
            .fails(501, "topics are in the external Kafka cluster (log.kind = \"kafka\"): read them there")
    };
    Routes::of("Live streams").get("/v1/topics/{topic}/stream", stream_one, stream("Streams a topic's events")).get(
        "/v1/stream",
        stream_many,
        stream("Streams the events of several topics").query("topic", json!(["shop.public.orders"]), "A topic.").query(
            "match",
            json!(["shop.public.*"]),
            "Topics by pattern, those that come into being later included.",
        ),
    )
}

fn parameters(operation: Operation) -> Operation {
    operation
        .query(
            "from",
            json!("latest"),
            "latest, earliest, -100, +100, offset:1842, 0:1842,1:77, now-5m, 2026-11-21T14:00:00Z, or milliseconds since 1970.",
        )
        .query("last_event_id", json!("0:1842,1:77"), "As the header Last-Event-ID, which wins: for a first connection of a browser.")
        .query("where", json!("status = 'paid' and total > 100"), "A filter.")
        .query("op", json!("c,u,d"), "These operations only.")
        .query("key", json!("{\"id\":42}"), "This key only, JSON or a text; of a key of one column its value will do.")
        .query("view", json!("envelope|flat|diff|cloudevents|raw"), "How events look.")
        .query("columns", json!("id,status"), "These columns of rows only.")
        .query("snapshot", json!(true), "false: without rows of snapshots.")
        .query("tombstones", json!(false), "true: with tombstones.")
        .query("batch", json!(1), "Up to so many changes in one event, as a list.")
        .query("on_gap", json!("event|fail"), "Where records are gone: an event says so, or the stream fails.")
        .query("until", json!("caught-up"), "The stream ends when it has caught up.")
        .query("limit", json!(10), "The stream ends after so many changes.")
        .query("partition", json!(0), "This partition only.")
        .query("ticket", json!("tk_0c1f"), "A ticket, in place of a token.")
}

const EVENT: &str = "id: 0:1842\nevent: change\ndata: {\"topic\":\"shop.public.orders\",\"partition\":0,\"offset\":1841,\"ts\":\"2026-11-21T13:02:11.482Z\",\"key\":{\"id\":42},\"value\":{\"op\":\"u\"}}\n\n";

/// Who asks, and how.
pub struct Asker {
    /// The connection.
    pub peer: Option<Peer>,
    /// What it may see.
    pub grant: Option<Arc<Grant>>,
}

impl Asker {
    /// The client's address.
    pub fn address(&self) -> IpAddr {
        self.peer.as_ref().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address)
    }
}

type Peered = Option<Extension<Peer>>;
type Granted = Option<Extension<Arc<Grant>>>;

async fn stream_one(
    State(app): State<App>,
    Path(topic): Path<String>,
    (peer, grant): (Peered, Granted),
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Result<Response, ApiError> {
    if let Some((name, _)) = pairs.iter().find(|(name, _)| name == "topic" || name == "match") {
        return Err(ApiError::bad_request(format!("{name} is a parameter of /v1/stream: here the path names the topic")));
    }
    let asker = Asker { peer: peer.map(|peer| peer.0), grant: grant.map(|grant| grant.0) };
    stream(&app, vec![topic], Vec::new(), asker, &headers, &pairs).await
}

async fn stream_many(
    State(app): State<App>,
    (peer, grant): (Peered, Granted),
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Result<Response, ApiError> {
    let all = |wanted: &str| pairs.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).collect::<Vec<_>>();
    let (names, patterns) = (all("topic"), all("match"));
    if names.is_empty() && patterns.is_empty() {
        return Err(ApiError::bad_request("no topic is named: topic=shop.public.orders, or match=shop.public.*"));
    }
    let asker = Asker { peer: peer.map(|peer| peer.0), grant: grant.map(|grant| grant.0) };
    stream(&app, names, patterns, asker, &headers, &pairs).await
}

/// The live streams of the service.
pub fn live(app: &App) -> Result<&Arc<Streams>, ApiError> {
    crate::http::topics::log(app)?;
    app.0.live.as_ref().ok_or_else(|| ApiError::new(StatusCode::NOT_IMPLEMENTED, "there are no live streams here"))
}

/// The topics of these names, and those that fit a pattern. A stream that `resumes` goes on without those that were deleted meanwhile.
pub fn topics(
    streams: &Streams,
    names: &[String],
    patterns: &[String],
    resumes: bool,
    grant: Option<&Grant>,
) -> Result<Vec<Arc<TopicInfo>>, ApiError> {
    if names.len() + patterns.len() > ASKED_MAX {
        return Err(ApiError::bad_request(format!("more than {ASKED_MAX} topics are asked for: use a pattern")));
    }
    let may = |name: &String| grant.is_none_or(|grant| grant.may_read(name));
    if let Some(name) = names.iter().chain(patterns).find(|name| !may(name)) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, format!("the token may not read \"{name}\"")));
    }
    let found: Vec<Result<Arc<TopicInfo>, ApiError>> = names.iter().map(|name| readable(streams.log(), name)).collect();
    let goes_on = resumes && (!patterns.is_empty() || found.iter().any(Result::is_ok));
    let is_passed_over = |found: &Result<_, ApiError>| goes_on && matches!(found, Err(error) if error.status == StatusCode::NOT_FOUND);
    let mut found = found.into_iter().filter(|found| !is_passed_over(found)).collect::<Result<Vec<_>, _>>()?;
    if !patterns.is_empty() {
        found.extend(streams.log().topics().into_iter().filter(|topic| !topic.internal && is_among(patterns, &topic.name)));
    }
    found.sort_by_key(|topic| topic.index);
    found.dedup_by_key(|topic| topic.index);
    Ok(found)
}

/// The channel that shows what was asked for.
pub fn channel(
    streams: &Streams,
    topics: &[Arc<TopicInfo>],
    patterns: Vec<String>,
    asked: &Asked,
    form: Form,
    grant: Option<&Grant>,
) -> Arc<Channel> {
    let indexes: Vec<u32> = topics.iter().map(|topic| topic.index.0).collect();
    let rules = grant.map_or("", Grant::rules_text);
    let key = format!("{indexes:?} {patterns:?} {form:?} {rules} {}", asked.key_text());
    let make = || {
        let layout = Layout::new(topics, asked.partition, !patterns.is_empty());
        let lens = asked.lens(topics.iter().map(Arc::as_ref), grant);
        Channel { layout, lens, form, patterns, looked: AtomicU32::new(0), seen: Mutex::default() }
    };
    streams.channel(&key, make)
}

/// Where a stream begins.
pub struct Beginning {
    /// The next offset of each partition.
    pub places: Vec<u64>,
    /// Gaps that are known already: what is said of them.
    pub gaps: Vec<String>,
    /// `exact`, `gap` or `start`.
    pub resume: &'static str,
}

/// Finds where a stream begins; `None` when its id says that it was over.
pub async fn begin(streams: &Streams, channel: &Channel, asked: &Asked, id: Option<&str>) -> Result<Option<Beginning>, ApiError> {
    let (log, parts) = (streams.log(), channel.layout.parts());
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        let mut places = vec![0; parts.len()];
        let mut topics: Vec<&Arc<TopicInfo>> = parts.iter().map(|part| &part.topic).collect();
        topics.dedup_by_key(|topic| topic.index);
        for topic in topics {
            let found = asked.from.places(log, topic, asked.partition).await;
            for place in found.map_err(|error| ApiError::bad_request(error.to_string()))? {
                let at = parts.iter().position(|part| part.topic.index == topic.index && part.partition == place.route.partition);
                if let Some(known) = at.and_then(|at| places.get_mut(at)) {
                    *known = place.next;
                }
            }
        }
        return Ok(Some(Beginning { places, gaps: Vec::new(), resume: "start" }));
    };
    // A topic that was deleted is in older ids.
    let is_gone = |alias: &str| !channel.patterns.is_empty() || !log.topics().iter().any(|topic| ends_with(&topic.name, alias));
    let resume = channel
        .layout
        .parse(id, is_gone)
        .map_err(|why| ApiError::bad_request(format!("Last-Event-ID is not an id of this stream: {why}")))?;
    if resume.ended {
        return Ok(None);
    }
    let mut beginning = Beginning { places: Vec::new(), gaps: Vec::new(), resume: "exact" };
    for (at, (part, next)) in parts.iter().zip(resume.next).enumerate() {
        let range = log.offsets(part.topic.index, part.partition).unwrap_or(crate::log::builtin::OffsetRange { start: 0, end: 0 });
        // What the id does not know has come into being since.
        let next = next.unwrap_or(range.start);
        let is_known = (range.start..=range.end).contains(&next);
        if !is_known {
            beginning.resume = "gap";
            beginning.gaps.push(gap(channel, at, next, range.start));
        }
        beginning.places.push(if is_known { next } else { range.start });
    }
    Ok(Some(beginning))
}

async fn stream(
    app: &App,
    names: Vec<String>,
    patterns: Vec<String>,
    asker: Asker,
    headers: &HeaderMap,
    pairs: &[(String, String)],
) -> Result<Response, ApiError> {
    let streams = live(app)?;
    let asked = Asked::parse(pairs)?;
    let grant = asker.grant.as_deref();
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let id = header.or_else(|| parameter(pairs, "last_event_id")).filter(|id| !id.is_empty());
    let topics = topics(streams, &names, &patterns, id.is_some(), grant)?;
    if let Some(partition) = asked.partition
        && let Some(topic) = topics.iter().find(|topic| partition >= topic.partitions)
    {
        return Err(ApiError::new(StatusCode::NOT_FOUND, format!("{} has {} partitions", topic.name, topic.partitions)));
    }
    let channel = channel(streams, &topics, patterns, &asked, Form::Events { batch: asked.batch }, grant);
    let Some(beginning) = begin(streams, &channel, &asked, id).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    if beginning.resume == "gap" && asked.wishes.fails_on_gap {
        let message = "records between Last-Event-ID and what is kept were removed (on_gap=fail)";
        return Err(ApiError::new(StatusCode::GONE, message));
    }
    let place = match streams.occupy(asker.address()) {
        Ok(place) => place,
        Err(why) => return Ok(too_many(why)),
    };
    let greeting = greeting(streams, &channel, &beginning);
    let resume = beginning.resume;
    let start =
        Start { streams: Arc::clone(streams), channel, asker, wishes: asked.wishes, places: beginning.places.into(), greeting, place };
    let mut response = start.response();
    let mut set = |name: &'static str, value: &'static str| response.headers_mut().insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE.as_str(), "text/event-stream; charset=utf-8");
    set(header::CACHE_CONTROL.as_str(), "no-cache, no-transform");
    set("x-accel-buffering", "no");
    set("rowfeed-resume", resume);
    Ok(response)
}

/// There is no room for another stream.
pub fn too_many(why: String) -> Response {
    let mut response = ApiError::new(StatusCode::TOO_MANY_REQUESTS, why).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// What a stream begins with.
fn greeting(streams: &Streams, channel: &Channel, beginning: &Beginning) -> String {
    let open = streams.open();
    // When many are there, they do not all come back at once.
    let spread = if open > streams.limits().streams / 2 { (open * 7919) % RETRY_SPREAD_MS } else { 0 };
    let parts = channel.layout.parts();
    let mut names: Vec<&str> = parts.iter().map(|part| part.topic.name.as_str()).collect();
    names.dedup();
    let mut text = format!("retry: {}\n\n: rowfeed {} {}\n\n", RETRY_MS + spread, env!("CARGO_PKG_VERSION"), names.join(" "));
    let id = channel.layout.id(&beginning.places);
    if !channel.layout.aliases().is_empty() {
        let aliases: serde_json::Map<_, _> =
            channel.layout.aliases().iter().map(|(name, alias)| (alias.clone(), name.as_str().into())).collect();
        text.push_str(&told("topics", &id, &serde_json::Value::Object(aliases).to_string()));
    }
    for gap in &beginning.gaps {
        text.push_str(&told(Note::Gap.name(), &id, gap));
    }
    text.push_str(&format!("id: {id}\n\n"));
    text
}

/// A stream that is about to begin.
struct Start {
    streams: Arc<Streams>,
    channel: Arc<Channel>,
    asker: Asker,
    wishes: Wishes,
    places: Arc<[u64]>,
    greeting: String,
    place: Occupied,
}

impl Start {
    fn response(self) -> Response {
        match &self.asker.peer {
            Some(peer) if peer.wire == WireKind::Plain => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(TakeOver::by(move |wire| self.drive(wire)));
                response
            }
            peer => {
                let is_tls = peer.as_ref().is_some_and(|peer| peer.wire == WireKind::Tls);
                if let Some(peer) = peer.as_ref().filter(|_| is_tls) {
                    // It has a place among the streams instead.
                    peer.room.give_back();
                }
                let mut response = Response::new(Body::from_stream(feed::Body(self.feed(Outlet::Asker))));
                if is_tls {
                    // Without its room the connection serves nothing else.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    }

    fn feed(self, outlet: Outlet) -> Feed {
        let address = self.asker.address();
        let page = Page::of(Note::Alive, &self.greeting, Arc::clone(&self.places));
        let subscriber = Subscriber::new(self.channel, outlet, address, self.asker.grant, self.places);
        subscriber.state().own = Some(page);
        Feed::new(self.streams, Arc::new(subscriber), self.wishes, Some(self.place))
    }

    /// On a socket of its own.
    fn drive(self, wire: Wire) -> impl Future<Output = ()> + Send + 'static {
        let socket = match wire {
            Wire::Plain(stream) => Some(feed::Socket(self.feed(Outlet::Socket(stream)))),
            // Asked for where a socket is plain only.
            Wire::Tls(_) => None,
        };
        async move {
            if let Some(socket) = socket {
                socket.await;
            }
        }
    }
}
