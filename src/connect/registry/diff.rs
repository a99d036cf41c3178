//! What a new configuration would change, asked before it is put.

use super::{Registry, RegistryError};
use crate::config::Options;
use crate::config::postgres::effect::{self, Change};
use crate::connect::definitions::check_name;
use crate::connect::validation;
use crate::problem::Problem;

/// The answer.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The connector is there; otherwise everything is new.
    pub exists: bool,
    /// The options that differ.
    pub changes: Vec<Change>,
    /// Why the configuration would be refused.
    pub problems: Vec<Problem>,
}

impl Registry {
    /// Compares a configuration with that of a connector; nothing is changed. A masked secret counts as the old one.
    pub fn diff(&self, name: &str, mut options: Options) -> Difference {
        let known = self.definition(name).ok();
        let old = known.as_ref().map(|known| known.options.clone()).unwrap_or_default();
        validation::unmask(&mut options, &old);
        options.insert("name".to_owned(), name.to_owned());
        let changes = effect::changes(&old, &options);
        let problems =
            match check_name(name).map_err(|problem| RegistryError::Invalid(vec![problem])).and_then(|()| self.checked(name, options)) {
                Ok(_) => Vec::new(),
                Err(RegistryError::Invalid(problems)) => problems,
                Err(RegistryError::Failed(problem)) => vec![problem],
                Err(other) => vec![Problem::refuse("config/refused", other.to_string())],
            };
        Difference { exists: known.is_some(), changes, problems }
    }
}
