//! The backlog: the changes that are kept for subscribers who are a little behind.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::stream::tailer::Published;

/// Changes that a subscriber may be behind before it has to read from the store again.
pub(crate) const CHANGES: usize = 4096;

/// Bytes that a subscriber may be behind, counted as they are sent.
const BYTES: usize = 16 << 20;

/// The last changes, as many as [`CHANGES`] and [`BYTES`] allow. Everybody else holds them weakly, so what is dropped here is
/// gone once those who are just sending it are done.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    kept: VecDeque<Arc<Published>>,
    bytes: usize,
}

impl Backlog {
    /// Keeps a change and drops the oldest ones that there is no more room for.
    pub(crate) fn keep(&mut self, published: Arc<Published>) {
        self.bytes += published.bytes();
        self.kept.push_back(published);
        while self.kept.len() > 1 && (self.bytes > BYTES || self.kept.len() > CHANGES) {
            if let Some(oldest) = self.kept.pop_front() {
                self.bytes -= oldest.bytes();
            }
        }
    }

    /// Drops everything: nobody is listening.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use actix_web::web::Bytes;
    use jiff::Timestamp;
    use projection::StoredChange;
    use registration::directory::LedgerRow;

    use super::*;
    use crate::stream::cursor::Cursor;

    fn published(bytes: usize) -> Arc<Published> {
        let change = StoredChange {
            partition: 0,
            position: 0,
            ordinal: 0,
            kind: "client.updated".to_owned(),
            row: String::new(),
            integration: None,
            tenant: None,
            recorded_time: Timestamp::UNIX_EPOCH,
            body: Bytes::from(vec![0; bytes / 2]),
        };
        let after = Cursor::beginning(&LedgerRow::default());
        Arc::new(Published { change, after, frame: Bytes::from(vec![0; bytes - bytes / 2]) })
    }

    /// How many of so many changes of a size are still there when all were kept.
    fn left(changes: usize, bytes: usize) -> usize {
        let mut backlog = Backlog::default();
        let given: Vec<Weak<Published>> = (0..changes)
            .map(|_| {
                let published = published(bytes);
                let given = Arc::downgrade(&published);
                backlog.keep(published);
                given
            })
            .collect();
        let left = given.iter().filter(|given| given.upgrade().is_some()).count();
        assert!(given[changes - left..].iter().all(|given| given.upgrade().is_some()), "the last ones");
        left
    }

    #[test]
    fn it_is_bounded_in_changes_and_in_bytes() {
        for (changes, bytes, expected) in
            [(1, 100, 1), (CHANGES, 100, CHANGES), (CHANGES + 10, 100, CHANGES), (100, 1 << 20, 16), (3, 2 * BYTES, 1)]
        {
            assert_eq!(left(changes, bytes), expected, "{changes} of {bytes} bytes");
        }
    }

    #[test]
    fn what_nobody_waits_for_is_not_kept() {
        let mut backlog = Backlog::default();
        let published = published(100);
        let given = Arc::downgrade(&published);
        backlog.keep(published);
        backlog.clear();
        assert!(given.upgrade().is_none());
    }
}
