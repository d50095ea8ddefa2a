//! Checkpoints: a thread of their own copies the write-ahead log into the database file, so that commits do not wait for that.
//!
//! The log begins anew with a commit that finds all of it copied. While the thread copies, more is committed; so the writer
//! copies the rest itself, between two commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tokio::time::Instant;

use crate::{Database, Failure, OpenError, WriteError, is_damage};

/// From how much in the log on it is copied. The disk takes it in one go, and whoever syncs another file meanwhile waits for
/// all of it: with 64 MiB, 30 ms each second were seen. The less, the more often a page is copied that is written again.
const LOG_BYTES: u64 = 2 << 20;

/// With how much in the log the writer waits until some of it is copied: it is faster than the disk then.
const PATIENT_BYTES: u64 = 16 * LOG_BYTES;

/// Has the log copied while it holds [`LOG_BYTES`] or more.
pub(crate) struct Checkpoints {
    database: Database,
    /// What the log held after the last commit.
    bytes: Arc<AtomicU64>,
    is_copying: bool,
    is_failing: bool,
    /// None while it ends.
    ask: Option<SyncSender<()>>,
    copied: Receiver<rusqlite::Result<()>>,
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
            bytes: Arc::default(),
            is_copying: false,
            is_failing: false,
            ask: Some(ask),
            copied,
            thread: Some(thread),
        })
    }

    /// Follows the commits of a connection, in place of the checkpoints that SQLite makes within one of them.
    pub(crate) fn follow(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let bytes = self.bytes.clone();
        bytes.store(0, Ordering::Relaxed);
        connection.wal_hook(Some(move |_: &mut _, pages| {
            bytes.store(u64::from(page) * u64::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Has the log copied if it is time, or copies the rest; called when a transaction is over.
    ///
    /// # Errors
    /// [`WriteError::Damaged`] where the file must not be written to any more.
    pub(crate) fn advance(&mut self, connection: &Connection) -> Result<(), WriteError> {
        let bytes = self.bytes.load(Ordering::Relaxed);
        if !self.is_copying {
            if bytes >= LOG_BYTES {
                let _ = self.ask.as_ref().map(|ask| ask.try_send(()));
                self.is_copying = true;
            }
            return Ok(());
        }
        let copied = match self.copied.try_recv() {
            Err(TryRecvError::Empty) if bytes < PATIENT_BYTES => return Ok(()),
            Err(TryRecvError::Empty) => self.copied.recv().ok(),
            Err(TryRecvError::Disconnected) => None,
            Ok(copied) => Some(copied),
        };
        self.is_copying = false;
        let copied = copied.ok_or_else(|| WriteError::Damaged { source: Arc::new(Failure::Died) })?;
        // If it was all, the log has begun anew.
        let copied = copied.and_then(|()| if bytes >= LOG_BYTES { copy(connection) } else { Ok(()) });
        self.judge(connection, copied)
    }

    /// What failed is tried again, but for a sync: the kernel tells once of pages that it has lost, and the next sync would
    /// call them written. Whoever opens the file next copies all of the log again.
    fn judge(&mut self, connection: &Connection, copied: rusqlite::Result<()>) -> Result<(), WriteError> {
        let was_failing = std::mem::replace(&mut self.is_failing, copied.is_err());
        let path = self.database.path.display();
        match copied {
            Ok(()) if was_failing => tracing::info!(database.path = %path, "the write-ahead log is copied again"),
            Ok(()) => {}
            Err(error) if is_damage(&error) || is_sync(&error) => {
                let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
                return Err(WriteError::Damaged { source: Arc::new(Failure::Copy(error)) });
            }
            Err(_) if was_failing => {}
            Err(error) => {
                tracing::warn!(database.path = %path, %error, "the write-ahead log grows: it cannot be copied")
            }
        }
        Ok(())
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

/// Over one connection as long as nothing fails.
fn copy_when_asked(database: &Database, asked: &Receiver<()>, done: &SyncSender<rusqlite::Result<()>>) {
    let mut idle = None;
    while asked.recv().is_ok() {
        let connection = idle.take().map_or_else(|| connect(database), Ok);
        // SQLite syncs the file once all of the log is copied. The second time little was committed meanwhile, so that it is
        // nearly always here that who syncs waits for the disk.
        let copied = connection.and_then(|connection| {
            let connection = idle.insert(connection);
            copy(connection).and_then(|()| copy(connection))
        });
        if copied.is_err() {
            idle = None;
        }
        if done.send(copied).is_err() {
            return;
        }
    }
}

fn connect(database: &Database) -> rusqlite::Result<Connection> {
    let connection = database.connection(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Copies as much as readers allow, and waits for nobody.
fn copy(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

fn is_sync(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.code == ErrorCode::SystemIoFailure && error.extended_code == ffi::SQLITE_IOERR_FSYNC)
}

/// Moves the write-ahead log into the database file and empties it; false if others were in the way for as long as `patience`,
/// or at most twice that. The connection waits for locks as long from then on.
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
