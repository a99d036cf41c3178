//! What a client asks a stream for, as parameters of a query or members of a message.

use serde_json::Value as Json;

use super::lens::{Lens, Sight, normal};
use super::reader::Wishes;
use crate::config::suggest::did_you_mean;
use crate::event::{Filter, Op, View};
use crate::http::ApiError;
use crate::http::auth::Grant;
use crate::log::start::StartAt;
use crate::log::topic::TopicInfo;

/// Columns that one request may name.
const COLUMNS_MAX: usize = 1000;
/// Changes of one event, at most.
const BATCH_MAX: u32 = 1000;

/// All parameters of a stream.
pub const PARAMETERS: [&str; 17] = [
    "from",
    "last_event_id",
    "where",
    "op",
    "key",
    "view",
    "columns",
    "snapshot",
    "tombstones",
    "batch",
    "on_gap",
    "until",
    "limit",
    "partition",
    "topic",
    "match",
    "ticket",
];

/// What was asked for.
#[derive(Debug)]
pub struct Asked {
    /// Where it begins without an id.
    pub from: StartAt,
    /// Which events.
    pub filter: Option<Filter>,
    /// Of these operations.
    pub ops: Vec<Op>,
    /// Of this key.
    pub key: Option<String>,
    /// How they look.
    pub view: View,
    /// With these columns.
    pub columns: Option<Vec<String>>,
    /// Rows of snapshots, too.
    pub snapshot: bool,
    /// Tombstones, too.
    pub tombstones: bool,
    /// So many changes in one event.
    pub batch: u32,
    /// One partition only.
    pub partition: Option<u32>,
    /// When it ends.
    pub wishes: Wishes,
}

fn wrong(name: &str, text: &str, is: &str) -> ApiError {
    ApiError::bad_request(format!("{name}={text} is not {is}"))
}

impl Asked {
    /// Reads the parameters.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, ApiError> {
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
            let hint = did_you_mean(name, PARAMETERS.iter().copied());
            return Err(ApiError::bad_request(format!("unknown parameter \"{name}\"; {hint}").trim_end_matches("; ")));
        }
        let of = |name: &str| crate::http::parameter(pairs, name);
        let switch = |name: &str, usual: bool| match of(name) {
            None => Ok(usual),
            Some("" | "true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(text) => Err(wrong(name, text, "true or false")),
        };
        let filter = of("where").filter(|text| !text.trim().is_empty()).map(Filter::parse).transpose();
        let filter = filter.map_err(|problem| ApiError::bad_request(problem.text()).about(&problem))?;
        let op = |text: &str| Op::of_letter(text.trim()).ok_or_else(|| wrong("op", text, "an operation: c, r, u, d, t or m"));
        let ops = of("op").map(|ops| ops.split(',').map(op).collect::<Result<Vec<_>, _>>()).transpose()?.unwrap_or_default();
        let view = of("view").map_or(Ok(View::Envelope), |text| {
            View::parse(text).ok_or_else(|| wrong("view", text, "a view: envelope, flat, diff, cloudevents or raw"))
        })?;
        let columns = of("columns").map(|text| text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
        if columns.as_ref().is_some_and(|columns| columns.len() > COLUMNS_MAX) {
            return Err(ApiError::bad_request(format!("more than {COLUMNS_MAX} columns are asked for")));
        }
        let number =
            |name: &str, range: std::ops::RangeInclusive<u64>| match of(name) {
                None => Ok(None),
                Some(text) => text.parse::<u64>().ok().filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
                    ApiError::bad_request(format!("{name}={text} is not a number from {} to {}", range.start(), range.end()))
                }),
            };
        let until_caught_up = match of("until") {
            None => false,
            Some("caught-up") => true,
            Some(text) => return Err(wrong("until", text, "caught-up, the only end there is")),
        };
        let fails_on_gap = match of("on_gap") {
            None | Some("event") => false,
            Some("fail") => true,
            Some(text) => return Err(wrong("on_gap", text, "event or fail")),
        };
        let small = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
        let limit = number("limit", 1..=u64::MAX)?;
        let from = of("from").map_or(Ok(StartAt::End), StartAt::parse).map_err(ApiError::bad_request)?;
        Ok(Self {
            from,
            filter,
            ops,
            key: of("key").map(normal),
            view,
            columns,
            snapshot: switch("snapshot", true)?,
            tombstones: switch("tombstones", false)?,
            batch: small(number("batch", 1..=u64::from(BATCH_MAX))?).unwrap_or(1),
            partition: small(number("partition", 0..=u64::from(u32::MAX))?),
            wishes: Wishes { limit, until_caught_up, fails_on_gap, page_records: None },
        })
    }

    /// As [`Self::parse`], of a message: its members are the parameters.
    pub fn of_message(message: &Json) -> Result<Self, ApiError> {
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            Json::Array(list) => {
                list.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect::<Vec<_>>().join(",")
            }
            value => value.to_string(),
        };
        let is_ours = |name: &str| PARAMETERS.contains(&name) && !matches!(name, "topic" | "match" | "ticket" | "batch");
        let members = message.as_object().into_iter().flatten();
        let pairs: Vec<(String, String)> =
            members.filter(|(name, value)| is_ours(name) && !value.is_null()).map(|(name, value)| (name.clone(), text(value))).collect();
        Self::parse(&pairs)
    }

    /// What of these topics is shown to somebody with this grant.
    pub fn lens<'t>(&self, topics: impl Iterator<Item = &'t TopicInfo>, grant: Option<&Grant>) -> Lens {
        let sight = |topic: &TopicInfo| {
            let rule = grant.and_then(|grant| grant.rule(&topic.name));
            (topic.index, Sight::new(self.filter.clone(), rule))
        };
        Lens {
            sights: topics.map(sight).collect(),
            ops: self.ops.clone(),
            key: self.key.clone(),
            view: self.view,
            columns: self.columns.clone(),
            without_snapshot: !self.snapshot,
            tombstones: self.tombstones,
        }
    }

    /// What tells it from others, as far as what is shown is concerned.
    pub fn key_text(&self) -> String {
        let filter = self.filter.as_ref().map_or("", Filter::text);
        let (ops, key, view, columns) = (&self.ops, &self.key, self.view.name(), &self.columns);
        let (snapshot, tombstones, batch, partition) = (self.snapshot, self.tombstones, self.batch, self.partition);
        format!("{filter:?} {ops:?} {key:?} {view} {columns:?} {snapshot} {tombstones} {batch} {partition:?}")
    }
}
