//! Tenures: whether a partition is ours, as its task and the keeper tell each other.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::keeper::Observe;
use crate::{Lease, Store};

/// Whether a partition is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// It is somebody else's, or nobody's.
    None,
    /// It is worked on under this lease.
    Held(Lease),
    /// It is still ours, but to be given back as soon as what is being committed is done.
    Ending(Lease),
}

impl Tenure {
    pub(crate) fn lease(&self) -> Option<&Lease> {
        match self {
            Self::None => None,
            Self::Held(lease) | Self::Ending(lease) => Some(lease),
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

/// What happens to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseChange {
    /// It is ours.
    Claimed,
    /// Somebody else has claimed it.
    Lost,
    /// It was given back.
    Released,
}

/// A partition's task, as it comes to its tenures and goes.
#[derive(Clone)]
pub struct Partnership {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tenure: Arc<watch::Sender<Tenure>>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) observe: Observe,
    pub(crate) vouched: Vouched,
}

/// Until when nobody else can have our leases: what cannot be taken back, such as what is told to others, is done before.
#[derive(Clone, Default)]
pub struct Vouched(Arc<Mutex<Option<Instant>>>);

impl Vouched {
    /// Whether the leases that are held are surely still ours. Not after the process was paused for long.
    pub fn holds(&self) -> bool {
        self.0.lock().is_some_and(|until| Instant::now() < until)
    }

    /// They are ours until then, if they are not given back.
    pub(crate) fn until(&self, time: Instant) {
        *self.0.lock() = Some(time);
    }
}

/// A tenure that has begun.
pub struct Term {
    lease: Lease,
    tenure: watch::Receiver<Tenure>,
    vouched: Vouched,
}

impl Partnership {
    /// Waits until the partition is ours; none if it is told to stop before.
    pub async fn begin(&self, stop: &CancellationToken) -> Option<Term> {
        let mut tenure = self.tenure.subscribe();
        let held = stop.run_until_cancelled(tenure.wait_for(Tenure::is_held)).await?.ok()?;
        let lease = held.lease().cloned()?;
        drop(held);
        Some(Term { lease, tenure, vouched: self.vouched.clone() })
    }

    /// Has the keeper look at once: something was fenced.
    pub fn doubt(&self) {
        self.wake.notify_one();
    }

    /// Gives the lease back, if it is still ours. What was known under it must be forgotten before.
    pub async fn leave(&self, term: Term) {
        if !self.end(&term.lease) {
            return;
        }
        (self.observe)(LeaseChange::Released);
        let lease = term.lease.name.clone();
        if let Err(error) = self.store.release(term.lease).await {
            // It runs out by itself.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(lease = &*lease, error, "a lease could not be given back");
        }
    }

    /// Ends the tenure under a lease; whether it was still ours.
    pub(crate) fn end(&self, lease: &Lease) -> bool {
        self.tenure.send_if_modified(|tenure| {
            let ours = tenure.lease() == Some(lease);
            if ours {
                *tenure = Tenure::None;
            }
            ours
        })
    }
}

impl Term {
    /// What work is done under.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Until when the lease is surely ours.
    pub fn vouched(&self) -> Vouched {
        self.vouched.clone()
    }

    /// Whether the lease is neither lost nor to be given back.
    pub fn goes_on(&mut self) -> bool {
        matches!(&*self.tenure.borrow_and_update(), Tenure::Held(lease) if *lease == self.lease)
    }

    /// Waits until that may have changed.
    pub async fn may_end(&mut self) {
        // The keeper outlives every tenure.
        let _ = self.tenure.changed().await;
    }
}
