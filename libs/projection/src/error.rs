//! What a state store that fails says about it.

use std::error::Error;
use std::sync::Arc;

/// What a backend said, shared by all whom it concerns.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a state store is refused at start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its database cannot be opened.
    #[error("cannot open the state store's database")]
    Database {
        /// What the backend said.
        source: Cause,
    },
    /// Its database was opened, but whose it is cannot be read or written.
    #[error("cannot read to which ledger {store} belongs")]
    Identify {
        /// The file or database.
        store: String,
        /// What the backend said.
        source: Cause,
    },
    /// It was projected from another ledger.
    #[error(
        "{store} is the projection of ledger {found}, not of {expected}; delete it, and it will be built anew from the ledger"
    )]
    OtherLedger {
        /// The file or database.
        store: String,
        /// Id of its ledger.
        found: String,
        /// Id of the ledger that it was opened for.
        expected: String,
    },
    /// A later version of this executable has changed its tables.
    #[error("{store} is of a newer regledger: its schema is version {found}")]
    Newer {
        /// The database.
        store: String,
        /// Its schema version.
        found: i32,
    },
    /// It has no room for so many partitions.
    #[error("a state store has room for {most} partitions, not {asked}", most = crate::MAX_PARTITIONS)]
    TooManyPartitions {
        /// How many it was opened for.
        asked: u32,
    },
}

/// Why rows or changes cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be read now.
    #[error("the state store cannot be read")]
    Unavailable {
        /// What failed.
        source: Cause,
    },
    /// The store is damaged. Trying again is of no use, and the process should end.
    #[error("the state store is damaged; delete it, and it will be built anew from the ledger")]
    Damaged {
        /// What failed.
        source: Cause,
    },
    /// A row or change is not what this executable knows: another version wrote it.
    #[error(
        "{what} in the state store cannot be understood; delete the store, and it will be built anew from the ledger"
    )]
    Unreadable {
        /// Kind and id of the row, or the place of the change.
        what: String,
        /// Why.
        source: Cause,
    },
    /// The ledger that the store was opened for does not have this partition.
    #[error("the state store has no partition {partition}")]
    NoSuchPartition {
        /// What was asked for.
        partition: u32,
    },
}

/// What is known about a commit that was not confirmed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The cursor is not where the commit expected it, or the lease is not held under its epoch any more: somebody else projects
    /// this partition. Nothing was written.
    #[error(
        "the cursor of partition {partition} is no longer at {expected}, or its lease is somebody else's; nothing was written"
    )]
    Fenced {
        /// The partition.
        partition: u32,
        /// Where the commit expected its cursor.
        expected: u64,
    },
    /// The commit contradicts itself. Nothing was written, and it never will be.
    #[error("the commit is malformed: {detail}")]
    Malformed {
        /// In what way.
        detail: &'static str,
    },
    /// Nothing was written, because of a full disk or a full queue; it may work later.
    #[error("the commit was rejected; nothing was written")]
    Rejected {
        /// What failed.
        source: Cause,
    },
    /// It may or may not have been written: the cursor says which.
    #[error("the commit failed; it is not known whether it was written")]
    Unknown {
        /// What failed.
        source: Cause,
    },
    /// The store is damaged; nothing will be written any more and the process should end.
    #[error("the state store is damaged; delete it, and it will be built anew from the ledger")]
    Damaged {
        /// What failed.
        source: Cause,
    },
    /// The store has been closed. Nothing was written.
    #[error("the state store is closed")]
    Closed,
}

/// Why it is not known who holds a lease. A claim or renewal that failed may nevertheless have been written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The store does not answer now.
    #[error("the leases of the state store cannot be read or written")]
    Unavailable {
        /// What failed.
        source: Cause,
    },
    /// The store is damaged. Trying again is of no use, and the process should end.
    #[error("the state store is damaged; delete it, and it will be built anew from the ledger")]
    Damaged {
        /// What failed.
        source: Cause,
    },
    /// The store has been closed.
    #[error("the state store is closed")]
    Closed,
}

impl OpenError {
    pub(crate) fn database(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Database { source: Arc::new(source) }
    }

    pub(crate) fn identify(store: String, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Identify { store, source: Arc::new(source) }
    }
}

impl StoreError {
    pub(crate) fn unreadable(what: String, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unreadable { what, source: Arc::new(source) }
    }
}

impl From<StoreError> for LeaseError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { source } => Self::Damaged { source },
            other => Self::Unavailable { source: Arc::new(other) },
        }
    }
}
