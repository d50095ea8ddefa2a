//! The projector: reads the ledger, folds it, and keeps the state store up with it.
//!
//! One task for each partition, which works while its lease is ours: any number of projectors share the partitions of a store.
//! Whatever interrupts one (a full disk, another projector, a restart) is gone over in one way:
//! forget what is in memory, read where the store stands, go on from there. Since the fold is pure, going over events again
//! gives the same rows and the same changes.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod error;
mod metrics;
mod partition;

use std::sync::Arc;

use jiff::Timestamp;
use ledger::Ledger;
use projection::{Board, Ids, Keeper, Store};
use prometheus::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metrics::{Counters, Metrics};
use crate::partition::Partition;

pub use error::ProjectorError;

/// Tells the time.
pub(crate) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Projects those partitions of a ledger into a store whose leases it gets; other projectors have the others.
pub struct Projector {
    ledger: Arc<dyn Ledger>,
    store: Arc<dyn Store>,
    ledger_id: Arc<str>,
    board: Arc<Board>,
    counters: Counters,
    now: Now,
    ids: Ids,
}

impl Projector {
    /// Joins a ledger and the store that was opened for it, and registers `regledger_projection_position`,
    /// `regledger_projection_lag_seconds`, `regledger_ledger_position`, `regledger_lease_changes_total` and
    /// `regledger_fenced_total`. `now` is the clock that the lag is told by; `ids` draws UUIDv7s, by which this projector and
    /// the epochs of its leases are known.
    ///
    /// # Errors
    /// [`ProjectorError::Metrics`] if one of them is registered already; [`ProjectorError::Ledger`].
    pub fn new(
        ledger: Arc<dyn Ledger>,
        store: Arc<dyn Store>,
        ledger_id: &str,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        ids: impl Fn() -> Uuid + Send + Sync + 'static,
        metrics: &Registry,
    ) -> Result<Self, ProjectorError> {
        let board = Arc::new(Board::new(ledger.partitions()));
        let now: Now = Arc::new(now);
        Metrics::register(&*ledger, &*store, board.clone(), now.clone(), metrics)?;
        let counters = Counters::register(ledger.partitions(), metrics)?;
        Ok(Self { ledger, store, ledger_id: ledger_id.into(), board, counters, now, ids: Arc::new(ids) })
    }

    /// `None` while every partition moves, else which do not, and why.
    pub fn status(&self) -> watch::Receiver<Option<String>> {
        self.board.status()
    }

    /// Projects until it is told to stop; what is being committed then is finished, and leases are given back. What can pass is
    /// tried again for ever. An event that cannot be understood stops its partition alone, and `status` says so.
    ///
    /// # Errors
    /// [`ProjectorError`] for what cannot pass: the process should end.
    ///
    /// # Panics
    /// If a partition's task panicked.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ProjectorError> {
        let Self { store, board, ids, .. } = &self;
        let counters = self.counters.clone();
        let observe = Arc::new(move |change| counters.lease(change));
        let keeper = Keeper::new(store.clone(), "projector", ids.clone(), board.clone(), observe);
        keeper.run(&stop, |number, keeper, stop| Partition::new(number, keeper, &self).run(stop)).await
    }
}
