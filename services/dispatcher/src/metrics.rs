//! What attempts come to, and how long the oldest change has waited: told at the moment of asking, so that a subscription that
//! stands still waits longer each time.

use std::collections::HashMap;
use std::sync::Arc;

use admission::{Clock, DirectoryView};
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use registration::directory::PauseReason;

use crate::DispatcherError;

/// The words of [`Outcome::word`](delivery::destination::Outcome::word), and that of what is given up.
const OUTCOMES: [&str; 5] = ["delivered", "failed", "gone", "refused", "dead"];

/// Why a subscription may be paused.
const REASONS: [PauseReason; 5] =
    [PauseReason::ByHand, PauseReason::Gone, PauseReason::Refused, PauseReason::Failing, PauseReason::StartUnknown];

#[derive(Clone)]
pub(crate) struct Metrics {
    clock: Clock,
    directory: Arc<DirectoryView>,
    attempts: IntCounterVec,
    pending: GaugeVec,
    subscriptions: IntGaugeVec,
    /// When the oldest change that is not delivered was recorded, by subscription.
    oldest: Arc<Mutex<HashMap<String, Option<Timestamp>>>>,
}

impl Metrics {
    pub(crate) fn register(
        clock: Clock,
        directory: Arc<DirectoryView>,
        registry: &Registry,
    ) -> Result<Self, DispatcherError> {
        let attempts =
            Opts::new("regledger_delivery_attempts_total", "Attempts to deliver a change, and deliveries given up.");
        let pending = Opts::new(
            "regledger_delivery_oldest_pending_seconds",
            "Seconds since the oldest change was recorded that is not delivered; 0 if all are.",
        );
        let subscriptions =
            Opts::new("regledger_subscriptions", "Subscriptions that push, and those that are paused by why they are.");
        let metrics = Self {
            clock,
            directory,
            attempts: IntCounterVec::new(attempts, &["subscription", "outcome"])?,
            pending: GaugeVec::new(pending, &["subscription"])?,
            subscriptions: IntGaugeVec::new(subscriptions, &["state"])?,
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

    fn count_states(&self) {
        for state in ["active"].into_iter().chain(REASONS.map(PauseReason::as_str)) {
            self.subscriptions.with_label_values(&[state]).set(0);
        }
        for row in self.directory.read().subscriptions() {
            let state = row.subscription.paused.as_ref().map_or("active", |paused| paused.reason.as_str());
            self.subscriptions.with_label_values(&[state]).inc();
        }
    }

    fn observe(&self) {
        self.count_states();
        let now = self.clock.now();
        for (subscription, since) in &*self.oldest.lock() {
            let seconds = since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
            self.pending.with_label_values(&[subscription]).set(seconds);
        }
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        [self.attempts.desc(), self.pending.desc(), self.subscriptions.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.observe();
        [self.attempts.collect(), self.pending.collect(), self.subscriptions.collect()].concat()
    }
}
