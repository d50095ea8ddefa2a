//! Access tokens: what their holders may do and see.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::check::{MAX_ITEMS, check_name, check_text, violation};
use super::integration::Integration;
use crate::quarantine::Violation;
use crate::row::Columns;

/// What the holder of an access token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the serialised names say it")]
pub enum Scope {
    #[serde(rename = "clients:read")]
    ClientsRead,
    #[serde(rename = "changes:read")]
    ChangesRead,
    #[serde(rename = "events:read")]
    EventsRead,
    #[serde(rename = "secrets:reveal")]
    SecretsReveal,
    #[serde(rename = "tokens:mint")]
    TokensMint,
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 6] =
        [Self::ClientsRead, Self::ChangesRead, Self::EventsRead, Self::SecretsReveal, Self::TokensMint, Self::Admin];

    /// The word used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientsRead => "clients:read",
            Self::ChangesRead => "changes:read",
            Self::EventsRead => "events:read",
            Self::SecretsReveal => "secrets:reveal",
            Self::TokensMint => "tokens:mint",
            Self::Admin => "admin",
        }
    }
}

/// What is asked for when an access token is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// What it is for, in words.
    pub name: String,
    /// What its holder may do.
    pub scopes: Vec<Scope>,
    /// The only domain it sees; null for all.
    #[serde(default)]
    pub domain: Option<String>,
    /// The only integrations it sees; empty for all.
    #[serde(default)]
    pub integrations: Vec<String>,
    /// When it ends; null for never.
    #[serde(default)]
    pub expires_time: Option<Timestamp>,
}

/// The data of an event that asks for an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenCreate {
    /// What is asked for.
    pub token: TokenSpec,
    /// SHA-256 of the token, base64: a token has 256 random bits, so its hash gives nothing away.
    pub token_hash: String,
}

/// An access token, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// What it is for, in words.
    pub name: String,
    /// What its holder may do.
    pub scopes: Vec<Scope>,
    /// The only domain it sees; null for all.
    pub domain: Option<String>,
    /// The only integrations it sees; empty for all.
    pub integrations: Vec<String>,
    /// When it ends; null for never.
    pub expires_time: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_time: Option<Timestamp>,
    /// When it was made.
    pub created_time: Timestamp,
}

/// An access token with what only the check of a request needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// What readers see.
    pub token: Token,
    /// SHA-256 of the token, base64.
    pub token_hash: String,
    /// Id of the domain that limits it; nil if none does.
    #[serde(default)]
    pub domain_id: Uuid,
    /// Where it was made.
    pub position: u64,
}

impl Token {
    /// Whether it can be used at a time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_time.is_none() && self.expires_time.is_none_or(|end| now < end)
    }

    /// Whether its holder may do what a scope allows; `admin` allows everything but to see secrets.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
            || (self.scopes.contains(&Scope::Admin) && !matches!(scope, Scope::SecretsReveal | Scope::TokensMint))
    }

    /// Whether it sees everything: no domain and no list of integrations limits it.
    pub fn is_unrestricted(&self) -> bool {
        self.domain.is_none() && self.integrations.is_empty()
    }

    /// Whether it sees an integration.
    pub fn sees(&self, integration: &Integration) -> bool {
        self.domain.as_ref().is_none_or(|domain| *domain == integration.domain)
            && (self.integrations.is_empty() || self.integrations.contains(&integration.name))
    }
}

impl TokenRow {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            domain: self.token.domain.as_deref(),
            state: Some(if self.token.revoked_time.is_some() { "revoked" } else { "active" }),
            position: self.position,
            ..Columns::default()
        }
    }
}

impl TokenSpec {
    /// Everything that is wrong with it; empty if nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        check_text(&mut found, "/name", &self.name);
        if self.name.is_empty() {
            found.push(violation("/name", "must say what the token is for"));
        }
        if self.scopes.is_empty() {
            found.push(violation("/scopes", "must name at least one scope"));
        }
        if let Some(domain) = &self.domain {
            check_name(&mut found, "/domain", domain);
        }
        if self.integrations.len() > MAX_ITEMS {
            found.push(violation("/integrations", "may hold 100 items at most"));
        }
        for (index, name) in self.integrations.iter().take(MAX_ITEMS).enumerate() {
            check_name(&mut found, &format!("/integrations/{index}"), name);
        }
        found
    }
}
