//! How to reach a PostgreSQL server: the connection's settings, from options or from a URL.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Secret;
use crate::problem::Problem;

/// A server that has not answered the TCP or TLS handshake by then is treated as unreachable.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always, without looking at the certificate.
    Require,
    /// Always, with a certificate of a known authority.
    VerifyCa,
    /// Always, with a certificate of a known authority for this host.
    VerifyFull,
}

impl SslMode {
    /// Every mode by its name.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// The mode of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, mode)| *mode)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, mode)| *mode == self).map_or("prefer", |(name, _)| name)
    }
}

/// Where a database is and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// A name, an address, or a folder (beginning with `/`) with a unix socket.
    pub host: String,
    /// The port, also part of the unix socket's name.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// Where that was, as a reference; empty when it stood in the configuration itself.
    pub password_from: String,
    /// The database.
    pub database: String,
    /// Whether and how to use TLS.
    pub ssl_mode: SslMode,
    /// Certificates of authorities to trust; the system's when not given.
    pub ssl_root_cert: Option<PathBuf>,
    /// Our certificate.
    pub ssl_cert: Option<PathBuf>,
    /// Its key.
    pub ssl_key: Option<PathBuf>,
    /// `database.initial.statements`: run on each SQL session that is opened.
    pub initial_statements: Vec<String>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

impl ConnectionConfig {
    /// Where in a URL the first "@" or "/" is that belongs to the password, in characters from 0.
    pub fn misplaced(url: &str) -> Option<usize> {
        let begin = url.find("://")? + 3;
        let rest = url.get(begin..)?.split(['?', '#']).next()?;
        let user_info = rest.rsplit_once('@')?.0;
        let at = begin + user_info.find(['@', '/'])?;
        Some(url.get(..at)?.chars().count())
    }

    /// Reads `postgres://user:password@host:port/database?sslmode=...`, as libpq does; `?host=/folder` is a unix socket.
    pub fn from_url(url: &str) -> Result<Self, Problem> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| Problem::refuse("url/parse", "this is not a connection URL").why("it has no ://").fix(EXAMPLE))?;
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(Problem::refuse("url/scheme", format!("rowfeed captures PostgreSQL only, got {scheme}://")).fix(EXAMPLE));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        // A password with an unescaped "@" or "/" shows as an "@" after the first "/" or as two of them.
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.matches('@').count() > 1 || database.contains('@') {
            return Err(Problem::refuse("url/parse", "the connection URL has an \"@\" or \"/\" that belongs to the password")
                .why("in a URL they must be written %40 and %2F")
                .fix("postgres://cdc:p%40ss%2Fword@db/shop     or keep it out of the URL:  password = \"${env:DB_PASSWORD}\""));
        }
        let (user_info, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut config = Self::of_parts(user_info, address, database)?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            config.set(name, decode(value)?)?;
        }
        config.complete()
    }

    fn of_parts(user_info: &str, address: &str, database: &str) -> Result<Self, Problem> {
        let (user, password) = match user_info.split_once(':') {
            Some((user, password)) => (decode(user)?, Some(Secret::new(decode(password)?))),
            None => (decode(user_info)?, None),
        };
        let (host, port) = split_address(address)?;
        Ok(Self {
            host,
            port,
            user,
            password,
            password_from: String::new(),
            database: decode(database)?,
            ssl_mode: SslMode::Prefer,
            ssl_root_cert: None,
            ssl_cert: None,
            ssl_key: None,
            initial_statements: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
        })
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Problem> {
        match name {
            "host" | "hostaddr" => self.host = value,
            "port" => self.port = parse_port(&value)?,
            "user" => self.user = value,
            "password" => self.password = Some(Secret::new(value)),
            "dbname" => self.database = value,
            "sslmode" => {
                self.ssl_mode = SslMode::parse(&value).ok_or_else(|| {
                    let names = SslMode::NAMES.map(|(name, _)| name);
                    Problem::refuse("url/parse", format!("sslmode={value} is not a mode of TLS"))
                        .fix(format!("one of {}", names.join(", ")))
                })?;
            }
            "sslrootcert" => self.ssl_root_cert = Some(PathBuf::from(value)),
            "sslcert" => self.ssl_cert = Some(PathBuf::from(value)),
            "sslkey" => self.ssl_key = Some(PathBuf::from(value)),
            "connect_timeout" => {
                let seconds: u32 = value.parse().map_err(|_| bad_number("connect_timeout", &value))?;
                // libpq: 0 waits for ever; everything here has a bound.
                self.connect_timeout = if seconds == 0 { CONNECT_TIMEOUT } else { Duration::from_secs(seconds.min(600).into()) };
            }
            // What other tools put there and what does not concern us.
            "application_name" | "gssencmode" | "keepalives" => {}
            "target_session_attrs" if value == "any" => {}
            "channel_binding" if matches!(value.as_str(), "prefer" | "disable") => {}
            "target_session_attrs" | "channel_binding" | "options" => {
                return Err(Problem::refuse("url/parse", format!("{name} in the connection URL is not supported"))
                    .why("leaving it out silently would connect otherwise than the URL asks for")
                    .fix(format!("remove {name} from the URL")));
            }
            other => {
                let hint = crate::config::suggest::did_you_mean(other, URL_PARAMETERS);
                return Err(Problem::refuse("url/parse", format!("unknown parameter \"{other}\" in the connection URL")).fix(hint));
            }
        }
        Ok(())
    }

    fn complete(mut self) -> Result<Self, Problem> {
        if self.host.is_empty() {
            self.host = "localhost".to_owned();
        }
        if self.user.is_empty() {
            self.user = std::env::var("USER").unwrap_or_else(|_| "postgres".to_owned());
        }
        if self.database.is_empty() {
            self.database.clone_from(&self.user);
        }
        if self.ssl_cert.is_some() != self.ssl_key.is_some() {
            return Err(
                Problem::refuse("url/parse", "sslcert and sslkey in the connection URL belong together").fix("give both, or neither")
            );
        }
        Ok(self)
    }

    /// `host:port/database`, for people.
    pub fn shown(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.database)
    }
}

