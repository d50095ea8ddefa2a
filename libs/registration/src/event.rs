//! Ledger entries: CloudEvents 1.0 JSON objects, written once and never re-serialised.
//!
//! Commands are intents and are named so (`integration.create`); what became of them is a
//! [`change`](crate::change) and is named in the past tense (`integration.created`).

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::client::{Registration, Reveal};
use crate::directory::{
    DomainCreate, DomainDelete, IntegrationChange, IntegrationCreate, IntegrationRotateHookup, LedgerCreate,
    LedgerRestore, SettingSet, SubscriptionCreate, SubscriptionResume, SubscriptionRotateSecret, SubscriptionSuspend,
    SubscriptionUpdate, TokenCreate, UserConfirm, UserCreate, UserDelete, UserForgotPassword, UserPurge,
    UserSetPassword, UserUpdate,
};
use crate::isl::{IslEvent, IslToken};
use crate::quarantine::{QuarantineReceive, QuarantineRelease};

/// The largest ledger entry in bytes: the entry bundles of C2SP tlog-tiles prefix 16 bits of length.
pub const MAX_EVENT_BYTES: usize = 65_535;

/// Why a ledger entry cannot be folded. Both stop the partition: nothing in a ledger is skipped.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The entry is not an event of ours.
    #[error("the ledger entry is not a readable event")]
    Unreadable(#[source] serde_json::Error),
    /// The entry was written by a newer executable: readers are upgraded before writers.
    #[error("event type {0} is unknown to this executable; upgrade it before it reads this ledger")]
    UnknownType(String),
}

/// Everything of an event but its type and data: the CloudEvents attributes and our extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// UUIDv7.
    pub id: Uuid,
    /// What the event is about, as a path: `/integrations/acme-lab`, `/tokens`, `/ledger`.
    pub source: String,
    /// The tenant for registrations, else the name or id of the row.
    pub subject: String,
    /// When the notification or command was received.
    pub time: Timestamp,
    /// Where `time` is when a released notification first came, this is when it was released.
    pub recorded_time: Option<Timestamp>,
    /// The id of the integration: names can be used again after a purge, ids cannot.
    pub integration_id: Option<Uuid>,
    /// Hash of the Idempotency-Key that came with the request.
    pub idempotency_key: Option<String>,
    /// Hash of a command's request, to tell a repetition from another use of the same key.
    pub fingerprint: Option<String>,
    /// The id of the access token whose holder gave the command.
    pub actor: Option<String>,
}

/// The entry as it stands in the ledger; attribute names as CloudEvents demands, lower-case letters.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "Data: Deserialize<'de>"))]
struct Wire<'a, Data> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: Uuid,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    recordedtime: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    integrationid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    idempotencykey: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fingerprint: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    actor: Option<Cow<'a, str>>,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    #[serde(borrow)]
    dataschema: Cow<'a, str>,
    data: Data,
}

/// A ledger entry, read.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who, what, when.
    pub attributes: Attributes,
    /// What it says.
    pub body: Body,
}

/// The types of ledger entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The genesis: position 0 of partition 0.
    LedgerCreate,
    /// The ledger was restored from a backup: a new era begins.
    LedgerRestore,
    /// A domain is to be made.
    DomainCreate,
    /// A domain is to be deleted, with all that it owns.
    DomainDelete,
    /// The name of a deleted domain is to be free.
    DomainPurge,
    /// An integration is to be made.
    IntegrationCreate,
    /// Fields of an integration are to be replaced.
    IntegrationUpdate,
    /// An integration gets a new hookup URL.
    IntegrationRotateHookup,
    /// An integration is to be deleted.
    IntegrationDelete,
    /// An access token is to be made.
    TokenCreate,
    /// An access token is to be revoked.
    TokenRevoke,
    /// A user is to be made.
    UserCreate,
    /// Fields of a user are to be replaced.
    UserUpdate,
    /// A user is to be deleted, and can come back for a while.
    UserDelete,
    /// A deleted user is to come back.
    UserUndelete,
    /// The time of a deleted user is over.
    UserPurge,
    /// A user gets another password.
    UserSetPassword,
    /// Whoever signed up reads its mail.
    UserConfirm,
    /// Somebody asks for a link to set another password by.
    UserForgotPassword,
    /// A Provet registration notice.
    ProvetRegistration,
    /// A client is to be retired.
    ClientRetire,
    /// Somebody is about to be shown a client's secret.
    ClientReveal,
    /// A notification that could not be accepted.
    QuarantineReceive,
    /// A quarantined notification was accepted after all.
    QuarantineRelease,
    /// A quarantined notification will not be accepted.
    QuarantineDismiss,
    /// Somebody is about to be shown the body of a quarantined notification.
    QuarantineReveal,
    /// A setting is to be set, or taken back.
    SettingSet,
    /// An HTTP event of an ISL system.
    IslEvent,
    /// A token of an ISL system's JWT webhook.
    IslToken,
    /// A subscription is to be made.
    SubscriptionCreate,
    /// Fields of a subscription are to be replaced.
    SubscriptionUpdate,
    /// A subscription is to be deleted.
    SubscriptionDelete,
    /// A subscription is to push nothing for a while.
    SubscriptionPause,
    /// A subscription is to go on.
    SubscriptionResume,
    /// A subscription gets new keys to sign with.
    SubscriptionRotateSecret,
    /// The hub itself pauses a subscription.
    SubscriptionSuspend,
}

