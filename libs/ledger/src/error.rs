//! What a ledger that fails says about it.

use std::error::Error;
use std::sync::Arc;

use crate::Flaw;

/// What a backend said, shared by all whom it concerns.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// What is known about an append that was not confirmed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Too many appends are waiting. Nothing was written; try again later.
    #[error("too many appends are waiting")]
    Busy,
    /// Nothing was written, because of a full disk or a broker that refused; it may work later.
    #[error("the append was rejected; nothing was written")]
    Rejected {
        /// What failed.
        source: Cause,
    },
    /// It may or may not have been written.
    #[error("the append failed; it is not known whether it was written")]
    Unknown {
        /// What failed.
        source: Cause,
    },
    /// The ledger itself is damaged; nothing will be appended any more and the process should end.
    #[error("the ledger is damaged")]
    Damaged {
        /// What failed.
        source: Cause,
    },
    /// An entry can never be appended. Nothing was written.
    #[error("entry {index} of the batch cannot be appended")]
    Unacceptable {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        source: Flaw,
    },
    /// The ledger has been closed. Nothing was written.
    #[error("the ledger is closed")]
    Closed,
}

/// Why events cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What is stored is not what was appended. Trying again is of no use, and the process should
    /// end.
    #[error("the ledger is damaged at {partition}:{position}: {detail}")]
    Corrupt {
        /// The partition.
        partition: u32,
        /// The first position that is known to be affected.
        position: u64,
        /// What is wrong there.
        detail: String,
    },
    /// It cannot be read now.
    #[error("the ledger cannot be read")]
    Unavailable {
        /// What failed.
        source: Cause,
    },
    /// The ledger does not have this partition.
    #[error("the ledger has no partition {partition}")]
    NoSuchPartition {
        /// What was asked for.
        partition: u32,
    },
}

/// Why a ledger is refused at start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its file cannot be opened.
    #[error("cannot open the ledger's database")]
    Database(#[from] sqlite::OpenError),
    /// Its topic cannot be used, or cannot be looked at.
    #[cfg(feature = "kafka")]
    #[error("cannot use the ledger's topic")]
    Topic(#[from] kafka::TopicError),
    /// The brokers cannot be asked, or librdkafka refuses the settings.
    #[cfg(feature = "kafka")]
    #[error("cannot connect to the ledger's brokers")]
    Brokers(#[from] kafka::KafkaError),
    /// The directory would not be alone in partition 0.
    #[error("a ledger in Kafka needs at least 2 partitions, not {found}: the directory has partition 0 to itself")]
    Partitions {
        /// What was asked for.
        found: u32,
    },
    /// Its first or last events cannot be read, or are not what was appended.
    #[error("cannot trust the ledger")]
    Check(#[from] ReadError),
}
