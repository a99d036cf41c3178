//! `rowfeed snapshot`: tables of a running connector are read again, by Debezium's signals.
//!
//! Owns how a command becomes a signal. Leaves what the signal does to the connector (`docs/signals.md`), which takes it by
//! `POST /v1/connectors/NAME/signals`.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::connectors::{OneArgs, ask_below, trouble};
use super::form::write_out;
use super::terminal::{number_at, signs, text_at};
use super::{Failure, lists, view};
use crate::change::signal::SnapshotKind;
use crate::config::quantity::say_duration;
use crate::problem::Problem;

/// What is done with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Read tables again, beside the stream.
    Start(StartArgs),
    /// How far the snapshots of a connector are.
    Status {
        #[command(flatten)]
        one: OneArgs,
        /// Go on showing it until it is over; without a terminal a line every 10 s.
        #[arg(short, long)]
        follow: bool,
        /// No bars: a line every 10 s on a terminal, too.
        #[arg(long)]
        no_progress: bool,
    },
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
    #[arg(long = "table", required_unless_present = "all", value_name = "SCHEMA.TABLE")]
    tables: Vec<String>,
    /// All captured tables.
    #[arg(long, conflicts_with = "tables")]
    all: bool,
    /// Only the rows that fulfil this SQL condition; with one table.
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Let the stream wait meanwhile: rows come in one piece.
    #[arg(long)]
    blocking: bool,
    /// Also delete from the topics what is gone from the tables, as after a lost slot.
    #[arg(long, conflicts_with_all = ["blocking", "condition"])]
    reconcile: bool,
    /// So many keys of a table's topic may be remembered meanwhile, up to 40 bytes each (16000000).
    #[arg(long, requires = "reconcile", value_name = "N")]
    reconcile_keys: Option<u64>,
}

impl StartArgs {
    fn kind(&self) -> SnapshotKind {
        match (self.blocking, self.reconcile) {
            (true, _) => SnapshotKind::Blocking,
            (_, true) => SnapshotKind::Reconcile,
            _ => SnapshotKind::Incremental,
        }
    }
}

/// Does what the command says.
pub async fn run(command: SnapshotCommand) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Start(args) => {
            let data = start_data(&args)?;
            let tables = if args.all { "all tables".to_owned() } else { args.tables.join(", ") };
            let what = format!("{} snapshot of {tables}", args.kind().text());
            signal(&args.one, "execute-snapshot", data, &what).await
        }
        SnapshotCommand::Status { one, follow: false, no_progress } => status(&one, !no_progress).await,
        SnapshotCommand::Status { one, follow: true, no_progress } => follow(&one, !no_progress).await,
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
    let tables = if args.all { vec![".*".to_owned()] } else { args.tables.clone() };
    let mut data = json!({ "data-collections": tables, "type": args.kind().text().to_uppercase() });
    if let (Some(keys), Some(data)) = (args.reconcile_keys, data.as_object_mut()) {
        data.insert("reconcile-keys".to_owned(), keys.into());
    }
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

async fn status(one: &OneArgs, bars: bool) -> Result<(), Failure> {
    let native = ask_below(&one.server.parse()?, "/v1/connectors", &one.name, "GET", "", None).await?;
    if one.form.is_document() {
        let part = |name: &str| native.get(name).cloned().unwrap_or_default();
        let body = json!({
            "connector": one.name, "state": part("state"), "snapshot": part("snapshot"), "incremental": part("incremental"), "incremental_ended": part("incremental_ended"),
            "problem": part("problem"),
        });
        one.form.print("rowfeed/snapshot-status@1", body);
    } else {
        print!("{}", signs(&shown(&native, bars && std::io::stdout().is_terminal())));
    }
    Ok(())
}

/// How often a snapshot is looked at, and how often a line is written where nobody sees a bar grow.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows the snapshots until they are over; a connector that has failed for good ends it with 1.
async fn follow(one: &OneArgs, bars: bool) -> Result<(), Failure> {
    if one.form.is_document() {
        return Err(Problem::refuse("config/value", "--follow is for people").fix("ask again and again without it").into());
    }
    let server = one.server.parse()?;
    let person = bars && std::io::stdout().is_terminal();
    let (mut before, mut height): (Option<(Instant, u64)>, usize) = (None, 0);
    let mut line_at = Instant::now();
    loop {
        let native = ask_below(&server, "/v1/connectors", &one.name, "GET", "", None).await?;
        let (rows, now) = (rows_read(&native), Instant::now());
        let rate = before.filter(|(_, old)| rows >= *old).map(|(at, old)| rate(rows - old, now.duration_since(at)));
        let over = !is_running(&native);
        if person {
            let rate = rate.map_or_else(String::new, |rate| format!("  speed          {} rows/s\n", view::count(rate)));
            let text = format!("{}{rate}", shown(&native, true));
            // Up to where the last picture began, and everything below it away.
            let up = if height > 0 { format!("\x1b[{height}A\x1b[J") } else { String::new() };
            write_out(&format!("{up}{}", signs(&text)));
            height = text.lines().count();
        } else if over || now >= line_at {
            write_out(&format!("{}\n", line(&native, rate)));
            line_at = now + LINE_EVERY;
        }
        if text_at(&native, "/state") == "failed" {
            return Err(Failure::shown(1));
        }
        if over {
            return Ok(());
        }
        if person || before.is_none() {
            before = Some((now, rows));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Err(Failure::shown(130)),
        }
    }
}

