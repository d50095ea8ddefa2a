//! The embedded ledger: one partition in a SQLite file, every commit on disk before it is answered.

mod append;
mod rows;

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use rusqlite::Connection;
use sqlite::{Database, Options, Readers, Synchronous, WriteError, Writer};
use tokio::sync::watch;

use crate::entry::check;
use crate::{AppendError, Entry, Ledger, Limit, OpenError, Place, ReadError, Recorded};
use append::{Appender, Leaf};
use rows::Select;

/// "rgLE": whose file it is.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"rgLE");

const MIGRATIONS: &[&str] = &[include_str!("embedded/001-event.sql")];

/// Reads that run at a time.
const READERS: usize = 4;

/// How many of the last events are checked at start: more than a torn write could reach, little
/// enough to cost nothing.
const TAIL: u64 = 64;

/// A ledger with one partition, 0, in a SQLite file. It keeps more than the contract asks: a batch is
/// appended all or none, and its entries stand next to each other.
pub struct SqliteLedger {
    writer: Writer<Vec<Leaf>, u64>,
    readers: Readers,
    /// Moves when a commit is durable.
    head: watch::Receiver<u64>,
}

impl SqliteLedger {
    /// Opens the file at `path`, or creates an empty ledger there, and checks its first event and
    /// its last 64. Blocks.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the file, or with which event.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let database = Database {
            path: path.to_owned(),
            application_id: APPLICATION_ID,
            migrations: MIGRATIONS,
            // Measured best for entries of about 1 KB.
            page_bytes: 16 * 1024,
            synchronous: Synchronous::Full,
            secure_delete: false,
        };
        let head = check_ends(&database.open()?)?;
        let (publish, head) = watch::channel(head);
        let writer = Writer::start("ledger", database.clone(), options, Appender::new(publish))?;
        let readers = Readers::open(&database, READERS)?;
        Ok(Self { writer, readers, head })
    }

    async fn select(&self, select: Select) -> Result<Vec<Recorded>, ReadError> {
        let from = select.from;
        self.readers.with(move |connection| select.run(connection)).await.map_err(|fault| fault.at(from))
    }

    /// Only what is below the published head is read: of what lies beyond it, it is not yet known
    /// that it is durable.
    fn below_head(&self, from: u64, limit: Limit, directory: bool) -> Select {
        Select { from, below: *self.head.borrow(), limit, directory }
    }
}

/// Checks the first event and the last ones; returns the head.
fn check_ends(connection: &Connection) -> Result<u64, ReadError> {
    let head = rows::head(connection).map_err(|error| rows::Fault::from(error).at(0))?;
    for (from, below) in [(0, head.min(1)), (head.saturating_sub(TAIL), head)] {
        let all = Limit { events: TAIL as usize, bytes: usize::MAX };
        let select = Select { from, below, limit: all, directory: false };
        select.run(connection).map_err(|fault| fault.at(from))?;
    }
    Ok(head)
}

impl Ledger for SqliteLedger {
    fn partitions(&self) -> u32 {
        1
    }

    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<Vec<Place>, AppendError>> {
        async move {
            check(&batch, self.partitions())?;
            let leaves: Vec<Leaf> = batch.into_iter().map(Leaf::from).collect();
            let positions = 0..leaves.len() as u64;
            let first = self.writer.write(leaves).await?;
            Ok(positions.map(|offset| Place { partition: 0, position: first + offset }).collect())
        }
        .boxed()
    }

    fn read(&self, partition: u32, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        if partition != 0 {
            return ready(Err(ReadError::NoSuchPartition { partition })).boxed();
        }
        self.select(self.below_head(from, limit, false)).boxed()
    }

    fn read_directory(&self, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.select(self.below_head(from, limit, true)).boxed()
    }

    fn head(&self, partition: u32) -> BoxFuture<'_, Result<u64, ReadError>> {
        ready(self.watch(partition).map(|head| *head.borrow())).boxed()
    }

    fn watch(&self, partition: u32) -> Result<watch::Receiver<u64>, ReadError> {
        if partition == 0 { Ok(self.head.clone()) } else { Err(ReadError::NoSuchPartition { partition }) }
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.writer.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.writer.close().boxed()
    }
}

impl From<Entry> for Leaf {
    fn from(entry: Entry) -> Self {
        Self { directory: entry.directory, hash: entry.leaf_hash(), bytes: entry.bytes }
    }
}

impl From<WriteError> for AppendError {
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
