//! Changes: what one event did to one row; what subscribers receive.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::client::Client;
use crate::directory::{Domain, Integration, SettingChange, Subscription, User};
use crate::fold::Placed;
use crate::isl::{SourceDomain, SourceUser, SourceUserRow};
use crate::row::{Kind, RowKey};

/// The types of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the short form says it")]
pub enum ChangeType {
    ClientRegistered,
    ClientUpdated,
    ClientDepartmentsAdded,
    ClientDepartmentsRemoved,
    ClientDeactivated,
    ClientReactivated,
    ClientRetired,
    DomainCreated,
    DomainDeleted,
    IntegrationCreated,
    IntegrationUpdated,
    IntegrationHookupRotated,
    IntegrationDeleted,
    UserCreated,
    UserUpdated,
    UserDeleted,
    UserUndeleted,
    UserPurged,
    UserSignedUp,
    UserPasswordForgotten,
    SettingChanged,
    SubscriptionCreated,
    SubscriptionUpdated,
    SubscriptionDeleted,
    SubscriptionPaused,
    SubscriptionResumed,
}

impl ChangeType {
    /// Every type.
    pub const ALL: [Self; 26] = [
        Self::ClientRegistered,
        Self::ClientUpdated,
        Self::ClientDepartmentsAdded,
        Self::ClientDepartmentsRemoved,
        Self::ClientDeactivated,
        Self::ClientReactivated,
        Self::ClientRetired,
        Self::DomainCreated,
        Self::DomainDeleted,
        Self::IntegrationCreated,
        Self::IntegrationUpdated,
        Self::IntegrationHookupRotated,
        Self::IntegrationDeleted,
        Self::UserCreated,
        Self::UserUpdated,
        Self::UserDeleted,
        Self::UserUndeleted,
        Self::UserPurged,
        Self::UserSignedUp,
        Self::UserPasswordForgotten,
        Self::SettingChanged,
        Self::SubscriptionCreated,
        Self::SubscriptionUpdated,
        Self::SubscriptionDeleted,
        Self::SubscriptionPaused,
        Self::SubscriptionResumed,
    ];

    /// The CloudEvents `type`.
    pub fn cloud_event_type(self) -> &'static str {
        match self {
            Self::ClientRegistered => "regledger.client.registered.v1",
            Self::ClientUpdated => "regledger.client.updated.v1",
            Self::ClientDepartmentsAdded => "regledger.client.departments_added.v1",
            Self::ClientDepartmentsRemoved => "regledger.client.departments_removed.v1",
            Self::ClientDeactivated => "regledger.client.deactivated.v1",
            Self::ClientReactivated => "regledger.client.reactivated.v1",
            Self::ClientRetired => "regledger.client.retired.v1",
            Self::DomainCreated => "regledger.domain.created.v1",
            Self::DomainDeleted => "regledger.domain.deleted.v1",
            Self::IntegrationCreated => "regledger.integration.created.v1",
            Self::IntegrationUpdated => "regledger.integration.updated.v1",
            Self::IntegrationHookupRotated => "regledger.integration.hookup_rotated.v1",
            Self::IntegrationDeleted => "regledger.integration.deleted.v1",
            Self::UserCreated => "regledger.user.created.v1",
            Self::UserUpdated => "regledger.user.updated.v1",
            Self::UserDeleted => "regledger.user.deleted.v1",
            Self::UserUndeleted => "regledger.user.undeleted.v1",
            Self::UserPurged => "regledger.user.purged.v1",
            Self::UserSignedUp => "regledger.user.signed_up.v1",
            Self::UserPasswordForgotten => "regledger.user.password_forgotten.v1",
            Self::SettingChanged => "regledger.setting.changed.v1",
            Self::SubscriptionCreated => "regledger.subscription.created.v1",
            Self::SubscriptionUpdated => "regledger.subscription.updated.v1",
            Self::SubscriptionDeleted => "regledger.subscription.deleted.v1",
            Self::SubscriptionPaused => "regledger.subscription.paused.v1",
            Self::SubscriptionResumed => "regledger.subscription.resumed.v1",
        }
    }

    /// The form used in filters and as the `event:` of server-sent events.
    pub fn short(self) -> &'static str {
        self.cloud_event_type().trim_start_matches("regledger.").trim_end_matches(".v1")
    }
}

