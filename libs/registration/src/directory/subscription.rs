//! Subscriptions: which changes are pushed, and where to. The place itself and the keys that sign are sealed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::check::{MAX_ITEMS, check_name, check_text, violation};
use super::fixed::is_reserved;
use crate::change::{ChangeType, matches_type};
use crate::client::SealedSecret;
use crate::envelope::Sealed;
use crate::quarantine::Violation;
use crate::row::Columns;

/// The most keys that sign at a time: what is older was replaced so often that nobody can be waiting for it.
const MAX_KEYS: usize = 8;

/// How changes are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionKind {
    /// By a POST of the CloudEvent to a URL, signed as Standard Webhooks has it.
    Webhook,
    /// By mail: a notice, with a link where there are credentials to be seen.
    Email,
}

impl SubscriptionKind {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }
}

/// By which keys a webhook is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Signature {
    /// HMAC-SHA-256 under a secret that both sides have.
    #[default]
    V1,
    /// Ed25519: who verifies need not be able to sign.
    V1a,
    /// Both, for a receiver that changes over.
    Both,
}

/// Which changes are wanted. An empty list wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeFilter {
    /// Names of integrations.
    pub integrations: Vec<String>,
    /// Tenants, as `provetcloud.com/1234`.
    pub tenants: Vec<String>,
    /// Short types, or families of them: `client.*`.
    pub types: Vec<String>,
}

impl ChangeFilter {
    /// Whether a change of this type, integration and tenant is wanted.
    pub fn wants(&self, kind: &str, integration: Option<&str>, tenant: Option<&str>) -> bool {
        let among = |asked: &[String], found: Option<&str>| {
            asked.is_empty() || found.is_some_and(|found| asked.iter().any(|asked| asked == found))
        };
        (self.types.is_empty() || self.types.iter().any(|asked| matches_type(asked, kind)))
            && among(&self.integrations, integration)
            && among(&self.tenants, tenant)
    }

    fn check(&self, found: &mut Vec<Violation>) {
        for (list, items) in [("integrations", &self.integrations), ("tenants", &self.tenants), ("types", &self.types)]
        {
            if items.len() > MAX_ITEMS {
                found.push(violation(&format!("/{list}"), "may hold 100 items at most"));
            }
        }
        for (index, name) in self.integrations.iter().take(MAX_ITEMS).enumerate() {
            check_name(found, &format!("/integrations/{index}"), name);
        }
        for (index, tenant) in self.tenants.iter().take(MAX_ITEMS).enumerate() {
            check_text(found, &format!("/tenants/{index}"), tenant);
        }
        let known = ChangeType::ALL.map(ChangeType::short);
        for (index, asked) in self.types.iter().take(MAX_ITEMS).enumerate() {
            if !known.iter().any(|kind| matches_type(asked, kind)) {
                let detail = format!("must be one of {}, or a family like client.*", known.join(", "));
                found.push(violation(&format!("/types/{index}"), &detail));
            }
        }
    }
}

/// What a subscription is, but for where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionSpec {
    /// Unique in the hub: `[a-z0-9][a-z0-9-]{0,62}`.
    pub name: String,
    /// The domain whose changes it is for; none for those of the whole hub.
    pub domain: Option<String>,
    /// How changes are pushed.
    pub kind: SubscriptionKind,
    /// Which changes.
    #[serde(flatten)]
    pub filter: ChangeFilter,
    /// By which keys a webhook is signed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature: Option<Signature>,
}

/// Where a subscription leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealedTarget {
    /// Scheme and host of the URL: its path and its query may be secret.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<String>,
    /// The URL, or the address of the mailbox.
    pub target: Sealed,
}

/// A key that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealedKey {
    /// Its text form as Standard Webhooks has it.
    pub key: Sealed,
    /// The public half, `whpk_…`; none of a secret that both sides have.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub public_key: Option<String>,
}

/// The data of an event that asks for a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionCreate {
    /// What is asked for.
    pub subscription: SubscriptionSpec,
    /// Where it leads.
    #[serde(flatten)]
    pub target: SealedTarget,
    /// The keys that sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<SealedKey>,
    /// The position in each partition from which on changes are pushed; empty for the beginning.
    pub start: Vec<u64>,
}

/// The data of an event that replaces fields of a subscription; those left out stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionUpdate {
    /// Id of the subscription: what is sealed is sealed for it.
    pub id: Uuid,
    /// Names of integrations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrations: Option<Vec<String>>,
    /// Tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// Short types, or families of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SealedTarget>,
}

/// The data of an event that gives a subscription new keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionRotateSecret {
    /// Id of the subscription: what is sealed is sealed for it.
    pub id: Uuid,
    /// By which keys a webhook is signed from now on.
    pub signature: Signature,
    /// The new keys.
    pub keys: Vec<SealedKey>,
    /// Until when the old keys sign too.
    pub grace_until: Timestamp,
}

/// The data of an event that lets a subscription go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionResume {
    /// From where; as when it was made. None: from where it stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start: Option<Vec<u64>>,
}

/// The data of an event that the hub pauses a subscription by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionSuspend {
    /// Why.
    pub reason: PauseReason,
    /// The position of the last event that changed the subscription, as far as was known: if it was changed since, this
    /// changes nothing.
    pub revision: u64,
}

/// Why nothing is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// Somebody paused it.
    ByHand,
    /// The receiver answered 410: it wants nothing any more.
    Gone,
    /// The URL may not be called.
    Refused,
    /// Nothing but failure for a long time.
    Failing,
    /// It is not known how far it was pushed, as after the delivery store was lost: say from where.
    StartUnknown,
}

