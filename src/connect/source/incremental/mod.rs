//! Incremental snapshots: tables that a signal asks for, read chunk by chunk while the stream goes on.
//!
//! Owns when a chunk is read and how, and when its rows are written. Promises that no change of the stream is withheld,
//! that no row comes behind a newer event of its key ([`window`] decides), that the rows of a chunk and how far the
//! snapshot is are in one commit, and that nothing is written to the source. A table that cannot be read ends with a
//! notice and a line in the log, never the connector. Asking, pausing and stopping is [`asked`]'s affair, what a table that is
//! reconciled has before its rows are read and behind them is [`reconcile`]'s.

mod asked;
mod keys;
mod reconcile;
pub(super) mod window;

use std::mem;
use std::time::{Duration, Instant};

use self::keys::Keys;
use self::window::{Watch, Watched, Window, shape};
use super::backfill::nudge;
use super::commits::COMMIT_BYTES_MAX;
use super::notices;
use super::pauses::Pauses;
use super::snapshot::{ROWS_PER_LOOK, Source, copy_problem, push_read};
use super::stream::Stream;
use super::task::{Context, now_ns};
use crate::change::incremental::{Collection, Place};
use crate::change::notice::INCREMENTAL_SNAPSHOT;
use crate::change::{Cell, Incremental, Lsn, Notice, Position, SnapshotMark, Tuple};
use crate::config::postgres::PublicationAutocreate;
use crate::connect::status::EndedTable;
use crate::log::LogWriter;
use crate::postgres::catalog::{self, Table};
use crate::postgres::connection::Session;
use crate::postgres::copy_text::CopyRow;
use crate::postgres::paging::{self, By, Page, Paged};
use crate::postgres::publication::{self, Published};
use crate::postgres::reading::{self, Opened};
use crate::postgres::{Client, Connection, PostgresError};
use crate::problem::{Action, Problem};

/// So many tables may wait: each commit's checkpoint names them all.
pub(super) const LEFT_MAX: usize = 1000;

/// Rows that wait for the stream have no more bytes than this, but for the last one: then a chunk has fewer rows.
const WINDOW_BYTES_MAX: usize = 16 << 20;
/// Rows that stand at one place, of a table without key, have no more: they cannot be read in parts.
const TIED_BYTES_MAX: usize = 64 << 20;
/// So many rows are read again at once.
const REPAIRS_AT_ONCE: usize = 200;
/// So often at the end of a table, while rows change whenever they are read.
const REPAIR_ROUNDS_MAX: u32 = 1000;
/// Between two tries, at most.
const RETRY_MAX: Duration = Duration::from_millis(200);
/// A table that is locked, or a database that is away, is tried again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a table is over: Debezium's words, and one of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanStatus {
    Empty,
    NoPrimaryKey,
    ReconcileRefused,
    SqlException,
    Succeeded,
    UnknownSchema,
}

impl ScanStatus {
    const fn is_success(self) -> bool {
        matches!(self, Self::Empty | Self::Succeeded)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::NoPrimaryKey => "NO_PRIMARY_KEY",
            Self::ReconcileRefused => "RECONCILE_REFUSED",
            Self::SqlException => "SQL_EXCEPTION",
            Self::Succeeded => "SUCCEEDED",
            Self::UnknownSchema => "UNKNOWN_SCHEMA",
        }
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It got further.
    Done,
    /// The stream has to come further, or others have to end first.
    NotYet,
    /// Somebody holds the table locked, or the server is busy.
    Later,
}

/// Why something could not be read.
enum Fault {
    /// Passing trouble.
    Later(String),
    /// It would be so every time: the table is over.
    Over(ScanStatus, String),
    /// The connector fails, or begins again.
    Failed(Problem),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// Reads the chunks.
pub(super) struct Reader {
    server_version: u32,
    session: Option<Connection>,
    /// The tables that may be read; looked up again with each table.
    selectable: Vec<(Table, Published)>,
    /// The table that is being read, and what stood for its columns.
    source: Option<(i64, Described)>,
    pauses: Pauses,
    nudged: Instant,
    /// Rows of the next chunk: the option's, or fewer when they are large.
    rows: u64,
    /// So many rows are read again at once: fewer when they are large.
    repairs_at_once: usize,
    repair_rounds: u32,
    /// Nothing is behind the cursor, and the stream has passed that.
    at_end: bool,
    /// Tables were added to our publication: it is renewed before anything more is read.
    renew: bool,
}

/// How a table is read.
struct Described {
    source: Source,
    collection: Collection,
    /// The columns by which it is read, and where they are.
    by: Vec<By>,
    places: Vec<usize>,
    /// So many of them are told of.
    shown: usize,
    /// The columns that say in the stream which row is meant, and where they are.
    key: Vec<By>,
    key_places: Vec<usize>,
    /// No two rows have the same key.
    unique: bool,
}

impl Described {
    fn paged(&self) -> Paged<'_> {
        let Source { table, published, plan, .. } = &self.source;
        Paged { relation: &plan.relation, table, published, filter: self.collection.filter.as_deref() }
    }

