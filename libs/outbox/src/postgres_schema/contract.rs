//! The contract, kept by PostgreSQL.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::{PostgresOutbox, write};
use crate::{Answer, Attempt, Birth, DeliveryFilter, Held, Listed, Outbox, OutboxError, Settlement, Taken};

impl Outbox for PostgresOutbox {
    fn birth(&self) -> &Birth {
        &self.birth
    }

    fn take(&self, subscription: Uuid, epoch: Uuid, run: u64, now: Timestamp) -> Answer<'_, Option<Taken>> {
        self.transact(async move |transaction| write::take(transaction, subscription, epoch, run, now).await).boxed()
    }

    fn begin(&self, subscription: Uuid, epoch: Uuid, run: u64, next: Vec<u64>) -> Answer<'_, Taken> {
        async move {
            let begun =
                self.transact(async move |transaction| write::begin(transaction, subscription, epoch, run, next).await);
            Ok(begun.await?.unwrap_or_default())
        }
        .boxed()
    }

    fn settle(&self, settlement: Settlement) -> Answer<'_, ()> {
        async move {
            let settled = self.transact(async move |transaction| write::settle(transaction, &settlement).await).await?;
            settled.ok_or(OutboxError::Fenced)
        }
        .boxed()
    }

    fn due(&self, subscription: Uuid, now: Timestamp, limit: usize) -> Answer<'_, Vec<String>> {
        self.due_of(subscription, now, limit).boxed()
    }

    fn held(&self, subscription: Uuid, key: &str, limit: usize) -> Answer<'_, Vec<Held>> {
        self.held_of(subscription, key.to_owned(), limit).boxed()
    }

    fn waiting(&self, subscription: Uuid) -> Answer<'_, (Option<Timestamp>, Option<Timestamp>)> {
        self.waiting_of(subscription).boxed()
    }

    fn count_held(&self, subscription: Uuid) -> Answer<'_, u64> {
        self.count(subscription).boxed()
    }

    fn forget(&self, subscription: Uuid) -> Answer<'_, ()> {
        async move {
            self.transact(async move |transaction| write::forget(transaction, subscription).await).await.map(drop)
        }
        .boxed()
    }

    fn known(&self) -> Answer<'_, Vec<Uuid>> {
        self.ids().boxed()
    }

    fn list(&self, filter: DeliveryFilter, after: i64, limit: usize) -> Answer<'_, Vec<Listed>> {
        self.list(filter, after, limit).boxed()
    }

    fn replay(&self, filter: DeliveryFilter, now: Timestamp) -> Answer<'_, u64> {
        async move {
            let replayed = self.transact(async move |transaction| write::replay(transaction, &filter, now).await);
            Ok(replayed.await?.unwrap_or_default())
        }
        .boxed()
    }

    fn attempts(&self, subscription: Uuid, limit: usize) -> Answer<'_, Vec<Attempt>> {
        self.attempts_of(subscription, limit).boxed()
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.standing.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        // Waits for what is being written.
        async move { *self.open.write().await = false }.boxed()
    }
}
