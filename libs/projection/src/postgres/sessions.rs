//! Sessions of ISL systems, read from PostgreSQL.

use registration::isl::SessionRow;

use super::{PostgresStore, get};
use crate::StoreError;
use crate::place::integer;
use crate::sessions::session;

impl PostgresStore {
    pub(super) async fn sessions(&self, id: String, limit: usize) -> Result<Vec<SessionRow>, StoreError> {
        let sql = "SELECT body FROM document WHERE kind = 'session' AND tenant = $1 ORDER BY place LIMIT $2";
        let rows = self.read(sql, &[&id, &integer(limit as u64)]).await?;
        rows.iter().map(|row| session(get::<&str>(row, 0)?.as_bytes())).collect()
    }
}
