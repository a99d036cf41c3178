//! `/v1/series`: the last day of a connector's lag, rate and retained WAL, for charts without a metrics server.
//!
//! Owns the samples. Promises bounded memory, about 36 KiB for each connector (an hour by ten seconds and a day by the minute, in
//! memory only), and that those of a connector that is gone are forgotten. Leaves long memories to whoever reads `/metrics`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json as JsonBody;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::described::{Routes, does};
use super::records::rfc3339;
use super::{ApiError, App, Pairs, parameter};
use crate::config::quantity;
use crate::connect::registry::ConnectorView;
use crate::log::StartAt;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::TopicInfo;
use crate::record::TopicIndex;

/// How often a sample is taken.
const INTERVAL: Duration = Duration::from_secs(10);
/// Samples that are kept as they were taken: an hour.
const FINE_KEPT: usize = 360;
/// Minutes that are kept: a day.
const COARSE_KEPT: usize = 1440;
/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;
/// An hour, in milliseconds: as far back as samples are kept as they were taken.
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What is sampled, and in what it is measured.
const METRICS: [(&str, &str); 3] = [("lag_ms", "milliseconds"), ("changes_per_second", "changes per second"), ("retained_bytes", "bytes")];
/// Of these a longer time has the mean; of others the largest.
const RATE: usize = 1;

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Status").get(
        "/v1/series",
        series,
        does("Shows how a connector's lag, rate or retained WAL went")
            .detail("The last hour by 10 s, the last day by the minute, since the service started. A longer step has the largest value of its time, or the mean rate; null is not known.")
            .query("metric", json!("lag_ms|changes_per_second|retained_bytes"), "What is asked for.")
            .query("connector", json!("shop"), "Whose.")
            .query("from", json!("now-1h"), "now-1h, or milliseconds since 1970.")
            .query("step", json!("1m"), "The time between two points: 10s, 1m, 5m, 1h.")
            .answers(
                200,
                "The points, oldest first.",
                json!({ "metric": "lag_ms|changes_per_second|retained_bytes", "unit": "milliseconds", "connector": "shop", "step_ms": 60_000,
                    "points": [{ "ts": "2026-11-21T13:02:00.000Z", "value~": 12.5 }] }),
            )
            .fails(400, "metric must be one of lag_ms, changes_per_second, retained_bytes")
            .fails(404, "Connector shop not found"),
    )
}

async fn series(State(app): State<App>, Query(pairs): Pairs) -> Result<Response, ApiError> {
    let asked = parameter(&pairs, "metric").and_then(|name| METRICS.iter().position(|(known, _)| *known == name));
    let wrong = || ApiError::bad_request("metric must be one of lag_ms, changes_per_second, retained_bytes");
    let metric = asked.ok_or_else(wrong)?;
    let (name, unit) = METRICS[metric];
    let connector = parameter(&pairs, "connector").ok_or_else(|| ApiError::bad_request("connector is missing"))?;
    app.0.registry.view(connector).map_err(|error| ApiError::new(StatusCode::NOT_FOUND, error.to_string()))?;
    let now = now_ms();
    let from = match parameter(&pairs, "from").map(|text| (text, StartAt::parse(text))) {
        None => now.saturating_sub(HOUR_MS),
        Some((_, Ok(StartAt::Time(time)))) => time,
        Some((text, _)) => return Err(ApiError::bad_request(format!("from={text} is not a time: use now-1h, or milliseconds since 1970"))),
    };
    let step_ms = match parameter(&pairs, "step") {
        // Points of one width: what is older than an hour is known by the minute only.
        None if from < now.saturating_sub(HOUR_MS + MINUTE_MS) => MINUTE_MS,
        None => millis(INTERVAL),
        Some(text) => step(text)?,
    };
    let points = app.0.series.points(connector, metric, from, step_ms);
    let point = |(at, value): (i64, f32)| json!({ "ts": rfc3339(at), "value": value.is_finite().then_some(value) });
    let points: Vec<Json> = points.into_iter().map(point).collect();
    Ok(JsonBody(json!({ "metric": name, "unit": unit, "connector": connector, "step_ms": step_ms, "points": points })).into_response())
}

