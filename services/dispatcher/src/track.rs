//! Tracks: where the cursor of a partition stands, behind which everything is delivered or held.

use std::collections::VecDeque;

use jiff::Timestamp;
use outbox::At;

/// A partition of a subscription.
#[derive(Debug)]
pub(crate) struct Track {
    partition: u32,
    /// What was read and is not all behind the cursor yet, in order.
    open: VecDeque<Entry>,
    /// The first change that was not read.
    read: (u64, u16),
    /// Where the cursor was written to be.
    written: (u64, u16),
}

#[derive(Debug)]
struct Entry {
    place: (u64, u16),
    recorded_time: Timestamp,
    is_settled: bool,
}

impl Track {
    pub(crate) fn new(partition: u32, next: (u64, u16)) -> Self {
        Self { partition, open: VecDeque::new(), read: next, written: next }
    }

    pub(crate) fn partition(&self) -> u32 {
        self.partition
    }

    /// The first change that was not read.
    pub(crate) fn read(&self) -> (u64, u16) {
        self.read
    }

    /// Changes that are read and not behind the cursor.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// A change was read.
    pub(crate) fn pass(&mut self, at: At, recorded_time: Timestamp, is_settled: bool) {
        self.read = (at.position, at.ordinal.saturating_add(1));
        if !(is_settled && self.open.is_empty()) {
            self.open.push_back(Entry { place: (at.position, at.ordinal), recorded_time, is_settled });
        }
    }

    /// There is nothing more before this position.
    pub(crate) fn reach(&mut self, head: u64) {
        self.read = self.read.max((head, 0));
    }

    /// A change is delivered or held.
    pub(crate) fn settle(&mut self, at: At) {
        let place = (at.position, at.ordinal);
        if let Ok(index) = self.open.binary_search_by_key(&place, |entry| entry.place)
            && let Some(entry) = self.open.get_mut(index)
        {
            entry.is_settled = true;
        }
        while self.open.front().is_some_and(|entry| entry.is_settled) {
            self.open.pop_front();
        }
    }

    /// Where the cursor is to be written, if it has moved.
    pub(crate) fn moved(&self) -> Option<(u32, u64, u16)> {
        let (position, ordinal) = self.cursor();
        ((position, ordinal) != self.written).then_some((self.partition, position, ordinal))
    }

    /// The cursor was written.
    pub(crate) fn wrote(&mut self, position: u64, ordinal: u16) {
        self.written = (position, ordinal);
    }

    /// When the oldest change before which the cursor stands was recorded.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.open.front().map(|entry| entry.recorded_time)
    }

    fn cursor(&self) -> (u64, u16) {
        self.open.front().map_or(self.read, |entry| entry.place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(position: u64, ordinal: u16) -> At {
        At { partition: 0, position, ordinal }
    }

    #[test]
    fn a_cursor_passes_what_is_settled_and_nothing_else() {
        let mut track = Track::new(0, (3, 0));
        assert_eq!(track.moved(), None);
        for (place, is_settled) in [(at(3, 0), true), (at(4, 0), false), (at(4, 1), true), (at(6, 0), false)] {
            track.pass(place, Timestamp::UNIX_EPOCH, is_settled);
        }
        assert_eq!(track.moved(), Some((0, 4, 0)));
        track.settle(at(6, 0));
        assert_eq!(track.moved(), Some((0, 4, 0)), "what is before it is not");
        track.settle(at(4, 0));
        assert_eq!(track.moved(), Some((0, 6, 1)));
        track.reach(9);
        assert_eq!((track.moved(), track.len()), (Some((0, 9, 0)), 0));
        track.wrote(9, 0);
        assert_eq!(track.moved(), None);
    }

    proptest! {
        #[test]
        fn in_whatever_order_changes_are_settled_none_is_skipped(
            order in Just((0..40_u64).collect::<Vec<_>>()).prop_shuffle(), unwanted in prop::collection::vec(any::<bool>(), 40),
        ) {
            let mut track = Track::new(0, (0, 0));
            let mut settled: Vec<bool> = unwanted.clone();
            for position in 0..40 {
                track.pass(at(position, 0), Timestamp::UNIX_EPOCH, unwanted[position as usize]);
            }
            for position in order {
                track.settle(at(position, 0));
                settled[position as usize] = true;
                let first = settled.iter().position(|settled| !settled).unwrap_or(40) as u64;
                let cursor = track.cursor();
                prop_assert!(cursor == (first, 0) || (first == 40 && cursor == (39, 1)), "{cursor:?} {first}");
            }
        }
    }
}
