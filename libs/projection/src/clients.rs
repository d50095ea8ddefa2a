//! The client table, as it is and as it was.

use registration::client::{Client, ClientState};
use serde::Deserialize;

use crate::{Place, StoreError};

/// Which clients are listed. What is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFilter {
    /// The only integrations whose clients may be seen; `None` for all.
    pub integrations: Option<Vec<String>>,
    /// Name of the integration.
    pub integration: Option<String>,
    /// Tenant, as in `provetcloud.com/1234`.
    pub tenant: Option<String>,
    /// Id of a department that enabled the integration.
    pub department: Option<i64>,
    /// Whether the credentials are in use.
    pub state: Option<ClientState>,
    /// Whether no later installation of the tenant exists.
    pub latest: Option<bool>,
}

/// A client in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedClient {
    /// Where it was registered: lists are in this order, which never changes.
    pub at: Place,
    /// The row, with `domain` and `latest`.
    pub client: Client,
}

/// How many clients of an integration are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCount {
    /// Name of the integration.
    pub integration: String,
    /// See [`ClientState::as_str`].
    pub state: String,
    /// How many.
    pub clients: u64,
}

impl ClientFilter {
    /// The one integration that is asked for or may be seen.
    pub(crate) fn one_integration(&self) -> Option<&str> {
        match (&self.integration, self.integrations.as_deref()) {
            (None, Some([only])) => Some(only),
            (asked, _) => asked.as_deref(),
        }
    }
}

/// Which rows are looked at.
#[derive(Clone, Copy)]
pub(crate) enum Rows {
    /// Those of the table.
    Now,
    /// Those of the last changes within a range.
    Then,
}

impl Rows {
    /// Reads a client from the body of its row, or of its last change.
    pub(crate) fn client(self, at: Place, body: &[u8]) -> Result<Client, StoreError> {
        let client = match self {
            Self::Now => serde_json::from_slice(body).map(|InRow { client }| client),
            Self::Then => serde_json::from_slice(body).map(|change: InChange| change.data.client),
        };
        client.map_err(|error| {
            let Place { partition, position } = at;
            StoreError::unreadable(format!("the client registered at {partition}:{position}"), error)
        })
    }
}

/// What readers see of a row.
#[derive(Deserialize)]
struct InRow {
    client: Client,
}

/// What readers see of a change's row.
#[derive(Deserialize)]
struct InChange {
    data: InRow,
}
