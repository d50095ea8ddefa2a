//! What PostgreSQL says, and what it means.

use std::error::Error;
use std::io;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, SqlState};

/// What failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Fault {
    #[error("there is no connection to the database")]
    Connect(#[from] PoolError),
    #[error("the database cannot carry out a statement")]
    Statement(#[from] tokio_postgres::Error),
    #[error("the database does not answer in time")]
    Late,
    #[error("the database has closed the connection")]
    Lost,
    /// What is in the database cannot be: it is another, or an older one.
    #[error("{0}")]
    Content(String),
}

impl Fault {
    /// Whether the database's content is at fault, so that trying again is of no use.
    pub fn is_damage(&self) -> bool {
        const DAMAGE: [&SqlState; 4] = [
            &SqlState::DATA_CORRUPTED,
            &SqlState::INDEX_CORRUPTED,
            &SqlState::UNDEFINED_TABLE,
            &SqlState::INVALID_SCHEMA_NAME,
        ];
        match self {
            Self::Content(_) => true,
            Self::Statement(error) => error.code().is_some_and(|code| DAMAGE.contains(&code)),
            _ => false,
        }
    }

    /// Whether it may pass: the database is away, is just starting or ending, or has no room now.
    pub fn passes(&self) -> bool {
        match self {
            Self::Connect(PoolError::Backend(error)) | Self::Statement(error) => is_away(error),
            Self::Connect(PoolError::Timeout(_)) | Self::Late | Self::Lost => true,
            Self::Connect(_) | Self::Content(_) => false,
        }
    }

    /// Whether COMMIT fails with this error only before it is carried out: a constraint or a conflict is found first. Others,
    /// as those of a server that is shutting down, may also take the place of the answer to a commit that was carried out.
    fn leaves_nothing(&self) -> bool {
        let Self::Statement(error) = self else { return false };
        error.code().is_some_and(|code| {
            let conflict = code.code().starts_with("40") && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
            conflict || code.code().starts_with("23")
        })
    }
}

/// Whether the server says so, by the class of its code, or nothing is heard of it. A certificate that is not trusted also
/// comes as an I/O error, of invalid data.
fn is_away(error: &tokio_postgres::Error) -> bool {
    const CONNECTION: &str = "08";
    const CONFLICT: &str = "40";
    const NO_ROOM: &str = "53";
    const INTERVENTION: &str = "57";
    const SYSTEM: &str = "58";
    let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match error.code() {
        Some(code) => {
            [CONNECTION, CONFLICT, NO_ROOM, INTERVENTION, SYSTEM].iter().any(|class| code.code().starts_with(class))
        }
        None => error.is_closed() || io.is_some_and(|error| error.kind() != io::ErrorKind::InvalidData),
    }
}

/// Which step of a commit failed.
#[derive(Debug)]
pub enum Failure {
    /// One before COMMIT was sent: without it nothing is ever committed.
    Before(Fault),
    /// COMMIT itself.
    At(Fault),
}

impl Failure {
    /// What failed.
    pub fn fault(&self) -> &Fault {
        let (Self::Before(fault) | Self::At(fault)) = self;
        fault
    }

    /// What failed, and whether it is certain that nothing was written.
    pub fn into_parts(self) -> (Fault, bool) {
        match self {
            Self::Before(fault) => (fault, true),
            Self::At(fault) => {
                let nothing = fault.leaves_nothing();
                (fault, nothing)
            }
        }
    }
}

/// The error and its causes, in one line.
pub fn explain(error: &(dyn Error + 'static)) -> String {
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
