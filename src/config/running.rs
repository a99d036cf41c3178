//! The settings that the process runs with.
//!
//! Owns what is true of them now, which is what the start read and what was taken over since, and how reading their file went last. Leaves
//! what can be taken over while everything runs to the service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::ServiceConfig;
use crate::problem::Problem;

/// The settings, shared by who changes and who shows them.
#[derive(Clone, Debug)]
pub struct Running(Arc<Mutex<InForce>>);

/// What holds now.
#[derive(Debug)]
pub struct InForce {
    /// The settings.
    pub config: ServiceConfig,
    /// How reading their file went last.
    pub read: FileRead,
}

/// A reading of the settings' file.
#[derive(Clone, Debug)]
pub struct FileRead {
    /// When it was.
    pub at: SystemTime,
    /// Why it was not taken over.
    pub problems: Vec<Problem>,
    /// Settings that are others in the file, and hold from the next start on.
    pub waiting: Vec<String>,
}

impl FileRead {
    /// One that met these problems, now.
    pub fn with(problems: Vec<Problem>) -> Self {
        Self { at: SystemTime::now(), problems, waiting: Vec::new() }
    }
}

impl Running {
    /// The settings that the process was started with.
    pub fn new(config: ServiceConfig) -> Self {
        Self(Arc::new(Mutex::new(InForce { config, read: FileRead::with(Vec::new()) })))
    }

    /// What holds now. Whoever has it holds up the others: only look, or change.
    pub fn now(&self) -> MutexGuard<'_, InForce> {
        // What a panic left is whole settings all the same: they are changed one by one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
