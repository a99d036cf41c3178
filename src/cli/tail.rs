//! `rowfeed tail`: live changes of one, several or all topics.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::client::{Server, escape, refusal};
use super::view::{Change, Changes};
use super::{Failure, ServerArgs};
use crate::http::records::StartAt;
use crate::problem::Problem;

/// Flags of `rowfeed tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Topics, or patterns with `*`; all change topics when none is given.
    topics: Vec<String>,
    /// Where to begin: start, end, -100, +100, offset:1842, now-5m.
    #[arg(long, default_value = "end", allow_hyphen_values = true, value_name = "WHERE")]
    from: String,
    /// End after this many records.
    #[arg(short = 'n', long = "count", value_name = "N")]
    count: Option<u64>,
    /// End at the end of the topics instead of waiting for more.
    #[arg(long)]
    no_follow: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Exactly what is on the topic, one JSON object a line.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl TailArgs {
    /// Follows topics of a service from now on, as readable diffs: what the demo shows.
    pub fn following(server: String, topics: String) -> Self {
        let server = ServerArgs { server };
        Self { topics: vec![topics], from: "end".to_owned(), count: None, no_follow: false, json: false, raw: false, server }
    }
}

/// Lines that wait to be printed.
const LINES_MAX: usize = 256;
/// How often new topics that match are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Prints records until the end, the count, or Ctrl-C.
pub async fn tail(args: TailArgs) -> Result<(), Failure> {
    let server = args.server.parse()?;
    StartAt::parse(&args.from).map_err(|why| Failure::from(Problem::refuse("config/value", why)))?;
    let exact = !args.topics.is_empty() && args.topics.iter().all(|topic| !topic.contains('*'));
    let names = if exact { args.topics.clone() } else { matching(&server, &args.topics).await? };
    let (lines, mut inbox) = mpsc::channel(LINES_MAX);
    let mut printer = Printer::new(&args, !exact || names.len() > 1);
    for name in &names {
        spawn(&server, name, &args.from, !args.no_follow, &lines);
    }
    if !exact && !args.no_follow {
        tokio::spawn(look(server.clone(), args.topics.clone(), names.into_iter().collect(), lines.clone()));
    }
    drop(lines);
    loop {
        tokio::select! {
            line = inbox.recv() => match line {
                None => return Ok(()),
                Some(line) => if !printer.print(&line?)? { return Ok(()) },
            },
            _ = tokio::signal::ctrl_c() => return Err(Failure::shown(130)),
        }
    }
}

type Lines = mpsc::Sender<Result<String, Problem>>;

fn spawn(server: &Server, topic: &str, from: &str, follow: bool, lines: &Lines) {
    let path = format!("/v1/topics/{}/records?from={}&follow={follow}", escape(topic), escape(from));
    let (server, lines) = (server.clone(), lines.clone());
    tokio::spawn(async move {
        if let Err(problem) = read(&server, &path, &lines).await {
            // A printer that has ended wants no more.
            drop(lines.send(Err(problem)).await);
        }
    });
}

async fn read(server: &Server, path: &str, lines: &Lines) -> Result<(), Problem> {
    let mut response = server.request("GET", path, None).await?;
    if response.status != 200 {
        let body = response.text().await?;
        return Err(refusal(response.status, &body));
    }
    while let Some(line) = response.line().await? {
        if lines.send(Ok(line)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Follows topics that come into being, from their start.
async fn look(server: Server, patterns: Vec<String>, mut known: BTreeSet<String>, lines: Lines) {
    while !lines.is_closed() {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let names = match matching(&server, &patterns).await {
            Ok(names) => names,
            Err(problem) => return drop(lines.send(Err(problem)).await),
        };
        for name in names {
            if known.insert(name.clone()) {
                spawn(&server, &name, "start", true, &lines);
            }
        }
    }
}

async fn matching(server: &Server, patterns: &[String]) -> Result<Vec<String>, Problem> {
    let answer = server.get_json("/v1/topics").await?;
    let topics = answer.get("items").and_then(Json::as_array).into_iter().flatten();
    let name = |topic: &Json| topic.get("name").and_then(Json::as_str).map(str::to_owned);
    let is_ours = |topic: &&Json| topic.get("internal").and_then(Json::as_bool) != Some(true);
    let wanted = |name: &String| {
        if patterns.is_empty() { !name.starts_with("__debezium-heartbeat.") } else { patterns.iter().any(|pattern| matches(pattern, name)) }
    };
    Ok(topics.filter(is_ours).filter_map(name).filter(wanted).collect())
}

/// `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => {
            let Some(tail) = name.strip_prefix(before) else { return false };
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| matches(rest, tail.get(at..).unwrap_or("")))
        }
    }
}

