//! Sessions of ISL systems, as they are looked up: under the column of the tenant, which they have none of.

use registration::isl::SessionRow;

use crate::StoreError;

/// Reads a session from the body of its row.
pub(crate) fn session(body: &[u8]) -> Result<SessionRow, StoreError> {
    serde_json::from_slice(body).map_err(|error| StoreError::unreadable("a session".to_owned(), error))
}
