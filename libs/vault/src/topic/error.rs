//! What goes wrong between the key store and its brokers.

use std::error::Error;
use std::io;
use std::sync::Arc;

use kafka::{KafkaError, TopicError, WriteError};
use thiserror::Error;

use crate::error::KeyStoreError;

/// Why a key store cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KafkaKeysError {
    /// Its topic cannot be made, or could lose keys.
    #[error("cannot use the key topic")]
    Topic(#[from] TopicError),
    /// librdkafka cannot be set up.
    #[error("cannot set up a connection for the key topic")]
    Client(#[from] KafkaError),
    /// The thread that follows the topic cannot be made.
    #[error("cannot start to follow the key topic")]
    Thread(#[source] io::Error),
    /// It cannot be written, or read to its end.
    #[error("cannot write or read the key topic")]
    Store(#[from] KeyStoreError),
}

/// The topic yields nothing, although more is in it.
#[derive(Debug, Error)]
#[error("nothing has come from the key topic for a while: {next} is the next offset, and {offset} is there")]
pub(super) struct Stalled {
    pub(super) next: u64,
    pub(super) offset: u64,
}

/// A key was made and is gone.
#[derive(Debug, Error)]
#[error("the key was destroyed as soon as it was made")]
pub(super) struct Gone;

/// What was destroyed meanwhile may have left no trace in the topic.
#[derive(Debug, Error)]
#[error("the brokers were out of reach for so long that the destruction of keys may have been missed")]
pub(super) struct OutOfTouch;

pub(super) fn unavailable(error: impl Error + Send + Sync + 'static) -> KeyStoreError {
    KeyStoreError::Unavailable { source: Arc::new(error) }
}

pub(super) fn damaged(error: impl Error + Send + Sync + 'static) -> KeyStoreError {
    KeyStoreError::Damaged { source: Arc::new(error) }
}

impl From<WriteError> for KeyStoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Full => Self::Busy,
            WriteError::Rejected { source } => Self::Rejected { source },
            WriteError::Unknown { source } => Self::Unknown { source },
            WriteError::Closed => Self::Closed,
            // Of what this version does not know, it does not know either whether it was written.
            other => Self::Unknown { source: Arc::new(other) },
        }
    }
}
