//! `connectors list`, the rows that `status` shows, too, and `ready`.

use serde_json::{Value as Json, json};

use super::client::Server;
use super::form::{self, FormArgs};
use super::terminal::{number_at, text_at};
use super::{Failure, snapshot, view};
use crate::problem::Problem;

/// `rowfeed ready`: what `GET /readyz` says.
pub async fn ready(server: &Server) -> Result<(), Failure> {
    let mut answer = server.request("GET", "/readyz", None).await?;
    let text = answer.text().await?;
    if answer.status == 200 {
        print!("{text}");
        return Ok(());
    }
    Err(Problem::fail("service/not-ready", text.trim().to_owned()).into())
}

/// `rowfeed connectors list`.
pub async fn connectors(server: &Server, args: FormArgs) -> Result<(), Failure> {
    let native = server.get_json("/v1/connectors").await?;
    let native = native.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    if args.is_document() {
        let answer = server.get_json("/connectors?expand=status").await?;
        args.print("rowfeed/connectors@1", json!({ "items": native.iter().map(|one| with_status(one, &answer)).collect::<Vec<_>>() }));
        return Ok(());
    }
    form::show(&table(native, "", args.is_wide(), true));
    if native.is_empty() {
        eprintln!("no connectors yet: PUT /connectors/NAME/config, or a file in the connectors' folder");
    }
    Ok(())
}

/// Kafka Connect's view of a connector, with what only we know of it.
fn with_status(native: &Json, answer: &Json) -> Json {
    let mut item = answer.get(text_at(native, "/name")).and_then(|one| one.get("status")).cloned().unwrap_or_default();
    if let (Some(item), Some(native)) = (item.as_object_mut(), native.as_object()) {
        for (key, value) in native {
            item.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    item
}

/// Connectors as columns; with `trouble` in one line behind each.
pub fn table(connectors: &[Json], indent: &str, wide: bool, trouble: bool) -> String {
    let name = format!("{indent}CONNECTOR");
    let mut heading = vec![name.as_str(), "STATE", "TABLES", "LAG", "CHANGES/S", "SNAPSHOT", "SLOT", "SOURCE"];
    if wide {
        heading.extend(["CHANGES", "RESTARTS", "WAL KEPT", "DEFINED"]);
    }
    if trouble {
        heading.push("PROBLEM");
    }
    let mut rows: Vec<Vec<String>> = vec![heading.into_iter().map(str::to_owned).collect()];
    for connector in connectors {
        rows.push(row(connector, indent, wide, trouble));
    }
    view::table(&rows, &[2, 3, 4])
}

fn row(connector: &Json, indent: &str, wide: bool, trouble: bool) -> Vec<String> {
    let dash = || "-".to_owned();
    let text = |path: &str| text_at(connector, path).to_owned();
    // One that fails falls behind by as long as it has been failing.
    let failing = || {
        connector.get("failing_seconds").and_then(Json::as_u64).filter(|seconds| *seconds > 0).map(|seconds| seconds.saturating_mul(1000))
    };
    let lag = failing().or_else(|| connector.get("lag_ms").and_then(Json::as_u64)).map_or_else(dash, view::millis);
    let rate = connector.get("changes_per_second").and_then(Json::as_f64).map_or_else(dash, |rate| view::count(whole(rate)));
    let tables = connector.get("tables").and_then(Json::as_u64);
    let mut row = vec![
        format!("{indent}{}", text_at(connector, "/name")),
        text("/state"),
        tables.map_or_else(dash, |tables| tables.to_string()),
        lag,
        rate,
        snapshot_of(connector),
        text("/slot"),
        text("/source"),
    ];
    if wide {
        let kept = connector.get("slot_retained_bytes").and_then(Json::as_u64).map_or_else(dash, view::bytes);
        let number = |path: &str| view::count(number_at(connector, path));
        row.extend([number("/changes"), number("/restarts"), kept, text("/managed_by").replacen("file:", "", 1)]);
    }
    if trouble {
        row.push(in_one_line(connector));
    }
    row
}

/// A rate as a whole number; less than one a second is not none.
pub fn whole(rate: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is not negative, and a cast of a float saturates")]
    let whole = rate.round() as u64;
    if rate > 0.0 { whole.max(1) } else { 0 }
}

fn snapshot_of(connector: &Json) -> String {
    let (done, total) = (number_at(connector, "/snapshot/tables_done"), number_at(connector, "/snapshot/tables_total"));
    match connector.get("incremental").filter(|state| state.is_object()) {
        Some(state) => format!("incremental {}", text_at(state, "/state")),
        None if snapshot::is_aborted(connector) => "broken off".to_owned(),
        None if done < total => match snapshot::share(connector) {
            Some(percent) => format!("{percent} %{}", snapshot::left(connector.pointer("/snapshot/eta_seconds"))),
            None => format!("{done} of {total} tables"),
        },
        None if total > 0 => "done".to_owned(),
        None => "-".to_owned(),
    }
}

/// Its own trouble first, then that of its file, then what may become trouble.
fn in_one_line(connector: &Json) -> String {
    let told = ["problem", "file_problem", "warning"].into_iter().filter_map(|kind| connector.get(kind));
    let Some(problem) = told.into_iter().find(|problem| problem.is_object()) else { return String::new() };
    let at = Some(text_at(problem, "/at")).filter(|at| !at.is_empty()).map(|at| format!(" ({})", at.lines().next().unwrap_or_default()));
    format!("{}: {}{}", text_at(problem, "/code"), text_at(problem, "/what"), at.unwrap_or_default())
}