impl PauseReason {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByHand => "by-hand",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::StartUnknown => "start-unknown",
        }
    }
}

/// Since when and why nothing is pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// Why.
    pub reason: PauseReason,
    /// Since when.
    pub time: Timestamp,
}

/// Whether a subscription pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionState {
    /// It does.
    Active,
    /// It does not, and goes on from where it stands once it is resumed.
    Paused,
}

impl SubscriptionState {
    /// The word used in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }
}

/// A subscription, as changes show it: without the URL or address, which only its administrators see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    /// Never used again, unlike the name.
    pub id: Uuid,
    /// Unique in the hub.
    pub name: String,
    /// The domain whose changes it is for; null for those of the whole hub.
    pub domain: Option<String>,
    /// How changes are pushed.
    pub kind: SubscriptionKind,
    /// Scheme and host of a webhook's URL.
    pub origin: Option<String>,
    /// Which changes.
    #[serde(flatten)]
    pub filter: ChangeFilter,
    /// By which keys a webhook is signed.
    pub signature: Option<Signature>,
    /// The public keys that verify, `whpk_…`, the newest first.
    pub public_keys: Vec<String>,
    /// Whether it pushes.
    pub state: SubscriptionState,
    /// Since when and why it does not.
    pub paused: Option<Paused>,
    /// When it was made.
    pub created_time: Timestamp,
    /// When it was changed last.
    pub changed_time: Timestamp,
}

/// A subscription with what only the dispatcher needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRow {
    /// What readers see.
    pub subscription: Subscription,
    /// Where it leads.
    pub target: SealedSecret,
    /// The keys that sign, the newest first.
    pub keys: Vec<SubscriptionKey>,
    /// From where on changes are pushed.
    pub start: Start,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Where it was made.
    pub position: u64,
    /// The position of the last event that changed it.
    pub revision: u64,
}

/// A key that signs, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionKey {
    /// The key.
    pub key: SealedSecret,
    /// The public half.
    pub public_key: Option<String>,
    /// Until when, if it was replaced.
    pub until: Option<Timestamp>,
}

impl SubscriptionKey {
    /// The field in whose place the key stands in its event: part of what its seal binds to.
    pub fn field(&self) -> &'static str {
        key_field(self.public_key.is_some())
    }
}

/// The field in whose place a key stands: one event may bring one of each kind.
pub fn key_field(has_public_half: bool) -> &'static str {
    if has_public_half { "private_key" } else { "secret" }
}

/// From where on changes are pushed. Whoever says so again begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The position of the event that said so.
    pub said: u64,
    /// The position in each partition; those that are left out begin at 0.
    pub positions: Vec<u64>,
}

impl Start {
    /// Where an event has changes pushed from: what is before the event itself belongs to what was before, unless
    /// everything is asked for.
    pub(crate) fn new(said: u64, mut positions: Vec<u64>) -> Self {
        if let Some(first) = positions.first_mut() {
            *first = said + 1;
        }
        Self { said, positions }
    }
}

impl SubscriptionRow {
    /// Whether changes are to be pushed.
    pub fn is_active(&self) -> bool {
        !self.deleted && self.subscription.state == SubscriptionState::Active
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        let state = if self.deleted { "deleted" } else { self.subscription.state.as_str() };
        Columns {
            domain: self.subscription.domain.as_deref(),
            state: Some(state),
            position: self.position,
            ..Columns::default()
        }
    }

    pub(crate) fn set_target(&mut self, event: Uuid, target: SealedTarget) {
        self.target = SealedSecret { event, sealed: target.target };
        self.subscription.origin = target.origin;
    }

    /// Puts new keys before the others, which sign until then.
    pub(crate) fn rotate(&mut self, event: Uuid, rotate: SubscriptionRotateSecret, now: Timestamp) {
        for key in &mut self.keys {
            key.until = Some(key.until.map_or(rotate.grace_until, |until| until.min(rotate.grace_until)));
        }
        self.keys.retain(|key| key.until.is_none_or(|until| until > now));
        self.keys.splice(0..0, keys_of(event, rotate.keys));
        self.keys.truncate(MAX_KEYS);
        self.subscription.signature = Some(rotate.signature);
        self.show_public_keys();
    }

    pub(crate) fn show_public_keys(&mut self) {
        self.subscription.public_keys = self.keys.iter().filter_map(|key| key.public_key.clone()).collect();
    }
}

pub(crate) fn keys_of(event: Uuid, keys: Vec<SealedKey>) -> Vec<SubscriptionKey> {
    let key = |SealedKey { key, public_key }| SubscriptionKey {
        key: SealedSecret { event, sealed: key },
        public_key,
        until: None,
    };
    keys.into_iter().map(key).collect()
}

impl SubscriptionSpec {
    /// Everything that is wrong with it; empty if nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        check_name(&mut found, "/name", &self.name);
        if is_reserved(&self.name) {
            found.push(violation("/name", "is that of what settings have sent"));
        }
        if let Some(domain) = &self.domain {
            check_name(&mut found, "/domain", domain);
        }
        self.filter.check(&mut found);
        found
    }
}

impl SubscriptionUpdate {
    /// Everything that is wrong with it; empty if nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let list = |asked: &Option<Vec<String>>| asked.clone().unwrap_or_default();
        let filter = ChangeFilter {
            integrations: list(&self.integrations),
            tenants: list(&self.tenants),
            types: list(&self.types),
        };
        filter.check(&mut found);
        found
    }
}
