//! Integrations: what a provider publishes in a source's catalogue, and how the source notifies us.

use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::check::{MAILBOX_RULE, MAX_ITEMS, check_name, check_text, is_mailbox, violation};
use super::{DEFAULT_DOMAIN, Start};
use crate::client::SealedSecret;
use crate::envelope::Sealed;
use crate::quarantine::Violation;
use crate::row::Columns;

/// The kinds of systems that notify us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Provet, a veterinary practice system.
    Provet,
    /// ISL Conference Proxy, a server of remote support sessions.
    Isl,
}

impl Source {
    /// The word used in JSON and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provet => "provet",
            Self::Isl => "isl",
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
    /// Besides that, the owner is told of what happens to its clients by mail, with a link where credentials are shown once.
    Email {
        /// The mailbox. Only those who administer the integration see it: events and changes say that there is one, and no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
}

impl Notify {
    /// Takes the address out, to be sealed: it stands in no event in clear.
    pub fn take_address(&mut self) -> Option<String> {
        match self {
            Self::Hookup {} => None,
            Self::Email { address } => address.take(),
        }
    }

    fn check(&self, found: &mut Vec<Violation>) {
        if let Self::Email { address } = self
            && !address.as_deref().is_some_and(is_mailbox)
        {
            found.push(violation("/notify/address", MAILBOX_RULE));
        }
    }
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
    /// ISL: the public key in PEM by which tokens of its JWT webhook are verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_key: Option<String>,
    /// ISL: where the public keys are by which they are verified, as a JWK set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
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
    /// Where mails go, if it is notified by mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<SealedMailbox>,
}

/// Where mails go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealedMailbox {
    /// The address, sealed for the integration.
    pub address: Sealed,
    /// The position in each partition from which on changes are told.
    pub start: Vec<u64>,
}

/// The data of an event that replaces fields of an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntegrationChange {
    /// What is replaced.
    #[serde(flatten)]
    pub update: IntegrationUpdate,
    /// Where mails go from now on, if it is to be notified by mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<SealedMailbox>,
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
    /// ISL: the public key in PEM by which tokens are verified, in the place of a JWK set; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_key: Option<String>,
    /// ISL: where the JWK set is by which tokens are verified, in the place of a public key; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
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
    /// ISL: the public key in PEM by which tokens of its JWT webhook are verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_key: Option<String>,
    /// ISL: where the public keys are by which they are verified, as a JWK set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
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
    /// Who is told by mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified: Option<Notified>,
    /// Id of the domain that owns it.
    #[serde(default)]
    pub domain_id: Uuid,
    /// Where it was made.
    pub position: u64,
}

/// Who is told of an integration's clients by mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// The address of the mailbox.
    pub address: SealedSecret,
    /// From where on. Another address takes over what the one before was not told.
    pub start: Start,
    /// The position of the event that named the address.
    pub revision: u64,
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
        self.notify.check(&mut found);
        check_verification(&mut found, [&self.jwt_key, &self.jwks_url]);
        check_source(&mut found, self.source, [&self.jwt_key, &self.jwks_url]);
        check_clients(&mut found, self.source, Some(&self.notify));
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
        if let Some(notify) = &self.notify {
            notify.check(&mut found);
        }
        check_verification(&mut found, [&self.jwt_key, &self.jwks_url]);
        found
    }

    /// What of it an integration of this source does not have; empty if nothing is.
    pub fn violations_of(&self, source: Source) -> Vec<Violation> {
        let mut found = Vec::new();
        check_source(&mut found, source, [&self.jwt_key, &self.jwks_url]);
        check_clients(&mut found, source, self.notify.as_ref());
        found
    }
}

/// The longest key in bytes: one of RSA with 8,192 bits has 1,500.
const MAX_KEY: usize = 4_096;

/// Checks how tokens are verified, as far as that can be told without reading a key: by `jwt_key` or `jwks_url`.
fn check_verification(found: &mut Vec<Violation>, [key, url]: [&Option<String>; 2]) {
    let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r');
    if key.as_ref().is_some_and(|key| key.len() > MAX_KEY || !key.bytes().all(is_text)) {
        found.push(violation("/jwt_key", "must be a public key in PEM, of at most 4096 characters"));
    }
    check_text(found, "/jwks_url", url.as_deref().unwrap_or_default());
    let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if is_given(key) && is_given(url) {
        found.push(violation("/jwks_url", "must be left out where there is a jwt_key"));
    }
}

fn check_source(found: &mut Vec<Violation>, source: Source, verification: [&Option<String>; 2]) {
    for (pointer, text) in ["/jwt_key", "/jwks_url"].into_iter().zip(verification) {
        if source != Source::Isl && text.is_some() {
            found.push(violation(pointer, "belongs to integrations whose source is isl"));
        }
    }
}

/// What would be told by mail happens to clients, and ISL's systems register none.
fn check_clients(found: &mut Vec<Violation>, source: Source, notify: Option<&Notify>) {
    if source != Source::Provet && matches!(notify, Some(Notify::Email { .. })) {
        found.push(violation("/notify/kind", "must be hookup but where the source is provet"));
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