/// A step of whole samples.
fn step(text: &str) -> Result<i64, ApiError> {
    let step = quantity::parse_duration(text).ok().filter(|step| (INTERVAL..=Duration::from_secs(86_400)).contains(step));
    step.map(millis).ok_or_else(|| ApiError::bad_request(format!("step={text} is not a time from 10s to 24h")))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// Takes samples until the service ends.
pub async fn sample(app: App, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                app.0.series.take(now_ms(), &app.0.registry.views());
                if let Some(log) = &app.0.log {
                    app.0.series.measure(now_ms(), ends(log));
                }
            }
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// How many records each topic has ever had.
fn ends(log: &BuiltinLog) -> Vec<(TopicIndex, u64)> {
    let end = |topic: &TopicInfo| (0..topic.partitions).filter_map(|one| log.offsets(topic.index, one)).map(|range| range.end).sum();
    log.topics().iter().map(|topic| (topic.index, end(topic))).collect()
}

/// The samples of all connectors, and how fast topics grow.
#[derive(Default)]
pub struct Series {
    connectors: Mutex<BTreeMap<String, Rings>>,
    topics: Mutex<HashMap<TopicIndex, Growth>>,
}

/// Where a topic ended, and how many records a second came before that.
#[derive(Clone, Copy)]
struct Growth {
    at_ms: i64,
    end: u64,
    rate: Option<f32>,
}

#[derive(Default)]
struct Rings {
    fine: VecDeque<Sample>,
    coarse: VecDeque<Sample>,
    /// Samples in the last minute of `coarse`.
    folded: u16,
    /// When changes were counted last, and how many there were.
    counted: Option<(i64, u64)>,
}

#[derive(Clone, Copy)]
struct Sample {
    at_ms: i64,
    /// By [`METRICS`]; NaN is not known.
    values: [f32; METRICS.len()],
}

impl Series {
    fn rings(&self) -> MutexGuard<'_, BTreeMap<String, Rings>> {
        // A panic while the lock is held leaves whole samples.
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, at_ms: i64, views: &[ConnectorView]) {
        let mut all = self.rings();
        all.retain(|name, _| views.iter().any(|view| view.name == *name));
        for view in views {
            let rings = all.entry(view.name.clone()).or_default();
            let lag = view.status.lag_now().map_or(f32::NAN, |lag| lag.as_secs_f32() * 1000.0);
            let retained = view.status.slot.as_ref().and_then(|slot| slot.retained_bytes);
            let rate = rings.rate(at_ms, view.status.counts.events);
            rings.push(Sample { at_ms, values: [lag, rate, retained.map_or(f32::NAN, approximate)] });
        }
    }

    /// Takes over where the topics end; those that are not named any more are forgotten.
    fn measure(&self, at_ms: i64, ends: Vec<(TopicIndex, u64)>) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *topics);
        topics.extend(ends.into_iter().map(|(topic, end)| {
            let before = before.get(&topic).filter(|before| before.at_ms < at_ms);
            let rate =
                before.map(|before| approximate(end.saturating_sub(before.end)) * 1000.0 / approximate(at_ms.abs_diff(before.at_ms)));
            (topic, Growth { at_ms, end, rate })
        }));
    }

    /// Records a second that came into a topic; `None` before there are two samples.
    pub fn growth(&self, topic: TopicIndex) -> Option<f32> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).get(&topic)?.rate
    }

    /// Changes a second by the newest sample; `None` before there are two.
    pub fn rate(&self, connector: &str) -> Option<f32> {
        let all = self.rings();
        let newest = all.get(connector)?.fine.back()?;
        newest.values.get(RATE).copied().filter(|rate| rate.is_finite())
    }

    /// The points of a metric from a time on, one for each step in which there was a sample.
    fn points(&self, connector: &str, metric: usize, from_ms: i64, step_ms: i64) -> Vec<(i64, f32)> {
        let all = self.rings();
        let Some(rings) = all.get(connector) else { return Vec::new() };
        let samples = if step_ms < MINUTE_MS { &rings.fine } else { &rings.coarse };
        let mut points: Vec<(i64, f32)> = Vec::new();
        let mut folded = 0;
        for sample in samples.iter().filter(|sample| sample.at_ms >= from_ms) {
            let (at, value) = (sample.at_ms - sample.at_ms.rem_euclid(step_ms), sample.values.get(metric).copied().unwrap_or(f32::NAN));
            match points.last_mut().filter(|(last, _)| *last == at) {
                Some((_, kept)) => {
                    folded += 1;
                    *kept = fold(metric, *kept, value, folded);
                }
                None => {
                    folded = 0;
                    points.push((at, value));
                }
            }
        }
        points
    }
}

