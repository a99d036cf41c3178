//! The real Debezium, when its jars are in `.cache/golden` (`scripts/golden_refresh.sh` puts them there).

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::masks::Event;
use crate::support::wait_at_most;

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

impl Debezium {
    /// Whether there is one on this machine.
    pub fn is_here() -> bool {
        cache().join("libs").is_dir() && cache().join("classes/Capture.class").is_file()
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
        let class_path = format!("{0}/classes:{0}/libs/*:{0}/scripting/*", cache().display());
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
