//! Compatibility levels: which earlier versions a new one is compared with, and in which direction.

use super::Parsed;

/// A compatibility level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing is compared.
    None,
    /// The new version reads what the latest one wrote.
    #[default]
    Backward,
    /// ... what all earlier ones wrote.
    BackwardTransitive,
    /// The latest version reads what the new one writes.
    Forward,
    /// All earlier ones read what the new one writes.
    ForwardTransitive,
    /// Both, with the latest version.
    Full,
    /// Both, with all earlier ones.
    FullTransitive,
}

impl Level {
    const ALL: [Self; 7] =
        [Self::None, Self::Backward, Self::BackwardTransitive, Self::Forward, Self::ForwardTransitive, Self::Full, Self::FullTransitive];

    /// Confluent's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// All versions count, not only the latest.
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    /// What is in the way of `new` after `earlier`, which is in order of versions; empty when nothing is.
    pub fn obstacles(self, new: &Parsed, earlier: &[(u32, Parsed)]) -> Vec<String> {
        if self == Self::None {
            return Vec::new();
        }
        let count = if self.is_transitive() { earlier.len() } else { 1 };
        for (version, old) in earlier.iter().rev().take(count) {
            let mut found = Vec::new();
            if !matches!(self, Self::Forward | Self::ForwardTransitive) {
                found.extend(new.obstacles(old));
            }
            if !matches!(self, Self::Backward | Self::BackwardTransitive) {
                found.extend(old.obstacles(new));
            }
            if !found.is_empty() {
                found.push(format!("{{oldSchemaVersion: {version}}}"));
                found.push(format!("{{compatibility: '{}'}}", self.name()));
                return found;
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Kind;

    #[test]
    fn every_level_compares_what_it_says() {
        let avro = |text: &str| Parsed::read(Kind::Avro, text, &[]).expect("valid");
        // int, then long: long reads int, int does not read long; double reads both.
        let earlier = || vec![(1, avro("\"string\"")), (2, avro("\"long\""))];
        for (level, new, fits) in [
            (Level::None, "\"boolean\"", true),
            (Level::Backward, "\"double\"", true),
            (Level::Backward, "\"int\"", false),
            (Level::Forward, "\"int\"", true),
            (Level::Forward, "\"double\"", false),
            (Level::Full, "\"long\"", true),
            (Level::Full, "\"double\"", false),
            (Level::BackwardTransitive, "\"double\"", false),
            (Level::BackwardTransitive, "[\"double\",\"string\"]", true),
            (Level::ForwardTransitive, "\"int\"", false),
            (Level::FullTransitive, "\"long\"", false),
        ] {
            let found = level.obstacles(&avro(new), &earlier());
            assert_eq!(found.is_empty(), fits, "{} {new}: {found:?}", level.name());
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert!(Level::FullTransitive.obstacles(&avro("\"int\""), &[]).is_empty());
        assert_eq!(Level::parse("sideways"), None);
    }

    #[test]
    fn another_language_is_never_compatible() {
        let avro = Parsed::read(Kind::Avro, "\"string\"", &[]).expect("valid");
        let json = Parsed::read(Kind::Json, "true", &[]).expect("valid");
        assert!(!Level::Backward.obstacles(&json, &[(1, avro)]).is_empty());
    }
}
