//! Sealing of secrets and personal fields, and the keys for it, which live outside the ledger so that they can be destroyed.
//!
//! Three kinds of keys, each known only to the one above it:
//!
//! - The key-encryption key, [`Kek`], comes from outside: a file or a command. It is never stored.
//! - A [`DataKey`] belongs to one [`Subject`]. The [`Vault`] makes it, wraps it under the key-encryption key and keeps it in
//!   a [`KeyStore`]. It is durable before anything is sealed with it; without it what was sealed is gone for ever.
//! - The fingerprint key, wrapped likewise, belongs to the whole ledger. Fingerprints tell a new secret from a repeated one.
//!
//! Where the wrapped keys are kept is behind a contract, [`KeyStore`], which every backend passes a suite of.
//!
//! What is sealed is an [`Envelope`](registration::Envelope) in an event. This crate knows nothing of events but their ids,
//! and no secret that it has opened is ever logged or held in an error.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cache;
mod cipher;
mod command;
pub mod conformance;
mod contract;
mod data_key;
mod embedded;
mod error;
mod fingerprint;
mod kek;
mod row;
mod subject;
#[cfg(feature = "kafka")]
mod topic;
mod unlock;
mod vault;
mod wrapping;

pub use contract::{Doomed, KeyStore};
pub use data_key::{Context, DataKey};
pub use embedded::SqliteKeys;
pub use error::{Cause, KekError, KeyStoreError, OpenError, UnsealError, VaultError};
pub use kek::Kek;
pub use row::{Belonging, FingerprintRow, KeyRow};
pub use subject::Subject;
#[cfg(feature = "kafka")]
pub use topic::{KafkaKeys, KafkaKeysError};
pub use vault::Vault;
