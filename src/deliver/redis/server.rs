//! A session at a Redis or Valkey server: commands in pipelines and atomic units, every reply looked at.
//!
//! Promises that an error in any reply of a pipeline is an error of the whole, that nothing waits longer than `REPLY_MAX`, and that an
//! error says what a person must do. After an error the session is given up: what the server has done by then is found out by reading
//! its watermark anew.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};

use super::commands;
use crate::config::Secret;
use crate::problem::Problem;

/// A server that has not answered by then is treated as unreachable.
const REPLY_MAX: Duration = Duration::from_secs(10);
/// So long for connecting, TLS and logging in.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The library of functions, and which version of it this is.
const LIBRARY: &str = include_str!("functions.lua");
const LIBRARY_VERSION: i64 = 2;

/// Whether Redis Functions are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Functions {
    /// Where the server has them and lets us.
    #[default]
    Auto,
    /// They must be there.
    On,
    /// Plain commands only.
    Off,
}

/// A session. Clones share one connection, on which commands go in the order they are asked.
#[derive(Clone)]
pub struct Server {
    connection: MultiplexedConnection,
    shown: String,
    /// The library is loaded.
    pub has_functions: bool,
}

/// Where a URL leads, without its secrets.
pub fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}/{path}").trim_end_matches('/').to_owned()
}

/// Refuses a URL that leads nowhere.
pub fn check_url(url: &str) -> Result<(), Problem> {
    let why = match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis" | "rediss" | "redis+unix" | "unix" | "valkey" | "valkeys") => match Client::open(url) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
        Some(other) => format!("{other}:// is none of redis, rediss, unix"),
        None => "it has no ://".to_owned(),
    };
    Err(Problem::refuse("url/parse", "this is not the URL of a Redis server").why(why).fix("redis://user:password@host:6379/0"))
}

impl Server {
    /// Connects, and loads the library where it is wanted and not there.
    pub async fn open(url: &Secret, functions: Functions) -> Result<Self, Problem> {
        let shown = shown(url.expose());
        let failed = |error: RedisError| problem(&error, &shown);
        let client = Client::open(url.expose()).map_err(failed)?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_MAX)).set_response_timeout(Some(REPLY_MAX));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)?;
        let mut server = Self { connection, shown, has_functions: false };
        let info = server.text(redis::cmd("INFO").arg("server")).await?.unwrap_or_default();
        let line =
            |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim().to_owned();
        if line("redis_mode") == "cluster" {
            return Err(Problem::fail("redis/cluster", "this server is part of a Redis Cluster")
                .at(&server.shown)
                .why("keys of one change lie on several nodes there, so they and the place that was reached cannot be written in one step")
                .fix("name a single server, or a primary with replicas"));
        }
        if functions != Functions::Off {
            server.has_functions = server.load(functions).await?;
        }
        Ok(server)
    }

    /// Loads the library unless this version is there; false where the server does not let us and that is no error.
    async fn load(&self, functions: Functions) -> Result<bool, Problem> {
        if self.number(redis::cmd("FCALL").arg("rowfeed_version").arg(0)).await.is_ok_and(|version| version >= LIBRARY_VERSION) {
            return Ok(true);
        }
        match self.run(redis::cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(LIBRARY)).await {
            Ok(_) => Ok(true),
            Err(problem) if problem.code == "redis/unreachable" => Err(problem),
            Err(_) if functions == Functions::Auto => Ok(false),
            Err(problem) => Err(Problem::fail("redis/functions", "the library of functions cannot be loaded")
                .at(&self.shown)
                .why(if problem.why.is_empty() { problem.what } else { problem.why })
                .fix("Redis 7 or Valkey, and a user who may FUNCTION LOAD and FCALL; or functions = \"off\"")),
        }
    }

    /// Where it is, for people.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Runs one command.
    pub async fn run(&self, command: &Cmd) -> Result<Value, Problem> {
        let answer = self.connection.clone().req_packed_command(command).await.and_then(Value::extract_error);
        answer.map_err(|error| problem(&error, &self.shown))
    }

    /// Runs commands one behind the other, or as one unit where the pipeline is atomic. Their replies.
    pub async fn all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Problem> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        match pipeline.query_async::<Value>(&mut self.connection.clone()).await.and_then(Value::extract_error) {
            Ok(Value::Array(replies)) => Ok(replies),
            // An atomic unit that was not executed.
            Ok(Value::Nil) => Err(Problem::retry("redis/refused", "the server did not execute an atomic unit").at(&self.shown)),
            Ok(one) => Ok(vec![one]),
            Err(error) => Err(problem(&error, &self.shown)),
        }
    }

    /// A reply that is a text, or nothing.
    pub async fn text(&self, command: &Cmd) -> Result<Option<String>, Problem> {
        Ok(self.bytes(command).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A reply that is bytes, or nothing.
    pub async fn bytes(&self, command: &Cmd) -> Result<Option<Vec<u8>>, Problem> {
        let value = self.run(command).await?;
        redis::from_redis_value(value).map_err(|error| problem(&error.into(), &self.shown))
    }

    /// A reply that is a number.
    pub async fn number(&self, command: &Cmd) -> Result<i64, Problem> {
        let value = self.run(command).await?;
        redis::from_redis_value(value).map_err(|error| problem(&error.into(), &self.shown))
    }

    /// Names and values of a hash.
    pub async fn hash(&self, key: &str) -> Result<Vec<(String, String)>, Problem> {
        let value = self.run(redis::cmd("HGETALL").arg(key)).await?;
        redis::from_redis_value(value).map_err(|error| problem(&error.into(), &self.shown))
    }

    async fn scan(&self, cursor: &str, pattern: &str) -> Result<(String, Vec<Vec<u8>>), Problem> {
        let scan = self.run(redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1000)).await?;
        redis::from_redis_value(scan).map_err(|error| problem(&error.into(), &self.shown))
    }

    /// Takes away all keys that fit a pattern, a thousand at a time; how many they were. Ends: a server that is scanned while it changes
    /// comes back to its beginning all the same. With functions, fills of the cache of this name that began before are refused with them.
    pub async fn unlink_like(&self, pattern: &str, name: &str) -> Result<u64, Problem> {
        let (mut cursor, mut gone) = ("0".to_owned(), 0);
        loop {
            let (next, keys) = self.scan(&cursor, pattern).await?;
            if !keys.is_empty() {
                gone += keys.len() as u64;
                match self.has_functions {
                    true => self.run(&commands::forget(&keys, name)).await?,
                    false => self.run(redis::cmd("UNLINK").arg(&keys)).await?,
                };
            }
            if next == "0" {
                return Ok(gone);
            }
            cursor = next;
        }
    }

    /// All keys that fit a pattern; meant for generations, which are few.
    pub async fn keys_like(&self, pattern: &str) -> Result<Vec<String>, Problem> {
        let (mut cursor, mut all) = ("0".to_owned(), Vec::new());
        loop {
            let (next, keys) = self.scan(&cursor, pattern).await?;
            all.extend(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()));
            if next == "0" {
                return Ok(all);
            }
            cursor = next;
        }
    }
}

