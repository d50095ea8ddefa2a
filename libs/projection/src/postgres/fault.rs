//! What PostgreSQL says, in the words of the contract.

use std::error::Error;
use std::sync::Arc;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::{Cause, CommitError, LeaseError, StoreError};

/// What failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("there is no connection to the database")]
    Connect(#[from] PoolError),
    #[error("the database cannot carry out a statement")]
    Statement(#[from] tokio_postgres::Error),
    #[error("the database does not answer in time")]
    Late,
    #[error("the database has closed the connection")]
    Lost,
}

impl Fault {
    /// Whether the database's files are at fault, so that trying again is of no use.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        matches!(error.code(), Some(code) if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED)
    }
}

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

/// Which step of a commit failed.
pub(super) enum Failure {
    /// One before COMMIT was sent: without it nothing is ever committed.
    Before(Fault),
    /// COMMIT itself.
    At(Fault),
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        let (fault, nothing) = match failure {
            Failure::Before(fault) => (fault, true),
            Failure::At(fault) => {
                let nothing = leaves_nothing(&fault);
                (fault, nothing)
            }
        };
        match fault {
            fault if fault.is_damage() => Self::Damaged { source: Arc::new(fault) },
            fault if nothing => Self::Rejected { source: Arc::new(fault) },
            fault => Self::Unknown { source: Arc::new(fault) },
        }
    }
}

/// Whether COMMIT fails with this error only before it is carried out: a constraint or a conflict is found first. Others, as
/// those of a server that is shutting down, may also take the place of the answer to a commit that was carried out.
fn leaves_nothing(fault: &Fault) -> bool {
    let Fault::Statement(error) = fault else { return false };
    error.code().is_some_and(|code| {
        let conflict = code.code().starts_with("40") && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
        conflict || code.code().starts_with("23")
    })
}

/// The error and its causes, in one line.
pub(super) fn explain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |line, cause| {
        let cause = cause.to_string();
        // Some errors say in their own text what their cause says.
        if line.ends_with(&cause) { line } else { format!("{line}: {cause}") }
    })
}
