//! HTTP over TLS, as curl, the command line and a renewal of the certificate meet it.
//!
//! Method: certificates of two authorities made by openssl, the program itself, curl as the client that is not ours.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::service::Rowfeed;
use crate::support::{missing, wait_for};

fn run(program: &str, arguments: &[&str], dir: &Path) -> Output {
    Command::new(program).args(arguments).current_dir(dir).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn openssl(dir: &Path, line: &str) {
    let done = run("openssl", &line.split(' ').collect::<Vec<_>>(), dir);
    assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
}

/// An authority `<name>-ca.pem`, and a certificate of it for this machine: `<name>.pem`, `<name>.key`.
fn certificate(dir: &Path, name: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    fs::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("written");
    openssl(dir, &format!("req -x509 {key} -days 2 -subj /CN={name}-authority -keyout {name}-ca.key -out {name}-ca.pem"));
    openssl(dir, &format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
    let signed = format!("-CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial -extfile names -days 2");
    openssl(dir, &format!("x509 -req -in {name}.csr {signed} -out {name}.pem"));
}

/// Exit code and everything that was said.
fn said(done: &Output) -> (Option<i32>, String) {
    (done.status.code(), format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

#[test]
fn http_speaks_tls_and_takes_a_renewed_certificate_without_a_restart() {
    if ["openssl", "curl"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
        return missing("openssl and curl");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    certificate(dir, "one");
    certificate(dir, "two");
    let put = |name: &str, end: &str| fs::copy(dir.join(format!("{name}.{end}")), dir.join(format!("used.{end}"))).expect("copied");
    put("one", "pem");
    put("one", "key");
    let set = |name: &str, file: &str| format!("http.tls_{name}={}", dir.join(file).display());
    let (cert, key) = (set("cert", "used.pem"), set("key", "used.key"));
    let mut service = Rowfeed::prepared(&["--set", &cert, "--set", &key]);
    service.run();
    let url = format!("https://{}", service.http());
    let curl = |ca: &str, path: &str| run("curl", &["-sS", "-m", "10", "--cacert", ca, &format!("{url}{path}")], dir);
    wait_for("HTTP over TLS", || {
        assert!(service.exited().is_none(), "{}", service.log());
        curl("one-ca.pem", "/readyz").status.success().then_some(())
    });
    let mut silent = TcpStream::connect(service.http()).expect("a connection that says nothing");
    let connected = Instant::now();

    assert_eq!(said(&curl("one-ca.pem", "/connectors")), (Some(0), "[]".to_owned()));
    let (code, text) = said(&curl("two-ca.pem", "/connectors"));
    assert_eq!(code, Some(60), "a certificate of another authority is none: {text}");
    let (_, text) = said(&run("curl", &["-sS", "-i", "-m", "10", &format!("http://{}/connectors", service.http())], dir));
    assert!(text.contains("400 Bad Request") && text.contains("ask for https://"), "{text}");

    let rowfeed = |server: &str, arguments: &[&str], ca: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        command.args(arguments).args(["--server", server]).current_dir(dir).env_remove("ROWFEED_CA");
        said(&command.envs(ca.map(|ca| ("ROWFEED_CA", ca))).output().expect("it runs"))
    };
    assert_eq!(rowfeed(&url, &["ready", "--ca", "one-ca.pem"], None), (Some(0), "ok\n".to_owned()));
    assert_eq!(rowfeed(&url, &["connectors", "list"], Some("one-ca.pem")).0, Some(0));
    let (code, text) = rowfeed(&url, &["ready"], None);
    assert!(code != Some(0) && text.contains("server/tls") && text.contains("--ca FILE"), "{text}");
    let (code, text) = rowfeed(&url, &["ready", "--ca", "one-ca.key"], None);
    assert!(code != Some(0) && text.contains("server/ca") && text.contains("PEM"), "{text}");
    let (code, text) = rowfeed(&service.http(), &["connectors", "list"], None);
    assert!(code != Some(0) && text.contains("https://"), "{text}");

    // Half of a change, and what is none at all, is not taken.
    put("two", "pem");
    wait_for("the half of a change to be told", || service.log().contains("do not belong together").then_some(()));
    assert!(curl("one-ca.pem", "/readyz").status.success(), "the old certificate stays");
    put("two", "key");
    wait_for("the new certificate", || curl("two-ca.pem", "/readyz").status.success().then_some(()));
    assert!(!curl("one-ca.pem", "/readyz").status.success(), "the old one is gone");
    fs::write(dir.join("used.pem"), "nothing").expect("written");
    wait_for("the broken file to be told", || service.log().contains("has no certificate").then_some(()));
    assert!(curl("two-ca.pem", "/readyz").status.success());

    silent.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert_eq!(silent.read(&mut [0; 10]).expect("closed in order"), 0, "whoever does not begin is let go");
    assert!(connected.elapsed() < Duration::from_secs(20));
    service.stop();
    // At the start there is nothing to stay with.
    service.run();
    let status = wait_for("the end", || service.exited());
    assert_eq!(status.code(), Some(2), "{}", service.log());
    assert!(service.log().contains("error[http/tls]"), "{}", service.log());
    let (code, text) = said(&run(env!("CARGO_BIN_EXE_rowfeed"), &["config", "check", "--set", &cert], dir));
    assert!(code == Some(2) && text.contains("http.tls_key is missing"), "{text}");
}
