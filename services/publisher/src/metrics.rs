//! How far the topics are, told at the moment of asking, by whoever publishes the partition: a partition that stands still
//! lags more each time.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use projection::{Board, Store};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};
use tokio::sync::watch;

use crate::PublisherError;

/// Tells the time.
type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Metrics {
    projected: watch::Receiver<Vec<u64>>,
    /// The first position of each partition that is not published; none where it is not ours.
    published: Arc<Mutex<Vec<Option<u64>>>>,
    board: Arc<Board>,
    now: Now,
    position: IntGaugeVec,
    lag: GaugeVec,
}

impl Metrics {
    pub(crate) fn register(
        store: &dyn Store,
        board: Arc<Board>,
        now: Now,
        registry: &Registry,
    ) -> Result<Self, PublisherError> {
        let position = Opts::new(
            "regledger_change_topics_position",
            "Position of the last event whose changes are in Kafka; -1 if none is.",
        );
        let lag = Opts::new(
            "regledger_change_topics_lag_seconds",
            "Seconds that the oldest change that is not in Kafka has been waiting; 0 if all are.",
        );
        let metrics = Self {
            projected: store.watch(),
            published: Arc::new(Mutex::new(vec![None; board.partitions() as usize])),
            board,
            now,
            position: IntGaugeVec::new(position, &["partition"])?,
            lag: GaugeVec::new(lag, &["partition"])?,
        };
        registry.register(Box::new(metrics.clone()))?;
        Ok(metrics)
    }

    /// Notes the first position of a partition that is not published.
    pub(crate) fn note(&self, partition: u32, next: u64) {
        self.set(partition, Some(next));
        let last = i64::try_from(next).unwrap_or(i64::MAX) - 1;
        self.position.with_label_values(&[&partition.to_string()]).set(last);
    }

    /// Forgets a partition that is no longer ours.
    pub(crate) fn forget(&self, partition: u32) {
        self.set(partition, None);
        let label = partition.to_string();
        // What was never told need not be taken back.
        let _ = self.position.remove_label_values(&[&label]);
        let _ = self.lag.remove_label_values(&[&label]);
    }

    fn set(&self, partition: u32, next: Option<u64>) {
        if let Some(known) = self.published.lock().get_mut(partition as usize) {
            *known = next;
        }
    }

    fn observe(&self) {
        let projected = self.projected.borrow().clone();
        let published = self.published.lock();
        for ((projected, published), partition) in projected.into_iter().zip(&*published).zip(0..) {
            if let Some(next) = *published {
                let lag = if next < projected { self.board.waiting_seconds(partition, (self.now)()) } else { 0.0 };
                self.lag.with_label_values(&[&partition.to_string()]).set(lag);
            }
        }
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        [self.position.desc(), self.lag.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.observe();
        [self.position.collect(), self.lag.collect()].concat()
    }
}
