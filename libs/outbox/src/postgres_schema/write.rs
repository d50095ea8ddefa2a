//! What is written, each in one transaction.

use jiff::Timestamp;
use postgres::{Fault, answer};
use tokio_postgres::Transaction;
use uuid::Uuid;

use super::read::Conditions;
use crate::delivery::{KEPT_ATTEMPTS, micros, time};
use crate::{At, Attempt, DeliveryFilter, DeliveryState, Held, Settlement, Taken};

/// What is beyond its cursor is read again, and in its order.
const FORGET_BEYOND: &str = "DELETE FROM delivery d USING cursor c WHERE d.subscription = $1 AND d.state = 'held'
    AND c.subscription = d.subscription AND c.partition = (d.place >> 54)::integer AND c.place <= d.place";

const FIRST_IS_DUE: &str = "UPDATE delivery d SET next_time = $2 FROM (
        SELECT order_key, min(place) AS place FROM delivery WHERE subscription = $1 AND state = 'held' GROUP BY order_key
    ) first WHERE d.subscription = $1 AND d.place = first.place AND d.next_time IS NULL";

const KEYS: &str = "SELECT DISTINCT order_key FROM delivery WHERE subscription = $1 AND state = 'held'";

const KEEP: &str = "INSERT INTO delivery (subscription, place, state, order_key, change, type, recorded_time, attempts,
        first_failure, next_time, reason)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
    ON CONFLICT (subscription, place) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
        first_failure = excluded.first_failure, next_time = excluded.next_time, reason = excluded.reason";

const ATTEMPTS: &str = "INSERT INTO attempt (subscription, time, change, outcome, status, microseconds, answer)
    SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::text[])";

const FORGET_ATTEMPTS: &str = "DELETE FROM attempt WHERE subscription = $1 AND number <= (
    SELECT number FROM attempt WHERE subscription = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)";

const MOVE_CURSORS: &str = "INSERT INTO cursor (subscription, partition, place)
    SELECT $1, * FROM unnest($2::integer[], $3::bigint[])
    ON CONFLICT (subscription, partition) DO UPDATE SET place = excluded.place";

pub(super) async fn take(
    transaction: &Transaction<'_>,
    subscription: Uuid,
    epoch: Uuid,
    run: u64,
    now: Timestamp,
) -> Result<Option<Taken>, Fault> {
    let sql = "UPDATE subscription SET epoch = $2 WHERE id = $1 AND run = $3 RETURNING failing_since";
    let values = [&subscription as _, &epoch as _, &run.cast_signed() as _];
    let Some(row) = answer(transaction.query_opt(sql, &values)).await? else {
        return Ok(None);
    };
    let failing: Option<i64> = row.try_get(0)?;
    answer(transaction.execute(FORGET_BEYOND, &[&subscription])).await?;
    answer(transaction.execute(FIRST_IS_DUE, &[&subscription, &micros(now)])).await?;
    let sql = "SELECT place FROM cursor WHERE subscription = $1 ORDER BY partition";
    let mut next = Vec::new();
    for row in answer(transaction.query(sql, &[&subscription])).await? {
        let at = At::unpacked(row.try_get(0)?);
        next.push((at.position, at.ordinal));
    }
    let keys = answer(transaction.query(KEYS, &[&subscription])).await?;
    let keys = keys.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(Some(Taken { next, keys, failing_since: failing.map(time) }))
}

pub(super) async fn begin(
    transaction: &Transaction<'_>,
    subscription: Uuid,
    epoch: Uuid,
    run: u64,
    next: Vec<u64>,
) -> Result<Option<Taken>, Fault> {
    let sql = "INSERT INTO subscription (id, epoch, run) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, run = excluded.run, failing_since = NULL";
    answer(transaction.execute(sql, &[&subscription, &epoch, &run.cast_signed()])).await?;
    answer(transaction.execute("DELETE FROM cursor WHERE subscription = $1", &[&subscription])).await?;
    let cursors: Vec<_> = (0..).zip(&next).map(|(partition, position)| (partition, *position, 0)).collect();
    move_cursors(transaction, subscription, &cursors).await?;
    let sql = "UPDATE delivery SET state = 'dead', next_time = NULL FROM cursor c
        WHERE delivery.subscription = $1 AND state = 'held'
            AND c.subscription = $1 AND c.partition = delivery.place >> 54 AND c.place > delivery.place";
    answer(transaction.execute(sql, &[&subscription])).await?;
    let sql = "DELETE FROM delivery WHERE subscription = $1 AND state = 'held'";
    answer(transaction.execute(sql, &[&subscription])).await?;
    let next = next.into_iter().map(|position| (position, 0)).collect();
    Ok(Some(Taken { next, ..Taken::default() }))
}

