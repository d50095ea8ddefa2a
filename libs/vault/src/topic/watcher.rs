//! Looks at the topic from time to time: whether it still is as it must be, and whether the brokers can be reached.

use std::sync::Arc;
use std::time::Duration;

use kafka::Inspector;
use tokio::time::{Instant, sleep};

use super::TOMBSTONES;
use super::error::{OutOfTouch, damaged};
use super::health::{Health, Matter, explain};
use crate::error::KeyStoreError;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);

/// For how long the brokers may be out of reach: who follows the topic after a longer absence might never hear that a key was
/// destroyed, because that is compacted away as well.
const ABSENCE: Duration = Duration::from_secs(TOMBSTONES.as_secs() / 2);

pub(super) struct Watcher {
    pub(super) inspector: Inspector,
    pub(super) health: Arc<Health>,
}

impl Watcher {
    /// Until the view can no longer be trusted.
    pub(super) async fn run(&self) -> KeyStoreError {
        let mut reached = Instant::now();
        loop {
            sleep(EVERY).await;
            let looked = self.inspector.violations().await;
            let now = Instant::now();
            if looked.is_ok() && is_too_long(reached, now) {
                return damaged(OutOfTouch);
            }
            match looked {
                Ok(violations) => {
                    reached = now;
                    let all: Vec<_> = violations.iter().map(ToString::to_string).collect();
                    let reason =
                        (!all.is_empty()).then(|| format!("the key topic has become unsafe: {}", all.join("; ")));
                    self.health.note(Matter::Topic, reason);
                }
                Err(error) if error.passes() => self.health.note_away(Matter::Topic, explain(&error)),
                Err(error) => self.health.note(Matter::Topic, Some(explain(&error))),
            }
        }
    }
}

fn is_too_long(reached: Instant, now: Instant) -> bool {
    now.duration_since(reached) > ABSENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_half_a_day_out_of_reach_the_view_is_not_trusted() {
        let start = Instant::now();
        let minutes = |n: u64| start + Duration::from_secs(60 * n);
        for (now, expected) in [(0, false), (60, false), (12 * 60, false), (12 * 60 + 1, true)] {
            assert_eq!(is_too_long(start, minutes(now)), expected, "{now} minutes");
        }
    }
}
