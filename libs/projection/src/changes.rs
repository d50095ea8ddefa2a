//! Changes: what happened, in order, for ever.

use bytes::Bytes;
use jiff::Timestamp;
use registration::RowKey;
use rusqlite::{Connection, OptionalExtension, params};

use crate::place::{pack, unpack};
use crate::write::{integer, nanoseconds};
use crate::{Place, Store, StoreError};

/// A change as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// Ledger partition.
    pub partition: u32,
    /// Ledger position.
    pub position: u64,
    /// Which of the changes of that event, from 0.
    pub ordinal: u16,
    /// What happened, in the short form: `client.registered`.
    pub kind: String,
    /// Name of the integration that the change belongs to.
    pub integration: Option<String>,
    /// Tenant that the change belongs to.
    pub tenant: Option<String>,
    /// Ledger time of the event.
    pub recorded_time: Timestamp,
    /// The CloudEvent, JSON without line breaks.
    pub body: Bytes,
}

const SELECT: &str = "SELECT c.place, c.type, d.integration, d.tenant, c.recorded_time, c.body
    FROM change c JOIN document d ON d.number = c.document";

impl Store {
    /// The changes of a partition from a position and ordinal on and before position `until`, in order; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changes(
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

    /// The changes of a row from a place and ordinal on, in order; at most `limit`. A row's changes are all of one partition.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(
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

    /// The position of the last change of a partition that was recorded by then; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn position_at(&self, partition: u32, time: Timestamp) -> Result<Option<u64>, StoreError> {
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
}

/// When the first change from a position on was recorded.
fn first_recorded(connection: &Connection, partition: u32, from: u64, until: u64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT recorded_time FROM change WHERE place >= ?1 AND place < ?2 ORDER BY place LIMIT 1";
    let range = [pack(partition, from, 0), pack(partition, until, 0)];
    connection.prepare_cached(sql)?.query_row(range, |row| row.get(0)).optional()
}

fn select(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<StoredChange>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let changes = statement.query_map(params, stored)?.collect::<Result<_, _>>()?;
    Ok(changes)
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredChange> {
    let (partition, position, ordinal) = unpack(row.get(0)?);
    Ok(StoredChange {
        partition,
        position,
        ordinal,
        kind: row.get(1)?,
        integration: row.get(2)?,
        tenant: row.get(3)?,
        recorded_time: time(row.get(4)?),
        body: Bytes::from(row.get::<_, String>(5)?),
    })
}

/// The time of nanoseconds since 1970.
pub(crate) fn time(nanoseconds: i64) -> Timestamp {
    // Every number of 64 bits is a time that jiff knows, so the default is never taken.
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default()
}
