//! The contract: what every state store does, whatever it is kept in.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use registration::isl::SessionRow;
use registration::{Row, RowKey};
use tokio::sync::watch;

use crate::{
    AsOf, Claim, Claimed, ClientCount, ClientFilter, Commit, CommitError, Lease, LeaseError, ListedClient,
    ListedMessage, MessageFilter, Place, StoreError, StoredChange,
};

/// How far a partition has been folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The first position that has not been folded.
    pub next: u64,
    /// Ledger time of the event before it; [`Timestamp::MIN`] if there is none.
    pub ledger_time: Timestamp,
}

impl Cursor {
    /// A cursor as it is stored.
    pub(crate) fn read(partition: u32, next: i64, ledger_time: &str) -> Result<Self, StoreError> {
        let ledger_time = ledger_time
            .parse()
            .map_err(|error: jiff::Error| StoreError::unreadable(format!("cursor {partition}"), error))?;
        Ok(Self { next: next.cast_unsigned(), ledger_time })
    }
}

/// Reads a row from its body.
pub(crate) fn row_of(key: &RowKey, body: &[u8]) -> Result<Row, StoreError> {
    Row::from_json(key.kind, body)
        .map_err(|error| StoreError::unreadable(format!("{} {}", key.kind.as_str(), key.id), error))
}

/// What the store answers, or why it does not.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The rows, changes, cursors and leases of one ledger. Every backend passes the suite in `tests/conformance`.
pub trait Store: Send + Sync {
    /// How far a partition has been folded.
    fn cursor(&self, partition: u32) -> Answer<'_, Cursor>;

    /// The rows of these names, in their order; `None` says that there is no such row.
    fn rows(&self, keys: Vec<RowKey>) -> Answer<'_, Vec<(RowKey, Option<Row>)>>;

    /// One row.
    fn row(&self, key: RowKey) -> Answer<'_, Option<Row>>;

    /// Writes rows, changes and cursor of a partition, if its cursor and its lease are as the commit says: all of it is
    /// visible when this returns `Ok`.
    ///
    /// Errors: [`CommitError`] says what is known about it.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<(), CommitError>>;

    /// The first position of each partition that has not been folded, as these move, whoever moves them. They move after what
    /// they speak of has become visible, and never back.
    fn watch(&self) -> watch::Receiver<Vec<u64>>;

    /// `None` while writing works, else why it does not. It ends (`changed()` is an error) when nothing will be written any
    /// more: after [`Store::close`], but also when the store is found damaged; the process should end then.
    fn health(&self) -> watch::Receiver<Option<String>>;

    /// Writes what is waiting and refuses everything after it. Reading goes on.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// The changes of a partition from a position and ordinal on and before position `until`, in order; at most `limit`.
    fn changes(&self, partition: u32, from: (u64, u16), until: u64, limit: usize) -> Answer<'_, Vec<StoredChange>>;

    /// The changes of a row from a place and ordinal on, in order; at most `limit`. A row's changes are all of one partition.
    fn history(&self, row: RowKey, from: Option<(Place, u16)>, limit: usize) -> Answer<'_, Vec<StoredChange>>;

    /// The position of the last change of a partition that was recorded by then; `None` if there is none.
    fn position_at(&self, partition: u32, time: Timestamp) -> Answer<'_, Option<u64>>;

    /// When the last change of the place's partition up to the place was recorded; `None` if there is none.
    fn time_at(&self, place: Place) -> Answer<'_, Option<Timestamp>>;

    /// The clients that pass a filter, registered after `after`, in the order of their registration; at most `limit`.
    fn clients(&self, filter: ClientFilter, after: Option<Place>, limit: usize) -> Answer<'_, Vec<ListedClient>>;

    /// As [`clients`](Self::clients), but as they were: filters and `latest` speak of then.
    fn clients_as_of(
        &self,
        as_of: AsOf,
        filter: ClientFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Answer<'_, Vec<ListedClient>>;

    /// One client.
    fn client(&self, id: String) -> Answer<'_, Option<ListedClient>>;

    /// One client as it was.
    fn client_as_of(&self, id: String, as_of: AsOf) -> Answer<'_, Option<ListedClient>>;

    /// How many clients each integration has, by their states; sorted.
    fn counts(&self) -> Answer<'_, Vec<ClientCount>>;

    /// The messages that pass a filter, that came first after `after`, in that order; at most `limit`.
    fn quarantined(&self, filter: MessageFilter, after: Option<Place>, limit: usize) -> Answer<'_, Vec<ListedMessage>>;

    /// The sessions and chats of this id in whatever ISL system, in the order in which they were heard of first; at most `limit`.
    fn sessions(&self, id: String, limit: usize) -> Answer<'_, Vec<SessionRow>>;

    /// How many messages wait for somebody to decide and can still be read.
    fn count_quarantined_held(&self, now: Timestamp) -> Answer<'_, u64>;

    /// Claims a lease that nobody holds, or whose time has run out by the store's clock, or that this holder has: then its
    /// earlier epoch is fenced.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LeaseError>>;

    /// Lets leases last for `ttl` from now; returns those that are still held under their epochs. One whose time had run out
    /// is renewed too if nobody has claimed it since.
    fn renew(&self, leases: Vec<Lease>, ttl: Duration) -> BoxFuture<'_, Result<Vec<Lease>, LeaseError>>;

    /// Gives a lease back, if it is still held under its epoch: what is committed under it from now on is fenced.
    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), LeaseError>>;

    /// The names of all leases that begin with `prefix` and have not run out, with their holders, sorted by name.
    fn held(&self, prefix: &str) -> BoxFuture<'_, Result<Vec<(String, String)>, LeaseError>>;
}
