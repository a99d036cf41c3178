//! `rowfeed get`: where a row stands now, by its key.

use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::client::{Server, escape, refusal};
use super::view::{self, Changes};
use super::{Failure, ServerArgs};
use crate::config::quantity;
use crate::problem::Problem;

/// Flags of `rowfeed get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The topic.
    topic: String,
    /// The key: JSON such as '{"id":42}', or the bare value of a key of one column.
    key: String,
    /// Wait so long for it, or for what is newer.
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    /// Only what is newer than this place, as an earlier answer showed it.
    #[arg(long, value_name = "PARTITION:OFFSET")]
    newer_than: Option<String>,
    /// Only when everything before this position of PostgreSQL's WAL is published.
    #[arg(long, value_name = "LSN")]
    min_lsn: Option<String>,
    /// The record as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// One request waits so long: less than the client does for an answer.
const SLICE: Duration = Duration::from_secs(20);

/// Prints the newest record of the key.
pub async fn get(args: GetArgs) -> Result<(), Failure> {
    let server = args.server.parse()?;
    let wrong = |why: String| Failure::from(Problem::refuse("config/value", why));
    let wait = args.wait.as_deref().map(quantity::parse_duration).transpose().map_err(wrong)?.unwrap_or_default();
    let until = Instant::now() + wait;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let asked = ask(&server, &args, left.min(SLICE)).await?;
        let is_over = left <= SLICE;
        match asked {
            Asked::Record(record) => {
                println!("{}", if args.json { record.to_string() } else { shown(&record) });
                return Ok(());
            }
            Asked::Not(problem) if is_over => return Err(problem.into()),
            Asked::Not(_) => {}
        }
    }
}

enum Asked {
    Record(Json),
    /// There is none now.
    Not(Problem),
}

async fn ask(server: &Server, args: &GetArgs, wait: Duration) -> Result<Asked, Failure> {
    let mut path = format!("/v1/topics/{}/keys/{}?", escape(&args.topic), escape(&args.key));
    if !wait.is_zero() {
        path.push_str(&format!("wait={}ms&", wait.as_millis().max(1)));
    }
    for (name, value) in [("newer_than", &args.newer_than), ("min_lsn", &args.min_lsn)] {
        if let Some(value) = value {
            path.push_str(&format!("{name}={}&", escape(value)));
        }
    }
    let mut response = server.request("GET", path.trim_end_matches(['?', '&']), None).await?;
    let status = response.status;
    if status == 304 {
        let known = args.newer_than.as_deref().unwrap_or_default();
        return Ok(Asked::Not(Problem::refuse("key/not-newer", format!("nothing of the key {} is newer than {known}", args.key))));
    }
    let body = response.text().await?;
    let json: Json = serde_json::from_str(&body).unwrap_or_default();
    let code = json.get("code").and_then(Json::as_str).unwrap_or_default();
    let known = ["key/unknown", "key/deleted", "key/cut", "key/not-yet", "key/behind", "key/off"].into_iter().find(|known| *known == code);
    match (status, known) {
        (200, _) => Ok(Asked::Record(json)),
        (_, Some(code)) => {
            let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            let number = |name: &str| json.get(name).and_then(Json::as_u64);
            let at = number("partition").zip(number("offset"));
            let at = at.map(|(partition, offset)| format!("{}:{partition}:{offset}  {}", args.topic, text("ts"))).unwrap_or_default();
            Ok(Asked::Not(Problem::refuse(code, text("detail")).at(at).why(text("why")).fix(text("fix"))))
        }
        _ => Err(refusal(status, &body).into()),
    }
}

/// The row, a column a line, with what the last change made of it; what is no row as it is.
fn shown(record: &Json) -> String {
    Changes::new(false, view::zone()).standing(record).unwrap_or_else(|| record.to_string())
}
