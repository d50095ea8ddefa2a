//! The projector: reads the ledger, folds it, and keeps the state store up with it.
//!
//! One task for each partition. Whatever interrupts one (a full disk, another projector, a restart) is gone over in one way:
//! forget what is in memory, read where the store stands, go on from there. Since the fold is pure, going over events again
//! gives the same rows and the same changes.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod board;
mod error;
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

use crate::board::Board;
use crate::metrics::Metrics;
use crate::partition::Partition;

pub use error::ProjectorError;

/// Tells the time.
pub(crate) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Projects every partition of a ledger into a store.
pub struct Projector {
    ledger: Arc<dyn Ledger>,
    store: Arc<dyn Store>,
    ledger_id: Arc<str>,
    board: Arc<Board>,
    now: Now,
}

impl Projector {
    /// Joins a ledger and the store that was opened for it, and registers `regledger_projection_position`,
    /// `regledger_projection_lag_seconds` and `regledger_ledger_position`. `now` is the clock that the lag is told by.
    ///
    /// # Errors
    /// [`ProjectorError::Metrics`] if one of them is registered already; [`ProjectorError::Ledger`].
    pub fn new(
        ledger: Arc<dyn Ledger>,
        store: Arc<dyn Store>,
        ledger_id: &str,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        metrics: &Registry,
    ) -> Result<Self, ProjectorError> {
        let board = Arc::new(Board::new(ledger.partitions()));
        let now: Now = Arc::new(now);
        Metrics::register(&*ledger, &*store, board.clone(), now.clone(), metrics)?;
        Ok(Self { ledger, store, ledger_id: ledger_id.into(), board, now })
    }

    /// `None` while every partition moves, else which do not, and why.
    pub fn status(&self) -> watch::Receiver<Option<String>> {
        self.board.status()
    }

    /// Projects until it is told to stop; what is being committed then is finished. What can pass is tried again for ever. An
    /// event that cannot be understood stops its partition alone, and `status` says so.
    ///
    /// # Errors
    /// [`ProjectorError`] for what cannot pass: the process should end.
    ///
    /// # Panics
    /// If a partition's task panicked.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ProjectorError> {
        let stop = stop.child_token();
        let mut tasks = JoinSet::new();
        for number in 0..self.ledger.partitions() {
            let partition = Partition::new(number, &self);
            tasks.spawn(partition.run(stop.clone()));
        }
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
}

fn pass_panic(error: JoinError) -> Result<(), ProjectorError> {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_cancelled) => Ok(()),
    }
}
