//! What PostgreSQL or the way to it can answer, and what to do about it.

use std::collections::HashMap;
use std::time::Duration;

use super::identifier;
use crate::config::postgres::ConnectionConfig;
use crate::problem::Problem;

/// What helps with a row that PostgreSQL cannot print.
const TOO_LARGE: &str = "shorten the value, or leave its column out by a column list of the publication; the row is in the slot for good: then begin anew (drop the slot and the connector's position)";

/// An ErrorResponse or NoticeResponse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMessage {
    /// `ERROR`, `FATAL`, `WARNING`, ...
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// The text.
    pub message: String,
    /// PostgreSQL's hint, if there is one. Details are left out: they may quote row values.
    pub hint: String,
}

impl ServerMessage {
    /// Reads the body of an `E` or `N` message.
    pub fn parse(body: &[u8]) -> Self {
        let mut fields = HashMap::new();
        for field in body.split(|byte| *byte == 0) {
            if let Some((kind, text)) = field.split_first() {
                fields.insert(*kind, String::from_utf8_lossy(text).into_owned());
            }
        }
        let mut take = |kind: u8| fields.remove(&kind).unwrap_or_default();
        Self {
            severity: Some(take(b'V')).filter(|text| !text.is_empty()).unwrap_or_else(|| take(b'S')),
            code: take(b'C'),
            message: take(b'M'),
            hint: take(b'H'),
        }
    }
}

/// Anything that can go wrong between us and a server.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The network.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server said no.
    #[error("{severity}: {message} ({code})", severity = .0.severity, message = .0.message, code = .0.code)]
    Server(ServerMessage),
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// Logging in failed on our side.
    #[error("login: {0}")]
    Login(String),
    /// The server sent what the protocol does not allow.
    #[error("unexpected answer: {0}")]
    Protocol(String),
    /// Nothing came in time.
    #[error("no answer within {0:?} while {1}")]
    Timeout(Duration, &'static str),
    /// A finding of our own that is already worded for a person.
    #[error("{0}")]
    Problem(Problem),
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self::Server(ServerMessage {
                severity: db.severity().to_owned(),
                code: db.code().code().to_owned(),
                message: db.message().to_owned(),
                hint: db.hint().unwrap_or_default().to_owned(),
            }),
            None => Self::Io(std::io::Error::other(error.to_string())),
        }
    }
}

/// Waits for it no longer than this; `what` says what was being done.
pub(super) async fn within<T>(limit: Duration, what: &'static str, work: impl Future<Output = T>) -> Result<T, PostgresError> {
    tokio::time::timeout(limit, work).await.map_err(|_| PostgresError::Timeout(limit, what))
}

impl PostgresError {
    /// SQLSTATE, when the server answered.
    pub fn code(&self) -> &str {
        match self {
            Self::Server(message) => &message.code,
            _ => "",
        }
    }

    /// What a person sees, and whether to try again. One function decides it for all of them.
    pub fn problem(&self, to: &ConnectionConfig) -> Problem {
        let place = to.shown();
        match self {
            Self::Problem(problem) => problem.clone(),
            Self::Io(error) => io_problem(error, to),
            Self::Closed => Problem::retry("pg/closed", "PostgreSQL closed the connection").at(place),
            Self::Timeout(limit, what) => {
                Problem::retry("pg/timeout", format!("PostgreSQL did not answer within {} s while {what}", limit.as_secs())).at(place)
            }
            Self::Tls(why) => Problem::fail("pg/tls", "a TLS connection could not be made")
                .at(place)
                .why(why.clone())
                .fix("check database.sslmode and database.sslrootcert; sslmode=disable is for local servers only"),
            Self::Login(why) => Problem::fail("pg/auth", "logging in failed").at(place).why(why.clone()),
            Self::Protocol(why) => Problem::retry("pg/protocol", "the server's answer was not understood").at(place).why(why.clone()),
            Self::Server(message) => server_problem(message, to),
        }
    }
}

impl PostgresError {
    /// The server asks for a password and there is none.
    pub fn no_password() -> Self {
        Self::Problem(
            Problem::fail("pg/password-missing", "the server asks for a password and none is given")
                .fix("set database.password; in a URL: postgres://USER:${env:DB_PASSWORD}@HOST/DATABASE, in single quotes"),
        )
    }
}

fn io_problem(error: &std::io::Error, to: &ConnectionConfig) -> Problem {
    use std::io::ErrorKind;
    let (host, port) = (&to.host, to.port);
    match error.kind() {
        ErrorKind::ConnectionRefused => Problem::retry("pg/refused", format!("nothing is listening on {host}:{port}"))
            .why("connection refused")
            .fix("start PostgreSQL, or correct database.hostname and database.port"),
        ErrorKind::NotFound if host.starts_with('/') => Problem::retry("pg/refused", format!("there is no socket {host}/.s.PGSQL.{port}"))
            .fix("start PostgreSQL, or correct the folder and the port"),
        ErrorKind::TimedOut => {
            Problem::retry("pg/timeout", format!("{host}:{port} does not answer")).fix("check the address and the firewall")
        }
        _ if error.to_string().contains("lookup address") => {
            Problem::retry("pg/dns", format!("the name {host} cannot be resolved")).why(error.to_string()).fix("correct database.hostname")
        }
        _ => Problem::retry("pg/network", "the connection to PostgreSQL broke").at(to.shown()).why(error.to_string()),
    }
}

