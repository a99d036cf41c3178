//! TLS of the HTTP listener.
//!
//! Owns the certificate and its key, and the handshake. Promises that both files are read again when they change, together or not at
//! all, so that a certificate is renewed without a restart and a broken one never takes the place of one that works; that whoever
//! does not finish the handshake in time is disconnected; and that a client that speaks plain HTTP is told so. How many connections
//! there are at a time is [`super::listener`]'s business, handshakes included. Client certificates are not asked for.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::listener::Connection;
use crate::problem::Problem;

/// Longer than the slowest honest handshake; a silent client holds its connection that long.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A chain of certificates, or a key.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The first byte of a TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;

/// The listener's certificate.
pub struct Tls {
    files: [PathBuf; 2],
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    /// The files as they were read last, good or not.
    read: std::sync::Mutex<[Vec<u8>; 2]>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What is shown to whoever connects now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads certificate and key.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, Problem> {
        let files = [certificate.to_owned(), key.to_owned()];
        let read = read(&files)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = Arc::new(Current(RwLock::new(Arc::new(parse(&files, &read, &provider)?))));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS cannot be set up").why(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, acceptor: TlsAcceptor::from(Arc::new(config)), current, read: std::sync::Mutex::new(read) })
    }

    /// The handshake; `None` when it comes to nothing.
    pub async fn accept(&self, connection: Connection) -> Option<TlsStream<Connection>> {
        let shaken = async {
            if connection.first_byte().await? != HANDSHAKE {
                tell_plain(connection).await;
                return None;
            }
            let accepted = self.acceptor.accept(connection).await;
            // Scanners and people who do not trust the certificate: their trouble, of use to whoever looks for it.
            accepted.inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed")).ok()
        };
        tokio::time::timeout(HANDSHAKE_WAIT, shaken).await.ok().flatten()
    }

    /// Reads the files again whenever they have changed, until `stop` says true.
    pub async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let tls = Arc::clone(&self);
            // A file system that hangs holds up this task, and nothing else.
            match tokio::task::spawn_blocking(move || tls.look()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => tracing::info!(file = %self.files[0].display(), "the certificate of HTTP was read again"),
                Ok(Err(problem)) => {
                    tracing::warn!(code = problem.code, why = problem.why, "{}; the one that was read before stays", problem.what);
                }
                Err(_) => return,
            }
        }
    }

    /// Whether there is a new certificate. Files that are wrong are told once; most are half of a change.
    fn look(&self) -> Result<bool, Problem> {
        // Not there for a moment is how some tools replace files.
        let Ok(found) = read(&self.files) else { return Ok(false) };
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == found {
            return Ok(false);
        }
        last.clone_from(&found);
        drop(last);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certified = Arc::new(parse(&self.files, &found, &provider)?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(true)
    }
}

fn wrong(what: impl Into<String>) -> Problem {
    Problem::refuse("http/tls", what)
        .fix("http.tls_cert: the server's certificate and what leads to its authority, PEM; http.tls_key: its key, PEM")
}

fn read(files: &[PathBuf; 2]) -> Result<[Vec<u8>; 2], Problem> {
    let [certificate, key] = files;
    let one = |path: &Path| {
        let size = fs::metadata(path).map(|found| found.len());
        let read = match size {
            Ok(size) if size > FILE_BYTES_MAX => Err(std::io::Error::other("it is too large to be one")),
            Ok(_) => fs::read(path),
            Err(error) => Err(error),
        };
        read.map_err(|error| wrong(format!("{} cannot be read", path.display())).why(error.to_string()))
    };
    Ok([one(certificate)?, one(key)?])
}

fn parse(files: &[PathBuf; 2], read: &[Vec<u8>; 2], provider: &CryptoProvider) -> Result<CertifiedKey, Problem> {
    let ([certificate, key], [certificate_pem, key_pem]) = (files, read);
    let chain = CertificateDer::pem_slice_iter(certificate_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| wrong(format!("{} is no certificate", certificate.display())).why(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(format!("{} has no certificate", certificate.display())));
    }
    // Why it is no key is not said: the words could hold a piece of it.
    let bad_key = || wrong(format!("{} is no private key", key.display()));
    let der = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| bad_key())?;
    let signing = provider.key_provider.load_private_key(der).map_err(|_| bad_key())?;
    let certified = CertifiedKey::new(chain, signing);
    certified.keys_match().map_err(|error| {
        let what = format!("{} and {} do not belong together", certificate.display(), key.display());
        wrong(what).why(error.to_string())
    })?;
    Ok(certified)
}

/// Whoever speaks plain HTTP here gets an answer that says what to do, and not bytes that mean nothing to them.
async fn tell_plain(mut connection: Connection) {
    let body = "this port speaks TLS: ask for https://\n";
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: ";
    let answer = format!("{head}{}\r\n\r\n{body}", body.len());
    if connection.write_all(answer.as_bytes()).await.is_ok() && connection.shutdown().await.is_ok() {
        // What was sent is read, or closing would take the answer away again.
        let mut rest = [0; 1024];
        while let Ok(1..) = connection.read(&mut rest).await {}
    }
}
