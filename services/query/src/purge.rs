//! Purges: what is deleted and whose time is over is ended for good, by one process at a time.
//!
//! It runs beside the queries because only their process has all that it takes: the directory, the leases and the keys. The lease
//! saves work and no more. Purges are intents like any other, and the fold decides them: an early or a second one changes
//! nothing. Keys are destroyed for whatever the ledger says is gone, from its beginning with each term, so a crash in between
//! leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use admission::{Admission, DirectoryError, DirectoryView, Intent, Unavailable};
use projection::{Backoff, Board, Ids, Keeper, LeaseError, Partnership, Store, Term, explain};
use registration::directory::{Due, UserPurge};
use registration::event::{EventType, Nothing};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use vault::{Subject, VaultError};

/// Time between two rounds when nothing happens in the directory.
const ROUND: Duration = Duration::from_secs(60);

/// Time between two rounds at least.
const PACE: Duration = Duration::from_secs(1);

/// Intents appended in one round.
const AT_ONCE: usize = 256;

/// Who asks for a purge, and what the lease is for.
const PART: &str = "purge";

/// What all share that purge: its one lease is that of its only partition.
const ONLY: u32 = 0;

/// Why purging ended.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// Leases cannot be kept.
    #[error("the lease of purging cannot be kept")]
    Lease(#[from] LeaseError),
    /// An intent could not be appended.
    #[error("a purge could not be appended")]
    Append(#[from] Unavailable),
    /// The directory cannot be read.
    #[error("what is to be purged cannot be told")]
    Directory(#[from] DirectoryError),
    /// Keys could not be destroyed.
    #[error("the keys of a purged user could not be destroyed")]
    Keys(#[from] VaultError),
}

/// Purges.
pub struct Purger {
    admission: Admission,
    directory: Arc<DirectoryView>,
    board: Arc<Board>,
}

impl Purger {
    /// Purges what a directory says is due.
    pub fn new(admission: Admission, directory: Arc<DirectoryView>) -> Self {
        Self { admission, directory, board: Arc::new(Board::new(ONLY + 1)) }
    }

    /// `None` while nothing is in the way, else what is.
    pub fn status(&self) -> watch::Receiver<Option<String>> {
        self.board.status()
    }

    /// Purges whenever the lease is ours, until it is told to stop.
    ///
    /// # Errors
    /// [`PurgeError`] for what cannot pass: the process should end.
    pub async fn run(self, store: Arc<dyn Store>, ids: Ids, stop: CancellationToken) -> Result<(), PurgeError> {
        let keeper = Keeper::new(store, PART, ids, self.board.clone(), Arc::new(|_| ()));
        let purger = Arc::new(self);
        keeper.run(&stop, |_, keeper, stop| purger.clone().work(keeper, stop)).await
    }

    async fn work(self: Arc<Self>, keeper: Partnership, stop: CancellationToken) -> Result<(), PurgeError> {
        while let Some(mut term) = keeper.begin(&stop).await {
            let worked = self.serve(&mut term, &stop).await;
            self.board.forget(ONLY);
            keeper.leave(term).await;
            worked?;
        }
        Ok(())
    }

    /// Purges until the lease is lost or to be given back.
    async fn serve(&self, term: &mut Term, stop: &CancellationToken) -> Result<(), PurgeError> {
        let mut directory = self.directory.version();
        let mut backoff = Backoff::default();
        let mut destroyed = 0;
        while !stop.is_cancelled() && term.goes_on() {
            directory.borrow_and_update();
            let pause = match self.round(&mut destroyed).await {
                Ok(()) => {
                    self.board.note(ONLY, None);
                    backoff.reset();
                    ROUND
                }
                Err(PurgeError::Keys(error)) if error.is_damage() => return Err(error.into()),
                Err(error) => {
                    if self.board.note(ONLY, Some(explain(&error))) {
                        tracing::warn!(error = &error as &dyn std::error::Error, "purging is interrupted");
                    }
                    backoff.pause()
                }
            };
            let news = async {
                let _ = directory.changed().await;
                sleep(PACE).await;
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = term.may_end() => {}
                () = sleep(pause) => {}
                () = news => {}
            }
        }
        Ok(())
    }

    /// Appends what is due, and destroys the keys of what is gone; `destroyed` counts those whose keys are.
    async fn round(&self, destroyed: &mut usize) -> Result<(), PurgeError> {
        self.directory.catch_up().await?;
        let mut due = self.directory.read().due(self.admission.now());
        due.truncate(AT_ONCE);
        for due in due {
            self.append(due).await?;
        }
        self.directory.catch_up().await?;
        loop {
            let next = self.directory.read().forgotten().get(*destroyed).cloned();
            let Some(id) = next else { return Ok(()) };
            if self.admission.vault().shred(&Subject::User(id.clone())).await? > 0 {
                tracing::info!(user.id = id, "the keys of a user are destroyed");
            }
            *destroyed += 1;
        }
    }

    async fn append(&self, due: Due) -> Result<(), Unavailable> {
        match due {
            Due::User { id, domain, name_index } => {
                let intent = Intent::by_itself(EventType::UserPurge, format!("/domains/{domain}"), PART).about(&id);
                self.admission.submit(intent, &UserPurge { name_index }).await?;
            }
            Due::Domain { name } => {
                let intent = Intent::by_itself(EventType::DomainPurge, format!("/domains/{name}"), PART).about(&name);
                self.admission.submit(intent, &Nothing {}).await?;
            }
        }
        Ok(())
    }
}
