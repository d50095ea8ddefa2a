//! What a delivery store that fails says about it.

use std::error::Error;
use std::sync::Arc;

/// What a backend said, shared by all whom it concerns.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a delivery store is refused at start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its database cannot be opened.
    #[error("cannot open the delivery store")]
    Database {
        /// What the backend said.
        source: Cause,
    },
    /// It keeps count of another ledger's changes.
    #[error("{store} keeps count of the deliveries of ledger {found}, not of {expected}: another data directory?")]
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
}

/// Why the store has not done what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// Somebody else has taken the subscription over. Nothing was written.
    #[error("somebody else delivers to the subscription; nothing was written")]
    Fenced,
    /// It cannot be read or written now. What was to be written may have been: the same again does no harm.
    #[error("the delivery store cannot be read or written")]
    Unavailable {
        /// What failed.
        source: Cause,
    },
    /// It is damaged. Trying again is of no use, and the process should end.
    #[error("the delivery store is damaged; delete it, and every subscription will ask from where to go on")]
    Damaged {
        /// What failed.
        source: Cause,
    },
    /// It has been closed.
    #[error("the delivery store is closed")]
    Closed,
}

impl OpenError {
    pub(crate) fn database(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Database { source: Arc::new(source) }
    }
}
