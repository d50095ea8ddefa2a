//! How regledger uses Kafka: connecting, topics that lose nothing, one idempotent producer that says
//! what it knows, and reading by offset.
//!
//! Every store that regledger keeps in Kafka (ledger, keys) goes through this crate, so that what is
//! durable, what a failure means and how it heals is decided once:
//!
//! - [`Connection`] says how the cluster is reached, with librdkafka's own settings but those on
//!   which durability hangs.
//! - [`Topic`] says how a topic must be, and [`Inspector`] creates it so or lists every deviation.
//! - [`Producer`] writes, and tells apart what was refused and what may have been written.
//! - [`Reader`] reads one partition at a time, from any offset on; [`Offsets`] knows where the
//!   partitions begin and end.
//!
//! This crate knows nothing of what is stored. There are no transactions and no consumer groups.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod connection;
mod delivery;
mod inspector;
mod offsets;
mod producer;
mod reader;
mod topic;
mod violation;

pub use connection::{Connection, SettingError};
pub use inspector::{Inspector, TopicError};
pub use offsets::Offsets;
pub use producer::{Options, Producer, Record, WriteError};
pub use rdkafka::error::{KafkaError, RDKafkaErrorCode as ErrorCode};
pub use reader::{Message, ReadError, Reader};
pub use topic::{Cleanup, Topic};
pub use violation::Violation;
