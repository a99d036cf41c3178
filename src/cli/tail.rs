//! `rowfeed tail`: live changes of one, several or all topics.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::client::{Server, escape, refusal};
use super::view::{Change, Changes};
use super::{Failure, ServerArgs, view};
use crate::event::Filter;
use crate::log::StartAt;
use crate::problem::Problem;

/// Flags of `rowfeed tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Topics, or patterns with `*`; all change topics when none is given.
    topics: Vec<String>,
    /// Where to begin: start, end, -100, +100, offset:1842, now-5m.
    #[arg(long, default_value = "end", allow_hyphen_values = true, value_name = "WHERE")]
    from: String,
    /// Only changes that fulfil a condition, such as "total > 100 and status = 'paid'".
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
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
        let server = ServerArgs { server: Some(server), token: None, token_file: None, ca: None };
        Self {
            topics: vec![topics],
            from: "end".to_owned(),
            condition: None,
            count: None,
            no_follow: false,
            json: false,
            raw: false,
            server,
        }
    }
}

/// Lines that wait to be printed.
const LINES_MAX: usize = 256;
/// Lines that are put in order together, and their bytes.
const WINDOW_LINES_MAX: usize = 10_000;
const WINDOW_BYTES_MAX: usize = 16 << 20;
/// The topics of a transaction come one after the other: this long after a line there may be one that belongs before it.
const WINDOW: Duration = Duration::from_millis(20);

/// Prints records until the end, the count, or Ctrl-C.
pub async fn tail(args: TailArgs) -> Result<(), Failure> {
    let server = args.server.parse()?;
    StartAt::parse(&args.from).map_err(|why| Failure::from(Problem::refuse("config/value", why)))?;
    args.condition.as_deref().map(Filter::parse).transpose()?;
    let (lines, mut inbox) = mpsc::channel(LINES_MAX);
    let one = matches!(args.topics.as_slice(), [topic] if !topic.contains('*'));
    let mut printer = Printer::new(&args, !one);
    spawn(&server, &args, lines);
    loop {
        tokio::select! {
            window = window(&mut inbox, !one) => {
                for line in window.lines {
                    if !printer.print(&line)? {
                        return Ok(());
                    }
                }
                match window.end {
                    None => {}
                    Some(end) => return end.map_err(Failure::from),
                }
            }
            _ = tokio::signal::ctrl_c() => return Err(Failure::shown(130)),
        }
    }
}

/// What comes together.
struct Window {
    lines: Vec<String>,
    /// There is nothing behind it, and why.
    end: Option<Result<(), Problem>>,
}

/// The next line; with several topics, all that come together, in the order of their transactions.
async fn window(inbox: &mut mpsc::Receiver<Result<String, Problem>>, several: bool) -> Window {
    let (mut lines, mut end, mut bytes) = (Vec::new(), None, 0);
    let mut next = inbox.recv().await;
    loop {
        match next {
            Some(Ok(line)) => {
                bytes += line.len();
                lines.push(line);
            }
            Some(Err(problem)) => end = Some(Err(problem)),
            None => end = Some(Ok(())),
        }
        if end.is_some() || !several || lines.len() >= WINDOW_LINES_MAX || bytes >= WINDOW_BYTES_MAX {
            break;
        }
        let Ok(received) = tokio::time::timeout(WINDOW, inbox.recv()).await else { break };
        next = received;
    }
    if lines.len() > 1 {
        let mut last = (0, 0);
        let mut placed: Vec<_> = lines
            .into_iter()
            .map(|line| {
                // What has no position stays behind what it came behind.
                last = position(&line).unwrap_or(last);
                (last, line)
            })
            .collect();
        placed.sort_by_key(|(position, _)| *position);
        lines = placed.into_iter().map(|(_, line)| line).collect();
    }
    Window { lines, end }
}

/// Where a change is in the source: the commit before its transaction, and its own LSN.
fn position(line: &str) -> Option<(u64, u64)> {
    let record: Json = serde_json::from_str(line).ok()?;
    let source = record.get("value")?.get("source")?;
    let sequence: Vec<Option<String>> = serde_json::from_str(source.get("sequence")?.as_str()?).ok()?;
    let before = sequence.first()?.as_deref().and_then(|lsn| lsn.parse().ok()).unwrap_or(0);
    Some((before, source.get("lsn")?.as_u64()?))
}

type Lines = mpsc::Sender<Result<String, Problem>>;

/// One stream for all topics: the service has room for so many only.
fn spawn(server: &Server, args: &TailArgs, lines: Lines) {
    let mut path = format!("/v1/records?from={}&follow={}", escape(&args.from), !args.no_follow);
    if let Some(condition) = &args.condition {
        path.push_str("&where=");
        path.push_str(&escape(condition));
    }
    for topic in &args.topics {
        path.push_str("&topic=");
        path.push_str(&escape(topic));
    }
    let server = server.clone();
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
        // An empty line says that the service is there.
        if !line.is_empty() && lines.send(Ok(line)).await.is_err() {
            break;
        }
    }
    Ok(())
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
        Self { changes: Changes::new(with_table, view::zone()), form, left: args.count.unwrap_or(u64::MAX) }
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
        if let Some(filter) = record.get("filter") {
            map.insert("filter".into(), filter.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_topics_come_in_the_order_of_their_transactions() {
        let line = |topic: &str, before: &str, lsn: u64| {
            let source = json!({ "sequence": format!("[{before},\"{lsn}\"]"), "lsn": lsn });
            json!({ "topic": topic, "value": { "source": source } }).to_string()
        };
        let (lines, mut inbox) = mpsc::channel(8);
        for sent in [line("a", "\"10\"", 12), line("a", "\"20\"", 15), line("b", "\"10\"", 11), "{}".to_owned(), line("b", "null", 30)] {
            lines.send(Ok(sent)).await.expect("open");
        }
        drop(lines);
        let got = window(&mut inbox, true).await;
        let lsns: Vec<_> = got.lines.iter().map(|line| position(line).map(|(_, lsn)| lsn)).collect();
        assert_eq!(lsns, [Some(30), Some(11), None, Some(12), Some(15)]);
        assert!(matches!(got.end, Some(Ok(()))));
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
