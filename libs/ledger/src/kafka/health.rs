//! Whether appending works, put together from several observations.

use std::error::Error;
use std::sync::Arc;

use kafka::KafkaError;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::Level;

/// What is observed. Its order is that of the reasons.
#[derive(Clone, Copy, Debug)]
pub(super) enum Concern {
    /// The last append.
    Append,
    /// Whether the brokers answer, with all that was there.
    Brokers,
    /// Whether the topic is as it must be.
    Topic,
}

/// A reason for each concern that has one.
pub(super) struct Health {
    reasons: Mutex<[Option<String>; 3]>,
    /// None once closed.
    report: Mutex<Option<watch::Sender<Option<String>>>>,
    health: watch::Receiver<Option<String>>,
    /// Told of each append that failed.
    pub(super) failed: Notify,
}

impl Health {
    pub(super) fn new() -> Self {
        let (report, health) = watch::channel(None);
        Self { reasons: Mutex::default(), report: Mutex::new(Some(report)), health, failed: Notify::new() }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<String>> {
        self.health.clone()
    }

    pub(super) fn good(&self, concern: Concern) {
        self.set(concern, None, Level::INFO);
    }

    pub(super) fn bad(&self, concern: Concern, error: &(dyn Error + 'static)) {
        self.set(concern, Some(explain(error)), Level::ERROR);
    }

    /// Nothing is wrong with it but that the brokers are away.
    pub(super) fn away(&self, concern: Concern, error: &(dyn Error + 'static)) {
        self.set(concern, Some(explain(error)), Level::WARN);
    }

    /// Nothing will be reported any more.
    pub(super) fn end(&self) {
        drop(self.report.lock().take());
    }

    fn set(&self, concern: Concern, reason: Option<String>, level: Level) {
        let mut reasons = self.reasons.lock();
        if std::mem::replace(&mut reasons[concern as usize], reason.clone()) == reason {
            return;
        }
        match reason {
            Some(reason) if level == Level::WARN => tracing::warn!(?concern, reason, "the ledger is not well"),
            Some(reason) => tracing::error!(?concern, reason, "the ledger is not well"),
            None => tracing::info!(?concern, "the ledger is well again"),
        }
        let all: Vec<&str> = reasons.iter().flatten().map(String::as_str).collect();
        let all = (!all.is_empty()).then(|| all.join("; "));
        if let Some(report) = &*self.report.lock() {
            report.send_replace(all);
        }
    }
}

/// The error and its causes, in one line.
fn explain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut last = error;
    // What lies below librdkafka's message would only repeat it.
    while let Some(cause) = last.source().filter(|_| !is_librdkafkas(last)) {
        line = format!("{line}: {cause}");
        last = cause;
    }
    line
}

fn is_librdkafkas(error: &(dyn Error + 'static)) -> bool {
    error.is::<KafkaError>() || error.is::<Arc<KafkaError>>()
}

#[cfg(test)]
mod tests {
    use kafka::{ErrorCode, WriteError};

    use super::*;

    #[test]
    fn a_reason_is_said_once_and_with_its_cause() {
        let cause = KafkaError::MessageProduction(ErrorCode::NotEnoughReplicas);
        let said = cause.to_string();
        assert_eq!(explain(&cause), said);
        let error = WriteError::Rejected { source: Arc::new(cause) };
        assert_eq!(explain(&error), format!("the write was rejected; nothing was written: {said}"));
    }

    #[test]
    fn all_reasons_are_told_until_the_last_has_passed() {
        let (health, error) = (Health::new(), KafkaError::Canceled);
        let reasons = |health: &Health| health.watch().borrow().as_ref().map(|all| all.split("; ").count());
        assert_eq!(reasons(&health), None);
        health.bad(Concern::Topic, &error);
        health.bad(Concern::Append, &error);
        assert_eq!(reasons(&health), Some(2));
        health.good(Concern::Append);
        assert_eq!(reasons(&health), Some(1));
        health.good(Concern::Brokers);
        assert_eq!(reasons(&health), Some(1));
        health.good(Concern::Topic);
        assert_eq!(reasons(&health), None);
    }
}
