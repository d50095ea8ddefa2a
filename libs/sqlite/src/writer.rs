//! The handle of the one thread that writes to a database.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, Transaction};
use tokio::sync::watch;

use crate::checkpoint::Checkpoints;
use crate::transaction::commit;
use crate::worker::{Request, Worker};
use crate::{Commit, Database, Failure, OpenError, WriteError};

/// What a writer does with its operations. A closure with the signature of [`Work::apply`] is one.
pub trait Work<Op, Out>: Send + 'static {
    /// Carries out all of `ops` in order within one transaction, with one result each.
    ///
    /// # Errors
    /// An error rolls all of them back, so an operation should not fail for reasons of its own:
    /// check it before it is written.
    fn apply(&mut self, transaction: &Transaction<'_>, ops: &[Op]) -> rusqlite::Result<Vec<Out>>;

    /// The results are durable. Called before anybody is told; a caller that went away misses its
    /// answer, but this does not.
    fn committed(&mut self, _connection: &Connection, _outs: &[Out]) {}

    /// The file was opened again after a write with an unknown outcome: reread what is kept in
    /// memory.
    ///
    /// # Errors
    /// An error counts as a failure to open.
    fn reopened(&mut self, _connection: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }
}

impl<F, Op, Out> Work<Op, Out> for F
where
    F: FnMut(&Transaction<'_>, &[Op]) -> rusqlite::Result<Vec<Out>> + Send + 'static,
{
    fn apply(&mut self, transaction: &Transaction<'_>, ops: &[Op]) -> rusqlite::Result<Vec<Out>> {
        self(transaction, ops)
    }
}

/// Bounds of a writer.
#[derive(Clone)]
pub struct Options {
    /// How many operations may wait, at least 1; one more is refused with [`WriteError::Full`].
    pub queue: usize,
    /// How many operations one transaction may hold, at least 1.
    pub batch: usize,
    /// How long an idle writer whose last write failed waits before it tries whether writing works
    /// again.
    pub probe_every: Duration,
    /// How a transaction commits: `COMMIT`, but in tests.
    pub commit: Commit,
    /// Told how many operations a commit made durable, if anybody wants to know.
    pub observe: Option<Arc<dyn Fn(usize) + Send + Sync>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 1024, batch: 256, probe_every: Duration::from_secs(1), commit: Arc::new(commit), observe: None }
    }
}

/// Writes to one database, in the order of the calls, from a thread of its own. Dropping it waits
/// as [`Writer::close`] does.
pub struct Writer<Op, Out> {
    /// None once closed. Never cloned, so that taking it away ends the thread when the queue is
    /// empty.
    queue: RwLock<Option<SyncSender<Request<Op, Out>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    health: watch::Receiver<Option<String>>,
}

impl<Op: Send + 'static, Out: Send + 'static> Writer<Op, Out> {
    /// Opens `database` and starts the thread, which is called `name` (15 bytes show up in process
    /// listings).
    ///
    /// # Errors
    /// As [`Database::open`]; [`OpenError::Create`] if the thread cannot be made.
    pub fn start(
        name: &str,
        database: Database,
        options: Options,
        work: impl Work<Op, Out>,
    ) -> Result<Self, OpenError> {
        let mut connection = database.open()?;
        let checkpoints = Checkpoints::start(name, &database)?;
        let followed = checkpoints.follow(&mut connection);
        followed.map_err(|source| database.sqlite("set up a connection", source))?;
        let path = database.path.clone();
        let (queue, requests) = sync_channel(options.queue.max(1));
        let (report, health) = watch::channel(None);
        let worker = Worker::new(database, connection, checkpoints, options, requests, report, work);
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(move || worker.run())
            .map_err(|source| OpenError::Create { path, source })?;
        Ok(Self { queue: RwLock::new(Some(queue)), thread: Mutex::new(Some(thread)), health })
    }

    /// Writes `op`; it is committed when this returns `Ok`. Never waits for room in the queue. Once
    /// it has been queued, it is written also if the caller stops waiting.
    ///
    /// # Errors
    /// [`WriteError`] says what is known about it.
    pub async fn write(&self, op: Op) -> Result<Out, WriteError> {
        let (reply, answer) = reply::channel();
        self.enqueue(Request { op, reply })?;
        answer.await.unwrap_or_else(|_| Err(WriteError::Unknown { source: Arc::new(Failure::Died) }))
    }

    /// `None` while writing works, else why it does not. It ends (`changed()` is an error) when the
    /// writer will never write again: after [`Writer::close`], but also when the file is found
    /// damaged or the thread panics. The process should end then.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Option<String>> {
        self.health.clone()
    }

    /// Writes what is queued, in order, refuses everything else, and waits for the thread to end
    /// and the file to be closed.
    pub async fn close(&self) {
        if let Some(thread) = self.stop() {
            // A panic of the thread has been reported by the panic hook and by `health`.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn enqueue(&self, request: Request<Op, Out>) -> Result<(), WriteError> {
        let queue = self.queue.read();
        let queue = queue.as_ref().ok_or(WriteError::Closed)?;
        queue.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => WriteError::Full,
            TrySendError::Disconnected(_) => WriteError::Closed,
        })
    }
}

impl<Op, Out> Writer<Op, Out> {
    fn stop(&self) -> Option<JoinHandle<()>> {
        drop(self.queue.write().take());
        self.thread.lock().take()
    }
}

impl<Op, Out> Drop for Writer<Op, Out> {
    fn drop(&mut self) {
        if let Some(thread) = self.stop() {
            let _ = thread.join();
        }
    }
}
