//! Runners: one for each subscription. It reads changes, sends them in the order of their keys, and settles what came of it.
//!
//! Changes between the cursor and what was read lie in a window. One that is sent leaves it; one that fails is held in the
//! delivery store, and whatever of its key comes after it waits there behind it, so that a failing row takes no room here and
//! is in nobody's way. What is held is taken up again when it is due, in order.

mod landing;
mod reading;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use delivery::destination::Outcome;
use jiff::Timestamp;
use outbox::{OutboxError, Settlement, Taken};
use projection::{Backoff, Vouched};
use registration::directory::PauseReason;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::Obstacle;
use crate::fixed::Configured;
use crate::lanes::{Item, Lanes};
use crate::route::Route;
use crate::track::Track;
use crate::{DispatcherError, Office};

/// Attempts of one subscription at a time.
const ATTEMPTS: usize = 16;

/// Outcomes that are settled at once, at most, and how long one waits for others.
const OUTCOMES: usize = 128;
const PACE: Duration = Duration::from_millis(20);

/// How often it is looked what is due, and a cursor moved that passed nothing but what is not wanted.
const TICK: Duration = Duration::from_secs(1);

/// Why a runner has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to.
    Stopped,
    /// Another one has taken the subscription over.
    Fenced,
}

pub(crate) struct Runner {
    office: Arc<Office>,
    route: Route,
    /// Id of the ledger.
    ledger: String,
    epoch: Uuid,
    vouched: Vouched,
    tracks: Vec<Track>,
    lanes: Lanes,
    /// Keys of which something is held: what comes is held behind it.
    held: HashSet<Arc<str>>,
    held_count: u64,
    /// Keys whose lane is empty, and of which more may be held.
    drained: VecDeque<Arc<str>>,
    flights: JoinSet<Flight>,
    pending: Settlement,
    pending_since: Option<Instant>,
    settling: Option<Settling>,
    failing_since: Option<Timestamp>,
    /// Failures since the last delivery that arrived.
    streak: u32,
    /// When it is looked next what is due.
    look: Instant,
    /// Why nothing is sent any more, until that is known to everybody.
    halted: Option<PauseReason>,
    is_suspended: bool,
}

/// A settlement that is being written.
struct Settling {
    /// Where it moves cursors to.
    next: Vec<(u32, u64, u16)>,
    written: JoinHandle<Result<(), OutboxError>>,
}

/// An attempt that is over.
struct Flight {
    key: Arc<str>,
    item: Item,
    began: Timestamp,
    took: Duration,
    outcome: Outcome,
}

