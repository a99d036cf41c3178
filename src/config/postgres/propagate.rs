//! Whose database types stand in the schema: `column.propagate.source.type` and `datatype.propagate.source.type`.

use super::filters::Patterns;
use crate::config::define::KeyProblem;

/// The columns whose type, length, scale and name are told in the schema.
#[derive(Clone, Debug, Default)]
pub struct SourceTypes {
    columns: Patterns,
    types: Patterns,
}

const COLUMNS: &str = "column.propagate.source.type";
const TYPES: &str = "datatype.propagate.source.type";

impl SourceTypes {
    /// Compiles the two lists: expressions on `schema.table.column` and on `schema.table.type`.
    pub fn parse(columns: &str, types: &str) -> Result<Self, Box<KeyProblem>> {
        let parse = |option: &str, list: &str| Patterns::parse(option, list).map_err(|problem| Box::new(KeyProblem::new(option, problem)));
        Ok(Self { columns: parse(COLUMNS, columns)?, types: parse(TYPES, types)? })
    }

    /// The schema tells of this column.
    pub fn include(&self, schema: &str, table: &str, column: &str, type_name: &str) -> bool {
        let matches = |patterns: &Patterns, last: &str| !patterns.is_empty() && patterns.any_matches(&format!("{schema}.{table}.{last}"));
        matches(&self.columns, column) || matches(&self.types, type_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_told_of_by_its_name_or_by_its_type() {
        let types = SourceTypes::parse("public\\.t\\.a", ".*\\.INT4, .+\\.mood").expect("valid");
        assert!(types.include("public", "t", "A", "text") && types.include("s", "u", "b", "int4") && types.include("s", "u", "b", "mood"));
        assert!(!types.include("public", "t", "b", "text") && !SourceTypes::default().include("public", "t", "a", "int4"));
        assert_eq!(SourceTypes::parse("a", "(").expect_err("no expression").key, TYPES);
    }
}
