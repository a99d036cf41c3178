//! `rowfeed status`: one screen about a running service.

use serde_json::Value as Json;

use super::connectors::trouble;
use super::terminal::{number_at, print_json, signs, text_at};
use super::{Failure, client::Server, view};

/// Prints it.
pub async fn status(server: &Server, as_json: bool) -> Result<(), Failure> {
    let answer = server.get_json("/v1/status").await?;
    if as_json {
        print_json("rowfeed/status@1", answer);
    } else {
        print!("{}", signs(&shown(&answer)));
    }
    Ok(())
}

fn shown(status: &Json) -> String {
    let up = up(number_at(status, "/uptime_seconds"));
    let mut out = format!("rowfeed {} on {}, up {up}\n", text_at(status, "/version"), text_at(status, "/address"));
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
    let connectors = status.get("connectors").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    if connectors.is_empty() {
        out.push_str("connectors    none yet: PUT /connectors/NAME/config, or a file in the connectors' folder\n");
        return out;
    }
    out.push_str(&format!("connectors    {}\n", states(connectors)));
    let mut rows = vec![["  CONNECTOR", "STATE", "LAG", "CHANGES", "SNAPSHOT", "SLOT", "SOURCE"].map(str::to_owned).to_vec()];
    for connector in connectors {
        let lag = connector.get("lag_ms").and_then(Json::as_u64).map_or_else(|| "-".to_owned(), view::millis);
        let (done, total) = (number_at(connector, "/snapshot/tables_done"), number_at(connector, "/snapshot/tables_total"));
        let snapshot = match connector.get("incremental").filter(|state| state.is_object()) {
            Some(state) => format!("incremental {}", text_at(state, "/state")),
            None if done < total => format!("{done} of {total} tables"),
            None => "-".to_owned(),
        };
        rows.push(vec![
            format!("  {}", text_at(connector, "/name")),
            text_at(connector, "/state").to_owned(),
            lag,
            view::count(number_at(connector, "/changes")),
            snapshot,
            text_at(connector, "/slot").to_owned(),
            text_at(connector, "/source").to_owned(),
        ]);
    }
    out.push_str(&view::table(&rows, &[2, 3]));
    for connector in connectors.iter().filter(|connector| connector.get("problem").is_some_and(Json::is_object)) {
        out.push_str(&format!("\n{}\n{}", text_at(connector, "/name"), trouble(connector, "  ")));
    }
    out
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
    counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

fn up(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_screen_says_what_runs_and_what_is_wrong() {
        let connector = |name: &str, state: &str, problem: Json| {
            json!({
                "name": name, "state": state, "lag_ms": if state == "streaming" { json!(41) } else { Json::Null }, "changes": 1204, "slot": "s",
                "source": "db:5432/shop", "snapshot": { "tables_total": 2, "tables_done": 2 }, "incremental": null, "problem": problem,
            })
        };
        let failed = json!({ "code": "pg/auth", "what": "password authentication failed", "at": "", "why": "", "fix": "correct it\nnow" });
        let status = json!({
            "version": "1.0", "address": "127.0.0.1:8083", "uptime_seconds": 533_000,
            "log": { "kind": "builtin", "size_bytes": 3_u64 << 30, "topics": 12, "problem": null },
            "connectors": [connector("shop", "streaming", Json::Null), connector("crm", "failed", failed)],
        });
        let expected = "\
rowfeed 1.0 on 127.0.0.1:8083, up 6 d 4 h
log           12 topics, 3.0 GiB
connectors    1 streaming, 1 failed
  CONNECTOR  STATE        LAG  CHANGES  SNAPSHOT  SLOT  SOURCE
  shop       streaming  41 ms    1,204  -         s     db:5432/shop
  crm        failed         -    1,204  -         s     db:5432/shop

crm
  ✗ pg/auth: password authentication failed
      fix: correct it
           now
";
        assert_eq!(shown(&status), expected);
        assert_eq!((up(59), up(60), up(7260)), ("59 s".into(), "1 min".into(), "2 h 1 min".into()));
    }
}