struct Printer {
    changes: Changes,
    form: Form,
    left: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Diff,
    Json,
    Raw,
}

impl Printer {
    fn new(args: &TailArgs, with_table: bool) -> Self {
        let form = match (args.json, args.raw) {
            (true, _) => Form::Json,
            (_, true) => Form::Raw,
            _ => Form::Diff,
        };
        Self { changes: Changes::new(with_table), form, left: args.count.unwrap_or(u64::MAX) }
    }

    /// Prints a record; false when there is no need for more.
    fn print(&mut self, line: &str) -> Result<bool, Failure> {
        if self.left == 0 {
            return Ok(false);
        }
        let parse = || {
            serde_json::from_str::<Json>(line)
                .map_err(|error| Problem::fail("server/answer", "a record is not JSON").why(error.to_string()))
        };
        let text = match self.form {
            Form::Raw => Some(line.to_owned()),
            Form::Json => Some(flat(&parse()?).to_string()),
            Form::Diff => self.changes.show(&parse()?),
        };
        let Some(text) = text else { return Ok(true) };
        self.left -= 1;
        let mut out = std::io::stdout().lock();
        // A closed pipe (head) is an end, not a failure.
        let written = writeln!(out, "{text}").and_then(|()| out.flush());
        Ok(written.is_ok() && self.left > 0)
    }
}

/// A record as `tail --json` shows it: the envelope's parts beside the record's.
fn flat(record: &Json) -> Json {
    let get = |name: &str| record.get(name).cloned().unwrap_or_default();
    if record.get("gap").is_some() {
        return record.clone();
    }
    let value = get("value");
    let mut out =
        json!({ "topic": get("topic"), "partition": get("partition"), "offset": get("offset"), "ts": get("ts"), "key": get("key") });
    if let Some(map) = out.as_object_mut() {
        match Change::parse(&value) {
            Some(change) => {
                map.insert("op".into(), change.op.into());
                for part in ["before", "after"] {
                    map.insert(part.into(), value.get(part).cloned().unwrap_or_default());
                }
                map.insert("changed".into(), change.changed().into());
                map.insert("source".into(), value.get("source").cloned().unwrap_or_default());
            }
            None => drop(map.insert("value".into(), value)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        assert!(matches("shop.public.*", "shop.public.orders") && matches("*", "") && matches("a*c*e", "abcde"));
        assert!(!matches("shop.public", "shop.public.orders") && !matches("a*c", "abcd"));
    }

    #[test]
    fn json_lines_have_the_envelopes_parts() {
        let record = json!({ "topic": "t", "partition": 0, "offset": 7, "ts": "x", "key": {"id": 1},
            "value": { "before": {"a": 1}, "after": {"a": 2}, "source": {"lsn": 1}, "op": "u" } });
        assert_eq!(
            flat(&record).to_string(),
            "{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"ts\":\"x\",\"key\":{\"id\":1},\"op\":\"u\",\"before\":{\"a\":1},\"after\":{\"a\":2},\"changed\":[\"a\"],\"source\":{\"lsn\":1}}"
        );
    }
}
