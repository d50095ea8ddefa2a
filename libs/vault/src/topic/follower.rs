//! Follows the topic from its beginning, so that the view is current.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use kafka::{Connection, KafkaError, Message, Offsets, ReadError, Reader, Record};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::error::{KafkaKeysError, Stalled, damaged, unavailable};
use super::record::{self, PARTITION};
use super::view::View;
use crate::error::KeyStoreError;

/// How often the thread looks whether it is to end.
const POLL: Duration = Duration::from_millis(100);

/// How long the topic may yield nothing although more is known to be in it, or the brokers give no answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The offset of the next record, or why none will be read any more.
type Progress = Result<u64, KeyStoreError>;

/// A thread that reads, and what it has read.
pub(super) struct Follower {
    shared: Arc<Shared>,
    offsets: Arc<Offsets>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    view: RwLock<View>,
    progress: watch::Sender<Progress>,
    is_dropped: AtomicBool,
}

impl Follower {
    /// Starts to read.
    pub(super) fn start(connection: &Connection, topic: &str) -> Result<Self, KafkaKeysError> {
        let reader = Reader::follow(connection, topic, PARTITION, 0)?;
        let offsets = Arc::new(Offsets::of(connection, topic)?);
        let shared = Arc::new(Shared {
            view: RwLock::default(),
            progress: watch::Sender::new(Ok(0)),
            is_dropped: AtomicBool::new(false),
        });
        let worker = Worker { reader, shared: shared.clone(), is_failing: false };
        let thread = Builder::new().name("keys".to_owned()).spawn(move || worker.run());
        let thread = Mutex::new(Some(thread.map_err(KafkaKeysError::Thread)?));
        Ok(Self { shared, offsets, thread })
    }

    /// Looks at what has been read.
    pub(super) fn look<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.shared.view.read())
    }

    /// Takes note of records that were written to these offsets, as far as nothing is before them that has not been read: what
    /// a process has written itself need not come back to it first.
    pub(super) fn note(&self, records: &[Record], offsets: &[u64]) -> Result<(), KeyStoreError> {
        for (Record { partition, key, value }, offset) in records.iter().zip(offsets) {
            let (key, value) = (key.clone(), value.clone());
            self.shared
                .apply(&Message { partition: *partition, offset: *offset, key, value }, |next| next == *offset)?;
        }
        Ok(())
    }

    /// Waits until the record at `offset`, which is known to be there, has been read.
    pub(super) async fn reach(&self, offset: u64) -> Result<(), KeyStoreError> {
        let mut progress = self.shared.progress.subscribe();
        loop {
            let next = progress.borrow_and_update().clone()?;
            if next > offset {
                return Ok(());
            }
            // As long as it gets on it may take however long it takes.
            let stalled = |_| unavailable(Stalled { next, offset });
            timeout(PATIENCE, progress.changed()).await.map_err(stalled)?.map_err(|_| KeyStoreError::Closed)?;
        }
    }

    /// Waits until everything has been read that was in the topic when this was called.
    ///
    /// Compaction may have taken away the last record before the end, but only a tombstone that is old: who follows has read it
    /// when it was there, and who starts has written a record after it.
    pub(super) async fn catch_up(&self) -> Result<(), KeyStoreError> {
        let offsets = self.offsets.clone();
        let asking = spawn_blocking(move || offsets.end([PARTITION], PATIENCE));
        let end = asking.await.unwrap_or(Err(KafkaError::Canceled)).map_err(unavailable)?;
        match end.first().and_then(|end| end.checked_sub(1)) {
            Some(last) => self.reach(last).await,
            None => Ok(()),
        }
    }

    /// Waits until nothing will be read any more, and says why.
    pub(super) async fn ended(&self) -> KeyStoreError {
        match self.shared.progress.subscribe().wait_for(Result::is_err).await {
            Ok(progress) => progress.clone().err().unwrap_or(KeyStoreError::Closed),
            Err(_) => KeyStoreError::Closed,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.is_dropped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().take() {
            // A panic has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Applies a record if the one that is next says so. It is in the view when its offset is passed.
    fn apply(&self, message: &Message, is_due: impl FnOnce(u64) -> bool) -> Result<(), KeyStoreError> {
        let said = record::read(message).map_err(damaged)?;
        let mut view = self.view.write();
        if is_due(view.next()) {
            view.apply(message.offset, said);
            self.progress.send_modify(|progress| *progress = progress.clone().and(Ok(message.offset + 1)));
        }
        Ok(())
    }
}

struct Worker {
    reader: Reader,
    shared: Arc<Shared>,
    is_failing: bool,
}

impl Worker {
    fn run(mut self) {
        while !self.shared.is_dropped.load(Ordering::Relaxed) {
            let read = self.reader.next(Instant::now() + POLL);
            if let Err(damage) = self.take(read) {
                self.shared.progress.send_modify(|progress| *progress = Err(damage));
                return;
            }
        }
    }

    /// An error is final.
    fn take(&mut self, read: Result<Message, ReadError>) -> Result<(), KeyStoreError> {
        match read {
            Ok(message) => self.shared.apply(&message, |next| next <= message.offset)?,
            Err(ReadError::TimedOut) => {}
            // What was there has been deleted, or the topic was made anew.
            Err(error @ ReadError::OutOfRange { .. }) => return Err(damaged(error)),
            Err(error) => {
                if !self.is_failing {
                    tracing::error!(error = &error as &dyn std::error::Error, "the key topic cannot be read");
                }
                self.is_failing = true;
                sleep(POLL);
                return Ok(());
            }
        }
        self.is_failing = false;
        Ok(())
    }
}
