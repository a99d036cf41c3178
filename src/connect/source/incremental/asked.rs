//! What signals ask of incremental snapshots: to take one, to let it rest, to leave tables out.
//!
//! Owns which tables a signal means. Promises that what was asked is in a checkpoint before anything of it is read, and
//! that tables come in the order in which they were asked for.

use super::{LEFT_MAX, Reader, Watch, selectable};
use crate::change::incremental::Collection;
use crate::change::signal::{self, SnapshotRequest};
use crate::change::{Incremental, RelationId};
use crate::connect::source::stream::Stream;
use crate::log::LogWriter;
use crate::postgres::catalog::Table;
use crate::postgres::publication::Published;
use crate::postgres::reading;
use crate::problem::Problem;

impl<W: LogWriter> Stream<'_, W> {
    /// Takes an incremental snapshot, or adds its tables to the one that is being taken. False: told to stop meanwhile.
    pub(in crate::connect::source) async fn take_incremental(&mut self, id: String, request: &SnapshotRequest) -> Result<bool, Problem> {
        if !self.open_commit().await? {
            return Ok(false);
        }
        self.reopen_client().await?;
        let connector = self.context.config.name.clone();
        let (tables, selectable) = selectable(self.context, &self.client, self.server_version).await?;
        let asked = expand(request, &tables, &selectable);
        let left = self.work.watch.as_ref().map_or(0, |watch| watch.state().left.len());
        if asked.is_empty() || left + asked.len() > LEFT_MAX {
            let why = if asked.is_empty() { "it names no table" } else { "it names too many tables: at most 1000 may wait" };
            tracing::warn!(connector, id, "the signal for an incremental snapshot has no effect: {why}");
            return Ok(true);
        }
        let floor = reading::newest_xid(&self.client).await.map_err(|error| self.context.problem(&error))?;
        match &mut self.work.watch {
            Some(watch) => {
                watch.raise_floor(floor);
                let state = watch.state_mut();
                state.id = id;
                state.left.extend(asked);
                tracing::info!(connector, id = state.id, tables = state.names(), "more tables for the incremental snapshot");
            }
            None => {
                let state = Incremental { id, left: asked.into(), ..Incremental::default() };
                let names = state.names();
                tracing::info!(connector, id = state.id, tables = names, "an incremental snapshot begins");
                self.context.status.begin_incremental();
                self.work.watch = Some(Box::new(Watch::new(state, floor)));
                self.incremental = Some(Reader::new(self.context, self.server_version));
                self.tell("STARTED", vec![("data_collections", names)]).await?;
            }
        }
        Ok(true)
    }

    /// Leaves tables out of the incremental snapshot, or ends it. False: told to stop meanwhile.
    pub(in crate::connect::source) async fn stop_incremental(&mut self, id: &str, named: &[signal::Collection]) -> Result<bool, Problem> {
        let connector = self.context.config.name.clone();
        if self.work.watch.is_none() {
            tracing::warn!(connector, id, "there is no incremental snapshot to stop");
            return Ok(true);
        }
        let is_named = |of: &Collection| named.is_empty() || named.iter().any(|named| named.matches(&of.schema, &of.table));
        let stopped = self.leave_out(is_named).await?;
        if stopped.as_ref().is_some_and(String::is_empty) {
            tracing::warn!(connector, id, "the incremental snapshot has none of the tables that the signal would stop");
        }
        Ok(stopped.is_some())
    }

    /// Leaves tables out of the incremental snapshot that are not captured any more.
    pub(in crate::connect::source) async fn leave_out_unfollowed(&mut self) -> Result<(), Problem> {
        let config = std::sync::Arc::clone(&self.context.config);
        if let Some(reader) = &mut self.incremental {
            reader.selectable.clear();
        }
        // Told to stop meanwhile, it is left out when it is to be read: it is found nowhere then.
        self.leave_out(|of| !config.tables.includes(&of.schema, &of.table)).await.map(drop)
    }

    /// The names of what was left out. `None`: told to stop meanwhile.
    async fn leave_out(&mut self, is_named: impl Fn(&Collection) -> bool) -> Result<Option<String>, Problem> {
        let connector = self.context.config.name.clone();
        let Some(watch) = &self.work.watch else { return Ok(Some(String::new())) };
        let stopped: Vec<_> = watch.state().left.iter().filter(|of| is_named(of)).map(Collection::name).collect();
        let stopped = stopped.join(",");
        if stopped.is_empty() {
            return Ok(Some(stopped));
        }
        let stops_current = watch.state().current().is_some_and(&is_named);
        if !self.open_commit().await? {
            return Ok(None);
        }
        tracing::info!(connector, tables = stopped, "left out of the incremental snapshot");
        if let Some(watch) = &mut self.work.watch {
            if stops_current {
                watch.follow(None);
            }
            let state = watch.state_mut();
            if stops_current {
                state.begin_again();
            }
            state.left.retain(|of| !is_named(of));
        }
        if let Some(reader) = &mut self.incremental
            && stops_current
        {
            reader.forget_table(self.context);
        }
        self.tell("ABORTED", vec![("data_collections", stopped.clone())]).await?;
        if self.work.watch.as_ref().is_none_or(|watch| watch.state().left.is_empty()) {
            self.context.status.end_incremental(false);
        }
        self.end_incremental().await?;
        Ok(Some(stopped))
    }

    /// Lets the incremental snapshot rest, or go on. False: told to stop meanwhile.
    pub(in crate::connect::source) async fn rest_incremental(&mut self, id: &str, rest: bool) -> Result<bool, Problem> {
        let connector = self.context.config.name.clone();
        let Some(watch) = self.work.watch.as_ref().filter(|watch| watch.state().paused != rest) else {
            tracing::info!(connector, id, "no incremental snapshot is to be {}", if rest { "paused" } else { "resumed" });
            return Ok(true);
        };
        let names = watch.state().names();
        if !self.open_commit().await? {
            return Ok(false);
        }
        if let Some(watch) = &mut self.work.watch {
            watch.state_mut().paused = rest;
        }
        if let Some(reader) = &mut self.incremental {
            reader.go_on();
        }
        self.tell(if rest { "PAUSED" } else { "RESUMED" }, vec![("data_collections", names)]).await?;
        Ok(true)
    }
}

