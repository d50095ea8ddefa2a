//! The projector: reads the ledger, folds it, and keeps the state store up with it.
//!
//! One task for each partition, which works while its lease is ours: any number of projectors share the partitions of a store.
//! Whatever interrupts one (a full disk, another projector, a restart) is gone over in one way:
//! forget what is in memory, read where the store stands, go on from there. Since the fold is pure, going over events again
//! gives the same rows and the same changes.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod board;
mod error;
mod keeper;
mod metrics;
mod partition;

use std::panic::resume_unwind;
use std::sync::Arc;

use jiff::Timestamp;
use ledger::Ledger;
use projection::Store;
use prometheus::Registry;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::board::Board;
use crate::keeper::Keeper;
use crate::metrics::{Counters, Metrics};
use crate::partition::Partition;

pub use error::ProjectorError;

/// Tells the time.
pub(crate) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Draws UUIDv7s.
pub(crate) type Ids = Arc<dyn Fn() -> Uuid + Send + Sync>;

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
        let stop = stop.child_token();
        let keeper = Keeper::new(&self);
        let mut tasks = JoinSet::new();
        for (tenure, number) in keeper.tenures().zip(0..) {
            let partition = Partition::new(number, tenure, &self);
            tasks.spawn(partition.run(stop.clone()));
        }
        // The keeper goes last: leases are renewed until the last commit is done.
        let partitions_ended = CancellationToken::new();
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.run(stop.clone(), partitions_ended.clone()));
        let outcome = join(tasks, &stop).await;
        partitions_ended.cancel();
        outcome.and(join(keeping, &stop).await)
    }
}

/// Waits for all tasks; when one fails, the others are stopped.
async fn join(mut tasks: JoinSet<Result<(), ProjectorError>>, stop: &CancellationToken) -> Result<(), ProjectorError> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(pass_panic);
        if ended.is_err() {
            stop.cancel();
        }
        outcome = outcome.and(ended);
    }
    outcome
}

fn pass_panic(error: JoinError) -> Result<(), ProjectorError> {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_cancelled) => Ok(()),
    }
}
