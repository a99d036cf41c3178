//! A client of Server-Sent Events, as the WHATWG specification reads a stream, over a socket of its own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

/// An event as a page gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// What the browser would send as Last-Event-ID after it.
    pub id: String,
    /// Its data.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {:?}", self.data))
    }
}

/// A stream that is read.
pub struct Events {
    socket: TcpStream,
    /// The head of the answer.
    pub head: String,
    /// The status.
    pub status: u16,
    raw: Vec<u8>,
    body: String,
    /// What the browser would send as Last-Event-ID now.
    pub last_id: String,
    /// Comments so far.
    pub comments: Vec<String>,
    is_chunked: bool,
    is_over: bool,
}

impl Events {
    /// Asks for a stream; `headers` are whole lines.
    pub fn open(address: &str, path: &str, headers: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{headers}\r\n").as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let (raw, body, last_id, comments) = (Vec::new(), String::new(), String::new(), Vec::new());
        Ok(Self { socket, head, status, raw, body, last_id, comments, is_chunked, is_over: false })
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The next event; `None` at the end, an error when nothing comes in time.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.dispatch() {
                return Ok(Some(event));
            }
            if self.is_over {
                return Ok(None);
            }
            let mut room = [0; 65536];
            match self.socket.read(&mut room)? {
                0 => self.is_over = true,
                got => self.raw.extend_from_slice(&room[..got]),
            }
            self.unchunk();
        }
    }

    fn unchunk(&mut self) {
        if !self.is_chunked {
            self.body.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.raw)));
            return;
        }
        while let Some(end) = self.raw.windows(2).position(|pair| pair == b"\r\n") {
            let size = usize::from_str_radix(String::from_utf8_lossy(&self.raw[..end]).trim(), 16).expect("a chunk's size");
            if self.raw.len() < end + 2 + size + 2 {
                return;
            }
            self.body.push_str(std::str::from_utf8(&self.raw[end + 2..end + 2 + size]).expect("UTF-8"));
            assert_eq!(&self.raw[end + 2 + size..end + 4 + size], b"\r\n", "a chunk's end");
            self.raw.drain(..end + 4 + size);
            self.is_over |= size == 0;
        }
    }

    /// The next whole event of what is here, if there is one.
    fn dispatch(&mut self) -> Option<Event> {
        while let Some(end) = self.body.find("\n\n") {
            let block: String = self.body.drain(..end + 2).collect();
            let (mut name, mut data) = (String::from("message"), Vec::new());
            for line in block.lines() {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "" if !line.is_empty() => self.comments.push(value.to_owned()),
                    "event" => name = value.to_owned(),
                    "data" => data.push(value.to_owned()),
                    "id" => self.last_id = value.to_owned(),
                    _ => {}
                }
            }
            // Without data nothing is told to the page, but the id holds.
            if !data.is_empty() {
                return Some(Event { name, id: self.last_id.clone(), data: data.join("\n") });
            }
        }
        None
    }

    /// The next event, which must come.
    pub fn expect(&mut self) -> Event {
        self.next().expect("in time").expect("the stream goes on")
    }

    /// The next event of this name; others are passed over.
    pub fn expect_named(&mut self, name: &str) -> Event {
        loop {
            let event = self.expect();
            if event.name == name {
                return event;
            }
        }
    }

    /// True when nothing but comments comes for so long.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let _ = self.socket.set_read_timeout(Some(Duration::from_millis(20)));
        let mut silent = true;
        while Instant::now() < until && silent {
            silent = match self.next() {
                Ok(Some(_)) => false,
                Ok(None) => panic!("the stream is over"),
                Err(_) => true,
            };
        }
        let _ = self.socket.set_read_timeout(Some(Duration::from_secs(20)));
        silent
    }
}
