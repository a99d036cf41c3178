//! A receiver of webhooks that misbehaves as a test likes: it keeps every request and answers what it is told to.
//!
//! Threads and plain sockets; a request's answer is decided by a function of the test, which may look at all that came before.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wait_for;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// When it was there.
    pub at: Instant,
    /// The answer's status; 0: none was given.
    pub answered: u16,
    /// How often its id came before.
    pub seen: usize,
}

impl Hook {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// `webhook-id`.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status.
    Status(u16),
    /// A status with headers and a body.
    With(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// That, after a while.
    After(Duration, Box<Reply>),
    /// Nothing, for so long; then the connection is closed.
    Silence(Duration),
    /// The connection is reset.
    Reset,
    /// Half an answer, then the connection is closed.
    Half,
    /// 200, and a body of so many bytes.
    Huge(usize),
}

/// Decides about a request.
pub type Judge = dyn Fn(&Hook) -> Reply + Send + Sync;

/// A receiver that runs until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    hooks: Arc<Mutex<Vec<Hook>>>,
    judge: Arc<Mutex<Arc<Judge>>>,
    under_way: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Receiver {
    /// A receiver on a free port.
    pub fn start(judge: impl Fn(&Hook) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(0, judge)
    }

    /// A receiver on this port.
    pub fn start_on(port: u16, judge: impl Fn(&Hook) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let receiver = Self {
            address: listener.local_addr().expect("an address"),
            hooks: Arc::default(),
            judge: Arc::new(Mutex::new(Arc::new(judge))),
            under_way: Arc::default(),
            most_at_once: Arc::default(),
            ends: Arc::default(),
        };
        let (hooks, judge, ends) = (Arc::clone(&receiver.hooks), Arc::clone(&receiver.judge), Arc::clone(&receiver.ends));
        let (under_way, most) = (Arc::clone(&receiver.under_way), Arc::clone(&receiver.most_at_once));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let (hooks, judge, under_way, most) = (Arc::clone(&hooks), Arc::clone(&judge), Arc::clone(&under_way), Arc::clone(&most));
                std::thread::spawn(move || {
                    let _ = serve(stream, &hooks, &judge, &under_way, &most);
                });
            }
        });
        receiver
    }

    /// A URL of it.
    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// `host:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers so.
    pub fn judge(&self, judge: impl Fn(&Hook) -> Reply + Send + Sync + 'static) {
        *self.judge.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(judge);
    }

    /// All requests so far.
    pub fn hooks(&self) -> Vec<Hook> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that were answered with success.
    pub fn taken(&self) -> Vec<Hook> {
        self.hooks().into_iter().filter(|hook| (200..300).contains(&hook.answered)).collect()
    }

    /// The most requests that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Waits until so many different ids were answered with success.
    pub fn wait_for_ids(&self, count: usize) {
        wait_for(&format!("{count} webhooks"), || (ids(&self.taken()).len() >= count).then_some(()));
    }
}

/// The different ids of requests, in the order in which they came first.
pub fn ids(hooks: &[Hook]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for hook in hooks {
        if known.insert(hook.id().to_owned()) {
            ids.push(hook.id().to_owned());
        }
    }
    ids
}

fn serve(
    stream: TcpStream,
    hooks: &Mutex<Vec<Hook>>,
    judge: &Mutex<Arc<Judge>>,
    under_way: &AtomicUsize,
    most: &AtomicUsize,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let Some(mut hook) = read(&mut reader)? else { return Ok(()) };
        most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let index = {
            let mut hooks = hooks.lock().unwrap_or_else(PoisonError::into_inner);
            hook.seen = hooks.iter().filter(|known| known.id() == hook.id()).count();
            hooks.push(hook.clone());
            hooks.len() - 1
        };
        let judge = Arc::clone(&judge.lock().unwrap_or_else(PoisonError::into_inner));
        let reply = judge(&hook);
        let answered = |status| {
            under_way.fetch_sub(1, Ordering::SeqCst);
            if let Some(hook) = hooks.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                hook.answered = status;
            }
        };
        if !answer(&mut stream, reply, answered)? {
            return Ok(());
        }
    }
}

/// Answers; whether the connection goes on.
fn answer(stream: &mut TcpStream, reply: Reply, answered: impl Fn(u16)) -> io::Result<bool> {
    match reply {
        Reply::Status(status) => {
            answered(status);
            write!(stream, "HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n")?;
        }
        Reply::With(status, headers, body) => {
            answered(status);
            let mut text = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
            headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
            stream.write_all(format!("{text}\r\n").as_bytes())?;
            stream.write_all(&body)?;
        }
        Reply::After(wait, reply) => {
            std::thread::sleep(wait);
            return answer(stream, *reply, answered);
        }
        Reply::Silence(wait) => {
            std::thread::sleep(wait);
            answered(0);
            return Ok(false);
        }
        Reply::Reset => {
            answered(0);
            socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
            return Ok(false);
        }
        Reply::Half => {
            answered(0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")?;
            return Ok(false);
        }
        Reply::Huge(bytes) => {
            answered(200);
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n")?;
            let piece = [b'x'; 16 << 10];
            let mut left = bytes;
            while left > 0 {
                let count = left.min(piece.len());
                stream.write_all(&piece[..count])?;
                left -= count;
            }
        }
    }
    Ok(true)
}

fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Hook>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Hook { path, headers, body, at: Instant::now(), answered: 0, seen: 0 }))
}