impl Runner {
    /// Runs a subscription until it is told to stop. What is in the way and may pass is waited for.
    ///
    /// # Errors
    /// [`DispatcherError`] for what cannot pass.
    pub(crate) async fn begin(
        office: Arc<Office>,
        row: Configured,
        vouched: Vouched,
        stop: CancellationToken,
    ) -> Result<End, DispatcherError> {
        let mut backoff = Backoff::default();
        loop {
            let name = row.name();
            let opened = Self::open(&office, &row, vouched.clone()).await;
            let ended = match opened {
                Ok(Some(runner)) => runner.run(&stop).await,
                Ok(None) => {
                    // It waits until somebody says from where; the change that says so stops this.
                    stop.cancelled().await;
                    return Ok(End::Stopped);
                }
                Err(obstacle) => Err(obstacle),
            };
            match ended {
                Ok(end) => return Ok(end),
                Err(Obstacle::Fenced) => return Ok(End::Fenced),
                Err(Obstacle::Lasting(error)) => return Err(error),
                Err(Obstacle::Passing(reason)) => tracing::warn!(subscription.name = name, reason, "deliveries wait"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(backoff.pause())).await.is_none() {
                return Ok(End::Stopped);
            }
        }
    }

    /// Takes a subscription over; none if nobody knows how far it is, which is said in an event.
    async fn open(office: &Arc<Office>, row: &Configured, vouched: Vouched) -> Result<Option<Self>, Obstacle> {
        let parts = &office.parts;
        let route = row.open(office).await;
        let route = route.map_err(|error| Obstacle::Passing(projection::explain(&error)))?;
        let (outbox, start) = (&parts.outbox, &route.start);
        let epoch = parts.clock.new_id();
        let taken = match outbox.take(route.id, epoch, start.said, parts.clock.now()).await? {
            Some(taken) => taken,
            None if outbox.birth().heads.first().is_some_and(|born| start.said < *born) => {
                if route.is_fixed {
                    tracing::error!(
                        subscription.name = route.name,
                        "nobody knows how far it is: set anew what configures it"
                    );
                } else {
                    office.suspend(&route, PauseReason::StartUnknown).await?;
                }
                return Ok(None);
            }
            None => {
                let partitions = parts.directory.partitions() as usize;
                let mut next = start.positions.clone();
                next.resize(partitions, 0);
                outbox.begin(route.id, epoch, start.said, next).await?
            }
        };
        let held_count = outbox.count_held(route.id).await?;
        Ok(Some(Self::with(office.clone(), route, epoch, vouched, taken, held_count)))
    }

    fn with(office: Arc<Office>, route: Route, epoch: Uuid, vouched: Vouched, taken: Taken, held_count: u64) -> Self {
        let Taken { next, keys, failing_since } = taken;
        Self {
            ledger: office.parts.directory.ledger_id(),
            office,
            epoch,
            vouched,
            tracks: next.into_iter().zip(0..).map(|(next, partition)| Track::new(partition, next)).collect(),
            lanes: Lanes::default(),
            held: keys.into_iter().map(Arc::from).collect(),
            held_count,
            drained: VecDeque::new(),
            flights: JoinSet::new(),
            pending: Settlement::default(),
            pending_since: None,
            settling: None,
            failing_since,
            streak: 0,
            look: Instant::now(),
            halted: None,
            is_suspended: false,
            route,
        }
    }

    async fn run(mut self, stop: &CancellationToken) -> Result<End, Obstacle> {
        let mut heads = self.office.parts.store.watch();
        while !stop.is_cancelled() {
            let now = heads.borrow_and_update().clone();
            self.read(&now).await?;
            self.launch();
            if self.settling.is_none() && self.is_to_settle() {
                self.begin_settling();
            }
            let wake = self.wake();
            tokio::select! {
                biased;
                Some(flight) = self.flights.join_next(), if !self.flights.is_empty() => self.land_all(flight).await?,
                written = over(&mut self.settling) => self.settled(written).await?,
                () = stop.cancelled() => {}
                Ok(()) = heads.changed() => {}
                () = sleep_until(wake) => {}
            }
        }
        self.end().await
    }

    /// When there is something to do even if nothing happens.
    fn wake(&self) -> Instant {
        let look = if self.halted.is_some() { Instant::now() + TICK } else { self.look };
        // While something is being written, what comes after it waits for that.
        let settling = self.pending_since.filter(|_| self.settling.is_none()).map(|since| since + PACE);
        settling.map_or(look, |settling| settling.min(look))
    }

    /// Sends what can be sent. A process that was paused for long sends nothing until it knows that it still should.
    fn launch(&mut self) {
        while self.halted.is_none() && self.flights.len() < ATTEMPTS && self.lanes.is_ready() && self.vouched.holds() {
            let Some((key, item)) = self.lanes.next() else { return };
            let (office, destination) = (self.office.clone(), self.route.destination.clone());
            self.flights.spawn(async move {
                let _turn = office.hosts.turn(destination.host()).await;
                let (began, start) = (office.parts.clock.now(), Instant::now());
                let outcome = destination.attempt(&item.parcel, began).await;
                Flight { key, item, began, took: start.elapsed(), outcome }
            });
        }
    }

    fn is_to_settle(&self) -> bool {
        let waited = self.pending_since.is_some_and(|since| since.elapsed() >= PACE);
        let full = self.pending.attempts.len() + self.pending.held.len() >= OUTCOMES;
        let idle = self.flights.is_empty() && !self.lanes.is_ready() && self.pending_since.is_some();
        waited || full || idle || !self.drained.is_empty()
    }

    /// Writes what attempts have come to, and where cursors are; it is written when this returns.
    async fn settle(&mut self) -> Result<(), Obstacle> {
        if self.settling.is_some() {
            let written = over(&mut self.settling).await;
            self.settled(written).await?;
        }
        self.begin_settling();
        let written = over(&mut self.settling).await;
        self.settled(written).await
    }

    /// Begins to write it. One settlement comes after the other, and nothing waits meanwhile that can be sent.
    fn begin_settling(&mut self) {
        self.pending.subscription = self.route.id;
        self.pending.epoch = self.epoch;
        self.pending.failing_since = self.failing_since;
        self.pending.next = self.tracks.iter().filter_map(Track::moved).collect();
        let settlement = std::mem::take(&mut self.pending);
        self.pending_since = None;
        let (next, outbox) = (settlement.next.clone(), self.office.parts.outbox.clone());
        let written = tokio::spawn(async move { outbox.settle(settlement).await });
        self.settling = Some(Settling { next, written });
    }

    /// A settlement is written, or not.
    async fn settled(&mut self, written: Result<(), OutboxError>) -> Result<(), Obstacle> {
        let next = self.settling.take().map(|settling| settling.next).unwrap_or_default();
        written?;
        for (partition, position, ordinal) in next {
            if let Some(track) = self.tracks.get_mut(partition as usize) {
                track.wrote(position, ordinal);
            }
        }
        if let Some(reason) = self.halted.filter(|_| !self.is_suspended && self.pending_since.is_none()) {
            self.office.suspend(&self.route, reason).await?;
            self.is_suspended = true;
        }
        Ok(())
    }

    /// Lets what is on its way arrive, within bounds, and settles it.
    async fn end(mut self) -> Result<End, Obstacle> {
        let drain = Instant::now() + self.office.parts.bounds.drain;
        // What takes longer is sent again by whoever comes next.
        while let Ok(Some(flight)) = timeout_at(drain, self.flights.join_next()).await {
            self.land(flight)?;
        }
        self.settle().await?;
        Ok(End::Stopped)
    }
}

/// Waits until a settlement is written; for ever if none is being.
async fn over(settling: &mut Option<Settling>) -> Result<(), OutboxError> {
    match settling {
        Some(settling) => match (&mut settling.written).await {
            Ok(written) => written,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => Err(OutboxError::Closed),
            },
        },
        None => std::future::pending().await,
    }
}
