//! The vault: makes, keeps, finds and destroys data keys, and seals and opens with them.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use jiff::Timestamp;
use parking_lot::Mutex;
use registration::Envelope;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Transaction, ffi};
use sqlite::{Database, Options, Readers, Writer};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::cache::Cache;
use crate::cipher::{Cipher, random_id, random_key};
use crate::data_key::{Context, DataKey};
use crate::error::{OpenError, UnsealError, VaultError};
use crate::fingerprint::Fingerprinter;
use crate::kek::Kek;
use crate::store::{self, KeyRow};
use crate::subject::Subject;
use crate::unlock::unlock;
use crate::wrapping::Wrapping;

/// How many tenants' keys are kept at hand, at about 1 KB each.
const CACHED_KEYS: usize = 16_384;

/// How many keys can be looked up at a time; each takes some microseconds.
const READERS: usize = 2;

/// The keys of one ledger; a clone is the same vault.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    ledger: String,
    wrapping: Wrapping,
    fingerprinter: Fingerprinter,
    tenants: Mutex<Cache>,
    database: Database,
    readers: Readers,
    writer: Writer<KeyRow, KeyRow>,
}

impl Vault {
    /// The ledger whose keys are in the key store at `path`; None if there is no key store, or one that has not been put to use.
    ///
    /// For the first start, which may have ended between making the key store and appending to the ledger: an empty ledger takes
    /// this id, and a ledger that is not empty must not be opened without its key store. Blocks.
    ///
    /// # Errors
    /// [`OpenError::Database`] or [`OpenError::Store`].
    pub fn ledger_of(path: &Path) -> Result<Option<String>, OpenError> {
        let failed = |source| OpenError::Store { path: path.to_owned(), source };
        if !path.exists() {
            return Ok(None);
        }
        let connection = store::database(path).open()?;
        let belonging = store::belonging(&connection).map_err(failed)?;
        Ok(belonging.map(|belonging| belonging.ledger))
    }

    /// Whether something was sealed with a key of the key store at `path`, which must exist: then its ledger is not empty. Blocks.
    ///
    /// # Errors
    /// [`OpenError::Database`] or [`OpenError::Store`].
    pub fn was_used(path: &Path) -> Result<bool, OpenError> {
        let connection = store::database(path).open()?;
        store::has_keys(&connection).map_err(|source| OpenError::Store { path: path.to_owned(), source })
    }

    /// Opens the key store at `path`, or makes it, for the ledger with this id. Blocks.
    ///
    /// # Errors
    /// [`OpenError::OtherLedger`] and [`OpenError::WrongKek`] if its keys could open nothing here; else what is wrong with it.
    pub fn open(path: &Path, kek: Kek, ledger: &str) -> Result<Self, OpenError> {
        Self::open_with(path, kek, ledger, Options::default())
    }

    fn open_with(path: &Path, kek: Kek, ledger: &str, options: Options) -> Result<Self, OpenError> {
        let database = store::database(path);
        let (wrapping, fingerprinter) = unlock(&database, &kek, ledger)?;
        // The store exists from here on, as readers demand.
        let readers = Readers::open(&database, READERS)?;
        let writer = Writer::start("keys", database.clone(), options, make)?;
        let ledger = ledger.to_owned();
        let tenants = Mutex::new(Cache::new(CACHED_KEYS));
        Ok(Self(Arc::new(Inner { ledger, wrapping, fingerprinter, tenants, database, readers, writer })))
    }

    /// The key to seal with for a subject. It is made at the first call, and durable when this returns.
    ///
    /// # Errors
    /// [`VaultError`]; after any of them a later call may succeed, unless it [is damage](VaultError::is_damage).
    pub async fn data_key(&self, subject: &Subject, now: Timestamp) -> Result<DataKey, VaultError> {
        if let Some(key) = self.cached(subject) {
            return Ok(key);
        }
        let row = self.make(subject, now).await?;
        let key = self.unwrap(subject, &row)?;
        self.remember(&key);
        Ok(key)
    }

    /// Seals `plaintext`, bound to its context. The envelope has no fingerprint yet.
    ///
    /// # Errors
    /// [`VaultError::Cryptography`].
    pub fn seal(&self, key: &DataKey, context: &Context<'_>, plaintext: &[u8]) -> Result<Envelope, VaultError> {
        Ok(key.seal(&self.0.ledger, context, plaintext)?)
    }

    /// The fingerprints of a tenant's secret, `<key id>:<base64 of 128 bits>`: one, and two while the fingerprint key is rotated,
    /// so that two secrets are the same if they share one.
    ///
    /// Only for secrets of high entropy: whoever holds the key could try guesses.
    pub fn fingerprint(&self, tenant: &str, secret: &[u8]) -> Vec<String> {
        self.0.fingerprinter.fingerprint(tenant, secret)
    }

