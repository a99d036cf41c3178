//! Views: in which form an event is shown.
//!
//! Owns the forms of HTTP's lines, streams and webhooks. Promises one JSON object on one line, whatever the record holds; that a column which is
//! not to be shown, the new row of one that leaves a filter and the old row of one that comes into it stand nowhere in it. Values are
//! copied as they are written.
//!
//! ```text
//! envelope     {"topic","partition","offset","ts","key","value"}: the change event without schema
//! flat         the row's columns, "_op", "_ts"; a delete's are the old row's
//! diff         {"topic","partition","offset","ts","key","op","changed":{column:[old,new]},"unavailable":[..],"before_complete"}
//! cloudevents  CloudEvents 1.0, structured, with Debezium's attributes
//! raw          as envelope, key and value as they are stored
//! ```

use std::fmt;
use std::io::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Event, Form, Judgement, Kind, Object, Op, Value};
use crate::record::json::{self, Members};

/// The form in which events are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// The change event without schema, beside where it stands.
    #[default]
    Envelope,
    /// The row.
    Flat,
    /// What changed.
    Diff,
    /// CloudEvents.
    CloudEvents,
    /// As it is stored, beside where it stands.
    Raw,
}

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub struct Show<'a> {
    /// The columns of the row; none stands for all.
    pub columns: Option<&'a [String]>,
    /// What the filter said of the event.
    pub judgement: Judgement,
    /// Who reads may see all rows, and the filter is their own wish: of a row that comes or leaves, the old one and the new one are shown.
    pub whole: bool,
}

impl Default for Show<'_> {
    fn default() -> Self {
        Self { columns: None, judgement: Judgement::Matches, whole: false }
    }
}

impl Show<'_> {
    /// Whether anything is hidden.
    fn hides(&self) -> bool {
        self.columns.is_some() || (self.filter().is_some() && !self.whole)
    }

    /// Whether the old row is not to be shown.
    fn comes(&self) -> bool {
        self.judgement == Judgement::Enters && !self.whole
    }

    /// Whether the new row is not to be shown.
    fn leaves(&self) -> bool {
        self.judgement == Judgement::Leaves && !self.whole
    }

    fn filter(&self) -> Option<&'static str> {
        match self.judgement {
            Judgement::Enters => Some("enters"),
            Judgement::Leaves => Some("leaves"),
            Judgement::No | Judgement::Matches | Judgement::Unreadable => None,
        }
    }

    fn has(&self, column: &[u8]) -> bool {
        self.columns.is_none_or(|columns| columns.iter().any(|known| json::is_name(column, known.as_bytes())))
    }

    /// The row before, as far as it may be seen.
    fn before<'a>(&self, event: &Event<'a>) -> Option<Object<'a>> {
        event.before().filter(|_| !self.comes())
    }

    fn after<'a>(&self, event: &Event<'a>) -> Option<Object<'a>> {
        event.after().filter(|_| !self.leaves())
    }
}

impl View {
    /// All, by name.
    pub const ALL: [(&'static str, Self); 5] =
        [("envelope", Self::Envelope), ("flat", Self::Flat), ("diff", Self::Diff), ("cloudevents", Self::CloudEvents), ("raw", Self::Raw)];

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, view)| *view)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, view)| *view == self).map_or("", |(name, _)| name)
    }

    /// Appends the event as one JSON object without a line's end. False, and nothing appended: the view has nothing to say of it (a tombstone, in
    /// all views that are about rows).
    pub fn write(self, event: &Event<'_>, how: &Show<'_>, out: &mut Vec<u8>) -> bool {
        let shown = Shown::new(self, event, how, out);
        match self {
            Self::Raw | Self::Envelope => shown.placed(self),
            _ if event.kind() == Kind::Tombstone => return false,
            Self::Flat => shown.flat(),
            Self::Diff => shown.diff(),
            Self::CloudEvents => shown.cloud(),
        }
        true
    }

    /// Appends the event as an object of the envelope's shape, whose value is what the view shows: null where it has nothing to say.
    pub fn write_placed(self, event: &Event<'_>, how: &Show<'_>, out: &mut Vec<u8>) {
        Shown::new(self, event, how, out).placed(self);
    }
}

