//! Leases: whose time has run out, the database's clock decides.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use crate::{Claim, Claimed, Lease, LeaseError};
use postgres::Fault;

/// The time is read when the row is locked: a claim may wait for a commit to end.
const CLAIM: &str = "INSERT INTO lease (name, holder, epoch, expires_time)
    VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')
    ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, epoch = excluded.epoch,
        expires_time = clock_timestamp() + $4 * interval '1 millisecond'
    WHERE lease.holder = excluded.holder OR lease.expires_time <= clock_timestamp()
    RETURNING name";

const RENEW: &str = "UPDATE lease SET expires_time = clock_timestamp() + $3 * interval '1 millisecond'
    FROM unnest($1::text[], $2::uuid[]) AS held (name, epoch)
    WHERE lease.name = held.name AND lease.epoch = held.epoch RETURNING lease.epoch";

/// Those that died with their holders, such as a process that was killed.
const FORGET: &str = "DELETE FROM lease WHERE name <> $1 AND expires_time < clock_timestamp() - interval '1 hour'";

impl PostgresStore {
    pub(super) async fn claim(&self, claim: Claim) -> Result<Claimed, LeaseError> {
        let Claim { lease, holder, ttl } = claim;
        self.write(FORGET, &[&&*lease.name]).await?;
        loop {
            let values = [&&*lease.name as _, &&*holder as _, &lease.epoch as _, &millis(ttl) as _];
            if !self.write(CLAIM, &values).await?.is_empty() {
                return Ok(Claimed::Granted);
            }
            let sql = "SELECT holder FROM lease WHERE name = $1";
            // None if it was released in between.
            if let Some(row) = self.write(sql, &[&&*lease.name]).await?.first() {
                let holder = row.try_get(0).map_err(Fault::from)?;
                return Ok(Claimed::Held { holder });
            }
        }
    }

    pub(super) async fn renew(&self, leases: Vec<Lease>, ttl: Duration) -> Result<Vec<Lease>, LeaseError> {
        let names: Vec<&str> = leases.iter().map(|lease| &*lease.name).collect();
        let epochs: Vec<Uuid> = leases.iter().map(|lease| lease.epoch).collect();
        let renewed = self.write(RENEW, &[&names, &epochs, &millis(ttl)]).await?;
        let renewed = renewed.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>();
        let renewed = renewed.map_err(Fault::from)?;
        Ok(leases.iter().filter(|lease| renewed.contains(&lease.epoch)).cloned().collect())
    }

    pub(super) async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        let sql = "DELETE FROM lease WHERE name = $1 AND epoch = $2";
        self.write(sql, &[&&*lease.name, &lease.epoch]).await?;
        Ok(())
    }

    pub(super) async fn held(&self, prefix: String) -> Result<Vec<(String, String)>, LeaseError> {
        let sql = "SELECT name, holder FROM lease
            WHERE starts_with(name, $1) AND expires_time > clock_timestamp() ORDER BY name";
        let held = self.connections.keep(sql, &[&prefix]).await?;
        let held = held.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        Ok(held.collect::<Result<_, tokio_postgres::Error>>().map_err(Fault::from)?)
    }

    async fn write(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, LeaseError> {
        if !*self.open.read().await {
            return Err(LeaseError::Closed);
        }
        Ok(self.connections.keep(sql, values).await?)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
