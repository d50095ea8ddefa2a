//! The publisher: copies the committed changes from the state store to two topics of Kafka, for whoever would rather read
//! there than over HTTP.
//!
//! One follower for each partition of the ledger, which works while its lease is ours. A transaction holds the changes of whole
//! events and how far they go, so that both are there or neither; and it is refused once another has taken the partition over.
//! So nothing is published twice or left out, and nothing older after something newer, whoever is killed or paused. The
//! projector knows nothing of it and never waits.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod error;
mod follower;
mod metrics;
mod record;
mod topics;

use std::sync::Arc;

use jiff::Timestamp;
use kafka::Group;
use projection::{Board, Ids, Keeper, Store};
use prometheus::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::follower::Follower;
use crate::metrics::Metrics;
use crate::topics::Guard;

pub use error::PublisherError;
pub use topics::Topics;

/// Publishes those partitions whose leases it gets; other publishers have the others.
pub struct Publisher {
    topics: Topics,
    store: Arc<dyn Store>,
    group: Arc<Group>,
    board: Arc<Board>,
    metrics: Metrics,
    ids: Ids,
}

impl Publisher {
    /// Joins a store and topics, and registers `regledger_change_topics_position` and `regledger_change_topics_lag_seconds`.
    /// `now` is the clock that the lag is told by; `ids` draws UUIDv7s, by which this publisher and the epochs of its leases
    /// are known.
    ///
    /// # Errors
    /// [`PublisherError::Metrics`] if one of them is registered already; [`PublisherError::Kafka`].
    pub fn new(
        topics: Topics,
        store: Arc<dyn Store>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        ids: impl Fn() -> Uuid + Send + Sync + 'static,
        registry: &Registry,
    ) -> Result<Self, PublisherError> {
        let group = Arc::new(Group::of(&topics.connection, &topics.publisher, &topics.events)?);
        let board = Arc::new(Board::new(topics.partitions));
        let metrics = Metrics::register(&*store, board.clone(), Arc::new(now), registry)?;
        Ok(Self { topics, store, group, board, metrics, ids: Arc::new(ids) })
    }

    /// `None` while everything is published, else what is not, and why.
    pub fn status(&self) -> watch::Receiver<Option<String>> {
        self.board.status()
    }

    /// Publishes until it is told to stop; the transaction that is open then is finished, and leases are given back. What can
    /// pass is tried again for ever, topics that are not as they must be too.
    ///
    /// # Errors
    /// [`PublisherError`] for what cannot pass: the process should end.
    ///
    /// # Panics
    /// If a follower panicked.
    pub async fn run(self, stop: CancellationToken) -> Result<(), PublisherError> {
        let opening = Guard::open(&self.topics, &self.board);
        let Some(guard) = stop.run_until_cancelled(opening).await else {
            return Ok(());
        };
        let keeper =
            Keeper::new(self.store.clone(), "publisher", self.ids.clone(), self.board.clone(), Arc::new(|_| {}));
        let follow = |number, keeper, stop| Follower::new(number, keeper, &self).run(stop);
        tokio::select! {
            ended = keeper.run(&stop, follow) => ended,
            never = guard.watch() => match never {},
        }
    }
}
