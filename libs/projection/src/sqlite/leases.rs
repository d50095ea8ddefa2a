//! Leases in SQLite: of one process, but with the semantics of many.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sqlite::Work;

use super::SqliteStore;
use super::fault::lease_error;
use super::write::{Committer, Moved};
use crate::commit::Checked;
use crate::{Claim, Claimed, Lease, LeaseError};

/// Milliseconds since 1970.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// What the writer's thread is asked to do.
pub(super) enum Op {
    Commit(Checked),
    Claim(Claim),
    Renew(Vec<Lease>, Duration),
    Release(Lease),
}

/// What became of it.
#[derive(Default)]
pub(super) struct Done {
    /// Of a commit.
    pub(super) moved: Moved,
    /// Of a claim: who else holds the lease, if somebody does.
    holder: Option<String>,
    /// Of a renewal: what is still held.
    renewed: Vec<Lease>,
}

/// Carries out commits and what is asked of leases, in order.
pub(super) struct Writing(pub(super) Committer);

impl Work<Op, Done> for Writing {
    fn apply(&mut self, transaction: &Transaction<'_>, ops: &[Op]) -> rusqlite::Result<Vec<Done>> {
        ops.iter().map(|op| self.carry_out(transaction, op)).collect()
    }

    fn committed(&mut self, connection: &Connection, done: &[Done]) {
        let moved: Vec<Moved> = done.iter().map(|done| done.moved).collect();
        self.0.committed(connection, &moved);
    }

    fn reopened(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.0.reopened(connection)
    }
}

impl Writing {
    fn carry_out(&mut self, transaction: &Transaction<'_>, op: &Op) -> rusqlite::Result<Done> {
        let mut done = Done::default();
        match op {
            Op::Commit(checked) => {
                let moved = self.0.apply(transaction, std::slice::from_ref(checked))?;
                done.moved = moved.into_iter().next().flatten();
            }
            Op::Claim(asked) => done.holder = claim(transaction, asked)?,
            Op::Renew(leases, ttl) => done.renewed = renew(transaction, leases, *ttl)?,
            Op::Release(lease) => {
                let sql = "DELETE FROM lease WHERE name = ?1 AND epoch = ?2";
                transaction.execute(sql, params![&*lease.name, lease.epoch.to_string()])?;
            }
        }
        Ok(done)
    }
}

/// Forgets all leases: the file belongs to one process at a time, so whoever held one is gone.
pub(super) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM lease", []).map(drop)
}

/// Claims a lease; returns who else holds it, if somebody does.
fn claim(transaction: &Transaction<'_>, asked: &Claim) -> rusqlite::Result<Option<String>> {
    let sql = format!(
        "INSERT INTO lease (name, holder, epoch, expires_time) VALUES (?1, ?2, ?3, {NOW} + ?4)
        ON CONFLICT DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch, expires_time = excluded.expires_time
        WHERE lease.holder = excluded.holder OR lease.expires_time <= {NOW}"
    );
    let Claim { lease, holder, ttl } = asked;
    let written = transaction.execute(&sql, params![&*lease.name, &**holder, lease.epoch.to_string(), millis(*ttl)])?;
    if written == 1 {
        return Ok(None);
    }
    let sql = "SELECT holder FROM lease WHERE name = ?1";
    transaction.query_row(sql, [&*lease.name], |row| row.get(0)).map(Some)
}

fn renew(transaction: &Transaction<'_>, leases: &[Lease], ttl: Duration) -> rusqlite::Result<Vec<Lease>> {
    let sql = format!("UPDATE lease SET expires_time = {NOW} + ?3 WHERE name = ?1 AND epoch = ?2 RETURNING 1");
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut renewed = Vec::new();
    for lease in leases {
        let values = params![&*lease.name, lease.epoch.to_string(), millis(ttl)];
        if statement.query_row(values, |_| Ok(())).optional()?.is_some() {
            renewed.push(lease.clone());
        }
    }
    Ok(renewed)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 2)
}

impl SqliteStore {
    pub(super) async fn claim(&self, claim: Claim) -> Result<Claimed, LeaseError> {
        let done = self.write(Op::Claim(claim)).await?;
        Ok(done.holder.map_or(Claimed::Granted, |holder| Claimed::Held { holder }))
    }

    pub(super) async fn renew(&self, leases: Vec<Lease>, ttl: Duration) -> Result<Vec<Lease>, LeaseError> {
        Ok(self.write(Op::Renew(leases, ttl)).await?.renewed)
    }

    pub(super) async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.write(Op::Release(lease)).await.map(drop)
    }

    pub(super) async fn held(&self, prefix: String) -> Result<Vec<(String, String)>, LeaseError> {
        let sql = format!(
            "SELECT name, holder FROM lease
            WHERE substr(name, 1, length(?1)) = ?1 AND expires_time > {NOW} ORDER BY name"
        );
        let held = self.read(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let held = statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(held.collect::<rusqlite::Result<_>>()?)
        });
        Ok(held.await?)
    }

    async fn write(&self, op: Op) -> Result<Done, LeaseError> {
        self.writer.write(op).await.map_err(lease_error)
    }
}
