//! One partition: from the ledger through the fold into the store, for ever.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Ledger, Limit, Recorded};
use projection::{Backoff, Board, CommitError, Cursor, Lease, Partnership, Store, Term, explain};
use registration::{Placed, Rows};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, Unreadable, unknown};
use crate::error::Obstacle;
use crate::metrics::Counters;
use crate::{Now, Projector, ProjectorError};

/// What is committed at once, at most. The more, the less each event costs, since a row that is written often in a batch is
/// stored once. But nothing of a batch is visible before all of it is, and all of it is in memory until then.
const CHUNK: Limit = Limit { events: 32_768, bytes: 32 << 20 };

/// Events worked on before others get their turn on this thread, a millisecond or so; few enough to stay in its caches.
const TURN: usize = 128;

/// Rows kept from one batch to the next, besides those that the last one wrote; those of clients have about 2 KB.
const CACHED_ROWS: usize = 32_768;

/// One partition and what is known of it.
pub(crate) struct Partition {
    number: u32,
    ledger: Arc<dyn Ledger>,
    store: Arc<dyn Store>,
    ledger_id: Arc<str>,
    board: Arc<Board>,
    counters: Counters,
    now: Now,
    keeper: Partnership,
    /// Where the store stands; `None` if that must be read.
    cursor: Option<Cursor>,
    /// Rows as the store has them.
    rows: Rows,
}

impl Partition {
    pub(crate) fn new(number: u32, keeper: Partnership, projector: &Projector) -> Self {
        Self {
            number,
            ledger: projector.ledger.clone(),
            store: projector.store.clone(),
            ledger_id: projector.ledger_id.clone(),
            board: projector.board.clone(),
            counters: projector.counters.clone(),
            now: projector.now.clone(),
            keeper,
            cursor: None,
            rows: Rows::default(),
        }
    }

