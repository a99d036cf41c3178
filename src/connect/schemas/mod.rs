//! The registry of schemas as it runs: its state, kept in the log's compacted topic `_schemas`.
//!
//! Promises that a change is durable before it is acknowledged and comes back after a restart, that requests that change
//! something are one at a time, and that reading and comparing large schemas holds up nobody else. What a schema is and what a
//! request comes to are [`crate::registry`]'s.

mod apicurio;
pub mod client;

use std::sync::{Arc, PoisonError, RwLock};

use crate::log::builtin::BuiltinLog;
use crate::log::topic::SCHEMAS_TOPIC;
use crate::registry::subjects::{Change, Offer, Read, Registering};
use crate::registry::{Level, Mode, Refusal, Subjects, Version, records, subjects};

/// The registry over a log; one for all who use it.
pub struct Schemas {
    log: BuiltinLog,
    /// Taken out as it is at a moment; a change copies what somebody still holds, so no work is ever done under the lock.
    subjects: RwLock<Arc<Subjects>>,
    /// Held over a whole change, durability included.
    changing: tokio::sync::Mutex<()>,
}

impl Schemas {
    /// Reads what the log has.
    pub fn open(log: BuiltinLog) -> Arc<Self> {
        let mut subjects = Subjects::default();
        for (key, value) in log.state(SCHEMAS_TOPIC) {
            match records::read(&key, &value) {
                Some(change) => subjects.apply(change),
                None => {
                    tracing::warn!(key = %String::from_utf8_lossy(&key), "a record of {SCHEMAS_TOPIC} means nothing here and is passed over")
                }
            }
        }
        Arc::new(Self { log, subjects: RwLock::new(Arc::new(subjects)), changing: tokio::sync::Mutex::default() })
    }

