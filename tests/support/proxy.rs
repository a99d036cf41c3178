//! A network that fails: a relay in front of a server, whose connections a test cuts or lets hang.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Relays 127.0.0.1 ports. It ends with the process.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    /// Nothing passes, nothing is closed: a lost route.
    frozen: AtomicBool,
    /// Both ends of every connection.
    open: Mutex<Vec<TcpStream>>,
    /// Connections that were cut.
    cut: AtomicU64,
    /// How many bytes pass before nothing does.
    left: AtomicU64,
}

impl Proxy {
    /// Relays a free port to `target`.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let shared = Arc::new(Shared {
            target,
            frozen: AtomicBool::new(false),
            open: Mutex::default(),
            cut: AtomicU64::new(0),
            left: AtomicU64::new(u64::MAX),
        });
        let relay = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                relay.connect(client);
            }
        });
        Self { port, shared }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection, in the middle of whatever it carries.
    pub fn cut(&self) {
        for end in self.shared.open.lock().expect("no panic").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
            self.shared.cut.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many ends of connections were cut.
    pub fn cut_count(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// Lets nothing pass until told otherwise.
    pub fn freeze(&self, frozen: bool) {
        self.shared.left.store(u64::MAX, Ordering::Relaxed);
        self.shared.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Lets about so many bytes more pass, and then nothing.
    pub fn freeze_after(&self, bytes: u64) {
        self.shared.left.store(bytes, Ordering::Relaxed);
    }

    /// Whether nothing passes now.
    pub fn is_frozen(&self) -> bool {
        self.shared.frozen.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.relay(from, to));
        }
        self.open.lock().expect("no panic").extend([client, server]);
    }

    fn relay(&self, mut from: TcpStream, mut to: TcpStream) {
        // Odd on purpose: messages are cut anywhere.
        let mut bytes = [0; 7919];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            let left = self.left.load(Ordering::Relaxed);
            if left != u64::MAX && self.left.fetch_sub((read as u64).min(left), Ordering::Relaxed) <= read as u64 {
                self.left.store(u64::MAX, Ordering::Relaxed);
                self.frozen.store(true, Ordering::Relaxed);
            }
            while self.frozen.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}
