//! The store in a PostgreSQL database, which any number of processes share; apart from the state store, whose schema can be
//! dropped.

mod contract;
mod read;
mod write;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;
use postgres::{Connections, Connector, Fault, Migrated, Sizes, abandon, answer, explain, migrate};
use tokio::sync::{RwLock, watch};
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Birth, Cause, OpenError, OutboxError};

/// Where its tables lie.
const SCHEMA: &str = "regledger_deliveries";

const MIGRATIONS: &[&str] = &[include_str!("postgres_schema/001-deliveries.sql")];

/// "rgDL": held while tables are made.
const LOCK: i64 = i32::from_be_bytes(*b"rgDL") as i64;

/// Settlements that are written at a time.
const WRITERS: usize = 4;

/// How long after a failure it is tried whether the database answers.
const PROBE: Duration = Duration::from_secs(1);

/// A delivery store in a PostgreSQL database.
pub struct PostgresOutbox {
    birth: Birth,
    connections: Arc<Connections>,
    standing: Arc<watch::Sender<Option<String>>>,
    /// Whether anything is written; held by what is being written.
    open: RwLock<bool>,
}

impl PostgresOutbox {
    /// Connects to the database of a URL, as [`Connector::new`] reads it, and makes or brings up to date the tables in its
    /// schema `regledger_deliveries`; new ones are born now. Those of an earlier era of the ledger begin anew. At most `readers`
    /// reads run at a time.
    ///
    /// # Errors
    /// [`OpenError`], also if the tables belong to another ledger, or the database is away.
    pub async fn open(url: &str, born: Birth, readers: usize) -> Result<Self, OpenError> {
        let connector = Connector::new(url, SCHEMA).map_err(OpenError::database)?;
        let sizes = Sizes { readers, writers: WRITERS, keepers: 1 };
        let connections = Connections::new(&connector, sizes).map_err(OpenError::database)?;
        let expected = born.ledger.clone();
        let birth = match prepare(&connections, born).await.map_err(OpenError::database)? {
            Ok(birth) => birth,
            Err(found) => return Err(OpenError::Newer { store: connector.name(), found }),
        };
        if birth.ledger != expected {
            return Err(OpenError::OtherLedger { store: connector.name(), found: birth.ledger, expected });
        }
        let (connections, standing) = (Arc::new(connections), Arc::new(watch::Sender::new(None)));
        Ok(Self { birth, connections, standing, open: RwLock::new(true) })
    }

    async fn read(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<tokio_postgres::Row>, OutboxError> {
        self.connections.read(sql, values).await.map_err(|fault| self.failing(fault))
    }

    /// Carries out a transaction; none if it wants to write nothing.
    async fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<Option<T>, Fault>,
    ) -> Result<Option<T>, OutboxError> {
        let open = self.open.read().await;
        if !*open {
            return Err(OutboxError::Closed);
        }
        let mut connection = self.connections.writer().await.map_err(|fault| self.failing(fault))?;
        let done = carry_out(&mut connection, work).await;
        if done.is_err() {
            // Whatever the database still does with it, nobody waits behind it.
            abandon(connection);
        }
        done.map_err(|fault| self.failing(fault))
    }

    /// Notes that the database fails, until it answers again.
    fn failing(&self, fault: Fault) -> OutboxError {
        let reason = explain(&fault);
        let is_news = self.standing.send_if_modified(|known| {
            let is_news = known.is_none();
            *known = Some(reason.clone());
            is_news
        });
        if is_news {
            tracing::error!(reason, "the delivery store fails");
            tokio::spawn(probe(self.connections.clone(), self.standing.clone()));
        }
        let damage = fault.is_damage();
        let source: Cause = Arc::new(fault);
        if damage { OutboxError::Damaged { source } } else { OutboxError::Unavailable { source } }
    }
}

async fn carry_out<T>(
    connection: &mut Object,
    work: impl AsyncFnOnce(&Transaction<'_>) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let transaction = answer(connection.transaction()).await?;
    match work(&transaction).await? {
        Some(done) => {
            answer(transaction.commit()).await?;
            Ok(Some(done))
        }
        None => {
            answer(transaction.rollback()).await?;
            Ok(None)
        }
    }
}

/// Asks until the database answers.
async fn probe(connections: Arc<Connections>, standing: Arc<watch::Sender<Option<String>>>) {
    loop {
        tokio::time::sleep(PROBE).await;
        if standing.is_closed() {
            return;
        }
        if connections.keep("UPDATE birth SET era = era", &[]).await.is_ok() {
            standing.send_replace(None);
            tracing::info!("the delivery store works again");
            return;
        }
    }
}

/// The birth of the store, which is now if it has none of this era; or the version of tables that are newer.
async fn prepare(connections: &Connections, born: Birth) -> Result<Result<Birth, i32>, Fault> {
    let mut connection = connections.writer().await?;
    let transaction = connection.transaction().await?;
    if let Migrated::Newer(newer) = migrate(&transaction, connections.schema(), LOCK, MIGRATIONS).await? {
        return Ok(Err(newer));
    }
    let found = transaction.query_opt("SELECT ledger, era, heads FROM birth", &[]).await?;
    let found = found.map(|row| birth(&row)).transpose()?;
    let birth = match found.filter(|found| found.ledger != born.ledger || found.era == born.era) {
        Some(found) => found,
        None => {
            transaction.batch_execute("TRUNCATE birth, subscription, cursor, delivery, attempt").await?;
            let heads: Vec<i64> = born.heads.iter().map(|head| head.cast_signed()).collect();
            let era = born.era.map(|era| era.to_string()).unwrap_or_default();
            let sql = "INSERT INTO birth (ledger, era, heads) VALUES ($1, $2, $3)";
            transaction.execute(sql, &[&born.ledger, &era, &heads]).await?;
            born
        }
    };
    transaction.commit().await?;
    Ok(Ok(birth))
}

fn birth(row: &tokio_postgres::Row) -> Result<Birth, Fault> {
    let (era, heads): (String, Vec<i64>) = (row.try_get(1)?, row.try_get(2)?);
    let heads = heads.into_iter().map(i64::cast_unsigned).collect();
    Ok(Birth { ledger: row.try_get(0)?, era: Uuid::parse_str(&era).ok(), heads })
}
