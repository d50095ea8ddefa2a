//! How regledger uses PostgreSQL: its URL and TLS, pools of connections, tables that are brought up to date, and what a failure
//! means.
//!
//! Every store that regledger keeps in PostgreSQL goes through this crate, so that how long anything may take, and what is
//! damage, is decided once. This crate knows nothing of what is stored.

mod connect;
mod fault;
mod migrate;

pub use connect::{ANSWER, Connections, Connector, Sizes, UrlError, abandon, answer};
pub use fault::{Failure, Fault, explain};
pub use migrate::{Migrated, migrate};
