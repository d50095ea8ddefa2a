//! The directory: domains, integrations and access tokens; partition 0, in one total order.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::change::{Change, ChangeType, DomainOf, domain_of};
use crate::event::Body;
use crate::fold::{Placed, fold};
use crate::place::Place;
use crate::row::{Kind, Row, RowKey, Rows};

mod check;
mod domain;
mod fixed;
mod forgotten;
mod integration;
mod people;
mod setting;
mod subscription;
mod token;
mod user;
mod user_name;

pub use self::check::{MAILBOX_RULE, is_mailbox};
pub use self::domain::{Domain, DomainCreate, DomainDelete, DomainSpec, DomainState};
pub use self::fixed::{DOMAIN_ENABLED, DOMAIN_SERVER, FixedKind, FixedSubscription, GLOBAL_ENABLED, GLOBAL_SERVER};
pub use self::forgotten::Forgotten;
pub use self::integration::{
    Allow, Integration, IntegrationChange, IntegrationCreate, IntegrationRotateHookup, IntegrationRow, IntegrationSpec,
    IntegrationUpdate, Notified, Notify, PreviousKey, SealedMailbox, Source,
};
pub use self::people::Due;
pub use self::setting::{
    Definition, JWT_URL, PLACEHOLDERS, PRIVATE_KEY, PreviousPublicKey, SAVE_INTO_SESSIONS, SETTINGS, SetValue,
    SettingChange, SettingRow, SettingSet, SettingType, SettingValue, WEBAPI_FORGOT_PASSWORD, WEBAPI_NOTIFICATION,
    WEBAPI_SIGN_UP, WEBAPI_TIMEOUT, WEBAPI_URL, definition, setting_key, settings_tenant,
};
pub(crate) use self::subscription::keys_of;
pub use self::subscription::{
    ChangeFilter, PauseReason, Paused, SealedKey, SealedTarget, Signature, Start, Subscription, SubscriptionCreate,
    SubscriptionKey, SubscriptionKind, SubscriptionResume, SubscriptionRotateSecret, SubscriptionRow, SubscriptionSpec,
    SubscriptionState, SubscriptionSuspend, SubscriptionUpdate, key_field,
};
pub use self::token::{Scope, Token, TokenCreate, TokenRow, TokenSpec};
pub use self::user::{
    EmailUpdate, Former, PasswordReset, Rename, Role, User, UserConfirm, UserCreate, UserDelete, UserForgotPassword,
    UserName, UserPurge, UserRow, UserSetPassword, UserState, UserUpdate,
};
pub use self::user_name::{MAX_NAME, normalise};

/// The domain that exists from the start.
pub const DEFAULT_DOMAIN: &str = "default";

/// The data of the genesis event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerCreate {
    /// Id of the ledger: part of every change id and cursor.
    pub ledger: String,
    /// Number of partitions, fixed for the life of the ledger.
    pub partitions: u32,
    /// Whose history it goes on from, if it began with an import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// What a ledger was imported from. Its own events follow those of the other ledger, which are there byte for byte in other
/// places, all but the other genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Id of the other ledger.
    pub ledger: String,
    /// Id of the ledger that what is sealed is bound to: the first one's, however often it was imported.
    pub sealed_for: String,
    /// The log of each partition of the other ledger, as it was imported: it proves the history from before.
    pub logs: Vec<LogHead>,
    /// The head of each partition of this ledger after the import. Subscribers were told what is below by the other ledger.
    pub heads: Vec<u64>,
}

/// How far a log of entries goes, and what it says: two logs with the same head have the same entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogHead {
    /// Number of entries.
    pub entries: u64,
    /// The Merkle tree hash of the entries, RFC 6962 section 2.1, base64.
    pub root: String,
}

/// The data of an event that begins a new era: the ledger was restored from a backup, and gives positions that were given
/// before to other events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerRestore {
    /// Id of the era: part of every cursor that is made in it.
    pub era: Uuid,
    /// The head of each partition at that moment: what is before them is as it was in the eras before.
    pub heads: Vec<u64>,
}

/// What the genesis said, and what has become of the ledger since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Id of the ledger.
    pub ledger: String,
    /// Number of partitions.
    pub partitions: u32,
    /// What it was imported from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// Every restore; each began an era.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restores: Vec<LedgerRestore>,
}

impl LedgerCreate {
    /// Id of the ledger that what is sealed in this one is bound to.
    pub fn sealed_for(&self) -> &str {
        self.imported.as_ref().map_or(&self.ledger, |imported| &imported.sealed_for)
    }
}

