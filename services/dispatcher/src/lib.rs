//! The dispatcher: pushes committed changes to subscriptions, at least once, and in order for each row.
//!
//! Subscriptions are spread over [`SLOTS`] slots, whose leases the dispatchers of all processes share. Each subscription has a
//! [runner](runner::Runner) of its own, so that a dead one is in nobody's way. A runner takes its subscription over in the
//! delivery store before it begins, which fences the one before; a lease only says who should work.
//!
//! What is sent how is a [`Destination`](delivery::destination::Destination)'s matter.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
mod fixed;
mod hosts;
mod lanes;
mod metrics;
mod route;
mod runner;
mod slot;
mod source;
mod suspend;
mod track;

use std::sync::Arc;
use std::time::Duration;

use admission::{Admission, Clock, DirectoryView};
use delivery::destination::Mailer;
use delivery::egress::Egress;
use outbox::Outbox;
use projection::{Board, Keeper, Store};
use prometheus::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use error::DispatcherError;
use hosts::Hosts;
use metrics::Metrics;
pub use route::Route;
use slot::Slot;

/// Leases over which subscriptions are spread: more than processes that would share them.
pub const SLOTS: u32 = 32;

/// How deliveries are bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time for one attempt, from looking up the host to the end of its answer.
    pub attempt: Duration,
    /// How long after its first failure a delivery is given up.
    pub give_up: Duration,
    /// How long nothing but failure is borne before a subscription is paused.
    pub pause: Duration,
    /// How long what is being sent may take once the process is told to stop.
    pub drain: Duration,
}

/// Where mails are handed in, and where their links lead.
#[derive(Clone)]
pub struct MailOffice {
    /// Hands mails in.
    pub mailer: Mailer,
    /// The address under which the hub is reached from outside.
    pub public_url: String,
}

/// What a dispatcher needs.
#[derive(Clone)]
pub struct Dispatcher {
    /// Committed changes, and the leases of slots.
    pub store: Arc<dyn Store>,
    /// How far subscriptions are.
    pub outbox: Arc<dyn Outbox>,
    /// Which subscriptions there are.
    pub directory: Arc<DirectoryView>,
    /// Appends that a subscription is paused, and opens what was sealed.
    pub admission: Admission,
    /// Makes outgoing calls.
    pub egress: Egress,
    /// Sends mail, if that was set up.
    pub mail: Option<MailOffice>,
    /// Tells the time, and draws ids.
    pub clock: Clock,
    /// How deliveries are bounded.
    pub bounds: Bounds,
}

/// A dispatcher with what its tasks share.
pub(crate) struct Office {
    pub(crate) parts: Dispatcher,
    pub(crate) hosts: Hosts,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Metrics,
}

/// A dispatcher that is ready to run.
pub struct Ready(Arc<Office>);

impl Dispatcher {
    /// Registers its metrics.
    ///
    /// # Errors
    /// If a metric is registered already.
    pub fn prepare(self, registry: &Registry) -> Result<Ready, DispatcherError> {
        let metrics = Metrics::register(self.clock.clone(), self.directory.clone(), registry)?;
        let (hosts, board) = (Hosts::default(), Arc::new(Board::new(SLOTS)));
        Ok(Ready(Arc::new(Office { parts: self, hosts, board, metrics })))
    }
}

impl Ready {
    /// `None` while the stores answer, else what is in the way. That a receiver fails is none of it.
    pub fn status(&self) -> watch::Receiver<Option<String>> {
        self.0.board.status()
    }

    /// Dispatches until it is told to stop; what is being sent then may end, and leases are given back.
    ///
    /// # Errors
    /// [`DispatcherError`] for what cannot pass: the process should end.
    ///
    /// # Panics
    /// If a task panicked.
    pub async fn run(self, stop: CancellationToken) -> Result<(), DispatcherError> {
        let office = self.0;
        let (store, clock, board) = (office.parts.store.clone(), office.parts.clock.clone(), office.board.clone());
        let ids = Arc::new(move || clock.new_id());
        let keeper = Keeper::new(store, "dispatcher", ids, board, Arc::new(|_| {}));
        keeper.run(&stop, |number, keeper, stop| Slot::new(number, keeper, office.clone()).run(stop)).await
    }
}
