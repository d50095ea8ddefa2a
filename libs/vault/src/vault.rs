//! The vault: makes, keeps, finds and destroys data keys, and seals and opens with them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use jiff::Timestamp;
use parking_lot::Mutex;
use registration::Envelope;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::cache::Cache;
use crate::cipher::{Cipher, random_id, random_key};
use crate::contract::{Doomed, KeyStore};
use crate::data_key::{Context, DataKey};
use crate::error::{OpenError, UnsealError, VaultError};
use crate::fingerprint::Fingerprinter;
use crate::kek::Kek;
use crate::row::KeyRow;
use crate::subject::Subject;
use crate::unlock::unlock;
use crate::wrapping::Wrapping;

/// How many tenants' keys are kept at hand, at about 1 KB each.
const CACHED_KEYS: usize = 16_384;

/// The keys of one ledger; a clone is the same vault.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    ledger: String,
    wrapping: Wrapping,
    fingerprinter: Fingerprinter,
    tenants: Mutex<Cache>,
    keys: Arc<dyn KeyStore>,
}

impl Vault {
    /// Opens a key store for the ledger with this id. A new one is put to use: from then on it is this ledger's.
    ///
    /// # Errors
    /// [`OpenError::OtherLedger`] and [`OpenError::WrongKek`] if its keys could open nothing here; else what is wrong with it.
    pub async fn open(keys: Arc<dyn KeyStore>, kek: Kek, ledger: &str) -> Result<Self, OpenError> {
        let (wrapping, fingerprinter) = unlock(&*keys, &kek, ledger).await?;
        let ledger = ledger.to_owned();
        let tenants = Mutex::new(Cache::new(CACHED_KEYS));
        Ok(Self(Arc::new(Inner { ledger, wrapping, fingerprinter, tenants, keys })))
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

    /// The blind index of a text of a subject: equal texts have equal ones for as long as the ledger lives, and without the key
    /// nobody can try guesses. It is bound to the same ledger as what is sealed.
    pub fn index(&self, subject: &str, text: &str) -> [u8; 32] {
        self.0.fingerprinter.index(subject, text)
    }

    /// The key that an envelope of the subject was sealed with, to seal more with it. It is never made anew: one that was
    /// destroyed stays so.
    ///
    /// # Errors
    /// [`UnsealError::NoKey`] if it was destroyed; else as [`Vault::open_envelope`].
    pub async fn key_of(&self, subject: &Subject, envelope: &Envelope) -> Result<DataKey, UnsealError> {
        self.named(subject, &envelope.kid).await
    }

    /// Destroys every key of a subject, and says how many they were. What was sealed for it never opens again. Done twice, it
    /// is as done once.
    ///
    /// # Errors
    /// [`VaultError::Shred`]; the next call goes on where this one ended.
    pub async fn shred(&self, subject: &Subject) -> Result<u64, VaultError> {
        if let Subject::Tenant(tenant) = subject {
            self.0.tenants.lock().remove(tenant);
        }
        let (kind, name) = (subject.kind().to_owned(), subject.name().to_owned());
        self.0.keys.destroy(Doomed::Of { kind, name }).await.map_err(VaultError::Shred)
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

    /// Destroys the keys whose time has come, and says how many they were. What was sealed with them never opens again.
    ///
    /// # Errors
    /// [`VaultError::Expire`]; the next call goes on where this one ended.
    pub async fn expire(&self, now: Timestamp) -> Result<u64, VaultError> {
        self.0.keys.destroy(Doomed::Due(now.as_millisecond())).await.map_err(VaultError::Expire)
    }

    /// None while keys can be made, else why not. It ends when that is final, as [`KeyStore::health`] does.
    pub fn health(&self) -> watch::Receiver<Option<String>> {
        self.0.keys.health()
    }

    /// Makes the keys that are being waited for and no more. What is sealed still opens.
    pub async fn close(&self) {
        self.0.keys.close().await;
    }

    fn cached(&self, subject: &Subject) -> Option<DataKey> {
        match subject {
            Subject::Tenant(tenant) => self.0.tenants.lock().get(tenant),
            Subject::Quarantine { .. } | Subject::Subscription(_) | Subject::Integration(_) | Subject::User(_) => None,
        }
    }

    /// Keeps a tenant's key at hand. One that expires is used once to seal, and must not outlive its row; no more must a user's,
    /// which another process may destroy.
    fn remember(&self, key: &DataKey) {
        if let Subject::Tenant(tenant) = key.subject() {
            self.0.tenants.lock().put(tenant.clone(), key.clone());
        }
    }

    async fn make(&self, subject: &Subject, now: Timestamp) -> Result<KeyRow, VaultError> {
        let row = self.new_row(subject, now)?;
        // The key's commit point is the store's: nothing is sealed with a key that a power cut could take.
        self.0.keys.make(row).await.map_err(VaultError::Make)
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
        let row = self.0.keys.by_kid(kid).await.map_err(VaultError::Find)?.ok_or(UnsealError::NoKey)?;
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

#[cfg(test)]
mod tests;
