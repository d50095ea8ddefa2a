//! Lanes: what is to be sent in order, one lane for each key, one after the other in each.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use delivery::destination::Parcel;
use jiff::Timestamp;
use outbox::{At, Held};

/// What is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Where it stands in the log.
    pub(crate) at: At,
    /// What it is.
    pub(crate) parcel: Parcel,
    /// When it was recorded.
    pub(crate) recorded_time: Timestamp,
    /// How often it was attempted.
    pub(crate) attempts: u32,
    /// When it failed first.
    pub(crate) first_failure: Option<Timestamp>,
    /// Whether the store holds it; else no cursor has passed it yet.
    pub(crate) is_held: bool,
}

impl Item {
    /// How it is held.
    pub(crate) fn held(&self, key: &str, next_time: Option<Timestamp>, reason: Option<String>) -> Held {
        Held {
            at: self.at,
            key: key.to_owned(),
            change: self.parcel.id.clone(),
            kind: self.parcel.kind.clone(),
            recorded_time: self.recorded_time,
            attempts: self.attempts,
            first_failure: self.first_failure,
            next_time,
            reason,
        }
    }
}

/// All lanes of a subscription.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: HashMap<Arc<str>, VecDeque<Item>>,
    /// Those whose first item can be sent.
    ready: VecDeque<Arc<str>>,
}

impl Lanes {
    /// How many keys have a lane.
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// How many items wait in the lane of a key; none if there is no lane, and something of it may be on its way.
    pub(crate) fn waiting(&self, key: &str) -> Option<usize> {
        self.lanes.get(key).map(VecDeque::len)
    }

    /// Adds an item to the lane of its key.
    pub(crate) fn push(&mut self, key: &str, item: Item) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.push_back(item);
            return;
        }
        let key: Arc<str> = key.into();
        self.lanes.insert(key.clone(), VecDeque::from([item]));
        self.ready.push_back(key);
    }

    /// Whether something can be sent.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next item that can be sent. Nothing more of its lane can until [`go_on`](Self::go_on).
    pub(crate) fn next(&mut self) -> Option<(Arc<str>, Item)> {
        while let Some(key) = self.ready.pop_front() {
            if let Some(item) = self.lanes.get_mut(&key).and_then(VecDeque::pop_front) {
                return Some((key, item));
            }
        }
        None
    }

    /// What was on its way is over. Returns whether the lane is empty, and then it is gone.
    pub(crate) fn go_on(&mut self, key: &Arc<str>) -> bool {
        if self.lanes.get(key).is_some_and(|lane| !lane.is_empty()) {
            self.ready.push_back(key.clone());
            return false;
        }
        self.lanes.remove(key);
        true
    }

    /// Closes the lane of a key; returns what still waited in it.
    pub(crate) fn close(&mut self, key: &str) -> VecDeque<Item> {
        self.lanes.remove(key).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn item(position: u64) -> Item {
        let parcel = Parcel { id: format!("l-0-{position}-0"), kind: "client.updated".to_owned(), body: Bytes::new() };
        let at = At { partition: 0, position, ordinal: 0 };
        let (attempts, first_failure, is_held) = (0, None, false);
        Item { at, parcel, recorded_time: Timestamp::UNIX_EPOCH, attempts, first_failure, is_held }
    }

    fn next(lanes: &mut Lanes) -> Option<(Arc<str>, u64)> {
        lanes.next().map(|(key, item)| (key, item.at.position))
    }

    #[test]
    fn of_one_key_one_is_on_its_way_at_a_time() {
        let mut lanes = Lanes::default();
        for (key, position) in [("a", 1), ("a", 2), ("b", 3), ("a", 4)] {
            lanes.push(key, item(position));
        }
        assert_eq!(next(&mut lanes), Some(("a".into(), 1)));
        assert_eq!(next(&mut lanes), Some(("b".into(), 3)));
        assert_eq!(next(&mut lanes), None, "of both keys one is on its way");
        assert!(!lanes.go_on(&"a".into()));
        assert_eq!(next(&mut lanes), Some(("a".into(), 2)));
        assert!(lanes.go_on(&"b".into()));
        assert_eq!((lanes.waiting("b"), lanes.waiting("a")), (None, Some(1)));
        let rest: Vec<_> = lanes.close("a").iter().map(|item| item.at.position).collect();
        assert_eq!(rest, [4]);
        assert_eq!(next(&mut lanes), None);
        lanes.push("a", item(5));
        assert_eq!(next(&mut lanes), Some(("a".into(), 5)));
    }

    #[test]
    fn what_comes_while_one_is_on_its_way_waits_for_it() {
        let mut lanes = Lanes::default();
        lanes.push("a", item(1));
        next(&mut lanes);
        lanes.push("a", item(2));
        assert_eq!(next(&mut lanes), None);
        assert!(!lanes.go_on(&"a".into()));
        assert_eq!(next(&mut lanes), Some(("a".into(), 2)));
    }
}
