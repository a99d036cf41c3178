//! What a form is told about a configuration that is being written.
//!
//! Owns which option a problem or a finding belongs to. Promises an answer in bounded time, with every problem on the option
//! that a person would change, and, where the database can be asked, what it says: the doctor's findings as errors, real tables,
//! free slots and publications to choose from. Nothing is changed, and what is only advice is no error. Leaves the shapes of
//! Kafka Connect to [`crate::http`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::define::{KeyProblem, required};
use crate::config::postgres::{ConnectionConfig, PostgresConfig, TopicDefaults};
use crate::config::{Options, secrets};
use crate::postgres::catalog;
use crate::postgres::choices::{self, Choices};
use crate::postgres::doctor::{self, Depth, Finding, Mark, Patient};
use crate::problem::Problem;

/// The database has this long to answer: a form waits for it, and the clients of Kafka Connect wait 30 s at least.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// A database has this long to let a connector in that is being made: Kafka Connect's clients wait 30 s at least.
const REACH_MAX: Duration = Duration::from_secs(5);

/// What is known about a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// By option: what is wrong.
    pub errors: BTreeMap<String, Vec<String>>,
    /// By option: what could stand there.
    pub recommended: BTreeMap<String, Vec<String>>,
}

impl Validation {
    /// Adds an error.
    pub fn error(&mut self, key: &str, problem: &Problem) {
        let errors = self.errors.entry(key.to_owned()).or_default();
        let text = problem.text();
        if !errors.contains(&text) {
            errors.push(text);
        }
    }
}

/// Everything about these options that can be said, the other connectors left aside.
pub async fn validate(options: &Options, topics: TopicDefaults) -> Validation {
    let mut validation = Validation::default();
    let name = options.get("name").map_or("", String::as_str);
    if name.is_empty() {
        validation.error("name", &required("name"));
    }
    let parsed = PostgresConfig::parse_asked(name, options, topics);
    if let Err(problems) = &parsed {
        for KeyProblem { key, problem } in problems {
            validation.error(if key.is_empty() { "connector.class" } else { key }, problem);
        }
    }
    let whole = parsed.is_ok();
    let config = match parsed {
        Ok(config) => config,
        Err(problems) => match reachable(options, &problems, topics) {
            Some(config) => config,
            None => return validation,
        },
    };
    let examined = tokio::time::timeout(LOOK_MAX, Box::pin(look(&config, whole))).await;
    match examined {
        Ok((findings, choices)) => tell(&mut validation, &config, &findings, choices),
        Err(_) => {
            let late = format!("the database was not examined: it did not answer within {} s", LOOK_MAX.as_secs());
            validation.error("database.hostname", &Problem::retry("pg/timeout", late).at(config.connection.shown()));
        }
    }
    validation
}

/// Whether a database lets a connector in and could stream to it, as Debezium asks before it takes a configuration. One that is
/// just restarting does not, as with Debezium: who made the request repeats it.
pub async fn reach(to: &ConnectionConfig) -> Result<(), Problem> {
    // Debezium runs no statement of its own here either.
    let plain = ConnectionConfig { initial_statements: Vec::new(), ..to.clone() };
    let ask = async {
        let client = catalog::open(&plain, "rowfeed check").await?;
        catalog::server_settings(&client).await
    };
    match tokio::time::timeout(REACH_MAX, ask).await {
        Ok(Ok(settings)) => settings.check_wal_level(to),
        Ok(Err(error)) => Err(error.problem(to)),
        Err(_) => Err(Problem::retry("pg/timeout", format!("the database did not answer within {} s", REACH_MAX.as_secs()))
            .at(to.shown())
            .fix("check the address and the firewall; with \"initial_state\": \"STOPPED\" a connector is made without asking")),
    }
}

/// A configuration to ask the database with, though other options are wrong; `None` when those of the connection are.
pub(super) fn reachable(options: &Options, problems: &[KeyProblem], topics: TopicDefaults) -> Option<PostgresConfig> {
    if problems.iter().any(|problem| problem.key.starts_with("database.") || matches!(problem.key.as_str(), "" | "connector.class")) {
        return None;
    }
    let right = |key: &&String| problems.iter().all(|problem| problem.key != **key);
    let mut kept: Options = options.keys().filter(right).map(|key| (key.clone(), options[key].clone())).collect();
    kept.entry("topic.prefix".to_owned()).or_insert_with(|| "form".to_owned());
    PostgresConfig::parse_asked(options.get("name").map_or("", String::as_str), &kept, topics).ok()
}

async fn look(config: &PostgresConfig, whole: bool) -> (Vec<Finding>, Option<Choices>) {
    let connector = whole.then_some(config);
    // A temporary slot would wait for long transactions, and a form is sent often.
    let patient = Patient { connector, is_draft: true, ..Patient::of(config, Depth::Try) };
    let examined = doctor::examine(patient, |_| {});
    let (diagnosis, choices) = tokio::join!(examined, choices::look(&config.connection));
    // Why it could not be asked is among the findings.
    (diagnosis.findings, choices.ok())
}

fn tell(validation: &mut Validation, config: &PostgresConfig, findings: &[Finding], choices: Option<Choices>) {
    let choices = choices.unwrap_or_default();
    let reads_now = choices.busy_slots.contains(&config.slot_name);
    let has_slot = reads_now || choices.free_slots.contains(&config.slot_name);
    for finding in findings.iter().filter(|finding| finding.mark == Mark::Fail) {
        // Full only for those who need one more.
        let is_served = match finding.id {
            "pg/slots-full" => has_slot,
            "pg/senders-full" => reads_now,
            _ => false,
        };
        if !is_served {
            validation.error(key_of(finding.id), &problem_of(finding));
        }
    }
    let lists = [
        ("schema.include.list", choices.schemas),
        ("table.include.list", choices.tables.clone()),
        ("table.exclude.list", choices.tables),
        ("slot.name", choices.free_slots),
        ("publication.name", choices.publications),
    ];
    validation.recommended.extend(lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(key, list)| (key.to_owned(), list)));
}

