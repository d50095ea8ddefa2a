//! The store in a PostgreSQL database, which any number of processes share.

mod changes;
mod clients;
mod contract;
mod fault;
mod follow;
mod leases;
mod quarantine;
mod schema;
mod select;
mod sessions;
mod write;

use std::sync::Arc;

use parking_lot::Mutex;
use registration::{Row, RowKey};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::commit::Checked;
use crate::contract::row_of;
use crate::{Commit, CommitError, Cursor, MAX_PARTITIONS, OpenError, StoreError};
use follow::{Told, follow};
use postgres::{Connections, Connector, Fault, Sizes};
use schema::{Found, prepare};

/// Where its tables lie.
const SCHEMA: &str = "regledger_state";

/// Commits that are carried out at a time, and connections for leases: no number of reads or commits keeps one from being
/// renewed.
const WRITERS: usize = 8;
const KEEPERS: usize = 2;

/// A state store in a PostgreSQL database.
pub struct PostgresStore {
    connections: Connections,
    told: Arc<Told>,
    ledger: Arc<str>,
    /// Whether commits are taken; held by those that are carried out.
    open: RwLock<bool>,
    follower: Mutex<Option<JoinHandle<()>>>,
    /// Ends the follower, also if the store is not closed.
    stop: DropGuard,
}

impl PostgresStore {
    /// Connects to the database of a URL, as in `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, makes or brings up to date the
    /// tables in its schema `regledger_state`, and takes them for the ledger of this id and number of partitions (at most
    /// [`MAX_PARTITIONS`]). At most `readers` reads run at a time.
    ///
    /// The URL is as [`Connector::new`] reads it.
    ///
    /// # Errors
    /// [`OpenError`], also if the tables are those of another ledger, or if the database is away.
    pub async fn open(url: &str, ledger: &str, partitions: u32, readers: usize) -> Result<Self, OpenError> {
        if partitions > MAX_PARTITIONS {
            return Err(OpenError::TooManyPartitions { asked: partitions });
        }
        let connector = Connector::new(url, SCHEMA).map_err(OpenError::database)?;
        let sizes = Sizes { readers, writers: WRITERS, keepers: KEEPERS };
        let connections = Connections::new(&connector, sizes).map_err(OpenError::database)?;
        let expected = || ledger.to_owned();
        let next = match prepare(&connections, ledger, partitions).await.map_err(OpenError::database)? {
            Found::Ours(next) => next,
            Found::OtherLedger(found) => {
                return Err(OpenError::OtherLedger { store: connector.name(), found, expected: expected() });
            }
            Found::Newer(found) => return Err(OpenError::Newer { store: connector.name(), found }),
        };
        let (told, ledger, stop) = (Arc::new(Told::new(next)), Arc::from(ledger), CancellationToken::new());
        let follower = tokio::spawn({
            let (told, ledger, stop) = (told.clone(), Arc::clone(&ledger), stop.clone());
            async move { follow(&told, &connector, &ledger, stop).await }
        });
        let (open, follower) = (RwLock::new(true), Mutex::new(Some(follower)));
        Ok(Self { connections, told, ledger, open, follower, stop: stop.drop_guard() })
    }

    async fn cursor(&self, partition: u32) -> Result<Cursor, StoreError> {
        let sql = "SELECT next, ledger_time FROM cursor WHERE partition = $1";
        let rows = self.read(sql, &[&partition.cast_signed()]).await?;
        let row = rows.first().ok_or(StoreError::NoSuchPartition { partition })?;
        let (next, time): (i64, &str) = (get(row, 0)?, get(row, 1)?);
        Cursor::read(partition, next, time)
    }

    async fn rows(&self, keys: Vec<RowKey>) -> Result<Vec<(RowKey, Option<Row>)>, StoreError> {
        let sql = "SELECT asked.number - 1, d.body
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (kind, id, number)
            JOIN document d ON d.kind = asked.kind AND d.id = asked.id";
        let kinds: Vec<&str> = keys.iter().map(|key| key.kind.as_str()).collect();
        let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
        let found = self.read(sql, &[&kinds, &ids]).await?;
        let mut rows: Vec<(RowKey, Option<Row>)> = keys.into_iter().map(|key| (key, None)).collect();
        for row in &found {
            let (number, body): (i64, &str) = (get(row, 0)?, get(row, 1)?);
            if let Some((key, row)) = usize::try_from(number).ok().and_then(|number| rows.get_mut(number)) {
                *row = Some(row_of(key, body.as_bytes())?);
            }
        }
        Ok(rows)
    }

    async fn row(&self, key: RowKey) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(vec![key]).await?.pop().and_then(|(_, row)| row))
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (partition, expected, next) = (commit.partition, commit.expected, commit.next);
        let checked = Checked::new(commit, u32::try_from(self.told.partitions()).unwrap_or(MAX_PARTITIONS))?;
        let open = self.open.read().await;
        if !*open {
            return Err(CommitError::Closed);
        }
        match write::commit(&self.connections, &self.ledger, &checked).await {
            Ok(true) => {
                self.told.advance(partition, next);
                Ok(())
            }
            Ok(false) => Err(CommitError::Fenced { partition, expected }),
            Err(failure) => {
                self.told.failing(failure.fault());
                Err(failure.into())
            }
        }
    }

    async fn close(&self) {
        // Waits for the commits that are being carried out.
        *self.open.write().await = false;
        self.told.end();
        let follower = self.follower.lock().take();
        if let Some(follower) = follower {
            self.stop.token().cancel();
            // A panic of the task has been reported by the panic hook.
            let _ = follower.await;
        }
    }

    async fn read(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        Ok(self.connections.read(sql, values).await?)
    }
}

/// A column of a row.
fn get<'a, T>(row: &'a tokio_postgres::Row, column: usize) -> Result<T, StoreError>
where
    T: tokio_postgres::types::FromSql<'a>,
{
    row.try_get(column).map_err(|error| Fault::from(error).into())
}