/// An event while it is written.
struct Shown<'s, 'a> {
    event: &'s Event<'a>,
    how: &'s Show<'s>,
    /// The value is an object, valid to the end.
    is_readable: bool,
    out: &'s mut Vec<u8>,
}

impl<'s, 'a> Shown<'s, 'a> {
    fn new(view: View, event: &'s Event<'a>, how: &'s Show<'s>, out: &'s mut Vec<u8>) -> Self {
        let is_object = matches!(event.form, Form::Envelope | Form::Cloud | Form::Flat);
        let is_raw = view == View::Raw && !how.hides();
        Self { event, how, is_readable: !is_raw && is_object && json::is_json(event.payload), out }
    }
}

impl Shown<'_, '_> {
    fn text(&mut self, text: &str) {
        put_text(text, self.out);
    }

    fn put(&mut self, piece: &str) {
        self.out.extend_from_slice(piece.as_bytes());
    }

    /// `{"topic":..,"partition":..,"offset":..,"ts":".."`.
    fn place(&mut self) {
        let event = self.event;
        self.put("{\"topic\":");
        self.text(event.topic);
        let ts = Time(event.timestamp_ms);
        put_formatted(self.out, format_args!(",\"partition\":{},\"offset\":{},\"ts\":\"{ts}\"", event.partition, event.offset));
    }

    fn filter(&mut self, name: &str) {
        if let Some(filter) = self.how.filter() {
            put_formatted(self.out, format_args!(",\"{name}\":\"{filter}\""));
        }
    }

    /// Where it stands, its key, and as value what a view shows of it.
    fn placed(mut self, view: View) {
        let (event, how) = (self.event, self.how);
        let is_raw = view == View::Raw && !how.hides();
        self.place();
        self.put(",\"key\":");
        write_value(if is_raw { event.key } else { event.key_payload() }, self.out);
        self.put(",\"value\":");
        match view {
            View::Raw if is_raw => write_value(event.value, self.out),
            View::Raw | View::Envelope => self.value(),
            View::Flat | View::Diff | View::CloudEvents => {
                if !view.write(event, how, self.out) {
                    self.put("null");
                }
            }
        }
        self.filter("filter");
        self.put("}");
    }

    /// The value without its schema, without what is hidden.
    fn value(&mut self) {
        let event = self.event;
        match event.form {
            Form::Tombstone => self.put("null"),
            _ if !self.how.hides() && self.is_readable => put_line(event.payload, self.out),
            _ if !self.how.hides() => write_value(Some(event.payload), self.out),
            Form::Envelope if self.is_readable => self.change(),
            Form::Cloud if self.is_readable => self.members(event.payload, &[b"data"], |shown| {
                shown.put("\"data\":");
                shown.rows();
            }),
            Form::Flat if self.is_readable => {
                let row = self.how.before(event).or_else(|| self.how.after(event));
                self.row(row);
            }
            // What is in it cannot be told apart.
            Form::Envelope | Form::Cloud | Form::Flat | Form::Other | Form::Unreadable => self.put("null"),
        }
    }

    /// An envelope with what of its rows may be seen; of other objects in it (a message) all is.
    fn change(&mut self) {
        self.members(self.event.payload, &[b"before", b"after"], |shown| {
            shown.put("\"before\":");
            shown.row(shown.how.before(shown.event));
            shown.put(",\"after\":");
            shown.row(shown.how.after(shown.event));
        });
    }

    /// An object whose members of some names are left to `instead`, which stands first.
    fn members(&mut self, object: &[u8], left: &[&[u8]], instead: impl FnOnce(&mut Self)) {
        self.put("{");
        instead(self);
        let others = Members::of(object).into_iter().flatten().filter(|(name, _)| !left.iter().any(|left| json::is_name(name, left)));
        for (name, value) in others {
            self.put(",\"");
            put_line(name, self.out);
            self.put("\":");
            put_line(value, self.out);
        }
        self.put("}");
    }