async fn move_cursors(
    transaction: &Transaction<'_>,
    subscription: Uuid,
    next: &[(u32, u64, u16)],
) -> Result<(), Fault> {
    if next.is_empty() {
        return Ok(());
    }
    let partitions: Vec<i32> = next.iter().map(|(partition, ..)| partition.cast_signed()).collect();
    let place = |&(partition, position, ordinal)| At { partition, position, ordinal }.packed();
    let places: Vec<i64> = next.iter().map(place).collect();
    let statement = answer(transaction.prepare(MOVE_CURSORS)).await?;
    answer(transaction.execute(&statement, &[&subscription, &partitions, &places])).await?;
    Ok(())
}

/// Writes a settlement; none if somebody else has taken the subscription over.
pub(super) async fn settle(transaction: &Transaction<'_>, settlement: &Settlement) -> Result<Option<()>, Fault> {
    let id = settlement.subscription;
    // The fence: whoever takes the subscription over waits for this to end, and goes on from what is written then.
    let sql = "UPDATE subscription SET failing_since = $3 WHERE id = $1 AND epoch = $2";
    let failing_since = settlement.failing_since.map(micros);
    if answer(transaction.execute(sql, &[&id, &settlement.epoch, &failing_since])).await? == 0 {
        return Ok(None);
    }
    move_cursors(transaction, id, &settlement.next).await?;
    keep(transaction, id, settlement).await?;
    if !settlement.done.is_empty() {
        let places: Vec<i64> = settlement.done.iter().map(|at| at.packed()).collect();
        let sql = "DELETE FROM delivery WHERE subscription = $1 AND place = ANY($2)";
        answer(transaction.execute(sql, &[&id, &places])).await?;
    }
    if let Some(now) = settlement.hasten {
        let sql = "UPDATE delivery SET next_time = $2 WHERE subscription = $1 AND state = 'held' AND next_time > $2";
        answer(transaction.execute(sql, &[&id, &micros(now)])).await?;
    }
    note_attempts(transaction, id, &settlement.attempts).await?;
    Ok(Some(()))
}

async fn keep(transaction: &Transaction<'_>, id: Uuid, settlement: &Settlement) -> Result<(), Fault> {
    if settlement.held.is_empty() && settlement.dead.is_empty() {
        return Ok(());
    }
    let statement = answer(transaction.prepare(KEEP)).await?;
    for (state, deliveries) in [(DeliveryState::Held, &settlement.held), (DeliveryState::Dead, &settlement.dead)] {
        for held in deliveries {
            let Held { at, key, change, kind, recorded_time, attempts, first_failure, next_time, reason } = held;
            let (first, next) = (first_failure.map(micros), next_time.map(micros));
            let (place, recorded, attempts) = (at.packed(), micros(*recorded_time), i64::from(*attempts));
            let word = state.as_str();
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 11] =
                [&id, &place, &word, key, change, kind, &recorded, &attempts, &first, &next, reason];
            answer(transaction.execute(&statement, &values)).await?;
        }
    }
    Ok(())
}

async fn note_attempts(transaction: &Transaction<'_>, id: Uuid, attempts: &[Attempt]) -> Result<(), Fault> {
    if attempts.is_empty() {
        return Ok(());
    }
    let last = &attempts[attempts.len().saturating_sub(KEPT_ATTEMPTS)..];
    let times: Vec<i64> = last.iter().map(|attempt| micros(attempt.time)).collect();
    let changes: Vec<&str> = last.iter().map(|attempt| attempt.change.as_str()).collect();
    let outcomes: Vec<&str> = last.iter().map(|attempt| attempt.outcome.as_str()).collect();
    let statuses: Vec<Option<i32>> = last.iter().map(|attempt| attempt.status.map(i32::from)).collect();
    let durations: Vec<i64> = last.iter().map(|attempt| attempt.microseconds.cast_signed()).collect();
    let answers: Vec<&str> = last.iter().map(|attempt| attempt.answer.as_str()).collect();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&id, &times, &changes, &outcomes, &statuses, &durations, &answers];
    answer(transaction.execute(ATTEMPTS, &values)).await?;
    answer(transaction.execute(FORGET_ATTEMPTS, &[&id, &(KEPT_ATTEMPTS as i64)])).await?;
    Ok(())
}

pub(super) async fn replay(
    transaction: &Transaction<'_>,
    filter: &DeliveryFilter,
    now: Timestamp,
) -> Result<Option<u64>, Fault> {
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
    answer(transaction.execute(&sql, &conditions.values())).await.map(Some)
}

pub(super) async fn forget(transaction: &Transaction<'_>, subscription: Uuid) -> Result<Option<()>, Fault> {
    for (table, column) in
        [("subscription", "id"), ("cursor", "subscription"), ("delivery", "subscription"), ("attempt", "subscription")]
    {
        let sql = format!("DELETE FROM {table} WHERE {column} = $1");
        answer(transaction.execute(&sql, &[&subscription])).await?;
    }
    Ok(Some(()))
}