    /// Opens what was sealed for this subject in this context. The plaintext is wiped from memory when it is dropped.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub async fn open_envelope(
        &self,
        subject: &Subject,
        context: &Context<'_>,
        envelope: &Envelope,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let key = self.named(subject, &envelope.kid).await?;
        key.open(&self.0.ledger, context, envelope)
    }

    /// Destroys the keys whose time has come, and says how many they were. Their bytes are overwritten in the database and gone
    /// from its write-ahead log when this returns. What was sealed with them never opens again.
    ///
    /// # Errors
    /// [`VaultError::Lingering`], [`VaultError::Expire`] or [`VaultError::Open`]; the next call goes on where this one ended.
    pub async fn expire(&self, now: Timestamp) -> Result<u64, VaultError> {
        let database = self.0.database.clone();
        // On a connection of its own: what makes keys does so in groups, and need not wait until the log is empty.
        let expiring = spawn_blocking(move || {
            let connection = database.open().map_err(VaultError::Open)?;
            let expired = store::expire(&connection, now.as_millisecond());
            let expired = expired.map_err(VaultError::Expire)?;
            let emptied = store::empty_log(&connection).map_err(VaultError::Expire)?;
            if emptied { Ok(expired) } else { Err(VaultError::Lingering) }
        });
        match expiring.await {
            Ok(expired) => expired,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_cancelled) => Err(VaultError::Closed),
            },
        }
    }

    /// Copies the key store, as it is at one moment, into a new file that only its owner can read. Take it after the ledger's
    /// copy: then it has the keys of all events in that one. Without the key-encryption key it opens nothing.
    ///
    /// # Errors
    /// [`VaultError::Backup`] if the file exists or cannot be made; [`VaultError::Read`] if it cannot be filled, and then
    /// it is no backup.
    pub async fn backup_to(&self, path: &Path) -> Result<(), VaultError> {
        let path = path.to_owned();
        self.0.readers.with(move |connection| backup(connection, path)).await
    }

    /// None while keys can be made, else why not. It ends when that is final, as [`Writer::health`] does.
    pub fn health(&self) -> watch::Receiver<Option<String>> {
        self.0.writer.health()
    }

    /// Makes the keys that are being waited for and no more, and closes the key store's writer. What is sealed still opens.
    pub async fn close(&self) {
        self.0.writer.close().await;
    }

    fn cached(&self, subject: &Subject) -> Option<DataKey> {
        match subject {
            Subject::Tenant(tenant) => self.0.tenants.lock().get(tenant),
            Subject::Quarantine { .. } => None,
        }
    }

    /// Keeps a tenant's key at hand. One that expires is used once to seal, and must not outlive its row.
    fn remember(&self, key: &DataKey) {
        if let Subject::Tenant(tenant) = key.subject() {
            self.0.tenants.lock().put(tenant.clone(), key.clone());
        }
    }

    /// Left to the writer as a whole, which looks before it makes one: a key that is not at hand is nearly always a new one, and
    /// a look of its own would cost more than a transaction that writes nothing.
    async fn make(&self, subject: &Subject, now: Timestamp) -> Result<KeyRow, VaultError> {
        let row = self.new_row(subject, now)?;
        // The key's commit point is the writer's: nothing is sealed with a key that a power cut could take.
        self.0.writer.write(row).await.map_err(VaultError::Write)
    }

    fn new_row(&self, subject: &Subject, now: Timestamp) -> Result<KeyRow, Unspecified> {
        let mut row = KeyRow {
            kid: random_id()?,
            kind: subject.kind().to_owned(),
            name: subject.name().to_owned(),
            made: now.as_millisecond(),
            expires: subject.expires(),
            wrapped: Vec::new(),
        };
        row.wrapped = self.0.wrapping.wrap(&row.binding(), &*random_key()?)?;
        Ok(row)
    }

    fn unwrap(&self, subject: &Subject, row: &KeyRow) -> Result<DataKey, VaultError> {
        let key = self.0.wrapping.open(&row.binding(), &row.wrapped);
        let key = key.map_err(|Unspecified| VaultError::Damaged { kid: row.kid.clone() })?;
        Ok(DataKey::new(row.kid.clone(), subject.clone(), Cipher::new(&key)?))
    }

    /// The key that an envelope names, if it is one of the subject's.
    async fn named(&self, subject: &Subject, kid: &str) -> Result<DataKey, UnsealError> {
        if let Some(key) = self.cached(subject).filter(|key| key.kid() == kid) {
            return Ok(key);
        }
        let id = kid.to_owned();
        let read = self.0.readers.with(move |connection| store::by_kid(connection, &id));
        let row = read.await.map_err(VaultError::Read)?.ok_or(UnsealError::NoKey)?;
        if !row.is_of(subject) {
            return Err(UnsealError::Tampered);
        }
        Ok(self.unwrap(subject, &row)?)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("ledger", &self.0.ledger).finish_non_exhaustive()
    }
}

fn make(transaction: &Transaction<'_>, rows: &[KeyRow]) -> rusqlite::Result<Vec<KeyRow>> {
    store::make(transaction, rows)
}

fn backup(connection: &Connection, path: PathBuf) -> Result<(), VaultError> {
    let create = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    create.map_err(|source| VaultError::Backup { path: path.clone(), source })?;
    let mut copy = Connection::open(&path)?;
    // All pages in one step: between two steps another key might be made, and SQLite would start again.
    match Backup::new(connection, &mut copy)?.step(-1)? {
        StepResult::Done => Ok(()),
        _locked => {
            let busy = ffi::Error::new(ffi::SQLITE_BUSY);
            Err(VaultError::Read(rusqlite::Error::SqliteFailure(busy, None)))
        }
    }
}

#[cfg(test)]
mod tests;
