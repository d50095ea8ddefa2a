//! What PostgreSQL says, in the words of the contract.

use std::error::Error;
use std::sync::Arc;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, SqlState};

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
    /// As after a failover to a replica that lagged, or with a restored or emptied database: readers would skip what is
    /// projected anew. A start goes by what is there.
    #[error("the database has less of partition {partition} than it had: it is another, or an older one")]
    WentBack { partition: u32 },
}

impl Fault {
    /// Whether the database's content is at fault, so that trying again is of no use.
    pub(super) fn is_damage(&self) -> bool {
        const DAMAGE: [&SqlState; 4] = [
            &SqlState::DATA_CORRUPTED,
            &SqlState::INDEX_CORRUPTED,
            &SqlState::UNDEFINED_TABLE,
            &SqlState::INVALID_SCHEMA_NAME,
        ];
        match self {
            Self::WentBack { .. } => true,
            Self::Statement(error) => error.code().is_some_and(|code| DAMAGE.contains(&code)),
            _ => false,
        }
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
pub(super) fn explain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.fold(error.to_string(), |line, cause| {
        let cause = said(cause);
        // Some errors say in their own text what their cause says.
        if line.ends_with(&cause) { line } else { format!("{line}: {cause}") }
    })
}

/// What an error says, without the details in which a server may quote a row: a reason is shown to everybody.
fn said(error: &(dyn Error + 'static)) -> String {
    let answer = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::as_db_error);
    match answer.or(error.downcast_ref::<DbError>()) {
        Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
        None => error.to_string(),
    }
}
