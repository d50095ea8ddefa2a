//! How far ledger and store are, told at the moment of asking: a partition that stands still lags more each time.

use std::sync::Arc;

use ledger::{Ledger, ReadError};
use projection::{Board, LeaseChange, Store};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use tokio::sync::watch;

use crate::{Now, ProjectorError};

pub(crate) struct Metrics {
    heads: Vec<watch::Receiver<u64>>,
    projected: watch::Receiver<Vec<u64>>,
    board: Arc<Board>,
    now: Now,
    ledger_position: IntGaugeVec,
    projection_position: IntGaugeVec,
    lag: GaugeVec,
}

impl Metrics {
    pub(crate) fn register(
        ledger: &dyn Ledger,
        store: &dyn Store,
        board: Arc<Board>,
        now: Now,
        registry: &Registry,
    ) -> Result<(), ProjectorError> {
        let watch = |partition| ledger.watch(partition).map_err(|error| (partition, error));
        let heads = (0..ledger.partitions()).map(watch).collect::<Result<_, _>>();
        let heads =
            heads.map_err(|(partition, source): (u32, ReadError)| ProjectorError::Ledger { partition, source })?;
        let metrics = Self {
            heads,
            projected: store.watch(),
            board,
            now,
            ledger_position: IntGaugeVec::new(
                Opts::new(
                    "regledger_ledger_position",
                    "Position of the last event in the ledger; -1 if there is none.",
                ),
                &["partition"],
            )?,
            projection_position: IntGaugeVec::new(
                Opts::new(
                    "regledger_projection_position",
                    "Position of the last event that is projected; -1 if none is.",
                ),
                &["partition"],
            )?,
            lag: GaugeVec::new(
                Opts::new(
                    "regledger_projection_lag_seconds",
                    "Seconds that the oldest event that is not projected has been waiting; 0 if all are.",
                ),
                &["partition"],
            )?,
        };
        Ok(registry.register(Box::new(metrics))?)
    }

    fn observe(&self) {
        let projected = self.projected.borrow().clone();
        for ((head, next), partition) in self.heads.iter().zip(projected).zip(0..) {
            let head = *head.borrow();
            let label = partition.to_string();
            self.ledger_position.with_label_values(&[&label]).set(last(head));
            self.projection_position.with_label_values(&[&label]).set(last(next));
            let lag = if next < head { self.board.waiting_seconds(partition, (self.now)()) } else { 0.0 };
            self.lag.with_label_values(&[&label]).set(lag);
        }
    }
}

/// What is counted as it happens.
#[derive(Clone)]
pub(crate) struct Counters {
    lease_changes: IntCounterVec,
    fenced: IntCounterVec,
}

impl Counters {
    pub(crate) fn register(partitions: u32, registry: &Registry) -> Result<Self, ProjectorError> {
        let lease_changes = Opts::new(
            "regledger_lease_changes_total",
            "Leases of partitions that this process has claimed, lost to another, or released.",
        );
        let fenced = Opts::new(
            "regledger_fenced_total",
            "Commits that were refused because another process had taken over the partition.",
        );
        let counters = Self {
            lease_changes: IntCounterVec::new(lease_changes, &["change"])?,
            fenced: IntCounterVec::new(fenced, &["partition"])?,
        };
        for change in [LeaseChange::Claimed, LeaseChange::Lost, LeaseChange::Released] {
            counters.lease_changes.with_label_values(&[word(change)]);
        }
        for partition in 0..partitions {
            counters.fenced.with_label_values(&[&partition.to_string()]);
        }
        registry.register(Box::new(counters.lease_changes.clone()))?;
        registry.register(Box::new(counters.fenced.clone()))?;
        Ok(counters)
    }

    pub(crate) fn lease(&self, change: LeaseChange) {
        self.lease_changes.with_label_values(&[word(change)]).inc();
    }

    pub(crate) fn fenced(&self, partition: u32) {
        self.fenced.with_label_values(&[&partition.to_string()]).inc();
    }
}

/// The word for what happens to a lease.
fn word(change: LeaseChange) -> &'static str {
    match change {
        LeaseChange::Claimed => "claimed",
        LeaseChange::Lost => "lost",
        LeaseChange::Released => "released",
    }
}

/// The position before the next one; -1 at the beginning.
fn last(next: u64) -> i64 {
    i64::try_from(next).unwrap_or(i64::MAX) - 1
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        [self.ledger_position.desc(), self.projection_position.desc(), self.lag.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.observe();
        [self.ledger_position.collect(), self.projection_position.collect(), self.lag.collect()].concat()
    }
}
