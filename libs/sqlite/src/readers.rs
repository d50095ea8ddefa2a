//! A fixed set of read-only connections that asynchronous callers share.

use std::panic::resume_unwind;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, ffi};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::{Database, OpenError};

/// Read-only connections to one database; a clone shares them.
#[derive(Clone)]
pub struct Readers {
    pool: Arc<Pool>,
}

struct Pool {
    /// One permit for each connection that is idle.
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Opens `n` connections (at least one); at most that many reads run at a time, the others wait
    /// their turn.
    ///
    /// # Errors
    /// As [`Database::open_readonly`].
    pub fn open(database: &Database, n: usize) -> Result<Self, OpenError> {
        let idle = (0..n.max(1)).map(|_| database.open_readonly()).collect::<Result<Vec<_>, _>>()?;
        let free = Arc::new(Semaphore::new(idle.len()));
        Ok(Self { pool: Arc::new(Pool { free, idle: Mutex::new(idle) }) })
    }

    /// Runs `read` with a connection, off the asynchronous threads. Keep it short: while it reads,
    /// the write-ahead log cannot be reset. A panic in `read` continues in the caller.
    ///
    /// # Errors
    /// What `read` returns; `SQLITE_INTERRUPT` if the runtime shuts down before `read` could start.
    pub async fn with<T, E>(&self, read: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
    {
        let permit = self.pool.free.clone().acquire_owned().await.map_err(|_| interrupted())?;
        let lease = Lease::take(self.pool.clone(), permit);
        let reading = spawn_blocking(move || lease.run(read));
        match reading.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_cancelled) => Err(interrupted().into()),
            },
        }
    }
}

/// A connection on loan, given back also by a read that panics.
struct Lease {
    pool: Arc<Pool>,
    connection: Option<Connection>,
    /// Dropped, as a field, after the connection has been given back.
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    fn take(pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Self {
        let connection = pool.idle.lock().pop();
        Self { pool, connection, _permit: permit }
    }

    fn run<T, E: From<rusqlite::Error>>(&self, read: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        // Always there: a permit stands for a connection.
        self.connection.as_ref().map_or_else(|| Err(interrupted().into()), read)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.idle.lock().extend(self.connection.take());
    }
}

fn interrupted() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_INTERRUPT),
        Some("the runtime is shutting down".to_owned()),
    )
}
