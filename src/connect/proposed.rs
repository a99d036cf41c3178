//! A connector that does not exist yet, as the person sees it who writes its configuration.
//!
//! Owns reading a configuration that was not given yet, whether its database would let it start, the relations there, and a row of a table as the event that it would
//! become. Promises an answer in bounded time to a bounded number at once, that nothing is made anywhere, and that a secret which is kept
//! for a connector of that name goes to no other server. Leaves the event to [`super::source::preview`], and who may ask to [`crate::http`].

use std::sync::Arc;
use std::time::Duration;

use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::checks::{self, Examination, Refused, Relation};
use super::definitions::{check_size, combine};
use super::registry::Registry;
use super::source::preview;
use super::validation::reachable;
use crate::config::Options;
use crate::config::define::KeyProblem;
use crate::config::native;
use crate::config::postgres::table::CLASSES;
use crate::config::postgres::{PostgresConfig, TopicDefaults};
use crate::problem::Problem;

pub use super::source::preview::{Preview, SampleRow};

/// A preview takes no longer.
const PREVIEW_MAX: Duration = Duration::from_secs(15);

/// What somebody proposes.
#[derive(Clone, Debug)]
pub enum Proposal {
    /// A database.
    Url(String),
    /// A connector's options.
    Options(Options),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Declined {
    /// The configuration is wrong: by option, every problem.
    Mistakes(Vec<KeyProblem>),
    /// As with an examination.
    Refused(Refused),
    /// The database says no, or nothing.
    Source(Problem),
}

impl From<Refused> for Declined {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// The relations of a database that is proposed. Options that have nothing to do with it may be missing or wrong.
pub async fn relations(registry: &Registry, proposal: Proposal) -> Result<Vec<Relation>, Declined> {
    let (options, topics) = match proposal {
        Proposal::Url(url) => {
            let options =
                native::from_url("tables", &url, "").map_err(|problem| Declined::Mistakes(vec![KeyProblem::new("url", problem)]))?;
            (options, TopicDefaults::default())
        }
        Proposal::Options(options) => proposed(registry, options)?,
    };
    checks::relations_of(&reaching(&options, topics)?).await?.map_err(Declined::Source)
}

/// An examination of whether a connector with these options would start. Options that have nothing to do with the database may be missing
/// or wrong.
pub fn examination(registry: &Registry, options: Options, slot_test: bool) -> Result<Examination, Declined> {
    let (options, topics) = proposed(registry, options)?;
    Ok(checks::prepare_proposed(reaching(&options, topics)?, slot_test)?)
}

/// Enough of a configuration to ask its database.
fn reaching(options: &Options, topics: TopicDefaults) -> Result<PostgresConfig, Declined> {
    let config = match parse(options, topics) {
        Ok(config) => config,
        Err(problems) => reachable(options, &problems, topics).ok_or(Declined::Mistakes(problems))?,
    };
    Ok(without_statements(config))
}

/// A row of this table as the event that these options would make of it.
pub async fn preview(registry: &Registry, options: Options, table: &str) -> Result<Preview, Declined> {
    let (options, topics) = proposed(registry, options)?;
    let config = Arc::new(without_statements(parse(&options, topics).map_err(Declined::Mistakes)?));
    let _room = checks::room()?;
    // What a connector logs once at its start is not to be logged for each row that somebody looks at.
    let looking = Box::pin(preview::look(config, table)).with_subscriber(NoSubscriber::default());
    let looked = tokio::time::timeout(PREVIEW_MAX, looking).await;
    looked.map_err(|_| Refused::Late)?.map_err(Declined::Source)
}

/// What the server is told before anything else may change something.
fn without_statements(mut config: PostgresConfig) -> PostgresConfig {
    config.connection.initial_statements.clear();
    config
}

fn parse(options: &Options, topics: TopicDefaults) -> Result<PostgresConfig, Vec<KeyProblem>> {
    PostgresConfig::parse_asked(options.get("name").map_or("", String::as_str), options, topics)
}

fn proposed(registry: &Registry, mut options: Options) -> Result<(Options, TopicDefaults), Declined> {
    check_size(&options).map_err(|problem| Declined::Mistakes(vec![KeyProblem::new("", problem)]))?;
    options.entry("connector.class".to_owned()).or_insert_with(|| CLASSES[0].to_owned());
    Ok(registry.proposed(options))
}

impl Declined {
    /// All of it as one problem.
    pub fn problem(self) -> Option<Problem> {
        match self {
            Self::Mistakes(problems) => Some(combine(problems.into_iter().map(|known| known.problem).collect())),
            Self::Source(problem) | Self::Refused(Refused::Malformed(problem)) => Some(problem),
            Self::Refused(_) => None,
        }
    }
}
