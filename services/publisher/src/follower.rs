//! One partition: from the state store into the topics, for ever.

use std::sync::Arc;
use std::time::Duration;

use kafka::{Group, KafkaError, KeyedRecord, Offsets, TransactionalProducer};
use projection::{Backoff, Board, Partnership, Store, StoredChange, Term};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::error::Obstacle;
use crate::metrics::Metrics;
use crate::{Publisher, PublisherError, Topics, record};

/// How often a position is committed anew while nothing happens: far more often than brokers forget it.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// Changes that come within this time share a transaction, which costs the brokers a write to each of their partitions.
const PACE: Duration = Duration::from_millis(50);

/// How long the brokers may take to say whether something was ever published.
const PATIENCE: Duration = Duration::from_secs(10);

/// One partition and what is known of it.
pub(crate) struct Follower {
    number: u32,
    store: Arc<dyn Store>,
    topics: Topics,
    group: Arc<Group>,
    board: Arc<Board>,
    metrics: Metrics,
    keeper: Partnership,
    /// None until the topics are taken over under the lease that is held.
    session: Option<Session>,
}

/// A producer that has fenced those before it, and how far it is.
struct Session {
    producer: TransactionalProducer,
    /// The first position that is not published.
    next: u64,
    /// When a position was committed last; none under this lease yet.
    committed: Option<Instant>,
}

impl Follower {
    pub(crate) fn new(number: u32, keeper: Partnership, publisher: &Publisher) -> Self {
        Self {
            number,
            store: publisher.store.clone(),
            topics: publisher.topics.clone(),
            group: publisher.group.clone(),
            board: publisher.board.clone(),
            metrics: publisher.metrics.clone(),
            keeper,
            session: None,
        }
    }

    /// Works whenever the partition is ours.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), PublisherError> {
        while let Some(mut term) = self.keeper.begin(&stop).await {
            let worked = self.work(&mut term, &stop).await;
            self.end_session().await;
            self.board.forget(self.number);
            self.metrics.forget(self.number);
            self.keeper.leave(term).await;
            worked?;
        }
        Ok(())
    }

    /// Publishes until the lease is lost or to be given back, or another publisher shows up.
    async fn work(&mut self, term: &mut Term, stop: &CancellationToken) -> Result<(), PublisherError> {
        let mut heads = self.store.watch();
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() && term.goes_on() {
            let wait = match self.advance(&mut heads).await {
                Ok(wait) => {
                    self.moving();
                    backoff.reset();
                    wait
                }
                Err(Obstacle::Passing(reason) | Obstacle::Spent(reason)) => {
                    self.obstructed(reason);
                    Wait::Until(Instant::now() + backoff.pause())
                }
                Err(Obstacle::Fenced) => {
                    tracing::warn!(ledger.partition = self.number, "another process publishes a partition");
                    return Ok(());
                }
                Err(Obstacle::Lasting(error)) => return Err(error),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = term.may_end() => {}
                () = wait.over(&mut heads) => {}
            }
        }
        Ok(())
    }

    /// Publishes the next changes; what to wait for before there may be more.
    async fn advance(&mut self, heads: &mut watch::Receiver<Vec<u64>>) -> Result<Wait, Obstacle> {
        let head = heads.borrow_and_update().get(self.number as usize).copied().unwrap_or_default();
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.begin_session(head).await?,
        };
        let advanced = self.publish(&mut session, head).await;
        match advanced {
            Err(Obstacle::Spent(_)) => session.producer.close().await,
            _ => self.session = Some(session),
        }
        advanced
    }

    /// Publishes the next changes and how far they go, or neither.
    async fn publish(&self, session: &mut Session, head: u64) -> Result<Wait, Obstacle> {
        let batch = Batch::read(&*self.store, self.number, session.next, head).await;
        let Batch { changes, next } = batch.map_err(|error| Obstacle::store(self.number, error))?;
        if !changes.is_empty() || session.committed.is_none_or(|at| at.elapsed() >= AGAIN) {
            self.board.wait(self.number, changes.first().map(|first| first.recorded_time));
            let records = self.records(changes).map_err(Obstacle::Lasting)?;
            session.producer.commit(records, self.number, next).await?;
            session.committed = Some(Instant::now());
        }
        session.next = next;
        self.metrics.note(self.number, next);
        if next < head {
            return Ok(Wait::No);
        }
        self.board.wait(self.number, None);
        let since = session.committed.unwrap_or_else(Instant::now);
        Ok(Wait::Growth { partition: self.number, next, since })
    }

    /// Takes the topics over from whoever had the partition before, and reads how far they are.
    async fn begin_session(&self, head: u64) -> Result<Session, Obstacle> {
        let name = format!("{}.{}", self.topics.publisher, self.number);
        let producer = TransactionalProducer::take_over(&self.topics.connection, &name, &self.group).await?;
        match self.position(head).await {
            Ok(next) => Ok(Session { producer, next, committed: None }),
            Err(error) => {
                producer.close().await;
                Err(error.into())
            }
        }
    }

    /// The first position that is not published. Where none is known that is the first of all: rather twice than never.
    async fn position(&self, head: u64) -> Result<u64, KafkaError> {
        if let Some(position) = self.group.position(self.number).await? {
            return Ok(position);
        }
        if head > 0 && self.has_changes().await? {
            tracing::warn!(
                ledger.partition = self.number,
                "it is not known how far a partition was published: all its changes are published, those that the topic has \
                 already once more, with the same ids"
            );
        }
        Ok(0)
    }

    /// Whether there ever was a change in the topic.
    async fn has_changes(&self) -> Result<bool, KafkaError> {
        let Topics { connection, changes, partitions, .. } = self.topics.clone();
        let ends = spawn_blocking(move || Offsets::of(&connection, &changes)?.end(0..partitions, PATIENCE)).await;
        Ok(ends.unwrap_or(Err(KafkaError::Canceled))?.iter().any(|end| *end > 0))
    }

    fn records(&self, changes: Vec<StoredChange>) -> Result<Vec<KeyedRecord>, PublisherError> {
        let mut records = Vec::with_capacity(2 * changes.len());
        for StoredChange { partition, position, body, .. } in changes {
            let of = record::of(&body, &self.topics);
            records.extend(of.map_err(|source| PublisherError::Change { partition, position, source })?);
        }
        Ok(records)
    }

    async fn end_session(&mut self) {
        if let Some(session) = self.session.take() {
            session.producer.close().await;
        }
    }

    fn moving(&self) {
        if self.board.note(self.number, None) {
            tracing::info!(ledger.partition = self.number, "publishing again");
        }
    }

    fn obstructed(&self, reason: String) {
        if self.board.note(self.number, Some(reason.clone())) {
            tracing::warn!(ledger.partition = self.number, reason, "publishing is interrupted");
        }
    }
}

/// What a follower waits for.
enum Wait {
    No,
    Until(Instant),
    /// More changes, or that the position is to be committed anew, which it was at that time.
    Growth {
        partition: u32,
        next: u64,
        since: Instant,
    },
}

impl Wait {
    async fn over(self, heads: &mut watch::Receiver<Vec<u64>>) {
        match self {
            Self::No => {}
            Self::Until(time) => sleep_until(time).await,
            Self::Growth { partition, next, since } => {
                let grown = heads.wait_for(|heads| heads.get(partition as usize).is_some_and(|head| *head > next));
                let is_closed = matches!(timeout_at(since + AGAIN, grown).await, Ok(Err(_)));
                if is_closed {
                    // It shows no more.
                    std::future::pending().await
                }
                sleep_until(since + PACE).await;
            }
        }
    }
}
