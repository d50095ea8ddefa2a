//! The fold: what an event does to the rows that it names.

mod clients;
mod commands;
mod domains;
mod isl;
mod messages;
mod recovery;
mod settings;
mod subscriptions;
mod users;

use jiff::Timestamp;
use uuid::Uuid;

use crate::change::Change;
use crate::client::client_id;
use crate::command::row_key as command_key;
use crate::directory::{DEFAULT_DOMAIN, UserConfirm, UserPurge};
use crate::event::{Body, Event};
use crate::row::{Kind, RowKey, Rows};

/// An event at its place in the ledger.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Ledger partition.
    pub partition: u32,
    /// Ledger position.
    pub position: u64,
    /// Ledger time: the running maximum of the events' times within the partition.
    pub recorded_time: Timestamp,
    /// The event.
    pub event: Event,
    /// The client of a registration. The tenant is the subject, as intake decided it: how hosts are
    /// normalised may change, what is in the ledger may not.
    client: Option<RowKey>,
}

impl Placed {
    /// Places an event after one whose ledger time was `before`.
    pub fn after(before: Timestamp, partition: u32, position: u64, event: Event) -> Self {
        let attributes = &event.attributes;
        let recorded_time = before.max(attributes.recorded_time.unwrap_or(attributes.time));
        let client = client_of(&event);
        Self { partition, position, recorded_time, event, client }
    }

    /// The rows that the fold of this event needs to know.
    pub fn rows(&self) -> Vec<RowKey> {
        let attributes = &self.event.attributes;
        let subject = |kind| RowKey::new(kind, &attributes.subject);
        let command = || command_key(attributes);
        match &self.event.body {
            Body::LedgerCreate(_) => {
                vec![RowKey::new(Kind::Ledger, ""), RowKey::new(Kind::Domain, DEFAULT_DOMAIN)]
            }
            Body::LedgerRestore(_) => vec![RowKey::new(Kind::Ledger, "")],
            Body::DomainCreate(create) => vec![command(), RowKey::new(Kind::Domain, &create.domain.name)],
            Body::DomainDelete(_) | Body::DomainPurge => vec![command(), subject(Kind::Domain)],
            Body::IntegrationCreate(create) => vec![
                command(),
                RowKey::new(Kind::Integration, &create.integration.name),
                RowKey::new(Kind::Domain, &create.integration.domain),
            ],
            Body::IntegrationUpdate(_) | Body::IntegrationRotateHookup(_) | Body::IntegrationDelete => {
                vec![command(), subject(Kind::Integration)]
            }
            Body::TokenCreate(create) => vec![
                command(),
                subject(Kind::Token),
                RowKey::new(Kind::Domain, create.token.domain.as_deref().unwrap_or(DEFAULT_DOMAIN)),
            ],
            Body::TokenRevoke => vec![command(), subject(Kind::Token)],
            Body::UserCreate(create) => {
                vec![command(), subject(Kind::User), self.domain(), users::name_key(&create.name_index)]
            }
            Body::UserUpdate(update) => {
                let names = update.rename.iter().flat_map(|rename| [&rename.from_index, &rename.name_index]);
                let rows = [command(), subject(Kind::User), self.domain()].into_iter();
                rows.chain(names.map(|index| users::name_key(index))).collect()
            }
            Body::UserDelete(_) | Body::UserUndelete | Body::UserSetPassword(_) | Body::UserForgotPassword(_) => {
                vec![command(), subject(Kind::User), self.domain()]
            }
            Body::UserPurge(UserPurge { name_index }) | Body::UserConfirm(UserConfirm { name_index }) => {
                vec![command(), subject(Kind::User), self.domain(), users::name_key(name_index)]
            }
            Body::SubscriptionCreate(create) => {
                let domain = create.subscription.domain.as_ref().map(|domain| RowKey::new(Kind::Domain, domain));
                let subscription = RowKey::new(Kind::Subscription, &create.subscription.name);
                [command(), subscription].into_iter().chain(domain).collect()
            }
            Body::SubscriptionUpdate(_)
            | Body::SubscriptionDelete
            | Body::SubscriptionPause
            | Body::SubscriptionResume(_)
            | Body::SubscriptionRotateSecret(_)
            | Body::SubscriptionSuspend(_) => vec![command(), subject(Kind::Subscription)],
            Body::ProvetRegistration(_) => self.client.iter().cloned().chain(self.is_release().then(command)).collect(),
            Body::ClientRetire => vec![command(), subject(Kind::Client)],
            Body::ClientReveal(_) | Body::QuarantineReveal(_) => {
                self.is_repeatable().then(command).into_iter().collect()
            }
            Body::SettingSet(set) => [command()].into_iter().chain(settings::rows_of(set)).collect(),
            Body::IslEvent(event) => {
                isl::rows_of_event(self, event).into_iter().chain(self.is_release().then(command)).collect()
            }
            Body::IslToken(token) => {
                isl::rows_of_token(self, token).into_iter().chain(self.is_release().then(command)).collect()
            }
            Body::QuarantineReceive(message) => vec![RowKey::new(Kind::Quarantined, &message.id)],
            Body::QuarantineRelease(_) | Body::QuarantineDismiss => {
                vec![command(), subject(Kind::Quarantined)]
            }
        }
    }

    /// The domain that an event about a user names.
    fn domain(&self) -> RowKey {
        RowKey::new(Kind::Domain, domains::name(&self.event.attributes.source))
    }

    fn integration_id(&self) -> Uuid {
        self.event.attributes.integration_id.unwrap_or_default()
    }

    /// Whether a notification was in quarantine until it was released.
    fn is_release(&self) -> bool {
        self.event.attributes.recorded_time.is_some()
    }

    /// Whether a repetition of it can be known.
    fn is_repeatable(&self) -> bool {
        self.event.attributes.idempotency_key.is_some()
    }
}

fn client_of(event: &Event) -> Option<RowKey> {
    let Body::ProvetRegistration(registration) = &event.body else {
        return None;
    };
    let attributes = &event.attributes;
    let id = client_id(attributes.integration_id?, &attributes.subject, &registration.client_id);
    Some(RowKey::new(Kind::Client, id))
}

/// Folds one event into the rows that it names, which must all be known in `rows`, and says what
/// changed. The number of a change in the list is its ordinal.
pub fn fold(rows: &mut Rows, placed: &Placed) -> Vec<Change> {
    match &placed.event.body {
        Body::ProvetRegistration(registration) => clients::register(rows, placed, registration),
        // Who sees what is decided before it is shown; only that it was shown may have to be known again.
        Body::ClientReveal(_) | Body::QuarantineReveal(_) if !placed.is_repeatable() => Vec::new(),
        Body::QuarantineReceive(message) => messages::receive(rows, placed, message),
        Body::IslEvent(event) => isl::hear(rows, placed, event),
        Body::IslToken(token) => isl::believe(rows, placed, token),
        _ => commands::decide(rows, placed),
    }
}

#[cfg(test)]
mod tests;