    fn place_of(&self, row: Tuple<'_>) -> Place {
        self.places.iter().map(|place| text_of(row, *place)).collect()
    }

    /// What a cursor is of use for: the same columns.
    fn signature(&self) -> String {
        let part = |by: &By| format!("{}{}", by.name, if by.nullable { "?" } else { "" });
        self.by.iter().map(part).collect::<Vec<_>>().join(", ")
    }

    fn shown(&self, place: &Place) -> String {
        let shown = place.iter().take(self.shown).map(|value| value.as_deref().unwrap_or("<null>"));
        shown.collect::<Vec<_>>().join(",")
    }
}

fn text_of(row: Tuple<'_>, place: usize) -> Option<String> {
    match row.cell(place) {
        Cell::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Cell::Null | Cell::Unchanged => None,
    }
}

impl Reader {
    fn new(context: &Context, server_version: u32) -> Self {
        Self {
            server_version,
            session: None,
            selectable: Vec::new(),
            source: None,
            pauses: Pauses::new(),
            nudged: Instant::now(),
            rows: context.config.snapshot.chunk_rows,
            repairs_at_once: REPAIRS_AT_ONCE,
            repair_rounds: 0,
            at_end: false,
            renew: false,
        }
    }

    /// Tables were added to the publication.
    pub(super) fn renew_publication(&mut self, context: &Context) {
        self.renew = context.config.publication_autocreate == PublicationAutocreate::Filtered;
    }

    /// Goes on with what a checkpoint says.
    pub async fn resume(
        context: &Context,
        client: &Client,
        server_version: u32,
        state: &Incremental,
    ) -> Result<(Self, Box<Watch>), Problem> {
        let wrong = |error: PostgresError| context.problem(&error);
        let mut state = state.clone();
        if state.current().is_some_and(|collection| collection.reconcile.is_some()) {
            // What was seen is forgotten.
            state.begin_again();
        }
        let mut watch = Box::new(Watch::new(state.clone(), reading::newest_xid(client).await.map_err(wrong)?));
        // From the first change on: those that move rows are of interest before the next chunk is read.
        let (_, selectable) = selectable(context, client, server_version).await?;
        if let Some((table, _)) = state.current().and_then(|collection| find(&selectable, collection)) {
            let mut keys = reading::keys(client, &[table.id]).await.map_err(wrong)?;
            // As it was read so far; nothing was, where this is empty.
            let by: Vec<_> = columns_of(&state.by).map(str::to_owned).collect();
            let identity: Vec<_> = keys.remove(&table.id).unwrap_or_default().into_iter().map(|column| column.name).collect();
            let key = if identity.is_empty() { by.clone() } else { identity };
            let followed = (!key.is_empty()).then(|| Watched::new(table.id, key, by, false, Vec::new()));
            watch.follow(followed);
        }
        tracing::info!(
            connector = context.config.name,
            tables = state.left.len(),
            paused = state.paused,
            "the incremental snapshot goes on"
        );
        let mut reader = Self::new(context, server_version);
        // Whether it has been is not known any more.
        reader.renew_publication(context);
        Ok((reader, watch))
    }

    /// The table that is being read is left out.
    fn forget_table(&mut self, context: &Context) {
        self.source = None;
        self.selectable.clear();
        self.repairs_at_once = REPAIRS_AT_ONCE;
        self.repair_rounds = 0;
        self.at_end = false;
        self.rows = context.config.snapshot.chunk_rows;
        self.go_on();
    }

    /// Does not wait any longer.
    fn go_on(&mut self) {
        self.pauses.rest(Duration::ZERO);
    }

    fn plan_next(&mut self, outcome: Outcome, took: Duration, behind: bool) {
        match outcome {
            // The stream gets its half of the time.
            Outcome::Done => self.pauses.rest(if behind { took } else { Duration::ZERO }),
            Outcome::NotYet => self.pauses.put_off(RETRY_MAX),
            Outcome::Later => self.pauses.rest(PAUSE),
        }
    }

