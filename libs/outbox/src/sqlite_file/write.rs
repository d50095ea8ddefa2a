//! What the writer's thread does.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use uuid::Uuid;

use super::read::{Conditions, keys};
use crate::delivery::{KEPT_ATTEMPTS, micros};
use crate::{At, Attempt, DeliveryFilter, DeliveryState, Held, Settlement, Taken};

/// What is asked for.
pub(super) enum Op {
    Take { subscription: Uuid, epoch: Uuid, run: u64, now: Timestamp },
    Begin { subscription: Uuid, epoch: Uuid, run: u64, next: Vec<u64> },
    Settle(Box<Settlement>),
    Replay { filter: Box<DeliveryFilter>, now: Timestamp },
    Forget(Uuid),
}

/// What became of it.
pub(super) enum Done {
    /// None: there is nothing of the subscription, or it is somebody else's.
    Taken(Option<Taken>),
    /// Whether it was settled.
    Settled(bool),
    /// How many rows were changed.
    Changed(u64),
}

pub(super) type Apply = fn(&Transaction<'_>, &[Op]) -> rusqlite::Result<Vec<Done>>;

pub(super) fn apply(transaction: &Transaction<'_>, ops: &[Op]) -> rusqlite::Result<Vec<Done>> {
    ops.iter().map(|op| carry_out(transaction, op)).collect()
}

fn carry_out(transaction: &Transaction<'_>, op: &Op) -> rusqlite::Result<Done> {
    Ok(match op {
        Op::Take { subscription, epoch, run, now } => {
            Done::Taken(take(transaction, *subscription, *epoch, *run, *now)?)
        }
        Op::Begin { subscription, epoch, run, next } => {
            begin(transaction, *subscription, *epoch, *run, next)?;
            let next = next.iter().map(|position| (*position, 0)).collect();
            Done::Taken(Some(Taken { next, ..Taken::default() }))
        }
        Op::Settle(settlement) => Done::Settled(settle(transaction, settlement)?),
        Op::Replay { filter, now } => Done::Changed(replay(transaction, filter, *now)?),
        Op::Forget(subscription) => {
            for table in ["cursor", "delivery", "attempt"] {
                delete(transaction, table, *subscription)?;
            }
            transaction.execute("DELETE FROM subscription WHERE id = ?1", [subscription.to_string()])?;
            Done::Changed(0)
        }
    })
}

fn delete(transaction: &Transaction<'_>, table: &str, subscription: Uuid) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {table} WHERE subscription = ?1");
    transaction.execute(&sql, [subscription.to_string()]).map(drop)
}

fn take(
    transaction: &Transaction<'_>,
    subscription: Uuid,
    epoch: Uuid,
    run: u64,
    now: Timestamp,
) -> rusqlite::Result<Option<Taken>> {
    let id = subscription.to_string();
    let sql = "UPDATE subscription SET epoch = ?2 WHERE id = ?1 AND run = ?3 RETURNING failing_since";
    let failing: Option<Option<i64>> =
        transaction.query_row(sql, params![id, epoch.to_string(), run.cast_signed()], |row| row.get(0)).optional()?;
    let Some(failing) = failing else {
        return Ok(None);
    };
    // What is beyond its cursor is read again, and in its order.
    let sql = "DELETE FROM delivery WHERE subscription = ?1 AND state = 'held' AND EXISTS (
        SELECT 1 FROM cursor c WHERE c.subscription = ?1 AND c.partition = delivery.place >> 54 AND c.place <= delivery.place)";
    transaction.execute(sql, [&id])?;
    let sql = "UPDATE delivery SET next_time = ?2 WHERE subscription = ?1 AND state = 'held' AND next_time IS NULL
        AND place = (SELECT min(first.place) FROM delivery first WHERE first.subscription = ?1 AND first.state = 'held'
            AND first.order_key = delivery.order_key)";
    transaction.execute(sql, params![id, micros(now)])?;
    let sql = "SELECT place FROM cursor WHERE subscription = ?1 ORDER BY partition";
    let mut statement = transaction.prepare_cached(sql)?;
    let next = statement.query_map([&id], |row| row.get(0))?;
    let next = next.map(|place| place.map(At::unpacked).map(|at| (at.position, at.ordinal)));
    let next = next.collect::<rusqlite::Result<_>>()?;
    let failing_since = failing.map(crate::delivery::time);
    Ok(Some(Taken { next, keys: keys(transaction, &id)?, failing_since }))
}

