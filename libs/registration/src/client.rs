//! Clients: one tenant's credentials for one integration, and its departments.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::envelope::Sealed;
use crate::json;
use crate::quarantine::Violation;

/// Idempotency keys remembered for each client.
pub const REMEMBERED_KEYS: usize = 64;

/// A registration notice as it stands in the ledger: the notification with its secret sealed.
///
/// Source: the Provet hookup's JSON Schema; `client_secret` and unknown fields are envelopes here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    /// Provet ID of the tenant who added this integration.
    #[serde(deserialize_with = "integer")]
    pub provet_id: i64,
    /// OAuth 2.0 client id.
    pub client_id: String,
    /// The sealed OAuth 2.0 client secret; null for public clients.
    pub client_secret: Option<Sealed>,
    /// Signing algorithm used.
    pub algorithm: Option<String>,
    /// Authorization flow used.
    pub authorization_grant_type: String,
    /// `confidential` or `public`.
    pub client_type: String,
    /// Space-separated list of callback URIs.
    pub redirect_uris: String,
    /// OAuth 2.0 token endpoint URL.
    pub token_url: String,
    /// OAuth 2.0 authorize endpoint URL.
    pub authorize_url: String,
    /// OpenID autodiscovery URL; null if the integration does not use OpenID.
    pub openid_autodiscovery_url: Option<String>,
    /// Department ids that have enabled this integration.
    #[serde(default, deserialize_with = "integers", skip_serializing_if = "Option::is_none")]
    pub departments: Option<Vec<i64>>,
    /// Id of the department that enabled this integration.
    #[serde(default, deserialize_with = "some_integer", skip_serializing_if = "Option::is_none")]
    pub added_department: Option<i64>,
    /// Id of the department that disabled this integration.
    #[serde(default, deserialize_with = "some_integer", skip_serializing_if = "Option::is_none")]
    pub removed_department: Option<i64>,
    /// The fields that the source's schema does not name, sealed together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Sealed>,
}

// JSON numbers keep their lexemes in the ledger: 1234, 1234.0 and 1.234e3 are read as one integer, exactly.

fn exact<E: serde::de::Error>(number: &RawValue) -> Result<i64, E> {
    json::integer(number.get()).map_err(E::custom)
}

fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    exact(<&RawValue>::deserialize(deserializer)?)
}

fn some_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    integer(deserializer).map(Some)
}

fn integers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<i64>>, D::Error> {
    let numbers = Vec::<&RawValue>::deserialize(deserializer)?;
    numbers.into_iter().map(exact).collect::<Result<_, _>>().map(Some)
}

/// The data of a reveal: who saw what is the event's `actor` and `subject`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reveal {
    /// Why the secret was shown, in the words of the one who asked; at most 500 characters.
    pub reason: String,
}

impl Reveal {
    /// Everything that is wrong with it; empty if nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let is_said = !self.reason.trim().is_empty() && self.reason.chars().count() <= 500;
        if is_said && !self.reason.chars().any(char::is_control) {
            return Vec::new();
        }
        vec![Violation {
            pointer: "/reason".to_owned(),
            detail: "must say why, in 1 to 500 characters, none a control character".to_owned(),
        }]
    }
}

/// Whether a client's credentials are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientState {
    /// At least one department uses the integration, or none was ever named.
    Active,
    /// The last department disabled the integration.
    Inactive,
    /// Taken out of use by hand; a new notice brings it back.
    Retired,
    /// Its tenant's keys were destroyed.
    Erased,
}

impl ClientState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Inactive, Self::Retired, Self::Erased];

    /// The word used in JSON, filters and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Retired => "retired",
            Self::Erased => "erased",
        }
    }
}

/// A row of the client table, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Client {
    /// Stable and URL-safe: a hash of integration, token host, `provet_id` and `client_id`.
    pub id: String,
    /// Name of the integration.
    pub integration: String,
    /// The integration's domain; joined when a row is read, absent in changes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub domain: Option<String>,
    /// `host/provet_id`.
    pub tenant: String,
    /// Provet ID of the tenant.
    pub provet_id: i64,
    /// OAuth 2.0 client id.
    pub client_id: String,
    /// Signing algorithm used.
    pub algorithm: Option<String>,
    /// Authorization flow used.
    pub authorization_grant_type: String,
    /// `confidential` or `public`.
    pub client_type: String,
    /// Callback URIs.
    pub redirect_uris: Vec<String>,
    /// OAuth 2.0 token endpoint URL.
    pub token_url: String,
    /// OAuth 2.0 authorize endpoint URL.
    pub authorize_url: String,
    /// OpenID autodiscovery URL, if the integration uses OpenID.
    pub openid_autodiscovery_url: Option<String>,
    /// Whether there is a secret to reveal.
    pub has_secret: bool,
    /// Departments that enabled the integration, sorted; null while none was ever named. A notice without `departments` keeps
    /// those before it, plus or minus the department that it names.
    pub departments: Option<Vec<i64>>,
    /// Whether the credentials are in use.
    pub state: ClientState,
    /// Whether no later installation (another `client_id`) of the tenant exists; computed when a
    /// row is read, absent in changes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latest: Option<bool>,
    /// Ledger partition of the row's events.
    pub partition: u32,
    /// Ledger position of the event that changed the row last.
    pub position: u64,
    /// When the first notice was recorded.
    pub registered_time: Timestamp,
    /// When the row changed last.
    pub changed_time: Timestamp,
}

/// The client's secret as it stands sealed in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// The event that brought it: part of what the seal binds to.
    pub event: Uuid,
    /// The envelope.
    pub sealed: Sealed,
}

/// A row of the client table with what only the fold needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// What readers see; shared with the changes that hold the row as it is now.
    #[serde(with = "shared")]
    pub client: Arc<Client>,
    /// Ledger position of the first notice: the highest of a tenant is its latest installation.
    pub first_position: u64,
    /// Reception time of the last notice.
    pub notice_time: Timestamp,
    /// The current secret.
    pub secret: Option<SealedSecret>,
    /// Hashes of the last [`REMEMBERED_KEYS`] Idempotency-Keys, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub idempotency_keys: VecDeque<String>,
}

/// The id of a client: a hash of its key, of which the tenant holds the token host and `provet_id`.
pub fn client_id(integration: Uuid, tenant: &str, client_id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(integration.as_bytes());
    hash.update(tenant);
    hash.update([0]); // a tenant holds no U+0000, so nothing else hashes alike
    hash.update(client_id);
    format!("c{}", crate::row::short_hash(&hash.finalize().into()))
}

/// A row behind an [`Arc`], written and read as the row itself.
pub(crate) mod shared {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(client: &Arc<Client>, serializer: S) -> Result<S::Ok, S::Error> {
        client.as_ref().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Client>, D::Error> {
        Client::deserialize(deserializer).map(Arc::new)
    }
}