    /// Goes on by one chunk, read or written.
    async fn step<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<Outcome, Problem> {
        let passed = stream.passed();
        let Some(watch) = &mut stream.work.watch else { return Ok(Outcome::NotYet) };
        if watch.begins_again() {
            tracing::warn!("what is known of the rows does not suffice any more: the table is read from its first row again");
            watch.close();
            self.source = None;
            self.at_end = false;
        }
        if watch.window().is_some_and(|window| window.is_void) {
            watch.close();
            self.source = None;
            tracing::debug!("a chunk is read again: the table changed under it");
        }
        if let Some(window) = watch.window() {
            return if passed < window.until { Ok(Outcome::NotYet) } else { self.write(stream).await };
        }
        if watch.state().paused {
            return Ok(Outcome::NotYet);
        }
        if !stream.open_commit().await? {
            return Ok(Outcome::NotYet);
        }
        let outcome = if self.collects(stream) { self.collect(stream).await } else { self.read(stream).await };
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(Fault::Failed(problem)) => Err(problem),
            Err(Fault::Later(why)) => {
                self.session = None;
                self.selectable.clear();
                tracing::debug!("a chunk is read later: {why}");
                Ok(Outcome::Later)
            }
            Err(Fault::Over(status, why)) => {
                self.session = None;
                let table = stream.work.watch.as_ref().and_then(|watch| watch.state().current().map(Collection::name));
                tracing::warn!(
                    connector = stream.context.config.name,
                    table,
                    status = status.text(),
                    "the incremental snapshot of this table ends: {why}"
                );
                if !stream.open_commit().await? {
                    return Ok(Outcome::NotYet);
                }
                self.finish_table(stream, status, Some(why)).await?;
                Ok(Outcome::Done)
            }
        }
    }

    /// Reads a chunk, if one may be read now.
    async fn read<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<Outcome, Fault> {
        let state = watch_of(stream)?.state();
        let Some(collection) = state.current().cloned() else { return Ok(Outcome::Done) };
        let repairs = state.repairs.len();
        let reconciles = collection.reconcile.is_some();
        if reconciles && !watch_of(stream)?.keys().is_some_and(Keys::is_searched) {
            // Whatever became of the rest: keys that were not looked for in the whole table are not gone.
            self.at_end = false;
        }
        // To tell what is gone the table has to be known; where it was read anew, it is found again first.
        let is_known = !reconciles || self.source.is_some();
        if self.at_end && is_known && (repairs == 0 || self.repair_rounds >= REPAIR_ROUNDS_MAX) {
            if repairs > 0 {
                let table = collection.name();
                tracing::warn!(
                    table,
                    repairs,
                    "rows changed whenever they were read: their large values stay unavailable until their next change"
                );
            }
            if reconciles && self.tell_gone(stream).await? {
                return Ok(Outcome::Done);
            }
            let is_empty = reconciles && watch_of(stream)?.state().rows == 0;
            let status = if is_empty { ScanStatus::Empty } else { ScanStatus::Succeeded };
            self.finish_table(stream, status, None).await?;
            return Ok(Outcome::Done);
        }
        let (table, _) = self.find(stream, &collection).await?;
        let Some(opened) = self.open(stream, &table).await? else { return Ok(Outcome::Later) };
        let watch = watch_of(stream)?;
        if !watch.may_read(&opened.seen) {
            let floor = watch.waits_below();
            self.tell_of_waiting(floor);
            self.end(stream).await?;
            return Ok(Outcome::NotYet);
        }
        self.pauses.waited();
        if self.renew {
            self.end(stream).await?;
            self.renew_now(stream, &table).await?;
            return Ok(Outcome::NotYet);
        }
        let known = self.source.as_ref().is_some_and(|(columns, described)| {
            *columns == opened.columns && described.source.table.id == table.id && described.collection == collection
        });
        if !known {
            // Under the lock nothing of this changes any more: what the publication says of its columns may be new, too.
            self.selectable.clear();
            let (table, published) = self.find(stream, &collection).await?;
            let described = self.describe(stream, table, published, collection.clone()).await?;
            self.source = Some((opened.columns, described));
            if self.collects(stream) {
                self.end(stream).await?;
                return Ok(Outcome::Done);
            }
        }
        if watch_of(stream)?.state().greatest.is_none() {
            let Some(greatest) = self.read_greatest(stream).await? else {
                self.end(stream).await?;
                if reconciles {
                    // The stream may not have told yet why it is empty.
                    watch_of(stream)?.open(Window::new(opened.seen, opened.until, 0));
                    return Ok(Outcome::Done);
                }
                self.finish_table(stream, ScanStatus::Empty, None).await?;
                return Ok(Outcome::Done);
            };
            watch_of(stream)?.state_mut().greatest = Some(greatest);
        }
        self.read_rows(stream, &opened).await?;
        self.end(stream).await?;
        Ok(Outcome::Done)
    }

    /// Every transaction that was open when tables were added is over.
    async fn renew_now<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, table: &Table) -> Result<(), Fault> {
        let Some(session) = &mut self.session else { return Err(gone()) };
        let name = stream.context.config.publication_name.clone();
        match stream.keep_alive(publication::renew(session, &name)).await? {
            Ok(()) => self.renew = false,
            // Others alter it just now, or the server is busy.
            Err(PostgresError::Server(message)) if ["40", "53", "55", "57", "XX"].iter().any(|class| message.code.starts_with(class)) => {
                return Err(Fault::Later(message.message));
            }
            // A standby, or a role that may not: it was not us who added to it.
            Err(PostgresError::Server(message)) => {
                tracing::debug!(publication = name, "it is not renewed: {}", message.message);
                self.renew = false;
            }
            Err(error) => return Err(fault(error, stream.context, table)),
        }
        Ok(())
    }

    /// Reads the next rows into a window, or those that are to be read again: when they are many, and at the end. An empty
    /// window is waited for, too: until then the stream may move rows away that nobody has read.
    async fn read_rows<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, opened: &Opened) -> Result<(), Fault> {
        let repairs = watch_of(stream)?.state().repairs.len();
        if self.at_end || repairs >= REPAIRS_AT_ONCE {
            self.repair_rounds += u32::from(self.at_end);
            let window = self.read_window(stream, opened, repairs.min(self.repairs_at_once)).await?;
            watch_of(stream)?.open(window);
            return Ok(());
        }
        let window = self.read_window(stream, opened, 0).await?;
        let end = window.end.clone();
        let watch = watch_of(stream)?;
        watch.state_mut().rows += window.len() as u64;
        watch.open(window);
        match end {
            Some(end) => self.tell_progress(stream, &end).await.map_err(Fault::from),
            None => Ok(()),
        }
    }

    /// Reads the rows behind the cursor, or those that are to be read again.
    async fn read_window<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, opened: &Opened, repairs: usize) -> Result<Window, Fault> {
        let (Some(session), Some((_, described))) = (&mut self.session, &self.source) else { return Err(gone()) };
        let state = watch_of(stream)?.state();
        let Some(up_to) = &state.greatest else { return Err(gone()) };
        let (by, page) = match repairs {
            0 => (&described.by, Page::Next { after: state.cursor.as_ref(), up_to, rows: self.rows, with_ties: !described.unique }),
            asked => (&described.key, Page::At(state.repairs.get(..asked).unwrap_or_default())),
        };
        let sql = paging::copy(described.paged(), by, page);
        let table = &described.source.table;
        stream.keep_alive(session.copy_out(&sql)).await?.map_err(|error| fault(error, stream.context, table))?;
        let mut window = Window::new(opened.seen.clone(), opened.until, repairs);
        let mut row = CopyRow::default();
        while let Some(line) = next_line(session, stream, table).await? {
            row.parse(line).map_err(|error| Problem::fail("row/undecodable", error.to_string()).at(table.name()))?;
            window.push(line, row.tuple(), &described.key_places);
            let work = &mut stream.work;
            if let Some(keys) = work.watch.as_deref_mut().and_then(Watch::keys_mut) {
                let plan = &described.source.plan;
                let gone = keys.subject().gone;
                keys.saw(work.encoder.key_of(plan, &gone, row.tuple(), None).map_err(|error| error.problem())?);
            }
            if repairs == 0 {
                window.end = Some(described.place_of(row.tuple()));
            }
            if window.bytes() >= WINDOW_BYTES_MAX && repairs == 0 && described.unique {
                // The rest of the answer is not read.
                self.session = None;
                self.rows = (window.len() as u64).max(1);
                return Ok(window);
            }
            if window.bytes() >= WINDOW_BYTES_MAX && repairs > 1 {
                self.repairs_at_once = (repairs / 4).max(1);
                return Err(Fault::Later(format!("{repairs} rows are too large to be read again at once")));
            }
            if window.bytes() >= TIED_BYTES_MAX && repairs == 0 {
                return Err(Fault::Over(ScanStatus::SqlException, "too many rows have the same key".to_owned()));
            }
            if (window.len() as u64).is_multiple_of(ROWS_PER_LOOK) {
                stream.look_up().await?;
                if stream.context.is_stopping() {
                    return Err(Fault::Later("the connector is told to stop".to_owned()));
                }
            }
        }
        if window.bytes() < WINDOW_BYTES_MAX / 4 {
            self.rows = (self.rows * 2).min(stream.context.config.snapshot.chunk_rows);
        }
        Ok(window)
    }

    /// The greatest key of the table now; `None`: it has no row.
    async fn read_greatest<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<Option<Place>, Fault> {
        let (Some(session), Some((_, described))) = (&mut self.session, &self.source) else { return Err(gone()) };
        let table = &described.source.table;
        let sql = paging::copy(described.paged(), &described.by, Page::Last);
        stream.keep_alive(session.copy_out(&sql)).await?.map_err(|error| fault(error, stream.context, table))?;
        let (mut row, mut greatest) = (CopyRow::default(), None);
        while let Some(line) = next_line(session, stream, table).await? {
            row.parse(line).map_err(|error| Problem::fail("row/undecodable", error.to_string()).at(table.name()))?;
            greatest = Some((0..described.by.len()).map(|place| text_of(row.tuple(), place)).collect());
        }
        Ok(greatest)
    }

    /// The stream has passed the window: writes the rows that are still true.
    async fn write<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<Outcome, Problem> {
        if !stream.open_commit().await? {
            return Ok(Outcome::NotYet);
        }
        let (Some((_, described)), Some(mut window)) = (&mut self.source, watch_of(stream)?.close()) else { return Ok(Outcome::NotYet) };
        // With the first commit: the next ones leave behind what was dropped.
        let repairs = mem::take(&mut window.repairs);
        watch_of(stream)?.state_mut().repairs.extend(repairs);
        let at = position(stream);
        stream.work.encoder.set_now(now_ns());
        let mut row = CopyRow::default();
        for line in window.lines() {
            row.parse(line)
                .map_err(|error| Problem::fail("row/undecodable", error.to_string()).at(described.source.plan.relation.name()))?;
            let work = &mut stream.work;
            push_read(&stream.context.config, &mut work.encoder, &mut described.source.plan, &row, at, &mut work.commits).await?;
            if work.commits.bytes() >= COMMIT_BYTES_MAX {
                // Of rows that share a key, all are written or all are read again.
                if window.repairs_asked == 0 && described.unique {
                    let cursor = described.place_of(row.tuple());
                    watch_of(stream)?.state_mut().cursor = Some(cursor);
                }
                stream.hand_over().await?;
                if !stream.open_commit().await? {
                    return Ok(Outcome::NotYet);
                }
            }
        }
        if window.is_last() {
            self.at_end = true;
            if let Some(keys) = watch_of(stream)?.keys_mut() {
                keys.is_searched_through();
            }
        }
        let state = watch_of(stream)?.state_mut();
        state.repairs.drain(..window.repairs_asked.min(state.repairs.len()));
        if window.end.is_some() {
            state.cursor = window.end;
        }
        stream.hand_over().await?;
        Ok(Outcome::Done)
    }

    /// The current table is over.
    async fn finish_table<W: LogWriter>(
        &mut self,
        stream: &mut Stream<'_, W>,
        status: ScanStatus,
        why: Option<String>,
    ) -> Result<(), Problem> {
        let watch = watch_of(stream)?;
        // Keys are left where their records went by retention meanwhile: nobody is told of them.
        let untold = watch.keys().filter(|keys| status.is_success() && keys.is_searched()).map_or(0, Keys::left);
        let told = watch.keys().filter(|keys| keys.is_whole()).map(|keys| (keys.deleted(), keys.is_cut() || untold > 0));
        if untold > 0 {
            tracing::warn!(
                keys = untold,
                table = watch.state().current().map(Collection::name),
                "the topic's retention took records while it was reconciled: of so many keys nobody is told that they are gone"
            );
        }
        let state = watch.state();
        let reconciles = state.current().is_some_and(|collection| collection.reconcile.is_some());
        let ended = EndedTable {
            table: state.current().map(Collection::name).unwrap_or_default(),
            status: status.text(),
            why: why.clone(),
            rows: state.rows,
            deleted: told.map(|(deleted, _)| deleted),
        };
        let mut data = vec![
            ("data_collections", state.names()),
            ("scanned_collection", state.current().map(Collection::name).unwrap_or_default()),
            ("total_rows_scanned", state.rows.to_string()),
            ("status", status.text().to_owned()),
        ];
        if reconciles {
            data.extend(told.map(|(deleted, _)| ("total_rows_deleted", deleted.to_string())));
            data.extend(told.filter(|(_, is_cut)| *is_cut).map(|_| ("topic_is_whole", "false".to_owned())));
            data.extend(why.map(|why| ("reason", why)));
        }
        stream.context.status.end_table(ended);
        stream.tell("TABLE_SCAN_COMPLETED", data).await?;
        self.next_table(stream).await?;
        stream.hand_over().await
    }

    /// Leaves the current table.
    async fn next_table<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<(), Problem> {
        self.forget_table(stream.context);
        let watch = watch_of(stream)?;
        watch.follow(None);
        watch.state_mut().next();
        if !watch.state().left.is_empty() {
            return Ok(());
        }
        stream.context.status.end_incremental(true);
        stream.tell("COMPLETED", Vec::new()).await
    }

    /// The table as the catalogue and the publication have it.
    async fn find<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, collection: &Collection) -> Result<(Table, Published), Fault> {
        if self.selectable.is_empty() {
            stream.reopen_client().await?;
            self.selectable = selectable(stream.context, &stream.client, self.server_version).await?.1;
        }
        find(&self.selectable, collection).cloned().ok_or_else(|| {
            let why = "it is not a table that is captured and in the publication: see table.include.list and pg_publication_tables";
            Fault::Over(ScanStatus::UnknownSchema, why.to_owned())
        })
    }

    /// Begins the transaction of a chunk; `None`: not now.
    async fn open<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, table: &Table) -> Result<Option<Opened>, Fault> {
        let context = &*stream.context;
        let session = match &mut self.session {
            Some(session) => session,
            None => {
                let opened = Connection::open(&context.config.connection, Session::Sql, &context.application_name()).await;
                self.session.insert(opened.map_err(|error| fault(error, context, table))?)
            }
        };
        let not_now = match reading::open(session, table).await {
            Ok(Some(opened)) => return Ok(Some(opened)),
            // Renamed or dropped since it was looked up.
            Ok(None) => Ok(None),
            Err(PostgresError::Server(message)) if matches!(message.code.as_str(), "55P03" | "42P01" | "3F000") => Ok(None),
            Err(error) => Err(fault(error, context, table)),
        };
        self.selectable.clear();
        self.session = None;
        not_now
    }

    /// Ends it.
    async fn end<W: LogWriter>(&mut self, stream: &Stream<'_, W>) -> Result<(), Fault> {
        let Some(session) = &mut self.session else { return Ok(()) };
        match session.query("commit").await {
            Ok(_) => Ok(()),
            Err(error) => {
                // Everything was read.
                tracing::debug!("a session of the incremental snapshot ended: {}", stream.context.problem(&error).what);
                self.session = None;
                Ok(())
            }
        }
    }

    /// Finds out how the table is read.
    async fn describe<W: LogWriter>(
        &mut self,
        stream: &mut Stream<'_, W>,
        table: Table,
        published: Published,
        collection: Collection,
    ) -> Result<Described, Fault> {
        stream.reopen_client().await?;
        let id = table.id;
        let keys = reading::keys(&stream.client, &[id]).await.map_err(|error| fault(error, stream.context, &table))?;
        let key = keys.get(&id).cloned().unwrap_or_default();
        let Stream { client, work, .. } = &mut *stream;
        let source = Source::describe(client, table, published, key, &mut work.relations, &mut work.commits.writer).await?;
        let described = described(source, collection)?;
        let checked = paging::check_filter(&stream.client, described.paged()).await;
        checked.map_err(|error| fault(error, stream.context, &described.source.table))?;
        let key = described.key.iter().map(|column| column.name.clone()).collect();
        // An update that changes nothing is not published with this option: it must not take a row's place.
        let exact = described.unique && !stream.context.config.skip_unchanged;
        let by = described.by.iter().map(|column| column.name.clone()).collect();
        if let Some(keys_max) = described.collection.reconcile {
            let subject = reconcile::subject(stream.context, &described)?;
            let watch = watch_of(stream)?;
            if watch.keys().is_none_or(|keys| *keys.subject() != subject) {
                watch.reconcile(Keys::new(subject, keys_max));
                (self.at_end, self.repair_rounds) = (false, 0);
                let (connector, table) = (&stream.context.config.name, described.collection.name());
                tracing::info!(connector, table, "the table is reconciled with its topic, which is read first");
            }
        }
        let followed = Watched::new(id, key, by, exact, shape(&described.source.plan.relation));
        let watch = watch_of(stream)?;
        watch.follow(Some(followed));
        let signature = described.signature();
        if watch.state().by != signature {
            if !watch.state().by.is_empty() {
                tracing::warn!(table = described.collection.name(), "its key is another now: the table is read from its first row again");
            }
            let state = watch.state_mut();
            state.begin_again();
            state.by = signature;
            (self.at_end, self.repair_rounds) = (false, 0);
        }
        Ok(described)
    }

    async fn tell_progress<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, end: &Place) -> Result<(), Problem> {
        let Some((_, described)) = &self.source else { return Ok(()) };
        let state = watch_of(stream)?.state();
        let data = vec![
            ("data_collections", state.names()),
            ("current_collection_in_progress", described.collection.name()),
            ("maximum_key", state.greatest.as_ref().map_or_else(|| "<null>".to_owned(), |place| described.shown(place))),
            ("last_processed_key", described.shown(end)),
        ];
        stream.tell("IN_PROGRESS", data).await
    }

    fn tell_of_waiting(&mut self, floor: Option<u64>) {
        if self.pauses.wait() {
            tracing::warn!(
                older_than = floor,
                "the incremental snapshot goes on when transactions that are open now have ended: see xact_start in pg_stat_activity, and pg_prepared_xacts"
            );
        }
    }
}

