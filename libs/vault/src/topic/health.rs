//! Whether keys can be made, and why not.

use std::error::Error;

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::Level;

/// What can be in the way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Matter {
    /// The last key could not be written.
    Writing,
    /// The topic is not as it must be, or cannot be looked at.
    Topic,
}

/// Reports the first matter that is in the way. The health ends when this is dropped.
pub(super) struct Health {
    reasons: Mutex<[Option<String>; 2]>,
    report: watch::Sender<Option<String>>,
}

impl Health {
    pub(super) fn new() -> (Self, watch::Receiver<Option<String>>) {
        let (report, health) = watch::channel(None);
        (Self { reasons: Mutex::default(), report }, health)
    }

    /// Whether this is in the way.
    pub(super) fn is_bad(&self, matter: Matter) -> bool {
        self.reasons.lock()[matter as usize].is_some()
    }

    /// Takes note of how it is with one matter now.
    pub(super) fn note(&self, matter: Matter, reason: Option<String>) {
        self.note_at(Level::ERROR, matter, reason);
    }

    /// The same of brokers that are away.
    pub(super) fn note_away(&self, matter: Matter, reason: String) {
        self.note_at(Level::WARN, matter, Some(reason));
    }

    fn note_at(&self, level: Level, matter: Matter, reason: Option<String>) {
        let mut reasons = self.reasons.lock();
        reasons[matter as usize] = reason;
        let first = reasons.iter().flatten().next().cloned();
        let news = self.report.send_if_modified(|known| std::mem::replace(known, first.clone()) != first);
        match (news, first) {
            (true, Some(reason)) if level == Level::WARN => tracing::warn!(reason, "keys cannot be made"),
            (true, Some(reason)) => tracing::error!(reason, "keys cannot be made"),
            (true, None) => tracing::info!("keys can be made again"),
            (false, _) => {}
        }
    }
}

/// The error and its causes, in one line.
pub(super) fn explain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_returns_when_nothing_is_in_the_way_any_more() {
        let (health, seen) = Health::new();
        //           matter, reason, what is seen
        let cases = [
            (Matter::Topic, None, None),
            (Matter::Topic, Some("topic"), Some("topic")),
            (Matter::Writing, Some("writing"), Some("writing")),
            (Matter::Writing, None, Some("topic")),
            (Matter::Topic, Some("other"), Some("other")),
            (Matter::Topic, None, None),
        ];
        for (matter, reason, expected) in cases {
            health.note(matter, reason.map(str::to_owned));
            assert_eq!(seen.borrow().as_deref(), expected, "{matter:?} {reason:?}");
        }
    }
}
