//! Debian's Chromium, driven by the scripts of `console/browser`.
//!
//! A script may ask its test to change the world in the middle: it prints `ask: WORD JSON` on a line of its own and reads the answer, `done JSON`,
//! from its input. Promises that a script ends within [`LIMIT`] and goes with the test, and that its words are shown when it fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::missing;

/// How long a script may take: the machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(900);

fn console() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("console")
}

/// Whether there is a browser, and what drives it.
pub fn is_there() -> bool {
    let browser = Path::new("/usr/bin/chromium").exists();
    if !browser {
        missing("chromium (scripts/test.sh gets it)");
    }
    let drives = console().join("node_modules/playwright-core").exists() && console().join("dist/index.html").exists();
    if !drives {
        missing("the built console (scripts/build_console.sh)");
    }
    browser && drives
}

/// Where screenshots go, when somebody wants them (`CONSOLE_SHOTS`); else "".
pub fn shots() -> String {
    std::env::var("CONSOLE_SHOTS").unwrap_or_default()
}

/// Runs a script of `console/browser` that asks for nothing.
pub fn browse(script: &str, arguments: &[&str]) {
    browse_and_answer(script, arguments, |word, _| panic!("{script} asks for {word}"));
}

/// Runs a script of `console/browser`; `answer` does what it asks for, by its word.
pub fn browse_and_answer(script: &str, arguments: &[&str], mut answer: impl FnMut(&str, Value) -> Value) {
    let mut run = Run::start(script, arguments);
    while let Some(line) = run.next_line() {
        if let Some(asked) = line.strip_prefix("ask: ") {
            let (word, what) = asked.split_once(' ').unwrap_or((asked, "null"));
            let what = serde_json::from_str(what).unwrap_or_else(|error| panic!("{error} in {line}"));
            let told = answer(word, what);
            run.tell(&format!("done {told}"));
        }
    }
    run.end();
}

/// A script that runs. Dropped, it is killed, and its words are shown if the test fails.
struct Run {
    script: String,
    began: Instant,
    node: Child,
    lines: mpsc::Receiver<String>,
    words: String,
}

impl Run {
    fn start(script: &str, arguments: &[&str]) -> Self {
        let mut node = Command::new("node");
        node.arg(console().join("browser").join(script)).args(arguments).current_dir(console());
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut node = node.spawn().expect("node starts");
        let (sender, lines) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(node.stdout.take().expect("it is piped")), Box::new(node.stderr.take().expect("it is piped"))];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { script: script.to_owned(), began: Instant::now(), node, lines, words: String::new() }
    }

    /// What it says next; `None` once it has ended.
    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT.saturating_sub(self.began.elapsed())) {
            Ok(line) => {
                self.words.push_str(&line);
                self.words.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} did not end within {LIMIT:?}", self.script),
        }
    }

    fn tell(&mut self, line: &str) {
        let input = self.node.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("the script listens");
    }

    fn end(mut self) {
        let status = self.node.wait().expect("a child can be waited for");
        assert!(status.success(), "{} ended with {status}", self.script);
        println!("{} took {:?}:\n{}", self.script, self.began.elapsed(), self.words);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
        if std::thread::panicking() {
            eprintln!("--- {} said within {:?}:\n{}", self.script, self.began.elapsed(), self.words);
        }
    }
}