/// A connector that begins has its snapshot before it.
fn is_running(native: &Json) -> bool {
    let (done, total) = (number_at(native, "/snapshot/tables_done"), number_at(native, "/snapshot/tables_total"));
    let state = text_at(native, "/state");
    let begins = matches!(state, "created" | "starting" | "snapshot");
    let rests = matches!(state, "failed" | "paused" | "stopped");
    begins || (!rests && ((done < total && !is_aborted(native)) || native.get("incremental").is_some_and(Json::is_object)))
}

/// Whether the last one was given up before its end.
pub fn is_aborted(native: &Json) -> bool {
    native.pointer("/snapshot/aborted").and_then(Json::as_bool) == Some(true)
}

fn rows_read(native: &Json) -> u64 {
    number_at(native, "/snapshot/rows_done") + number_at(native, "/incremental/rows_done")
}

fn rate(rows: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    rows.saturating_mul(1000) / millis
}

/// So many tables are shown; those that are read now come first.
const TABLES_MAX: usize = 30;

/// How far each table is. How many rows one has is the server's guess: more than that is never more than all of it.
fn tables(native: &Json, bars: bool) -> String {
    let all = native.pointer("/snapshot/tables").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut open: Vec<&Json> = all.iter().filter(|table| text_at(table, "/state") != "completed").collect();
    open.sort_by_key(|table| text_at(table, "/state") != "running");
    let row = |table: &&Json| {
        let rate = table.get("rows_per_second").and_then(Json::as_f64);
        let rate = rate.map_or_else(String::new, |rate| format!("{} rows/s", view::count(lists::whole(rate))));
        let (share, rows) = progress(table, bars);
        let state = match text_at(table, "/state") {
            "running" => left(table.get("eta_seconds")).trim().to_owned(),
            state => state.to_owned(),
        };
        vec![format!("    {}", text_at(table, "/table")), share, rows, rate, if state.is_empty() { state } else { format!(" {state}") }]
    };
    let rows: Vec<Vec<String>> = open.iter().take(TABLES_MAX).map(row).collect();
    let more = open.len().saturating_sub(TABLES_MAX);
    let more = if more > 0 { format!("    and {more} more\n") } else { String::new() };
    format!("{}{more}", view::table(&rows, &[2, 3]))
}

/// The share of a table (or of all) and its rows: `61 %` and `742,113 of ~1,210,000`. Beyond the estimate nobody knows the share.
fn progress(of: &Json, bars: bool) -> (String, String) {
    let done = number_at(of, "/rows_done");
    let Some(guess) = of.get("rows_estimated").and_then(Json::as_u64) else {
        return (String::new(), format!("{} rows", view::count(done)));
    };
    if done > guess {
        return (String::new(), format!("{} rows (estimate was {})", view::count(done), view::count(guess)));
    }
    let percent = format!("{:>3} %", percent(done, guess));
    (if bars { format!("{}{percent}", bar(done, guess)) } else { percent }, format!("{} of ~{}", view::count(done), view::count(guess)))
}

fn percent(done: u64, guess: u64) -> u64 {
    done.saturating_mul(100) / guess.max(1)
}

/// The share of a running snapshot that is read, where an estimate says so.
pub fn share(native: &Json) -> Option<u64> {
    let (done, guess) = (number_at(native, "/snapshot/rows_done"), native.pointer("/snapshot/rows_estimated")?.as_u64()?);
    (done <= guess).then(|| percent(done, guess))
}

/// ` ~25 s left`; nothing where it is not known.
pub fn left(seconds: Option<&Json>) -> String {
    let seconds = seconds.and_then(Json::as_u64);
    seconds.map_or_else(String::new, |seconds| format!(" ~{} left", say_duration(Duration::from_secs(seconds))))
}

