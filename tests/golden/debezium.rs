//! The real Debezium, when its jars are in `.cache/golden` (`scripts/get_debezium.sh` puts them there).
//!
//! Owns how a run asks for it ([`Judge`]) and how it is started; what it says is compared elsewhere.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::masks::Event;
use crate::support::{missing, wait_at_most};

/// Who says what is right in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// What Debezium said when the committed files were captured.
    Captured,
    /// `ROWFEED_GOLDEN_LIVE=1`: Debezium beside rowfeed, too. It must still say what was captured.
    Live,
    /// `ROWFEED_GOLDEN_REFRESH=1`: as live, and what it says is kept.
    Refresh,
}

impl Judge {
    /// The one that this run asks for.
    pub fn of_this_run() -> Self {
        let asked = |name: &str| std::env::var(name).as_deref() == Ok("1");
        if asked("ROWFEED_GOLDEN_REFRESH") {
            Self::Refresh
        } else if asked("ROWFEED_GOLDEN_LIVE") {
            Self::Live
        } else {
            Self::Captured
        }
    }
}

/// A running Debezium; it ends when this is dropped.
pub struct Debezium {
    home: TempDir,
    child: Child,
    /// Its standard input: the end of it is the order to stop.
    _held: Option<ChildStdin>,
}

fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/golden")
}

/// Where `Capture` was compiled to: another folder for who works on it while others run it.
fn classes() -> PathBuf {
    std::env::var_os("ROWFEED_GOLDEN_CLASSES").map_or_else(|| cache().join("classes"), PathBuf::from)
}

impl Debezium {
    /// Whether there is one on this machine; said where there is none.
    pub fn is_here() -> bool {
        let here = cache().join("libs").is_dir() && classes().join("Capture.class").is_file();
        if !here {
            missing("Debezium (scripts/get_debezium.sh gets it)");
        }
        here
    }

    /// Starts it with a connector configuration.
    pub fn start(config: &Value) -> Self {
        let home = tempfile::Builder::new().prefix("rowfeed-golden-").tempdir().expect("a temporary folder");
        let mut properties = String::new();
        for (name, value) in config.as_object().expect("an object") {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let escaped: String = text.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) }).collect();
            properties.push_str(&format!("{}={}\n", name.replace('=', "\\="), escaped.replace('\\', "\\\\").replace("\\\\u", "\\u")));
        }
        fs::write(home.path().join("connector.properties"), properties).expect("a file");
        // The scripted transformations and their languages are used where they are.
        let class_path = format!("{}:{1}/libs/*:{1}/scripting/*", classes().display(), cache().display());
        let mut child = Command::new("java")
            .args([
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Duser.timezone=UTC",
                "-Dfile.encoding=UTF-8",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            ])
            .args(["-cp", &class_path, "Capture"])
            .arg(home.path().join("connector.properties"))
            .stdin(Stdio::piped())
            .stdout(File::create(home.path().join("events")).expect("a file"))
            .stderr(File::create(home.path().join("log")).expect("a file"))
            .spawn()
            .expect("java runs");
        let held = child.stdin.take();
        Self { home, child, _held: held }
    }

    /// Waits until a record has `text` in its value.
    pub fn wait_for(&mut self, what: &str, text: &str) {
        wait_at_most(Duration::from_secs(120), what, || {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("Debezium ended with {status}:\n{}", self.log());
            }
            self.events().iter().any(|event| event.value.as_deref().is_some_and(|value| value.contains(text))).then_some(())
        });
    }

    /// What it printed as problems.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// The whole records so far.
    pub fn events(&self) -> Vec<Event> {
        self.lines().iter().map(|line| Event::from_line(line)).collect()
    }

    /// The same, each with the offset that Kafka Connect commits once it was delivered.
    pub fn events_with_offsets(&self) -> Vec<(Event, Value)> {
        let offset = |line: &str| serde_json::from_str::<Value>(line).expect("a JSON line")["offset"].clone();
        self.lines().iter().map(|line| (Event::from_line(line), offset(line))).collect()
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.home.path().join("events")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect()
    }
}

impl Drop for Debezium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
