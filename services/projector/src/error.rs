//! Why projecting ends, and what is only in its way.

use ledger::ReadError;
use projection::{CommitError, LeaseError, StoreError, explain};
use registration::event::EventError;

/// Why projecting ends for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectorError {
    /// The store knows events that the ledger does not have, as when the ledger alone was restored from a backup.
    #[error(
        "the state store has folded partition {partition} up to position {next}, but the ledger ends before {head}: they do not belong together; delete the state store, and it will be built anew from the ledger"
    )]
    BeyondHead {
        /// The partition.
        partition: u32,
        /// The first position that the store has not folded.
        next: u64,
        /// The first position that the ledger does not have.
        head: u64,
    },
    /// The ledger is damaged.
    #[error("cannot go on reading partition {partition} of the ledger")]
    Ledger {
        /// The partition.
        partition: u32,
        /// What the ledger said.
        source: ReadError,
    },
    /// The store is damaged, or holds what this executable does not know.
    #[error("cannot go on reading the state store for partition {partition}")]
    Store {
        /// The partition.
        partition: u32,
        /// What the store said.
        source: StoreError,
    },
    /// The store will not take any more.
    #[error("cannot go on committing partition {partition} to the state store")]
    Commit {
        /// The partition.
        partition: u32,
        /// What the store said.
        source: CommitError,
    },
    /// The store will not take any more.
    #[error("cannot go on keeping leases in the state store")]
    Leases(#[from] LeaseError),
    /// A row or change could not be written as JSON.
    #[error("what the events of partition {partition} did could not be written as JSON")]
    Encode {
        /// The partition.
        partition: u32,
        /// What failed.
        source: serde_json::Error,
    },
    /// A metric is registered already.
    #[error("cannot register the projector's metrics")]
    Metrics(#[from] prometheus::Error),
}

/// What is in the way of a partition.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// It may pass.
    Passing(String),
    /// An event that this executable cannot understand: nothing behind it is folded.
    Event { position: u64, source: EventError },
    /// It cannot pass.
    Lasting(ProjectorError),
}

impl Obstacle {
    pub(crate) fn ledger(partition: u32, source: ReadError) -> Self {
        match source {
            ReadError::Unavailable { .. } => Self::Passing(explain(&source)),
            source => Self::Lasting(ProjectorError::Ledger { partition, source }),
        }
    }

    pub(crate) fn store(partition: u32, source: StoreError) -> Self {
        match source {
            StoreError::Unavailable { .. } => Self::Passing(explain(&source)),
            source => Self::Lasting(ProjectorError::Store { partition, source }),
        }
    }

    pub(crate) fn encode(partition: u32, source: serde_json::Error) -> Self {
        Self::Lasting(ProjectorError::Encode { partition, source })
    }

    pub(crate) fn commit(partition: u32, source: CommitError) -> Self {
        match source {
            CommitError::Fenced { .. } | CommitError::Rejected { .. } | CommitError::Unknown { .. } => {
                Self::Passing(explain(&source))
            }
            source => Self::Lasting(ProjectorError::Commit { partition, source }),
        }
    }
}
