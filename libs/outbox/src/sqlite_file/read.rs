//! What is asked of the file.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, ParamsFromIter, params, params_from_iter};

use crate::delivery::{micros, time};
use crate::{At, Attempt, Delivery, DeliveryFilter, DeliveryState, Held, Listed};

const HELD: &str = "place, order_key, change, type, recorded_time, attempts, first_failure, next_time, reason";

/// The conditions of a filter, and their values.
pub(super) struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    pub(super) fn of(filter: &DeliveryFilter) -> Self {
        let mut conditions = Self { sql: "1".to_owned(), values: Vec::new() };
        if let Some(subscriptions) = &filter.subscriptions {
            let list = serde_json::json!(subscriptions).to_string();
            conditions.and("subscription IN (SELECT value FROM json_each(?))", Value::Text(list));
        }
        if let Some(state) = filter.state {
            conditions.and("state = ?", Value::Text(state.as_str().to_owned()));
        }
        if let Some(key) = &filter.key {
            conditions.and("order_key = ?", Value::Text(key.clone()));
        }
        if let Some(at) = filter.at {
            conditions.and("place = ?", Value::Integer(at.packed()));
        }
        if let Some(since) = filter.since {
            conditions.and("recorded_time >= ?", Value::Integer(micros(since)));
        }
        if let Some(until) = filter.until {
            conditions.and("recorded_time < ?", Value::Integer(micros(until)));
        }
        conditions
    }

    fn and(&mut self, condition: &str, value: Value) {
        let bound = self.bind(value);
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replacen('?', &bound, 1));
    }

    /// Adds a value; returns how it is written.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn values(&self) -> ParamsFromIter<&[Value]> {
        params_from_iter(self.values.as_slice())
    }
}

pub(super) fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Listed>> {
    let mut conditions = Conditions::of(filter);
    let (after, limit) = (conditions.bind(after), conditions.bind(limit as i64));
    let sql = format!(
        "SELECT {HELD}, number, subscription, state FROM delivery WHERE number > {after} AND {} ORDER BY number LIMIT {limit}",
        conditions.sql()
    );
    let mut statement = connection.prepare(&sql)?;
    let listed = statement.query_map(conditions.values(), |row| {
        let (subscription, state): (String, String) = (row.get(10)?, row.get(11)?);
        let delivery = Delivery {
            subscription: subscription.parse().unwrap_or_default(),
            held: held_of(row)?,
            state: DeliveryState::parse(&state),
        };
        Ok(Listed { number: row.get(9)?, delivery })
    })?;
    listed.collect()
}

fn held_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Held> {
    let maybe = |column| row.get::<_, Option<i64>>(column).map(|micros| micros.map(time));
    Ok(Held {
        at: At::unpacked(row.get(0)?),
        key: row.get(1)?,
        change: row.get(2)?,
        kind: row.get(3)?,
        recorded_time: time(row.get(4)?),
        attempts: row.get(5)?,
        first_failure: maybe(6)?,
        next_time: maybe(7)?,
        reason: row.get(8)?,
    })
}

pub(super) fn held(connection: &Connection, id: &str, key: &str, limit: usize) -> rusqlite::Result<Vec<Held>> {
    let sql = format!(
        "SELECT {HELD} FROM delivery WHERE subscription = ?1 AND order_key = ?2 AND state = 'held' ORDER BY place LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let held = statement.query_map(params![id, key, limit as i64], held_of)?;
    held.collect()
}

/// The keys of which something is held.
pub(super) fn keys(connection: &Connection, id: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT order_key FROM delivery WHERE subscription = ?1 AND state = 'held'";
    let mut statement = connection.prepare_cached(sql)?;
    let keys = statement.query_map([id], |row| row.get(0))?;
    keys.collect()
}

pub(super) fn due(connection: &Connection, id: &str, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT order_key FROM delivery WHERE subscription = ?1 AND state = 'held' AND next_time <= ?2
        ORDER BY next_time, place LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let keys = statement.query_map(params![id, micros(now), limit as i64], |row| row.get(0))?;
    keys.collect()
}

pub(super) fn waiting(connection: &Connection, id: &str) -> rusqlite::Result<(Option<Timestamp>, Option<Timestamp>)> {
    let sql = "SELECT min(next_time), (SELECT recorded_time FROM delivery WHERE subscription = ?1 AND state = 'held'
            ORDER BY recorded_time LIMIT 1)
        FROM delivery WHERE subscription = ?1 AND state = 'held' AND next_time IS NOT NULL";
    let times = |row: &rusqlite::Row<'_>| {
        let (next, oldest): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok((next.map(time), oldest.map(time)))
    };
    connection.prepare_cached(sql)?.query_row([id], times)
}

pub(super) fn count_held(connection: &Connection, id: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM delivery WHERE subscription = ?1 AND state = 'held'";
    let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    Ok(connection.prepare_cached(sql)?.query_row([id], count)?.cast_unsigned())
}

pub(super) fn known(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT id FROM subscription")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    ids.collect()
}

pub(super) fn attempts(connection: &Connection, id: &str, limit: usize) -> rusqlite::Result<Vec<Attempt>> {
    let sql = "SELECT time, change, outcome, status, microseconds, answer FROM attempt
        WHERE subscription = ?1 ORDER BY number DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let attempts = statement.query_map(params![id, limit as i64], |row| {
        Ok(Attempt {
            time: time(row.get(0)?),
            change: row.get(1)?,
            outcome: row.get(2)?,
            status: row.get(3)?,
            microseconds: row.get::<_, i64>(4)?.cast_unsigned(),
            answer: row.get(5)?,
        })
    })?;
    attempts.collect()
}