/// The columns of a [`Described::signature`].
fn columns_of(signature: &str) -> impl Iterator<Item = &str> {
    signature.split(", ").filter(|part| !part.is_empty()).map(|part| part.strip_suffix('?').unwrap_or(part))
}

/// By which columns a table is read, and which say in the stream which row is meant.
fn described(source: Source, collection: Collection) -> Result<Described, Fault> {
    let relation = &source.plan.relation;
    let by_name = |name: &str| {
        let place = relation.columns.iter().position(|column| *column.name == *name)?;
        let column = relation.columns.get(place)?;
        Some((By { name: name.to_owned(), nullable: column.nullable }, place))
    };
    let mut chosen: Vec<(By, usize)> = match &collection.surrogate_key {
        Some(name) => {
            let why = || format!("the surrogate key \"{name}\" is no column of it");
            vec![by_name(name).ok_or_else(|| Fault::Over(ScanStatus::SqlException, why()))?]
        }
        None => {
            let columns = relation.key_columns().into_iter().filter_map(|place| relation.columns.get(place));
            columns.filter_map(|column| by_name(&column.name)).collect()
        }
    };
    if chosen.is_empty() {
        let why = "it has no primary key and no unique index, and the signal names no surrogate-key";
        return Err(Fault::Over(ScanStatus::NoPrimaryKey, why.to_owned()));
    }
    let shown = chosen.len();
    // Rows that are alike in what they are read by are told apart by what the stream knows them by.
    let identity: Vec<_> = source.key.iter().filter_map(|column| by_name(&column.name)).collect();
    let unique = !identity.is_empty();
    let key = if unique { identity.clone() } else { chosen.clone() };
    let more: Vec<_> = identity.into_iter().filter(|(by, _)| chosen.iter().all(|(known, _)| known.name != by.name)).collect();
    chosen.extend(more);
    let (by, places) = chosen.into_iter().unzip();
    let (key, key_places) = key.into_iter().unzip();
    Ok(Described { source, collection, by, places, shown, key, key_places, unique })
}

