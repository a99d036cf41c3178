//! Traces: spans for an OpenTelemetry collector.
//!
//! Owns whether spans are told and to whom: the setting `otel.endpoint`, or the variables that every program with OpenTelemetry
//! understands (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, ...). Promises that telling a span never waits, that a collector
//! which is away costs spans and nothing else and is told of in the log, and that a program built without this says so once when it
//! is asked for. Leaves what a span says to who tells it; only here and in `otlp.rs` is OpenTelemetry known.

#[cfg(feature = "otel")]
mod otlp;

use std::time::{Duration, SystemTime};

use crate::problem::Problem;

/// A span that is over.
#[derive(Clone, Debug)]
pub struct Span {
    /// What was done, such as `send shop.public.orders`.
    pub name: String,
    /// When it began.
    pub began: SystemTime,
    /// When it was over.
    pub ended: SystemTime,
    /// More about it.
    pub attributes: Vec<(&'static str, Value)>,
    /// What happened meanwhile, and when.
    pub events: Vec<(&'static str, SystemTime)>,
    /// W3C trace contexts that it belongs to: the only one is its parent, several are links.
    pub parents: Vec<String>,
    /// Why it failed.
    pub failure: Option<&'static str>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// A number.
    Number(i64),
}

/// Where spans go.
#[derive(Clone)]
pub struct Traces {
    #[cfg(feature = "otel")]
    exporter: std::sync::Arc<otlp::Exporter>,
    /// Without the feature there is none of it.
    #[cfg(not(feature = "otel"))]
    nowhere: std::convert::Infallible,
}

impl Traces {
    /// Tells a span; never waits. What the collector does not take in time is left out.
    pub fn tell(&self, span: Span) {
        #[cfg(feature = "otel")]
        self.exporter.tell(span);
        #[cfg(not(feature = "otel"))]
        match (self.nowhere, span) {}
    }

    /// Sends what was told and not sent, for so long; nothing is told after that.
    pub fn end(&self, wait_max: Duration) {
        #[cfg(feature = "otel")]
        self.exporter.end(wait_max);
        #[cfg(not(feature = "otel"))]
        match (self.nowhere, wait_max) {}
    }
}

/// Begins to tell spans, where that is asked for; what is wrong with it is told in the log and stops nothing.
pub fn start(endpoint: &str, instance: &str) -> Option<Traces> {
    let asked = Asked::of(endpoint, &|name| std::env::var(name).ok());
    let begun = asked.and_then(|asked| asked.map(|asked| begin(&asked, instance)).transpose());
    begun.unwrap_or_else(|problem| {
        tracing::warn!(code = problem.code, "no traces are told: {}", problem.text());
        None
    })
}

#[cfg(feature = "otel")]
fn begin(asked: &Asked, instance: &str) -> Result<Traces, Problem> {
    let exporter = otlp::Exporter::start(asked, instance)?;
    tracing::info!(endpoint = shown(&asked.url), "traces are told");
    Ok(Traces { exporter: std::sync::Arc::new(exporter) })
}

#[cfg(not(feature = "otel"))]
fn begin(asked: &Asked, _: &str) -> Result<Traces, Problem> {
    Err(Problem::refuse("otel/absent", format!("{} asks for traces, and this program was built without them", asked.by))
        .fix(format!("build it with  cargo build --release --features otel  , or unset {}", asked.by)))
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    /// Where spans are sent to.
    url: String,
    /// Which setting or variable says so.
    by: &'static str,
    /// The authorities of the collector's certificate, where not the system's.
    authorities: Option<String>,
    /// The name of the service, where it is given.
    service: Option<String>,
    /// A request has this long.
    wait_max: Duration,
}

/// What the specification says where no timeout is given.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The path of traces behind a collector's address.
const PATH: &str = "/v1/traces";
/// The collector of this machine.
const DEFAULT_URL: &str = "http://localhost:4318";

impl Asked {
    fn of(endpoint: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, Problem> {
        let variable = |name: &'static str| environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        // A variable of traces alone comes before the one for all signals.
        let either = |special: &'static str, general: &'static str| {
            variable(special).map(|value| (special, value)).or_else(|| Some((general, variable(general)?)))
        };
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let exporter = variable("OTEL_TRACES_EXPORTER");
        let behind = |base: &str| format!("{}{PATH}", base.trim_end_matches('/'));
        let (by, url) = if !endpoint.is_empty() {
            ("otel.endpoint", behind(endpoint))
        } else if exporter.as_deref() == Some("none") {
            return Ok(None);
        } else if let Some(url) = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
        } else if let Some(base) = variable("OTEL_EXPORTER_OTLP_ENDPOINT") {
            ("OTEL_EXPORTER_OTLP_ENDPOINT", behind(&base))
        } else if exporter.is_some() {
            ("OTEL_TRACES_EXPORTER", behind(DEFAULT_URL))
        } else {
            return Ok(None);
        };
        let wrong = |name: &str, value: &str, fix: &str| {
            Err(Problem::refuse("otel/setting", format!("{name}={value} is not supported")).fix(format!("{name}={fix}")))
        };
        match exporter.as_deref() {
            None | Some("otlp") => {}
            // The setting asks for OTLP in words.
            Some(_) if !endpoint.is_empty() => {}
            Some(other) => return wrong("OTEL_TRACES_EXPORTER", other, "otlp"),
        }
        if let Some((name, protocol)) = either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
            && protocol.split_once('/') != Some(("http", "protobuf"))
        {
            return wrong(name, &protocol, "http/protobuf   (collectors listen for it on port 4318)");
        }
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return wrong(by, &url, DEFAULT_URL);
        }
        let wait_max = match either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
            Some((name, text)) => match text.parse() {
                Ok(ms) => Duration::from_millis(ms),
                Err(_) => return wrong(name, &text, "10000   (milliseconds)"),
            },
            None => WAIT_MAX,
        };
        let authorities = either("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE").map(|(_, file)| file);
        Ok(Some(Self { url, by, authorities, service: variable("OTEL_SERVICE_NAME"), wait_max }))
    }
}