impl EventType {
    /// Every type, in the order of this enumeration.
    pub const ALL: [Self; 36] = [
        Self::LedgerCreate,
        Self::LedgerRestore,
        Self::DomainCreate,
        Self::DomainDelete,
        Self::DomainPurge,
        Self::IntegrationCreate,
        Self::IntegrationUpdate,
        Self::IntegrationRotateHookup,
        Self::IntegrationDelete,
        Self::TokenCreate,
        Self::TokenRevoke,
        Self::UserCreate,
        Self::UserUpdate,
        Self::UserDelete,
        Self::UserUndelete,
        Self::UserPurge,
        Self::UserSetPassword,
        Self::UserConfirm,
        Self::UserForgotPassword,
        Self::ProvetRegistration,
        Self::ClientRetire,
        Self::ClientReveal,
        Self::QuarantineReceive,
        Self::QuarantineRelease,
        Self::QuarantineDismiss,
        Self::QuarantineReveal,
        Self::SettingSet,
        Self::IslEvent,
        Self::IslToken,
        Self::SubscriptionCreate,
        Self::SubscriptionUpdate,
        Self::SubscriptionDelete,
        Self::SubscriptionPause,
        Self::SubscriptionResume,
        Self::SubscriptionRotateSecret,
        Self::SubscriptionSuspend,
    ];

    /// The CloudEvents `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LedgerCreate => "regledger.ledger.create.v1",
            Self::LedgerRestore => "regledger.ledger.restore.v1",
            Self::DomainCreate => "regledger.domain.create.v1",
            Self::DomainDelete => "regledger.domain.delete.v1",
            Self::DomainPurge => "regledger.domain.purge.v1",
            Self::IntegrationCreate => "regledger.integration.create.v1",
            Self::IntegrationUpdate => "regledger.integration.update.v1",
            Self::IntegrationRotateHookup => "regledger.integration.rotate_hookup.v1",
            Self::IntegrationDelete => "regledger.integration.delete.v1",
            Self::TokenCreate => "regledger.token.create.v1",
            Self::TokenRevoke => "regledger.token.revoke.v1",
            Self::UserCreate => "regledger.user.create.v1",
            Self::UserUpdate => "regledger.user.update.v1",
            Self::UserDelete => "regledger.user.delete.v1",
            Self::UserUndelete => "regledger.user.undelete.v1",
            Self::UserPurge => "regledger.user.purge.v1",
            Self::UserSetPassword => "regledger.user.set_password.v1",
            Self::UserConfirm => "regledger.user.confirm.v1",
            Self::UserForgotPassword => "regledger.user.forgot_password.v1",
            Self::ProvetRegistration => "regledger.provet.registration.v1",
            Self::ClientRetire => "regledger.client.retire.v1",
            Self::ClientReveal => "regledger.client.reveal.v1",
            Self::QuarantineReceive => "regledger.quarantine.receive.v1",
            Self::QuarantineRelease => "regledger.quarantine.release.v1",
            Self::QuarantineDismiss => "regledger.quarantine.dismiss.v1",
            Self::QuarantineReveal => "regledger.quarantine.reveal.v1",
            Self::SettingSet => "regledger.setting.set.v1",
            Self::IslEvent => "regledger.isl.event.v1",
            Self::IslToken => "regledger.isl.token.v1",
            Self::SubscriptionCreate => "regledger.subscription.create.v1",
            Self::SubscriptionUpdate => "regledger.subscription.update.v1",
            Self::SubscriptionDelete => "regledger.subscription.delete.v1",
            Self::SubscriptionPause => "regledger.subscription.pause.v1",
            Self::SubscriptionResume => "regledger.subscription.resume.v1",
            Self::SubscriptionRotateSecret => "regledger.subscription.rotate_secret.v1",
            Self::SubscriptionSuspend => "regledger.subscription.suspend.v1",
        }
    }

    /// Whether the event belongs to the directory: partition 0, folded by intake itself.
    pub fn is_directory(self) -> bool {
        matches!(
            self,
            Self::LedgerCreate
                | Self::LedgerRestore
                | Self::DomainCreate
                | Self::DomainDelete
                | Self::DomainPurge
                | Self::IntegrationCreate
                | Self::IntegrationUpdate
                | Self::IntegrationRotateHookup
                | Self::IntegrationDelete
                | Self::TokenCreate
                | Self::TokenRevoke
                | Self::SettingSet
                | Self::SubscriptionCreate
                | Self::SubscriptionUpdate
                | Self::SubscriptionDelete
                | Self::SubscriptionPause
                | Self::SubscriptionResume
                | Self::SubscriptionRotateSecret
                | Self::SubscriptionSuspend
                | Self::UserCreate
                | Self::UserUpdate
                | Self::UserDelete
                | Self::UserUndelete
                | Self::UserPurge
                | Self::UserSetPassword
                | Self::UserConfirm
                | Self::UserForgotPassword
        )
    }
}

