//! Channels of signals beside the source's own table: a file, a topic of Apache Kafka.
//!
//! Owns a thread for each, and the form in which a signal stands there: a JSON object with `id`, `type` and `data`. Promises
//! that a signal is taken out of its channel only once it is acted on and that is durable, that none is acted on again while
//! the checkpoint's count is kept, and that the threads have ended when this is dropped. What is no signal is told in the
//! log; a channel that does not work never fails the connector.

mod file;
#[cfg(feature = "kafka")]
mod kafka;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::task::Context;
use crate::change::{Checkpoint, Signal};
use crate::connect::Signals;
use crate::connect::signals::{Origin, Receipt};
use crate::problem::Problem;

/// Between two looks at whether to end.
const LOOK: Duration = Duration::from_millis(100);

/// The channels of a capture.
pub(super) struct Channels {
    signals: Signals,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Channels {
    /// Opens those that the configuration names, and goes on where the checkpoint says that signals are done with.
    pub fn open(context: &Context, checkpoint: &Checkpoint) -> Result<Self, Problem> {
        let config = &context.config;
        let mut channels = Self { signals: context.signals.clone(), stop: Arc::default(), threads: Vec::new() };
        if let Some(path) = config.signals.file.clone() {
            let (interval, lines) = (config.signals.poll_interval, checkpoint.signal_lines);
            channels.spawn(&config.name, move |door| file::follow(&path, interval, lines, door))?;
        }
        #[cfg(feature = "kafka")]
        if let Some(settings) = config.signals.kafka.clone() {
            let (prefix, offset) = (config.topic_prefix.clone(), checkpoint.signal_offset);
            channels.spawn(&config.name, move |door| kafka::follow(&settings, &prefix, offset, door))?;
        }
        Ok(channels)
    }

    fn spawn(&mut self, connector: &str, follow: impl FnOnce(&Door) + Send + 'static) -> Result<(), Problem> {
        let door = Door { signals: self.signals.clone(), stop: Arc::clone(&self.stop) };
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new().name(format!("sig-{connector}")).spawn(move || span.in_scope(|| follow(&door)));
        let wrong = |error: std::io::Error| Problem::retry("service/thread", "a channel of signals got no thread").why(error.to_string());
        self.threads.push(thread.map_err(wrong)?);
        Ok(())
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // A channel that panicked has said so; the capture is over anyway.
            let _ = thread.join();
        }
        // They are still in their channels.
        self.signals.withdraw();
    }
}

/// A channel's way to the capture.
struct Door {
    signals: Signals,
    stop: Arc<AtomicBool>,
}

impl Door {
    fn is_stopping(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Waits; false when the channel shall end.
    fn pause(&self, how_long: Duration) -> bool {
        let until = Instant::now() + how_long;
        while !self.is_stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
        false
    }

    /// Hands a signal in and waits until it is done with; false when the capture ends before.
    fn send(&self, signal: &Signal, origin: Origin) -> bool {
        loop {
            let (receipt, answer) = Receipt::new(origin);
            if self.signals.push_with(signal.clone(), Some(receipt)).is_ok() {
                loop {
                    match answer.recv_timeout(LOOK) {
                        Ok(()) => return true,
                        Err(RecvTimeoutError::Timeout) if !self.is_stopping() => {}
                        Err(_) => return false,
                    }
                }
            }
            // Too many wait already.
            if !self.pause(LOOK) {
                return false;
            }
        }
    }
}

/// Reads `{"id":...,"type":...,"data":{...}}`; `None`: it is no JSON object.
fn read(text: &str) -> Option<Result<Signal, Problem>> {
    let Ok(Value::Object(signal)) = serde_json::from_str(text) else { return None };
    let text = |name: &str| match signal.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Some(Signal::parse(&text("id"), &text("type"), &text("data")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::signal::Action;

    #[test]
    fn a_signal_is_an_object_with_its_three_parts() {
        let signal = read(r#"{"id": 7, "type": "log", "data": {"message": "m"}}"#).expect("an object").expect("a signal");
        assert_eq!((signal.id.as_str(), signal.action), ("7", Action::Log("m".into())));
        let in_text = read(r#"{"type": "log", "data": "{\"message\": \"m\"}"}"#).expect("an object").expect("a signal");
        assert_eq!(in_text.action, Action::Log("m".into()));
        assert_eq!(read(r#"{"id": "a", "type": "pause-snapshot"}"#).expect("an object").expect("a signal").action, Action::Pause);
        assert!(read(r#"{"id": "a"}"#).expect("an object").is_err());
        assert!(read("[1]").is_none() && read("{").is_none());
    }
}