/// The tables that a request means, each once, in the order of what names them. As in Debezium, what names no table that
/// is known is tried as a name. A partitioned table stands for its partitions where those are what is published.
fn expand(request: &SnapshotRequest, tables: &[Table], selectable: &[(Table, Published)]) -> Vec<Collection> {
    let is_read = |id: RelationId| selectable.iter().any(|(table, _)| table.id == id);
    let above = |table: &Table| tables.iter().filter(|root| table.ancestors.contains(&root.id) && !is_read(root.id)).collect::<Vec<_>>();
    let mut found: Vec<Collection> = Vec::new();
    let mut add = |schema: &str, table: &str, filter: Option<&str>| {
        if found.iter().all(|known| known.schema != schema || known.table != table) {
            let (schema, table) = (schema.to_owned(), table.to_owned());
            let (filter, surrogate_key) = (filter.map(str::to_owned), request.surrogate_key.clone());
            found.push(Collection { schema, table, filter, surrogate_key, reconcile: request.reconciles() });
        }
    };
    for named in &request.collections {
        let mut any = false;
        for (table, _) in selectable {
            let roots = above(table);
            let is_named = |table: &Table| named.matches(&table.schema, &table.table);
            if is_named(table) || roots.iter().any(|root| is_named(root)) {
                let filter = |table: &Table| request.filter_of(&table.schema, &table.table);
                add(&table.schema, &table.table, filter(table).or_else(|| roots.iter().find_map(|root| filter(root))));
                any = true;
            }
        }
        if !any {
            match named.name() {
                Some((schema, table)) => add(schema, table, request.filter_of(schema, table)),
                None => tracing::warn!("a signal asks for a snapshot of {:?}, which names no table", named.text()),
            }
        }
    }
    found
}
