//! One write transaction, and what is known about it when it fails.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use thiserror::Error;

use crate::{OpenError, is_damage};

/// How a transaction commits. Tests replace it to fail before, or after, the real commit; see
/// [`commit`].
pub type Commit = Arc<dyn Fn(&Connection) -> rusqlite::Result<()> + Send + Sync>;

/// The step of a write that failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The file could not be opened again after an earlier failure.
    #[error("cannot open the database again")]
    Reopen(#[source] OpenError),
    /// The file was opened again but what was left of the failed write could not be settled.
    #[error("cannot recover the database")]
    Recover(#[source] rusqlite::Error),
    /// The transaction could not begin.
    #[error("cannot begin a transaction")]
    Begin(#[source] rusqlite::Error),
    /// A statement in it failed.
    #[error("cannot write within the transaction")]
    Apply(#[source] rusqlite::Error),
    /// It could not be committed.
    #[error("cannot commit the transaction")]
    Commit(#[source] rusqlite::Error),
    /// What was committed could not be copied from the write-ahead log and synced. It is all in the log, which whoever opens
    /// the file next copies anew.
    #[error("cannot copy the write-ahead log into the database")]
    Copy(#[source] rusqlite::Error),
    /// The writer's thread, or that which copies its log, panicked.
    #[error("the writer's thread has ended in a panic")]
    Died,
}

/// What is known about a write that was not confirmed. All writes of one transaction share its
/// error.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The queue is full. Nothing was written; try again later.
    #[error("too many writes are waiting")]
    Full,
    /// Nothing was written. It may work again later (a full disk) or fail for ever (a constraint).
    #[error("the write was rejected; nothing was written")]
    Rejected {
        /// What failed.
        source: Arc<Failure>,
    },
    /// It may or may not have been written. The file was opened again since, if it could be: what a
    /// read finds now stays.
    #[error("the write failed; it is not known whether it was written")]
    Unknown {
        /// What failed.
        source: Arc<Failure>,
    },
    /// The file is damaged. Trying again is of no use, and the writer refuses everything from now
    /// on.
    #[error("the database is damaged")]
    Damaged {
        /// What failed.
        source: Arc<Failure>,
    },
    /// The writer has been closed. Nothing was written.
    #[error("the writer is closed")]
    Closed,
}

impl WriteError {
    pub(crate) fn rejected(failure: Failure) -> Self {
        let damage = match &failure {
            Failure::Reopen(error) => error.is_damage(),
            Failure::Recover(error)
            | Failure::Begin(error)
            | Failure::Apply(error)
            | Failure::Commit(error)
            | Failure::Copy(error) => is_damage(error),
            Failure::Died => false,
        };
        let source = Arc::new(failure);
        if damage { Self::Damaged { source } } else { Self::Rejected { source } }
    }

    /// Judges an error of COMMIT itself.
    fn at_commit(error: rusqlite::Error) -> Self {
        if leaves_nothing(&error) || is_damage(&error) {
            return Self::rejected(Failure::Commit(error));
        }
        Self::Unknown { source: Arc::new(Failure::Commit(error)) }
    }
}

/// Whether COMMIT fails with this error only before its last frame is in the log: a frame that
/// found no room is incomplete, and a lock or constraint is checked before the first. Any other
/// error may come after it.
fn leaves_nothing(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, DatabaseBusy, DatabaseLocked, DiskFull};
    matches!(error.sqlite_error_code(), Some(DiskFull | DatabaseBusy | DatabaseLocked | ConstraintViolation))
}

/// The real [`Commit`].
pub(crate) fn commit(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("COMMIT")
}

/// Runs `body` in one write transaction.
pub(crate) fn transact<T>(
    connection: &Connection,
    commit: &Commit,
    body: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, WriteError> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
        .map_err(|error| WriteError::rejected(Failure::Begin(error)))?;
    let done = body(&transaction).map_err(|error| WriteError::rejected(Failure::Apply(error)))?;
    // The commit point: what is in the transaction is durable when this returns Ok, and nobody is
    // answered before.
    commit(&transaction).map_err(WriteError::at_commit)?;
    Ok(done)
}
