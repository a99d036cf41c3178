//! Signals in a topic of Apache Kafka: `signal.kafka.topic`.
//!
//! Partition 0 is read in its order, one signal after the other. The checkpoint says how far, in the same commit of the log as
//! what was done; the group's offset follows it, for whoever looks.

use std::time::Duration;

use super::{Door, LOOK, Origin, read};
use crate::config::postgres::KafkaSignals;
use crate::log::LogError;
use crate::log::kafka::follow::{Follower, Message};

/// After trouble.
const PAUSE: Duration = Duration::from_secs(5);

/// Reads the topic until told to end.
pub(super) fn follow(settings: &KafkaSignals, prefix: &str, mut done: Option<i64>, door: &Door) {
    let mut told = String::new();
    while !door.is_stopping() {
        let Err(error) = read_on(settings, prefix, &mut done, door) else { return };
        let error = error.to_string();
        if told != error {
            tracing::warn!(topic = settings.topic, "signals cannot be read from Kafka now, it is tried again: {error}");
            told = error;
        }
        door.pause(PAUSE);
    }
}

fn read_on(settings: &KafkaSignals, prefix: &str, done: &mut Option<i64>, door: &Door) -> Result<(), LogError> {
    let follower = Follower::open(&settings.bootstrap, &settings.group, &settings.topic, &settings.properties, *done)?;
    tracing::info!(topic = settings.topic, "signals are read from Kafka");
    while !door.is_stopping() {
        let Some(message) = follower.next(LOOK)? else { continue };
        if !act(&message, prefix, door) {
            return Ok(());
        }
        *done = Some(message.offset);
        follower.commit(message.offset)?;
    }
    Ok(())
}

/// Whether the message is done with.
fn act(message: &Message, prefix: &str, door: &Door) -> bool {
    if message.key.as_deref() != Some(prefix.as_bytes()) {
        tracing::info!(offset = message.offset, "a signal for another connector: its key is not {prefix}");
        return true;
    }
    let text = message.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    match read(&text) {
        None => {
            tracing::warn!(offset = message.offset, "a message is not a signal: it is no JSON object");
            true
        }
        Some(Err(problem)) => {
            tracing::warn!(offset = message.offset, "a signal has no effect: {}", problem.text());
            true
        }
        Some(Ok(signal)) => door.send(&signal, Origin::Offset(message.offset)),
    }
}