/// The data of an event whose subject says everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// What an event says. Rows are named by the event itself, so that the fold can be given just those.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each variant is the event type of the same name")]
pub enum Body {
    LedgerCreate(LedgerCreate),
    LedgerRestore(LedgerRestore),
    DomainCreate(DomainCreate),
    DomainDelete(DomainDelete),
    DomainPurge,
    IntegrationCreate(Box<IntegrationCreate>),
    IntegrationUpdate(Box<IntegrationChange>),
    IntegrationRotateHookup(IntegrationRotateHookup),
    IntegrationDelete,
    TokenCreate(TokenCreate),
    TokenRevoke,
    UserCreate(Box<UserCreate>),
    UserUpdate(Box<UserUpdate>),
    UserDelete(UserDelete),
    UserUndelete,
    UserPurge(UserPurge),
    UserSetPassword(UserSetPassword),
    UserConfirm(UserConfirm),
    UserForgotPassword(UserForgotPassword),
    ProvetRegistration(Box<Registration>),
    ClientRetire,
    ClientReveal(Reveal),
    QuarantineReceive(Box<QuarantineReceive>),
    QuarantineRelease(QuarantineRelease),
    QuarantineDismiss,
    QuarantineReveal(Reveal),
    SettingSet(Box<SettingSet>),
    IslEvent(Box<IslEvent>),
    IslToken(Box<IslToken>),
    SubscriptionCreate(Box<SubscriptionCreate>),
    SubscriptionUpdate(Box<SubscriptionUpdate>),
    SubscriptionDelete,
    SubscriptionPause,
    SubscriptionResume(SubscriptionResume),
    SubscriptionRotateSecret(Box<SubscriptionRotateSecret>),
    SubscriptionSuspend(SubscriptionSuspend),
}

impl Event {
    /// Reads a ledger entry.
    ///
    /// # Errors
    /// [`EventError`] if it is no event, or one of a type that this executable does not know.
    pub fn parse(entry: &[u8]) -> Result<Self, EventError> {
        let entry =
            std::str::from_utf8(entry).map_err(|error| EventError::Unreadable(serde_json::Error::custom(error)))?;
        // Nearly every entry is a registration: reading it as one at once saves going through its data twice.
        if let Ok(wire) = serde_json::from_str::<Wire<'_, Box<Registration>>>(entry)
            && wire.kind == EventType::ProvetRegistration.as_str()
        {
            let (attributes, registration) = wire.into_parts();
            return Ok(Self { attributes, body: Body::ProvetRegistration(registration) });
        }
        let wire: Wire<'_, &RawValue> = serde_json::from_str(entry).map_err(EventError::Unreadable)?;
        let Some(kind) = EventType::ALL.into_iter().find(|t| t.as_str() == wire.kind) else {
            return Err(EventError::UnknownType(wire.kind.into_owned()));
        };
        let (attributes, data) = wire.into_parts();
        Ok(Self { attributes, body: Body::parse(kind, data).map_err(EventError::Unreadable)? })
    }
}

impl<Data> Wire<'_, Data> {
    fn into_parts(self) -> (Attributes, Data) {
        let attributes = Attributes {
            id: self.id,
            source: self.source.into_owned(),
            subject: self.subject.into_owned(),
            time: self.time,
            recorded_time: self.recordedtime,
            integration_id: self.integrationid,
            idempotency_key: self.idempotencykey.map(Cow::into_owned),
            fingerprint: self.fingerprint.map(Cow::into_owned),
            actor: self.actor.map(Cow::into_owned),
        };
        (attributes, self.data)
    }
}

