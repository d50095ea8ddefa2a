//! The keeper: which partitions are ours. It claims their leases, renews them, and shares them with the other keepers of its
//! role: each, while it lives, holds its part and gives back what is beyond it.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::board::explain;
use crate::tenure::Tenure;
use crate::{Board, Claim, Claimed, Lease, LeaseChange, LeaseError, Partnership, Store, Vouched};

/// How long a lease lasts: after a holder was killed, others take over its partitions a little later.
const TTL: Duration = Duration::from_secs(5);

/// Time between two renewals.
const ROUND: Duration = Duration::from_millis(TTL.as_millis() as u64 / 3);

/// Draws UUIDv7s.
pub type Ids = Arc<dyn Fn() -> Uuid + Send + Sync>;

/// Is told what happens to leases.
pub type Observe = Arc<dyn Fn(LeaseChange) + Send + Sync>;

/// Keeps the leases of one role in this process.
pub struct Keeper {
    store: Arc<dyn Store>,
    /// What they are for; their names begin so.
    role: &'static str,
    /// Who we are.
    holder: Arc<str>,
    ids: Ids,
    board: Arc<Board>,
    observe: Observe,
    wake: Arc<Notify>,
    /// The lease that says that we live: nobody else claims it.
    living: Lease,
    vouched: Vouched,
    partitions: Vec<Partnership>,
}

impl Keeper {
    /// A keeper for the partitions of a board. `ids` draws UUIDv7s, by which this holder and the epochs of its leases are
    /// known; what is in the way of keeping leases stands on the board.
    pub fn new(store: Arc<dyn Store>, role: &'static str, ids: Ids, board: Arc<Board>, observe: Observe) -> Self {
        let holder: Arc<str> = ids().to_string().into();
        let living = Lease { name: format!("{}{holder}", living(role)).into(), epoch: ids() };
        let (wake, vouched) = (Arc::new(Notify::new()), Vouched::default());
        let partnership = || Partnership {
            store: store.clone(),
            tenure: Arc::new(watch::Sender::new(Tenure::None)),
            wake: wake.clone(),
            observe: observe.clone(),
            vouched: vouched.clone(),
        };
        let partitions = (0..board.partitions()).map(|_| partnership()).collect();
        Self { store, role, holder, ids, board, observe, wake, living, vouched, partitions }
    }

    /// Runs a task for each partition, which works whenever that is ours, until it is told to stop; leases are given back then.
    /// When a task fails, the others are stopped.
    ///
    /// # Errors
    /// That of the first task that failed, or why leases cannot be kept any more.
    ///
    /// # Panics
    /// If a task panicked.
    pub async fn run<E, F>(
        self,
        stop: &CancellationToken,
        work: impl Fn(u32, Partnership, CancellationToken) -> F,
    ) -> Result<(), E>
    where
        E: From<LeaseError> + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let stop = stop.child_token();
        let mut tasks = JoinSet::new();
        for (partition, number) in self.partitions.iter().zip(0..) {
            tasks.spawn(work(number, partition.clone(), stop.clone()));
        }
        // Keeping goes last: leases are renewed until the last commit is done.
        let ended = CancellationToken::new();
        let mut keeping = JoinSet::new();
        let keep = self.keep(stop.clone(), ended.clone());
        keeping.spawn(async move { keep.await.map_err(E::from) });
        let outcome = join(tasks, &stop).await;
        ended.cancel();
        outcome.and(join(keeping, &stop).await)
    }

    /// Keeps leases until all tasks have ended; claims none once it is told to stop.
    async fn keep(self, stop: CancellationToken, ended: CancellationToken) -> Result<(), LeaseError> {
        while !ended.is_cancelled() {
            match self.round(!stop.is_cancelled()).await {
                Ok(()) => self.note(None),
                Err(error @ LeaseError::Unavailable { .. }) => self.note(Some(explain(&error))),
                Err(error) => {
                    stop.cancel();
                    return Err(error);
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
        let held = self.store.held(&format!("{}/", self.role)).await?;
        let living = living(self.role);
        let living = held.iter().filter(|(name, _)| name.starts_with(&living)).count();
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
        let asked = Instant::now();
        let renewed: HashSet<Lease> = self.store.renew(leases.clone(), TTL).await?.into_iter().collect();
        if !renewed.contains(&self.living) {
            self.claim(self.living.clone()).await?;
        }
        for lost in leases.iter().filter(|lease| !renewed.contains(lease)) {
            if self.partitions.iter().any(|partition| partition.end(lost)) {
                (self.observe)(LeaseChange::Lost);
                tracing::warn!(lease = &*lost.name, "another process has taken over a partition");
            }
        }
        self.vouched.until(asked + TTL);
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
        let mut claimed = Vec::new();
        let outcome = self.claim_each(share, held, &mut claimed).await;
        if !claimed.is_empty() {
            tracing::info!("leases claimed: {}/{}", self.role, spans(&claimed));
        }
        outcome
    }

    async fn claim_each(&self, share: usize, held: &HashSet<&str>, claimed: &mut Vec<u32>) -> Result<(), LeaseError> {
        for (partition, number) in self.partitions.iter().zip(0u32..) {
            let name = format!("{}/{number}", self.role);
            if self.held() >= share || partition.tenure.borrow().lease().is_some() || held.contains(&*name) {
                continue;
            }
            let lease = Lease { name: name.into(), epoch: (self.ids)() };
            if self.claim(lease.clone()).await? {
                claimed.push(number);
                partition.tenure.send_replace(Tenure::Held(lease));
                (self.observe)(LeaseChange::Claimed);
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
        if !self.board.note_all("leases", obstacle.clone()) {
            return;
        }
        if failing {
            tracing::warn!(role = self.role, reason = obstacle, "leases cannot be kept");
        } else {
            tracing::info!(role = self.role, "leases are kept again");
        }
    }
}

/// How the leases begin by which holders of a role say that they live.
fn living(role: &str) -> String {
    format!("{role}/living/")
}

/// Numbers in words: `0-3,5`.
fn spans(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let said = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        run => run.iter().map(u32::to_string).collect(),
    });
    said.collect::<Vec<_>>().join(",")
}

/// Waits for all tasks; when one fails, the others are stopped.
async fn join<E: 'static>(mut tasks: JoinSet<Result<(), E>>, stop: &CancellationToken) -> Result<(), E> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(pass_panic);
        if ended.is_err() {
            stop.cancel();
        }
        outcome = outcome.and(ended);
    }
    outcome
}

fn pass_panic<E>(error: JoinError) -> Result<(), E> {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_cancelled) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_that_follow_one_another_are_one_span() {
        for (numbers, said) in [(&[][..], ""), (&[7], "7"), (&[0, 1, 2], "0-2"), (&[0, 1, 4, 6, 7], "0-1,4,6-7")] {
            assert_eq!(super::spans(numbers), said);
        }
    }
}
