//! `rowfeed status`: one screen about a running service.

use std::time::Duration;

use serde_json::Value as Json;

use super::connectors::trouble;
use super::form::{self, FormArgs};
use super::terminal::{number_at, signs, text_at};
use super::{Failure, client::Server, lists, view};
use crate::config::quantity::say_duration;

/// Prints it.
pub async fn status(server: &Server, args: FormArgs) -> Result<(), Failure> {
    let answer = server.get_json("/v1/status").await?;
    if args.is_document() {
        args.print("rowfeed/status@1", answer);
    } else {
        form::show(&signs(&shown(&answer, args.is_wide())));
    }
    Ok(())
}

fn shown(status: &Json, wide: bool) -> String {
    let up = say_duration(Duration::from_secs(number_at(status, "/uptime_seconds")));
    let connectors = status.get("connectors").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut out = format!("rowfeed {} on {}, up {up}", text_at(status, "/version"), text_at(status, "/address"));
    let rates: Vec<f64> = connectors.iter().filter_map(|one| one.get("changes_per_second")?.as_f64()).collect();
    if !rates.is_empty() {
        out.push_str(&format!("   ingest {} changes/s", view::count(lists::whole(rates.iter().sum()))));
    }
    if let Some(lag) = connectors.iter().filter_map(|one| one.get("lag_ms")?.as_u64()).max() {
        out.push_str(&format!("   greatest lag {}", view::millis(lag)));
    }
    out.push('\n');
    out.push_str(&match text_at(status, "/log/kind") {
        "builtin" => {
            let (topics, bytes) = (number_at(status, "/log/topics"), number_at(status, "/log/size_bytes"));
            format!("log           {} topics, {}\n", view::count(topics), view::bytes(bytes))
        }
        _ => "log           an external Kafka\n".to_owned(),
    });
    if let Some(log) = status.get("log") {
        out.push_str(&trouble(log, "  "));
    }
    if connectors.is_empty() {
        out.push_str("connectors    none yet: PUT /connectors/NAME/config, or a file in the connectors' folder\n");
        return out;
    }
    out.push_str(&format!("connectors    {}\n", states(connectors)));
    out.push_str(&slots(connectors));
    out.push_str(&lists::table(connectors, "  ", wide, false));
    for connector in connectors.iter().filter(|connector| connector.get("problem").is_some_and(Json::is_object)) {
        out.push_str(&format!("\n{}\n{}", text_at(connector, "/name"), trouble(connector, "  ")));
    }
    out
}

/// What the slots keep, and which of them is worth a look.
fn slots(connectors: &[Json]) -> String {
    let mut out = String::new();
    for connector in connectors {
        let Some(warning) = connector.get("warning").filter(|warning| warning.is_object()) else { continue };
        out.push_str(&format!("slots         ! {}\n", text_at(warning, "/what")));
        out.push_str(&format!("                fix: {}\n", text_at(warning, "/fix").replace('\n', "\n                     ")));
    }
    let kept: Vec<u64> = connectors.iter().filter_map(|one| one.get("slot_retained_bytes")?.as_u64()).collect();
    match kept.iter().max() {
        Some(most) if out.is_empty() => format!("slots         {} watched, the greatest keeps {} of WAL\n", kept.len(), view::bytes(*most)),
        _ => out,
    }
}

/// `2 streaming, 1 failed`.
fn states(connectors: &[Json]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for connector in connectors {
        let state = text_at(connector, "/state");
        match counts.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state, 1)),
        }
    }
    let counts = counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ");
    format!("{counts}{}", troubled(connectors))
}

/// So many connectors in trouble are named behind the counts; all of them are told below.
const TROUBLED_MAX: usize = 5;

/// `    (crm: pg/auth, 12 min)`.
fn troubled(connectors: &[Json]) -> String {
    let named = |connector: &Json| {
        let code = connector.pointer("/problem/code")?.as_str()?;
        let time = connector.get("failing_seconds").and_then(Json::as_u64);
        let time = time.map_or_else(String::new, |seconds| format!(", {}", say_duration(Duration::from_secs(seconds))));
        Some(format!("{}: {code}{time}", text_at(connector, "/name")))
    };
    let mut all: Vec<String> = connectors.iter().filter_map(named).collect();
    if all.len() > TROUBLED_MAX {
        let more = all.len() - TROUBLED_MAX;
        all.truncate(TROUBLED_MAX);
        all.push(format!("and {more} more"));
    }
    if all.is_empty() { String::new() } else { format!("    ({})", all.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_screen_says_what_runs_and_what_is_wrong() {
        let connector = |name: &str, state: &str, problem: Json| {
            json!({
                "name": name, "state": state, "lag_ms": if state == "streaming" { json!(41) } else { Json::Null }, "changes": 1204, "slot": "s", "tables": 2,
                "source": "db:5432/shop", "failing_seconds": if state == "failed" { json!(720) } else { Json::Null }, "snapshot": { "tables_total": 2, "tables_done": 2 }, "incremental": null, "problem": problem,
                "changes_per_second": if state == "streaming" { json!(1186.6) } else { Json::Null }, "slot_retained_bytes": 16 << 20,
            })
        };
        let failed = json!({ "code": "pg/auth", "what": "password authentication failed", "at": "", "why": "", "fix": "correct it\nnow" });
        let status = json!({
            "version": "1.0", "address": "127.0.0.1:8083", "uptime_seconds": 533_000,
            "log": { "kind": "builtin", "size_bytes": 3_u64 << 30, "topics": 12, "problem": null },
            "connectors": [connector("shop", "streaming", Json::Null), connector("crm", "failed", failed)],
        });
        let expected = "\
rowfeed 1.0 on 127.0.0.1:8083, up 6 d 4 h   ingest 1,187 changes/s   greatest lag 41 ms
log           12 topics, 3.0 GiB
connectors    1 streaming, 1 failed    (crm: pg/auth, 12 min)
slots         2 watched, the greatest keeps 16 MiB of WAL
  CONNECTOR  STATE      TABLES     LAG  CHANGES/S  SNAPSHOT  SLOT  SOURCE
  shop       streaming       2   41 ms      1,187  done      s     db:5432/shop
  crm        failed          2  12 min          -  done      s     db:5432/shop

crm
  ✗ pg/auth: password authentication failed
      fix: correct it
           now
";
        assert_eq!(shown(&status, false), expected);
        let mut worrying = status.clone();
        let what = "slot \"s\" keeps 4301 MiB of WAL; 3891 MiB more and it is lost";
        worrying["connectors"][1]["warning"] = json!({ "code": "slot/wal-limit", "what": what, "fix": "let it run" });
        let shown = shown(&worrying, false);
        assert!(shown.contains(&format!("\nslots         ! {what}\n                fix: let it run\n  CONNECTOR")), "{shown}");
    }
}