    fn rows(&mut self) {
        self.put("{\"before\":");
        self.row(self.how.before(self.event));
        self.put(",\"after\":");
        self.row(self.how.after(self.event));
        self.put("}");
    }

    /// A row's columns that may be seen, as they are.
    fn row(&mut self, row: Option<Object<'_>>) {
        let Some(row) = row else { return self.put("null") };
        if self.how.columns.is_none() {
            return put_line(row.raw(), self.out);
        }
        let mut list = List::new(b"{");
        for (name, value) in row.raw_members().filter(|(name, _)| self.how.has(name)) {
            list.member(name, self.out);
            put_line(value, self.out);
        }
        list.end(b"{", b"}", self.out);
    }

    /// The columns of the row that the event is about, which are known, by `each`; the names of those which are not.
    fn columns(&self, mut each: impl FnMut(&[u8], Value<'_>)) -> Vec<Vec<u8>> {
        let event = self.event;
        let is_old = self.how.leaves() || event.after().is_none();
        let row = if is_old { self.old_row() } else { event.after() };
        let mut unknown = Vec::new();
        let Some(row) = row else { return unknown };
        for (written, value) in row.raw_members().filter(|(name, _)| self.how.has(name)) {
            let Some(name) = json::unescaped(written) else { continue };
            // A flat row's delete is the row itself.
            let known = if event.form == Form::Flat && !Value::of(value).is_unavailable() {
                Some(Value::of(value))
            } else if is_old {
                event.old_value(&name)
            } else if self.how.comes() && Value::of(value).is_unavailable() {
                // It would be the old row's.
                None
            } else {
                event.new_value(&name)
            };
            match known {
                Some(value) => each(written, value),
                None if is_old => {}
                None => unknown.push(written.to_vec()),
            }
        }
        unknown
    }

    fn old_row(&self) -> Option<Object<'_>> {
        let event = self.event;
        if event.is_before_complete() { event.before() } else { event.old.or_else(|| event.before()) }
    }

    fn flat(mut self) {
        let event = self.event;
        let mut list = List::new(b"{");
        let mut unknown = Vec::new();
        if self.is_readable && event.op != Some(Op::Message) {
            let mut row = Vec::new();
            unknown = self.columns(|name, value| {
                if !matches!(name, b"_op" | b"_ts" | b"_filter" | b"_unavailable") {
                    list.member(name, &mut row);
                    put_line(value.raw(), &mut row);
                }
            });
            self.out.append(&mut row);
        }
        list.member(b"_op", self.out);
        self.op();
        list.member(b"_ts", self.out);
        let ts = Time(event.timestamp_ms);
        put_formatted(self.out, format_args!("\"{ts}\""));
        if !unknown.is_empty() {
            self.put(",\"_unavailable\":");
            self.names(&unknown);
        }
        self.filter("_filter");
        self.other("_value");
        self.put("}");
    }

    fn op(&mut self) {
        match self.event.op {
            Some(op) => self.text(op.letter()),
            None => self.put("null"),
        }
    }

    fn names(&mut self, names: &[Vec<u8>]) {
        self.put("[");
        for (place, name) in names.iter().enumerate() {
            self.put(if place == 0 { "\"" } else { ",\"" });
            put_line(name, self.out);
            self.put("\"");
        }
        self.put("]");
    }

    /// What is no row: a message, JSON that is no object, what cannot be read.
    fn other(&mut self, name: &str) {
        let event = self.event;
        if self.is_readable {
            if let Some(message) =
                event.payload().filter(|_| event.op == Some(Op::Message)).and_then(|payload| payload.object()?.get("message"))
            {
                self.put(",\"message\":");
                put_line(message.raw(), self.out);
            }
        } else if !self.how.hides() {
            put_formatted(self.out, format_args!(",\"{name}\":"));
            write_value(Some(event.payload), self.out);
        }
    }

