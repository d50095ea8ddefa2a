//! The tailer: one per process reads new changes from the store and hands them to all subscribers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::web::Bytes;
use parking_lot::Mutex;
use projection::{Store, StoreError, StoredChange};
use registration::directory::LedgerRow;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::stream::backlog::{self, Backlog};
use crate::stream::cursor::{Cursor, Next};
use crate::stream::frame;

/// Changes read from the store at once.
pub(crate) const CHUNK: usize = 512;

/// Time between two attempts to read the store.
const PACE: Duration = Duration::from_millis(500);

/// A change on its way to the subscribers.
#[derive(Debug)]
pub struct Published {
    /// The change.
    pub change: StoredChange,
    /// The cursor of a subscriber that has read everything up to and with this change.
    pub after: Cursor,
    /// The change as a server-sent event with that cursor, written once for all subscribers.
    pub frame: Bytes,
}

impl Published {
    /// What it takes in memory, but for a few words; the page that it was read with is there until the last of it is gone.
    pub(crate) fn bytes(&self) -> usize {
        self.change.body.len() + self.frame.len()
    }
}

/// Hands new changes to all subscribers of this process.
pub struct Tailer {
    store: Arc<dyn Store>,
    at: Mutex<Cursor>,
    backlog: Mutex<Backlog>,
    sender: broadcast::Sender<Weak<Published>>,
    standing: watch::Sender<Option<String>>,
}

impl Tailer {
    /// Begins at what is projected now.
    pub fn new(store: Arc<dyn Store>, ledger: &LedgerRow) -> Arc<Self> {
        let at = Cursor::at_heads(ledger, store.watch().borrow().iter().copied());
        Arc::new(Self {
            store,
            at: Mutex::new(at),
            backlog: Mutex::default(),
            sender: broadcast::Sender::new(backlog::CHANGES),
            standing: watch::Sender::new(None),
        })
    }

    /// Everything after the cursor that is returned will be received. What the receiver is too far behind for is not there any
    /// more when it comes to it.
    pub fn subscribe(&self) -> (Cursor, broadcast::Receiver<Weak<Published>>) {
        // The lock joins both: nothing is published between reading the cursor and subscribing.
        let at = self.at.lock();
        (at.clone(), self.sender.subscribe())
    }

    /// Number of subscribers.
    pub fn subscribers(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Why new changes are not handed on, if they are not.
    pub fn health(&self) -> watch::Receiver<Option<String>> {
        self.standing.subscribe()
    }

    /// Follows the projection until it is told to stop. What can pass is tried again.
    ///
    /// # Errors
    /// [`StoreError`] if the store is damaged: the process should end.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut heads = self.store.watch();
        loop {
            let now = heads.borrow_and_update().clone();
            let published = self.publish_to(&now).await;
            let obstacle = published.as_ref().err().map(ToString::to_string);
            self.standing.send_if_modified(|known| {
                let is_news = *known != obstacle;
                *known = obstacle;
                is_news
            });
            let wait = async {
                match published {
                    Ok(()) => Ok(heads.changed().await.is_ok()),
                    Err(StoreError::Unavailable { .. }) => {
                        tokio::time::sleep(PACE).await;
                        Ok(true)
                    }
                    Err(damage) => Err(damage),
                }
            };
            match stop.run_until_cancelled(wait).await {
                Some(Ok(true)) => {}
                Some(Ok(false)) | None => return Ok(()),
                Some(Err(damage)) => return Err(damage),
            }
        }
    }

    async fn publish_to(&self, heads: &[u64]) -> Result<(), StoreError> {
        for (partition, head) in (0..).zip(heads) {
            loop {
                let from = self.at.lock().next.get(partition as usize).copied().unwrap_or_default();
                if from >= (Next { position: *head, ordinal: 0 }) {
                    break;
                }
                let changes = self.store.changes(partition, (from.position, from.ordinal), *head, CHUNK).await?;
                self.publish(partition, changes, *head);
            }
        }
        Ok(())
    }

    fn publish(&self, partition: u32, changes: Vec<StoredChange>, head: u64) {
        let mut at = self.at.lock();
        let mut backlog = self.backlog.lock();
        let at_end = changes.len() < CHUNK;
        for change in changes {
            at.pass(partition, change.position, change.ordinal);
            let after = at.clone();
            let frame = frame::change(&change, &after);
            let published = Arc::new(Published { change, after, frame });
            match self.sender.send(Arc::downgrade(&published)) {
                Ok(_) => backlog.keep(published),
                Err(_nobody_is_listening) => backlog.clear(),
            }
        }
        if at_end && let Some(next) = at.next.get_mut(partition as usize) {
            *next = Next { position: head, ordinal: 0 };
        }
    }
}
