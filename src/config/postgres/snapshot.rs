//! The options of snapshots: whether, which tables, which rows, in which order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Reader;
use super::filters::{Patterns, split_list};
use crate::config::define::required;
use crate::problem::Problem;

/// `snapshot.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMode {
    /// Once, when there is no position yet; then stream.
    Initial,
    /// Once; never stream.
    InitialOnly,
    /// Never; stream.
    NoData,
    /// At every start; then stream.
    Always,
}

/// `snapshot.tables.order.by.row.count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableOrder {
    /// By schema and name.
    Name,
    /// Small tables first, by PostgreSQL's estimate.
    Ascending,
    /// Large tables first.
    Descending,
}

/// What a connector's configuration says about snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotConfig {
    /// When one is taken.
    pub mode: SnapshotMode,
    /// `when_needed`: a position that is no longer available leads to a snapshot, not to an error.
    pub when_needed: bool,
    /// `snapshot.include.collection.list`.
    include: Patterns,
    /// `snapshot.select.statement.overrides`, by `schema.table`.
    selects: BTreeMap<String, String>,
    /// In which order tables are read.
    pub order: TableOrder,
    /// `snapshot.max.threads`.
    pub threads: usize,
    /// Into so many chunks a table counts as cut, at most, in notifications (`snapshot.max.threads.multiplier` for each of the
    /// threads); `None`: they do not tell of chunks.
    pub told_chunks: Option<u64>,
    /// `snapshot.locking.mode=shared`: all tables are locked (ACCESS SHARE) before the first is read, not each before its own rows.
    pub locks_first: bool,
    /// `snapshot.lock.timeout.ms`.
    pub lock_timeout: Duration,
    /// `snapshot.delay.ms`.
    pub delay: Duration,
    /// `streaming.delay.ms`.
    pub streaming_delay: Duration,
    /// `incremental.snapshot.chunk.size`.
    pub chunk_rows: u64,
}

impl SnapshotConfig {
    /// True when a captured table is read.
    pub fn includes(&self, schema: &str, table: &str) -> bool {
        self.include.is_empty() || self.include.any_matches(&format!("{schema}.{table}"))
    }

    /// The statement that selects a table's rows, when it has one of its own.
    pub fn select_of(&self, schema: &str, table: &str) -> Option<&str> {
        self.selects.get(&format!("{schema}.{table}")).map(String::as_str)
    }
}

