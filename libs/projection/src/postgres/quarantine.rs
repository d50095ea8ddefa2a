//! Quarantined messages, read from PostgreSQL.

use jiff::Timestamp;
use registration::quarantine::QuarantineState;
use tokio_postgres::Row;

use super::select::Select;
use super::{PostgresStore, get};
use crate::place::{integer, pack_place, unpack_place};
use crate::quarantine::message;
use crate::{ListedMessage, MessageFilter, Place, StoreError};

impl PostgresStore {
    pub(super) async fn quarantined(
        &self,
        filter: MessageFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedMessage>, StoreError> {
        let mut select = Select::new("SELECT place, body FROM document WHERE kind = 'quarantined'");
        select.and("place > ?", after.map(pack_place));
        select.and("integration = ANY (?)", filter.integrations.as_ref());
        select.and("state = ?", filter.state.map(QuarantineState::as_str));
        select.push(" ORDER BY place");
        select.limit(integer(limit as u64));
        let rows = self.read(select.sql(), &select.values()).await?;
        rows.iter().map(listed).collect()
    }

    pub(super) async fn count_quarantined_held(&self, now: Timestamp) -> Result<u64, StoreError> {
        // Whole seconds, as everywhere: a message can be read until its second has come.
        let sql = "SELECT count(*) FROM document WHERE kind = 'quarantined' AND state = 'held'
            AND floor(extract(epoch FROM (body::json #>> '{message,expires_time}')::timestamptz)) > $1::bigint";
        let rows = self.read(sql, &[&now.as_second()]).await?;
        let held: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        Ok(held.cast_unsigned())
    }
}

fn listed(row: &Row) -> Result<ListedMessage, StoreError> {
    let at = unpack_place(get(row, 0)?);
    let message = message(at, get::<&str>(row, 1)?.as_bytes())?;
    Ok(ListedMessage { at, message })
}
