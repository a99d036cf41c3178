//! Channels: where signals come from, and where notifications go.

use std::path::PathBuf;
use std::time::Duration;

use super::filters::split_list;
use super::{Reader, TOPIC_NAME_MAX, is_topic_char};
use crate::config::Options;
use crate::config::define::{invalid, required};
use crate::config::suggest;

/// Where notifications go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationConfig {
    /// `notification.sink.topic.name`, when the channel `sink` is enabled.
    pub topic: Option<String>,
    /// The channel `log` is enabled.
    pub log: bool,
}

/// Where signals come from.
#[derive(Clone, Debug, Default)]
pub struct SignalConfig {
    /// `signal.data.collection`: schema and table. Its rows are captured whether or not they are signals.
    pub table: Option<(String, String)>,
    /// New rows of that table are signals: the channel `source` is enabled.
    pub source: bool,
    /// `signal.file`, when the channel `file` is enabled.
    pub file: Option<PathBuf>,
    /// `signal.kafka.*`, when the channel `kafka` is enabled.
    pub kafka: Option<KafkaSignals>,
    /// `signal.poll.interval.ms`.
    pub poll_interval: Duration,
}

/// A topic of Apache Kafka with signals.
#[derive(Clone)]
pub struct KafkaSignals {
    /// `signal.kafka.topic`.
    pub topic: String,
    /// `signal.kafka.bootstrap.servers`.
    pub bootstrap: String,
    /// `signal.kafka.groupId`.
    pub group: String,
    /// `signal.consumer.*`, without that prefix: may hold secrets, so they are never printed.
    pub properties: Vec<(String, String)>,
}

impl std::fmt::Debug for KafkaSignals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSignals").field("topic", &self.topic).field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

impl SignalConfig {
    /// This is the signalling table.
    pub fn is_table(&self, schema: &str, table: &str) -> bool {
        self.table.as_ref().is_some_and(|(own_schema, own_table)| own_schema == schema && own_table == table)
    }
}

/// Debezium's channels of signals.
const SIGNALS: [&str; 5] = ["source", "kafka", "file", "jmx", "in-process"];
/// An option of librdkafka.
const PLUGINS: &str = "signal.consumer.plugin.library.paths";
const SIGNAL_CHANNELS: &str = "signal.enabled.channels";
const SIGNAL_TABLE: &str = "signal.data.collection";
/// Debezium's channels of notifications.
const NOTIFICATIONS: [&str; 3] = ["sink", "log", "jmx"];
const NOTIFICATION_CHANNELS: &str = "notification.enabled.channels";

/// Channels that are asked for and have no effect here, each with the reason.
pub fn without_effect(options: &Options) -> Vec<(String, &'static str)> {
    let java = |option: &str| {
        let list = split_list(options.get(option).map_or("", String::as_str));
        list.iter().any(|channel| matches!(channel.as_str(), "jmx" | "in-process"))
    };
    let notifications = "the channel jmx has no effect: there is no JVM here; sink and log tell the same";
    let signals =
        "the channels jmx and in-process have no effect: there is no JVM here; POST /v1/connectors/NAME/signals takes the same signals";
    let reasons = [(NOTIFICATION_CHANNELS, notifications), (SIGNAL_CHANNELS, signals)];
    reasons.into_iter().filter(|(option, _)| java(option)).map(|(option, reason)| (option.to_owned(), reason)).collect()
}

