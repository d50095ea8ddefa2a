//! How regledger uses Kafka: connecting, topics that lose nothing, one idempotent producer that says
//! what it knows, transactions, and reading by offset.
//!
//! Everything that regledger keeps in Kafka (ledger, keys) or tells there (changes) goes through this crate, so that what
//! is durable, what a failure means and how it heals is decided once:
//!
//! - [`Connection`] says how the cluster is reached, with librdkafka's own settings but those on
//!   which durability hangs.
//! - [`Topic`] says how a topic must be, and [`Inspector`] creates it so or lists every deviation.
//! - [`Producer`] writes, and tells apart what was refused and what may have been written.
//! - [`TransactionalProducer`] writes records together with a [`Group`]'s position, or neither.
//! - [`Reader`] reads one partition at a time, from any offset on; [`Offsets`] knows where the
//!   partitions begin and end.
//!
//! This crate knows nothing of what is stored. Nobody joins a consumer group: who works on what is decided elsewhere.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod announced;
mod connection;
mod delivery;
mod group;
mod inspector;
mod offsets;
mod passing;
mod producer;
mod reader;
mod topic;
mod transaction;
mod violation;

pub use announced::Announced;
pub use connection::{Connection, SettingError};
pub use group::Group;
pub use inspector::{Inspector, TopicError};
pub use offsets::Offsets;
pub use passing::passes;
pub use producer::{Options, Producer, Record, WriteError};
pub use rdkafka::error::{KafkaError, RDKafkaErrorCode as ErrorCode};
pub use reader::{Message, ReadError, Reader};
pub use topic::{Cleanup, Topic};
pub use transaction::{KeyedRecord, TransactionError, TransactionalProducer};
pub use violation::Violation;
