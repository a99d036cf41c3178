//! How new topics are made: `topic.creation.default.*` and `topic.creation.<group>.*`.

use regex::Regex;

use super::TopicDefaults;
use super::table::TOPIC_COMPRESSIONS;
use crate::config::Options;
use crate::config::define::{KeyProblem, invalid, required};
use crate::record::compression::Compression;

/// Partitions, copies and compression of new topics.
#[derive(Clone, Debug, Default)]
pub struct TopicCreation {
    /// Of topics that are in no group.
    pub default: TopicDefaults,
    /// The first group that a topic is in decides.
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    include: Regex,
    exclude: Option<Regex>,
    topics: TopicDefaults,
}

impl TopicCreation {
    /// Reads the groups; `default` is of the rest, and `service` stands for a group's `-1`.
    pub fn parse(options: &Options, default: TopicDefaults, service: TopicDefaults) -> (Self, Vec<KeyProblem>) {
        let mut problems = Vec::new();
        let list = options.get("topic.creation.groups").map_or("", String::as_str);
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "default");
        let groups = names.filter_map(|name| Self::group(options, name, service, &mut problems)).collect();
        (Self { default, groups }, problems)
    }

    fn group(options: &Options, name: &str, service: TopicDefaults, problems: &mut Vec<KeyProblem>) -> Option<Group> {
        let key = |setting: &str| format!("topic.creation.{name}.{setting}");
        let prefix = key("");
        let known = ["include", "exclude", "partitions", "replication.factor", "compression.type"];
        for (option, value) in options.range(prefix.clone()..).take_while(|(option, _)| option.starts_with(&prefix)) {
            let setting = &option[prefix.len()..];
            let same = setting == "cleanup.policy" && value == "delete";
            if !known.contains(&setting) && !same {
                let problem = crate::problem::Problem::refuse("config/not-supported", format!("{option} is not supported yet"))
                    .why("new topics would not have this setting; log.retention and log.max_bytes limit the whole log")
                    .fix(format!("remove {option}"));
                problems.push(KeyProblem::new(option, problem));
            }
        }
        let mut number = |setting: &str, legal: fn(i64) -> bool, must: &str| {
            let option = key(setting);
            let Some(text) = options.get(&option) else {
                problems.push(KeyProblem::new("topic.creation.groups", required(&option)));
                return None;
            };
            let number = text.trim().parse::<i64>().ok().filter(|number| legal(*number));
            if number.is_none() {
                problems.push(KeyProblem::new(&option, invalid(&option, text, must)));
            }
            number
        };
        let or_cluster = "a number of at least 1, or -1 for the service's";
        let partitions = number("partitions", |number| number == -1 || (1..=i64::from(i32::MAX)).contains(&number), or_cluster);
        let copies = number("replication.factor", |number| number == -1 || (1..=32_767).contains(&number), or_cluster);
        let option = key("compression.type");
        let compression = options.get(&option).map(|text| text.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
        if let Some(name) = compression.as_deref().filter(|name| !TOPIC_COMPRESSIONS.contains(name)) {
            problems.push(KeyProblem::new(&option, invalid(&option, name, &format!("one of {}", TOPIC_COMPRESSIONS.join(", ")))));
        }
        let mut expression = |setting: &str| {
            let option = key(setting);
            let text = options.get(&option).map(|text| text.trim()).filter(|text| !text.is_empty())?;
            let either: Vec<_> = text.split(',').map(|part| format!("(?:{})", part.trim())).collect();
            match Regex::new(&format!("^(?:{})$", either.join("|"))) {
                Ok(regex) => Some(regex),
                Err(_) => {
                    problems.push(KeyProblem::new(&option, invalid(&option, text, "a list of regular expressions on topics")));
                    None
                }
            }
        };
        let (include, exclude) = (expression("include"), expression("exclude"));
        let topics = TopicDefaults {
            partitions: partitions.and_then(|number| u32::try_from(number).ok()).unwrap_or(service.partitions),
            replication_factor: copies
                .and_then(|number| i16::try_from(number).ok())
                .filter(|copies| *copies > 0)
                .unwrap_or(service.replication_factor),
            compression: compression.map_or(service.compression, |name| Compression::named(&name)),
        };
        Some(Group { include: include?, exclude, topics })
    }

    /// Partitions, copies and compression of a new topic.
    pub fn of(&self, topic: &str) -> TopicDefaults {
        let is_in =
            |group: &&Group| group.include.is_match(topic) && !group.exclude.as_ref().is_some_and(|exclude| exclude.is_match(topic));
        self.groups.iter().find(is_in).map_or(self.default, |group| group.topics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_first_group_that_a_topic_is_in_decides() {
        let given = options(&[
            ("topic.creation.groups", "big, all"),
            ("topic.creation.big.include", "shop\\.public\\.orders.*,x"),
            ("topic.creation.big.exclude", ".*_old"),
            ("topic.creation.big.partitions", "12"),
            ("topic.creation.big.replication.factor", "3"),
            ("topic.creation.big.compression.type", "LZ4"),
            ("topic.creation.all.include", "shop.*"),
            ("topic.creation.all.partitions", "2"),
            ("topic.creation.all.replication.factor", "-1"),
        ]);
        let (topics, problems) = TopicCreation::parse(
            &given,
            TopicDefaults::default(),
            TopicDefaults { partitions: 7, replication_factor: 5, compression: Some(Compression::Gzip) },
        );
        assert!(problems.is_empty(), "{problems:?}");
        for (topic, partitions, replication_factor, compression) in [
            ("shop.public.orders_new", 12, 3, Some(Compression::Lz4)),
            ("shop.public.orders_old", 2, 5, Some(Compression::Gzip)),
            ("shop.public.Orders", 2, 5, Some(Compression::Gzip)),
            ("other", 1, 1, None),
        ] {
            assert_eq!(topics.of(topic), TopicDefaults { partitions, replication_factor, compression }, "{topic}");
        }
    }

    #[test]
    fn a_group_without_its_settings_is_refused() {
        let given = options(&[
            ("topic.creation.groups", "a"),
            ("topic.creation.a.include", "("),
            ("topic.creation.a.partitions", "0"),
            ("topic.creation.a.cleanup.policy", "compact"),
            ("topic.creation.a.compression.type", "lz5"),
        ]);
        let (_, problems) = TopicCreation::parse(&given, TopicDefaults::default(), TopicDefaults::default());
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "topic.creation.a.cleanup.policy",
                "topic.creation.a.partitions",
                "topic.creation.groups",
                "topic.creation.a.compression.type",
                "topic.creation.a.include"
            ]
        );
    }
}