impl Reader<'_> {
    pub(super) fn notifications(&mut self) -> NotificationConfig {
        let channels = self.channels(NOTIFICATION_CHANNELS, &NOTIFICATIONS);
        let has = |name: &str| channels.iter().any(|channel| channel == name);
        let option = "notification.sink.topic.name";
        let topic = self.text(option);
        if has("sink") && topic.is_empty() {
            self.refuse(option, required(option));
        } else if has("sink") {
            self.check_topic(option, &topic);
        }
        NotificationConfig { topic: has("sink").then_some(topic), log: has("log") }
    }

    pub(super) fn signals(&mut self) -> SignalConfig {
        let channels = self.channels(SIGNAL_CHANNELS, &SIGNALS);
        let has = |name: &str| channels.iter().any(|channel| channel == name);
        let table = self.signal_table();
        let file = Some(self.text("signal.file")).filter(|_| has("file"));
        if file.as_ref().is_some_and(String::is_empty) {
            self.refuse("signal.file", required("signal.file"));
        }
        SignalConfig {
            source: has("source") && table.is_some(),
            table,
            file: file.map(PathBuf::from),
            kafka: has("kafka").then(|| self.kafka_signals()),
            poll_interval: self.millis("signal.poll.interval.ms"),
        }
    }

    /// `schema.table`, each part plain or in double quotes.
    pub(super) fn signal_table(&mut self) -> Option<(String, String)> {
        let text = self.text(SIGNAL_TABLE);
        if text.is_empty() {
            return None;
        }
        let table = table_name(&text);
        if table.is_none() {
            self.refuse(SIGNAL_TABLE, invalid(SIGNAL_TABLE, &text, "one table: schema.table"));
        }
        table
    }

    fn kafka_signals(&mut self) -> KafkaSignals {
        if !cfg!(feature = "kafka") {
            let problem = crate::problem::Problem::refuse("config/not-supported", "signals from Kafka are not part of this build");
            self.refuse(SIGNAL_CHANNELS, problem.fix("remove kafka from signal.enabled.channels"));
        }
        let bootstrap = self.text("signal.kafka.bootstrap.servers");
        if bootstrap.is_empty() {
            self.refuse("signal.kafka.bootstrap.servers", required("signal.kafka.bootstrap.servers"));
        }
        let mut topic = self.text("signal.kafka.topic");
        if topic.is_empty() {
            topic = format!("{}-signal", self.text("topic.prefix"));
        }
        self.check_topic("signal.kafka.topic", &topic);
        // It would load code.
        if self.options.contains_key(PLUGINS) {
            let problem = crate::problem::Problem::refuse("config/not-supported", format!("{PLUGINS} is not taken"));
            self.refuse(PLUGINS, problem.why("it loads a library into this service").fix(format!("remove {PLUGINS}")));
        }
        let own = |(name, value): (&String, &String)| Some((name.strip_prefix("signal.consumer.")?.to_owned(), value.trim().to_owned()));
        KafkaSignals {
            topic,
            bootstrap,
            group: self.text("signal.kafka.groupId"),
            properties: self.options.iter().filter_map(own).collect(),
        }
    }

    /// A list of channels; those that nobody knows are refused.
    fn channels(&mut self, option: &str, known: &[&'static str]) -> Vec<String> {
        let channels = split_list(&self.text(option));
        for channel in channels.iter().filter(|channel| !known.contains(&channel.as_str())) {
            let hint = suggest::did_you_mean(channel, known.iter().copied());
            self.refuse(option, invalid(option, channel, &format!("a list of {}", known.join(", "))).fix(hint));
        }
        channels
    }

    fn check_topic(&mut self, option: &str, topic: &str) {
        if !topic.chars().all(is_topic_char) || topic.len() > TOPIC_NAME_MAX {
            let must = format!("made of letters, digits, dot, dash and underscore, at most {TOPIC_NAME_MAX}");
            self.refuse(option, invalid(option, topic, &must));
        }
    }
}