/// The tables that are there, and those of them that may be read: captured, and in the publication.
async fn selectable(context: &Context, client: &Client, server_version: u32) -> Result<(Vec<Table>, Vec<(Table, Published)>), Problem> {
    let wrong = |error: PostgresError| context.problem(&error);
    let tables = catalog::tables(client).await.map_err(wrong)?;
    let published = publication::published(client, &context.config.publication_name, server_version).await.map_err(wrong)?;
    let captured = tables.iter().filter(|table| context.config.tables.includes(&table.schema, &table.table));
    let of = |table: &Table| published.iter().find(|found| found.schema == table.schema && found.table == table.table).cloned();
    let selectable = captured.filter_map(|table| Some((table.clone(), of(table)?))).collect();
    Ok((tables, selectable))
}

fn find<'t>(selectable: &'t [(Table, Published)], collection: &Collection) -> Option<&'t (Table, Published)> {
    selectable.iter().find(|(table, _)| table.schema == collection.schema && table.table == collection.table)
}

/// The next line of a `COPY`. A scan that finds nothing for long must not cost the replication session.
async fn next_line<'s, W: LogWriter>(
    session: &'s mut Connection,
    stream: &mut Stream<'_, W>,
    table: &Table,
) -> Result<Option<&'s [u8]>, Fault> {
    let line = stream.keep_alive(session.copy_row()).await?;
    line.map_err(|error| fault(error, stream.context, table))
}

