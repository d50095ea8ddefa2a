//! What is gone, or never came to be: nothing that was sealed for it may open once its time is over.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Directory, DomainState, IntegrationRow, SubscriptionRow};
use crate::event::Body;
use crate::fold::Placed;
use crate::row::{Kind, Row, RowKey};

/// Whose keys are to be destroyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forgotten {
    /// A user who was purged, or asked for in vain.
    User(String),
    /// A subscription that was deleted, whose domain was purged, or that was asked for in vain.
    Subscription(Uuid),
    /// An integration, likewise.
    Integration(Uuid),
}

impl Directory {
    /// Who and what there is no more, in the order of the ledger, with the time of the event that says so. Some are named again.
    pub fn forgotten(&self) -> &[(Forgotten, Timestamp)] {
        &self.forgotten
    }

    /// Notes what an event that was just folded says is gone; an event that `changed_nothing` may have sealed something in vain.
    pub(super) fn forget(&mut self, placed: &Placed, changed_nothing: bool) {
        let attributes = &placed.event.attributes;
        let (subject, event) = (&attributes.subject, attributes.id);
        let gone = match (&placed.event.body, changed_nothing) {
            (Body::UserCreate(_), true) if self.rows.get(&RowKey::new(Kind::User, subject)).is_none() => {
                vec![Forgotten::User(subject.clone())]
            }
            (Body::UserPurge(_), false) => vec![Forgotten::User(subject.clone())],
            (Body::SubscriptionCreate(_), true) => self.in_vain(event),
            (Body::SubscriptionUpdate(update), true) => self.in_vain(update.id),
            (Body::SubscriptionRotateSecret(rotate), true) => self.in_vain(rotate.id),
            (Body::SubscriptionDelete, false) => self.subscriptions_that(|row| row.subscription.name == *subject),
            (Body::IntegrationCreate(create), true) if create.mailbox.is_some() => vec![Forgotten::Integration(event)],
            (Body::IntegrationUpdate(_), true) | (Body::IntegrationDelete, false) => {
                self.integrations_that(|row| row.deleted && row.integration.name == *subject)
            }
            (Body::DomainPurge, _) => self.of_purged(subject),
            _ => Vec::new(),
        };
        self.forgotten.extend(gone.into_iter().map(|one| (one, attributes.time)));
    }

    /// A subscription for which something was sealed, unless it is there.
    fn in_vain(&self, id: Uuid) -> Vec<Forgotten> {
        let there = self.subscriptions_that(|row| row.subscription.id == id && !row.deleted);
        if there.is_empty() { vec![Forgotten::Subscription(id)] } else { Vec::new() }
    }

    /// What a domain owned that was just purged.
    fn of_purged(&self, domain: &str) -> Vec<Forgotten> {
        let Some(purged) = self.last_domain(domain).filter(|domain| domain.state == DomainState::Purged) else {
            return Vec::new();
        };
        let mut owned = self.subscriptions_that(|row| row.subscription.domain.as_deref() == Some(domain));
        owned.extend(self.integrations_that(|row| row.domain_id == purged.id));
        owned
    }

    fn subscriptions_that(&self, are_meant: impl Fn(&SubscriptionRow) -> bool) -> Vec<Forgotten> {
        let ids = self.made(Kind::Subscription).filter_map(|row| match row {
            Row::Subscription(row) if are_meant(row) => Some(Forgotten::Subscription(row.subscription.id)),
            _ => None,
        });
        ids.collect()
    }

    fn integrations_that(&self, are_meant: impl Fn(&IntegrationRow) -> bool) -> Vec<Forgotten> {
        let those = self.any_integrations().filter(|row| are_meant(row));
        those.map(|row| Forgotten::Integration(row.integration.id)).collect()
    }
}