const EXAMPLE: &str = "postgres://USER:PASSWORD@HOST:5432/DATABASE";

const URL_PARAMETERS: [&str; 10] =
    ["host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout"];

fn bad_number(name: &str, value: &str) -> Problem {
    Problem::refuse("url/parse", format!("{name} \"{value}\" in the connection URL is not a number that fits"))
}

fn parse_port(text: &str) -> Result<u16, Problem> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        Problem::refuse("url/parse", format!("port \"{text}\" in the connection URL is not a port"))
            .why("it must be a number from 1 to 65535")
    })
}

fn split_address(address: &str) -> Result<(String, u16), Problem> {
    if address.contains(',') {
        return Err(Problem::refuse("url/parse", "the connection URL names several hosts")
            .why("changes are read from one server")
            .fix("name the primary"));
    }
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| Problem::refuse("url/parse", "the connection URL has an IPv6 address without its closing \"]\""))?;
        let port = after.strip_prefix(':').map_or(Ok(5432), parse_port)?;
        return Ok((host.to_owned(), port));
    }
    match address.split_once(':') {
        Some((host, port)) => Ok((decode(host)?, parse_port(port)?)),
        None => Ok((decode(address)?, 5432)),
    }
}

/// Undoes %-escapes.
fn decode(text: &str) -> Result<String, Problem> {
    let bad = || {
        Problem::refuse("url/parse", "the connection URL has a \"%\" that is not followed by two hexadecimal digits")
            .fix("write a literal percent sign as %25")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else { return Err(bad()) };
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes).map_err(|_| Problem::refuse("url/parse", "the connection URL is not UTF-8 after its % escapes are undone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_libpq_reads_it() {
        let config = ConnectionConfig::from_url("postgresql://cdc:p%40ss@db.internal:5433/shop?sslmode=verify-full&connect_timeout=3")
            .expect("valid");
        assert_eq!(
            (config.host.as_str(), config.port, config.user.as_str(), config.database.as_str()),
            ("db.internal", 5433, "cdc", "shop")
        );
        assert_eq!(config.password, Some(Secret::new("p@ss")));
        assert_eq!(config.ssl_mode, SslMode::VerifyFull);
        assert_eq!(config.connect_timeout, Duration::from_secs(3));
        assert!(!format!("{config:?}").contains("p@ss"));
        let socket = ConnectionConfig::from_url("postgres:///shop?host=/run/postgresql&user=me").expect("valid");
        assert_eq!((socket.host.as_str(), socket.port, socket.user.as_str()), ("/run/postgresql", 5432, "me"));
        for query in ["options=-c%20x", "channel_binding=require", "target_session_attrs=read-write", "sslcert=/c"] {
            assert!(ConnectionConfig::from_url(&format!("postgres://u@h/d?{query}")).is_err(), "{query}");
        }
        assert!(ConnectionConfig::from_url("postgres://u@h/d?channel_binding=prefer&sslcert=/c&sslkey=/k").is_ok());
        let v6 = ConnectionConfig::from_url("postgres://u@[::1]:5444/d").expect("valid");
        assert_eq!((v6.host.as_str(), v6.port), ("::1", 5444));
    }
}
