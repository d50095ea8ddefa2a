//! The contract, kept by SQLite.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::write::{Done, Op};
use super::{SqliteOutbox, read};
use crate::{Answer, Attempt, Birth, DeliveryFilter, Held, Listed, Outbox, OutboxError, Settlement, Taken};

impl Outbox for SqliteOutbox {
    fn birth(&self) -> &Birth {
        &self.birth
    }

    fn take(&self, subscription: Uuid, epoch: Uuid, run: u64, now: Timestamp) -> Answer<'_, Option<Taken>> {
        self.taken(Op::Take { subscription, epoch, run, now }).boxed()
    }

    fn begin(&self, subscription: Uuid, epoch: Uuid, run: u64, next: Vec<u64>) -> Answer<'_, Taken> {
        async move { Ok(self.taken(Op::Begin { subscription, epoch, run, next }).await?.unwrap_or_default()) }.boxed()
    }

    fn settle(&self, settlement: Settlement) -> Answer<'_, ()> {
        async move {
            match self.write(Op::Settle(Box::new(settlement))).await? {
                Done::Settled(true) => Ok(()),
                _ => Err(OutboxError::Fenced),
            }
        }
        .boxed()
    }

    fn due(&self, subscription: Uuid, now: Timestamp, limit: usize) -> Answer<'_, Vec<String>> {
        self.read(move |connection| read::due(connection, &subscription.to_string(), now, limit)).boxed()
    }

    fn held(&self, subscription: Uuid, key: &str, limit: usize) -> Answer<'_, Vec<Held>> {
        let key = key.to_owned();
        self.read(move |connection| read::held(connection, &subscription.to_string(), &key, limit)).boxed()
    }

    fn waiting(&self, subscription: Uuid) -> Answer<'_, (Option<Timestamp>, Option<Timestamp>)> {
        self.read(move |connection| read::waiting(connection, &subscription.to_string())).boxed()
    }

    fn count_held(&self, subscription: Uuid) -> Answer<'_, u64> {
        self.read(move |connection| read::count_held(connection, &subscription.to_string())).boxed()
    }

    fn forget(&self, subscription: Uuid) -> Answer<'_, ()> {
        async move { self.write(Op::Forget(subscription)).await.map(drop) }.boxed()
    }

    fn known(&self) -> Answer<'_, Vec<Uuid>> {
        async move {
            let ids = self.read(read::known).await?;
            Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
        }
        .boxed()
    }

    fn list(&self, filter: DeliveryFilter, after: i64, limit: usize) -> Answer<'_, Vec<Listed>> {
        self.read(move |connection| read::list(connection, &filter, after, limit)).boxed()
    }

    fn replay(&self, filter: DeliveryFilter, now: Timestamp) -> Answer<'_, u64> {
        async move {
            match self.write(Op::Replay { filter: Box::new(filter), now }).await? {
                Done::Changed(count) => Ok(count),
                _ => Ok(0),
            }
        }
        .boxed()
    }

    fn attempts(&self, subscription: Uuid, limit: usize) -> Answer<'_, Vec<Attempt>> {
        self.read(move |connection| read::attempts(connection, &subscription.to_string(), limit)).boxed()
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.writer.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.writer.close().boxed()
    }
}

impl SqliteOutbox {
    async fn taken(&self, op: Op) -> Result<Option<Taken>, OutboxError> {
        match self.write(op).await? {
            Done::Taken(taken) => Ok(taken),
            _ => Ok(None),
        }
    }
}
