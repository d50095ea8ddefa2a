//! What attempts come to, and how long the oldest change has waited: told at the moment of asking, so that a subscription that
//! stands still waits longer each time.

use std::collections::HashMap;
use std::sync::Arc;

use admission::Clock;
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

use crate::DispatcherError;

/// The words of [`Outcome::word`](delivery::destination::Outcome::word), and that of what is given up.
const OUTCOMES: [&str; 5] = ["delivered", "failed", "gone", "refused", "dead"];

#[derive(Clone)]
pub(crate) struct Metrics {
    clock: Clock,
    attempts: IntCounterVec,
    pending: GaugeVec,
    /// When the oldest change that is not delivered was recorded, by subscription.
    oldest: Arc<Mutex<HashMap<String, Option<Timestamp>>>>,
}

impl Metrics {
    pub(crate) fn register(clock: Clock, registry: &Registry) -> Result<Self, DispatcherError> {
        let attempts =
            Opts::new("regledger_delivery_attempts_total", "Attempts to deliver a change, and deliveries given up.");
        let pending = Opts::new(
            "regledger_delivery_oldest_pending_seconds",
            "Seconds since the oldest change was recorded that is not delivered; 0 if all are.",
        );
        let metrics = Self {
            clock,
            attempts: IntCounterVec::new(attempts, &["subscription", "outcome"])?,
            pending: GaugeVec::new(pending, &["subscription"])?,
            oldest: Arc::default(),
        };
        registry.register(Box::new(metrics.clone()))?;
        Ok(metrics)
    }

    /// Counts an attempt by its outcome.
    pub(crate) fn count(&self, subscription: &str, outcome: &str) {
        self.attempts.with_label_values(&[subscription, outcome]).inc();
    }

    /// A subscription is worked on here. What was never counted is 0, and not absent.
    pub(crate) fn begin(&self, subscription: &str) {
        for outcome in OUTCOMES {
            self.attempts.with_label_values(&[subscription, outcome]);
        }
        self.wait(subscription, None);
    }

    /// Notes when the oldest change was recorded that waits.
    pub(crate) fn wait(&self, subscription: &str, since: Option<Timestamp>) {
        self.oldest.lock().insert(subscription.to_owned(), since);
    }

    /// A subscription is not worked on here any more.
    pub(crate) fn forget(&self, subscription: &str) {
        self.oldest.lock().remove(subscription);
        // What was never told need not be taken back.
        let _ = self.pending.remove_label_values(&[subscription]);
    }

    fn observe(&self) {
        let now = self.clock.now();
        for (subscription, since) in &*self.oldest.lock() {
            let seconds = since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
            self.pending.with_label_values(&[subscription]).set(seconds);
        }
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        [self.attempts.desc(), self.pending.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.observe();
        [self.attempts.collect(), self.pending.collect()].concat()
    }
}
