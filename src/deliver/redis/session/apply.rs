//! Behind the fence: phase 1 with the watermark, what is told of it, and opening the cache.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::fence::Passed;
use super::{PAUSE_MAX, Session, locked, now_ms, now_us, told};
use crate::change::Lsn;
use crate::deliver::Outcome;
use crate::deliver::redis::applied;
use crate::deliver::redis::batch::Batch;
use crate::deliver::redis::evidence::Entry;
use crate::deliver::redis::inspector::Look;
use crate::deliver::redis::old_keys_unknown;
use crate::problem::Problem;

/// One unit behind the fence has about so many keys.
const UNIT_WEIGHT: usize = 2000;

impl Session {
    /// Phase 1, and what follows from it.
    pub(super) async fn apply(&self, mut from: mpsc::Receiver<Passed>) -> Result<(), Problem> {
        while let Some(first) = from.recv().await {
            let (mut weight, mut fence, mut batches) = (first.batch.weight(), first.flushed, vec![first.batch]);
            while weight < UNIT_WEIGHT
                && let Ok(next) = from.try_recv()
            {
                weight += next.batch.weight();
                fence = fence.max(next.flushed);
                batches.push(next.batch);
            }
            for batch in batches.iter().filter(|_| self.settings().invalidates()) {
                self.forget_all(batch).await?;
            }
            let watermark = self.watermark(&batches);
            if !watermark.is_empty() || batches.iter().any(|batch| !batch.is_idle()) {
                let pipeline = {
                    let (seen, generation) = (locked(&self.seen).clone(), locked(&self.generation).clone());
                    self.writer(&generation, seen.as_ref()).behind(&batches, fence, &watermark, self.around.name())
                };
                self.server.all(&pipeline).await?;
                *locked(&self.told) |= !watermark.is_empty();
            }
            self.applied(batches, fence).await?;
        }
        Ok(())
    }

    /// The fields of the watermark that these batches change.
    fn watermark(&self, batches: &[Batch]) -> Vec<(String, String)> {
        let next: BTreeMap<usize, u64> = batches.iter().flat_map(|batch| &batch.next).map(|(at, next)| (*at, *next)).collect();
        if next.is_empty() && !batches.iter().any(|batch| batch.begins) {
            return Vec::new();
        }
        let fenced = locked(&self.fenced);
        let field = |at: &usize| fenced.get(*at).map(|reached| applied::field(&reached.id, reached.partition));
        let mut fields: Vec<_> = next.iter().filter_map(|(at, next)| Some((field(at)?, next.to_string()))).collect();
        let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
        add("log", self.around.log().cluster_id().to_owned());
        add("templates", self.settings().fingerprint());
        add("at", now_ms().to_string());
        // Once: a server that is emptied while we write forgets it.
        if batches.iter().any(|batch| batch.begins) {
            add("run", self.id.clone());
        }
        let suspects = locked(&self.suspects);
        add("suspects", suspects.open.iter().chain(&suspects.over).map(u64::to_string).collect::<Vec<_>>().join(","));
        if let Some(lsn) = batches.iter().map(|batch| batch.lsn).max().filter(|lsn| lsn.0 > 0) {
            add("lsn", lsn.to_string());
        }
        if let Some(version) = batches.iter().map(|batch| batch.version).max().filter(|version| *version > 0) {
            add("version", version.to_string());
        }
        fields
    }

    /// Behind phase 1: counters, evidence, places; and the cache is opened once it is right.
    async fn applied(&self, batches: Vec<Batch>, fence: Lsn) -> Result<(), Problem> {
        let (now, at, status) = (now_us(), Instant::now(), self.around.status());
        let mut caught_up = None;
        for batch in batches {
            {
                let mut fenced = locked(&self.fenced);
                for (at, next) in &batch.next {
                    if let Some(place) = fenced.get_mut(*at) {
                        place.next = *next;
                    }
                }
                self.sink.fenced.send_replace(told(&fenced));
            }
            locked(&self.suspects).over.retain(|xid| !batch.cleared.contains(xid));
            caught_up = batch.caught_up.or(caught_up);
            status.count(Outcome::Delivered, batch.changes);
            status.count(Outcome::Filtered, batch.filtered);
            if batch.unknown > 0 {
                status.note(Some(old_keys_unknown()));
            }
            let Batch { keys, writes, deleted_ms, .. } = batch;
            let mut evidence = locked(&self.sink.evidence);
            let mut inspections = locked(&self.inspections);
            let all = keys.into_iter().map(|(key, changed)| (key, changed.xids, changed.cause));
            for (key, xids, cause) in all.chain(writes.into_iter().map(|write| (write.key, Vec::new(), write.cause))) {
                let took = Duration::from_micros(u64::try_from(now.saturating_sub(cause.commit_us)).unwrap_or_default());
                status.took(took);
                if let Some(sql) = &cause.inspect {
                    inspections.add(Look { key: key.clone(), sql: sql.clone(), fenced: at, next: 0 });
                }
                evidence.add(Entry { key, xids, cause, phases_ms: [deleted_ms, now / 1000], fence });
            }
        }
        self.open_cache(caught_up).await
    }

    /// Opens the cache to readers once everything that the server may have lost was repeated, and again as long as it is right.
    async fn open_cache(&self, caught_up: Option<Instant>) -> Result<(), Problem> {
        let settings = self.settings();
        if !self.server.has_functions || !settings.invalidates() {
            return Ok(());
        }
        let is_open = *locked(&self.opened);
        let reached = || {
            let fenced = locked(&self.fenced);
            self.opens_at.iter().zip(fenced.iter()).all(|(end, place)| place.next >= *end)
        };
        let renews = caught_up.is_some() && !settings.bypass_after.is_zero();
        if (is_open && !renews) || !reached() {
            return Ok(());
        }
        let left = match caught_up {
            _ if settings.bypass_after.is_zero() => Duration::ZERO,
            Some(at) => settings.bypass_after.saturating_sub(at.elapsed()),
            None => return Ok(()),
        };
        if left.is_zero() && !settings.bypass_after.is_zero() {
            return Ok(());
        }
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut open = redis::cmd("FCALL");
        open.arg("rowfeed_open").arg(0).arg(self.around.name()).arg(&settings.namespace).arg(ms(left)).arg(ms(settings.keep));
        self.server.run(&open).await?;
        *locked(&self.opened) = true;
        Ok(())
    }

    /// How often the cache is opened anew, where that has an end.
    pub(super) fn renewal(&self) -> Option<Duration> {
        let bypass_after = self.settings().bypass_after;
        (!bypass_after.is_zero()).then(|| (bypass_after / 4).max(PAUSE_MAX))
    }
}
