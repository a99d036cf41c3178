//! What a log line looks like, and that the same trouble is not told again and again.
//!
//! Owns the form of lines (for people, or JSON), the connector that a line is about, and the memory of what was said. Promises that a
//! line written while a connector works names it (`connector`), and that a warning or an error that says the same as one before, for
//! the same connector, is written once a minute at most; the next one has `repeated`, how often it was left out. What is tried again
//! (`retry_ms`) is the same while its code is, whatever its words: they may name a port, or a time. That memory has a bound.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The field, and the span, that names a connector.
pub const CONNECTOR: &str = "connector";
/// The same is said this often at most.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// So many different things are remembered.
const REMEMBERED_MAX: usize = 1000;
/// The field of what is tried again: when that is. It differs from time to time though the trouble is the same.
const RETRY: &str = "retry_ms";
/// The field that names a trouble.
const CODE: &str = "code";

/// The connector of a span, for the lines in it.
struct Connector(String);

/// Remembers which connector a span is about.
pub struct Connectors;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Connectors {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = Said::default();
        attributes.record(&mut found);
        if let (Some(name), Some(span)) = (found.connector, context.span(id)) {
            span.extensions_mut().insert(Connector(name));
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    connector: Option<String>,
    code: Option<String>,
    /// It is tried again.
    is_retried: bool,
    /// Everything but what passes.
    content: DefaultHasher,
}

impl Said {
    fn see(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == RETRY {
            self.is_retried = true;
            return;
        }
        field.name().hash(&mut self.content);
        format!("{value:?}").hash(&mut self.content);
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == CONNECTOR {
            self.connector = Some(format!("{value:?}"));
        }
        self.see(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == CONNECTOR {
            self.connector = Some(value.to_owned());
        }
        if field.name() == CODE {
            self.code = Some(value.to_owned());
        }
        self.see(field, &value);
    }
}

impl Said {
    /// What is the same when this is said again, by `place` and for `connector`.
    fn sameness(self, connector: Option<&str>, place: impl Hash) -> u64 {
        let mut sameness = match &self.code {
            Some(code) if self.is_retried => {
                let mut named = DefaultHasher::new();
                code.hash(&mut named);
                named
            }
            _ => self.content,
        };
        (connector, place).hash(&mut sameness);
        sameness.finish()
    }
}

/// What was said, when, and how often it was left out since.
#[derive(Default)]
struct Memory(HashMap<u64, (Instant, u64)>);

impl Memory {
    /// Whether it is said now; then how often it was not.
    fn says(&mut self, content: u64, now: Instant) -> Option<u64> {
        let is_over = |at: Instant| now.saturating_duration_since(at) >= AGAIN_AFTER;
        if let Some((at, left_out)) = self.0.get_mut(&content) {
            if !is_over(*at) {
                *left_out += 1;
                return None;
            }
            let repeated = *left_out;
            (*at, *left_out) = (now, 0);
            return Some(repeated);
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, (at, _)| !is_over(*at));
        }
        // Where more is wrong than can be remembered, all of it is said.
        if self.0.len() < REMEMBERED_MAX {
            self.0.insert(content, (now, 0));
        }
        Some(0)
    }
}

/// A form of lines.
pub struct Lines<F> {
    form: F,
    said: Mutex<Memory>,
}

/// For people.
pub struct Pretty;

impl Lines<Pretty> {
    /// Lines for people.
    pub fn pretty() -> Self {
        Self { form: Pretty, said: Mutex::default() }
    }
}

impl Lines<Format<Json>> {
    /// Lines for programs.
    pub fn json() -> Self {
        let form = Format::default().json().flatten_event(true).with_current_span(false).with_span_list(false);
        Self { form, said: Mutex::default() }
    }
}

/// Writes one event.
trait Form {
    fn write<S, N>(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>, more: &More) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static;
}

/// What a line has beside its event.
struct More {
    /// The connector, where the event does not name one.
    connector: Option<String>,
    repeated: u64,
}

impl<F: Form, S, N> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let around = || {
            let mut spans = context.event_scope()?;
            spans.find_map(|span| span.extensions().get::<Connector>().map(|connector| connector.0.clone()))
        };
        let connector = if said.connector.is_some() { None } else { around() };
        let mut repeated = 0;
        if *event.metadata().level() <= Level::WARN {
            let about = said.connector.clone().or_else(|| connector.clone());
            let sameness = said.sameness(about.as_deref(), event.metadata().callsite());
            let mut memory = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            match memory.says(sameness, Instant::now()) {
                Some(times) => repeated = times,
                None => return Ok(()),
            }
        }
        self.form.write(context, writer, event, &More { connector, repeated })
    }
}

