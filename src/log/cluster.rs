//! An external cluster as somebody who looks at it sees it: its topics, and where they begin and end.
//!
//! Owns the one question at a time that a [`Cluster`] asks. Promises that an answer is never older than the request for it,
//! that requests which come together are one question, and that each question ends in its time. Leaves how the cluster is
//! asked to `kafka`; a program without that feature has no cluster.

use std::collections::BTreeMap;
use std::ops::Range;

/// A topic of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterTopic {
    /// Its name.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<ClusterPartition>,
    /// The settings of [`SETTINGS`] that it has; none where the cluster does not tell them.
    pub settings: BTreeMap<String, String>,
}

/// A partition of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterPartition {
    /// Its number.
    pub number: u32,
    /// The first offset that is kept, and the one after the last that a reader of committed records sees. None while the
    /// partition has no leader.
    pub range: Option<Range<u64>>,
}

/// What of a topic's settings is told.
pub const SETTINGS: [&str; 3] = ["cleanup.policy", "compression.type", "retention.ms"];

impl ClusterTopic {
    /// Kafka's own topics, and the service's positions.
    pub fn is_internal(&self) -> bool {
        super::topic::is_internal(&self.name) || matches!(self.name.as_str(), "__transaction_state" | "__share_group_state")
    }

    /// How many offsets are kept; transactions have some of their own.
    pub fn records(&self) -> u64 {
        self.ranges().map(|range| range.end.saturating_sub(range.start)).sum()
    }

    /// How many offsets there have been.
    pub fn ends(&self) -> u64 {
        self.ranges().map(|range| range.end).sum()
    }

    fn ranges(&self) -> impl Iterator<Item = &Range<u64>> {
        self.partitions.iter().filter_map(|partition| partition.range.as_ref())
    }
}

#[cfg(feature = "kafka")]
pub use super::kafka::topics::Cluster;

/// A cluster that cannot be, without the feature `kafka`.
#[cfg(not(feature = "kafka"))]
#[derive(Clone, Debug)]
pub enum Cluster {}

#[cfg(not(feature = "kafka"))]
impl Cluster {
    /// Never asked.
    pub async fn topics(&self) -> Result<std::sync::Arc<Vec<ClusterTopic>>, super::LogError> {
        match *self {}
    }
}