/// An error as a person meets it.
fn problem(error: &RedisError, shown: &str) -> Problem {
    let code = error.code().unwrap_or_default().to_owned();
    let text = error.to_string();
    let made = match error.kind() {
        ErrorKind::AuthenticationFailed => auth(),
        ErrorKind::Server(ServerErrorKind::NoPerm) => auth(),
        _ if matches!(code.as_str(), "WRONGPASS" | "NOAUTH" | "NOPERM") => auth(),
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            Problem::retry("redis/read-only", "this Redis server is a replica").fix("name the primary, or what stands before it")
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::CrossSlot | ServerErrorKind::Ask) => {
            Problem::fail("redis/cluster", "this server is part of a Redis Cluster").fix("name a single server, or a primary with replicas")
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => Problem::retry("redis/unreachable", "the Redis server is loading its data"),
        _ if code == "OOM" || text.contains("OOM command not allowed") => {
            Problem::retry("redis/full", "the Redis server's memory is full").fix("raise its maxmemory, or choose an eviction policy")
        }
        _ if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() || error.is_connection_refusal() => {
            Problem::retry("redis/unreachable", "the Redis server cannot be reached")
        }
        _ => Problem::retry("redis/refused", "the Redis server refused a command"),
    };
    made.at(shown).why(text)
}

fn auth() -> Problem {
    Problem::fail("redis/auth", "the Redis server refused this user, or what it is asked to do")
        .fix("correct the user and the password in the url, and what ACL SETUSER allows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets_and_a_wrong_one_is_refused() {
        assert_eq!(shown("redis://u:p@h:1/0"), "redis://h:1/0");
        assert_eq!(shown("rediss://h"), "rediss://h");
        assert!(check_url("redis://u:p@h:1/0").is_ok() && check_url("rediss://h/3").is_ok());
        for wrong in ["h:1", "http://h", "redis://h:x"] {
            assert_eq!(check_url(wrong).expect_err("wrong").code, "url/parse", "{wrong}");
        }
    }
}
