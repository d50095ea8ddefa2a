//! The client table, read from PostgreSQL.

use registration::client::ClientState;
use tokio_postgres::Row;

use super::select::Select;
use super::{PostgresStore, get};
use crate::as_of::heads_as_of;
use crate::clients::Rows;
use crate::place::{integer, pack_place, unpack_place};
use crate::{AsOf, ClientCount, ClientFilter, ListedClient, Place, StoreError};

impl PostgresStore {
    pub(super) async fn clients(
        &self,
        filter: ClientFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedClient>, StoreError> {
        let listing = Listing { rows: Rows::Now, filter: &filter, id: None };
        self.page(&listing, after.map_or(-1, pack_place), i64::MAX, limit).await
    }

    pub(super) async fn clients_as_of(
        &self,
        as_of: AsOf,
        filter: ClientFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedClient>, StoreError> {
        let listing = Listing { rows: Rows::Then, filter: &filter, id: None };
        self.page_below(&listing, &heads_as_of(self, as_of).await?, after, limit).await
    }

    pub(super) async fn client(&self, id: String) -> Result<Option<ListedClient>, StoreError> {
        let listing = Listing { rows: Rows::Now, filter: &ClientFilter::default(), id: Some(&id) };
        Ok(self.page(&listing, -1, i64::MAX, 1).await?.pop())
    }

    pub(super) async fn client_as_of(&self, id: String, as_of: AsOf) -> Result<Option<ListedClient>, StoreError> {
        let listing = Listing { rows: Rows::Then, filter: &ClientFilter::default(), id: Some(&id) };
        Ok(self.page_below(&listing, &heads_as_of(self, as_of).await?, None, 1).await?.pop())
    }

    pub(super) async fn counts(&self) -> Result<Vec<ClientCount>, StoreError> {
        let sql = "SELECT integration, state, count(*) FROM document
            WHERE kind = 'client' GROUP BY integration, state ORDER BY integration, state";
        let rows = self.read(sql, &[]).await?;
        let count = |row: &Row| {
            let clients = get::<i64>(row, 2)?.cast_unsigned();
            Ok(ClientCount { integration: get(row, 0)?, state: get(row, 1)?, clients })
        };
        rows.iter().map(count).collect()
    }

    /// A page of what lies below a head for each partition.
    async fn page_below(
        &self,
        listing: &Listing<'_>,
        heads: &[u64],
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ListedClient>, StoreError> {
        let after = after.map_or(-1, pack_place);
        let mut found = Vec::new();
        for (partition, head) in (0..).zip(heads) {
            let first = pack_place(Place { partition, position: 0 });
            let below = pack_place(Place { partition, position: *head });
            let after = after.max(first - 1);
            if after < below {
                found.extend(self.page(listing, after, below, limit - found.len()).await?);
            }
        }
        Ok(found)
    }

    /// A page of what lies between two packed places, both excluded.
    async fn page(
        &self,
        listing: &Listing<'_>,
        after: i64,
        below: i64,
        limit: usize,
    ) -> Result<Vec<ListedClient>, StoreError> {
        let select = listing.select(after, below, limit);
        let rows = self.read(select.sql(), &select.values()).await?;
        rows.iter().map(|row| listing.listed(row)).collect()
    }
}

/// One list of clients.
struct Listing<'a> {
    rows: Rows,
    filter: &'a ClientFilter,
    id: Option<&'a str>,
}

/// Whether no later installation of the tenant lies within the range.
const LATEST: &str = "NOT EXISTS (SELECT FROM document later
    WHERE later.kind = 'client' AND later.tenant = d.tenant AND later.integration = d.integration
    AND later.place > d.place AND later.place < $2)";

const DOMAIN: &str = "(SELECT i.domain FROM document i WHERE i.kind = 'integration' AND i.id = d.integration)";

/// The last change of a row within the range.
const CHANGE: &str = "JOIN LATERAL (SELECT body, body::json #> '{data,client}' AS client FROM change
    WHERE document = d.number AND place < $2 ORDER BY place DESC LIMIT 1) c ON true";

/// Never named departments are null, which is no array.
const DEPARTMENT_THEN: &str = "? IN (SELECT value::bigint FROM json_array_elements_text(
    CASE json_typeof(c.client -> 'departments') WHEN 'array' THEN c.client -> 'departments' ELSE '[]' END) AS value)";

impl<'a> Listing<'a> {
    fn select(&self, after: i64, below: i64, limit: usize) -> Select<'a> {
        let filter = self.filter;
        let (body, join, state, department) = match self.rows {
            Rows::Now => ("d.body", "", "d.state = ?", "? = ANY (d.terms)"),
            Rows::Then => ("c.body", CHANGE, "c.client ->> 'state' = ?", DEPARTMENT_THEN),
        };
        let mut select = Select::new(format!(
            "SELECT d.place, {body}, {DOMAIN}, {LATEST} FROM document d {join}
            WHERE d.kind = 'client' AND d.place > $1 AND d.place < $2"
        ));
        select.bind(after);
        select.bind(below);
        select.and("d.id = ?", self.id);
        select.and("d.integration = ?", filter.one_integration());
        select.and("d.integration = ANY (?)", filter.integrations.as_ref());
        select.and("d.tenant = ?", filter.tenant.as_ref());
        select.and(department, filter.department);
        select.and(state, filter.state.map(ClientState::as_str));
        match filter.latest {
            Some(true) => select.push(&format!(" AND {LATEST}")),
            Some(false) => select.push(&format!(" AND NOT {LATEST}")),
            None => {}
        }
        select.push(" ORDER BY d.place");
        select.limit(integer(limit as u64));
        select
    }

    fn listed(&self, row: &Row) -> Result<ListedClient, StoreError> {
        let at = unpack_place(get(row, 0)?);
        let mut client = self.rows.client(at, get::<&str>(row, 1)?.as_bytes())?;
        client.domain = get(row, 2)?;
        client.latest = Some(get(row, 3)?);
        Ok(ListedClient { at, client })
    }
}
