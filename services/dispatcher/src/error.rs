//! Why dispatching ends, and what is only in its way.

use outbox::OutboxError;
use projection::{LeaseError, StoreError, explain};

/// Why dispatching ends for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatcherError {
    /// The state store is damaged, or holds what this executable does not know.
    #[error("cannot go on reading changes from the state store")]
    Store(#[source] StoreError),
    /// The delivery store is damaged or closed.
    #[error("cannot go on with the delivery store")]
    Outbox(#[source] OutboxError),
    /// The store will not take any more.
    #[error("cannot go on keeping leases in the state store")]
    Leases(#[from] LeaseError),
    /// A metric is registered already.
    #[error("cannot register the dispatcher's metrics")]
    Metrics(#[from] prometheus::Error),
}

/// What is in the way of a subscription.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// It may pass.
    Passing(String),
    /// Another dispatcher has taken the subscription over.
    Fenced,
    /// It cannot pass.
    Lasting(DispatcherError),
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::Passing(explain(&error)),
            error => Self::Lasting(DispatcherError::Store(error)),
        }
    }
}

impl From<OutboxError> for Obstacle {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Unavailable { .. } => Self::Passing(explain(&error)),
            OutboxError::Fenced => Self::Fenced,
            error => Self::Lasting(DispatcherError::Outbox(error)),
        }
    }
}
