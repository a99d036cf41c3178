//! Long polls: `/v1/topics/{topic}/records?offset=0:1842&live=true`.
//!
//! For clients that can only ask and be answered, and for caches between: a URL says where to read on, the answer's header
//! `rowfeed-offset` where to go on, and whoever asks the same gets the same, so that a CDN asks once for thousands. Promises that a full
//! answer of the past is the same for whoever asks, and kept no longer than a minute, since a topic that is made anew has other records at the
//! same places; and that what needs a token is kept by nobody but its asker.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::asked::Asked;
use super::page::{Form, Note};
use super::reader::{Reader, Step};
use super::sse::{Asker, begin, channel, live, too_many};
use crate::config::quantity;
use crate::http::auth::Open;
use crate::http::{ApiError, App, is_on, parameter};
use crate::log::topic::TopicInfo;

/// The parameters that only long polls have.
pub const PARAMETERS: [&str; 3] = ["offset", "live", "timeout"];
/// How long something new is waited for, usually and at most.
const WAIT: Duration = Duration::from_secs(20);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Records of an answer.
const RECORDS_MAX: u32 = 1000;

/// Where to go on.
const NEXT: &str = "rowfeed-offset";
/// Nothing more is there now.
const UP_TO_DATE: &str = "rowfeed-up-to-date";

/// How long an answer may be kept by those between.
enum Kept {
    /// More is behind it: it stays what it is, while the topic is the same.
    Long,
    /// It is what there was just now.
    Short,
    /// Nothing was there.
    Moment,
}

/// Answers a long poll.
pub async fn answer(app: &App, topic: Arc<TopicInfo>, pairs: &[(String, String)], asker: Asker) -> Result<Response, ApiError> {
    let streams = live(app)?;
    let (own, others): (Vec<_>, Vec<_>) = pairs.iter().cloned().partition(|(name, _)| PARAMETERS.contains(&name.as_str()));
    if let Some((name, _)) =
        others.iter().find(|(name, _)| matches!(name.as_str(), "from" | "last_event_id" | "until" | "batch" | "on_gap"))
    {
        return Err(ApiError::bad_request(format!("{name} does not go with offset, which says where to read")));
    }
    let mut asked = Asked::parse(&others)?;
    let limit = asked.wishes.limit.take().and_then(|limit| u32::try_from(limit).ok()).unwrap_or(RECORDS_MAX);
    asked.wishes.page_records = Some(limit.min(RECORDS_MAX));
    asked.wishes.fails_on_gap = true;
    let wait = match parameter(&own, "timeout").map(|text| (text, quantity::parse_duration(text))) {
        None => WAIT,
        Some((_, Ok(wait))) => wait.min(WAIT_MAX),
        Some((text, Err(why))) => return Err(ApiError::bad_request(format!("timeout={text} is not a duration: {why}"))),
    };
    let grant = asker.grant.as_deref();
    let channel = channel(streams, std::slice::from_ref(&topic), Vec::new(), &asked, Form::Items, grant);
    let offset = parameter(&own, "offset").unwrap_or_default();
    let id = match offset {
        "" | "-1" | "start" | "earliest" => {
            asked.from = crate::log::StartAt::Start;
            None
        }
        id => Some(id),
    };
    // Where the start is changes with what retention takes.
    let is_start = id.is_none();
    let Some(beginning) = begin(streams, &channel, &asked, id).await? else {
        return Err(ApiError::bad_request("the offset is that of a stream that is over"));
    };
    let is_shared = app.0.settings.open != Open::Nobody && grant.is_none();
    if !beginning.gaps.is_empty() {
        return Ok(gone(&channel.layout.id(&beginning.places)));
    }
    let place = match streams.occupy(asker.address()) {
        Ok(place) => place,
        Err(why) => return Ok(too_many(why)),
    };
    let mut reader = Box::new(Reader::open(streams, Arc::clone(&channel), &beginning.places, &[], asked.wishes));
    let until = Instant::now() + wait;
    let (mut durable, mut stop) = (streams.log().durable(), app.0.stop.clone());
    let answer = loop {
        // Seen before reading: what becomes durable meanwhile wakes us.
        durable.borrow_and_update();
        let (again, step) = reader.step(None, false).await;
        reader = again;
        match step {
            Step::Page(page) if page.note.is_none() => {
                let body = [b"[", page.body().as_ref(), b"]"].concat();
                let ends = channel.layout.parts().iter().zip(page.after.iter());
                let is_at_end = ends
                    .into_iter()
                    .all(|(part, next)| streams.log().offsets(part.topic.index, part.partition).is_none_or(|range| range.end <= *next));
                // What is before the end stays as it is.
                let kept = if is_at_end || is_start { Kept::Short } else { Kept::Long };
                break tell(StatusCode::OK, body, &channel.layout.id(&page.after), is_at_end, kept, is_shared);
            }
            Step::Page(page) | Step::Last(page) if page.note == Some(Note::Error) => {
                // Retention was here in between, or the topic is gone.
                if streams.log().topic(&topic.name).is_none() {
                    break ApiError::new(StatusCode::NOT_FOUND, format!("{} was deleted", topic.name)).into_response();
                }
                break gone(&channel.layout.id(reader.places()));
            }
            Step::Page(_) | Step::Last(_) | Step::Reached => {}
            Step::CaughtUp => {
                let next = channel.layout.id(reader.places());
                if !is_on(&own, "live") {
                    break tell(StatusCode::OK, b"[]".to_vec(), &next, true, Kept::Short, is_shared);
                }
                let is_over = tokio::select! {
                    changed = durable.changed() => changed.is_err(),
                    () = tokio::time::sleep_until(until) => true,
                    _ = stop.wait_for(|stop| *stop) => true,
                };
                if is_over {
                    break tell(StatusCode::NO_CONTENT, Vec::new(), &next, true, Kept::Moment, is_shared);
                }
            }
        }
    };
    drop(place);
    Ok(answer)
}

/// What was asked for is not kept any more: where to begin anew.
fn gone(next: &str) -> Response {
    let mut response =
        ApiError::new(StatusCode::GONE, "the records at this offset were removed: begin anew at rowfeed-offset").into_response();
    if let Ok(next) = HeaderValue::from_str(next) {
        response.headers_mut().insert(NEXT, next);
    }
    response
}

fn tell(status: StatusCode, body: Vec<u8>, next: &str, is_up_to_date: bool, kept: Kept, is_shared: bool) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(next) = HeaderValue::from_str(next) {
        headers.insert(NEXT, next);
    }
    if is_up_to_date {
        headers.insert(UP_TO_DATE, HeaderValue::from_static("true"));
    }
    let kept = match (is_shared, kept) {
        (false, _) => "private, no-store",
        (true, Kept::Long) => "public, max-age=60",
        (true, Kept::Short) => "public, max-age=1, s-maxage=5, stale-while-revalidate=5",
        (true, Kept::Moment) => "public, max-age=0, s-maxage=1",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    response
}
