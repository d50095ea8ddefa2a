//! What the writer's thread does to commit.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};
use sqlite::Work;
use tokio::sync::watch;

use crate::changes::nanoseconds;
use crate::commit::{Checked, WrittenRow};
use crate::place::{integer, pack};

const MOVE_CURSOR: &str = "UPDATE cursor SET next = ?3, ledger_time = ?4 WHERE partition = ?1 AND next = ?2
    AND EXISTS (SELECT 1 FROM lease WHERE name = ?5 AND epoch = ?6)";
/// Indexes are left alone where none of their columns has changed.
const UPDATE: &str = "UPDATE document SET body = ?5 WHERE kind = ?1 AND id = ?2 AND domain IS ?3 AND state IS ?4
    RETURNING number";
const UPDATE_COLUMNS: &str = "UPDATE document SET body = ?5, domain = ?3, state = ?4 WHERE kind = ?1 AND id = ?2
    RETURNING number";
const INSERT: &str = "INSERT INTO document (kind, id, place, domain, integration, tenant, state, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const CHANGE: &str = "INSERT INTO change (place, document, type, recorded_time, body) VALUES (?1, ?2, ?3, ?4, ?5)";

/// A rebuild writes rows all over the table. With SQLite's own 2 MB of cache most of their pages would be written several times
/// in one transaction. It is the connection's own, and costs nothing to repeat.
const ROOM: &str = "PRAGMA cache_size = -65536";

/// Where a commit moved the cursor of its partition; none if it was fenced.
pub(crate) type Moved = Option<(u32, u64)>;

/// Commits batches, and publishes how far each partition is.
pub(crate) struct Committer {
    heads: watch::Sender<Vec<u64>>,
}

impl Committer {
    pub(crate) fn new(heads: watch::Sender<Vec<u64>>) -> Self {
        Self { heads }
    }
}

impl Work<Checked, Moved> for Committer {
    fn apply(&mut self, transaction: &Transaction<'_>, commits: &[Checked]) -> rusqlite::Result<Vec<Moved>> {
        transaction.execute_batch(ROOM)?;
        commits.iter().map(|checked| apply(transaction, checked)).collect()
    }

    fn committed(&mut self, _connection: &Connection, moved: &[Moved]) {
        self.heads.send_modify(|heads| {
            for (partition, next) in moved.iter().flatten() {
                if let Some(head) = heads.get_mut(*partition as usize) {
                    *head = *next;
                }
            }
        });
    }

    fn reopened(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let found = heads(connection, self.heads.borrow().len())?;
        self.heads.send_if_modified(|heads| std::mem::replace(heads, found.clone()) != found);
        Ok(())
    }
}

/// The first position of each partition that has not been folded.
pub(crate) fn heads(connection: &Connection, partitions: usize) -> rusqlite::Result<Vec<u64>> {
    let mut statement = connection.prepare("SELECT next FROM cursor ORDER BY partition LIMIT ?1")?;
    let rows = statement.query_map([integer(partitions as u64)], |row| row.get(0))?;
    rows.map(|next: rusqlite::Result<i64>| next.map(i64::cast_unsigned)).collect()
}

fn apply(transaction: &Transaction<'_>, checked: &Checked) -> rusqlite::Result<Moved> {
    let Checked { commit, subjects } = checked;
    // The fence: whoever claimed the lease meanwhile works on the partition now, and whoever moved the cursor has written these
    // rows and changes already.
    let moved = transaction.prepare_cached(MOVE_CURSOR)?.execute(params![
        commit.partition,
        integer(commit.expected),
        integer(commit.next),
        commit.ledger_time.to_string(),
        &*commit.lease.name,
        commit.lease.epoch.to_string(),
    ])?;
    if moved == 0 {
        return Ok(None);
    }
    let numbers = commit.rows.iter().map(|row| write_row(transaction, row)).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut insert = transaction.prepare_cached(CHANGE)?;
    for (change, subject) in commit.changes.iter().zip(subjects) {
        insert.execute(params![
            pack(commit.partition, change.position, change.ordinal),
            numbers[*subject],
            change.kind.short(),
            nanoseconds(change.recorded_time),
            Json(&change.body),
        ])?;
    }
    Ok(Some((commit.partition, commit.next)))
}

/// Writes a row; returns its number.
fn write_row(transaction: &Transaction<'_>, row: &WrittenRow) -> rusqlite::Result<i64> {
    let kind = row.key.kind.as_str();
    for update in [UPDATE, UPDATE_COLUMNS] {
        let values = params![kind, row.key.id, row.domain, row.state, Json(&row.body)];
        let updated = transaction.prepare_cached(update)?.query_row(values, |found| found.get(0)).optional()?;
        if let Some(number) = updated {
            return Ok(number);
        }
    }
    transaction.prepare_cached(INSERT)?.execute(params![
        kind,
        row.key.id,
        row.place,
        row.domain,
        row.integration,
        row.tenant,
        row.state,
        Json(&row.body),
    ])?;
    Ok(transaction.last_insert_rowid())
}

/// JSON that serde wrote, so UTF-8, as SQLite's text.
struct Json<'a>(&'a [u8]);

impl ToSql for Json<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}
