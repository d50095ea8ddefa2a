//! The client table, read from SQLite.

use registration::client::ClientState;
use rusqlite::{Connection, params};

use super::{Fault, SqliteStore};
use crate::as_of::heads_as_of;
use crate::clients::Rows;
use crate::place::{integer, pack_place, unpack_place};
use crate::{AsOf, ClientCount, ClientFilter, ListedClient, Place, StoreError};

impl SqliteStore {
    pub(super) async fn clients(
        &self,
        filter: ClientFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedClient>, StoreError> {
        let range = Range { after: after.map_or(-1, pack_place), below: i64::MAX };
        self.read(move |connection| {
            Listing { rows: Rows::Now, filter: &filter, id: None }.page(connection, range, limit)
        })
        .await
    }

    pub(super) async fn clients_as_of(
        &self,
        as_of: AsOf,
        filter: ClientFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedClient>, StoreError> {
        let heads = heads_as_of(self, as_of).await?;
        self.read(move |connection| {
            let listing = Listing { rows: Rows::Then, filter: &filter, id: None };
            listing.page_below(connection, &heads, after, limit)
        })
        .await
    }

    pub(super) async fn client(&self, id: String) -> Result<Option<ListedClient>, StoreError> {
        let range = Range { after: -1, below: i64::MAX };
        self.read(move |connection| {
            let filter = &ClientFilter::default();
            let listing = Listing { rows: Rows::Now, filter, id: Some(&id) };
            Ok(listing.page(connection, range, 1)?.pop())
        })
        .await
    }

    pub(super) async fn client_as_of(&self, id: String, as_of: AsOf) -> Result<Option<ListedClient>, StoreError> {
        let heads = heads_as_of(self, as_of).await?;
        self.read(move |connection| {
            let filter = &ClientFilter::default();
            let listing = Listing { rows: Rows::Then, filter, id: Some(&id) };
            Ok(listing.page_below(connection, &heads, None, 1)?.pop())
        })
        .await
    }

    pub(super) async fn counts(&self) -> Result<Vec<ClientCount>, StoreError> {
        let sql = "SELECT integration, state, count(*) FROM document INDEXED BY document_by_integration
            WHERE kind = 'client' GROUP BY integration, state";
        self.read(move |connection| {
            let count = |row: &rusqlite::Row<'_>| {
                Ok(ClientCount {
                    integration: row.get(0)?,
                    state: row.get(1)?,
                    clients: row.get::<_, i64>(2)?.cast_unsigned(),
                })
            };
            let mut statement = connection.prepare_cached(sql)?;
            let counts = statement.query_map([], count)?.collect::<Result<_, _>>()?;
            Ok(counts)
        })
        .await
    }
}

/// Packed places, both excluded.
#[derive(Clone, Copy)]
struct Range {
    after: i64,
    below: i64,
}

/// One list of clients.
struct Listing<'a> {
    rows: Rows,
    filter: &'a ClientFilter,
    id: Option<&'a str>,
}

/// Whether no later installation of the tenant lies within the range.
const LATEST: &str = "NOT EXISTS (SELECT 1 FROM document later INDEXED BY document_by_tenant
    WHERE later.kind = 'client' AND later.tenant = d.tenant AND later.integration = d.integration
    AND later.place > d.place AND later.place < ?2)";

const DOMAIN: &str = "(SELECT i.domain FROM document i WHERE i.kind = 'integration' AND i.id = d.integration)";

/// The last change of a row within the range.
const CHANGE: &str = "JOIN change c ON c.place = (SELECT place FROM change
    WHERE document = d.number AND place < ?2 ORDER BY place DESC LIMIT 1)";

impl Listing<'_> {
    /// A page of what lies below a head for each partition.
    fn page_below(
        &self,
        connection: &Connection,
        heads: &[u64],
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedClient>, Fault> {
        let after = after.map_or(-1, pack_place);
        let mut found = Vec::new();
        for (partition, head) in (0..).zip(heads) {
            let first = pack_place(Place { partition, position: 0 });
            let below = pack_place(Place { partition, position: *head });
            let range = Range { after: after.max(first - 1), below };
            if range.after < range.below {
                found.extend(self.page(connection, range, limit - found.len())?);
            }
        }
        Ok(found)
    }

    fn page(&self, connection: &Connection, range: Range, limit: usize) -> Result<Vec<ListedClient>, Fault> {
        let filter = self.filter;
        let seen = filter.integrations.as_ref().map(|names| serde_json::json!(names).to_string());
        let state = filter.state.map(ClientState::as_str);
        let limit = integer(limit as u64);
        let mut statement = connection.prepare_cached(&self.sql())?;
        let mut rows = statement.query(params![
            range.after,
            range.below,
            filter.one_integration(),
            seen,
            filter.tenant,
            filter.department,
            state,
            self.id,
            limit,
        ])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.listed(row)?);
        }
        Ok(found)
    }

    /// The statement, with the index named: without it the statement is an error, not a scan of everything.
    fn sql(&self) -> String {
        let filter = self.filter;
        let (body, join, state, department) = match self.rows {
            Rows::Now => {
                ("d.body", "", "d.state = ?7", "?6 IN (SELECT value FROM json_each(d.body, '$.client.departments'))")
            }
            Rows::Then => (
                "c.body",
                CHANGE,
                "c.body ->> '$.data.client.state' = ?7",
                "?6 IN (SELECT value FROM json_each(c.body, '$.data.client.departments'))",
            ),
        };
        let index = if self.id.is_some() {
            "sqlite_autoindex_document_1"
        } else if filter.tenant.is_some() {
            "document_by_tenant"
        } else if filter.one_integration().is_some() {
            "document_by_integration"
        } else {
            "document_by_place"
        };
        let latest = match filter.latest {
            Some(false) => format!("NOT {LATEST}"),
            _ => LATEST.to_owned(),
        };
        let conditions: String = [
            (self.id.is_some(), "d.id = ?8"),
            (filter.one_integration().is_some(), "d.integration = ?3"),
            (filter.integrations.is_some(), "d.integration IN (SELECT value FROM json_each(?4))"),
            (filter.tenant.is_some(), "d.tenant = ?5"),
            (filter.department.is_some(), department),
            (filter.state.is_some(), state),
            (filter.latest.is_some(), &latest),
        ]
        .into_iter()
        .filter(|(asked, _)| *asked)
        .flat_map(|(_, condition)| [" AND ", condition])
        .collect();
        format!(
            "SELECT d.place, {body}, {DOMAIN}, {LATEST} FROM document d INDEXED BY {index} {join}
            WHERE d.kind = 'client' AND d.place > ?1 AND d.place < ?2{conditions}
            ORDER BY d.place LIMIT ?9"
        )
    }

    fn listed(&self, row: &rusqlite::Row<'_>) -> Result<ListedClient, Fault> {
        let at = unpack_place(row.get(0)?);
        let body = row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?;
        let mut client = self.rows.client(at, body)?;
        client.domain = row.get(2)?;
        client.latest = Some(row.get(3)?);
        Ok(ListedClient { at, client })
    }
}
