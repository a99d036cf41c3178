//! Pages: events as they are sent, encoded once for all who get them.
//!
//! Owns the frames of Server-Sent Events and of lists for a WebSocket, and the chunk of HTTP/1.1 that a page is. Promises that a page
//! begins and ends with whole events, and that its bytes are shared, never copied, by whoever has it waiting. What an event looks like
//! is [`super::lens`]'s.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::layout::Layout;

/// A page ends behind the event that reaches this size, unless it is told a smaller one.
pub const PAGE_BYTES: usize = 64 << 10;
/// `0000abcd\r\n`: the head of a chunk, of a fixed length so that it can be written last.
const CHUNK_HEAD_BYTES: usize = 10;

/// Some events, and where the stream is behind them.
#[derive(Debug)]
pub struct Page {
    /// A chunk of HTTP/1.1.
    bytes: Bytes,
    /// Where in it the events are.
    events: Range<usize>,
    /// The places behind it.
    pub after: Arc<[u64]>,
    /// How many records it shows.
    pub records: u32,
    /// What it is, when it shows no record.
    pub note: Option<Note>,
    /// Where each item of a list ends, among the events.
    ends: Box<[usize]>,
}

/// What is told beside records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Everything that there was has been sent.
    CaughtUp,
    /// Records are missing.
    Gap,
    /// It does not go on.
    Error,
    /// It is over, as it was asked to be.
    End,
    /// It lives.
    Alive,
}

impl Note {
    /// Its name among the events of a stream.
    pub fn name(self) -> &'static str {
        match self {
            Self::CaughtUp => "caught-up",
            Self::Gap => "gap",
            Self::Error => "error",
            Self::End => "end",
            Self::Alive => "alive",
        }
    }
}

impl Page {
    /// What a socket gets: the chunk.
    pub fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    /// What a body gets: the events alone.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(self.events.clone())
    }

    /// The items of a list, one by one.
    pub fn items(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        let events = self.bytes.get(self.events.clone()).unwrap_or_default();
        starts.zip(&self.ends).map(|(start, end)| events.get(start..*end).unwrap_or_default())
    }

    /// A page that tells this: as an event, or the JSON alone where pages are lists.
    pub fn telling(note: Note, form: Form, id: &str, json: &str, after: Arc<[u64]>) -> Arc<Self> {
        let text = match form {
            Form::Items => json.to_owned(),
            Form::Events { .. } => told(note.name(), id, json),
        };
        Self::of(note, &text, after)
    }

    /// A page of this text.
    pub fn of(note: Note, text: &str, after: Arc<[u64]>) -> Arc<Self> {
        let mut press = Press::new(Form::Items);
        press.begin();
        press.out.extend_from_slice(text.as_bytes());
        press.note = Some(note);
        press.finish(after)
    }
}

/// How events are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Server-Sent Events, of so many changes each; above 1 they are lists.
    Events {
        /// So many at most.
        batch: u32,
    },
    /// The items of a list, with commas between them.
    Items,
}

/// Puts a page together.
#[derive(Debug)]
pub struct Press {
    form: Form,
    full: usize,
    out: Vec<u8>,
    /// Changes of the list that is open.
    open: u32,
    records: u32,
    note: Option<Note>,
    ends: Vec<usize>,
}

impl Press {
    /// An empty page of this form. Nothing is allocated before something is written.
    pub fn new(form: Form) -> Self {
        Self { form, full: PAGE_BYTES, out: Vec::new(), open: 0, records: 0, note: None, ends: Vec::new() }
    }

    fn begin(&mut self) {
        if self.out.is_empty() {
            self.out.extend_from_slice(&[0; CHUNK_HEAD_BYTES]);
        }
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// It is as large as a page gets.
    pub fn is_full(&self) -> bool {
        self.out.len() >= self.full
    }

    /// A page ends behind the event that reaches this size.
    pub fn fit(&mut self, bytes: usize) {
        self.full = bytes;
    }

    /// How many records it shows so far.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// One more change, which `write` appends as JSON on one line, unless it says that there is nothing to show; `after` are
    /// the places behind it.
    pub fn change(&mut self, layout: &Layout, after: impl Fn(usize) -> u64, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let was = self.out.len();
        self.begin();
        let opened = self.open;
        match self.form {
            Form::Items if self.records > 0 => self.out.push(b','),
            Form::Items => {}
            Form::Events { batch: 1 } => {
                self.id(layout, &after);
                self.out.extend_from_slice(b"event: change\ndata: ");
            }
            // The id of a list stands behind it, which is as good as before: a browser takes it when the event is over.
            Form::Events { .. } if self.open == 0 => self.out.extend_from_slice(b"event: change\ndata: ["),
            Form::Events { .. } => self.out.push(b','),
        }
        if !write(&mut self.out) {
            self.out.truncate(was);
            self.open = opened;
            return false;
        }
        self.records += 1;
        match self.form {
            Form::Items => self.ends.push(self.out.len() - CHUNK_HEAD_BYTES),
            Form::Events { batch: 1 } => self.out.extend_from_slice(b"\n\n"),
            Form::Events { batch } => {
                self.open += 1;
                if self.open >= batch {
                    self.close(layout, &after);
                }
            }
        }
        true
    }

    /// Ends the list that is open.
    pub fn close(&mut self, layout: &Layout, after: impl Fn(usize) -> u64) {
        if self.open > 0 {
            self.open = 0;
            self.out.extend_from_slice(b"]\n");
            self.id(layout, after);
            self.out.push(b'\n');
        }
    }

    /// Nothing but an id: a browser remembers it, and tells the page nothing.
    pub fn mark(&mut self, layout: &Layout, after: impl Fn(usize) -> u64) {
        self.begin();
        self.id(layout, after);
        self.out.push(b'\n');
    }

    fn id(&mut self, layout: &Layout, after: impl Fn(usize) -> u64) {
        self.out.extend_from_slice(b"id: ");
        layout.write(after, &mut self.out);
        self.out.push(b'\n');
    }

    /// The page; the press is empty again.
    pub fn finish(&mut self, after: Arc<[u64]>) -> Arc<Page> {
        self.begin();
        let mut bytes = std::mem::take(&mut self.out);
        let events = CHUNK_HEAD_BYTES..bytes.len();
        let head = format!("{:08x}\r\n", events.len());
        if let Some(place) = bytes.get_mut(..CHUNK_HEAD_BYTES).filter(|_| head.len() == CHUNK_HEAD_BYTES) {
            place.copy_from_slice(head.as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        // What waits for a slow reader has no room to spare.
        bytes.shrink_to_fit();
        let records = std::mem::take(&mut self.records);
        let ends = std::mem::take(&mut self.ends).into();
        Arc::new(Page { bytes: bytes.into(), events, after, records, note: self.note.take(), ends })
    }
}

/// An event that is no change, as text.
pub fn told(name: &str, id: &str, json: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("id: {id}\n") };
    format!("{id}event: {name}\ndata: {json}\n\n")
}
