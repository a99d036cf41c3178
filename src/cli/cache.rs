//! `rowfeed cache`: what happened to a key of a cache that a subscription invalidates.

use clap::Subcommand;
use serde_json::Value as Json;

use super::client::escape;
use super::form::{self, FormArgs};
use super::terminal::{number_at, signs, text_at};
use super::{Failure, ServerArgs};
use crate::problem::Problem;

/// What is asked of caches.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// What the cache has of a key, and its last invalidations: transaction, position, both phases.
    Explain {
        /// The key, without its namespace.
        key: String,
        /// The subscription; not needed where one is of type redis.
        #[arg(long, value_name = "NAME")]
        subscription: Option<String>,
        #[command(flatten)]
        form: FormArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// Does what the command says.
pub async fn run(command: CacheCommand) -> Result<(), Failure> {
    let CacheCommand::Explain { key, subscription, form, server } = command;
    let server = server.parse()?;
    let name = match subscription {
        Some(name) => name,
        None => only(&server.get_json("/v1/subscriptions").await?)?,
    };
    let told = server.get_json(&format!("/v1/subscriptions/{}/explain?key={}", escape(&name), escape(&key))).await?;
    if form.is_document() {
        form.print("rowfeed/cache-explain@1", told);
    } else {
        form::show(&signs(&text(&told)));
    }
    Ok(())
}

/// The one subscription that has a cache.
fn only(all: &Json) -> Result<String, Problem> {
    let items = all.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = items.iter().filter(|one| text_at(one, "/type") == "redis").map(|one| text_at(one, "/name")).collect();
    match names.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Problem::refuse("usage/subscription", "no subscription is of type redis")),
        many => Err(Problem::refuse("usage/subscription", format!("several subscriptions are of type redis: {}", many.join(", ")))
            .fix("name one: --subscription NAME")),
    }
}

fn text(told: &Json) -> String {
    let has = |pointer: &str| told.pointer(pointer).is_some_and(|value| !value.is_null());
    let mut out = format!("{} · stored as {}\n", text_at(told, "/key"), text_at(told, "/stored_as"));
    let what = match told.pointer("/exists").and_then(Json::as_bool) {
        Some(true) if has("/ttl_ms") => format!("{} bytes, {} ms to live", number_at(told, "/bytes"), number_at(told, "/ttl_ms")),
        Some(true) => format!("{} bytes, for ever", number_at(told, "/bytes")),
        _ => "nothing".to_owned(),
    };
    out.push_str(&format!("  the cache has {what}{}\n", if has("/lease") { "; a reader holds its lease" } else { "" }));
    out.push_str(&format!("  behind the fence up to {}\n", text_at(told, "/watermark/lsn")));
    let changes = told.get("invalidations").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    if changes.is_empty() {
        out.push_str("  no change of it is remembered by this process\n");
    }
    for change in changes {
        let committed = number_at(change, "/committed_ms");
        let behind = |pointer: &str| number_at(change, pointer).saturating_sub(committed);
        out.push_str(&format!(
            "  {}/{} at {}   {}   transactions {}   deleted +{} ms, fenced +{} ms\n",
            text_at(change, "/topic"),
            number_at(change, "/partition"),
            number_at(change, "/offset"),
            text_at(change, "/lsn"),
            change.get("transactions").unwrap_or(&Json::Null),
            behind("/deleted_ms"),
            behind("/fenced_ms"),
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_told_with_its_changes() {
        let told = json!({ "key": "p:1", "stored_as": "p:1", "exists": true, "bytes": 3, "ttl_ms": 500, "lease": null, "watermark": { "lsn": "0/1A" },
            "invalidations": [{ "topic": "t", "partition": 0, "offset": 7, "lsn": "0/19", "transactions": [726], "committed_ms": 100, "deleted_ms": 102, "fenced_ms": 105 }] });
        let text = text(&told);
        for part in ["3 bytes, 500 ms to live", "up to 0/1A", "t/0 at 7   0/19   transactions [726]   deleted +2 ms, fenced +5 ms"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(only(&json!({ "items": [{ "name": "a", "type": "redis" }, { "name": "b", "type": "webhook" }] })).as_deref(), Ok("a"));
        assert!(only(&json!({ "items": [] })).is_err());
    }
}