impl Reader<'_> {
    pub(super) fn snapshot(&mut self) -> SnapshotConfig {
        let (mode, when_needed) = self.snapshot_mode();
        SnapshotConfig {
            mode,
            when_needed,
            include: self.snapshot_tables(),
            selects: self.snapshot_selects(),
            order: match self.word("snapshot.tables.order.by.row.count").as_str() {
                "ascending" => TableOrder::Ascending,
                "descending" => TableOrder::Descending,
                _ => TableOrder::Name,
            },
            threads: self.number("snapshot.max.threads"),
            told_chunks: self.told_chunks(),
            locks_first: self.word("snapshot.locking.mode") == "shared",
            lock_timeout: self.millis("snapshot.lock.timeout.ms"),
            delay: self.millis("snapshot.delay.ms"),
            streaming_delay: self.millis("streaming.delay.ms"),
            chunk_rows: self.number("incremental.snapshot.chunk.size"),
        }
    }

    fn told_chunks(&mut self) -> Option<u64> {
        let [threads, each]: [u64; 2] = ["snapshot.max.threads", "snapshot.max.threads.multiplier"].map(|name| self.number(name));
        let chunks = threads.saturating_mul(each);
        Some(chunks).filter(|chunks| *chunks > 1 && !self.flag("legacy.snapshot.max.threads"))
    }

    fn snapshot_mode(&mut self) -> (SnapshotMode, bool) {
        match self.word("snapshot.mode").as_str() {
            "initial_only" => (SnapshotMode::InitialOnly, false),
            // Its names up to Debezium 2.
            "no_data" | "never" | "schema_only" => (SnapshotMode::NoData, false),
            "always" => (SnapshotMode::Always, false),
            "when_needed" => (SnapshotMode::Initial, true),
            "configuration_based" => {
                let [data, stream, on_error] = ["snapshot.data", "start.stream", "snapshot.on.data.error"]
                    .map(|part| self.flag(&format!("snapshot.mode.configuration.based.{part}")));
                let mode = match (data, stream) {
                    (true, true) => SnapshotMode::Always,
                    (true, false) => SnapshotMode::InitialOnly,
                    (false, _) => SnapshotMode::NoData,
                };
                if !data && !stream {
                    let problem = Problem::refuse("config/value", "snapshot.mode=configuration_based asks for nothing");
                    let fix =
                        "set snapshot.mode.configuration.based.snapshot.data, snapshot.mode.configuration.based.start.stream, or both";
                    self.refuse("snapshot.mode", problem.fix(fix));
                }
                (mode, on_error)
            }
            _ => (SnapshotMode::Initial, false),
        }
    }

    fn snapshot_tables(&mut self) -> Patterns {
        let option = "snapshot.include.collection.list";
        Patterns::parse(option, &self.text(option)).unwrap_or_else(|problem| {
            self.refuse(option, problem);
            Patterns::default()
        })
    }

    fn snapshot_selects(&mut self) -> BTreeMap<String, String> {
        let mut selects = BTreeMap::new();
        for table in split_list(&self.text("snapshot.select.statement.overrides")) {
            let option = format!("snapshot.select.statement.overrides.{table}");
            let select = self.text(&option).trim_end_matches(';').to_owned();
            if select.is_empty() {
                self.refuse(&option, required(&option));
            }
            selects.insert(table, select);
        }
        selects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::define::KeyProblem;
    use crate::config::postgres::testing;

    fn parse(pairs: &[(&str, &str)]) -> Result<SnapshotConfig, Vec<KeyProblem>> {
        testing::parse(pairs).map(|config| config.snapshot)
    }

    #[test]
    fn the_parts_of_a_configuration_based_mode_make_up_a_mode() {
        let mode = |data: &str, stream: &str, on_error: &str| {
            let parts = [
                ("snapshot.mode", "configuration_based"),
                ("snapshot.mode.configuration.based.snapshot.data", data),
                ("snapshot.mode.configuration.based.start.stream", stream),
                ("snapshot.mode.configuration.based.snapshot.on.data.error", on_error),
            ];
            parse(&parts).map(|config| (config.mode, config.when_needed)).map_err(|problems| problems.len())
        };
        assert_eq!(mode("true", "true", "false"), Ok((SnapshotMode::Always, false)));
        assert_eq!(mode("true", "false", "false"), Ok((SnapshotMode::InitialOnly, false)));
        assert_eq!(mode("false", "true", "true"), Ok((SnapshotMode::NoData, true)));
        assert_eq!(mode("false", "false", "false"), Err(1));
    }

    #[test]
    fn a_table_that_has_its_own_select_must_say_it() {
        let listed = ("snapshot.select.statement.overrides", "s.a, s.b");
        let (a, b) = ("snapshot.select.statement.overrides.s.a", "snapshot.select.statement.overrides.s.b");
        let config = parse(&[listed, (a, "select * from s.a;"), (b, "select 1")]).expect("valid");
        assert_eq!((config.select_of("s", "a"), config.select_of("s", "c")), (Some("select * from s.a"), None));
        let problems = parse(&[listed, (a, "select 1")]).expect_err("one is missing");
        assert_eq!(problems[0].key, b);
    }

    #[test]
    fn the_list_of_tables_to_read_is_matched_whole() {
        let config = parse(&[("snapshot.include.collection.list", "s.a.*,S.B")]).expect("valid");
        assert!(config.includes("s", "a1") && config.includes("s", "b") && !config.includes("s", "bc"));
        assert!(parse(&[]).expect("valid").includes("any", "table"));
    }
}
