//! The keeper: which partitions are ours. It claims their leases, renews them, and shares them with the other projectors of the
//! store: each, while it lives, holds its part and gives back what is beyond it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use projection::{Claim, Claimed, Lease, LeaseError, Store};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::error::explain;
use crate::metrics::{Counters, LeaseChange};
use crate::{Ids, Projector, ProjectorError};

/// How long a lease lasts: after a projector was killed, others take over its partitions a little later.
const TTL: Duration = Duration::from_secs(5);

/// Time between two renewals.
const ROUND: Duration = Duration::from_millis(TTL.as_millis() as u64 / 3);

/// Where a projector says that it lives: a lease that nobody else claims.
const LIVING: &str = "projector/living/";

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

    fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

/// What the keeper and the task of one partition tell each other.
#[derive(Clone)]
pub(crate) struct Partnership {
    tenure: Arc<watch::Sender<Tenure>>,
    wake: Arc<Notify>,
}

impl Partnership {
    pub(crate) fn watch(&self) -> watch::Receiver<Tenure> {
        self.tenure.subscribe()
    }

    /// Has the keeper look at once: a commit was fenced.
    pub(crate) fn doubt(&self) {
        self.wake.notify_one();
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

pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    /// Who we are.
    holder: Arc<str>,
    ids: Ids,
    board: Arc<Board>,
    counters: Counters,
    wake: Arc<Notify>,
    /// The lease that says that we live.
    living: Lease,
    partitions: Vec<Partnership>,
}

impl Keeper {
    pub(crate) fn new(projector: &Projector) -> Self {
        let ids = projector.ids.clone();
        let holder: Arc<str> = ids().to_string().into();
        let living = Lease { name: format!("{LIVING}{holder}").into(), epoch: ids() };
        let wake = Arc::new(Notify::new());
        let partnership = || Partnership { tenure: Arc::new(watch::Sender::new(Tenure::None)), wake: wake.clone() };
        let partitions = (0..projector.ledger.partitions()).map(|_| partnership()).collect();
        let (store, board, counters) = (projector.store.clone(), projector.board.clone(), projector.counters.clone());
        Self { store, holder, ids, board, counters, wake, living, partitions }
    }

    pub(crate) fn tenures(&self) -> impl Iterator<Item = Partnership> {
        self.partitions.clone().into_iter()
    }

    /// Keeps leases until all partitions have ended; claims none once it is told to stop.
    pub(crate) async fn run(self, stop: CancellationToken, ended: CancellationToken) -> Result<(), ProjectorError> {
        while !ended.is_cancelled() {
            match self.round(!stop.is_cancelled()).await {
                Ok(()) => self.note(None),
                Err(error @ LeaseError::Unavailable { .. }) => self.note(Some(explain(&error))),
                Err(source) => {
                    stop.cancel();
                    return Err(ProjectorError::Leases { source });
                }
            }
            tokio::select! {
                () = ended.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
        }
        self.leave().await;
        Ok(())
    }

    async fn round(&self, claims: bool) -> Result<(), LeaseError> {
        self.renew().await?;
        let held = self.store.held("projector/").await?;
        let living = held.iter().filter(|(name, _)| name.starts_with(LIVING)).count();
        let share = self.partitions.len().div_ceil(living.max(1));
        self.give_back_beyond(share);
        if claims {
            let held = held.iter().map(|(name, _)| &**name).collect();
            self.claim_up_to(share, &held).await?;
        }
        Ok(())
    }

    /// Renews every lease, and finds out which were lost.
    async fn renew(&self) -> Result<(), LeaseError> {
        let ours = self.partitions.iter().filter_map(|partition| partition.tenure.borrow().lease().cloned());
        let mut leases: Vec<Lease> = ours.collect();
        leases.push(self.living.clone());
        let renewed: HashSet<Lease> = self.store.renew(leases.clone(), TTL).await?.into_iter().collect();
        if !renewed.contains(&self.living) {
            self.claim(self.living.clone()).await?;
        }
        for lost in leases.iter().filter(|lease| !renewed.contains(lease)) {
            if self.partitions.iter().any(|partition| partition.end(lost)) {
                self.counters.lease(LeaseChange::Lost);
                tracing::warn!(lease = &*lost.name, "another projector has taken over a partition");
            }
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.tenure.borrow().is_held()).count()
    }

    fn give_back_beyond(&self, share: usize) {
        let mut beyond = self.held().saturating_sub(share);
        for partition in self.partitions.iter().rev() {
            if beyond == 0 {
                return;
            }
            let ends = partition.tenure.send_if_modified(|tenure| {
                let Tenure::Held(lease) = tenure else { return false };
                *tenure = Tenure::Ending(lease.clone());
                true
            });
            beyond -= usize::from(ends);
        }
    }

    async fn claim_up_to(&self, share: usize, held: &HashSet<&str>) -> Result<(), LeaseError> {
        for (partition, number) in self.partitions.iter().zip(0u32..) {
            let name = format!("projector/{number}");
            if self.held() >= share || partition.tenure.borrow().lease().is_some() || held.contains(&*name) {
                continue;
            }
            let lease = Lease { name: name.into(), epoch: (self.ids)() };
            if self.claim(lease.clone()).await? {
                partition.tenure.send_replace(Tenure::Held(lease));
                self.counters.lease(LeaseChange::Claimed);
                tracing::info!(ledger.partition = number, "a partition is projected here");
            }
        }
        Ok(())
    }

    /// Claims a lease; false if somebody else holds it.
    async fn claim(&self, lease: Lease) -> Result<bool, LeaseError> {
        let claim = Claim { lease, holder: self.holder.clone(), ttl: TTL };
        Ok(self.store.claim(claim).await? == Claimed::Granted)
    }

    /// Gives back what was claimed last, and says that we live no more. What cannot be given back runs out.
    async fn leave(&self) {
        let claimed = self.partitions.iter().filter_map(|partition| partition.tenure.borrow().lease().cloned());
        let leases: Vec<Lease> = claimed.chain([self.living.clone()]).collect();
        for lease in leases {
            if let Err(error) = self.store.release(lease).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a lease could not be given back");
            }
        }
    }

    fn note(&self, obstacle: Option<String>) {
        let failing = obstacle.is_some();
        if !self.board.note_leases(obstacle.clone()) {
            return;
        }
        if failing {
            tracing::warn!(reason = obstacle, "leases cannot be kept");
        } else {
            tracing::info!("leases are kept again");
        }
    }
}