impl Body {
    fn parse(kind: EventType, data: &RawValue) -> Result<Self, serde_json::Error> {
        let data = data.get();
        Ok(match kind {
            EventType::LedgerCreate => Self::LedgerCreate(serde_json::from_str(data)?),
            EventType::LedgerRestore => Self::LedgerRestore(serde_json::from_str(data)?),
            EventType::DomainCreate => Self::DomainCreate(serde_json::from_str(data)?),
            EventType::DomainDelete => Self::DomainDelete(serde_json::from_str(data)?),
            EventType::DomainPurge => Self::DomainPurge,
            EventType::IntegrationCreate => Self::IntegrationCreate(serde_json::from_str(data)?),
            EventType::IntegrationUpdate => Self::IntegrationUpdate(serde_json::from_str(data)?),
            EventType::IntegrationRotateHookup => Self::IntegrationRotateHookup(serde_json::from_str(data)?),
            EventType::IntegrationDelete => Self::IntegrationDelete,
            EventType::TokenCreate => Self::TokenCreate(serde_json::from_str(data)?),
            EventType::TokenRevoke => Self::TokenRevoke,
            EventType::UserCreate => Self::UserCreate(serde_json::from_str(data)?),
            EventType::UserUpdate => Self::UserUpdate(serde_json::from_str(data)?),
            EventType::UserDelete => Self::UserDelete(serde_json::from_str(data)?),
            EventType::UserUndelete => Self::UserUndelete,
            EventType::UserPurge => Self::UserPurge(serde_json::from_str(data)?),
            EventType::UserSetPassword => Self::UserSetPassword(serde_json::from_str(data)?),
            EventType::UserConfirm => Self::UserConfirm(serde_json::from_str(data)?),
            EventType::UserForgotPassword => Self::UserForgotPassword(serde_json::from_str(data)?),
            EventType::ProvetRegistration => Self::ProvetRegistration(serde_json::from_str(data)?),
            EventType::ClientRetire => Self::ClientRetire,
            EventType::ClientReveal => Self::ClientReveal(serde_json::from_str(data)?),
            EventType::QuarantineReceive => Self::QuarantineReceive(serde_json::from_str(data)?),
            EventType::QuarantineRelease => Self::QuarantineRelease(serde_json::from_str(data)?),
            EventType::QuarantineDismiss => Self::QuarantineDismiss,
            EventType::QuarantineReveal => Self::QuarantineReveal(serde_json::from_str(data)?),
            EventType::SettingSet => Self::SettingSet(serde_json::from_str(data)?),
            EventType::IslEvent => Self::IslEvent(serde_json::from_str(data)?),
            EventType::IslToken => Self::IslToken(serde_json::from_str(data)?),
            EventType::SubscriptionCreate => Self::SubscriptionCreate(serde_json::from_str(data)?),
            EventType::SubscriptionUpdate => Self::SubscriptionUpdate(serde_json::from_str(data)?),
            EventType::SubscriptionDelete => Self::SubscriptionDelete,
            EventType::SubscriptionPause => Self::SubscriptionPause,
            EventType::SubscriptionResume => Self::SubscriptionResume(serde_json::from_str(data)?),
            EventType::SubscriptionRotateSecret => Self::SubscriptionRotateSecret(serde_json::from_str(data)?),
            EventType::SubscriptionSuspend => Self::SubscriptionSuspend(serde_json::from_str(data)?),
        })
    }
}

/// What most entries have room in, in bytes.
const USUAL_BYTES: usize = 2048;

/// Writes a ledger entry.
///
/// # Errors
/// If an attribute or the data cannot be written as JSON, which only a failing allocation could cause.
pub fn encode(attributes: &Attributes, kind: EventType, data: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    let wire = Wire {
        specversion: "1.0".into(),
        id: attributes.id,
        source: attributes.source.as_str().into(),
        kind: kind.as_str().into(),
        subject: attributes.subject.as_str().into(),
        time: attributes.time,
        recordedtime: attributes.recorded_time,
        integrationid: attributes.integration_id,
        idempotencykey: attributes.idempotency_key.as_deref().map(Cow::from),
        fingerprint: attributes.fingerprint.as_deref().map(Cow::from),
        actor: attributes.actor.as_deref().map(Cow::from),
        datacontenttype: "application/json".into(),
        dataschema: format!("/schemas/{}.json", kind.as_str()).into(),
        data,
    };
    serde_json::to_writer(&mut bytes, &wire)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
