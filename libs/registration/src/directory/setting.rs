//! Settings: what an administrator of ISL Conference Proxy knows from its Integration page, for the hub or for a domain.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::SealedSecret;
use crate::directory::Start;
use crate::envelope::Sealed;
use crate::row::{Columns, Kind, RowKey};

/// The private key that signs the tokens of the JWT webhook.
pub const PRIVATE_KEY: &str = "jwt_webhook.private_key";

/// Where the tokens of the JWT webhook are posted.
pub const JWT_URL: &str = "jwt_webhook.url";

/// Whether the HTTP events that come in are kept with their sessions.
pub const SAVE_INTO_SESSIONS: &str = "http_events.save_into_sessions";

/// Where the external WebAPI is called.
pub const WEBAPI_URL: &str = "external_webapi.service_account_url";

/// How many seconds a call of the external WebAPI may take.
pub const WEBAPI_TIMEOUT: &str = "external_webapi.timeout_seconds";

/// Whether the external WebAPI signs users up.
pub const WEBAPI_SIGN_UP: &str = "external_webapi.sign_up";

/// Whether the external WebAPI notifies users.
pub const WEBAPI_NOTIFICATION: &str = "external_webapi.notification";

/// Whether the external WebAPI helps those who forgot their passwords.
pub const WEBAPI_FORGOT_PASSWORD: &str = "external_webapi.forgot_password";

/// What stands for a value in `external_webapi.notification_parameters`.
pub const PLACEHOLDERS: [&str; 5] = ["name", "domain", "email", "event", "link"];

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingType {
    /// `yes` or `no`.
    Switch,
    /// A number of seconds, 1 to 300.
    Seconds,
    /// A URL that may be called; its path and query may be secret.
    Url,
    /// A host, with a port if it is not the usual one, and `https://` before it if it is called so.
    Server,
    /// The path of a URL, with its query; both may be secret.
    Path,
    /// A private key in PEM. It is never shown.
    PrivateKey,
    /// A JSON object of claims.
    Claims,
    /// The inside of a JSON object, with placeholders.
    Template,
}

impl SettingType {
    /// Whether a value is sealed before it is written down.
    pub fn is_sealed(self) -> bool {
        matches!(self, Self::Url | Self::Path | Self::PrivateKey)
    }
}

/// A setting that there is.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub key: &'static str,
    /// What it takes.
    pub kind: SettingType,
    /// Its value where none was set; empty for none.
    pub default: &'static str,
    /// Whether a domain can have one of its own.
    pub of_domain: bool,
    /// What it means.
    pub description: &'static str,
}

const fn of_any(key: &'static str, kind: SettingType, default: &'static str, description: &'static str) -> Definition {
    Definition { key, kind, default, of_domain: true, description }
}

const fn switch(key: &'static str, description: &'static str) -> Definition {
    of_any(key, SettingType::Switch, "no", description)
}

const fn of_hub(definition: Definition) -> Definition {
    Definition { of_domain: false, ..definition }
}

/// What error checking means to that server.
const STRICT: &str =
    "yes: each event is repeated until valid XML comes, in order; no: each is sent once, whatever comes back";

/// Every setting, in the order of ISL's page.
pub static SETTINGS: [Definition; 25] = [
    of_any(JWT_URL, SettingType::Url, "", "Where changes are posted as {\"jwt\": \"…\"}; needs a private key"),
    of_any(
        PRIVATE_KEY,
        SettingType::PrivateKey,
        "",
        "The private key in PEM (RSA, RSA-PSS, EC or Ed25519) that signs the tokens: by RS256, PS256, ES256 or ES384, or EdDSA",
    ),
    of_any("jwt_webhook.claims", SettingType::Claims, "{}", "Claims of every token, a JSON object; it may set iss"),
    switch("webhook_events.user_create", "Whether the JWT webhook tells that a user was made"),
    switch("webhook_events.user_delete", "Whether the JWT webhook tells that a user was deleted"),
    switch("webhook_events.domain_delete", "Whether the JWT webhook tells that a domain was deleted"),
    switch("webhook_events.user_undelete", "Whether the JWT webhook tells that a deleted user came back"),
    switch("webhook_events.client_registered", "Whether the JWT webhook tells that a client was registered"),
    switch("webhook_events.client_updated", "Whether the JWT webhook tells that a client was changed"),
    switch("webhook_events.client_departments", "Whether the JWT webhook tells which departments came and went"),
    switch("http_events.per_domain.enabled", "Whether the changes of a domain go to the domain's own server"),
    switch("http_events.per_domain.strict", STRICT),
    of_any("http_events.per_domain.server", SettingType::Server, "", "The domain's own server, as in localhost:8080"),
    of_any("http_events.per_domain.path", SettingType::Path, "/", "The path there, as in /events.aspx"),
    of_hub(switch("http_events.global.enabled", "Whether the changes of all domains go to one server")),
    of_hub(switch("http_events.global.strict", STRICT)),
    of_hub(of_any("http_events.global.server", SettingType::Server, "", "That one server, as in localhost:8080")),
    of_hub(of_any("http_events.global.path", SettingType::Path, "/", "The path there, as in /events.aspx")),
    switch(SAVE_INTO_SESSIONS, "Whether HTTP events that come in are kept with their sessions"),
    of_any(WEBAPI_TIMEOUT, SettingType::Seconds, "10", "Time for a whole call of the external WebAPI"),
    of_any(WEBAPI_URL, SettingType::Url, "", "The external WebAPI of the account service"),
    switch(WEBAPI_SIGN_UP, "Whether the external WebAPI signs users up (account/signup/1), instead of the hub by mail"),
    switch(WEBAPI_NOTIFICATION, "Whether the external WebAPI notifies users (account/notification/1)"),
    of_any(
        "external_webapi.notification_parameters",
        SettingType::Template,
        "\"userName\": {{name}}, \"userDomain\": {{domain}}",
        "What the external WebAPI is told then, the inside of a JSON object, with {{name}}, {{domain}}, {{email}}, {{event}} and \
         {{link}}: add \"event\": {{event}} to tell what happened",
    ),
    switch(
        WEBAPI_FORGOT_PASSWORD,
        "Whether the external WebAPI helps who forgot a password (account/password/forgot/1), instead of the hub by mail",
    ),
];

