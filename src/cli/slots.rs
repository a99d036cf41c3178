//! `rowfeed slots list|show|drop`: through a running service, or straight from a database with `--url`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::client::Server;
use super::form::{self, FormArgs};
use super::terminal::confirm;
use super::{Failure, ServerArgs, view};
use crate::config::Secret;
use crate::config::postgres::ConnectionConfig;
use crate::config::quantity::say_duration;
use crate::postgres::slots::SlotReport;
use crate::postgres::{PostgresError, catalog, slot, slots};
use crate::problem::Problem;

/// What can be done with slots.
#[derive(Debug, Subcommand)]
pub enum SlotsCommand {
    /// All slots of the servers that connectors read.
    List {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// How it is shown.
        #[command(flatten)]
        form: FormArgs,
    },
    /// One slot, with who reads it.
    Show {
        /// Its name.
        slot: String,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// How it is shown.
        #[command(flatten)]
        form: FormArgs,
    },
    /// Drop a slot that nobody reads: the server then forgets what only that slot kept.
    Drop {
        /// Its name.
        slot: String,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// Where the slots are.
#[derive(Debug, Args)]
pub struct Place {
    #[command(flatten)]
    server: ServerArgs,
    /// Ask this database itself instead of the service: postgres://USER@HOST:5432/DATABASE (PGPASSWORD is honoured).
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Only slots of this server, HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    on: Option<String>,
}

/// Does what the command says.
pub async fn slots(command: SlotsCommand) -> Result<(), Failure> {
    match command {
        SlotsCommand::List { place, form } => list(&place, form).await,
        SlotsCommand::Show { slot, place, form } => show(&place, &slot, form).await,
        SlotsCommand::Drop { slot, place, yes } => drop_slot(&place, &slot, yes).await,
    }
}

impl Place {
    fn database(&self) -> Result<Option<ConnectionConfig>, Problem> {
        let Some(url) = &self.url else { return Ok(None) };
        let mut config = ConnectionConfig::from_url(&crate::config::secrets::resolve(url)?)?;
        if config.password.is_none() {
            config.password = std::env::var("PGPASSWORD").ok().map(Secret::new);
        }
        Ok(Some(config))
    }

    fn service(&self) -> Result<Server, Problem> {
        self.server.parse()
    }

    /// The slots, in the shape of `GET /v1/slots`.
    async fn items(&self) -> Result<Vec<Json>, Problem> {
        let mut items = match self.database()? {
            Some(config) => {
                let wrong = |error: PostgresError| error.problem(&config);
                let client = catalog::open(&config, "rowfeed slots").await.map_err(wrong)?;
                let reports = slots::list(&client).await.map_err(wrong)?;
                reports.iter().map(|report| item(&config, report)).collect()
            }
            None => {
                let answer = self.service()?.get_json("/v1/slots").await?;
                for server in array(&answer, "unreached") {
                    eprintln!("not reached: {}: {}", text(server, "server"), text(server, "problem"));
                }
                array(&answer, "items").to_vec()
            }
        };
        items.retain(|item| self.on.as_ref().is_none_or(|server| text(item, "server") == server));
        Ok(items)
    }

    async fn one(&self, slot: &str) -> Result<Json, Problem> {
        let items = self.items().await?;
        let mut found = items.iter().filter(|item| text(item, "slot") == slot);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.clone()),
            (Some(one), Some(other)) => Err(Problem::refuse("config/value", format!("several servers have a slot \"{slot}\""))
                .fix(format!("--on {} or --on {}", text(one, "server"), text(other, "server")))),
            (None, _) => {
                let hint = crate::config::suggest::did_you_mean(slot, items.iter().map(|item| text(item, "slot")));
                let fix = if hint.is_empty() {
                    "rowfeed slots list; --url postgres://... asks a database that no connector reads".into()
                } else {
                    hint
                };
                Err(Problem::refuse("server/not-found", format!("there is no slot \"{slot}\"")).fix(fix))
            }
        }
    }
}

fn item(config: &ConnectionConfig, report: &SlotReport) -> Json {
    json!({
        "slot": report.name, "server": format!("{}:{}", config.host, config.port), "database": report.database, "connector": null,
        "type": if report.logical { "logical" } else { "physical" }, "plugin": report.plugin, "active": report.active_pid.is_some(),
        "active_pid": report.active_pid, "holder": report.holder, "wal_status": report.wal_status, "retained_bytes": report.retained_bytes,
        "safe_bytes": report.safe_bytes, "lag_bytes": report.lag_bytes, "lag_ms": null, "failover": report.failover,
        "temporary": report.temporary, "inactive_s": report.inactive_s,
    })
}

fn array<'a>(value: &'a Json, name: &str) -> &'a [Json] {
    value.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Json, name: &str) -> &'a str {
    value.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn size(item: &Json, name: &str) -> String {
    item.get(name).and_then(Json::as_u64).map_or_else(|| "-".to_owned(), view::bytes)
}

fn is_on(item: &Json, name: &str) -> bool {
    item.get(name).and_then(Json::as_bool).unwrap_or(false)
}