impl Rings {
    /// Changes a second since the sample before.
    fn rate(&mut self, at_ms: i64, changes: u64) -> f32 {
        let before = self.counted.replace((at_ms, changes));
        match before {
            Some((then, counted)) if at_ms > then => {
                approximate(changes.saturating_sub(counted)) * 1000.0 / approximate(at_ms.abs_diff(then))
            }
            _ => f32::NAN,
        }
    }

    fn push(&mut self, sample: Sample) {
        if self.fine.len() >= FINE_KEPT {
            self.fine.pop_front();
        }
        self.fine.push_back(sample);
        let minute = sample.at_ms - sample.at_ms.rem_euclid(MINUTE_MS);
        match self.coarse.back_mut().filter(|last| last.at_ms == minute) {
            Some(last) => {
                self.folded += 1;
                for (metric, (kept, value)) in last.values.iter_mut().zip(sample.values).enumerate() {
                    *kept = fold(metric, *kept, value, self.folded);
                }
            }
            None => {
                if self.coarse.len() >= COARSE_KEPT {
                    self.coarse.pop_front();
                }
                self.folded = 0;
                self.coarse.push_back(Sample { at_ms: minute, ..sample });
            }
        }
    }
}

/// One value for a time: the mean of a rate, else the largest. `count` values are in `kept`.
fn fold(metric: usize, kept: f32, value: f32, count: u16) -> f32 {
    match metric {
        RATE if kept.is_nan() => value,
        RATE if value.is_nan() => kept,
        RATE => kept + (value - kept) / (f32::from(count) + 1.0),
        // NaN is less than everything.
        _ => kept.max(value),
    }
}

/// A chart needs no more digits.
#[expect(clippy::cast_precision_loss, reason = "a chart needs seven digits")]
fn approximate(number: u64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two days of samples, the lag rising by one with each, ten changes a second.
    fn two_days() -> (Series, i64) {
        let series = Series::default();
        let last = 2 * 8640_i64;
        for at in 0..=last {
            let mut all = series.rings();
            let rings = all.entry("shop".to_owned()).or_default();
            let rate = rings.rate(at * 10_000, u64::try_from(at).expect("positive") * 100);
            rings.push(Sample { at_ms: at * 10_000, values: [approximate(u64::try_from(at).expect("positive")), rate, f32::NAN] });
        }
        (series, last)
    }

    #[test]
    fn an_hour_is_kept_by_ten_seconds_and_a_day_by_the_minute() {
        let (series, last) = two_days();
        assert_eq!((series.rate("shop"), series.rate("crm")), (Some(10.0), None));
        let fine = series.points("shop", 0, 0, 10_000);
        assert_eq!((fine.len(), fine.last().copied()), (FINE_KEPT, Some((last * 10_000, approximate(last.unsigned_abs())))));
        let coarse = series.points("shop", 0, 0, MINUTE_MS);
        assert_eq!(coarse.len(), COARSE_KEPT);
        // Of six samples the largest.
        let (at, value) = coarse[10];
        assert_eq!(value, approximate(at.unsigned_abs()) / 10_000.0 + 5.0);
        assert_eq!(series.points("shop", 0, (last - 2) * 10_000, 10_000).len(), 3);
        assert!(series.points("none", 0, 0, 10_000).is_empty());
    }

    #[test]
    fn a_rate_is_the_mean_of_its_time_and_what_is_not_known_is_not_a_number() {
        let (series, _) = two_days();
        let hours = series.points("shop", RATE, 0, HOUR_MS);
        assert!((24..=25).contains(&hours.len()) && hours.iter().all(|(_, rate)| (rate - 10.0).abs() < 0.01), "{hours:?}");
        assert!(series.points("shop", 2, 0, HOUR_MS).iter().all(|(_, retained)| retained.is_nan()));
    }

    #[test]
    fn a_topic_grows_by_what_came_since_the_sample_before() {
        let (series, orders, old) = (Series::default(), TopicIndex(16), TopicIndex(17));
        series.measure(0, vec![(orders, 100), (old, 7)]);
        assert_eq!(series.growth(orders), None);
        series.measure(10_000, vec![(orders, 150)]);
        assert_eq!((series.growth(orders), series.growth(old)), (Some(5.0), None));
        assert_eq!(series.topics.lock().expect("whole").len(), 1);
    }

    #[test]
    fn a_connector_that_is_gone_is_forgotten() {
        let (series, _) = two_days();
        series.take(0, &[]);
        assert!(series.rings().is_empty());
    }
}
