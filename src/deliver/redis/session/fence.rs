//! The fence: what lets batches pass.
//!
//! A batch passes when a look at the primary that began behind its phase 0 sees all its transactions, and every declared standby has
//! replayed up to the WAL's flushed end of that look. Promises order: no batch passes before an earlier one. Trouble with a server is told in the
//! status and tried again here: what comes before the fence goes on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{PAUSE_MAX, Session, locked};
use crate::change::Lsn;
use crate::config::postgres::ConnectionConfig;
use crate::deliver::redis::batch::Batch;
use crate::postgres::application;
use crate::postgres::visibility::{Primary, Replica, Seen};
use crate::problem::Problem;

/// Pauses between two looks at the primary while nothing passes.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// After so long without passing, it is asked whether the transactions are this server's at all.
const STUCK: Duration = Duration::from_secs(1);
/// A server that is away is tried again after this.
const AGAIN: Duration = Duration::from_millis(250);
/// Without anything to wait for.
const QUIET: Duration = Duration::from_secs(5);

/// Transactions that may have been committed before a doubt and be visible only later.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Not over.
    pub(super) open: Vec<u64>,
    /// Over: what was doubted is being doubted once more.
    pub(super) over: Vec<u64>,
}

/// A batch behind the primary's fence, and where the WAL's flushed end was then.
pub(super) struct Passed {
    pub(super) batch: Batch,
    pub(super) flushed: Lsn,
    at: Instant,
}

impl Session {
    /// Remembers which transactions may have been committed before the doubt and are not visible yet.
    pub(super) async fn suspect(&self) -> Result<(), Problem> {
        let Some(config) = &self.primary else { return Ok(()) };
        let primary = Primary::open(config, &application::name(self.around.name(), "doubt")).await?;
        let (next, seen) = (primary.next_xid().await?, primary.look().await?);
        let not_over = seen.by.running.iter().copied().chain(seen.by.xmax..next);
        let mut suspects = locked(&self.suspects);
        suspects.open.extend(not_over);
        suspects.open.sort_unstable();
        suspects.open.dedup();
        Ok(())
    }

