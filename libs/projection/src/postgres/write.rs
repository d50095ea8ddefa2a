//! What a commit does: few statements for any number of rows, in one transaction.
//!
//! Batches are sent as arrays, in pieces: a transaction counts as standing still until a statement has arrived whole, however
//! slow the network. They are not sent by COPY: a server that waits for the rest of a COPY does not notice that the worker
//! which sends it is paused; one that waits for the next statement does, and ends the transaction.

use std::collections::HashMap;

use deadpool_postgres::{Object, Transaction};
use registration::RowKey;
use tokio::time::timeout;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use postgres::{ANSWER, Connections, Failure, Fault, abandon, answer};

use super::follow::channel;
use crate::changes::nanoseconds;
use crate::commit::{Checked, NewChange, WrittenRow};
use crate::place::{integer, pack};

/// The fence. It holds the lease's epoch until the end of the transaction, so that nobody claims the lease in between; and
/// whoever moved the cursor meanwhile has written these rows and changes already.
const MOVE_CURSOR: &str = "WITH epoch AS (SELECT FROM lease WHERE name = $5 AND epoch = $6 FOR KEY SHARE)
    UPDATE cursor SET next = $3, ledger_time = $4
    WHERE partition = $1 AND next = $2 AND EXISTS (SELECT FROM epoch)";

/// Sorted by place, as they come: rows that are new together lie together.
const ROWS: &str = "INSERT INTO document (kind, id, place, domain, integration, tenant, state, terms, body)
    SELECT kind, id, place, domain, integration, tenant, state, terms::bigint[], body
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
        AS written (kind, id, place, domain, integration, tenant, state, terms, body)
    ON CONFLICT (kind, id) DO UPDATE
    SET domain = excluded.domain, state = excluded.state, terms = excluded.terms, body = excluded.body
    RETURNING kind, id, number";

const CHANGES: &str = "INSERT INTO change (place, document, type, recorded_time, body)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[])";

/// Carries out a commit; false if it was fenced.
pub(super) async fn commit(connections: &Connections, ledger: &str, checked: &Checked) -> Result<bool, Failure> {
    let mut connection = connections.writer().await.map_err(Failure::Before)?;
    let committed = transact(&mut connection, ledger, checked).await;
    if committed.is_err() {
        // Whatever the database still does with it, nobody waits behind it.
        abandon(connection);
    }
    committed
}

async fn transact(connection: &mut Object, ledger: &str, checked: &Checked) -> Result<bool, Failure> {
    let Some(transaction) = write(connection, ledger, checked).await.map_err(Failure::Before)? else {
        return Ok(false);
    };
    // Before this, nothing is ever written; after it, only the answer says what was.
    let answer = timeout(ANSWER, transaction.commit()).await.map_err(|_| Failure::At(Fault::Late))?;
    answer.map_err(|error| Failure::At(error.into()))?;
    Ok(true)
}

/// Everything before COMMIT; none if the commit was fenced.
async fn write<'a>(
    connection: &'a mut Object,
    ledger: &str,
    checked: &Checked,
) -> Result<Option<Transaction<'a>>, Fault> {
    let transaction = answer(connection.transaction()).await?;
    if !answer(move_cursor(&transaction, checked)).await? {
        answer(transaction.rollback()).await?;
        return Ok(None);
    }
    let mut numbers = HashMap::with_capacity(checked.commit.rows.len());
    for rows in pieces(&checked.commit.rows, |row| row.body.len()) {
        answer(write_rows(&transaction, rows, &mut numbers)).await?;
    }
    for changes in pieces(&checked.commit.changes, |change| change.body.len()) {
        answer(write_changes(&transaction, checked.commit.partition, changes, &numbers)).await?;
    }
    let told = format!("{}:{}", checked.commit.partition, checked.commit.next);
    let notify = answer(transaction.prepare_cached("SELECT pg_notify($1, $2)")).await?;
    answer(transaction.execute(&notify, &[&channel(ledger), &told])).await?;
    Ok(Some(transaction))
}

async fn move_cursor(transaction: &Transaction<'_>, checked: &Checked) -> Result<bool, Fault> {
    let commit = &checked.commit;
    let statement = transaction.prepare_cached(MOVE_CURSOR).await?;
    let moved = transaction
        .execute(
            &statement,
            &[
                &commit.partition.cast_signed(),
                &integer(commit.expected),
                &integer(commit.next),
                &commit.ledger_time.to_string(),
                &&*commit.lease.name,
                &commit.lease.epoch,
            ],
        )
        .await?;
    Ok(moved == 1)
}