fn server_problem(message: &ServerMessage, to: &ConnectionConfig) -> Problem {
    let (user, database, place) = (&to.user, &to.database, to.shown());
    let (role, text) = (identifier(user), message.message.clone());
    let problem = match message.code.as_str() {
        "28P01" => wrong_password(to),
        "28000" if text.contains("pg_hba.conf") => {
            let from = hba_address(&text);
            Problem::fail("pg/hba", "the server does not let us in from here").why(text).fix(format!(
                "add to pg_hba.conf, then reload (logical replication needs no line for \"replication\"):\nhost    {database}    {user}    {from}    scram-sha-256"
            ))
        }
        // A pooler does not know the parameters of our sessions, or drops them and hands a command to an ordinary session.
        _ if text.contains("startup parameter") || (message.code == "42601" && text.contains("IDENTIFY_SYSTEM")) => {
            let direct = to.host.replacen("-pooler", "", 1);
            Problem::fail("pg/pooler", "this is a connection pooler, not PostgreSQL itself")
                .why(format!("replication needs a direct connection; the pooler answered: {text}"))
                .fix(if direct == to.host {
                    "connect to the server itself, not the pooler (often port 5432)".to_owned()
                } else {
                    format!("remove \"-pooler\" from the host: {direct}")
                })
        }
        "28000" => Problem::fail("pg/auth", format!("user \"{user}\" may not log in"))
            .why(text)
            .fix(format!("CREATE ROLE {role} LOGIN REPLICATION PASSWORD '...';\nor correct database.user")),
        "3D000" => Problem::fail("pg/database", format!("database \"{database}\" does not exist")).fix("correct database.dbname"),
        "42501" if text.contains("replication") || text.contains("walsender") => {
            Problem::fail("pg/role-replication", format!("role \"{user}\" may not replicate"))
                .why(text)
                .fix(format!("ALTER ROLE {role} REPLICATION;      -- on Amazon RDS: GRANT rds_replication TO {role};"))
        }
        "42501" => Problem::fail("pg/permission", format!("role \"{user}\" lacks a privilege"))
            .why(text)
            .fix("let `rowfeed check` print the statements that grant it"),
        "55006" => Problem::retry("pg/slot-active", "the replication slot is being read by another process").why(text),
        "55000" if text.contains("wal_level") => {
            Problem::fail("pg/wal-level", "this server does not write logical WAL").why(text).fix(LOGICAL_WAL)
        }
        "55000" if text.contains("slot") => {
            Problem::fail("pg/wal-lost", "the slot can no longer deliver: changes are gone from the server")
                .why(text)
                .fix("drop the slot and the connector's position, start again with a new snapshot, then tell the deletes that no snapshot shows:\nrowfeed snapshot start CONNECTOR --all --reconcile")
        }
        "53400" if text.contains("replication slot") => Problem::fail("pg/slots-full", "no replication slot is free")
            .why(text)
            .fix("drop an unused slot, or raise max_replication_slots (restart)"),
        // It was there a moment ago: the next try finds out what is missing now, and says so.
        "42704" if text.contains("slot") => Problem::retry("pg/slot-gone", "the replication slot does not exist").why(text),
        "42704" if text.contains("publication") => {
            Problem::fail("pg/publication-missing", "the publication does not exist at this place in the log")
                .why(text)
                .fix(
                    "create the publication again (rowfeed check NAME --sql prints the statement), then begin anew, for changes before it cannot be \
                     decoded:\nstop the connector, forget its position (DELETE /connectors/NAME/offsets), drop its slot, resume it",
                )
        }
        "22021" | "22P05" => Problem::fail("row/encoding", "a value is not valid text in the database's encoding")
            .why(text)
            .fix("correct the row, or capture the table without this column"),
        // A lock, a deadlock, a conflict, a transaction that was ended for its age: the next try meets another moment.
        "55P03" | "40P01" | "40001" | "25P03" | "25P04" => Problem::retry("pg/busy", "PostgreSQL could not do it at this moment").why(text),
        code if code.starts_with("57") || code.starts_with("08") || code.starts_with("53") => {
            Problem::retry("pg/unavailable", "PostgreSQL is not available now").why(text)
        }
        // A row is sent as one text of at most 1 GiB; bytea takes two letters a byte.
        "XX000" if text.contains("cannot decode") || text.contains("invalid memory alloc") => {
            Problem::fail("row/too-large", "PostgreSQL cannot send a row").why(text).fix(TOO_LARGE)
        }
        "54000" if text.contains("memory") || text.contains("buffer") => {
            Problem::fail("row/too-large", "PostgreSQL cannot send a row").why(text).fix(TOO_LARGE)
        }
        _ => Problem::fail("pg/error", "PostgreSQL refused").why(format!("{text} ({})", message.code)),
    };
    let problem = if problem.fix.is_empty() && !message.hint.is_empty() { problem.fix(message.hint.clone()) } else { problem };
    problem.at(place)
}