/// A URL without the name and password that may stand in it.
#[cfg(feature = "otel")]
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", path.split('?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(endpoint: &str, variables: &[(&str, &str)]) -> Result<Option<Asked>, Problem> {
        Asked::of(endpoint, &|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn url(endpoint: &str, variables: &[(&str, &str)]) -> Option<String> {
        asked(endpoint, variables).expect("valid").map(|asked| asked.url)
    }

    #[test]
    fn traces_are_told_where_the_setting_or_the_usual_variables_say() {
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        let special = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/own");
        assert_eq!(url("", &[]), None);
        assert_eq!(url("", &[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        assert_eq!(url("", &[general]).as_deref(), Some("http://c:4318/v1/traces"));
        assert_eq!(url("", &[general, special]).as_deref(), Some("https://t/own"), "it is taken as it is");
        assert_eq!(url("http://s", &[general, special]).as_deref(), Some("http://s/v1/traces"));
        assert_eq!(url("", &[("OTEL_TRACES_EXPORTER", "otlp")]).as_deref(), Some("http://localhost:4318/v1/traces"));
        assert_eq!(url("", &[general, ("OTEL_TRACES_EXPORTER", "none")]), None);
        assert_eq!(url("http://s", &[("OTEL_SDK_DISABLED", "true")]), None);
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let with = |name: &'static str, value: &'static str| {
            let problem = asked("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"), (name, value)]).expect_err("not supported");
            (problem.code, problem.fix)
        };
        let (code, fix) = with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!((code, fix.contains("http/protobuf")), ("otel/setting", true));
        assert_eq!(with("OTEL_TRACES_EXPORTER", "zipkin").1, "OTEL_TRACES_EXPORTER=otlp");
        assert!(with("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s").1.contains("10000"));
        assert!(asked("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318")]).is_err());
    }

    #[cfg(feature = "otel")]
    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(shown("https://me:planted@c:4318/v1/traces?key=planted"), "https://c:4318/v1/traces");
        assert_eq!(shown("http://c"), "http://c");
    }
}