/// What stands in each column, under its heading.
fn cells(item: &Json) -> [(&'static str, String); 10] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let active = match item.get("active_pid").and_then(Json::as_i64) {
        Some(pid) => format!("yes pid {pid}"),
        None => "no".to_owned(),
    };
    let lag = match item.get("lag_ms").and_then(Json::as_u64) {
        Some(ms) => view::millis(ms),
        None => size(item, "lag_bytes"),
    };
    let connector = if text(item, "connector").is_empty() { "(not ours)" } else { text(item, "connector") };
    [
        ("SLOT", text(item, "slot").to_owned()),
        ("DATABASE", or_dash(text(item, "database"))),
        ("CONNECTOR", connector.to_owned()),
        ("ACTIVE", active),
        ("WAL STATUS", or_dash(text(item, "wal_status"))),
        ("RETAINED", size(item, "retained_bytes")),
        ("SAFE LEFT", size(item, "safe_bytes")),
        ("LAG", lag),
        ("FAILOVER", if is_on(item, "failover") { "yes" } else { "no" }.to_owned()),
        ("SERVER", text(item, "server").to_owned()),
    ]
}

async fn list(place: &Place, args: FormArgs) -> Result<(), Failure> {
    let items = place.items().await?;
    if args.is_document() {
        args.print("rowfeed/slots@1", json!({ "items": items }));
        return Ok(());
    }
    // Those of `wide` stand behind the others.
    let wide = |item: &Json| {
        let inactive = item.get("inactive_s").and_then(Json::as_u64).map_or_else(|| "-".to_owned(), |s| view::millis(s * 1000));
        let kind = format!("{} {}", text(item, "type"), text(item, "plugin")).trim().to_owned();
        [("UNUSED FOR", inactive), ("KIND", kind), ("READ BY", text(item, "holder").to_owned())]
    };
    let row = |item: &Json| {
        let mut row = cells(item).to_vec();
        row.extend(wide(item).into_iter().filter(|_| args.is_wide()));
        row
    };
    let mut rows = vec![row(&Json::Null).into_iter().map(|(heading, _)| heading.to_owned()).collect::<Vec<_>>()];
    rows.extend(items.iter().map(|item| row(item).into_iter().map(|(_, cell)| cell).collect()));
    form::show(&view::table(&rows, &[5, 6, 7]));
    for item in items.iter().filter(|item| text(item, "wal_status") == "lost" && !is_on(item, "active")) {
        let unused = item.get("inactive_s").and_then(Json::as_u64).map(|seconds| say_duration(Duration::from_secs(seconds)));
        let unused = unused.map_or_else(|| "of no more use".to_owned(), |time| format!("unused for {time}"));
        eprintln!("hint: {0} is lost and {unused}:  rowfeed slots drop {0}", text(item, "slot"));
    }
    if items.is_empty() {
        eprintln!("no slots");
    }
    Ok(())
}

async fn show(place: &Place, slot: &str, args: FormArgs) -> Result<(), Failure> {
    let item = place.one(slot).await?;
    if args.is_document() {
        args.print("rowfeed/slot@1", item);
        return Ok(());
    }
    let mut rows: Vec<Vec<String>> = cells(&item).map(|(heading, cell)| vec![heading.to_lowercase(), cell]).to_vec();
    let or_dash = |name: &str| Some(text(&item, name)).filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    rows.push(vec!["read by".into(), or_dash("holder")]);
    rows.push(vec!["plugin".into(), or_dash("plugin")]);
    print!("{}", view::table(&rows, &[]));
    Ok(())
}

async fn drop_slot(place: &Place, slot: &str, yes: bool) -> Result<(), Failure> {
    let item = place.one(slot).await?;
    if is_on(&item, "active") {
        let problem = Problem::fail("slot/active", format!("slot \"{slot}\" is being read and is not dropped")).why(text(&item, "holder"));
        return Err(problem.fix("stop its reader first: PUT /connectors/NAME/stop").into());
    }
    confirm(&loses(&item), yes)?;
    match place.database()? {
        Some(config) => {
            let wrong = |error: PostgresError| error.problem(&config);
            let client = catalog::open(&config, "rowfeed slots").await.map_err(wrong)?;
            if !slot::drop(&client, slot).await.map_err(wrong)? {
                return Err(Problem::fail("slot/active", format!("slot \"{slot}\" is being read and is not dropped")).into());
            }
        }
        None => {
            let path = format!("/v1/slots/{slot}?server={}", text(&item, "server"));
            place.service()?.ask("DELETE", &path, None).await?;
        }
    }
    println!("slot {slot} is dropped");
    Ok(())
}

/// What dropping it takes away.
fn loses(item: &Json) -> String {
    let (slot, kept) = (text(item, "slot"), size(item, "retained_bytes"));
    let needed = match text(item, "connector") {
        "" => "no connector here reads it".to_owned(),
        connector => format!("connector {connector} needs it: without it that begins anew with a snapshot"),
    };
    format!(
        "slot {slot} of database {} goes, with {kept} of WAL that it keeps: what only it kept is gone; {needed}",
        text(item, "database")
    )
}