/// What makes a server write logical WAL.
pub const LOGICAL_WAL: &str = "ALTER SYSTEM SET wal_level = logical;      -- then restart PostgreSQL (reload is not enough)\n\
     Docker: command: [\"postgres\", \"-c\", \"wal_level=logical\"]     Amazon RDS: rds.logical_replication = 1, and reboot";

/// The server has another password. What is odd about ours is told, what it is never.
fn wrong_password(to: &ConnectionConfig) -> Problem {
    let problem = Problem::fail("pg/auth", format!("password authentication failed for user \"{}\"", to.user));
    let sent = to.password.as_ref().map_or("", |password| password.expose());
    let (odd, fix) = if sent.ends_with(['\n', '\r']) {
        (", ends with a newline", newline_away(&to.password_from))
    } else if sent != sent.trim() {
        (", begins or ends with a blank", String::new())
    } else {
        ("", String::new())
    };
    let length = match sent.chars().count() {
        0 => "empty".to_owned(),
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    };
    let why = match (to.password_from.as_str(), odd) {
        ("", "") => String::new(),
        ("", odd) => format!("the password{}", odd.trim_start_matches(',')),
        (from, odd) => format!("the password came from {from} ({length}{odd})"),
    };
    problem.why(why).fix(if fix.is_empty() { "correct database.password (or the secret it refers to)".to_owned() } else { fix })
}

/// How a newline at the end of a password goes away; `from` is the reference that it came from.
fn newline_away(from: &str) -> String {
    let file = from.strip_prefix("${file:").and_then(|rest| rest.strip_suffix('}')).filter(|path| !path.contains(':'));
    format!("remove the newline:  printf %s \"$PW\" > {}      or quote the value in your env file", file.unwrap_or("FILE"))
}

/// Where the server saw us come from, as `pg_hba.conf` writes it.
fn hba_address(text: &str) -> String {
    let address = text.split("host \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("OUR-ADDRESS");
    if address.contains(':') { format!("{address}/128") } else { format!("{address}/32") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Action;

    #[test]
    fn an_error_response_is_read_field_by_field() {
        let message = ServerMessage::parse(b"SFEHLER\0VERROR\0C42704\0Mno such thing\0Hmake one\0\0");
        assert_eq!(
            message,
            ServerMessage { severity: "ERROR".into(), code: "42704".into(), message: "no such thing".into(), hint: "make one".into() }
        );
        assert_eq!(ServerMessage::parse(b""), ServerMessage::default());
    }

    #[test]
    fn an_odd_password_is_told_and_a_poolers_host_is_corrected() {
        let server = |code: &str, message: &str| {
            PostgresError::Server(ServerMessage { code: code.into(), message: message.into(), ..ServerMessage::default() })
        };
        let mut to = ConnectionConfig::from_url("postgres://cdc@ep-cool-1-pooler.eu/shop").expect("a URL");
        to.password = Some(crate::config::Secret::new("hunter2\n"));
        to.password_from = "${env:SHOP_DB_PASSWORD}".to_owned();
        let wrong = server("28P01", "password authentication failed").problem(&to);
        assert_eq!(wrong.why, "the password came from ${env:SHOP_DB_PASSWORD} (8 characters, ends with a newline)");
        assert!(newline_away("${file:/run/pw}").contains("> /run/pw  ") && newline_away("${file:a:b}").contains("> FILE  "));
        assert!(wrong.fix.starts_with("remove the newline:") && !wrong.to_string().contains("hunter2"));
        let pooler = server("42601", "syntax error at or near \"IDENTIFY_SYSTEM\"").problem(&to);
        assert_eq!((pooler.code, pooler.fix.as_str()), ("pg/pooler", "remove \"-pooler\" from the host: ep-cool-1.eu"));
    }

    #[test]
    fn trouble_that_passes_is_tried_again() {
        let to = ConnectionConfig::from_url("postgres://app@db/shop").expect("a URL");
        let problem = |code: &str, message: &str| {
            PostgresError::Server(ServerMessage { code: code.into(), message: message.into(), ..ServerMessage::default() }).problem(&to)
        };
        for (code, message) in [
            ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute"),
            ("53400", "number of requested standby connections exceeds max_wal_senders"),
            ("55P03", "canceling statement due to lock timeout"),
            ("40P01", "deadlock detected"),
            ("40001", "could not serialize access"),
            ("25P03", "terminating connection due to idle-in-transaction timeout"),
            ("25P04", "terminating connection due to transaction timeout"),
        ] {
            assert_eq!(problem(code, message).action, Action::Retry, "{code}");
        }
        let full = problem("53400", "all replication slots are in use");
        assert_eq!((full.code, full.action), ("pg/slots-full", Action::Fail));
    }
}
