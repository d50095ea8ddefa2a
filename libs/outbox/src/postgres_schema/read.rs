//! What is asked of the tables.

use jiff::Timestamp;
use postgres::Fault;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresOutbox;
use crate::delivery::{micros, time};
use crate::{At, Attempt, Delivery, DeliveryFilter, DeliveryState, Held, Listed, OutboxError};

const HELD: &str = "place, order_key, change, type, recorded_time, attempts, first_failure, next_time, reason";

/// The conditions of a filter, and their values.
pub(super) struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql + Send + Sync>>,
}

impl Conditions {
    pub(super) fn of(filter: &DeliveryFilter) -> Self {
        let mut conditions = Self { sql: "true".to_owned(), values: Vec::new() };
        conditions.and("subscription = ANY(?)", filter.subscriptions.clone());
        conditions.and("state = ?", filter.state.map(DeliveryState::as_str));
        conditions.and("order_key = ?", filter.key.clone());
        conditions.and("place = ?", filter.at.map(At::packed));
        conditions.and("recorded_time >= ?", filter.since.map(micros));
        conditions.and("recorded_time < ?", filter.until.map(micros));
        conditions
    }

    fn and(&mut self, condition: &str, value: Option<impl ToSql + Send + Sync + 'static>) {
        if let Some(value) = value {
            let bound = self.bind(value);
            self.sql.push_str(" AND ");
            self.sql.push_str(&condition.replacen('?', &bound, 1));
        }
    }

    /// Adds a value; returns how it is written.
    pub(super) fn bind(&mut self, value: impl ToSql + Send + Sync + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}

impl PostgresOutbox {
    pub(super) async fn list(
        &self,
        filter: DeliveryFilter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Listed>, OutboxError> {
        let mut conditions = Conditions::of(&filter);
        let (after, limit) = (conditions.bind(after), conditions.bind(limit as i64));
        let sql = format!(
            "SELECT {HELD}, number, subscription, state FROM delivery WHERE number > {after} AND {} ORDER BY number LIMIT {limit}",
            conditions.sql()
        );
        let rows = self.read(&sql, &conditions.values()).await?;
        self.all(rows.iter().map(|row| {
            let state: String = row.try_get(11)?;
            let (subscription, held) = (row.try_get(10)?, held_of(row)?);
            let delivery = Delivery { subscription, held, state: DeliveryState::parse(&state) };
            Ok(Listed { number: row.try_get(9)?, delivery })
        }))
    }

    pub(super) async fn held_of(&self, id: Uuid, key: String, limit: usize) -> Result<Vec<Held>, OutboxError> {
        let sql = format!(
            "SELECT {HELD} FROM delivery WHERE subscription = $1 AND order_key = $2 AND state = 'held' ORDER BY place LIMIT $3"
        );
        let rows = self.read(&sql, &[&id, &key, &(limit as i64)]).await?;
        self.all(rows.iter().map(held_of))
    }

    pub(super) async fn due_of(&self, id: Uuid, now: Timestamp, limit: usize) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT order_key FROM delivery WHERE subscription = $1 AND state = 'held' AND next_time <= $2
            ORDER BY next_time, place LIMIT $3";
        let rows = self.read(sql, &[&id, &micros(now), &(limit as i64)]).await?;
        self.all(rows.iter().map(|row| Ok(row.try_get(0)?)))
    }

    pub(super) async fn waiting_of(&self, id: Uuid) -> Result<(Option<Timestamp>, Option<Timestamp>), OutboxError> {
        let sql = "SELECT (SELECT min(next_time) FROM delivery WHERE subscription = $1 AND state = 'held'
                AND next_time IS NOT NULL),
            (SELECT min(recorded_time) FROM delivery WHERE subscription = $1 AND state = 'held')";
        let rows = self.read(sql, &[&id]).await?;
        let times = self.all(rows.iter().map(|row| {
            let (next, oldest): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
            Ok((next.map(time), oldest.map(time)))
        }))?;
        Ok(times.into_iter().next().unwrap_or_default())
    }

    pub(super) async fn count(&self, id: Uuid) -> Result<u64, OutboxError> {
        let sql = "SELECT count(*) FROM delivery WHERE subscription = $1 AND state = 'held'";
        let rows = self.read(sql, &[&id]).await?;
        let counts = self.all(rows.iter().map(|row| Ok(row.try_get::<_, i64>(0)?.cast_unsigned())))?;
        Ok(counts.into_iter().sum())
    }

    pub(super) async fn ids(&self) -> Result<Vec<Uuid>, OutboxError> {
        let rows = self.read("SELECT id FROM subscription", &[]).await?;
        self.all(rows.iter().map(|row| Ok(row.try_get(0)?)))
    }

    pub(super) async fn attempts_of(&self, id: Uuid, limit: usize) -> Result<Vec<Attempt>, OutboxError> {
        let sql = "SELECT time, change, outcome, status, microseconds, answer FROM attempt
            WHERE subscription = $1 ORDER BY number DESC LIMIT $2";
        let rows = self.read(sql, &[&id, &(limit as i64)]).await?;
        self.all(rows.iter().map(|row| {
            let status: Option<i32> = row.try_get(3)?;
            Ok(Attempt {
                time: time(row.try_get(0)?),
                change: row.try_get(1)?,
                outcome: row.try_get(2)?,
                status: status.and_then(|status| u16::try_from(status).ok()),
                microseconds: row.try_get::<_, i64>(4)?.cast_unsigned(),
                answer: row.try_get(5)?,
            })
        }))
    }

    fn all<T>(&self, found: impl Iterator<Item = Result<T, Fault>>) -> Result<Vec<T>, OutboxError> {
        found.collect::<Result<_, _>>().map_err(|fault| self.failing(fault))
    }
}

fn held_of(row: &Row) -> Result<Held, Fault> {
    let maybe = |column| row.try_get::<_, Option<i64>>(column).map(|micros| micros.map(time));
    Ok(Held {
        at: At::unpacked(row.try_get(0)?),
        key: row.try_get(1)?,
        change: row.try_get(2)?,
        kind: row.try_get(3)?,
        recorded_time: time(row.try_get(4)?),
        attempts: u32::try_from(row.try_get::<_, i64>(5)?).unwrap_or(u32::MAX),
        first_failure: maybe(6)?,
        next_time: maybe(7)?,
        reason: row.try_get(8)?,
    })
}
