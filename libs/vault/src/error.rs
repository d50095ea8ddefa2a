//! What can go wrong with keys. No error holds key material, plaintext or an argument of the key command.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use aws_lc_rs::error::Unspecified;
use sqlite::WriteError;
use thiserror::Error;

/// Why there is no key-encryption key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KekError {
    /// There is no such file.
    #[error("there is no key file {path}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made because there is one already.
    #[error("there is a key file {path} already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others than the file's owner may open it.
    #[error("the key file {path} has mode {mode:03o}; others than its owner must not have access: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system refuses a step on the file.
    #[error("cannot {operation} the key file {path}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What was read is not a key.
    #[error("{origin} does not give a key: expected 32 bytes in base64, alone on one line")]
    NotAKey {
        /// The file or the command's program.
        origin: String,
    },
    /// The command has no program.
    #[error("the key command is empty")]
    NoCommand,
    /// The command cannot be run.
    #[error("cannot run the key command {program}")]
    Command {
        /// The program; its arguments may be secret.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The command failed. What it wrote to its standard error has gone to ours.
    #[error("the key command {program} failed: {status}")]
    CommandFailed {
        /// The program; its arguments may be secret.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The command did not end in time.
    #[error("the key command {program} did not end in time and was killed")]
    CommandTimedOut {
        /// The program; its arguments may be secret.
        program: String,
    },
    /// There is no randomness.
    #[error("cannot make a random key")]
    Random,
}

/// Why a key store cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database cannot be opened.
    #[error("cannot open the key store")]
    Database(#[from] sqlite::OpenError),
    /// It is open and cannot be read or written.
    #[error("cannot read or set up the key store {path}")]
    Store {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Its keys belong to the events of another ledger.
    #[error("the key store {path} belongs to ledger {found}, not to {expected}")]
    OtherLedger {
        /// The file.
        path: PathBuf,
        /// The ledger it was made for.
        found: String,
        /// The ledger it was opened for.
        expected: String,
    },
    /// Its keys are wrapped under another key-encryption key.
    #[error("the key store {path} was made with another key-encryption key")]
    WrongKek {
        /// The file.
        path: PathBuf,
    },
    /// The key-encryption key is the right one and yet a fingerprint key does not unwrap, or there is none.
    #[error("the key store {path} is damaged: its fingerprint key cannot be unwrapped")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The cryptography library failed, as it does without randomness.
    #[error("the cryptography library failed")]
    Cryptography,
}

impl From<Unspecified> for OpenError {
    fn from(_: Unspecified) -> Self {
        Self::Cryptography
    }
}

/// Why the vault cannot do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VaultError {
    /// A new key cannot be made durable. [`WriteError::Unknown`] does no harm: either the key is found later, or another is
    /// made, and nothing was sealed with it.
    #[error("cannot make a new key durable")]
    Write(#[source] WriteError),
    /// The key store cannot be read.
    #[error("cannot read the key store")]
    Read(#[from] rusqlite::Error),
    /// Expired keys cannot be destroyed; those that were not are next time.
    #[error("cannot destroy expired keys")]
    Expire(#[source] rusqlite::Error),
    /// A reader, as a backup, keeps the write-ahead log from being emptied: expired keys open nothing any more, but their bytes
    /// are still there. They go the next time.
    #[error("expired keys are still in the write-ahead log of the key store")]
    Lingering,
    /// The key store cannot be opened once more.
    #[error("cannot open the key store")]
    Open(#[source] sqlite::OpenError),
    /// The file for a backup cannot be made.
    #[error("cannot make the backup {path}")]
    Backup {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A key cannot be unwrapped, although the key-encryption key is the right one.
    #[error("the key store is damaged: key {kid} cannot be unwrapped")]
    Damaged {
        /// Id of the key.
        kid: String,
    },
    /// The cryptography library failed, as it does without randomness.
    #[error("the cryptography library failed")]
    Cryptography,
    /// The runtime is shutting down.
    #[error("the vault is shutting down")]
    Closed,
}

impl VaultError {
    /// Whether the key store's content is at fault, so that trying again is of no use.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Write(error) => matches!(error, WriteError::Damaged { .. }),
            Self::Read(error) | Self::Expire(error) => sqlite::is_damage(error),
            Self::Open(error) => error.is_damage(),
            Self::Damaged { .. } => true,
            _ => false,
        }
    }
}

impl From<Unspecified> for VaultError {
    fn from(_: Unspecified) -> Self {
        Self::Cryptography
    }
}

/// Why an envelope stays closed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnsealError {
    /// Its key was destroyed, has expired, or never was in this key store.
    #[error("there is no key to open the envelope with")]
    NoKey,
    /// It is not what was sealed for this subject, in this event and field of this ledger.
    #[error("the envelope was tampered with or belongs somewhere else")]
    Tampered,
    /// The key cannot be had now.
    #[error("cannot get the key of the envelope")]
    Unavailable(#[from] VaultError),
}
