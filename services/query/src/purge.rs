//! Purges: what is deleted and whose time is over is ended for good, by one process at a time.
//!
//! It runs beside the queries because only their process has all that it takes: the directory, the leases and the keys. The lease
//! saves work and no more. Purges are intents like any other, and the fold decides them: an early or a second one changes
//! nothing. Keys are destroyed for whatever the ledger says is gone, from its beginning with each term, so a crash in between
//! leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use admission::{Admission, DirectoryError, DirectoryView, Intent, Unavailable};
use jiff::{SignedDuration, Timestamp};
use projection::{Backoff, Board, Ids, Keeper, LeaseError, Partnership, Store, Term, explain};
use registration::directory::{Due, Forgotten, UserPurge};
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
    #[error("the keys of what is gone could not be destroyed")]
    Keys(#[from] VaultError),
}

/// Purges.
pub struct Purger {
    admission: Admission,
    directory: Arc<DirectoryView>,
    /// How long the keys of what is deleted at once, and cannot come back, are kept: a backup of keys is made a while after that
    /// of the ledger, and should have those of all that is there.
    retention: SignedDuration,
    board: Arc<Board>,
}

/// What is gone and has keys, as far as this term has looked.
#[derive(Default)]
struct Gone {
    seen: usize,
    waiting: Vec<(Forgotten, Timestamp)>,
}

impl Purger {
    /// Purges what a directory says is due.
    pub fn new(admission: Admission, directory: Arc<DirectoryView>, retention: SignedDuration) -> Self {
        Self { admission, directory, retention, board: Arc::new(Board::new(ONLY + 1)) }
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
        let mut gone = Gone::default();
        while !stop.is_cancelled() && term.goes_on() {
            directory.borrow_and_update();
            let pause = match self.round(&mut gone).await {
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

    /// Appends what is due, and destroys the keys of what is gone.
    async fn round(&self, gone: &mut Gone) -> Result<(), PurgeError> {
        self.directory.catch_up().await?;
        let mut due = self.directory.read().due(self.admission.now());
        due.truncate(AT_ONCE);
        for due in due {
            self.append(due).await?;
        }
        self.directory.catch_up().await?;
        let news: Vec<_> = self.directory.read().forgotten().iter().skip(gone.seen).cloned().collect();
        gone.seen += news.len();
        gone.waiting.extend(news);
        let now = self.admission.now();
        let mut index = 0;
        while let Some((one, time)) = gone.waiting.get(index) {
            if !self.is_over(one, *time, now) {
                index += 1;
                continue;
            }
            self.destroy(one).await?;
            gone.waiting.swap_remove(index);
        }
        Ok(())
    }

    /// Whether keys are to be destroyed: a user has had the time before the purge.
    fn is_over(&self, one: &Forgotten, time: Timestamp, now: Timestamp) -> bool {
        matches!(one, Forgotten::User(_)) || time.saturating_add(self.retention).is_ok_and(|over| over <= now)
    }

    async fn destroy(&self, one: &Forgotten) -> Result<(), VaultError> {
        let subject = match one {
            Forgotten::User(id) => Subject::User(id.clone()),
            Forgotten::Subscription(id) => Subject::Subscription(id.to_string()),
            Forgotten::Integration(id) => Subject::Integration(id.to_string()),
        };
        if self.admission.vault().shred(&subject).await? > 0 {
            tracing::info!(subject = ?one, "the keys of what is gone are destroyed");
        }
        Ok(())
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