/// What a change says of its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ChangeData")]
#[allow(missing_docs, reason = "each variant is the row of the same name")]
pub enum Data {
    Client(ClientData),
    Domain { domain: Domain },
    Integration { integration: Box<Integration> },
    User(Box<UserData>),
    SourceDomain(Box<SourceDomainData>),
    SourceUser(Box<SourceUserData>),
    Setting { setting: Box<SettingChange> },
    Subscription { subscription: Box<Subscription> },
}

/// What a change says of a user: nothing personal, which stays sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserData {
    /// The row after the change.
    pub user: User,
    /// `user.updated`: names of the fields that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
}

/// What a change says of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClientData {
    /// The row after the change.
    #[serde(serialize_with = "crate::client::shared::serialize")]
    #[schemars(with = "Client")]
    pub client: Arc<Client>,
    /// `client.updated`: names of the fields that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// `client.departments_added` and `client.departments_removed`: their ids, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub departments: Option<Vec<i64>>,
    /// Whether the notice's own list of departments disagreed with what was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<bool>,
}

/// What a change says of a domain of an ISL system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceDomainData {
    /// The row after the change.
    pub domain: SourceDomain,
    #[serde(skip)]
    tenant: String,
}

/// What a change says of a user of an ISL system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceUserData {
    /// The row after the change.
    pub user: SourceUser,
    #[serde(skip)]
    tenant: String,
}

/// What one event did to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeType,
    /// To which row.
    pub row: RowKey,
    /// What the row is now.
    pub data: Data,
}

/// A change as CloudEvents 1.0 JSON; the attribute names are the standard's lower-case letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CloudEvent<'a> {
    /// `1.0`.
    pub specversion: &'a str,
    /// `<ledger>-<partition>-<position>-<ordinal>`: a rebuild gives the same ids again.
    pub id: String,
    /// `/integrations/acme-lab`.
    pub source: String,
    /// `regledger.client.registered.v1`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The tenant, or the name of the row.
    pub subject: &'a str,
    /// When the notification was received.
    pub time: jiff::Timestamp,
    /// Ledger time: the running maximum of `time` within the partition.
    pub recordedtime: jiff::Timestamp,
    /// Ledger partition.
    pub partition: u32,
    /// Zero-padded position and ordinal: sorts as text.
    pub sequence: String,
    /// `application/json`.
    pub datacontenttype: &'a str,
    /// What the row is now.
    pub data: &'a Data,
}

impl Change {
    /// Name of the integration that the change belongs to.
    pub fn integration(&self) -> Option<&str> {
        match &self.data {
            Data::Client(data) => Some(&data.client.integration),
            Data::Domain { .. } | Data::Subscription { .. } | Data::Setting { .. } | Data::User(_) => None,
            Data::Integration { integration } => Some(&integration.name),
            Data::SourceDomain(data) => Some(&data.domain.integration),
            Data::SourceUser(data) => Some(&data.user.integration),
        }
    }

    /// Tenant that the change belongs to.
    pub fn tenant(&self) -> Option<&str> {
        match &self.data {
            Data::Client(data) => Some(&data.client.tenant),
            Data::SourceDomain(data) => Some(&data.tenant),
            Data::SourceUser(data) => Some(&data.tenant),
            Data::Domain { .. }
            | Data::Integration { .. }
            | Data::Subscription { .. }
            | Data::Setting { .. }
            | Data::User(_) => None,
        }
    }

    /// What the change is about, as a path.
    fn source(&self) -> String {
        match &self.data {
            Data::Client(data) => format!("/integrations/{}", data.client.integration),
            Data::Domain { domain } => format!("/domains/{}", domain.name),
            Data::Integration { integration } => format!("/integrations/{}", integration.name),
            Data::SourceDomain(data) => format!("/integrations/{}", data.domain.integration),
            Data::SourceUser(data) => format!("/integrations/{}", data.user.integration),
            Data::Setting { .. } => format!("/settings/{}", self.row.id),
            Data::Subscription { .. } => format!("/subscriptions/{}", self.row.id),
            Data::User(data) => format!("/domains/{}", data.user.domain),
        }
    }