/// What an error means for the table that is being read.
fn fault(error: PostgresError, context: &Context, table: &Table) -> Fault {
    match error {
        // Ended by an administrator, too much at once, a connection's end, a conflict with others.
        PostgresError::Server(message) if ["08", "40", "53", "57"].iter().any(|class| message.code.starts_with(class)) => {
            Fault::Later(message.message)
        }
        PostgresError::Server(message) if message.code == "55P03" => Fault::Later(message.message),
        PostgresError::Io(_) | PostgresError::Closed | PostgresError::Timeout(..) => Fault::Later(error.to_string()),
        PostgresError::Server(_) => Fault::Over(ScanStatus::SqlException, copy_problem(error, context, table).text()),
        PostgresError::Problem(problem) if problem.action == Action::Retry => Fault::Later(problem.text()),
        error => Fault::Failed(context.problem(&error)),
    }
}

fn gone() -> Fault {
    Fault::Later("the session ended".to_owned())
}

/// A row that is written now stands behind what is published: its place is that of the last commit. As in Debezium, only
/// `sequence` tells of it.
fn position<W: LogWriter>(stream: &mut Stream<'_, W>) -> Position {
    let checkpoint = stream.work.resume.checkpoint();
    let last = checkpoint.end_lsn.max(checkpoint.snapshot_lsn);
    let lsn = if last == Lsn(0) { checkpoint.flush_lsn } else { last };
    stream.work.at.epoch += 1;
    let at = stream.work.at;
    stream.work.at.epoch += 1;
    let commit_time_us = now_ns() / 1000;
    Position { lsn, xid: None, xmin: None, commit_time_us, snapshot: SnapshotMark::Incremental, ..at }
}