fn begin(
    transaction: &Transaction<'_>,
    subscription: Uuid,
    epoch: Uuid,
    run: u64,
    next: &[u64],
) -> rusqlite::Result<()> {
    let id = subscription.to_string();
    let sql = "INSERT INTO subscription (id, epoch, run) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET epoch = excluded.epoch, run = excluded.run, failing_since = NULL";
    transaction.execute(sql, params![id, epoch.to_string(), run.cast_signed()])?;
    delete(transaction, "cursor", subscription)?;
    for (partition, position) in (0..).zip(next) {
        move_cursor(transaction, &id, (partition, *position, 0))?;
    }
    let sql = "UPDATE delivery SET state = 'dead', next_time = NULL WHERE subscription = ?1 AND state = 'held' AND EXISTS (
        SELECT 1 FROM cursor c WHERE c.subscription = ?1 AND c.partition = delivery.place >> 54 AND c.place > delivery.place)";
    transaction.execute(sql, [&id])?;
    transaction.execute("DELETE FROM delivery WHERE subscription = ?1 AND state = 'held'", [&id]).map(drop)
}

fn move_cursor(
    transaction: &Transaction<'_>,
    id: &str,
    (partition, position, ordinal): (u32, u64, u16),
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO cursor (subscription, partition, place) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET place = excluded.place";
    let place = At { partition, position, ordinal }.packed();
    transaction.prepare_cached(sql)?.execute(params![id, partition, place]).map(drop)
}

/// Writes a settlement; false if somebody else has taken the subscription over.
fn settle(transaction: &Transaction<'_>, settlement: &Settlement) -> rusqlite::Result<bool> {
    let id = settlement.subscription.to_string();
    // The fence: whoever took the subscription over meanwhile goes on from what is written already.
    let sql = "UPDATE subscription SET failing_since = ?3 WHERE id = ?1 AND epoch = ?2";
    let failing_since = settlement.failing_since.map(micros);
    let ours = transaction.prepare_cached(sql)?.execute(params![id, settlement.epoch.to_string(), failing_since])?;
    if ours == 0 {
        return Ok(false);
    }
    for next in &settlement.next {
        move_cursor(transaction, &id, *next)?;
    }
    for (state, deliveries) in [(DeliveryState::Held, &settlement.held), (DeliveryState::Dead, &settlement.dead)] {
        for held in deliveries {
            keep(transaction, &id, state, held)?;
        }
    }
    let sql = "DELETE FROM delivery WHERE subscription = ?1 AND place = ?2";
    for at in &settlement.done {
        transaction.prepare_cached(sql)?.execute(params![id, at.packed()])?;
    }
    if let Some(now) = settlement.hasten {
        let sql = "UPDATE delivery SET next_time = ?2 WHERE subscription = ?1 AND state = 'held' AND next_time > ?2";
        transaction.execute(sql, params![id, micros(now)])?;
    }
    note_attempts(transaction, &id, &settlement.attempts)?;
    Ok(true)
}

fn keep(transaction: &Transaction<'_>, id: &str, state: DeliveryState, held: &Held) -> rusqlite::Result<()> {
    let sql = "INSERT INTO delivery (subscription, place, state, order_key, change, type, recorded_time, attempts,
            first_failure, next_time, reason)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (subscription, place) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
            first_failure = excluded.first_failure, next_time = excluded.next_time, reason = excluded.reason";
    transaction.prepare_cached(sql)?.execute(params![
        id,
        held.at.packed(),
        state.as_str(),
        held.key,
        held.change,
        held.kind,
        micros(held.recorded_time),
        held.attempts,
        held.first_failure.map(micros),
        held.next_time.map(micros),
        held.reason,
    ])?;
    Ok(())
}

fn note_attempts(transaction: &Transaction<'_>, id: &str, attempts: &[Attempt]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO attempt (subscription, time, change, outcome, status, microseconds, answer)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = transaction.prepare_cached(sql)?;
    for attempt in attempts.iter().skip(attempts.len().saturating_sub(KEPT_ATTEMPTS)) {
        let Attempt { time, change, outcome, status, microseconds, answer } = attempt;
        insert.execute(params![id, micros(*time), change, outcome, status, microseconds.cast_signed(), answer])?;
    }
    if attempts.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM attempt WHERE subscription = ?1 AND number <= (
        SELECT number FROM attempt WHERE subscription = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";
    transaction.prepare_cached(sql)?.execute(params![id, KEPT_ATTEMPTS as i64])?;
    Ok(())
}

fn replay(transaction: &Transaction<'_>, filter: &DeliveryFilter, now: Timestamp) -> rusqlite::Result<u64> {
    let mut conditions = Conditions::of(filter);
    let now = conditions.bind(micros(now));
    // Behind another one of its key it is attempted when that has arrived.
    let sql = format!(
        "UPDATE delivery SET next_time = {now},
            attempts = CASE state WHEN 'dead' THEN 0 ELSE attempts END,
            first_failure = CASE state WHEN 'dead' THEN NULL ELSE first_failure END, state = 'held'
        WHERE (state = 'dead' OR next_time IS NOT NULL) AND {}",
        conditions.sql()
    );
    let changed = transaction.execute(&sql, conditions.values())?;
    Ok(changed as u64)
}
