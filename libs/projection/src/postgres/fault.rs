//! What PostgreSQL says, in the words of the contract.

use std::sync::Arc;

use postgres::{Failure, Fault};

use crate::{Cause, CommitError, LeaseError, StoreError};

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let damage = fault.is_damage();
        let source: Cause = Arc::new(fault);
        if damage { Self::Damaged { source } } else { Self::Unavailable { source } }
    }
}

impl From<Fault> for LeaseError {
    fn from(fault: Fault) -> Self {
        let damage = fault.is_damage();
        let source: Cause = Arc::new(fault);
        if damage { Self::Damaged { source } } else { Self::Unavailable { source } }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        let (fault, nothing) = failure.into_parts();
        match fault {
            fault if fault.is_damage() => Self::Damaged { source: Arc::new(fault) },
            fault if nothing => Self::Rejected { source: Arc::new(fault) },
            fault => Self::Unknown { source: Arc::new(fault) },
        }
    }
}