impl LedgerRow {
    /// Id of the ledger that what is sealed in this one is bound to: it names the keys of both.
    pub fn sealed_for(&self) -> &str {
        self.imported.as_ref().map_or(&self.ledger, |imported| &imported.sealed_for)
    }

    /// Whether the event at a place came from another ledger: places that it names are that one's.
    pub fn is_imported(&self, place: Place) -> bool {
        let heads = self.imported.as_ref().map(|imported| &imported.heads);
        heads.and_then(|heads| heads.get(place.partition as usize)).is_some_and(|head| place.position < *head)
    }

    /// The era that is now; none is the first one, before any restore.
    pub fn era(&self) -> Option<Uuid> {
        self.restores.last().map(|restore| restore.era)
    }

    /// The restores after an era, in order; `None` if this ledger knows of no such era: a backup from before it was restored.
    pub fn restores_since(&self, era: Option<Uuid>) -> Option<&[LedgerRestore]> {
        let Some(era) = era else { return Some(&self.restores) };
        let begun = self.restores.iter().position(|restore| restore.era == era)?;
        self.restores.get(begun + 1..)
    }
}

/// The directory folded in memory: what intake and the edge ask for on every request.
#[derive(Debug, Default)]
pub struct Directory {
    rows: Rows,
    tokens: HashMap<String, RowKey>,
    /// What was made of some kinds, in that order: most rows are of commands.
    made: HashMap<Kind, Vec<RowKey>>,
    /// Whether a domain was ever deleted.
    has_lost_domains: bool,
    /// Who and what there is no more, and since when.
    forgotten: Vec<(Forgotten, Timestamp)>,
}

impl Directory {
    /// Folds one more event of the directory; the caller passes no others, and these in their order.
    pub fn apply(&mut self, placed: &Placed) {
        let changes = fold(&mut self.rows, placed);
        for change in &changes {
            self.note(change, &placed.event.body);
        }
        for (key, row) in self.rows.written() {
            if let Row::Token(row) = row {
                self.tokens.insert(row.token_hash.clone(), key.clone());
            }
        }
        self.rows.settle();
        self.forget(placed, changes.is_empty());
    }

    fn note(&mut self, change: &Change, body: &Body) {
        match change.kind {
            ChangeType::DomainCreated | ChangeType::SubscriptionCreated => {
                let made = self.made.entry(change.row.kind).or_default();
                // One of its name may have been there before.
                made.retain(|key| *key != change.row);
                made.push(change.row.clone());
            }
            // Whoever confirms was made when it signed up.
            ChangeType::UserCreated if matches!(body, Body::UserConfirm(_)) => {}
            ChangeType::IntegrationCreated | ChangeType::UserCreated | ChangeType::UserSignedUp => {
                self.made.entry(change.row.kind).or_default().push(change.row.clone());
            }
            ChangeType::DomainDeleted => self.has_lost_domains = true,
            _ => {}
        }
    }

    /// Id of the ledger; none before the genesis was read.
    pub fn ledger(&self) -> Option<&LedgerRow> {
        match self.rows.get(&RowKey::new(Kind::Ledger, "")) {
            Some(Row::Ledger(row)) => Some(row),
            _ => None,
        }
    }