    /// The change as subscribers receive it. `ordinal` counts the changes of one event from 0.
    pub fn cloud_event(&self, ledger: &str, placed: &Placed, ordinal: u16) -> CloudEvent<'_> {
        let (partition, position) = (placed.partition, placed.position);
        CloudEvent {
            specversion: "1.0",
            id: change_id(ledger, (partition, position), ordinal),
            source: self.source(),
            kind: self.kind.cloud_event_type(),
            subject: self.tenant().unwrap_or(&self.row.id),
            time: placed.event.attributes.time,
            recordedtime: placed.recorded_time,
            partition,
            sequence: format!("{position:020}.{ordinal:04}"),
            datacontenttype: "application/json",
            data: &self.data,
        }
    }

    pub(crate) fn client(kind: ChangeType, client: &Arc<Client>) -> Self {
        Self::client_with(kind, client, |_| ())
    }

    pub(crate) fn client_with(kind: ChangeType, client: &Arc<Client>, fill: impl FnOnce(&mut ClientData)) -> Self {
        let mut data = ClientData { client: client.clone(), fields: None, departments: None, drift: None };
        fill(&mut data);
        Self { kind, row: RowKey::new(Kind::Client, &client.id), data: Data::Client(data) }
    }

    pub(crate) fn domain_of(kind: ChangeType, domain: &Domain) -> Self {
        let row = RowKey::new(Kind::Domain, &domain.name);
        Self { kind, row, data: Data::Domain { domain: domain.clone() } }
    }

    pub(crate) fn user_of(kind: ChangeType, user: &User, fields: Option<Vec<String>>) -> Self {
        let data = UserData { user: user.clone(), fields };
        Self { kind, row: RowKey::new(Kind::User, &user.id), data: Data::User(Box::new(data)) }
    }

    pub(crate) fn source_domain(kind: ChangeType, row: &RowKey, tenant: &str, domain: &SourceDomain) -> Self {
        let data = SourceDomainData { domain: domain.clone(), tenant: tenant.to_owned() };
        Self { kind, row: row.clone(), data: Data::SourceDomain(Box::new(data)) }
    }

    pub(crate) fn source_user(kind: ChangeType, row: &RowKey, user: &SourceUserRow) -> Self {
        let data = SourceUserData { user: user.user.clone(), tenant: user.tenant.clone() };
        Self { kind, row: row.clone(), data: Data::SourceUser(Box::new(data)) }
    }

    pub(crate) fn integration_of(kind: ChangeType, integration: &Integration) -> Self {
        Self {
            kind,
            row: RowKey::new(Kind::Integration, &integration.name),
            data: Data::Integration { integration: Box::new(integration.clone()) },
        }
    }

    pub(crate) fn subscription(kind: ChangeType, subscription: &Subscription) -> Self {
        Self {
            kind,
            row: RowKey::new(Kind::Subscription, &subscription.name),
            data: Data::Subscription { subscription: Box::new(subscription.clone()) },
        }
    }
}

/// The id of a change: where it stands, so that a rebuild gives the same ids again. `ordinal` counts the changes of one event
/// from 0.
pub fn change_id(ledger: &str, (partition, position): (u32, u64), ordinal: u16) -> String {
    format!("{ledger}-{partition}-{position}-{ordinal}")
}

/// Whether a short type is the one that was asked for, or of that family (`client.*`).
pub fn matches_type(asked: &str, kind: &str) -> bool {
    match asked.strip_suffix(".*") {
        Some(family) => kind.split_once('.').is_some_and(|(first, _)| first == family),
        None => asked == kind,
    }
}

/// The domain of the hub that a change speaks of: its own, that of its user, or by name that of its subscription.
pub fn domain_of(change: &[u8]) -> Option<DomainOf> {
    #[derive(Deserialize)]
    struct Told {
        data: Subject,
    }
    #[derive(Deserialize)]
    struct Subject {
        user: Option<InDomain>,
        domain: Option<OfDomain>,
        subscription: Option<ForDomain>,
    }
    #[derive(Deserialize)]
    struct InDomain {
        domain_id: Option<Uuid>,
    }
    #[derive(Deserialize)]
    struct OfDomain {
        id: Option<Uuid>,
    }
    #[derive(Deserialize)]
    struct ForDomain {
        domain: Option<String>,
    }
    let Subject { user, domain, subscription } = serde_json::from_slice::<Told>(change).ok()?.data;
    let id = user.and_then(|user| user.domain_id).or_else(|| domain?.id);
    id.map(DomainOf::Id).or_else(|| subscription?.domain.map(DomainOf::Name))
}

/// A domain that a change speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainOf {
    /// By its id.
    Id(Uuid),
    /// By the name that it had.
    Name(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_matches_its_types_only() {
        let cases = [
            ("client.*", "client.registered", true),
            ("client.*", "clients.registered", false),
            ("client.registered", "client.registered", true),
            ("client.registered", "client.retired", false),
            ("*", "client.registered", false),
        ];
        for (asked, kind, expected) in cases {
            assert_eq!(matches_type(asked, kind), expected, "{asked} {kind}");
        }
    }
}
