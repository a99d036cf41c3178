//! What is done once a second: places, the server's identity, the inspector.

use std::time::{Duration, Instant};

use super::{Session, locked, told};
use crate::deliver::redis::inspector::{self, LOOKS, Look};
use crate::deliver::redis::{applied, commands};
use crate::postgres::application;
use crate::postgres::visibility::Primary;
use crate::problem::Problem;

/// How often places are committed to the group, and the server is asked whether it is still the same.
const TICK: Duration = Duration::from_secs(1);

impl Session {
    /// Once a second: the group's places, whether the server is still the one we know, and keys that are to be looked at.
    pub(super) async fn tend(&self) -> Result<(), Problem> {
        let mut tick = tokio::time::interval(TICK);
        let mut inspecting = None;
        loop {
            tick.tick().await;
            self.commit().await?;
            self.check_server().await?;
            self.inspect(&mut inspecting).await;
        }
    }

    /// Commits the places behind the fence to the group, for its lag.
    pub(super) async fn commit(&self) -> Result<(), Problem> {
        let places: Vec<_> = told(&locked(&self.fenced)).into_iter().map(|((topic, partition), next)| (topic, partition, next)).collect();
        let committed = self.around.committed();
        let moved = places.into_iter().filter(|(topic, partition, next)| committed.get(&(topic.clone(), *partition)) != Some(next));
        self.around.commit(moved.collect()).await
    }

    /// A server that was restarted, emptied or exchanged behind one address, and whose connection did not break.
    async fn check_server(&self) -> Result<(), Problem> {
        let name = self.around.name();
        let is_open = self.server.has_functions && *locked(&self.opened);
        let is_same = match is_open {
            true => self.server.number(redis::cmd("FCALL").arg("rowfeed_is_open").arg(0).arg(name)).await? == 1,
            false => true,
        };
        let run = self.server.text(redis::cmd("HGET").arg(applied::key(name)).arg("run")).await?;
        let remembers = !*locked(&self.told) || run.as_ref() == Some(&self.id);
        if is_same && remembers {
            return Ok(());
        }
        Err(Problem::retry("redis/reset", "the Redis server was emptied, restarted or exchanged").at(self.server.shown()))
    }

    /// Looks at keys that are due, a few at a time; trouble with that is nobody else's.
    async fn inspect(&self, primary: &mut Option<Primary>) {
        for _ in 0..100 {
            let Some(look) = locked(&self.inspections).due(Instant::now()) else { return };
            if let Err(problem) = self.inspect_one(&look, primary).await {
                *primary = None;
                tracing::debug!(subscription = self.around.name(), "a key was not inspected: {}", problem.what);
                return;
            }
            if look.next + 1 < LOOKS.len() {
                locked(&self.inspections).add(Look { next: look.next + 1, ..look });
            }
        }
    }

    async fn inspect_one(&self, look: &Look, primary: &mut Option<Primary>) -> Result<(), Problem> {
        let Some(config) = &self.primary else { return Ok(()) };
        let session = match primary {
            Some(session) => session,
            None => primary.insert(Primary::open(config, &application::name(self.around.name(), "inspect")).await?),
        };
        let before = session.value(&look.sql).await?;
        let generation = match self.settings().namespace.as_str() {
            "" => String::new(),
            namespace => {
                self.server.text(redis::cmd("GET").arg(format!("{namespace}:generation"))).await?.unwrap_or_else(|| "0".to_owned())
            }
        };
        let key = commands::physical(&self.settings().namespace, &generation, &look.key);
        let cached = self.server.bytes(redis::cmd("GET").arg(key)).await?;
        if session.value(&look.sql).await? != before {
            return Ok(());
        }
        let is_wrong = match (&cached, &before) {
            (None, _) => false,
            (Some(cached), None) => !cached.is_empty(),
            (Some(cached), Some(told)) => !inspector::is_same(cached, told),
        };
        if is_wrong {
            tracing::warn!(
                subscription = self.around.name(),
                key = look.key,
                code = "cache/inconsistent",
                "a key holds what the database does not"
            );
        }
        self.sink.findings.found(is_wrong.then(|| look.fenced.elapsed()));
        Ok(())
    }
}
