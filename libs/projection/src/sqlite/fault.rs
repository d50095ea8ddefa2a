//! What SQLite says, in the words of the contract.

use std::sync::Arc;

use sqlite::WriteError;

use crate::{Cause, CommitError, LeaseError, StoreError};

/// Why a read failed. It stands between SQLite's errors and the contract's, so that the contract's need not know SQLite.
pub(super) struct Fault(StoreError);

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let damage = sqlite::is_damage(&error);
        let source: Cause = Arc::new(error);
        Self(if damage { StoreError::Damaged { source } } else { StoreError::Unavailable { source } })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<Fault> for StoreError {
    fn from(Fault(error): Fault) -> Self {
        error
    }
}

/// What the writer knows about a commit that failed.
pub(super) fn commit_error(error: WriteError) -> CommitError {
    match error {
        WriteError::Rejected { source } => CommitError::Rejected { source },
        WriteError::Damaged { source } => CommitError::Damaged { source },
        WriteError::Closed => CommitError::Closed,
        full @ WriteError::Full => CommitError::Rejected { source: Arc::new(full) },
        WriteError::Unknown { source } => CommitError::Unknown { source },
        // Of what this version does not know, it does not know either whether it was written.
        other => CommitError::Unknown { source: Arc::new(other) },
    }
}

/// Why the writer has not done what was asked of leases.
pub(super) fn lease_error(error: WriteError) -> LeaseError {
    match error {
        WriteError::Damaged { source } => LeaseError::Damaged { source },
        WriteError::Closed => LeaseError::Closed,
        other => LeaseError::Unavailable { source: Arc::new(other) },
    }
}
