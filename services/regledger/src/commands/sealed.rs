//! The secrets of an event, for those who check that they open.

use jiff::Timestamp;
use registration::directory::{Forgotten, SealedKey, SealedMailbox, SealedTarget, key_field};
use registration::directory::{SettingSet, SettingValue, settings_tenant};
use registration::event::Body;
use registration::isl::Fact;
use registration::{Envelope, Event, Sealed};
use uuid::Uuid;
use vault::{Context, Subject, UnsealError, Vault};

/// A secret of an event.
pub struct Secret<'a> {
    event: Uuid,
    /// The field of the event's data in whose place it stands.
    pub field: &'static str,
    subject: Subject,
    /// What stands there.
    pub envelope: &'a Envelope,
}

/// Every secret of an event.
pub fn secrets(event: &Event) -> Vec<Secret<'_>> {
    let id = event.attributes.id;
    match &event.body {
        Body::ProvetRegistration(notice) => {
            let fields = [("client_secret", &notice.client_secret), ("unknown", &notice.unknown)];
            let subject = || Subject::Tenant(event.attributes.subject.clone());
            fields
                .into_iter()
                .filter_map(|(field, sealed)| {
                    let envelope = &sealed.as_ref()?.sealed;
                    Some(Secret { event: id, field, subject: subject(), envelope })
                })
                .collect()
        }
        Body::QuarantineReceive(message) => {
            let subject = Subject::Quarantine { id: message.id.clone(), expires: message.expires_time };
            vec![Secret { event: id, field: "body", subject, envelope: &message.body.sealed }]
        }
        Body::UserCreate(create) => {
            let fields = [
                ("name", Some(&create.name)),
                ("email", create.email.as_ref()),
                ("password", create.password.as_ref()),
            ];
            of_user(event, fields)
        }
        Body::UserUpdate(update) => {
            let (name, email) = (update.rename.as_ref().map(|rename| &rename.name), update.email.as_ref());
            of_user(event, [("name", name), ("email", email.and_then(|email| email.to.as_ref()))])
        }
        Body::UserSetPassword(set) => of_user(event, [("password", Some(&set.password))]),
        Body::SettingSet(set) => of_setting(id, set),
        Body::IslEvent(heard) => of_isl(event, "body", &heard.body, &heard.facts),
        Body::IslToken(token) => of_isl(event, "jwt", &token.jwt, &token.facts),
        Body::IntegrationCreate(create) => of_integration(id, Some(id), create.mailbox.as_ref()),
        Body::IntegrationUpdate(change) => of_integration(id, event.attributes.integration_id, change.mailbox.as_ref()),
        Body::SubscriptionCreate(create) => of_subscription(id, id, Some(&create.target), &create.keys),
        Body::SubscriptionUpdate(update) => of_subscription(id, update.id, update.target.as_ref(), &[]),
        Body::SubscriptionRotateSecret(rotate) => of_subscription(id, rotate.id, None, &rotate.keys),
        _ => Vec::new(),
    }
}

fn of_setting(event: Uuid, set: &SettingSet) -> Vec<Secret<'_>> {
    match &set.value {
        Some(SettingValue::Secret { value, .. }) => {
            let subject = Subject::Tenant(settings_tenant(set.domain.as_deref()));
            vec![Secret { event, field: "value", subject, envelope: &value.sealed }]
        }
        _ => Vec::new(),
    }
}

fn of_user<'a, const N: usize>(event: &Event, fields: [(&'static str, Option<&'a Sealed>); N]) -> Vec<Secret<'a>> {
    let (id, user) = (event.attributes.id, &event.attributes.subject);
    let there = fields.into_iter().filter_map(|(field, sealed)| Some((field, &sealed?.sealed)));
    let secret = |(field, envelope)| Secret { event: id, field, subject: Subject::User(user.clone()), envelope };
    there.map(secret).collect()
}

/// What came from an ISL system, and the names of the users that it is about.
fn of_isl<'a>(event: &'a Event, field: &'static str, whole: &'a Sealed, facts: &'a [Fact]) -> Vec<Secret<'a>> {
    let users = facts.iter().filter_map(|fact| fact.user.as_ref()).map(|user| ("user", &user.name));
    let secret = |(field, sealed): (&'static str, &'a Sealed)| {
        let subject = Subject::Tenant(event.attributes.subject.clone());
        Secret { event: event.attributes.id, field, subject, envelope: &sealed.sealed }
    };
    [(field, whole)].into_iter().chain(users).map(secret).collect()
}

fn of_integration(event: Uuid, integration: Option<Uuid>, mailbox: Option<&SealedMailbox>) -> Vec<Secret<'_>> {
    let Some((id, mailbox)) = integration.zip(mailbox) else { return Vec::new() };
    let subject = Subject::Integration(id.to_string());
    vec![Secret { event, field: "address", subject, envelope: &mailbox.address.sealed }]
}

fn of_subscription<'a>(
    event: Uuid,
    subscription: Uuid,
    target: Option<&'a SealedTarget>,
    keys: &'a [SealedKey],
) -> Vec<Secret<'a>> {
    let subject = || Subject::Subscription(subscription.to_string());
    let secret = |field, envelope| Secret { event, field, subject: subject(), envelope };
    let target = target.map(|target| secret("target", &target.target.sealed));
    let keys = keys.iter().map(|key| secret(key_field(key.public_key.is_some()), &key.key.sealed));
    target.into_iter().chain(keys).collect()
}

impl Secret<'_> {
    /// Opens it, and wipes what it says at once.
    ///
    /// # Errors
    /// [`UnsealError`] if it does not open.
    pub async fn open(&self, vault: &Vault) -> Result<(), UnsealError> {
        let context = Context { event: self.event, field: self.field };
        vault.open_envelope(&self.subject, &context, self.envelope).await.map(drop)
    }

    /// Whose keys open it, where those end with whom it is about.
    pub fn of_whom(&self) -> Option<Forgotten> {
        match &self.subject {
            Subject::User(id) => Some(Forgotten::User(id.clone())),
            Subject::Subscription(id) => id.parse().ok().map(Forgotten::Subscription),
            Subject::Integration(id) => id.parse().ok().map(Forgotten::Integration),
            Subject::Tenant(_) | Subject::Quarantine { .. } => None,
        }
    }

    /// Whether its time is over, so that its key is gone, as it should be.
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self.subject, Subject::Quarantine { expires, .. } if expires <= now)
    }
}
