//! The contract of a ledger.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::{AppendError, Entry, Place, ReadError};

/// An event that has been appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its partition.
    pub partition: u32,
    /// Its position.
    pub position: u64,
    /// Exactly what was appended.
    pub bytes: Bytes,
}

impl Recorded {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { partition: self.partition, position: self.position }
    }
}

/// How much one read returns at most. The first event counts as fitting, so that a reader always
/// gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// This many events; 0 counts as 1.
    pub events: usize,
    /// This many bytes of entries.
    pub bytes: usize,
}

/// An append-only ledger. Every backend passes [`conformance::suite`](crate::conformance::suite).
pub trait Ledger: Send + Sync {
    /// How many partitions there are; fixed for the ledger's life.
    fn partitions(&self) -> u32;

    /// Appends `batch` and says where each entry stands, in the batch's order. The entries of one
    /// partition are appended in that order, and others may get between them; all are durable when
    /// this returns `Ok`. Once the future has been polled, the batch may be appended although the
    /// caller stops waiting.
    ///
    /// Errors: [`AppendError`] says what is known about the batch; after [`AppendError::Unknown`]
    /// some of it may have been appended. It never waits for room ([`AppendError::Busy`]).
    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<Vec<Place>, AppendError>>;

    /// The events of `partition` from position `from` on, in order and without gaps; none if `from`
    /// is the head or beyond. Only what is durable is returned.
    ///
    /// Errors: [`ReadError::Corrupt`] rather than anything that was not appended.
    fn read(&self, partition: u32, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>>;

    /// The directory's entries alone, those of partition 0 from position `from` on, in order.
    ///
    /// Errors: as [`Ledger::read`].
    fn read_directory(&self, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>>;

    /// The position that the next event of `partition` will get: the number of its events.
    ///
    /// Errors: [`ReadError::NoSuchPartition`], [`ReadError::Unavailable`].
    fn head(&self, partition: u32) -> BoxFuture<'_, Result<u64, ReadError>>;

    /// The head of `partition` as it grows, whoever appends.
    ///
    /// # Errors
    /// [`ReadError::NoSuchPartition`].
    fn watch(&self, partition: u32) -> Result<watch::Receiver<u64>, ReadError>;

    /// `None` while appending works, else why it does not. It ends (`changed()` is an error) when
    /// nothing will be appended any more: after [`Ledger::close`], but also when the ledger is
    /// found damaged; the process should end then.
    fn health(&self) -> watch::Receiver<Option<String>>;

    /// Appends what is waiting, in order, and refuses everything after it. Reading goes on.
    fn close(&self) -> BoxFuture<'_, ()>;
}
