//! What becomes of an attempt.

use std::time::Duration;

use delivery::destination::Outcome;
use delivery::retry::{Verdict, wait};
use jiff::SignedDuration;
use outbox::Attempt;
use registration::directory::PauseReason;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::{Flight, Runner};
use crate::error::Obstacle;
use crate::lanes::Item;

/// From so many failures in a row on the receiver counts as having been away, when it is back.
const AWAY: u32 = 8;

impl Runner {
    /// Takes what has come, all of it: then it is settled together.
    pub(super) async fn land_all(&mut self, first: Result<Flight, JoinError>) -> Result<(), Obstacle> {
        self.land(first)?;
        while let Some(more) = self.flights.try_join_next() {
            self.land(more)?;
        }
        Ok(())
    }

    pub(super) fn land(&mut self, flight: Result<Flight, JoinError>) -> Result<(), Obstacle> {
        let flight = match flight {
            Ok(flight) => flight,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => return Ok(()),
            },
        };
        self.pending_since.get_or_insert_with(Instant::now);
        self.note_attempt(&flight);
        match flight.outcome.verdict {
            Verdict::Done => self.arrived(&flight),
            Verdict::Drop => {
                let (name, change, status) = (&self.route.name, &flight.item.parcel.id, flight.outcome.status);
                let said = "an event did not arrive and is not sent again";
                tracing::info!(subscription.name = name, change.id = change, status, "{said}");
                self.arrived(&flight);
            }
            Verdict::Retry => self.failed(flight, None),
            Verdict::Pause if flight.outcome.status.is_some() => self.failed(flight, Some(PauseReason::Gone)),
            Verdict::Pause => self.failed(flight, Some(PauseReason::Refused)),
        }
        Ok(())
    }

    fn note_attempt(&mut self, flight: &Flight) {
        let Outcome { status, answer, .. } = &flight.outcome;
        self.office.metrics.count(&self.route.name, flight.outcome.word());
        self.pending.attempts.push(Attempt {
            time: flight.began,
            change: flight.item.parcel.id.clone(),
            outcome: flight.outcome.word().to_owned(),
            status: *status,
            microseconds: u64::try_from(flight.took.as_micros()).unwrap_or(u64::MAX),
            answer: answer.clone(),
        });
    }

    fn arrived(&mut self, flight: &Flight) {
        self.failing_since = None;
        if std::mem::take(&mut self.streak) >= AWAY {
            let now = self.office.parts.clock.now();
            self.pending.hasten = Some(now);
            self.look = Instant::now() + super::PACE;
        }
        if flight.item.is_held {
            self.pending.done.push(flight.item.at);
            self.held_count = self.held_count.saturating_sub(1);
        } else {
            self.passed(flight.item.at);
        }
        self.go_on(&flight.key);
    }

    /// What fails is held, and its key with it; after too long it is given up, and its key goes on.
    fn failed(&mut self, flight: Flight, reason: Option<PauseReason>) {
        let Flight { key, mut item, outcome, .. } = flight;
        let (bounds, clock) = (self.office.parts.bounds, self.office.parts.clock.clone());
        let now = clock.now();
        self.streak = self.streak.saturating_add(1);
        item.attempts = item.attempts.saturating_add(1);
        let since = *item.first_failure.get_or_insert(now);
        let is_first = self.failing_since.is_none();
        let failing_since = *self.failing_since.get_or_insert(now);
        let is_over = |since: jiff::Timestamp, bound: Duration| {
            now.duration_since(since) >= SignedDuration::try_from(bound).unwrap_or(SignedDuration::MAX)
        };
        let reason = reason.or_else(|| is_over(failing_since, bounds.pause).then_some(PauseReason::Failing));
        // What is configured by settings has no state that could say so: it goes on trying.
        let reason = reason.filter(|_| !self.route.is_fixed);
        if reason.is_some() {
            self.halted = self.halted.or(reason);
        }
        let said = match outcome.status {
            None => outcome.answer.clone(),
            Some(status @ 200..300) => format!("HTTP {status}, but not the answer that is asked for"),
            Some(status) => format!("HTTP {status}"),
        };
        if is_first {
            self.warn(&item, outcome.status, "a delivery failed and waits");
        }
        if !item.is_held {
            self.passed(item.at);
        }
        if is_over(since, bounds.give_up) && reason.is_none() && !self.route.destination.is_in_one_order() {
            self.office.metrics.count(&self.route.name, "dead");
            self.warn(&item, outcome.status, "a delivery was given up");
            if item.is_held {
                self.held_count = self.held_count.saturating_sub(1);
            }
            self.pending.dead.push(item.held(&key, None, Some(said)));
            self.go_on(&key);
            return;
        }
        let random = clock.new_id().as_u128() as u32;
        let pause = wait(item.attempts, random, outcome.asked_wait);
        let next = now.saturating_add(pause).unwrap_or(now);
        self.look = self.look.min(Instant::now() + pause);
        self.hold(&key, &item, Some(next), Some(said));
        for behind in self.lanes.close(&key) {
            if !behind.is_held {
                self.passed(behind.at);
                self.hold(&key, &behind, None, None);
            }
        }
    }

    /// What an answer says stays with the attempts: it may repeat whatever was sent.
    fn warn(&self, item: &Item, status: Option<u16>, what: &str) {
        tracing::warn!(subscription.name = self.route.name, change.id = item.parcel.id, status, "{what}");
    }

    /// A change is delivered or held: its cursor may pass it.
    fn passed(&mut self, at: outbox::At) {
        if let Some(track) = self.tracks.get_mut(at.partition as usize) {
            track.settle(at);
        }
    }

    fn go_on(&mut self, key: &std::sync::Arc<str>) {
        if self.lanes.go_on(key) && self.held.contains(key) {
            self.drained.push_back(key.clone());
        }
    }
}
