//! The delivery store: how far each subscription was pushed, what is held back or was given up, and the last attempts.
//!
//! It stands apart from the state store: that one can be folded anew, and how far somebody was told cannot. A cursor passes a
//! change once it is delivered or held, in one transaction. If the store is lost, nobody knows how far anybody was told: a new
//! one says since when it keeps count, its [`Birth`], and who is older must be asked from where to go on.
//!
//! Whoever works on a subscription [takes it over](Outbox::take) first, under an epoch that was never used before: whoever had
//! it until then can write no more. This crate knows neither what is delivered nor to whom. [`Outbox`] is the contract; its
//! backends pass one suite, `tests/conformance`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod contract;
mod delivery;
mod error;
#[cfg(feature = "postgres")]
mod postgres_schema;
mod sqlite_file;

pub use contract::{Answer, Birth, Outbox, Settlement, Taken};
pub use delivery::{At, Attempt, Delivery, DeliveryFilter, DeliveryState, Held, Listed};
pub use error::{Cause, OpenError, OutboxError};
#[cfg(feature = "postgres")]
pub use postgres_schema::PostgresOutbox;
pub use sqlite_file::SqliteOutbox;
