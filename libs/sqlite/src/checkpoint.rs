//! Checkpoints: a thread of their own copies the write-ahead log into the database file, so that no commit waits for that.
//!
//! The log begins anew with a commit that finds all of it copied. While the thread copies, more is committed; so the writer
//! copies the rest itself, between two commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::time::Instant;

use crate::worker::explain;
use crate::{Database, OpenError};

/// How much of a log is copied at once. The disk takes it in one go, and whoever syncs another file meanwhile waits for all of
/// it: with 64 MiB, 30 ms each second were seen. The less it is, the more often a page is copied that is written again and again.
const LOG_BYTES: u64 = 2 << 20;

/// How much a log may hold. A writer that is faster than the disk waits then until it is copied.
const LOG_BYTES_AT_MOST: u64 = 16 * LOG_BYTES;

/// Has the log copied whenever it has grown by [`LOG_BYTES`].
pub(crate) struct Checkpoints {
    database: Database,
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    is_copying: bool,
    is_failing: bool,
    /// None while it ends.
    ask: Option<SyncSender<()>>,
    copied: Receiver<Result<(), OpenError>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(crate) fn start(name: &str, database: &Database) -> Result<Self, OpenError> {
        let (ask, asked) = sync_channel(1);
        let (done, copied) = sync_channel(1);
        let thread = Builder::new().name(format!("{name}-log")).spawn({
            let database = database.clone();
            move || copy_when_asked(&database, &asked, &done)
        });
        let thread = thread.map_err(|source| OpenError::Create { path: database.path.clone(), source })?;
        Ok(Self {
            database: database.clone(),
            pages: Arc::default(),
            is_copying: false,
            is_failing: false,
            ask: Some(ask),
            copied,
            thread: Some(thread),
        })
    }

    /// Follows the commits of a connection, in place of the checkpoints that SQLite makes within one of them.
    pub(crate) fn follow(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let pages = self.pages.clone();
        connection.wal_hook(Some(move |_: &mut _, count| {
            pages.store(u32::try_from(count).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Has the log copied if it is time, or copies the rest; called after each commit.
    pub(crate) fn advance(&mut self, connection: &Connection) {
        let bytes = u64::from(self.pages.load(Ordering::Relaxed)) * u64::from(self.database.page_bytes);
        if self.is_copying {
            let copied = match self.copied.try_recv() {
                Err(TryRecvError::Empty) if bytes < LOG_BYTES_AT_MOST => return,
                Err(TryRecvError::Empty) => self.copied.recv().unwrap_or(Ok(())),
                // The thread has panicked: all is the rest.
                Err(TryRecvError::Disconnected) => Ok(()),
                Ok(copied) => copied,
            };
            self.is_copying = false;
            let copied = copied.and_then(|()| copy(connection, &self.database));
            self.note(copied);
        } else if bytes >= LOG_BYTES {
            let _ = self.ask.as_ref().map(|ask| ask.try_send(()));
            self.is_copying = true;
        }
    }

    /// What failed is tried again: nothing is lost but room on the disk.
    fn note(&mut self, copied: Result<(), OpenError>) {
        let was_failing = std::mem::replace(&mut self.is_failing, copied.is_err());
        if let (Err(error), false) = (copied, was_failing) {
            let path = self.database.path.display();
            tracing::warn!(database.path = %path, reason = explain(&error), "the write-ahead log grows");
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn copy_when_asked(database: &Database, asked: &Receiver<()>, done: &SyncSender<Result<(), OpenError>>) {
    let mut connection = None;
    while asked.recv().is_ok() {
        let open = match connection.take() {
            Some(open) => Ok(open),
            None => database.connect(OpenFlags::SQLITE_OPEN_READ_WRITE),
        };
        let copied = open.and_then(|open| copy(connection.insert(open), database));
        if done.send(copied).is_err() {
            return;
        }
    }
}

/// Copies as much as readers allow, and waits for nobody.
fn copy(connection: &Connection, database: &Database) -> Result<(), OpenError> {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    copied.map_err(|source| database.sqlite("copy the write-ahead log", source))
}

/// Moves the write-ahead log into the database file and empties it; false if others were in the way for as long as `patience`.
///
/// # Errors
/// What SQLite says.
pub fn empty_log(connection: &Connection, patience: Duration) -> rusqlite::Result<bool> {
    connection.busy_timeout(patience)?;
    let until = Instant::now() + patience;
    loop {
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if !is_busy || Instant::now() >= until {
            return Ok(!is_busy);
        }
        // SQLite waits for readers by itself, but not for another checkpoint.
        sleep(Duration::from_millis(1));
    }
}
