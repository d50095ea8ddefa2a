//! The store in a SQLite file: read by many, written by one thread.

mod changes;
mod clients;
mod contract;
mod fault;
mod leases;
mod quarantine;
mod sessions;
mod write;

use std::path::Path;

use jiff::Timestamp;
use registration::{Row, RowKey};
use rusqlite::{Connection, OptionalExtension, params};
use sqlite::{Database, Options, Readers, Synchronous, Writer};
use tokio::sync::watch;

use crate::commit::Checked;
use crate::contract::row_of;
use crate::{Commit, CommitError, Cursor, MAX_PARTITIONS, OpenError, StoreError};
use fault::{Fault, commit_error};
use leases::{Done, Op, Writing};
use write::{Committer, heads};

/// "rgST": whose file it is.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"rgST");

const MIGRATIONS: &[&str] = &[include_str!("sqlite/001-state.sql"), include_str!("sqlite/002-lease.sql")];

/// Rows read with one connection at a time, so that no reader keeps the write-ahead log from being reset for long.
const ROWS_PER_READ: usize = 1024;

/// A state store in a SQLite file.
pub struct SqliteStore {
    readers: Readers,
    writer: Writer<Op, Done>,
    heads: watch::Receiver<Vec<u64>>,
}

impl SqliteStore {
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
            page_bytes: 16 * 1024,
            // What a power cut takes from the end is folded again.
            synchronous: Synchronous::Normal,
            secure_delete: false,
        };
        let next = identify(&database, ledger, partitions)?;
        let (publish, heads) = watch::channel(next);
        let writer = Writer::start("state", database.clone(), options, Writing(Committer::new(publish)));
        let writer = writer.map_err(OpenError::database)?;
        let readers = Readers::open(&database, readers).map_err(OpenError::database)?;
        Ok(Self { readers, writer, heads })
    }

    async fn cursor(&self, partition: u32) -> Result<Cursor, StoreError> {
        let found = self
            .read(move |connection| {
                let sql = "SELECT next, ledger_time FROM cursor WHERE partition = ?1";
                let cursor = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
                Ok(connection.prepare_cached(sql)?.query_row([partition], cursor).optional()?)
            })
            .await?;
        let (next, time) = found.ok_or(StoreError::NoSuchPartition { partition })?;
        Cursor::read(partition, next, &time)
    }

    async fn rows(&self, keys: Vec<RowKey>) -> Result<Vec<(RowKey, Option<Row>)>, StoreError> {
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

    async fn row(&self, key: RowKey) -> Result<Option<Row>, StoreError> {
        self.read(move |connection| read_row(connection, &key)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (partition, expected) = (commit.partition, commit.expected);
        let checked = Checked::new(commit, self.partitions())?;
        match self.writer.write(Op::Commit(checked)).await.map_err(commit_error)?.moved {
            Some(_) => Ok(()),
            None => Err(CommitError::Fenced { partition, expected }),
        }
    }

    fn partitions(&self) -> u32 {
        u32::try_from(self.heads.borrow().len()).unwrap_or(MAX_PARTITIONS)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.readers.with(read).await?)
    }
}

/// Makes sure that the store is this ledger's; returns where the cursors stand.
fn identify(database: &Database, ledger: &str, partitions: u32) -> Result<Vec<u64>, OpenError> {
    let connection = database.open().map_err(OpenError::database)?;
    let store = || database.path.display().to_string();
    let (owner, next) =
        prepare(&connection, ledger, partitions).map_err(|source| OpenError::identify(store(), source))?;
    if owner != ledger {
        return Err(OpenError::OtherLedger { store: store(), found: owner, expected: ledger.to_owned() });
    }
    Ok(next)
}

/// Gives a new store to a ledger, and every partition a cursor; returns whose store it is and where the cursors stand.
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
    leases::forget(&transaction)?;
    let next = heads(&transaction, partitions as usize)?;
    transaction.commit()?;
    Ok((owner, next))
}

fn read_row(connection: &Connection, key: &RowKey) -> Result<Option<Row>, Fault> {
    let sql = "SELECT body FROM document WHERE kind = ?1 AND id = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![key.kind.as_str(), key.id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let body = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
    Ok(Some(row_of(key, body)?))
}