/// The number of each row that was written.
type Numbers<'a> = HashMap<&'a RowKey, i64>;

/// Writes rows, and notes their numbers.
async fn write_rows<'a>(
    transaction: &Transaction<'_>,
    rows: &'a [WrittenRow],
    numbers: &mut Numbers<'a>,
) -> Result<(), Fault> {
    let statement = transaction.prepare_cached(ROWS).await?;
    let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind.as_str()).collect();
    let ids: Vec<&str> = rows.iter().map(|row| row.key.id.as_str()).collect();
    let places: Vec<i64> = rows.iter().map(|row| row.place).collect();
    let domains: Vec<Option<&str>> = rows.iter().map(|row| row.domain.as_deref()).collect();
    let integrations: Vec<Option<&str>> = rows.iter().map(|row| row.integration.as_deref()).collect();
    let tenants: Vec<Option<&str>> = rows.iter().map(|row| row.tenant.as_deref()).collect();
    let states: Vec<Option<&str>> = rows.iter().map(|row| row.state.as_deref()).collect();
    let terms: Vec<String> = rows.iter().map(|row| array(&row.terms)).collect();
    let bodies: Vec<Json<'_>> = rows.iter().map(|row| Json(&row.body)).collect();
    let written = transaction
        .query(&statement, &[&kinds, &ids, &places, &domains, &integrations, &tenants, &states, &terms, &bodies])
        .await?;
    let keys: HashMap<(&str, &str), &RowKey> = rows.iter().map(|row| (named(&row.key), &row.key)).collect();
    for row in &written {
        if let Some(key) = keys.get(&(row.try_get(0)?, row.try_get(1)?)) {
            numbers.insert(key, row.try_get(2)?);
        }
    }
    Ok(())
}

fn named(key: &RowKey) -> (&str, &str) {
    (key.kind.as_str(), &key.id)
}

async fn write_changes(
    transaction: &Transaction<'_>,
    partition: u32,
    changes: &[NewChange],
    numbers: &Numbers<'_>,
) -> Result<(), Fault> {
    let statement = transaction.prepare_cached(CHANGES).await?;
    let places: Vec<i64> = changes.iter().map(|change| pack(partition, change.position, change.ordinal)).collect();
    // The row of each change was written before it; a column that may not be null would say if it was not.
    let documents: Vec<Option<i64>> = changes.iter().map(|change| numbers.get(&change.row).copied()).collect();
    let kinds: Vec<&str> = changes.iter().map(|change| change.kind.short()).collect();
    let times: Vec<i64> = changes.iter().map(|change| nanoseconds(change.recorded_time)).collect();
    let bodies: Vec<Json<'_>> = changes.iter().map(|change| Json(&change.body)).collect();
    transaction.execute(&statement, &[&places, &documents, &kinds, &times, &bodies]).await?;
    Ok(())
}

/// Bytes of bodies that are sent with one statement, unless one alone has more: a second's worth of a slow network.
const PIECE: usize = 1 << 20;

/// Parts of a batch, each of which goes with one statement.
fn pieces<T>(mut items: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let ends = items.iter().scan(0, |sum, item| {
            *sum += bytes(item);
            Some(*sum)
        });
        let fitting = ends.take_while(|end| *end <= PIECE).count();
        let (piece, rest) = items.split_at(fitting.max(1).min(items.len()));
        items = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Numbers as PostgreSQL writes an array: arrays of different lengths cannot be elements of one.
fn array(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

/// JSON that serde wrote, so UTF-8, as PostgreSQL's text.
#[derive(Debug)]
struct Json<'a>(&'a [u8]);

impl ToSql for Json<'_> {
    fn to_sql(&self, _: &Type, out: &mut bytes::BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TEXT
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_where_a_piece_is_full() {
        let whole = PIECE;
        let cases: [(&[usize], &[usize]); 6] = [
            (&[], &[]),
            (&[1], &[1]),
            (&[whole, 1], &[1, 1]),
            (&[1, whole - 1, 1], &[2, 1]),
            (&[whole + 1, whole + 1], &[1, 1]),
            (&[1, whole + 1, 1, 1], &[1, 1, 2]),
        ];
        for (sizes, expected) in cases {
            let cut: Vec<usize> = pieces(sizes, |size| *size).map(<[usize]>::len).collect();
            assert_eq!(cut, expected, "{sizes:?}");
        }
    }
}
