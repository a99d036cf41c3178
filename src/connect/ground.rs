//! What the service itself stands on: the disk of its log, or the Kafka cluster it writes to.
//!
//! Owns those questions of `rowfeed check`, of `POST /v1/check` and of the hourly look, in the doctor's words; changes nothing. The database is
//! [`crate::postgres::doctor`]'s.

use std::path::{Path, PathBuf};

use crate::config::ServiceConfig;
use crate::config::postgres::PostgresConfig;
use crate::config::service::LogKind;
use crate::log::builtin::files::free_bytes;
use crate::postgres::doctor::{Depth, Finding, Mark};

/// What these findings are about.
pub const GROUP: &str = "service";
/// Folders below the log's that are looked into.
const DEPTH_MAX: u32 = 3;

/// Asks what this service's settings name, on behalf of these connectors; `depth` as in the doctor's examination.
pub async fn examine(config: &ServiceConfig, connectors: &[&PostgresConfig], depth: Depth) -> Vec<Finding> {
    match config.log.kind {
        LogKind::Builtin => {
            let config = config.clone();
            // A large log has many files.
            tokio::task::spawn_blocking(move || disk(&config)).await.into_iter().collect()
        }
        LogKind::Kafka => kafka(config, connectors, depth).await,
    }
}

/// Whether the answer is one and the same for all connectors.
pub fn is_of_the_service(id: &str) -> bool {
    matches!(id, "disk/space" | "kafka/unreachable" | "kafka/replication")
}

fn finding(id: &'static str, title: &'static str, mark: Mark, observed: String, fix: &str) -> Finding {
    Finding { group: GROUP, id, title, mark, observed, expected: "", fix: fix.to_owned() }
}

fn disk(config: &ServiceConfig) -> Finding {
    const TITLE: &str = "disk";
    // The data folder need not be there yet.
    let folder = config.data_dir.ancestors().find(|folder| folder.is_dir()).map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let used = size_of(&config.data_dir.join("log"), DEPTH_MAX);
    match free_bytes(&folder) {
        Ok(free) => {
            let (mark, observed) = judge(free, used, config.log.max_bytes, config.log.min_free_bytes);
            let fix = if mark == Mark::Ok { "" } else { "-- lower log.max_bytes, or give the data folder a larger disk (--data DIR)" };
            finding("disk/space", TITLE, mark, observed, fix)
        }
        Err(error) => finding("disk/space", TITLE, Mark::Warn, format!("{} cannot be asked: {error}", folder.display()), ""),
    }
}

/// The files of a folder together.
fn size_of(folder: &Path, depth: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() && depth > 0 => size_of(&entry.path(), depth - 1),
        Ok(about) if about.is_file() => about.len(),
        _ => 0,
    };
    entries.flatten().map(size).sum()
}

/// Whether the log can become as large as it may without the disk stopping it first.
fn judge(free: u64, used: u64, max: u64, min_free: u64) -> (Mark, String) {
    let (has, may) = (mib(free), mib(max));
    if free < min_free {
        let seen = format!("{has} free, log.min_free_bytes is {}: capture waits, and the database keeps its WAL", mib(min_free));
        return (Mark::Fail, seen);
    }
    if free.saturating_add(used) < max.saturating_add(min_free) {
        let seen = format!("{has} free, the log has {} and may become {may}: the disk is full before its oldest files go", mib(used));
        return (Mark::Warn, seen);
    }
    (Mark::Ok, format!("{has} free, the log has {} and may become {may}", mib(used)))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// How the service's settings say to reach the cluster.
#[cfg(feature = "kafka")]
pub fn cluster_settings(config: &ServiceConfig) -> crate::log::kafka::KafkaSettings {
    let log = &config.log;
    crate::log::kafka::KafkaSettings { bootstrap: log.bootstrap.clone(), properties: log.kafka.clone(), group: log.group.clone() }
}

#[cfg(not(feature = "kafka"))]
async fn kafka(_: &ServiceConfig, _: &[&PostgresConfig], _: Depth) -> Vec<Finding> {
    Vec::new()
}

#[cfg(feature = "kafka")]
async fn kafka(config: &ServiceConfig, connectors: &[&PostgresConfig], depth: Depth) -> Vec<Finding> {
    use crate::log::kafka::probe::{Makes, Wanted};

    let copies = config.topics.replication_factor;
    let mut prefixes: Vec<String> =
        connectors.iter().map(|connector| format!("{}{}", connector.topic_prefix, connector.topic_delimiter)).collect();
    let beating = connectors.iter().filter(|connector| !connector.heartbeat_interval.is_zero());
    prefixes.extend(beating.map(|connector| connector.heartbeat_topic.clone()));
    let known = !prefixes.is_empty();
    let probe = match cluster_settings(config).probe(&Wanted { copies, prefixes, transaction: depth == Depth::Slot }).await {
        Ok(probe) => probe,
        Err(problem) => {
            let observed = format!("{}\n{}", problem.what, problem.why);
            let advice: String = problem.fix.lines().map(|line| format!("-- {line}\n")).collect();
            return vec![finding(problem.code, "Kafka", Mark::Fail, observed, &advice)];
        }
    };
    let there = finding("kafka/unreachable", "Kafka", Mark::Ok, format!("{} brokers at {}", probe.brokers, config.log.bootstrap), "");
    let made = |mark: Mark, observed: String, fix: &str| finding("kafka/replication", "topics can be made", mark, observed, fix);
    let topics = match probe.makes {
        Makes::Yes => made(Mark::Ok, format!("with {copies} copies"), ""),
        Makes::TooManyCopies(why) => made(
            Mark::Fail,
            format!("not with {copies} copies on {} brokers: {why}", probe.brokers),
            "-- lower topics.replication_factor, or add brokers",
        ),
        Makes::No(why) => made(Mark::Warn, why, "-- look at the cluster's policies for new topics"),
    };
    let may = |mark: Mark, observed: String, fix: &str| finding("kafka/denied", "rights in Kafka", mark, observed, fix);
    let mut found = vec![there, topics];
    if probe.denied.is_empty() {
        let about = if known { "topics, positions" } else { "positions; name a connector, and its topics are asked about, too" };
        found.push(may(Mark::Ok, format!("for its {about}"), ""));
    }
    for denied in probe.denied {
        let mark = if denied.fatal { Mark::Fail } else { Mark::Warn };
        found.push(may(mark, format!("not allowed {}", denied.what), &format!("-- {}", denied.command)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_before_the_log_lets_go_is_told() {
        let mark = |free: u64, used: u64, max: u64, min_free: u64| judge(free, used, max, min_free).0;
        assert_eq!(mark(100, 0, 50, 10), Mark::Ok);
        assert_eq!(mark(30, 30, 50, 10), Mark::Ok);
        assert_eq!(mark(29, 30, 50, 10), Mark::Warn);
        assert_eq!(mark(9, 50, 50, 10), Mark::Fail);
        assert_eq!(mark(0, 0, u64::MAX, u64::MAX), Mark::Fail);
    }
}
