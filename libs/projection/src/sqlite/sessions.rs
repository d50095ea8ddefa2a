//! Sessions of ISL systems, read from SQLite.

use registration::isl::SessionRow;
use rusqlite::params;

use super::SqliteStore;
use crate::StoreError;
use crate::place::integer;
use crate::sessions::session;

impl SqliteStore {
    pub(super) async fn sessions(&self, id: String, limit: usize) -> Result<Vec<SessionRow>, StoreError> {
        let sql = "SELECT body FROM document INDEXED BY document_by_tenant
            WHERE kind = 'session' AND tenant = ?1 ORDER BY place LIMIT ?2";
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![id, integer(limit as u64)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let body = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
                found.push(session(body)?);
            }
            Ok(found)
        })
        .await
    }
}