    fn diff(mut self) {
        let event = self.event;
        self.place();
        self.put(",\"key\":");
        write_value(event.key_payload(), self.out);
        self.put(",\"op\":");
        self.op();
        let (mut is_complete, mut unknown) = (true, Vec::new());
        if self.is_readable && event.op != Some(Op::Message) {
            self.put(",\"changed\":");
            (is_complete, unknown) = self.changed();
        }
        self.put(",\"unavailable\":");
        self.names(&unknown);
        put_formatted(self.out, format_args!(",\"before_complete\":{is_complete}"));
        self.filter("filter");
        self.other("value");
        self.put("}");
    }

    /// `{column:[old,new]}`; where the old row is not known null, and the row behind it. Whether the old row was known, and the columns that
    /// are not.
    fn changed(&mut self) -> (bool, Vec<Vec<u8>>) {
        let event = self.event;
        let is_gone = event.op == Some(Op::Delete) || self.how.leaves();
        let is_new = matches!(event.op, Some(Op::Create | Op::Read)) || self.how.comes();
        let is_known = is_gone || is_new || event.old.is_some() || event.is_before_complete();
        let mut columns = Vec::new();
        let mut list = List::new(b"{");
        let unknown = self.columns(|name, value| {
            let old = json::unescaped(name).and_then(|name| event.old_value(&name)).filter(|_| is_known && !is_new && !is_gone);
            if old.is_some_and(|old| old.raw() == value.raw()) {
                return;
            }
            list.member(name, &mut columns);
            let pair = if is_gone { [value.raw(), b"null"] } else { [old.map_or(&b"null"[..], Value::raw), value.raw()] };
            if !is_known {
                return put_line(value.raw(), &mut columns);
            }
            columns.push(b'[');
            put_line(pair[0], &mut columns);
            columns.push(b',');
            put_line(pair[1], &mut columns);
            columns.push(b']');
        });
        list.end(b"{", b"}", &mut columns);
        if !is_known {
            self.put("null,\"row\":");
        }
        self.out.append(&mut columns);
        let is_complete = is_known && (event.is_before_complete() || event.old.is_some() || is_new);
        (is_complete, unknown)
    }

    fn cloud(mut self) {
        let event = self.event;
        if event.form == Form::Cloud && self.is_readable {
            return self.value();
        }
        let is_change = event.form == Form::Envelope && self.is_readable && event.op != Some(Op::Message);
        self.put("{\"id\":\"");
        if is_change {
            for (label, name) in [("name:", "name"), (";lsn:", "lsn"), (";txId:", "txId"), (";sequence:", "sequence")] {
                self.put(label);
                let value = event.source_value(name).map_or(&b"null"[..], |value| value.inside().unwrap_or(value.raw()));
                put_line(value, self.out);
            }
            self.put(";");
        }
        // Rows of one COPY share all of the above.
        put_formatted(self.out, format_args!("partition:{};offset:{}\",\"source\":\"", event.partition, event.offset));
        let name = event.source_value("name").and_then(Value::inside).filter(|_| is_change);
        match name {
            Some(name) => {
                self.put("/debezium/postgresql/");
                put_line(name, self.out);
            }
            None => {
                self.put("/rowfeed/");
                put_inside(event.topic, self.out);
            }
        }
        let kind = if is_change { "io.debezium.connector.postgresql.DataChangeEvent" } else { "io.rowfeed.Record" };
        let time = Time(event.commit_ms().unwrap_or(event.timestamp_ms));
        put_formatted(
            self.out,
            format_args!("\",\"specversion\":\"1.0\",\"type\":\"{kind}\",\"time\":\"{time}\",\"datacontenttype\":\"application/json\""),
        );
        if is_change {
            self.attributes();
        }
        self.put(",\"rowfeedtopic\":");
        self.text(event.topic);
        self.filter("rowfeedfilter");
        self.put(",\"data\":");
        if is_change {
            self.rows()
        } else {
            self.value()
        }
        self.put("}");
    }