    /// Lets batches pass once all their transactions are visible.
    pub(super) async fn fence(&self, mut from: mpsc::Receiver<Batch>, to: mpsc::Sender<Passed>) -> Result<(), Problem> {
        let Some(config) = &self.primary else {
            while let Some(batch) = from.recv().await {
                if to.send(Passed { batch, flushed: Lsn(0), at: Instant::now() }).await.is_err() {
                    return Ok(());
                }
            }
            return Ok(());
        };
        let mut primary: Option<Primary> = None;
        let mut waiting: VecDeque<Batch> = VecDeque::new();
        let (mut pause, mut since) = (PAUSE_MIN, Instant::now());
        loop {
            if waiting.is_empty() {
                // While something is suspected it is looked at also when nothing comes.
                let limit = if locked(&self.suspects).open.is_empty() { QUIET } else { PAUSE_MAX };
                match tokio::time::timeout(limit, from.recv()).await {
                    Ok(Some(batch)) => waiting.push_back(batch),
                    Ok(None) => return Ok(()),
                    Err(_) if locked(&self.suspects).open.is_empty() => continue,
                    Err(_) => {}
                }
                (pause, since) = (PAUSE_MIN, Instant::now());
            }
            while let Ok(batch) = from.try_recv() {
                waiting.push_back(batch);
            }
            let Some(seen) = self.look(config, &mut primary).await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            if let Some(primary) = &primary
                && waiting.iter().any(|batch| batch.blind && batch.floor.is_none())
            {
                self.find_floors(primary, &mut waiting).await;
            }
            if since.elapsed() >= STUCK
                && let Some(primary) = &primary
            {
                self.leave_out_foreign(primary, &mut waiting, &seen).await;
                since = Instant::now();
            }
            self.look_at_suspects(&seen, &mut waiting);
            *locked(&self.seen) = Some(seen.by.clone());
            let before = waiting.len();
            while waiting.front().is_some_and(|batch| batch.is_seen_by(&seen.by)) {
                let Some(batch) = waiting.pop_front() else { break };
                if to.send(Passed { batch, flushed: seen.flushed, at: Instant::now() }).await.is_err() {
                    return Ok(());
                }
            }
            if waiting.len() < before || waiting.is_empty() {
                (pause, since) = (PAUSE_MIN, Instant::now());
                continue;
            }
            // A new batch cannot pass before the one that waits, but it may wait in a look of its own.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// A look at the primary, or what is in its way, told in the status: it is tried again, and what comes before the fence goes on.
    async fn look(&self, config: &ConnectionConfig, primary: &mut Option<Primary>) -> Option<Seen> {
        let looked = match primary {
            Some(primary) => primary.look().await,
            None => match Primary::open(config, &application::name(self.around.name(), "fence")).await {
                Ok(opened) => {
                    let seen = opened.look().await;
                    *primary = Some(opened);
                    self.around.status().trouble(None);
                    seen
                }
                Err(problem) => Err(problem),
            },
        };
        looked
            .map_err(|problem| {
                *primary = None;
                self.around.status().trouble(Some(problem));
            })
            .ok()
    }

    /// For changes that do not tell their transactions: the next look must show that all that are running now are over.
    async fn find_floors(&self, primary: &Primary, waiting: &mut VecDeque<Batch>) {
        match primary.next_xid().await {
            Ok(next) => waiting.iter_mut().filter(|batch| batch.blind && batch.floor.is_none()).for_each(|batch| batch.floor = Some(next)),
            // The next look meets the same trouble, and tells it.
            Err(problem) => tracing::debug!(subscription = self.around.name(), "no floor yet: {}", problem.what),
        }
    }

    /// Transactions that this server has not given yet are of another one's history: nothing can be waited for.
    async fn leave_out_foreign(&self, primary: &Primary, waiting: &mut VecDeque<Batch>, seen: &Seen) {
        let Some(batch) = waiting.front_mut() else { return };
        let ahead: Vec<u32> = batch.xids.iter().copied().filter(|xid| seen.by.whole(*xid) >= seen.by.xmax).collect();
        for xid in ahead {
            if primary.is_foreign(seen.by.whole(xid)).await.unwrap_or(false) {
                tracing::warn!(
                    subscription = self.around.name(),
                    xid,
                    "a transaction is not of this server's history; it is not waited for"
                );
                batch.xids.retain(|known| *known != xid);
            }
        }
    }

    /// When one of the suspects is over, what was doubted then is doubted once more: it may have been committed before.
    fn look_at_suspects(&self, seen: &Seen, waiting: &mut VecDeque<Batch>) {
        let mut suspects = locked(&self.suspects);
        let (open, over): (Vec<u64>, Vec<u64>) =
            suspects.open.iter().partition(|xid| **xid >= seen.by.xmax || seen.by.running.contains(*xid));
        if over.is_empty() {
            return;
        }
        suspects.open = open;
        suspects.over.extend(&over);
        if waiting.is_empty() {
            waiting.push_back(Batch::default());
        }
        if let Some(first) = waiting.front_mut() {
            first.doubts.push("a transaction from before a doubt became visible".to_owned());
            first.cleared.extend(over);
        }
    }

    /// Lets batches pass once the standbys have replayed them.
    pub(super) async fn replicas(&self, mut from: mpsc::Receiver<Passed>, to: mpsc::Sender<Passed>) -> Result<(), Problem> {
        let settings = self.settings();
        let mut replicas: Vec<(&ConnectionConfig, Option<Replica>)> = settings.replicas.iter().map(|config| (config, None)).collect();
        let mut reached = Lsn(0);
        while let Some(passed) = from.recv().await {
            let mut pause = PAUSE_MIN;
            while !replicas.is_empty() && reached < passed.flushed {
                reached = Lsn(u64::MAX);
                for (config, replica) in &mut replicas {
                    reached = reached.min(self.replayed(config, replica).await);
                }
                if reached < passed.flushed {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            let left = settings.replica_delay.saturating_sub(passed.at.elapsed());
            if !left.is_zero() {
                tokio::time::sleep(left).await;
            }
            if to.send(passed).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How far a standby has replayed; nothing, with a word in the status, while that cannot be known.
    async fn replayed(&self, config: &ConnectionConfig, replica: &mut Option<Replica>) -> Lsn {
        let looked = match replica {
            Some(replica) => replica.replayed().await,
            None => match Replica::open(config, &application::name(self.around.name(), "replica")).await {
                Ok(opened) => {
                    let replayed = opened.replayed().await;
                    *replica = Some(opened);
                    self.around.status().trouble(None);
                    replayed
                }
                Err(problem) => Err(problem),
            },
        };
        match looked {
            Ok(lsn) => lsn,
            Err(problem) => {
                *replica = None;
                self.around.status().trouble(Some(problem));
                tokio::time::sleep(AGAIN).await;
                Lsn(0)
            }
        }
    }
}