/// One line of it, for a log.
fn line(native: &Json, rate: Option<u64>) -> String {
    let (done, total) = (number_at(native, "/snapshot/tables_done"), number_at(native, "/snapshot/tables_total"));
    let left = native.pointer("/incremental/tables").and_then(Json::as_array).map_or(0, Vec::len);
    let left = if left > 0 { format!("   incremental: {left} tables left") } else { String::new() };
    let rate = rate.map_or_else(String::new, |rate| format!("   {} rows/s", view::count(rate)));
    let rows = view::count(rows_read(native));
    let share = share(native).filter(|_| done < total).map_or_else(String::new, |percent| format!("   {percent} %"));
    let eta = self::left(native.pointer("/snapshot/eta_seconds").filter(|_| done < total));
    format!("{}   {}   {done} of {total} tables{share}{left}   {rows} rows{rate}{eta}", text_at(native, "/name"), text_at(native, "/state"))
}

/// So many signs a bar has.
const BAR_SIGNS: u64 = 20;

fn bar(done: u64, total: u64) -> String {
    let full = usize::try_from(done.min(total) * BAR_SIGNS / total.max(1)).unwrap_or(0);
    format!("{}{} ", "█".repeat(full), "░".repeat(BAR_SIGNS as usize - full))
}

fn shown(native: &Json, bars: bool) -> String {
    let mut out = format!("{}   {}\n", text_at(native, "/name"), text_at(native, "/state"));
    out.push_str(&trouble(native, "  "));
    let number = |name: &str| number_at(native, &format!("/snapshot/{name}"));
    let (done, total) = (number("tables_done"), number("tables_total"));
    let rows = view::count(number("rows_done"));
    let whole = match total {
        0 => "none since the service started".to_owned(),
        total if is_aborted(native) => format!("broken off: {done} of {total} tables, {rows} rows"),
        total if done < total => {
            let (share, _) = progress(native.get("snapshot").unwrap_or(&Json::Null), bars);
            let share = if share.is_empty() { share } else { format!("{}, ", share.trim_start()) };
            let left = left(native.pointer("/snapshot/eta_seconds"));
            format!("running: {share}{done} of {total} tables, {rows} rows{left}")
        }
        total => format!("done: {total} tables, {rows} rows"),
    };
    out.push_str(&format!("  whole tables   {whole}\n"));
    if done < total {
        out.push_str(&tables(native, bars));
        out.push_str("    (~ stands before estimates: PostgreSQL's statistics)\n");
    }
    let Some(state) = native.get("incremental").filter(|state| state.is_object()) else {
        out.push_str("  incremental    none\n");
        out.push_str(&ended(native));
        return out;
    };
    let tables: Vec<&str> = state.get("tables").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let rows = view::count(number_at(state, "/rows_done"));
    out.push_str(&format!("  incremental    {}   signal {}\n", text_at(state, "/state"), text_at(state, "/id")));
    for (at, table) in tables.iter().enumerate() {
        let how = match (at, state.get("reconcile").filter(|how| how.is_object())) {
            (0, Some(how)) => {
                let (keys, deleted) = (view::count(number_at(how, "/keys")), view::count(number_at(how, "/deleted")));
                match text_at(how, "/phase") {
                    "keys" => format!("reconcile 1/3: the topic is read, {keys} keys so far"),
                    "rows" => format!("reconcile 2/3: {rows} rows read, the topic has {keys} keys"),
                    _ => format!("reconcile 3/3: {rows} rows read, {deleted} keys deleted so far"),
                }
            }
            (0, None) => format!("{rows} rows so far"),
            _ => "waits".to_owned(),
        };
        out.push_str(&format!("    {table}   {how}\n"));
    }
    out.push_str(&ended(native));
    out
}

