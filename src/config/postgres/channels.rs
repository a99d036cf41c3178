//! Where notifications go.

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

/// Debezium's channels of notifications.
const NOTIFICATIONS: [&str; 3] = ["sink", "log", "jmx"];
const NOTIFICATION_CHANNELS: &str = "notification.enabled.channels";

/// Channels that are asked for and have no effect here, each with the reason.
pub fn without_effect(options: &Options) -> Vec<(String, &'static str)> {
    let asks = |option: &str| options.get(option).is_some_and(|list| split_list(list).iter().any(|channel| channel == "jmx"));
    let jmx = |option: &&str| asks(option);
    let reason = "the channel jmx has no effect: there is no JVM here; sink and log tell the same";
    [NOTIFICATION_CHANNELS].into_iter().filter(jmx).map(|option| (option.to_owned(), reason)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::define::KeyProblem;
    use crate::config::postgres::{PostgresConfig, TopicDefaults};

    fn options(pairs: &[(&str, &str)]) -> Options {
        let base = [("database.hostname", "db"), ("database.user", "cdc"), ("database.dbname", "shop"), ("topic.prefix", "shop")];
        base.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn parse(pairs: &[(&str, &str)]) -> Result<PostgresConfig, Vec<KeyProblem>> {
        PostgresConfig::parse("shop", &options(pairs), TopicDefaults::default())
    }

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
}
