//! The store itself: opened for one ledger, read by many, written by whoever projects a partition.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use registration::{Row, RowKey};
use rusqlite::{Connection, OptionalExtension, params};
use sqlite::{Database, Options, Readers, Synchronous, Writer};
use tokio::sync::watch;

use crate::commit::Checked;
use crate::write::{Committer, Moved, heads};
use crate::{Commit, CommitError, MAX_PARTITIONS, OpenError, StoreError};

/// "rgST": whose file it is.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"rgST");

const MIGRATIONS: &[&str] = &[include_str!("001-state.sql")];

/// Rows read with one connection at a time, so that no reader keeps the write-ahead log from being reset for long.
const ROWS_PER_READ: usize = 1024;

/// The rows and changes of one ledger; a clone shares them.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    readers: Readers,
    writer: Writer<Checked, Moved>,
    heads: watch::Receiver<Vec<u64>>,
}

/// How far a partition has been folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The first position that has not been folded.
    pub next: u64,
    /// Ledger time of the event before it; [`Timestamp::MIN`] if there is none.
    pub ledger_time: Timestamp,
}

impl Store {
    /// Opens the store at `path`, or makes an empty one there, for the ledger of this id and number of partitions (at most
    /// [`MAX_PARTITIONS`]). At most `readers` reads run at a time. Blocks.
    ///
    /// # Errors
    /// [`OpenError`], also if the store was projected from another ledger.
    pub fn open(
        path: &Path,
        ledger: &str,
        partitions: u32,
        readers: usize,
        options: Options,
    ) -> Result<Self, OpenError> {
        if partitions > MAX_PARTITIONS {
            return Err(OpenError::TooManyPartitions { asked: partitions });
        }
        let database = Database {
            path: path.to_owned(),
            application_id: APPLICATION_ID,
            migrations: MIGRATIONS,
            // What a power cut takes from the end is folded again.
            synchronous: Synchronous::Normal,
            secure_delete: false,
        };
        let connection = database.open()?;
        let (owner, next) = prepare(&connection, ledger, partitions)
            .map_err(|source| OpenError::Identify { path: path.to_owned(), source })?;
        drop(connection);
        if owner != ledger {
            let (path, expected) = (path.to_owned(), ledger.to_owned());
            return Err(OpenError::OtherLedger { path, found: owner, expected });
        }
        let (publish, heads) = watch::channel(next);
        let writer = Writer::start("state", database.clone(), options, Committer::new(publish))?;
        let readers = Readers::open(&database, readers)?;
        Ok(Self { inner: Arc::new(Inner { readers, writer, heads }) })
    }

    /// How far a partition has been folded.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cursor(&self, partition: u32) -> Result<Cursor, StoreError> {
        let found = self
            .read(move |connection| {
                let sql = "SELECT next, ledger_time FROM cursor WHERE partition = ?1";
                let cursor = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
                Ok(connection.prepare_cached(sql)?.query_row([partition], cursor).optional()?)
            })
            .await?;
        let (next, time) = found.ok_or(StoreError::NoSuchPartition { partition })?;
        let ledger_time =
            time.parse().map_err(|error: jiff::Error| StoreError::unreadable(format!("cursor {partition}"), error))?;
        Ok(Cursor { next: next.cast_unsigned(), ledger_time })
    }

    /// The rows of these names; `None` says that there is no such row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rows(&self, keys: Vec<RowKey>) -> Result<Vec<(RowKey, Option<Row>)>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        let mut keys = keys.into_iter();
        loop {
            let chunk: Vec<RowKey> = keys.by_ref().take(ROWS_PER_READ).collect();
            if chunk.is_empty() {
                return Ok(found);
            }
            let read = move |connection: &Connection| {
                let row = |key: RowKey| read_row(connection, &key).map(|row| (key, row));
                chunk.into_iter().map(row).collect::<Result<Vec<_>, _>>()
            };
            found.extend(self.read(read).await?);
        }
    }

    /// One row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row(&self, key: RowKey) -> Result<Option<Row>, StoreError> {
        self.read(move |connection| read_row(connection, &key)).await
    }

    /// Writes rows, changes and cursor of a partition: all of it is visible when this returns `Ok`.
    ///
    /// # Errors
    /// [`CommitError`] says what is known about it.
    pub async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (partition, expected) = (commit.partition, commit.expected);
        let checked = Checked::new(commit, self.partitions())?;
        match self.inner.writer.write(checked).await? {
            Some(_) => Ok(()),
            None => Err(CommitError::Fenced { partition, expected }),
        }
    }

    /// The first position of each partition that has not been folded, as these move. They move after what they speak of has
    /// become visible.
    pub fn watch(&self) -> watch::Receiver<Vec<u64>> {
        self.inner.heads.clone()
    }

    /// `None` while writing works, else why it does not. It ends (`changed()` is an error) when nothing will be written any
    /// more: after [`Store::close`], but also when the store is found damaged; the process should end then.
    pub fn health(&self) -> watch::Receiver<Option<String>> {
        self.inner.writer.health()
    }

    /// Writes what is waiting and refuses everything after it. Reading goes on.
    pub async fn close(&self) {
        self.inner.writer.close().await;
    }

    pub(crate) fn partitions(&self) -> u32 {
        u32::try_from(self.inner.heads.borrow().len()).unwrap_or(MAX_PARTITIONS)
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.readers.with(read).await
    }
}

/// Claims a new store for a ledger and gives every partition a cursor; returns whose store it is and where the cursors stand.
fn prepare(connection: &Connection, ledger: &str, partitions: u32) -> rusqlite::Result<(String, Vec<u64>)> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("INSERT OR IGNORE INTO ledger (one, id) VALUES (1, ?1)", [ledger])?;
    let owner = transaction.query_row("SELECT id FROM ledger", [], |row| row.get(0))?;
    for partition in 0..partitions {
        transaction.execute(
            "INSERT OR IGNORE INTO cursor (partition, next, ledger_time) VALUES (?1, 0, ?2)",
            params![partition, Timestamp::MIN.to_string()],
        )?;
    }
    let next = heads(&transaction, partitions as usize)?;
    transaction.commit()?;
    Ok((owner, next))
}

fn read_row(connection: &Connection, key: &RowKey) -> Result<Option<Row>, StoreError> {
    let sql = "SELECT body FROM document WHERE kind = ?1 AND id = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![key.kind.as_str(), key.id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let body = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
    let row = Row::from_json(key.kind, body)
        .map_err(|error| StoreError::unreadable(format!("{} {}", key.kind.as_str(), key.id), error))?;
    Ok(Some(row))
}
