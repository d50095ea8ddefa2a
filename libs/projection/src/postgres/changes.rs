//! Changes, read from PostgreSQL.

use bytes::Bytes;
use jiff::Timestamp;
use registration::RowKey;
use tokio_postgres::Row;

use super::{PostgresStore, get};
use crate::changes::{nanoseconds, time};
use crate::place::{integer, pack, pack_place, unpack};
use crate::{Place, StoreError, StoredChange};

const SELECT: &str = "SELECT c.place, c.type, d.id, d.integration, d.tenant, c.recorded_time, c.body
    FROM change c JOIN document d ON d.number = c.document";

/// Recorded times grow with positions. Halves the positions before `$2` until one is left: the first at and after which
/// everything was recorded later than `$3`. `$1` is where the partition begins, and a position takes `$4` places.
const SEARCH: &str = "WITH RECURSIVE half (low, high) AS (
        SELECT 0::bigint, $2::bigint
        UNION ALL
        SELECT CASE WHEN earlier THEN middle + 1 ELSE low END, CASE WHEN earlier THEN high ELSE middle END
        FROM half
        CROSS JOIN LATERAL (SELECT low + (high - low) / 2) AS m (middle)
        CROSS JOIN LATERAL (SELECT COALESCE((
            SELECT recorded_time <= $3 FROM change
            WHERE place >= $1::bigint + middle * $4::bigint AND place < $1::bigint + $2::bigint * $4::bigint
            ORDER BY place LIMIT 1), false)) AS e (earlier)
        WHERE low < high
    ) SELECT low FROM half WHERE low >= high";

impl PostgresStore {
    pub(super) async fn changes(
        &self,
        partition: u32,
        from: (u64, u16),
        until: u64,
        limit: usize,
    ) -> Result<Vec<StoredChange>, StoreError> {
        let (from, until) = (pack(partition, from.0, from.1), pack(partition, until, 0));
        let sql = format!("{SELECT} WHERE c.place >= $1 AND c.place < $2 ORDER BY c.place LIMIT $3");
        let rows = self.read(&sql, &[&from, &until, &integer(limit as u64)]).await?;
        rows.iter().map(stored).collect()
    }

    pub(super) async fn history(
        &self,
        row: RowKey,
        from: Option<(Place, u16)>,
        limit: usize,
    ) -> Result<Vec<StoredChange>, StoreError> {
        let from = from.map_or(0, |(at, ordinal)| pack(at.partition, at.position, ordinal));
        let sql = format!("{SELECT} WHERE d.kind = $1 AND d.id = $2 AND c.place >= $3 ORDER BY c.place LIMIT $4");
        let rows = self.read(&sql, &[&row.kind.as_str(), &row.id, &from, &integer(limit as u64)]).await?;
        rows.iter().map(stored).collect()
    }

    pub(super) async fn position_at(&self, partition: u32, time: Timestamp) -> Result<Option<u64>, StoreError> {
        let end = integer(self.cursor(partition).await?.next);
        let (first, position) = (pack(partition, 0, 0), pack(0, 1, 0));
        let rows = self.read(SEARCH, &[&first, &end, &nanoseconds(time), &position]).await?;
        let low: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        Ok(low.cast_unsigned().checked_sub(1))
    }

    pub(super) async fn time_at(&self, at: Place) -> Result<Option<Timestamp>, StoreError> {
        let first = pack_place(Place { position: 0, ..at });
        let end = pack_place(Place { position: at.position.saturating_add(1), ..at });
        let sql = "SELECT recorded_time FROM change WHERE place >= $1 AND place < $2 ORDER BY place DESC LIMIT 1";
        let rows = self.read(sql, &[&first, &end]).await?;
        rows.first().map(|row| get(row, 0).map(time)).transpose()
    }
}

fn stored(row: &Row) -> Result<StoredChange, StoreError> {
    let (partition, position, ordinal) = unpack(get(row, 0)?);
    Ok(StoredChange {
        partition,
        position,
        ordinal,
        kind: get(row, 1)?,
        row: get(row, 2)?,
        integration: get(row, 3)?,
        tenant: get(row, 4)?,
        recorded_time: time(get(row, 5)?),
        body: Bytes::from(get::<String>(row, 6)?),
    })
}
