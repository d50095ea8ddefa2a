//! The append-only ledger: the contract that everything is derived from, its backends, and the
//! suite that each backend passes.
//!
//! An event is a row of bytes at a [`Place`], a partition and a position in it. Positions begin at
//! 0 and have no gaps. What has been appended is never changed or removed, and it is read byte for
//! byte as it was appended.
//!
//! This crate knows nothing of what the bytes mean, except which are the directory's: partition 0
//! marks them among its own, or has no others.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod conformance;
mod contract;
mod embedded;
mod entry;
mod error;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;

#[cfg(feature = "kafka")]
pub use self::kafka::{KafkaLedger, KafkaOptions};
pub use contract::{Ledger, Limit, Recorded};
pub use embedded::SqliteLedger;
pub use entry::{Entry, Flaw, MAX_ENTRY_BYTES, leaf_hash};
pub use error::{AppendError, Cause, OpenError, ReadError};
pub use memory::MemoryLedger;
pub use registration::place::{Place, PlaceSyntax};
