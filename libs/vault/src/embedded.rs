//! The embedded key store: a SQLite file, every key on disk before it is handed out.

mod rows;

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use sqlite::{Database, OpenError, Options, Readers, WriteError, Writer};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::contract::{Doomed, KeyStore};
use crate::error::KeyStoreError;
use crate::row::{Belonging, KeyRow};

/// How many keys can be looked up at a time; each takes some microseconds.
const READERS: usize = 2;

/// A key store in a SQLite file that only its owner can read.
pub struct SqliteKeys {
    database: Database,
    readers: Readers,
    writer: Writer<KeyRow, KeyRow>,
}

impl SqliteKeys {
    /// Opens the file at `path`, or makes it. Blocks.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, Options::default())
    }

    pub(crate) fn open_with(path: &Path, options: Options) -> Result<Self, OpenError> {
        let database = rows::database(path);
        let writer = Writer::start("keys", database.clone(), options, make)?;
        // The file exists from here on, as readers demand.
        let readers = Readers::open(&database, READERS)?;
        Ok(Self { database, readers, writer })
    }

    /// Runs `work` on a connection of its own: what makes keys does so in groups, and need not wait for it.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, KeyStoreError> + Send + 'static,
    ) -> Result<T, KeyStoreError> {
        let database = self.database.clone();
        let working = spawn_blocking(move || work(&mut database.open()?));
        match working.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_cancelled) => Err(KeyStoreError::Closed),
            },
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, KeyStoreError> {
        Ok(self.readers.with(read).await?)
    }
}

impl KeyStore for SqliteKeys {
    fn place(&self) -> String {
        self.database.path.display().to_string()
    }

    fn belonging(&self) -> BoxFuture<'_, Result<Option<Belonging>, KeyStoreError>> {
        self.read(rows::belonging).boxed()
    }

    fn establish(&self, belonging: Belonging) -> BoxFuture<'_, Result<Belonging, KeyStoreError>> {
        self.apart(move |connection| Ok(establish(connection, belonging)?)).boxed()
    }

    fn has_keys(&self) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        self.read(rows::has_keys).boxed()
    }

    /// Left to the writer as a whole, which looks before it makes one: a key that the vault does not have at hand is nearly
    /// always a new one, and a look of its own would cost more than a transaction that writes nothing.
    fn make(&self, row: KeyRow) -> BoxFuture<'_, Result<KeyRow, KeyStoreError>> {
        async move { Ok(self.writer.write(row).await?) }.boxed()
    }

    fn by_kid(&self, kid: &str) -> BoxFuture<'_, Result<Option<KeyRow>, KeyStoreError>> {
        let kid = kid.to_owned();
        self.read(move |connection| rows::by_kid(connection, &kid)).boxed()
    }

    /// The bytes of the keys are overwritten in the database and gone from its write-ahead log when this returns `Ok`.
    fn destroy(&self, doomed: Doomed) -> BoxFuture<'_, Result<u64, KeyStoreError>> {
        let destroy = move |connection: &mut Connection| {
            let destroyed = rows::destroy(connection, &doomed)?;
            if sqlite::empty_log(connection, rows::LOG_PATIENCE)? {
                Ok(destroyed)
            } else {
                Err(KeyStoreError::Lingering)
            }
        };
        self.apart(destroy).boxed()
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.writer.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.writer.close().boxed()
    }
}

fn make(transaction: &Transaction<'_>, rows: &[KeyRow]) -> rusqlite::Result<Vec<KeyRow>> {
    rows::make(transaction, rows)
}

/// Two processes may do so at once: the first one is believed.
fn establish(connection: &mut Connection, belonging: Belonging) -> rusqlite::Result<Belonging> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(earlier) = rows::belonging(&transaction)? {
        return Ok(earlier);
    }
    rows::establish(&transaction, &belonging)?;
    transaction.commit()?;
    Ok(belonging)
}

impl From<rusqlite::Error> for KeyStoreError {
    fn from(error: rusqlite::Error) -> Self {
        let damaged = sqlite::is_damage(&error);
        let source = Arc::new(error);
        if damaged { Self::Damaged { source } } else { Self::Unavailable { source } }
    }
}

impl From<OpenError> for KeyStoreError {
    fn from(error: OpenError) -> Self {
        let damaged = error.is_damage();
        let source = Arc::new(error);
        if damaged { Self::Damaged { source } } else { Self::Unavailable { source } }
    }
}

impl From<WriteError> for KeyStoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Full => Self::Busy,
            WriteError::Rejected { source } => Self::Rejected { source },
            WriteError::Damaged { source } => Self::Damaged { source },
            WriteError::Closed => Self::Closed,
            WriteError::Unknown { source } => Self::Unknown { source },
            // Of what this version does not know, it does not know either whether it was written.
            other => Self::Unknown { source: Arc::new(other) },
        }
    }
}

#[cfg(test)]
mod tests;