    /// `iodebeziumop`, and the fields of `source` and `transaction`.
    fn attributes(&mut self) {
        let event = self.event;
        self.put(",\"iodebeziumop\":");
        self.op();
        let payload = event.payload().and_then(Value::object);
        let transaction = payload.and_then(|payload| payload.get("transaction")?.object());
        for (object, prefix) in [(event.source(), ""), (transaction, "tx")] {
            for (name, value) in object.into_iter().flat_map(Object::raw_members) {
                put_formatted(self.out, format_args!(",\"iodebezium{prefix}"));
                self.out.extend(name.iter().filter(|byte| byte.is_ascii_alphanumeric()));
                self.put("\":");
                // All numbers there are of 64 bits, which CloudEvents has as texts.
                let is_number = Value::of(value).number().is_some();
                let quote = if is_number { "\"" } else { "" };
                self.put(quote);
                put_line(value, self.out);
                self.put(quote);
            }
        }
    }
}

/// Where the commas stand.
struct List {
    next: u8,
}

impl List {
    fn new(open: &[u8; 1]) -> Self {
        Self { next: open[0] }
    }

    /// `,"name":`, or `{"name":` for the first.
    fn member(&mut self, name: &[u8], out: &mut Vec<u8>) {
        out.push(std::mem::replace(&mut self.next, b','));
        out.push(b'"');
        put_line(name, out);
        out.extend_from_slice(b"\":");
    }

    fn end(self, open: &[u8; 1], close: &[u8; 1], out: &mut Vec<u8>) {
        if self.next == open[0] {
            out.push(self.next);
        }
        out.push(close[0]);
    }
}

fn put_formatted(out: &mut Vec<u8>, arguments: fmt::Arguments<'_>) {
    // Memory takes all.
    drop(out.write_fmt(arguments));
}

/// Appends JSON as one line: line ends stand only between its words.
fn put_line(json: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        return out.extend_from_slice(json);
    }
    out.extend(json.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
}

/// Appends a text as JSON.
pub fn put_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    put_inside(text, out);
    out.push(b'"');
}

fn put_inside(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return out.extend_from_slice(text.as_bytes());
    }
    let quoted = serde_json::Value::from(text).to_string();
    out.extend_from_slice(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().as_bytes());
}

/// JSON stays as it is, to the byte; other text becomes a JSON string; bytes that are no text (Avro and Protobuf begin with
/// a zero) `{"base64":"..."}`.
pub fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(bytes) = value else { return out.extend_from_slice(b"null") };
    if json::is_json(bytes) && !bytes.contains(&b'\n') && !bytes.contains(&b'\r') {
        out.extend_from_slice(bytes);
        return;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => put_text(text, out),
        _ => {
            out.extend_from_slice(b"{\"base64\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn rfc3339(time_ms: i64) -> String {
    Time(time_ms).to_string()
}

/// Milliseconds since 1970, shown as RFC 3339 in UTC.
struct Time(i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        // Days to a date (Howard Hinnant's civil_from_days): years begin in March, so that the leap day is the last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let time = Duration::from_millis(u64::try_from(in_day).unwrap_or(0));
        let (hour, minute, second) = (time.as_secs() / 3600, time.as_secs() / 60 % 60, time.as_secs() % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_233_128_832), "2026-11-21T03:52:08.832Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn json_stays_to_the_byte_and_what_is_no_text_is_not_lost() {
        let shown = |value: Option<&[u8]>| {
            let mut out = Vec::new();
            write_value(value, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(shown(Some(b"{\"a\":1.50}")), "{\"a\":1.50}");
        assert_eq!(shown(Some(b"plain")), "\"plain\"");
        assert_eq!(shown(Some(b"{\n}")), "\"{\\n}\"");
        assert_eq!(shown(Some(b"\xff")), "{\"base64\":\"/w==\"}");
        // Confluent's header: a zero and the schema's id.
        assert_eq!(shown(Some(b"\0\0\0\0\x02a")), "{\"base64\":\"AAAAAAJh\"}");
        assert_eq!((shown(Some(b"")), shown(None)), ("\"\"".into(), "null".into()));
    }
}
