//! Changes, read from SQLite.

use bytes::Bytes;
use jiff::Timestamp;
use registration::RowKey;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Fault, SqliteStore};
use crate::changes::{nanoseconds, time};
use crate::place::{integer, pack, pack_place, unpack};
use crate::{Place, StoreError, StoredChange};

const SELECT: &str = "SELECT c.place, c.type, d.id, d.integration, d.tenant, c.recorded_time, c.body
    FROM change c JOIN document d ON d.number = c.document";

impl SqliteStore {
    pub(super) async fn changes(
        &self,
        partition: u32,
        from: (u64, u16),
        until: u64,
        limit: usize,
    ) -> Result<Vec<StoredChange>, StoreError> {
        let (from, until) = (pack(partition, from.0, from.1), pack(partition, until, 0));
        self.read(move |connection| {
            let sql = format!("{SELECT} WHERE c.place >= ?1 AND c.place < ?2 ORDER BY c.place LIMIT ?3");
            select(connection, &sql, params![from, until, integer(limit as u64)])
        })
        .await
    }

    pub(super) async fn history(
        &self,
        row: RowKey,
        from: Option<(Place, u16)>,
        limit: usize,
    ) -> Result<Vec<StoredChange>, StoreError> {
        let from = from.map_or(0, |(at, ordinal)| pack(at.partition, at.position, ordinal));
        self.read(move |connection| {
            let sql = format!("{SELECT} WHERE d.kind = ?1 AND d.id = ?2 AND c.place >= ?3 ORDER BY c.place LIMIT ?4");
            let limit = integer(limit as u64);
            select(connection, &sql, params![row.kind.as_str(), row.id, from, limit])
        })
        .await
    }

    pub(super) async fn position_at(&self, partition: u32, time: Timestamp) -> Result<Option<u64>, StoreError> {
        let time = nanoseconds(time);
        let end = self.cursor(partition).await?.next;
        self.read(move |connection| {
            // Recorded times grow with positions. The first position at and after which everything was recorded later:
            let (mut low, mut high) = (0, end);
            while low < high {
                let middle = low + (high - low) / 2;
                match first_recorded(connection, partition, middle, end)? {
                    Some(recorded) if recorded <= time => low = middle + 1,
                    _ => high = middle,
                }
            }
            Ok(low.checked_sub(1))
        })
        .await
    }

    pub(super) async fn time_at(&self, at: Place) -> Result<Option<Timestamp>, StoreError> {
        let first = pack_place(Place { position: 0, ..at });
        let end = pack_place(Place { position: at.position.saturating_add(1), ..at });
        let sql = "SELECT recorded_time FROM change WHERE place >= ?1 AND place < ?2
            ORDER BY place DESC LIMIT 1";
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let last = statement.query_row([first, end], |row| row.get(0)).optional()?;
            Ok(last.map(time))
        })
        .await
    }
}

/// When the first change from a position on was recorded.
fn first_recorded(connection: &Connection, partition: u32, from: u64, until: u64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT recorded_time FROM change WHERE place >= ?1 AND place < ?2 ORDER BY place LIMIT 1";
    let range = [pack(partition, from, 0), pack(partition, until, 0)];
    connection.prepare_cached(sql)?.query_row(range, |row| row.get(0)).optional()
}

/// The bodies of a page lie behind one another in one piece of memory.
fn select(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<StoredChange>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let (mut changes, mut lengths, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let body = row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?;
        bodies.extend_from_slice(body.as_bytes());
        lengths.push(body.len());
        changes.push(stored(row)?);
    }
    // Some are kept for long.
    bodies.shrink_to_fit();
    let mut bodies = Bytes::from(bodies);
    for (change, length) in changes.iter_mut().zip(lengths) {
        change.body = bodies.split_to(length);
    }
    Ok(changes)
}

/// A change without its body.
fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredChange> {
    let (partition, position, ordinal) = unpack(row.get(0)?);
    Ok(StoredChange {
        partition,
        position,
        ordinal,
        kind: row.get(1)?,
        row: row.get(2)?,
        integration: row.get(3)?,
        tenant: row.get(4)?,
        recorded_time: time(row.get(5)?),
        body: Bytes::new(),
    })
}