/// How the tables of the newest incremental snapshot ended, the newest last.
fn ended(native: &Json) -> String {
    let all = native.get("incremental_ended").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let told = |table: &Json| {
        let rows = view::count(number_at(table, "/rows_done"));
        let deleted = table.get("rows_deleted").and_then(Json::as_u64);
        let deleted = deleted.map_or_else(String::new, |deleted| format!(", {} told gone", view::count(deleted)));
        let why = table.get("why").and_then(Json::as_str).map_or_else(String::new, |why| format!(": {why}"));
        format!("    {}   {}, {rows} rows{deleted}{why}\n", text_at(table, "/table"), text_at(table, "/status"))
    };
    let told: String = all.iter().skip(all.len().saturating_sub(TABLES_MAX)).map(told).collect();
    if told.is_empty() { told } else { format!("  ended\n{told}") }
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
        let reconcile = data("x|shop|--all|--reconcile|--reconcile-keys|7").expect("all tables");
        assert_eq!(reconcile, json!({ "data-collections": [".*"], "type": "RECONCILE", "reconcile-keys": 7 }));
        Signal::parse("1", "execute-snapshot", &reconcile.to_string()).expect("understood");
        for wrong in ["x|shop", "x|shop|--all|--table|a.b", "x|shop|--all|--reconcile|--blocking", "x|shop|--all|--reconcile-keys|7"] {
            assert!(Line::try_parse_from(wrong.split('|')).is_err(), "{wrong}");
        }
    }

    #[test]
    fn progress_is_shown_in_words() {
        let native = json!({
            "name": "shop", "state": "streaming", "snapshot": { "tables_total": 2, "tables_done": 1, "rows_done": 4000 },
            "incremental": { "id": "7", "state": "paused", "tables": ["public.a", "public.b"], "rows_done": 12345 },
        });
        assert_eq!(
            shown(&native, false),
            "shop   streaming\n  whole tables   running: 1 of 2 tables, 4,000 rows\n    (~ stands before estimates: PostgreSQL's statistics)\n  incremental    paused   signal 7\n    public.a   12,345 rows so far\n    public.b   waits\n"
        );
        let over = json!({ "name": "shop", "state": "streaming", "incremental_ended": [
            { "table": "public.a", "status": "SUCCEEDED", "rows_done": 1901, "rows_deleted": 202, "why": null },
            { "table": "public.b", "status": "RECONCILE_REFUSED", "rows_done": 0, "rows_deleted": null, "why": "its events have no key" } ] });
        let told = "  incremental    none\n  ended\n    public.a   SUCCEEDED, 1,901 rows, 202 told gone\n    public.b   RECONCILE_REFUSED, 0 rows: its events have no key\n";
        assert!(shown(&over, false).ends_with(told), "{}", shown(&over, false));
        let mut reconciles = native.clone();
        for (phase, told) in [
            ("keys", "reconcile 1/3: the topic is read, 5,000 keys so far"),
            ("rows", "reconcile 2/3: 12,345 rows read, the topic has 5,000 keys"),
            ("deletes", "reconcile 3/3: 12,345 rows read, 7 keys deleted so far"),
        ] {
            reconciles["incremental"]["reconcile"] = json!({ "phase": phase, "keys": 5000, "deleted": 7 });
            assert!(shown(&reconciles, false).contains(&format!("    public.a   {told}\n    public.b   waits\n")), "{phase}");
        }
        assert_eq!(
            line(&native, Some(18_400)),
            "shop   streaming   1 of 2 tables   incremental: 2 tables left   16,345 rows   18,400 rows/s"
        );
        assert!(is_running(&native) && !is_running(&json!({ "state": "streaming", "incremental": null })));
        let aborted = json!({ "name": "shop", "state": "streaming", "snapshot": { "tables_total": 3, "tables_done": 1, "rows_done": 7, "aborted": true } });
        assert!(
            !is_running(&aborted) && shown(&aborted, false).contains("broken off: 1 of 3 tables, 7 rows"),
            "{}",
            shown(&aborted, false)
        );
        assert_eq!(
            (bar(0, 0).chars().count(), bar(5, 4), rate(500, Duration::from_millis(250))),
            (21, format!("{} ", "█".repeat(20)), 2000)
        );
        let tables = json!([
            { "table": "public.a", "state": "queued", "rows_done": 0, "rows_estimated": 4_800_000 },
            { "table": "public.b", "state": "running", "rows_done": 500, "rows_estimated": 1000, "rows_per_second": 19.6, "eta_seconds": 25 },
            { "table": "public.c", "state": "completed", "rows_done": 12, "rows_estimated": 10, "rows_per_second": 12.0 },
            { "table": "public.d", "state": "running", "rows_done": 1_260_000, "rows_estimated": 1_210_000, "rows_per_second": 18_400.0 },
        ]);
        let snapshot = json!({
            "tables_total": 4, "tables_done": 1, "rows_done": 512, "rows_estimated": 4_801_012, "eta_seconds": 7800, "tables": tables,
        });
        let native = json!({ "name": "shop", "state": "snapshot", "snapshot": snapshot });
        let expected = "\
  whole tables   running: ░░░░░░░░░░░░░░░░░░░░   0 %, 1 of 4 tables, 512 rows ~2 h 10 min left
    public.b  ██████████░░░░░░░░░░  50 %                            500 of ~1,000      20 rows/s   ~25 s left
    public.d                              1,260,000 rows (estimate was 1,210,000)  18,400 rows/s
    public.a  ░░░░░░░░░░░░░░░░░░░░   0 %                          0 of ~4,800,000                  queued
";
        assert_eq!(line(&native, None), "shop   snapshot   1 of 4 tables   0 %   512 rows ~2 h 10 min left");
        assert!(shown(&native, true).contains(expected), "{}", shown(&native, true));
    }
}
