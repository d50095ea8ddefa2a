//! The state store: the rows and changes that were folded from the ledger, and how far.
//!
//! Rows, changes and the cursor of a partition are committed together or not at all, so a reader sees a change exactly when
//! the cursor has passed it. Everything here can be deleted and folded again.
//!
//! This crate folds nothing and knows no ledger. [`Store`] is the contract; its backends pass one suite, `tests/conformance`.
//! Whoever works on partitions, whatever that is, has a [`Keeper`] for their leases.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod as_of;
mod backoff;
mod board;
mod changes;
mod clients;
mod commit;
mod contract;
mod error;
mod keeper;
mod lease;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod quarantine;
mod sessions;
mod sqlite;
mod tenure;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
pub use self::sqlite::SqliteStore;
pub use as_of::AsOf;
pub use backoff::Backoff;
pub use board::{Board, explain};
pub use changes::StoredChange;
pub use clients::{ClientCount, ClientFilter, ListedClient};
pub use commit::{Commit, NewChange, WrittenRow};
pub use contract::{Answer, Cursor, Store};
pub use error::{Cause, CommitError, LeaseError, OpenError, StoreError};
pub use keeper::{Ids, Keeper, Observe};
pub use lease::{Claim, Claimed, Lease};
pub use place::{MAX_ORDINAL, MAX_PARTITIONS, MAX_POSITION, pack as pack_change, unpack as unpack_change};
pub use quarantine::{ListedMessage, MessageFilter};
pub use registration::Place;
pub use tenure::{LeaseChange, Partnership, Term, Vouched};
