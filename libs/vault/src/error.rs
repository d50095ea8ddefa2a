//! What can go wrong with keys. No error holds key material, plaintext or an argument of the key command.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
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

/// What a backend said, shared by all whom it concerns.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a key store did not do what it was asked.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// Too many keys are being made. Nothing was written; try again later.
    #[error("too many keys are being made")]
    Busy,
    /// Nothing was written, because of a full disk or a broker that refused; it may work later.
    #[error("the key store refused; nothing was written")]
    Rejected {
        /// What failed.
        source: Cause,
    },
    /// It may or may not have been written. That does no harm: either the key is found later, or another one is made, and
    /// nothing was sealed with it.
    #[error("writing to the key store failed; it is not known whether it was written")]
    Unknown {
        /// What failed.
        source: Cause,
    },
    /// It cannot be reached now.
    #[error("the key store cannot be read or written")]
    Unavailable {
        /// What failed.
        source: Cause,
    },
    /// A reader, as a backup, keeps the write-ahead log from being emptied: destroyed keys open nothing any more, but their
    /// bytes are still there. They go the next time.
    #[error("destroyed keys are still in the write-ahead log of the key store")]
    Lingering,
    /// What is in it is not what was written. Trying again is of no use, and the process should end.
    #[error("the key store is damaged")]
    Damaged {
        /// What failed.
        source: Cause,
    },
    /// It has been closed. Nothing was written.
    #[error("the key store is closed")]
    Closed,
}

impl KeyStoreError {
    /// Whether the key store's content is at fault, so that trying again is of no use.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// Why a vault cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The key store cannot be read or put to use.
    #[error("cannot read or set up the key store")]
    Store(#[from] KeyStoreError),
    /// Its keys belong to the events of another ledger.
    #[error("the key store {place} belongs to ledger {found}, not to {expected}")]
    OtherLedger {
        /// The key store.
        place: String,
        /// The ledger it was made for.
        found: String,
        /// The ledger it was opened for.
        expected: String,
    },
    /// Its keys are wrapped under another key-encryption key.
    #[error("the key store {place} was made with another key-encryption key")]
    WrongKek {
        /// The key store.
        place: String,
    },
    /// The key-encryption key is the right one and yet a fingerprint key does not unwrap, or there is none.
    #[error("the key store {place} is damaged: its fingerprint key cannot be unwrapped")]
    Damaged {
        /// The key store.
        place: String,
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
    /// A new key cannot be made durable.
    #[error("cannot make a new key durable")]
    Make(#[source] KeyStoreError),
    /// A key cannot be looked up.
    #[error("cannot look up a key")]
    Find(#[source] KeyStoreError),
    /// Expired keys cannot be destroyed; those that were not are next time.
    #[error("cannot destroy expired keys")]
    Expire(#[source] KeyStoreError),
    /// The keys of a subject cannot be destroyed; those that were not are next time.
    #[error("cannot destroy the keys of a subject")]
    Shred(#[source] KeyStoreError),
    /// A key cannot be unwrapped, although the key-encryption key is the right one.
    #[error("the key store is damaged: key {kid} cannot be unwrapped")]
    Damaged {
        /// Id of the key.
        kid: String,
    },
    /// The cryptography library failed, as it does without randomness.
    #[error("the cryptography library failed")]
    Cryptography,
}

impl VaultError {
    /// Whether the key store's content is at fault, so that trying again is of no use.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Make(error) | Self::Find(error) | Self::Expire(error) | Self::Shred(error) => error.is_damage(),
            Self::Damaged { .. } => true,
            Self::Cryptography => false,
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
