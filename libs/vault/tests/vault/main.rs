//! The vault from outside: what it seals, keeps, gives away and destroys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conforming;
mod hiding;
#[cfg(feature = "kafka")]
mod kafka_keys;
mod kek;
mod key_store;
mod sealing;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use tempfile::TempDir;
use uuid::Uuid;
use vault::{Context, Kek, KeyStore, OpenError, SqliteKeys, Subject, Vault};

const LEDGER: &str = "01980000-0000-7000-8000-000000000001";
const EVENT: Uuid = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0002);

/// A folder with a key file, and a key store as soon as it is opened.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        Kek::create_file(&place.path("kek")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn kek(&self) -> Kek {
        Kek::from_file(&self.path("kek")).unwrap()
    }

    async fn open(&self) -> Vault {
        self.try_open(self.kek(), LEDGER).await.unwrap()
    }

    async fn try_open(&self, kek: Kek, ledger: &str) -> Result<Vault, OpenError> {
        Vault::open(self.keys(), kek, ledger).await
    }

    fn keys(&self) -> Arc<dyn KeyStore> {
        Arc::new(SqliteKeys::open(&self.path("keys.db")).unwrap())
    }

    /// A look at the key store behind the vault's back.
    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("keys.db")).unwrap()
    }
}

fn day(n: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + (n * 24).hours()
}

fn tenant(name: &str) -> Subject {
    Subject::Tenant(name.to_owned())
}

fn quarantined(id: &str, expires: Timestamp) -> Subject {
    Subject::Quarantine { id: id.to_owned(), expires }
}

fn field(field: &str) -> Context<'_> {
    Context { event: EVENT, field }
}

/// Whether the bytes occur.
fn occurs(needle: &[u8], haystack: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