/// `schema.table` in its two parts; a part in double quotes may have dots, and quotes as two of them.
fn table_name(text: &str) -> Option<(String, String)> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut letters) = (false, text.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => parts.last_mut()?.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter => parts.last_mut()?.push(letter),
        }
    }
    match <[String; 2]>::try_from(parts) {
        Ok([schema, table]) if !quoted && !schema.is_empty() && !table.is_empty() => Some((schema, table)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::postgres::PostgresConfig;
    use crate::config::postgres::testing::{options, parse};

    #[test]
    fn notifications_go_where_they_are_asked_to() {
        let topic = ("notification.sink.topic.name", "shop.told");
        let of = |pairs: &[(&str, &str)]| parse(pairs).map(|config| config.notifications);
        assert_eq!(of(&[topic]).expect("valid"), NotificationConfig::default());
        let both = of(&[topic, (NOTIFICATION_CHANNELS, "log, sink,jmx")]).expect("valid");
        assert_eq!(both, NotificationConfig { topic: Some("shop.told".into()), log: true });
        let wrong = |pairs: &[(&str, &str)]| of(pairs).expect_err("refused").remove(0);
        assert_eq!(wrong(&[(NOTIFICATION_CHANNELS, "sink")]).problem.code, "config/missing");
        assert_eq!(wrong(&[(NOTIFICATION_CHANNELS, "sink"), ("notification.sink.topic.name", "a b")]).key, "notification.sink.topic.name");
        let unknown = wrong(&[(NOTIFICATION_CHANNELS, "log,snk")]);
        assert!(unknown.problem.what.contains("snk") && unknown.problem.fix.contains("sink"), "{}", unknown.problem);
    }

    #[test]
    fn a_channel_without_effect_is_told_with_the_reason() {
        let found = |list: &str| PostgresConfig::without_effect(&options(&[(NOTIFICATION_CHANNELS, list)]));
        assert!(found("log").is_empty());
        assert_eq!(found("log,jmx")[0].0, NOTIFICATION_CHANNELS);
    }

    #[test]
    fn signals_come_from_where_they_are_asked_to() {
        let of = |pairs: &[(&str, &str)]| parse(pairs).map(|config| (config.signals, config.tables));
        let (signals, _) = of(&[]).expect("valid");
        assert!(!signals.source && signals.table.is_none() && signals.file.is_none() && signals.kafka.is_none());
        let table = (SIGNAL_TABLE, r#"inventory."A.""b"#);
        assert_eq!(of(&[table]).expect_err("unclosed").remove(0).key, SIGNAL_TABLE);
        let table = (SIGNAL_TABLE, r#"inventory."A.""b""#);
        let (signals, tables) = of(&[table, ("table.include.list", "public.x")]).expect("valid");
        assert!(signals.source && signals.is_table("inventory", "A.\"b") && !signals.is_table("inventory", "a"));
        // It is captured although the list does not name it.
        assert!(tables.includes("inventory", "A.\"b") && !tables.includes("inventory", "x") && tables.includes("public", "x"));
        let (signals, _) = of(&[
            table,
            (SIGNAL_CHANNELS, "file,kafka"),
            ("signal.kafka.bootstrap.servers", "k:9092"),
            ("signal.consumer.security.protocol", "SASL_SSL"),
            ("signal.poll.interval.ms", "100"),
        ])
        .expect("valid");
        let kafka = signals.kafka.expect("asked for");
        assert!(
            !signals.source
                && signals.file == Some(PathBuf::from("file-signals.txt"))
                && signals.poll_interval == Duration::from_millis(100)
        );
        assert_eq!((kafka.topic.as_str(), kafka.group.as_str()), ("shop-signal", "kafka-signal"));
        assert_eq!(kafka.properties, [("security.protocol".to_owned(), "SASL_SSL".to_owned())]);
        for (pairs, key) in [
            (&[(SIGNAL_CHANNELS, "kafka")][..], "signal.kafka.bootstrap.servers"),
            (&[(SIGNAL_CHANNELS, "sauce")], SIGNAL_CHANNELS),
            (&[(SIGNAL_TABLE, "a.b.c")], SIGNAL_TABLE),
            (&[("signal.kafka.other", "x")], "signal.kafka.other"),
        ] {
            assert_eq!(of(pairs).expect_err("refused").remove(0).key, key);
        }
    }
}
