//! `rowfeed snapshot`: tables of a running connector are read again, by Debezium's signals.
//!
//! Owns how a command becomes a signal. Leaves what the signal does to the connector (`docs/signals.md`), which takes it by
//! `POST /v1/connectors/NAME/signals`.

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::connectors::{OneArgs, ask_below, trouble};
use super::terminal::{number_at, signs, text_at};
use super::{Failure, view};
use crate::problem::Problem;

/// What is done with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Read tables again, beside the stream.
    Start(StartArgs),
    /// How far the snapshots of a connector are.
    Status(OneArgs),
    /// Let the incremental snapshot rest; the stream goes on.
    Pause(OneArgs),
    /// Go on with it.
    Resume(OneArgs),
    /// End the incremental snapshot, or leave tables out of it.
    Stop {
        #[command(flatten)]
        one: OneArgs,
        /// Tables to leave out; the whole snapshot when none is given.
        #[arg(long = "table", value_name = "SCHEMA.TABLE")]
        tables: Vec<String>,
    },
}

/// Flags of `rowfeed snapshot start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    #[command(flatten)]
    one: OneArgs,
    /// A captured table, or an expression for some; may be given several times.
    #[arg(long = "table", required = true, value_name = "SCHEMA.TABLE")]
    tables: Vec<String>,
    /// Only the rows that fulfil this SQL condition; with one table.
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Let the stream wait meanwhile: rows come in one piece.
    #[arg(long)]
    blocking: bool,
}

/// Does what the command says.
pub async fn run(command: SnapshotCommand) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Start(args) => {
            let data = start_data(&args)?;
            let kind = if args.blocking { "blocking" } else { "incremental" };
            let what = format!("{kind} snapshot of {}", args.tables.join(", "));
            signal(&args.one, "execute-snapshot", data, &what).await
        }
        SnapshotCommand::Status(one) => status(&one).await,
        SnapshotCommand::Pause(one) => signal(&one, "pause-snapshot", Json::Null, "pause").await,
        SnapshotCommand::Resume(one) => signal(&one, "resume-snapshot", Json::Null, "resume").await,
        SnapshotCommand::Stop { one, tables } => {
            let mut data = json!({ "type": "INCREMENTAL" });
            if let (false, Some(data)) = (tables.is_empty(), data.as_object_mut()) {
                data.insert("data-collections".to_owned(), json!(tables));
            }
            signal(&one, "stop-snapshot", data, "stop").await
        }
    }
}

fn start_data(args: &StartArgs) -> Result<Json, Problem> {
    let mut data = json!({ "data-collections": args.tables, "type": if args.blocking { "BLOCKING" } else { "INCREMENTAL" } });
    let Some(condition) = &args.condition else { return Ok(data) };
    let [table] = args.tables.as_slice() else {
        return Err(Problem::refuse("config/value", "--where is for one table").fix("start one snapshot per table"));
    };
    // A blocking snapshot takes a whole statement, as in Debezium.
    let filter = if args.blocking { format!("SELECT * FROM {table} WHERE {condition}") } else { condition.clone() };
    if let Some(data) = data.as_object_mut() {
        data.insert("additional-conditions".to_owned(), json!([{ "data-collection": table, "filter": filter }]));
    }
    Ok(data)
}

async fn signal(one: &OneArgs, kind: &str, data: Json, what: &str) -> Result<(), Failure> {
    let mut body = json!({ "type": kind });
    if let (false, Some(body)) = (data.is_null(), body.as_object_mut()) {
        body.insert("data".to_owned(), data);
    }
    let answer = ask_below(&one.server.parse()?, "/v1/connectors", &one.name, "POST", "/signals", Some(&body)).await?;
    if one.form.is_document() {
        one.form.print("rowfeed/snapshot-signal@1", json!({ "connector": one.name, "type": kind, "id": answer.get("id") }));
    } else {
        println!("{what}: asked of {} as signal {}", one.name, text_at(&answer, "/id"));
        eprintln!("see it with:  rowfeed snapshot status {}", one.name);
    }
    Ok(())
}

async fn status(one: &OneArgs) -> Result<(), Failure> {
    let native = ask_below(&one.server.parse()?, "/v1/connectors", &one.name, "GET", "", None).await?;
    if one.form.is_document() {
        let part = |name: &str| native.get(name).cloned().unwrap_or_default();
        let body = json!({
            "connector": one.name, "state": part("state"), "snapshot": part("snapshot"), "incremental": part("incremental"),
            "problem": part("problem"),
        });
        one.form.print("rowfeed/snapshot-status@1", body);
    } else {
        print!("{}", signs(&shown(&native)));
    }
    Ok(())
}

fn shown(native: &Json) -> String {
    let mut out = format!("{}   {}\n", text_at(native, "/name"), text_at(native, "/state"));
    out.push_str(&trouble(native, "  "));
    let number = |name: &str| number_at(native, &format!("/snapshot/{name}"));
    let (done, total) = (number("tables_done"), number("tables_total"));
    let rows = view::count(number("rows_done"));
    let whole = match total {
        0 => "none since the service started".to_owned(),
        total if done < total => format!("running: {done} of {total} tables, {rows} rows"),
        total => format!("done: {total} tables, {rows} rows"),
    };
    out.push_str(&format!("  whole tables   {whole}\n"));
    let Some(state) = native.get("incremental").filter(|state| state.is_object()) else {
        out.push_str("  incremental    none\n");
        return out;
    };
    let tables: Vec<&str> = state.get("tables").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let rows = view::count(number_at(state, "/rows_done"));
    out.push_str(&format!("  incremental    {}   signal {}\n", text_at(state, "/state"), text_at(state, "/id")));
    for (at, table) in tables.iter().enumerate() {
        let how = if at == 0 { format!("{rows} rows so far") } else { "waits".to_owned() };
        out.push_str(&format!("    {table}   {how}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Signal;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        start: StartArgs,
    }

    fn data(line: &str) -> Result<Json, Problem> {
        start_data(&Line::try_parse_from(line.split('|')).unwrap_or_else(|error| panic!("{error}")).start)
    }

    #[test]
    fn a_command_becomes_a_signal_that_is_understood() {
        let one = data("x|shop|--table|public.orders|--where|id > 7").expect("one table");
        let conditions = json!([{ "data-collection": "public.orders", "filter": "id > 7" }]);
        assert_eq!(one, json!({ "data-collections": ["public.orders"], "type": "INCREMENTAL", "additional-conditions": conditions }));
        let blocking = data("x|shop|--table|public.orders|--where|id > 7|--blocking").expect("one table");
        assert_eq!(blocking["additional-conditions"][0]["filter"], "SELECT * FROM public.orders WHERE id > 7");
        for data in [one, blocking] {
            Signal::parse("1", "execute-snapshot", &data.to_string()).expect("understood");
        }
        assert_eq!(data("x|shop|--table|a.b|--table|a.c|--where|id > 7").expect_err("two tables").code, "config/value");
    }

    #[test]
    fn progress_is_shown_in_words() {
        let native = json!({
            "name": "shop", "state": "streaming", "snapshot": { "tables_total": 2, "tables_done": 1, "rows_done": 4000 },
            "incremental": { "id": "7", "state": "paused", "tables": ["public.a", "public.b"], "rows_done": 12345 },
        });
        assert_eq!(
            shown(&native),
            "shop   streaming\n  whole tables   running: 1 of 2 tables, 4,000 rows\n  incremental    paused   signal 7\n    public.a   12,345 rows so far\n    public.b   waits\n"
        );
    }
}
