//! The contract: what every delivery store does, whatever it is kept in.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{At, Attempt, DeliveryFilter, Held, Listed, OutboxError};

/// Since when a store keeps count. It is said once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// Id of the ledger.
    pub ledger: String,
    /// The era of the ledger: one that was restored from a backup gives positions to other events.
    pub era: Option<Uuid>,
    /// The head of each partition at that moment.
    pub heads: Vec<u64>,
}

/// How far a subscription is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The first change of each partition that is neither delivered nor held: position and ordinal.
    pub next: Vec<(u64, u16)>,
    /// The keys of which something is held.
    pub keys: Vec<String>,
    /// Since when there has been nothing but failure.
    pub failing_since: Option<Timestamp>,
}

/// What attempts have come to, to be written at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// The subscription.
    pub subscription: Uuid,
    /// Under which it was taken over.
    pub epoch: Uuid,
    /// Where cursors move to: partition, position and ordinal.
    pub next: Vec<(u32, u64, u16)>,
    /// What waits from now on, or goes on waiting.
    pub held: Vec<Held>,
    /// What was held and has arrived.
    pub done: Vec<At>,
    /// What is given up.
    pub dead: Vec<Held>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// Since when there has been nothing but failure.
    pub failing_since: Option<Timestamp>,
    /// Everything that waits is to be attempted from then on: the receiver is back.
    pub hasten: Option<Timestamp>,
}

/// What the store answers, or why it does not.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, OutboxError>>;

/// What is known of deliveries. Every backend passes the suite in `tests/conformance`.
pub trait Outbox: Send + Sync {
    /// Since when it keeps count.
    fn birth(&self) -> &Birth;

    /// Takes a subscription over under a new epoch, as far as it is known since the event at `run` said from where: whoever had
    /// it before can settle no more. What was held beyond a cursor is forgotten, as it will be read again, and the first of
    /// each key is due. `None` if nothing is known of it.
    fn take(&self, subscription: Uuid, epoch: Uuid, run: u64, now: Timestamp) -> Answer<'_, Option<Taken>>;

    /// Begins a subscription anew, as the event at `run` says, and takes it over. What was held is given up if it lies before
    /// `next`, and forgotten where it will be read again; what was given up stays.
    fn begin(&self, subscription: Uuid, epoch: Uuid, run: u64, next: Vec<u64>) -> Answer<'_, Taken>;

    /// Writes what attempts have come to: all of it is kept when this returns `Ok`. The same settlement again changes nothing,
    /// but for the list of attempts.
    ///
    /// Errors: [`OutboxError::Fenced`] if somebody else has taken the subscription over; then nothing was written.
    fn settle(&self, settlement: Settlement) -> Answer<'_, ()>;

    /// The keys whose time has come, those that waited longest first; at most `limit`.
    fn due(&self, subscription: Uuid, now: Timestamp, limit: usize) -> Answer<'_, Vec<String>>;

    /// What is held of a key, in order; at most `limit`.
    fn held(&self, subscription: Uuid, key: &str, limit: usize) -> Answer<'_, Vec<Held>>;

    /// When something is due next, and when the oldest of what is held was recorded.
    fn waiting(&self, subscription: Uuid) -> Answer<'_, (Option<Timestamp>, Option<Timestamp>)>;

    /// How much is held.
    fn count_held(&self, subscription: Uuid) -> Answer<'_, u64>;

    /// Forgets everything about a subscription.
    fn forget(&self, subscription: Uuid) -> Answer<'_, ()>;

    /// The subscriptions that something is known of.
    fn known(&self) -> Answer<'_, Vec<Uuid>>;

    /// The deliveries that pass a filter after the one of this number, in order; at most `limit`.
    fn list(&self, filter: DeliveryFilter, after: i64, limit: usize) -> Answer<'_, Vec<Listed>>;

    /// Has deliveries attempted again from `now` on: what was given up waits once more, as if it had never failed. Returns how
    /// many they were.
    fn replay(&self, filter: DeliveryFilter, now: Timestamp) -> Answer<'_, u64>;

    /// The last attempts of a subscription, newest first; at most `limit`.
    fn attempts(&self, subscription: Uuid, limit: usize) -> Answer<'_, Vec<Attempt>>;

    /// `None` while writing works, else why it does not. It ends when nothing will be written any more.
    fn health(&self) -> watch::Receiver<Option<String>>;

    /// Writes what is waiting and refuses everything after it.
    fn close(&self) -> BoxFuture<'_, ()>;
}
