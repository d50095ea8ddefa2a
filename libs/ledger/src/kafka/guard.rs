//! Looks again and again whether the topic is still one that loses nothing.

use std::sync::Arc;
use std::time::Duration;

use kafka::{Inspector, TopicError, Violation};
use tokio::sync::watch;
use tokio::time::sleep;

use super::health::{Concern, Health};

/// How soon after a failed append it is looked whether appending could work again.
const SOON: Duration = Duration::from_secs(1);

/// Everything that is wrong with the topic.
#[derive(Debug, thiserror::Error)]
#[error("the topic is no longer as it must be: {}", .0.iter().map(Violation::to_string).collect::<Vec<_>>().join("; "))]
struct Unsafe(Vec<Violation>);

/// Inspects the topic every `every`, and soon after an append failed, until `stop` ends.
pub(super) async fn watch_over(
    inspector: Inspector,
    every: Duration,
    health: Arc<Health>,
    mut stop: watch::Receiver<()>,
) {
    let watching = async {
        loop {
            tokio::select! {
                () = sleep(every) => {}
                () = health.failed.notified() => sleep(SOON.min(every)).await,
            }
            note(inspector.violations().await, &health);
        }
    };
    tokio::select! {
        () = watching => {}
        _ = stop.changed() => {}
    }
}

/// Nothing is written to try whether it works, because it would stay: when the topic and its
/// replicas are well, the next append is the trial.
fn note(inspected: Result<Vec<Violation>, TopicError>, health: &Health) {
    match inspected {
        Ok(violations) if violations.is_empty() => {
            health.good(Concern::Topic);
            health.good(Concern::Append);
        }
        Ok(violations) => health.bad(Concern::Topic, &Unsafe(violations)),
        Err(error) => {
            match error.passes() {
                true => health.away(Concern::Topic, &error),
                false => health.bad(Concern::Topic, &error),
            }
            health.failed.notify_one();
        }
    }
}
