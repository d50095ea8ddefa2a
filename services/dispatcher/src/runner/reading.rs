//! What is read: new changes from the state store, and what is due from the delivery store.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use projection::StoredChange;
use tokio::time::Instant;

use super::{ATTEMPTS, Runner, TICK};
use crate::error::Obstacle;
use crate::lanes::Item;
use crate::source::{again, item};

/// Changes between cursors and what was read, at most; in bytes too.
const WINDOW: usize = 256;

/// Changes of one key that wait here at most; more wait in the store.
const LANE: usize = 32;

/// What is held at most, and of how many keys: a subscription of which so much fails reads no more.
const HELD: u64 = 100_000;
const HELD_KEYS: usize = 1_000;

/// What is taken up at once of one key that is held.
const CHUNK: usize = 64;

impl Runner {
    /// Reads as much as there is room for.
    pub(super) async fn read(&mut self, heads: &[u64]) -> Result<(), Obstacle> {
        if self.halted.is_some() {
            return Ok(());
        }
        if !self.drained.is_empty() {
            self.settle().await?;
            self.take_up_drained(heads).await?;
        }
        if Instant::now() >= self.look {
            self.take_up_due(heads).await?;
        }
        for index in 0..self.tracks.len() {
            self.read_partition(index, heads.get(index).copied().unwrap_or_default()).await?;
        }
        Ok(())
    }

    fn room(&self) -> usize {
        let read: usize = self.tracks.iter().map(crate::track::Track::len).sum();
        if self.held_count >= HELD || self.held.len() >= HELD_KEYS { 0 } else { WINDOW.saturating_sub(read) }
    }

    async fn read_partition(&mut self, index: usize, head: u64) -> Result<(), Obstacle> {
        let Some(track) = self.tracks.get(index) else { return Ok(()) };
        let (partition, from, room) = (track.partition(), track.read(), self.room());
        // A page at a time: a look at the store for each change that arrives would cost more than to deliver it.
        if from >= (head, 0) || room < WINDOW / 2 {
            return Ok(());
        }
        let changes = self.office.parts.store.changes(partition, from, head, room).await?;
        let is_all = changes.len() < room;
        for change in changes {
            self.accept(index, change);
        }
        if let Some(track) = self.tracks.get_mut(index) {
            if is_all {
                track.reach(head);
            }
            if track.moved().is_some() {
                // Of what nobody wants the cursor need not tell at once.
                self.look = self.look.min(Instant::now() + TICK);
            }
        }
        Ok(())
    }

    /// Puts a change into the lane of its key, or behind what is held of it.
    fn accept(&mut self, index: usize, change: StoredChange) {
        let is_wanted = self.route.wanted.wants(&change, &self.office.parts.directory.read());
        let (key, item) = item(change, &self.ledger);
        let key = if self.route.destination.is_in_one_order() { String::new() } else { key };
        let waits = is_wanted && (self.held.contains(&*key) || self.lanes.waiting(&key).is_some_and(|n| n >= LANE));
        if let Some(track) = self.tracks.get_mut(index) {
            track.pass(item.at, item.recorded_time, !is_wanted || waits);
        }
        if waits {
            self.pending_since.get_or_insert_with(Instant::now);
            self.hold(&key.into(), &item, None, None);
        } else if is_wanted {
            self.lanes.push(&key, item);
        }
    }

    /// Has an item held.
    pub(super) fn hold(&mut self, key: &Arc<str>, item: &Item, next_time: Option<Timestamp>, reason: Option<String>) {
        self.held_count += u64::from(!item.is_held);
        self.held.insert(key.clone());
        self.pending.held.push(item.held(key, next_time, reason));
    }

    /// Goes on with keys whose lane is empty and of which more was held meanwhile.
    async fn take_up_drained(&mut self, heads: &[u64]) -> Result<(), Obstacle> {
        while let Some(key) = self.drained.pop_front() {
            if !self.take_up(&key, heads).await? {
                self.held.remove(&key);
            }
        }
        Ok(())
    }

    /// Takes up the keys whose time has come, tells how long the oldest has waited, and writes cursors that passed nothing.
    async fn take_up_due(&mut self, heads: &[u64]) -> Result<(), Obstacle> {
        let (outbox, now) = (self.office.parts.outbox.clone(), self.office.parts.clock.now());
        // What is not written yet would still be due.
        let is_written = self.pending_since.is_none() && self.settling.is_none();
        if !is_written || self.tracks.iter().any(|track| track.moved().is_some()) {
            self.settle().await?;
        }
        let due = outbox.due(self.route.id, now, self.lanes.len() + ATTEMPTS).await?;
        for key in due {
            if self.lanes.waiting(&key).is_none() {
                self.held.insert(key.as_str().into());
                self.take_up(&key, heads).await?;
            }
        }
        let (next, oldest) = outbox.waiting(self.route.id).await?;
        let oldest = self.tracks.iter().filter_map(crate::track::Track::oldest).chain(oldest).min();
        self.office.metrics.wait(&self.route.name, oldest);
        let until_next = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        // What is on its way is still due; it is looked again, but not at once.
        let pause = until_next.map_or(TICK, |until| until.clamp(Duration::from_millis(50), TICK));
        self.look = Instant::now() + pause;
        Ok(())
    }

    /// Opens a lane for what is held of a key; false if nothing is.
    async fn take_up(&mut self, key: &str, heads: &[u64]) -> Result<bool, Obstacle> {
        let chunk = self.office.parts.outbox.held(self.route.id, key, CHUNK).await?;
        let any = !chunk.is_empty();
        for held in chunk {
            let at = held.at;
            let is_projected = heads.get(at.partition as usize).is_some_and(|head| at.position < *head);
            let from = (at.position, at.ordinal);
            let found = match is_projected {
                true => self.office.parts.store.changes(at.partition, from, at.position + 1, 1).await?.pop(),
                // The state store is being built anew: it comes.
                false => None,
            };
            match found.filter(|change| change.ordinal == at.ordinal) {
                Some(change) => self.lanes.push(key, again(held, change)),
                None => break,
            }
        }
        Ok(any)
    }
}