    /// A domain that is in use.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.last_domain(name).filter(|domain| domain.is_active())
    }

    /// What had the name last, whatever has become of it.
    pub fn last_domain(&self, name: &str) -> Option<&Domain> {
        match self.rows.get(&RowKey::new(Kind::Domain, name)) {
            Some(Row::Domain(domain)) => Some(domain),
            _ => None,
        }
    }

    /// Every name of a domain with what had it last, in the order of their making.
    pub fn domains(&self) -> Vec<&Domain> {
        let domains = self.made(Kind::Domain).filter_map(|row| match row {
            Row::Domain(domain) => Some(domain),
            _ => None,
        });
        domains.collect()
    }

    /// The rows of a kind, in the order of their making.
    fn made(&self, kind: Kind) -> impl Iterator<Item = &Row> {
        self.made.get(&kind).into_iter().flatten().filter_map(|key| self.rows.get(key))
    }

    /// Whether what was made at a position, for a domain of that name, belongs to the one that has the name now, and is there
    /// with it.
    fn holds(&self, domain: &str, position: u64) -> bool {
        self.domain(domain).is_some_and(|domain| domain.position < position)
    }

    /// Whether what belongs to a domain is there: it is not if the domain was deleted, also if there is another of its name.
    fn is_there(&self, domain: &str, id: Uuid) -> bool {
        self.domain(domain).is_some_and(|domain| domain.id == id)
    }

    /// An integration, also a deleted one, but not one whose domain is gone.
    fn any_integration(&self, name: &str) -> Option<&Arc<IntegrationRow>> {
        match self.rows.get(&RowKey::new(Kind::Integration, name)) {
            Some(Row::Integration(row)) if self.owns(row) => Some(row),
            _ => None,
        }
    }

    fn owns(&self, row: &IntegrationRow) -> bool {
        self.is_there(&row.integration.domain, row.domain_id)
    }

    /// Whether the domain that a token is limited to is there, if it is limited to one.
    fn admits(&self, row: &TokenRow) -> bool {
        row.token.domain.as_ref().is_none_or(|domain| self.is_there(domain, row.domain_id))
    }

    /// An integration that is not deleted, and neither is its domain.
    pub fn integration(&self, name: &str) -> Option<&Arc<IntegrationRow>> {
        self.any_integration(name).filter(|row| !row.deleted)
    }

    /// The integrations that are not deleted, and neither are their domains, in the order of their making.
    pub fn integrations(&self) -> Vec<&IntegrationRow> {
        let there = self.any_integrations().filter(|row| !row.deleted && self.owns(row));
        there.map(|row| &**row).collect()
    }

    /// Every integration that there ever was.
    fn any_integrations(&self) -> impl Iterator<Item = &Arc<IntegrationRow>> {
        self.made(Kind::Integration).filter_map(|row| match row {
            Row::Integration(row) => Some(row),
            _ => None,
        })
    }

    /// Whether a token sees an integration, also a deleted one; none if there never was one of that name.
    pub fn sees(&self, token: &Token, integration: &str) -> Option<bool> {
        match self.rows.get(&RowKey::new(Kind::Integration, integration)) {
            Some(Row::Integration(row)) => Some(token.sees(&row.integration) && self.owns(row)),
            _ => None,
        }
    }

    /// Whether an integration is hidden, since its domain was deleted.
    pub fn hides(&self, integration: &str) -> bool {
        match self.rows.get(&RowKey::new(Kind::Integration, integration)) {
            Some(Row::Integration(row)) => !self.owns(row),
            _ => false,
        }
    }

    /// Names of the integrations that a token sees, also deleted ones; none if it sees all, and no domain was ever deleted.
    pub fn seen_by(&self, token: &Token) -> Option<Vec<String>> {
        if token.is_unrestricted() && !self.has_lost_domains {
            return None;
        }
        let seen = self.any_integrations().filter(|row| token.sees(&row.integration) && self.owns(row));
        Some(seen.map(|row| row.integration.name.clone()).collect())
    }

    /// Whether the HTTP events that come in are kept with their sessions, as the settings of a domain say.
    pub fn saves_into_sessions(&self, domain: &str) -> bool {
        self.is_on(SAVE_INTO_SESSIONS, Some(domain))
    }

    /// Whether a switch is on for a domain, or for the hub.
    pub fn is_on(&self, key: &str, domain: Option<&str>) -> bool {
        self.setting(key, domain).is_some_and(|row| row.value == Some(SetValue::Plain("yes".to_owned())))
    }

    /// What is set for a domain, else for the hub; none where neither is.
    pub fn setting(&self, key: &str, domain: Option<&str>) -> Option<&SettingRow> {
        let is_set = |row: &&SettingRow| row.value.is_some();
        let own = domain.and_then(|domain| self.own_setting(key, Some(domain))).filter(is_set);
        own.or_else(|| self.own_setting(key, None).filter(is_set))
    }

    /// What was on for a domain, else for the hub, at a position of the directory: whoever was to be told then is not changed
    /// by what is set since.
    pub fn setting_at(&self, key: &str, domain: Option<&str>, position: u64) -> Option<&SettingRow> {
        let own = domain.and_then(|domain| self.own_setting(key, Some(domain)));
        let own = own.filter(|row| row.position < position && (row.value.is_some() || row.was_on(position)));
        own.or_else(|| self.own_setting(key, None)).filter(|row| row.was_on(position))
    }

    /// What was set for just this domain, or just the hub, or taken back there.
    pub fn own_setting(&self, key: &str, domain: Option<&str>) -> Option<&SettingRow> {
        let Some(Row::Setting(row)) = self.rows.get(&setting_key(key, domain)) else {
            return None;
        };
        Some(&**row).filter(|row| self.outlives(row))
    }

    /// Everything that is set, for the hub or for a domain.
    pub fn settings(&self) -> impl Iterator<Item = &SettingRow> {
        self.rows.of(Kind::Setting).filter_map(|row| match row {
            Row::Setting(row) if row.value.is_some() && self.outlives(row) => Some(&**row),
            _ => None,
        })
    }

    /// Whether the domain of a setting is still the one that it was set for.
    fn outlives(&self, row: &SettingRow) -> bool {
        row.change.domain.as_ref().is_none_or(|domain| self.holds(domain, row.changed_position))
    }

    fn has(&self, row: &SubscriptionRow) -> bool {
        !row.deleted && row.subscription.domain.as_ref().is_none_or(|domain| self.holds(domain, row.position))
    }

    /// The public keys (JWKs) that verify what is signed here, and what was signed a while ago.
    pub fn public_keys(&self, now: Timestamp) -> Vec<&Value> {
        let rows = self.rows.of(Kind::Setting).filter_map(|row| match row {
            Row::Setting(row) if self.outlives(row) => Some(row),
            _ => None,
        });
        let mut found: Vec<_> = rows
            .flat_map(|row| {
                let previous = row.previous.iter().filter(|previous| now < previous.until);
                row.public_key().into_iter().chain(previous.map(|previous| &previous.key))
            })
            .collect();
        found.sort_by_key(|key| key["kid"].as_str());
        found.dedup();
        found
    }

    /// A subscription that is not deleted, and neither is its domain, by its name or its id.
    pub fn subscription(&self, name: &str) -> Option<&SubscriptionRow> {
        if let Some(Row::Subscription(row)) = self.rows.get(&RowKey::new(Kind::Subscription, name)) {
            return Some(&**row).filter(|row| self.has(row));
        }
        let id: Uuid = name.parse().ok()?;
        self.subscriptions().into_iter().find(|row| row.subscription.id == id)
    }

    /// The subscriptions that are not deleted, and neither are their domains, in the order of their making.
    pub fn subscriptions(&self) -> Vec<&SubscriptionRow> {
        let there = self.made(Kind::Subscription).filter_map(|row| match row {
            Row::Subscription(row) if self.has(row) => Some(&**row),
            _ => None,
        });
        there.collect()
    }

    /// The domain of an integration, also of a deleted one; none if it is hidden, since its domain was deleted.
    pub fn domain_of(&self, integration: &str) -> Option<&str> {
        self.any_integration(integration).map(|row| &*row.integration.domain)
    }

    /// The domain that an integration belonged to from the start, also if it is hidden by now.
    pub fn owner_of(&self, integration: &str) -> Option<&str> {
        match self.rows.get(&RowKey::new(Kind::Integration, integration)) {
            Some(Row::Integration(row)) => Some(&row.integration.domain),
            _ => None,
        }
    }

    /// Whether a change belongs to the domain that has a name now: one of an integration, or of the domain itself, its users and subscriptions,
    /// which is told by the change's own body. An earlier domain of that name was another one.
    pub fn concerns(&self, domain: &str, integration: Option<&str>, change: &[u8]) -> bool {
        match integration {
            Some(name) => self.domain_of(name) == Some(domain),
            None => self.domain(domain).is_some_and(|own| match domain_of(change) {
                Some(DomainOf::Id(id)) => id == own.id,
                Some(DomainOf::Name(name)) => name == own.name,
                None => false,
            }),
        }
    }

    /// Every access token but those of domains that are gone, in the order of their making.
    pub fn tokens(&self) -> Vec<&TokenRow> {
        let mut found: Vec<_> = self
            .rows
            .of(Kind::Token)
            .filter_map(|row| match row {
                Row::Token(row) if self.admits(row) => Some(&**row),
                _ => None,
            })
            .collect();
        found.sort_by_key(|row| row.position);
        found
    }

    /// An access token by the base64 of its SHA-256; none whose domain is gone.
    pub fn token_by_hash(&self, hash: &str) -> Option<&Token> {
        self.token_of(self.tokens.get(hash)?)
    }

    /// An access token by its id; none whose domain is gone.
    pub fn token(&self, id: &str) -> Option<&Token> {
        self.token_of(&RowKey::new(Kind::Token, id))
    }

    fn token_of(&self, key: &RowKey) -> Option<&Token> {
        match self.rows.get(key) {
            Some(Row::Token(row)) if self.admits(row) => Some(&row.token),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
