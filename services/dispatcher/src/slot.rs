//! Slots: the subscriptions that are worked on under one lease, each by a runner of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use projection::{Partnership, Term};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fixed::Configured;
use crate::runner::{End, Runner};
use crate::{Dispatcher, DispatcherError, Office, SLOTS};

/// How long after a runner ended by itself its subscription is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// How often what is known of deleted subscriptions is forgotten.
const TIDY: Duration = Duration::from_secs(60);

pub(crate) struct Slot {
    number: u32,
    keeper: Partnership,
    office: Arc<Office>,
    running: HashMap<Uuid, Running>,
    runners: JoinSet<(Uuid, Result<End, DispatcherError>)>,
}

/// A runner at work.
struct Running {
    /// Of the subscription as the runner knows it.
    revision: u64,
    name: String,
    stop: CancellationToken,
}

impl Slot {
    pub(crate) fn new(number: u32, keeper: Partnership, office: Arc<Office>) -> Self {
        Self { number, keeper, office, running: HashMap::new(), runners: JoinSet::new() }
    }

    /// Works whenever the slot is ours.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), DispatcherError> {
        while let Some(mut term) = self.keeper.begin(&stop).await {
            let worked = self.work(&mut term, &stop).await;
            let ended = self.end_all().await;
            self.office.board.forget(self.number);
            self.keeper.leave(term).await;
            worked.and(ended)?;
        }
        Ok(())
    }

    /// Keeps a runner for each subscription, until the lease is lost or to be given back.
    async fn work(&mut self, term: &mut Term, stop: &CancellationToken) -> Result<(), DispatcherError> {
        let mut version = self.office.parts.directory.version();
        let mut tidy = Instant::now() + TIDY;
        while !stop.is_cancelled() && term.goes_on() {
            version.borrow_and_update();
            let missing = self.adjust(term);
            let look = if missing { Instant::now() + AGAIN } else { tidy };
            tokio::select! {
                () = stop.cancelled() => {}
                () = term.may_end() => {}
                _ = version.changed() => {}
                Some(ended) = self.runners.join_next(), if !self.runners.is_empty() => self.note(ended)?,
                () = sleep_until(look.min(tidy)) => {}
            }
            if Instant::now() >= tidy {
                self.tidy().await;
                tidy = Instant::now() + TIDY;
            }
        }
        Ok(())
    }

    /// Stops runners whose subscription is not as they know it, and starts those that are missing. Returns whether some still
    /// are, since the one before has not ended.
    fn adjust(&mut self, term: &Term) -> bool {
        let due = self.due();
        for (id, running) in &self.running {
            if due.get(id).is_none_or(|row| row.revision() != running.revision) {
                running.stop.cancel();
            }
        }
        let mut missing = false;
        for (id, row) in due {
            match self.running.get(&id) {
                Some(running) => missing |= running.stop.is_cancelled(),
                None => self.start(id, row, term),
            }
        }
        missing
    }

    /// The active subscriptions of the slot.
    fn due(&self) -> HashMap<Uuid, Configured> {
        let all = Configured::all(&self.office.parts.directory.read(), self.office.parts.mail.is_some());
        let ours = all.into_iter().filter(|one| slot_of(one.id()) == self.number);
        ours.map(|one| (one.id(), one)).collect()
    }

    fn start(&mut self, id: Uuid, row: Configured, term: &Term) {
        let stop = CancellationToken::new();
        let running = Running { revision: row.revision(), name: row.name().to_owned(), stop: stop.clone() };
        self.office.metrics.begin(&running.name);
        self.running.insert(id, running);
        let runner = Runner::begin(self.office.clone(), row, term.vouched(), stop);
        self.runners.spawn(async move { (id, runner.await) });
    }

    fn note(
        &mut self,
        ended: Result<(Uuid, Result<End, DispatcherError>), tokio::task::JoinError>,
    ) -> Result<(), DispatcherError> {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => return Ok(()),
            },
        };
        if let Some(running) = self.running.remove(&id) {
            self.office.metrics.forget(&running.name);
        }
        if let End::Fenced = ended? {
            // Somebody else may have the lease.
            self.keeper.doubt();
        }
        Ok(())
    }

    async fn end_all(&mut self) -> Result<(), DispatcherError> {
        for running in self.running.values() {
            running.stop.cancel();
        }
        let mut outcome = Ok(());
        while let Some(ended) = self.runners.join_next().await {
            outcome = outcome.and(self.note(ended));
        }
        outcome
    }

    /// Forgets what is known of subscriptions that are no more: the first slot's task does it for all.
    async fn tidy(&self) {
        let Dispatcher { outbox, directory, .. } = &self.office.parts;
        if self.number != 0 || directory.catch_up().await.is_err() {
            return;
        }
        let Ok(known) = outbox.known().await else { return };
        let are = Configured::ids(&directory.read());
        for gone in known.into_iter().filter(|id| !are.contains(id)) {
            if outbox.forget(gone).await.is_ok() {
                tracing::info!(subscription.id = %gone, "what was known of a deleted subscription is forgotten");
            }
        }
    }
}

/// The slot of a subscription: the random bits of its id are spread evenly.
fn slot_of(subscription: Uuid) -> u32 {
    (subscription.as_u64_pair().1 % u64::from(SLOTS)) as u32
}