fn watch_of<'s, W: LogWriter>(stream: &'s mut Stream<'_, W>) -> Result<&'s mut Watch, Problem> {
    stream.work.watch.as_deref_mut().ok_or_else(|| Problem::retry("snapshot/over", "a chunk was read after the snapshot's end"))
}

impl<W: LogWriter> Stream<'_, W> {
    /// Goes on with an incremental snapshot that a checkpoint has.
    pub(super) fn with_incremental(mut self, incremental: Option<(Reader, Box<Watch>)>) -> Self {
        let (reader, watch) = incremental.unzip();
        self.incremental = reader;
        self.work.watch = watch;
        self
    }

    /// When the incremental snapshot goes on; `None`: there is none, or it rests.
    pub(super) fn incremental_due(&self) -> Option<Instant> {
        let (reader, watch) = (self.incremental.as_ref()?, self.work.watch.as_ref()?);
        (!watch.state().paused || watch.window().is_some()).then_some(reader.pauses.due())
    }

    /// Between two transactions: goes on with the incremental snapshot, if it can.
    pub(super) async fn step_incremental(&mut self) -> Result<(), Problem> {
        let Some(mut reader) = self.incremental.take() else { return Ok(()) };
        let began = Instant::now();
        // Rare beside the rest of the loop, whose future stays small.
        let outcome = Box::pin(reader.step(self)).await?;
        if outcome == Outcome::NotYet {
            // The answer says how far the stream has come.
            self.send_status(true).await?;
            nudge(self, &mut reader.nudged).await?;
        } else if !reader.collects(self) && !reader.at_end {
            // Another session was listened to meanwhile.
            self.listen_again();
        }
        reader.plan_next(outcome, began.elapsed(), self.pace.behind);
        self.incremental = Some(reader);
        self.end_incremental().await
    }

    /// Forgets an incremental snapshot of which nothing is left.
    async fn end_incremental(&mut self) -> Result<(), Problem> {
        if self.work.watch.as_ref().is_none_or(|watch| !watch.state().left.is_empty()) {
            return Ok(());
        }
        tracing::info!(connector = self.context.config.name, "incremental snapshot over");
        self.work.watch = None;
        self.incremental = None;
        self.work.resume.note_incremental(None);
        if self.open_commit().await? { self.hand_over().await } else { Ok(()) }
    }

    /// Tells of the incremental snapshot. A commit is open.
    async fn tell(&mut self, kind: &'static str, data: Vec<(&'static str, String)>) -> Result<(), Problem> {
        let id = self.work.watch.as_ref().map(|watch| watch.state().id.clone()).unwrap_or_default();
        let notice = Notice { id, aggregate: INCREMENTAL_SNAPSHOT, kind, data };
        // Nobody sees the connector's status tell of it yet: the log does in any case.
        if !self.context.config.notifications.log {
            tracing::info!(connector = self.context.config.name, id = notice.id, "{notice}");
        }
        notices::tell(self.context, &mut self.work.commits, &notice).await
    }
}