fn problem_of(finding: &Finding) -> Problem {
    let (what, why) = finding.observed.split_once('\n').unwrap_or((&finding.observed, ""));
    Problem::refuse(finding.id, what).why(why).fix(finding.fix.clone())
}

/// The option that a person would change.
fn key_of(code: &str) -> &'static str {
    match code {
        "pg/refused" => "database.port",
        "pg/auth" | "pg/password-missing" => "database.password",
        "pg/role-replication" | "pg/hba" | "pg/permission" => "database.user",
        "pg/database" | "pg/encoding" => "database.dbname",
        "pg/tls" => "database.sslmode",
        "pg/initial-statements" => "database.initial.statements",
        "pg/slots-full" | "pg/slot-active" | "pg/slot-database" | "pg/slot-plugin" | "pg/slot-temp" => "slot.name",
        "pg/publication" | "pg/publication-missing" => "publication.name",
        "pg/partitions" => "publish.via.partition.root",
        "pg/no-tables" | "pg/select" | "pg/identity-missing" | "pg/rls" => "table.include.list",
        // What is wrong with the server itself.
        _ => "database.hostname",
    }
}

/// The option that two connectors may not share.
pub fn key_of_conflict(problem: &Problem) -> &'static str {
    if problem.code == "config/slot-taken" { "slot.name" } else { "topic.prefix" }
}

/// How options end that say where a secret goes, and as whose.
const SERVERS: [&str; 5] = [".hostname", ".port", ".user", ".url", "bootstrap.servers"];

/// What is wrong with stars that stand for nothing.
pub fn stars(options: &Options) -> Option<(&str, Problem)> {
    let (key, _) = options.iter().find(|(_, value)| *value == secrets::MASK)?;
    let problem = Problem::refuse("config/value", format!("{key} is {}, which stands for no secret here", secrets::MASK))
        .why("stars stand for the secret that is kept only where the server and its user are as they were")
        .fix(format!("give {key} again"));
    Some((key, problem))
}

/// Puts the secrets of `known` where a form sends back the stars that it was shown. They go to nobody but the servers, and as the
/// users, that they were given for: where one of those is another, the stars stay.
pub fn unmask(options: &mut Options, known: &Options) {
    let names_a_server = |key: &&String| SERVERS.iter().any(|end| key.ends_with(end));
    let is_same = |key: &String| options.get(key) == known.get(key);
    if !options.keys().chain(known.keys()).filter(names_a_server).all(is_same) {
        return;
    }
    for (option, value) in options {
        if value == secrets::MASK
            && let Some(old) = known.get(option)
        {
            value.clone_from(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const CONNECTION: [(&str, &str); 4] =
        [("connector.class", "Postgres"), ("database.hostname", "h"), ("database.user", "u"), ("database.dbname", "d")];

    #[tokio::test]
    async fn every_wrong_option_has_its_own_error_and_nobody_is_asked() {
        let mut wrong = options(&CONNECTION);
        wrong.extend(options(&[("database.port", "x"), ("snapshot.mode", "nonsense"), ("tabel.include.list", "a")]));
        let validation = validate(&wrong, TopicDefaults::default()).await;
        let keys: Vec<&str> = validation.errors.keys().map(String::as_str).collect();
        assert_eq!(keys, ["database.port", "name", "snapshot.mode", "tabel.include.list", "topic.prefix"]);
        assert_eq!(validation.errors["name"], ["config/missing: name is missing\n  fix: set name"]);
        assert!(validation.recommended.is_empty());
    }

    #[test]
    fn the_database_is_asked_though_other_options_are_wrong() {
        let ask = |more: &[(&str, &str)]| {
            let mut given = options(&CONNECTION);
            given.extend(options(more));
            let problems = PostgresConfig::parse("x", &given, TopicDefaults::default()).expect_err("wrong");
            reachable(&given, &problems, TopicDefaults::default())
        };
        let config = ask(&[("slot.name", "No-Slot"), ("snapshot.mode", "nonsense"), ("table.include.list", "a.b")])
            .expect("the connection is right");
        assert!(config.tables.includes("a", "b") && !config.tables.includes("a", "c"));
        assert!(ask(&[("database.port", "x")]).is_none());
        assert!(ask(&[("connector.class", "MySql")]).is_none());
    }

    #[test]
    fn a_server_that_is_full_serves_those_who_have_their_slot() {
        let config =
            PostgresConfig::parse("x", &options(&[CONNECTION.as_slice(), &[("topic.prefix", "p")]].concat()), TopicDefaults::default());
        let config = config.expect("valid");
        let full = |id| Finding {
            group: "server",
            id,
            title: "",
            mark: Mark::Fail,
            observed: "none is free".into(),
            expected: "",
            fix: String::new(),
        };
        let findings = [full("pg/slots-full"), full("pg/senders-full")];
        let told = |choices| {
            let mut validation = Validation::default();
            tell(&mut validation, &config, &findings, Some(choices));
            validation.errors.into_keys().collect::<Vec<_>>()
        };
        let own = vec![config.slot_name.clone()];
        assert_eq!(told(Choices::default()), ["database.hostname", "slot.name"]);
        assert_eq!(told(Choices { free_slots: own.clone(), ..Choices::default() }), ["database.hostname"]);
        assert!(told(Choices { busy_slots: own, ..Choices::default() }).is_empty());
    }
}
