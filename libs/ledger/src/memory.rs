//! A ledger in memory, for tests and for measuring what is not the disk. Nothing of it outlives the
//! process.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::entry::check;
use crate::{AppendError, Entry, Ledger, Limit, Place, ReadError, Recorded};

/// A ledger that keeps its events in memory; a clone shares them.
#[derive(Clone)]
pub struct MemoryLedger {
    store: Arc<Store>,
}

struct Store {
    /// One lock for all, so that a batch is one step for readers of any partition.
    partitions: RwLock<Vec<Vec<Stored>>>,
    heads: Vec<watch::Sender<u64>>,
    health: watch::Receiver<Option<String>>,
    /// None once closed.
    open: Mutex<Option<watch::Sender<Option<String>>>>,
}

#[derive(Clone)]
struct Stored {
    directory: bool,
    bytes: Bytes,
}

impl MemoryLedger {
    /// An empty ledger with `partitions` partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let (open, health) = watch::channel(None);
        let store = Store {
            partitions: RwLock::new((0..partitions).map(|_| Vec::new()).collect()),
            heads: (0..partitions).map(|_| watch::Sender::new(0)).collect(),
            health,
            open: Mutex::new(Some(open)),
        };
        Self { store: Arc::new(store) }
    }

    fn append_now(&self, batch: Vec<Entry>) -> Result<Vec<Place>, AppendError> {
        check(&batch, self.partitions())?;
        let open = self.store.open.lock();
        if open.is_none() {
            return Err(AppendError::Closed);
        }
        let mut partitions = self.store.partitions.write();
        let places = batch.into_iter().filter_map(|entry| push(&mut partitions, entry)).collect();
        for (head, events) in self.store.heads.iter().zip(partitions.iter()) {
            let length = events.len() as u64;
            head.send_if_modified(|head| std::mem::replace(head, length) != length);
        }
        Ok(places)
    }

    fn select(
        &self,
        partition: u32,
        from: u64,
        limit: Limit,
        wanted: fn(&Stored) -> bool,
    ) -> Result<Vec<Recorded>, ReadError> {
        let partitions = self.store.partitions.read();
        let events = partitions.get(partition as usize).ok_or(ReadError::NoSuchPartition { partition })?;
        let later = events.iter().zip(0..).skip(usize::try_from(from).unwrap_or(usize::MAX));
        let found = later.filter(|(event, _)| wanted(event));
        let recorded = found.map(|(event, position)| Recorded { partition, position, bytes: event.bytes.clone() });
        let mut room = limit.bytes;
        let fitting = recorded.enumerate().take_while(|(index, event)| {
            let fits = *index == 0 || event.bytes.len() <= room;
            room = room.saturating_sub(event.bytes.len());
            fits
        });
        Ok(fitting.take(limit.events.max(1)).map(|(_, event)| event).collect())
    }
}

fn push(partitions: &mut [Vec<Stored>], entry: Entry) -> Option<Place> {
    let events = partitions.get_mut(entry.partition as usize)?;
    let place = Place { partition: entry.partition, position: events.len() as u64 };
    events.push(Stored { directory: entry.directory, bytes: entry.bytes });
    Some(place)
}

impl Ledger for MemoryLedger {
    fn partitions(&self) -> u32 {
        self.store.heads.len() as u32
    }

    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<Vec<Place>, AppendError>> {
        async move { self.append_now(batch) }.boxed()
    }

    fn read(&self, partition: u32, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        ready(self.select(partition, from, limit, |_| true)).boxed()
    }

    fn read_directory(&self, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        ready(self.select(0, from, limit, |event| event.directory)).boxed()
    }

    fn head(&self, partition: u32) -> BoxFuture<'_, Result<u64, ReadError>> {
        ready(self.watch(partition).map(|head| *head.borrow())).boxed()
    }

    fn watch(&self, partition: u32) -> Result<watch::Receiver<u64>, ReadError> {
        let head = self.store.heads.get(partition as usize).ok_or(ReadError::NoSuchPartition { partition })?;
        Ok(head.subscribe())
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.store.health.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async { drop(self.store.open.lock().take()) }.boxed()
    }
}
