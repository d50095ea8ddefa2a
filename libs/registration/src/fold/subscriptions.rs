//! What happens to subscriptions.

use crate::change::{Change, ChangeType};
use crate::client::SealedSecret;
use crate::command::{Outcome, Refusal};
use crate::directory::{
    PauseReason, Paused, Start, Subscription, SubscriptionCreate, SubscriptionResume, SubscriptionRow,
    SubscriptionState, SubscriptionSuspend, SubscriptionUpdate, keys_of,
};
use crate::event::Body;
use crate::fold::{Placed, domains};
use crate::row::{Kind, Row, RowKey, Rows};

/// Carries out what an event asks of subscriptions; none if it asks nothing of them.
pub(super) fn carry_out(rows: &mut Rows, placed: &Placed, changes: &mut Vec<Change>) -> Option<Outcome> {
    Some(match &placed.event.body {
        Body::SubscriptionCreate(create) => self::create(rows, placed, create, changes),
        Body::SubscriptionUpdate(update) => change(rows, placed, changes, |row| {
            self::update(row, placed, update);
            Ok(Some(ChangeType::SubscriptionUpdated))
        }),
        Body::SubscriptionRotateSecret(rotate) => change(rows, placed, changes, |row| {
            row.rotate(placed.event.attributes.id, (**rotate).clone(), placed.recorded_time);
            Ok(Some(ChangeType::SubscriptionUpdated))
        }),
        Body::SubscriptionDelete => change(rows, placed, changes, |row| {
            row.deleted = true;
            Ok(Some(ChangeType::SubscriptionDeleted))
        }),
        Body::SubscriptionPause => change(rows, placed, changes, |row| Ok(pause(row, placed, PauseReason::ByHand))),
        Body::SubscriptionSuspend(suspend) => {
            change(rows, placed, changes, |row| Ok(self::suspend(row, placed, suspend)))
        }
        Body::SubscriptionResume(resume) => change(rows, placed, changes, |row| self::resume(row, placed, resume)),
        _ => return None,
    })
}

/// A name can be used again: what was delivered hangs on the id.
fn create(rows: &mut Rows, placed: &Placed, create: &SubscriptionCreate, changes: &mut Vec<Change>) -> Outcome {
    let SubscriptionCreate { subscription: spec, target, keys, start } = create.clone();
    if let Some(domain) = &spec.domain
        && domains::active(rows, domain).is_none()
    {
        return Outcome::Refused { reason: Refusal::DomainNotFound };
    }
    let key = RowKey::new(Kind::Subscription, &spec.name);
    if matches!(rows.get(&key), Some(Row::Subscription(row)) if !row.deleted) {
        return Outcome::Refused { reason: Refusal::NameTaken };
    }
    let event = placed.event.attributes.id;
    let subscription = Subscription {
        id: event,
        name: spec.name,
        domain: spec.domain,
        kind: spec.kind,
        origin: target.origin,
        filter: spec.filter,
        signature: spec.signature,
        public_keys: Vec::new(),
        state: SubscriptionState::Active,
        paused: None,
        created_time: placed.recorded_time,
        changed_time: placed.recorded_time,
    };
    let mut row = SubscriptionRow {
        subscription,
        target: SealedSecret { event, sealed: target.target },
        keys: keys_of(event, keys),
        start: Start::new(placed.position, start),
        deleted: false,
        position: placed.position,
        revision: placed.position,
    };
    row.show_public_keys();
    changes.push(Change::subscription(ChangeType::SubscriptionCreated, &row.subscription));
    let id = row.subscription.name.clone();
    rows.put(key, Row::Subscription(Box::new(row)));
    Outcome::Applied { id }
}

/// Changes a subscription that is not deleted, and says so if something became of it.
fn change(
    rows: &mut Rows,
    placed: &Placed,
    changes: &mut Vec<Change>,
    change: impl FnOnce(&mut SubscriptionRow) -> Result<Option<ChangeType>, Refusal>,
) -> Outcome {
    let key = RowKey::new(Kind::Subscription, &placed.event.attributes.subject);
    let found = match rows.take(&key) {
        Some(Row::Subscription(row)) if !row.deleted => row,
        other => {
            rows.restore(&key, other);
            return Outcome::Refused { reason: Refusal::NotFound };
        }
    };
    let mut row = found.clone();
    match change(&mut row) {
        Ok(Some(kind)) => {
            row.revision = placed.position;
            row.subscription.changed_time = placed.recorded_time;
            changes.push(Change::subscription(kind, &row.subscription));
            rows.put(key.clone(), Row::Subscription(row));
            Outcome::Applied { id: key.id }
        }
        unchanged => {
            rows.restore(&key, Some(Row::Subscription(found)));
            match unchanged {
                Err(reason) => Outcome::Refused { reason },
                Ok(_) => Outcome::Applied { id: key.id },
            }
        }
    }
}

fn update(row: &mut SubscriptionRow, placed: &Placed, update: &SubscriptionUpdate) {
    let SubscriptionUpdate { integrations, tenants, types, target, .. } = update.clone();
    let filter = &mut row.subscription.filter;
    for (field, value) in
        [(&mut filter.integrations, integrations), (&mut filter.tenants, tenants), (&mut filter.types, types)]
    {
        if let Some(value) = value {
            *field = value;
        }
    }
    if let Some(target) = target {
        row.set_target(placed.event.attributes.id, target);
    }
}

fn pause(row: &mut SubscriptionRow, placed: &Placed, reason: PauseReason) -> Option<ChangeType> {
    if row.subscription.state == SubscriptionState::Paused {
        return None;
    }
    row.subscription.state = SubscriptionState::Paused;
    row.subscription.paused = Some(Paused { reason, time: placed.recorded_time });
    Some(ChangeType::SubscriptionPaused)
}

/// The hub was too late if somebody has changed the subscription since: what it saw may be mended.
fn suspend(row: &mut SubscriptionRow, placed: &Placed, suspend: &SubscriptionSuspend) -> Option<ChangeType> {
    if row.revision != suspend.revision {
        return None;
    }
    pause(row, placed, suspend.reason)
}

fn resume(
    row: &mut SubscriptionRow,
    placed: &Placed,
    resume: &SubscriptionResume,
) -> Result<Option<ChangeType>, Refusal> {
    let reason = row.subscription.paused.as_ref().map(|paused| paused.reason);
    match &resume.start {
        Some(start) => row.start = Start::new(placed.position, start.clone()),
        None if reason == Some(PauseReason::StartUnknown) => return Err(Refusal::StartNeeded),
        None if reason.is_none() => return Ok(None),
        None => {}
    }
    row.subscription.state = SubscriptionState::Active;
    row.subscription.paused = None;
    Ok(Some(ChangeType::SubscriptionResumed))
}
