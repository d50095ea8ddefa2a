//! How regledger uses SQLite: opening a file, reading from it, and writing to it through one thread
//! that commits in groups.
//!
//! Every store that regledger keeps in SQLite (ledger, keys, state) goes through this crate, so
//! that what is durable, what a failure means and how it heals is decided once:
//!
//! - [`Database`] names a file and its schema, and opens it or says why not.
//! - [`Readers`] is a fixed set of read-only connections for asynchronous callers.
//! - [`Writer`] is the one thread that writes. Whatever queues up while it commits shares its next
//!   transaction.
//!
//! This crate knows nothing of what is stored.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod checkpoint;
mod database;
mod readers;
mod transaction;
mod worker;
mod writer;

pub use checkpoint::empty_log;
pub use database::{Database, OpenError, Synchronous, is_damage};
pub use readers::Readers;
pub use transaction::{Commit, Failure, WriteError};
pub use writer::{Options, Work, Writer};
