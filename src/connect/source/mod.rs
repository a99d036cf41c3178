//! Capture: one PostgreSQL database into the log, exactly once.
//!
//! Owns the way of a change from the slot to a durable commit: preparing ([`task`]), the snapshot ([`snapshot`]), the hot
//! loop ([`stream`]), the position ([`resume`]), and what is confirmed to PostgreSQL ([`feedback`]). Promises that nothing
//! is confirmed before it is durable, and that every row change is published once, in order. Runs on the thread of its
//! connector; starting it again after a failure is the supervisor's affair.

mod backfill;
mod blocking;
mod channel;
mod channels;
pub mod commits;
mod delivered;
pub mod feedback;
mod gate;
mod incremental;
mod notices;
mod pauses;
pub mod preview;
mod readers;
pub mod registrar;
pub mod relations;
mod reselect;
pub mod resume;
mod signals;
pub mod snapshot;
pub mod stream;
mod tables;
pub mod task;
pub mod traces;
mod work;

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::postgres::PostgresConfig;
use crate::connect::{Schemas, TaskStatus};
use crate::log::LogTarget;
use crate::problem::Problem;

/// Captures until `stop` becomes true or something goes wrong. Blocks the calling thread, on which everything runs.
pub fn run(
    config: Arc<PostgresConfig>,
    target: LogTarget,
    schemas: Option<Arc<Schemas>>,
    status: Arc<TaskStatus>,
    stop: watch::Receiver<bool>,
    traces: Option<traces::Tell>,
) -> Result<(), Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::retry("service/runtime", "a connector's runtime could not be started").why(error.to_string()))?;
    let registrar = Arc::new(registrar::Registrar::new(&config, schemas.as_ref())?);
    let work = async {
        match target {
            LogTarget::Builtin(log) => {
                let writer = log.writer(config.compression.unwrap_or_default());
                Box::pin(task::capture(config, writer, registrar, status, stop, traces)).await
            }
            #[cfg(feature = "kafka")]
            LogTarget::Kafka(mut settings) => {
                if let Some(codec) = config.compression {
                    settings.properties.insert("compression.type".to_owned(), codec.name().to_owned());
                }
                let writer = crate::log::kafka::KafkaWriter::open(&settings, &config.name).await.map_err(|error| error.problem())?;
                Box::pin(task::capture(config, writer, registrar, status, stop, traces)).await
            }
        }
    };
    let result = runtime.block_on(work);
    // Sessions that are still closing must not hold the thread up.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}
