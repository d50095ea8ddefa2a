//! The contract, carried out by what the other files of this folder do.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use registration::isl::SessionRow;
use registration::{Row, RowKey};
use tokio::sync::watch;

use super::SqliteStore;
use crate::contract::Answer;
use crate::{
    AsOf, Claim, Claimed, ClientCount, ClientFilter, Commit, CommitError, Cursor, Lease, LeaseError, ListedClient,
    ListedMessage, MessageFilter, Place, Store, StoredChange,
};

impl Store for SqliteStore {
    fn cursor(&self, partition: u32) -> Answer<'_, Cursor> {
        self.cursor(partition).boxed()
    }

    fn rows(&self, keys: Vec<RowKey>) -> Answer<'_, Vec<(RowKey, Option<Row>)>> {
        self.rows(keys).boxed()
    }

    fn row(&self, key: RowKey) -> Answer<'_, Option<Row>> {
        self.row(key).boxed()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<(), CommitError>> {
        self.commit(commit).boxed()
    }

    fn watch(&self) -> watch::Receiver<Vec<u64>> {
        self.heads.clone()
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.writer.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.writer.close().boxed()
    }

    fn changes(&self, partition: u32, from: (u64, u16), until: u64, limit: usize) -> Answer<'_, Vec<StoredChange>> {
        self.changes(partition, from, until, limit).boxed()
    }

    fn history(&self, row: RowKey, from: Option<(Place, u16)>, limit: usize) -> Answer<'_, Vec<StoredChange>> {
        self.history(row, from, limit).boxed()
    }

    fn position_at(&self, partition: u32, time: Timestamp) -> Answer<'_, Option<u64>> {
        self.position_at(partition, time).boxed()
    }

    fn time_at(&self, place: Place) -> Answer<'_, Option<Timestamp>> {
        self.time_at(place).boxed()
    }

    fn clients(&self, filter: ClientFilter, after: Option<Place>, limit: usize) -> Answer<'_, Vec<ListedClient>> {
        self.clients(filter, after, limit).boxed()
    }

    fn clients_as_of(
        &self,
        as_of: AsOf,
        filter: ClientFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Answer<'_, Vec<ListedClient>> {
        self.clients_as_of(as_of, filter, after, limit).boxed()
    }

    fn client(&self, id: String) -> Answer<'_, Option<ListedClient>> {
        self.client(id).boxed()
    }

    fn client_as_of(&self, id: String, as_of: AsOf) -> Answer<'_, Option<ListedClient>> {
        self.client_as_of(id, as_of).boxed()
    }

    fn counts(&self) -> Answer<'_, Vec<ClientCount>> {
        self.counts().boxed()
    }

    fn quarantined(&self, filter: MessageFilter, after: Option<Place>, limit: usize) -> Answer<'_, Vec<ListedMessage>> {
        self.quarantined(filter, after, limit).boxed()
    }

    fn sessions(&self, id: String, limit: usize) -> Answer<'_, Vec<SessionRow>> {
        self.sessions(id, limit).boxed()
    }

    fn count_quarantined_held(&self, now: Timestamp) -> Answer<'_, u64> {
        self.count_quarantined_held(now).boxed()
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Claimed, LeaseError>> {
        self.claim(claim).boxed()
    }

    fn renew(&self, leases: Vec<Lease>, ttl: Duration) -> BoxFuture<'_, Result<Vec<Lease>, LeaseError>> {
        self.renew(leases, ttl).boxed()
    }

    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), LeaseError>> {
        self.release(lease).boxed()
    }

    fn held(&self, prefix: &str) -> BoxFuture<'_, Result<Vec<(String, String)>, LeaseError>> {
        self.held(prefix.to_owned()).boxed()
    }
}