/// The setting of this name.
pub fn definition(key: &str) -> Option<&'static Definition> {
    SETTINGS.iter().find(|definition| definition.key == key)
}

/// The data of an event that sets a setting, or takes it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingSet {
    /// Which one.
    pub key: String,
    /// For which domain; none for the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What it is from now on; none to take it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SettingValue>,
    /// Until when the public half of a private key that was replaced is still served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_until: Option<Timestamp>,
    /// The position in each partition from which on changes are sent, if this is what has them sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<u64>,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingValue {
    /// As it is.
    Plain(String),
    /// Sealed, since it is secret or may be.
    Secret {
        /// The value.
        value: Sealed,
        /// Scheme and host of a URL, or what a private key is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        /// The public half of a private key, as a JWK (RFC 7517).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<Value>,
    },
}

/// What a change says of a setting: not its value, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingChange {
    /// Which one.
    pub key: String,
    /// Of which domain; null for the hub.
    pub domain: Option<String>,
    /// Whether it is set, or was taken back.
    pub is_set: bool,
    /// The id of the access token whose holder changed it.
    pub changed_by: Option<String>,
    /// When.
    pub changed_time: Timestamp,
}

/// A setting that was set, or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    /// Which one, by whom, when.
    pub change: SettingChange,
    /// What it is, if it is set.
    pub value: Option<SetValue>,
    /// Public halves of private keys that were replaced a while ago.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<PreviousPublicKey>,
    /// From where on changes are sent, if it has them sent: since it was set, or switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Where it was switched off, or taken back, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// Where it was set first.
    pub position: u64,
    /// Where it was changed last.
    pub changed_position: u64,
}

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetValue {
    /// As it is.
    Plain(String),
    /// Sealed.
    Secret {
        /// The value.
        value: SealedSecret,
        /// Scheme and host of a URL, or what a private key is.
        summary: Option<String>,
        /// The public half of a private key.
        public_key: Option<Value>,
    },
}

/// The public half of a private key that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousPublicKey {
    /// As a JWK.
    pub key: Value,
    /// Until when tokens that it verifies may be on their way.
    pub until: Timestamp,
}

/// Keys that were replaced and are still served, at most.
const MAX_PREVIOUS: usize = 8;

impl SetValue {
    /// Whether it is anything but a switch that is off.
    fn is_on(&self) -> bool {
        !matches!(self, Self::Plain(text) if text == "no")
    }

    /// The text, of what is not sealed.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Secret { .. } => None,
        }
    }
}

impl SettingRow {
    /// Whether it is set, and not to `no`.
    pub fn is_on(&self) -> bool {
        self.value.as_ref().is_some_and(SetValue::is_on)
    }

    /// Whether it was on at a position of the directory, as far as the last time that it was on tells.
    pub fn was_on(&self, position: u64) -> bool {
        let had_begun = self.start.as_ref().is_none_or(|start| start.said < position);
        had_begun && (self.is_on() || self.end.is_some_and(|end| position < end))
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            domain: self.change.domain.as_deref(),
            state: Some(if self.value.is_some() { "set" } else { "unset" }),
            position: self.position,
            ..Columns::default()
        }
    }

    /// The public key that is served for it now.
    pub fn public_key(&self) -> Option<&Value> {
        match &self.value {
            Some(SetValue::Secret { public_key, .. }) => public_key.as_ref(),
            _ => None,
        }
    }

    /// Forgets what a domain had that had the name before one that was made here.
    pub(crate) fn belong_since(&mut self, made: u64) {
        if self.changed_position < made {
            (self.value, self.previous, self.end) = (None, Vec::new(), None);
        }
    }

    /// Keeps the public key that is served now for as long as tokens that it verifies may be on their way.
    pub(crate) fn keep_public_key(&mut self, until: Option<Timestamp>, now: Timestamp) {
        self.previous.retain(|previous| now < previous.until);
        if let (Some(key), Some(until)) = (self.public_key().cloned(), until) {
            self.previous.push(PreviousPublicKey { key, until });
        }
        let surplus = self.previous.len().saturating_sub(MAX_PREVIOUS);
        self.previous.drain(..surplus);
    }
}

/// The row of a setting of a domain, or of the hub.
pub fn setting_key(key: &str, domain: Option<&str>) -> RowKey {
    RowKey::new(Kind::Setting, domain.map_or_else(|| key.to_owned(), |domain| format!("{key}@{domain}")))
}

/// Whose keys seal the settings of a domain, or of the hub: no tenant of a source is written so.
pub fn settings_tenant(domain: Option<&str>) -> String {
    format!("settings:{}", domain.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_isls_page_is_there_once() {
        let mut keys: Vec<_> = SETTINGS.iter().map(|definition| definition.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), SETTINGS.len());
        for definition in &SETTINGS {
            assert_eq!(self::definition(definition.key).map(|found| found.key), Some(definition.key));
            assert!(!definition.description.is_empty(), "{}", definition.key);
            let is_switch = definition.kind == SettingType::Switch;
            assert_eq!(definition.default == "no", is_switch, "{}: all is off until it is switched on", definition.key);
        }
        assert!(definition("jwt_webhook").is_none());
    }
}
