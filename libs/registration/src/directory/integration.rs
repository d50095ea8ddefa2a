//! Integrations: what a provider publishes in a source's catalogue, and how the source notifies us.

use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::DEFAULT_DOMAIN;
use super::check::{MAX_ITEMS, check_name, check_text, violation};
use crate::quarantine::Violation;
use crate::row::Columns;

/// The kinds of systems that notify us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Provet, a veterinary practice system.
    Provet,
}

impl Source {
    /// The word used in JSON and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provet => "provet",
        }
    }
}

/// How the source notifies us of a registration, as chosen in its integration template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "kind", deny_unknown_fields)]
pub enum Notify {
    /// By a POST to the hookup URL.
    // With braces: serde takes any further field for a variant without.
    Hookup {},
}

/// From where notifications are taken. Empty lists allow everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Allow {
    /// Source addresses, as CIDR blocks.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<IpNet>,
    /// Hosts that a `token_url` may name.
    pub token_hosts: Vec<String>,
}

/// What is asked for when an integration is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationSpec {
    /// Unique in the hub: `[a-z0-9][a-z0-9-]{0,62}`.
    pub name: String,
    /// The kind of system that notifies us.
    pub source: Source,
    /// The domain that owns it.
    #[serde(default = "default_domain")]
    pub domain: String,
    /// How the source notifies us.
    pub notify: Notify,
    /// Whom to ask about it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The grant type published in the source's catalogue.
    #[serde(default)]
    pub authorization_grant_type: Option<String>,
    /// The callback URIs published in the source's catalogue.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// From where notifications are taken.
    #[serde(default)]
    pub allow: Allow,
}

fn default_domain() -> String {
    DEFAULT_DOMAIN.to_owned()
}

/// The data of an event that asks for an integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntegrationCreate {
    /// What is asked for.
    pub integration: IntegrationSpec,
    /// SHA-256 of the hookup key, base64.
    pub hookup_key_hash: String,
}

/// The fields of an integration to be replaced; those left out stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IntegrationUpdate {
    /// How the source notifies us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// Whom to ask about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The grant type published in the source's catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_grant_type: Option<String>,
    /// The callback URIs published in the source's catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<Vec<String>>,
    /// From where notifications are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
}

/// The data of an event that gives an integration a new hookup URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntegrationRotateHookup {
    /// SHA-256 of the new hookup key, base64.
    pub hookup_key_hash: String,
    /// Until when the old key stays valid.
    pub grace_until: Timestamp,
}

/// An integration, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Integration {
    /// Never used again, unlike the name.
    pub id: Uuid,
    /// Unique in the hub.
    pub name: String,
    /// The kind of system that notifies us.
    pub source: Source,
    /// The domain that owns it.
    pub domain: String,
    /// How the source notifies us.
    pub notify: Notify,
    /// Whom to ask about it.
    pub owner: Option<String>,
    /// The grant type published in the source's catalogue.
    pub authorization_grant_type: Option<String>,
    /// The callback URIs published in the source's catalogue.
    pub redirect_uris: Vec<String>,
    /// From where notifications are taken.
    pub allow: Allow,
    /// When it was made.
    pub created_time: Timestamp,
    /// When it was changed last.
    pub changed_time: Timestamp,
}

/// An integration with what only intake needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationRow {
    /// What readers see.
    pub integration: Integration,
    /// SHA-256 of the hookup key, base64.
    pub hookup_key_hash: String,
    /// The key before, and until when it is valid.
    pub previous_key: Option<PreviousKey>,
    /// Whether it was deleted; its name stays reserved.
    pub deleted: bool,
    /// Id of the domain that owns it.
    #[serde(default)]
    pub domain_id: Uuid,
    /// Where it was made.
    pub position: u64,
}

/// A hookup key that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousKey {
    /// SHA-256 of the key, base64.
    pub hash: String,
    /// Until when it is valid.
    pub until: Timestamp,
}

impl IntegrationRow {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            domain: Some(&self.integration.domain),
            integration: Some(&self.integration.name),
            state: Some(if self.deleted { "deleted" } else { "active" }),
            position: self.position,
            ..Columns::default()
        }
    }
}

impl IntegrationSpec {
    /// Everything that is wrong with it; empty if nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        check_name(&mut found, "/name", &self.name);
        check_name(&mut found, "/domain", &self.domain);
        let texts = [&self.owner, &self.authorization_grant_type];
        check_fields(&mut found, texts, &self.redirect_uris, &self.allow);
        found
    }
}

impl IntegrationUpdate {
    /// Everything that is wrong with it; empty if nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        check_fields(
            &mut found,
            [&self.owner, &self.authorization_grant_type],
            self.redirect_uris.as_deref().unwrap_or_default(),
            self.allow.as_ref().unwrap_or(&Allow::default()),
        );
        found
    }
}

/// Checks what can be replaced, too; `texts` are the owner and the grant type.
fn check_fields(found: &mut Vec<Violation>, texts: [&Option<String>; 2], redirect_uris: &[String], allow: &Allow) {
    for (pointer, text) in ["/owner", "/authorization_grant_type"].into_iter().zip(texts) {
        check_text(found, pointer, text.as_deref().unwrap_or_default());
    }
    for (index, uri) in redirect_uris.iter().enumerate() {
        check_text(found, &format!("/redirect_uris/{index}"), uri);
    }
    for (index, host) in allow.token_hosts.iter().enumerate() {
        if crate::notice::normalise_host(host).is_none_or(|normal| normal != *host) {
            found.push(violation(
                &format!("/allow/token_hosts/{index}"),
                "must be a host name in lower case, with its port only if it is not the default",
            ));
        }
    }
    if redirect_uris.len().max(allow.addresses.len()).max(allow.token_hosts.len()) > MAX_ITEMS {
        found.push(violation("", "lists may hold 100 items at most"));
    }
}
