//! What is wrong with a topic.

use thiserror::Error;

/// One way in which a topic could lose, or does not hold, what was written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// It has another number of partitions.
    #[error("it has {found} partitions instead of {expected}")]
    Partitions {
        /// How many it has.
        found: u32,
        /// How many it must have.
        expected: u32,
    },
    /// One of its settings has another value.
    #[error("{name} is {found} instead of {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// It takes too little at a time.
    #[error("max.message.bytes is {found}, and at least {least} is needed")]
    MessageBytes {
        /// Its value.
        found: String,
        /// The least that is needed.
        least: u32,
    },
    /// Too few brokers must have what is acknowledged.
    #[error(
        "{replicas} replicas with min.insync.replicas={in_sync} may lose what was acknowledged: at least 3 are needed, \
         and 2 ≤ min.insync.replicas < replicas"
    )]
    Replication {
        /// The replicas of the partition that has the fewest.
        replicas: usize,
        /// Its `min.insync.replicas`.
        in_sync: usize,
    },
    /// One broker acknowledges what is not yet on its disk.
    #[error("one broker alone may lose what was acknowledged unless flush.messages is 1, and it is {found}")]
    Flush {
        /// Its value.
        found: String,
    },
    /// So few replicas are in sync that nothing is written.
    #[error("partition {partition} has {in_sync} replicas in sync, and {needed} are needed")]
    Behind {
        /// The partition.
        partition: u32,
        /// How many are in sync, the leader among them.
        in_sync: usize,
        /// Its `min.insync.replicas`.
        needed: usize,
    },
    /// Something has been deleted.
    #[error("partition {partition} begins at {offset}: what was before that has been deleted")]
    Deleted {
        /// The partition.
        partition: u32,
        /// Its first offset.
        offset: u64,
    },
}
