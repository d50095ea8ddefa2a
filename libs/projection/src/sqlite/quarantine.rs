//! Quarantined messages, read from SQLite.

use jiff::Timestamp;
use registration::quarantine::QuarantineState;
use rusqlite::params;

use super::{Fault, SqliteStore};
use crate::place::{integer, pack_place, unpack_place};
use crate::quarantine::message;
use crate::{ListedMessage, MessageFilter, Place, StoreError};

impl SqliteStore {
    pub(super) async fn quarantined(
        &self,
        filter: MessageFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedMessage>, StoreError> {
        let sql = "SELECT place, body FROM document INDEXED BY document_by_place
            WHERE kind = 'quarantined' AND place > ?1
            AND (?2 IS NULL OR integration IN (SELECT value FROM json_each(?2)))
            AND (?3 IS NULL OR state = ?3) ORDER BY place LIMIT ?4";
        self.read(move |connection| {
            let seen = filter.integrations.map(|names| serde_json::json!(names).to_string());
            let state = filter.state.map(QuarantineState::as_str);
            let after = after.map_or(-1, pack_place);
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![after, seen, state, integer(limit as u64)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(listed(row)?);
            }
            Ok(found)
        })
        .await
    }

    pub(super) async fn count_quarantined_held(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM document WHERE kind = 'quarantined' AND state = 'held'
            AND unixepoch(body ->> '$.message.expires_time') > ?1";
        self.read(move |connection| {
            let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            let held = connection.prepare_cached(sql)?.query_row([now.as_second()], count)?;
            Ok(held.cast_unsigned())
        })
        .await
    }
}

fn listed(row: &rusqlite::Row<'_>) -> Result<ListedMessage, Fault> {
    let at = unpack_place(row.get(0)?);
    let body = row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?;
    Ok(ListedMessage { at, message: message(at, body)? })
}
