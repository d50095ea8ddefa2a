//! Why publishing ends, and what is only in its way.

use kafka::{KafkaError, TransactionError};
use projection::{LeaseError, StoreError, explain};

/// Why publishing ends for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublisherError {
    /// The store is damaged, or holds what this executable does not know.
    #[error("cannot go on reading the changes of partition {partition} from the state store")]
    Store {
        /// The partition.
        partition: u32,
        /// What the store said.
        source: StoreError,
    },
    /// A change in the store is none.
    #[error("the change at {partition}:{position} cannot be read")]
    Change {
        /// Its partition.
        partition: u32,
        /// Its position.
        position: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The store will not take any more.
    #[error("cannot go on keeping leases in the state store")]
    Leases(#[from] LeaseError),
    /// The settings of the Kafka client do not go together.
    #[error("cannot publish with these settings of the Kafka client")]
    Kafka(#[from] KafkaError),
    /// A metric is registered already.
    #[error("cannot register the publisher's metrics")]
    Metrics(#[from] prometheus::Error),
}

/// What is in the way of a partition.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// It may pass.
    Passing(String),
    /// It may pass, but not for this producer.
    Spent(String),
    /// Another publisher has taken the partition over.
    Fenced,
    /// It cannot pass.
    Lasting(PublisherError),
}

impl Obstacle {
    pub(crate) fn store(partition: u32, source: StoreError) -> Self {
        match source {
            StoreError::Unavailable { .. } => Self::Passing(explain(&source)),
            source => Self::Lasting(PublisherError::Store { partition, source }),
        }
    }
}

impl From<TransactionError> for Obstacle {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Fenced { .. } => Self::Fenced,
            error => Self::Spent(explain(&error)),
        }
    }
}

impl From<KafkaError> for Obstacle {
    fn from(error: KafkaError) -> Self {
        Self::Passing(explain(&error))
    }
}