    /// What there is now. It does not change while it is held, and holds up nobody.
    pub fn subjects(&self) -> Arc<Subjects> {
        Arc::clone(&self.subjects.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers a schema: the version that has it, or a new one that is compatible with those before it.
    pub async fn register(self: &Arc<Self>, subject: &str, offer: Offer) -> Result<Version, Refusal> {
        subjects::check_subject(subject)?;
        let _changing = self.changing.lock().await;
        let (own, name) = (Arc::clone(self), subject.to_owned());
        let registering = aside(move || own.subjects().examine(&name, &offer)).await?;
        match registering {
            Registering::Known(version) => Ok(version),
            Registering::New(version) => {
                self.write(vec![Change::Put(version.clone())]).await?;
                Ok(version)
            }
        }
    }

    /// The version of a subject that has this schema.
    pub async fn look_up(self: &Arc<Self>, subject: &str, offer: Offer, deleted: bool) -> Result<Version, Refusal> {
        let (own, subject) = (Arc::clone(self), subject.to_owned());
        aside(move || {
            let subjects = own.subjects();
            subjects.versions(&subject, deleted)?;
            let read = subjects.read(&offer)?;
            subjects.find(&subject, &read.schema, deleted).cloned()
        })
        .await
    }

    /// What is in the way of a schema after one version, the latest one, or those that the subject's level names.
    pub async fn compare(self: &Arc<Self>, subject: &str, offer: Offer, with: With) -> Result<Vec<String>, Refusal> {
        let (own, subject) = (Arc::clone(self), subject.to_owned());
        aside(move || {
            let subjects = own.subjects();
            let Read { parsed, .. } = subjects.read(&offer)?;
            let earlier = match with {
                With::Version(version) => subjects.earlier(&subject, Some(version))?,
                With::Latest => subjects.earlier(&subject, subjects.version(&subject, None, false).ok().map(|latest| latest.version))?,
                With::Level => subjects.earlier(&subject, None)?,
            };
            Ok(subjects.level(&subject).obstacles(&parsed, &earlier))
        })
        .await
    }

    /// Deletes a subject, or one version (`None` inside: the latest).
    pub async fn delete(&self, subject: &str, only: Option<Option<u32>>, permanent: bool) -> Result<Vec<u32>, Refusal> {
        let _changing = self.changing.lock().await;
        let (numbers, changes) = self.subjects().delete(subject, only, permanent)?;
        self.write(changes).await?;
        Ok(numbers)
    }

    /// Sets or takes back a subject's level, or everyone's.
    pub async fn set_level(&self, subject: Option<&str>, level: Option<Level>) -> Result<(), Refusal> {
        subject.map_or(Ok(()), subjects::check_subject)?;
        let _changing = self.changing.lock().await;
        if level.is_some() {
            self.subjects().check_level(subject)?;
        }
        self.write(vec![Change::Level(subject.map(str::to_owned), level)]).await
    }

    /// Sets or takes back a subject's mode, or everyone's.
    pub async fn set_mode(&self, subject: Option<&str>, mode: Option<Mode>, force: bool) -> Result<(), Refusal> {
        subject.map_or(Ok(()), subjects::check_subject)?;
        let _changing = self.changing.lock().await;
        if let Some(mode) = mode {
            self.subjects().check_mode(subject, mode, force)?;
        }
        self.write(vec![Change::Mode(subject.map(str::to_owned), mode)]).await
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), Refusal> {
        let records = changes.iter().map(records::write).collect();
        let failed = |error| Refusal::new(50001, format!("Error in the backend data store: {error}"));
        self.log.put(SCHEMAS_TOPIC, records).await.map_err(failed)?;
        let mut subjects = self.subjects.write().unwrap_or_else(PoisonError::into_inner);
        let subjects = Arc::make_mut(&mut subjects);
        changes.into_iter().for_each(|change| subjects.apply(change));
        Ok(())
    }
}

/// What a schema is compared with.
#[derive(Clone, Copy, Debug)]
pub enum With {
    /// This version.
    Version(u32),
    /// The latest one, if there is one.
    Latest,
    /// What the subject's level names.
    Level,
}

/// Runs what may take long where it holds up no other request.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    let failed = |_| Err(Refusal::new(500, "reading the schema met a defect"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::builtin::LogSettings;

    fn offer(text: &str) -> Offer {
        Offer { text: text.to_owned(), ..Offer::default() }
    }

    #[tokio::test]
    async fn what_was_registered_comes_back_after_a_restart() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let open = || BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir.path()) }).expect("a log");
        let log = open();
        let schemas = Schemas::open(log.clone());
        let first = schemas.register("a", offer("\"int\"")).await.expect("registered");
        assert_eq!(schemas.register("a", offer("\"string\"")).await.expect_err("incompatible").code, 409);
        schemas.set_level(Some("a"), Some(Level::None)).await.expect("set");
        let second = schemas.register("a", offer("\"string\"")).await.expect("registered");
        schemas.delete("a", Some(Some(2)), false).await.expect("marked");
        schemas.delete("a", Some(Some(2)), true).await.expect("gone");
        schemas.set_mode(None, Some(Mode::ReadOnly), false).await.expect("set");
        // Who still looks at how it was holds up no change, and sees none.
        let before = schemas.subjects();
        let set = schemas.set_level(Some("b"), Some(Level::Full));
        tokio::time::timeout(std::time::Duration::from_secs(10), set).await.expect("in time").expect("set");
        assert_eq!((before.own_level(Some("b")), schemas.subjects().own_level(Some("b"))), (None, Some(Level::Full)));
        log.close();
        drop((schemas, log));

        let log = open();
        let schemas = Schemas::open(log.clone());
        {
            let subjects = schemas.subjects();
            assert_eq!(subjects.versions("a", true), Ok(vec![&first]));
            assert_eq!((subjects.level("a"), subjects.mode("a"), subjects.id_max()), (Level::None, Mode::ReadOnly, second.id));
        }
        log.close();
    }
}
