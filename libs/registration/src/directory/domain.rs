//! Domains: who owns integrations, subscriptions, access tokens and users.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::check::check_name;
use crate::quarantine::Violation;
use crate::row::Columns;

/// What is asked for when a domain is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainSpec {
    /// Unique in the hub: `[a-z0-9][a-z0-9-]{0,62}`.
    pub name: String,
}

/// The data of an event that asks for a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DomainCreate {
    /// What is asked for.
    pub domain: DomainSpec,
}

/// The data of an event that asks for the end of a domain, with all that it owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DomainDelete {
    /// From when on it may be purged: its name is free then.
    pub purge_after: Timestamp,
}

/// What has become of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DomainState {
    /// In use.
    #[default]
    Active,
    /// Hidden, with all that it owns. Its name stays reserved.
    Deleted,
    /// Gone; its name is free.
    Purged,
}

impl DomainState {
    /// The word used in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }
}

/// A domain owns integrations, subscriptions, access tokens and users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Domain {
    /// Never used again, unlike the name: what belongs to a domain belongs to this id. That of `default`, which every ledger
    /// has from the start, is nil.
    #[serde(default)]
    pub id: Uuid,
    /// Unique name.
    pub name: String,
    /// What has become of it.
    #[serde(default)]
    pub state: DomainState,
    /// When it was made.
    pub created_time: Timestamp,
    /// When it was deleted.
    #[serde(default)]
    pub deleted_time: Option<Timestamp>,
    /// From when on it may be purged, if it was deleted.
    #[serde(default)]
    pub purge_after: Option<Timestamp>,
    /// Where it was made.
    pub position: u64,
}

impl Domain {
    /// A new one.
    pub fn new(id: Uuid, name: String, created_time: Timestamp, position: u64) -> Self {
        let state = DomainState::Active;
        Self { id, name, state, created_time, deleted_time: None, purge_after: None, position }
    }

    /// Whether it is in use.
    pub fn is_active(&self) -> bool {
        self.state == DomainState::Active
    }

    /// Whether it is deleted and may be purged at a time.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == DomainState::Deleted && self.purge_after.is_some_and(|due| due <= now)
    }

    /// Whether it is purged, or may be at a time.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.state == DomainState::Purged || self.is_due(now)
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        let state = Some(self.state.as_str());
        Columns { domain: Some(&self.name), state, position: self.position, ..Columns::default() }
    }
}

impl DomainSpec {
    /// Everything that is wrong with it; empty if nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        check_name(&mut found, "/name", &self.name);
        found
    }
}