    /// Works whenever the partition is ours.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), ProjectorError> {
        while let Some(mut term) = self.keeper.begin(&stop).await {
            let worked = self.work(&mut term, &stop).await;
            self.forget();
            self.keeper.leave(term).await;
            worked?;
        }
        Ok(())
    }

    /// Projects until the lease is lost or to be given back.
    async fn work(&mut self, term: &mut Term, stop: &CancellationToken) -> Result<(), ProjectorError> {
        let mut head = self
            .ledger
            .watch(self.number)
            .map_err(|source| ProjectorError::Ledger { partition: self.number, source })?;
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() && term.goes_on() {
            head.borrow_and_update();
            let wait = match self.advance(term.lease()).await {
                Ok(more) => {
                    self.moving();
                    backoff.reset();
                    if more { Wait::No } else { Wait::Growth }
                }
                Err(Obstacle::Passing(reason)) => {
                    self.obstructed(reason);
                    Wait::Pause(backoff.pause())
                }
                Err(Obstacle::Event { position, source }) => {
                    self.stands_still(position, &explain(&source));
                    Wait::End
                }
                Err(Obstacle::Lasting(error)) => return Err(error),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = term.may_end() => {}
                () = wait.over(&mut head) => {}
            }
        }
        Ok(())
    }

    /// Forgets what was known under a lease.
    fn forget(&mut self) {
        self.cursor = None;
        self.rows.clear();
        self.board.forget(self.number);
    }

    /// Projects the next events; whether there were any.
    async fn advance(&mut self, lease: &Lease) -> Result<bool, Obstacle> {
        let partition = self.number;
        let cursor = self.cursor().await?;
        let recorded = self.ledger.read(partition, cursor.next, CHUNK).await;
        let recorded = recorded.map_err(|error| Obstacle::ledger(partition, error))?;
        if recorded.is_empty() {
            self.board.wait(partition, None);
            return Ok(false);
        }
        let projected = self.project(lease, cursor, &recorded).await;
        if projected.is_err() {
            // What the store has of it is read again, as after a start.
            self.cursor = None;
            self.rows.clear();
        }
        match projected? {
            Some(Unreadable { position, source }) => {
                // Its own time cannot be read either.
                self.board.wait(partition, Some((self.now)()));
                Err(Obstacle::Event { position, source })
            }
            None => Ok(true),
        }
    }

    /// Where the store stands. Read once, and again after each obstacle.
    async fn cursor(&mut self) -> Result<Cursor, Obstacle> {
        if let Some(cursor) = self.cursor {
            return Ok(cursor);
        }
        let partition = self.number;
        let cursor = self.store.cursor(partition).await;
        let cursor = cursor.map_err(|error| Obstacle::store(partition, error))?;
        let head = self.ledger.head(partition).await;
        let head = head.map_err(|error| Obstacle::ledger(partition, error))?;
        if cursor.next > head {
            let next = cursor.next;
            return Err(Obstacle::Lasting(ProjectorError::BeyondHead { partition, next, head }));
        }
        self.cursor = Some(cursor);
        Ok(cursor)
    }

    /// Folds and commits events, up to the first that cannot be understood.
    async fn project(
        &mut self,
        lease: &Lease,
        cursor: Cursor,
        recorded: &[Recorded],
    ) -> Result<Option<Unreadable>, Obstacle> {
        let mut batch = Batch::new(self.number, cursor, recorded);
        let mut unreadable = None;
        for some in recorded.chunks(TURN) {
            let (events, end) = batch.read(some);
            self.fold(&mut batch, &events).await?;
            if end.is_some() {
                unreadable = end;
                break;
            }
            yield_now().await;
        }
        if !batch.is_empty() {
            self.commit(lease, batch).await?;
        }
        Ok(unreadable)
    }

    async fn fold(&mut self, batch: &mut Batch, events: &[Placed]) -> Result<(), Obstacle> {
        if let (true, Some(first)) = (batch.is_empty(), events.first()) {
            self.board.wait(self.number, Some(first.recorded_time));
        }
        let unknown = unknown(events, &self.rows);
        if !unknown.is_empty() {
            let rows = self.store.rows(unknown).await;
            for (key, row) in rows.map_err(|error| Obstacle::store(self.number, error))? {
                self.rows.know(key, row);
            }
        }
        let folded = batch.fold(&mut self.rows, events, &self.ledger_id);
        folded.map_err(|error| Obstacle::encode(self.number, error))
    }

    async fn commit(&mut self, lease: &Lease, batch: Batch) -> Result<(), Obstacle> {
        let end = batch.end();
        let commit = batch.commit(lease.clone(), &self.rows);
        let commit = commit.map_err(|error| Obstacle::encode(self.number, error))?;
        let committed = self.store.commit(commit).await;
        if let Err(CommitError::Fenced { .. }) = committed {
            self.counters.fenced(self.number);
            self.keeper.doubt();
        }
        committed.map_err(|error| Obstacle::commit(self.number, error))?;
        if self.rows.len() > CACHED_ROWS {
            self.rows.forget_idle();
        }
        self.rows.settle();
        self.cursor = Some(end);
        Ok(())
    }

    fn moving(&self) {
        if self.board.note(self.number, None) {
            tracing::info!(ledger.partition = self.number, "projecting again");
        }
    }

    fn obstructed(&self, reason: String) {
        if self.board.note(self.number, Some(reason.clone())) {
            tracing::warn!(ledger.partition = self.number, reason, "projecting is interrupted");
        }
    }

    fn stands_still(&self, position: u64, reason: &str) {
        let (partition, note) = (self.number, format!("stands still at position {position}: {reason}"));
        if self.board.note(partition, Some(note)) {
            tracing::error!(
                ledger.partition = partition,
                ledger.position = position,
                reason,
                "projecting stands still: an event cannot be understood, and none is skipped"
            );
        }
    }
}

/// What a partition waits for.
enum Wait {
    No,
    Growth,
    Pause(Duration),
    End,
}

impl Wait {
    async fn over(self, head: &mut watch::Receiver<u64>) {
        match self {
            Self::No => {}
            Self::Growth => {
                if head.changed().await.is_err() {
                    // The ledger was closed and grows no more.
                    std::future::pending().await
                }
            }
            Self::Pause(time) => sleep(time).await,
            Self::End => std::future::pending().await,
        }
    }
}