impl Form for Format<Json> {
    fn write<S, N>(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>, more: &More) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let mut line = String::new();
        FormatEvent::<S, N>::format_event(self, context, Writer::new(&mut line), event)?;
        let Some(open) = line.trim_end().strip_suffix('}') else { return writer.write_str(&line) };
        writer.write_str(open)?;
        if let Some(connector) = &more.connector {
            write!(writer, ",\"{CONNECTOR}\":{}", serde_json::Value::from(connector.as_str()))?;
        }
        if more.repeated > 0 {
            write!(writer, ",\"repeated\":{}", more.repeated)?;
        }
        writer.write_str("}\n")
    }
}

impl Form for Pretty {
    fn write<S, N>(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>, more: &More) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let level = *event.metadata().level();
        let (dim, colour, plain) = match writer.has_ansi_escapes() {
            true => ("\x1b[2m", colour(level), "\x1b[0m"),
            false => ("", "", ""),
        };
        writer.write_str(dim)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "{plain} {colour}{level:>5}{plain} ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        if let Some(connector) = &more.connector {
            write!(writer, " {CONNECTOR}={connector:?}")?;
        }
        if more.repeated > 0 {
            write!(writer, " repeated={}", more.repeated)?;
        }
        writeln!(writer)
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// The fields of JSON lines.
pub fn json_fields() -> JsonFields {
    JsonFields::new()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Page {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Page {
        fn lines(&self) -> Vec<String> {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text").lines().map(str::to_owned).collect()
        }
    }

    fn trouble(connector: &str, code: &str, what: &str, retry_ms: u64) {
        let span = tracing::error_span!("connector", connector);
        span.in_scope(|| tracing::warn!(code, retry_ms, "{what}"));
    }

    fn say() {
        for retry_ms in [1, 2, 3] {
            trouble("shop", "pg/refused", "no answer", retry_ms);
        }
        trouble("shop", "pg/refused", "no answer from another port", 4);
        trouble("shop", "pg/timeout", "another", 1);
        trouble("crm \"2\"", "pg/refused", "no answer", 1);
        for what in ["once", "once", "and something else"] {
            tracing::error!(connector = "own", code = "slot/gone", "{what}");
        }
        tracing::info!(connector = "own", "twice");
        tracing::info!(connector = "own", "twice");
    }

    #[test]
    fn lines_of_json_name_the_connector_and_say_the_same_trouble_once() {
        let page = Page::default();
        let lines = tracing_subscriber::fmt().with_writer(page.clone()).fmt_fields(json_fields()).event_format(Lines::json());
        tracing::subscriber::with_default(lines.finish().with(Connectors), say);
        let lines: Vec<serde_json::Value> =
            page.lines().iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
        let of = |line: &serde_json::Value| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            (text("level"), text("connector"), text("code"), text("message"))
        };
        let line = |level: &str, connector: &str, code: &str, message: &str| (level.into(), connector.into(), code.into(), message.into());
        assert_eq!(
            lines.iter().map(of).collect::<Vec<(String, String, String, String)>>(),
            [
                line("WARN", "shop", "pg/refused", "no answer"),
                line("WARN", "shop", "pg/timeout", "another"),
                line("WARN", "crm \"2\"", "pg/refused", "no answer"),
                line("ERROR", "own", "slot/gone", "once"),
                line("ERROR", "own", "slot/gone", "and something else"),
                line("INFO", "own", "", "twice"),
                line("INFO", "own", "", "twice"),
            ]
        );
    }

    #[test]
    fn lines_for_people_have_the_same() {
        let page = Page::default();
        let lines = tracing_subscriber::fmt().with_writer(page.clone()).with_ansi(false).event_format(Lines::pretty());
        tracing::subscriber::with_default(lines.finish().with(Connectors), say);
        let lines = page.lines();
        assert_eq!(lines.len(), 7, "{lines:?}");
        let first = lines[0].split_once(' ').expect("a time").1;
        assert_eq!(first, " WARN no answer code=\"pg/refused\" retry_ms=1 connector=\"shop\"");
        assert!(lines[5].ends_with(" INFO twice connector=\"own\""), "{}", lines[5]);
    }

    #[test]
    fn what_was_left_out_is_counted_and_the_memory_is_bounded() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(memory.says(7, at(0)), Some(0));
        assert_eq!((memory.says(7, at(1)), memory.says(7, at(59))), (None, None));
        assert_eq!(memory.says(8, at(59)), Some(0), "something else");
        assert_eq!((memory.says(7, at(60)), memory.says(7, at(61))), (Some(2), None));
        for content in 100..100 + 2 * REMEMBERED_MAX as u64 {
            assert_eq!(memory.says(content, at(62)), Some(0));
        }
        assert_eq!(memory.0.len(), REMEMBERED_MAX);
        assert_eq!(memory.says(9999, at(200)), Some(0));
        assert_eq!(memory.0.len(), 1, "what is over is forgotten");
    }
}
