//! The contract of a key store.

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::error::KeyStoreError;
use crate::row::{Belonging, KeyRow};

/// Which keys are to be destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doomed {
    /// Those whose time has come by then, in milliseconds since 1970.
    Due(i64),
    /// Every key of a subject, whenever it expires.
    Of {
        /// [`KeyRow::kind`].
        kind: String,
        /// [`KeyRow::name`].
        name: String,
    },
}

/// Where the wrapped keys of one ledger are kept. Several processes may work on one store at a time. Every backend passes
/// [`conformance::suite`](crate::conformance::suite).
///
/// A subject (kind and name) has one key for each time at which its keys expire: the first that was made. Where two processes
/// each make one at once, the store may keep both; it names the same one to both, and each is found by its id.
pub trait KeyStore: Send + Sync {
    /// Which store it is, for messages: its file or topic.
    fn place(&self) -> String;

    /// Whose keys these are; None if the store has not been put to use.
    ///
    /// Errors: [`KeyStoreError`], as with all that follows.
    fn belonging(&self) -> BoxFuture<'_, Result<Option<Belonging>, KeyStoreError>>;

    /// Says whose keys these will be, if nobody has said so before, and gives what counts: of two that say so at once, both get
    /// the first one's. It is durable when this returns `Ok`.
    fn establish(&self, belonging: Belonging) -> BoxFuture<'_, Result<Belonging, KeyStoreError>>;

    /// Whether there is any data key: then something may have been sealed.
    fn has_keys(&self) -> BoxFuture<'_, Result<bool, KeyStoreError>>;

    /// Keeps a new key and gives it back; where its subject has a key with the same expiry already, gives that one. What is
    /// given is durable. It never waits for room ([`KeyStoreError::Busy`]). Once the future has been polled, the key may be
    /// kept although the caller stops waiting.
    fn make(&self, row: KeyRow) -> BoxFuture<'_, Result<KeyRow, KeyStoreError>>;

    /// The key with this id; None only if it is certain that there is none (any more).
    fn by_kid(&self, kid: &str) -> BoxFuture<'_, Result<Option<KeyRow>, KeyStoreError>>;

    /// Destroys keys, and says how many they were. None of them is given any more when this returns `Ok`, and by other processes
    /// as soon as they hear of it. After an error some may be gone: the next call goes on where this one ended.
    fn destroy(&self, doomed: Doomed) -> BoxFuture<'_, Result<u64, KeyStoreError>>;

    /// None while keys can be made, else why not. It ends (`changed()` is an error) when none will be made any more: after
    /// [`KeyStore::close`], but also when the store is found damaged; the process should end then.
    fn health(&self) -> watch::Receiver<Option<String>>;

    /// Makes the keys that are being waited for, and no more. What is there is still found.
    fn close(&self) -> BoxFuture<'_, ()>;
}
