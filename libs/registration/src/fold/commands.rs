//! What commands do: the fold decides, and leaves the outcome in a row of its own.

use std::sync::Arc;

use crate::change::{Change, ChangeType};
use crate::client::{ClientState, SealedSecret};
use crate::command::{Command, Outcome, Refusal, row_key};
use crate::directory::{
    DEFAULT_DOMAIN, Integration, IntegrationChange, IntegrationCreate, IntegrationRotateHookup, IntegrationRow,
    LedgerCreate, LedgerRestore, LedgerRow, Notified, PreviousKey, SealedMailbox, Start, Token, TokenCreate, TokenRow,
};
use crate::event::Body;
use crate::fold::{Placed, clients, domains, messages, recovery, settings, subscriptions, users};
use crate::quarantine::QuarantineState;
use crate::row::{Kind, Row, RowKey, Rows};

/// A command that was repeated with its Idempotency-Key changes nothing: the first outcome stands.
pub(super) fn decide(rows: &mut Rows, placed: &Placed) -> Vec<Change> {
    match &placed.event.body {
        Body::LedgerCreate(create) => return create_ledger(rows, placed, create),
        Body::LedgerRestore(restore) => return restore_ledger(rows, restore),
        _ => {}
    }
    if rows.get(&row_key(&placed.event.attributes)).is_some() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    let outcome = carry_out(rows, placed, &mut changes);
    leave(rows, placed, outcome);
    changes
}

/// Leaves an outcome in the row of its command. The first one stands.
pub(super) fn leave(rows: &mut Rows, placed: &Placed, outcome: Outcome) {
    let attributes = &placed.event.attributes;
    let key = row_key(attributes);
    if rows.get(&key).is_some() {
        return;
    }
    let command = Command {
        id: key.id.clone(),
        fingerprint: attributes.fingerprint.clone(),
        partition: placed.partition,
        position: placed.position,
        outcome,
    };
    rows.put(key, Row::Command(command));
}

fn carry_out(rows: &mut Rows, placed: &Placed, changes: &mut Vec<Change>) -> Outcome {
    if let Some(outcome) = subscriptions::carry_out(rows, placed, changes) {
        return outcome;
    }
    let key = |kind| RowKey::new(kind, &placed.event.attributes.subject);
    match &placed.event.body {
        Body::DomainCreate(create) => domains::create(rows, placed, create, changes),
        Body::DomainDelete(delete) => domains::delete(rows, placed, delete, changes),
        Body::DomainPurge => domains::purge(rows, placed),
        Body::IntegrationCreate(create) => create_integration(rows, placed, create, changes),
        Body::IntegrationUpdate(update) => {
            change_integration(rows, placed, changes, ChangeType::IntegrationUpdated, |row| {
                update_integration(row, placed, update);
            })
        }
        Body::IntegrationRotateHookup(rotate) => {
            change_integration(rows, placed, changes, ChangeType::IntegrationHookupRotated, |row| {
                rotate_hookup(row, rotate);
            })
        }
        Body::IntegrationDelete => change_integration(rows, placed, changes, ChangeType::IntegrationDeleted, |row| {
            row.deleted = true;
            row.notified = None;
        }),
        Body::TokenCreate(create) => create_token(rows, placed, create),
        Body::SettingSet(set) => settings::set(rows, placed, set, changes),
        Body::TokenRevoke => revoke_token(rows, placed, &key(Kind::Token)),
        Body::UserCreate(create) => users::create(rows, placed, create, changes),
        Body::UserUpdate(update) => users::update(rows, placed, update, changes),
        Body::UserDelete(delete) => users::delete(rows, placed, delete, changes),
        Body::UserUndelete => users::undelete(rows, placed, changes),
        Body::UserPurge(purge) => users::purge(rows, placed, purge, changes),
        Body::UserSetPassword(set) => users::set_password(rows, placed, set, changes),
        Body::UserConfirm(confirm) => recovery::confirm(rows, placed, confirm, changes),
        Body::UserForgotPassword(forgot) => recovery::forget_password(rows, placed, forgot, changes),
        Body::ClientRetire => retire_client(rows, placed, &key(Kind::Client), changes),
        Body::QuarantineRelease(release) => {
            let state = if release.superseded { QuarantineState::Superseded } else { QuarantineState::Released };
            messages::settle(rows, &key(Kind::Quarantined), state)
        }
        Body::QuarantineDismiss => messages::settle(rows, &key(Kind::Quarantined), QuarantineState::Dismissed),
        Body::ClientReveal(_) | Body::QuarantineReveal(_) => {
            Outcome::Applied { id: placed.event.attributes.subject.clone() }
        }
        // Those of subscriptions were decided above; the others are no commands.
        Body::SubscriptionCreate(_)
        | Body::SubscriptionUpdate(_)
        | Body::SubscriptionDelete
        | Body::SubscriptionPause
        | Body::SubscriptionResume(_)
        | Body::SubscriptionRotateSecret(_)
        | Body::SubscriptionSuspend(_)
        | Body::LedgerCreate(_)
        | Body::LedgerRestore(_)
        | Body::ProvetRegistration(_)
        | Body::QuarantineReceive(_)
        | Body::IslEvent(_)
        | Body::IslToken(_) => Outcome::Refused { reason: Refusal::NotFound },
    }
}

/// Two first starts at once may write two of these: position 0 wins, the later one changes nothing.
fn create_ledger(rows: &mut Rows, placed: &Placed, create: &LedgerCreate) -> Vec<Change> {
    let key = RowKey::new(Kind::Ledger, "");
    if rows.get(&key).is_some() {
        return Vec::new();
    }
    let LedgerCreate { ledger, partitions, imported } = create.clone();
    rows.put(key, Row::Ledger(LedgerRow { ledger, partitions, imported, restores: Vec::new() }));
    vec![domains::create_default(rows, placed)]
}

/// No row that anybody follows changes: only what a cursor is worth.
fn restore_ledger(rows: &mut Rows, restore: &LedgerRestore) -> Vec<Change> {
    let key = RowKey::new(Kind::Ledger, "");
    if let Some(Row::Ledger(mut row)) = rows.take(&key) {
        row.restores.push(restore.clone());
        rows.put(key, Row::Ledger(row));
    }
    Vec::new()
}

fn create_integration(
    rows: &mut Rows,
    placed: &Placed,
    create: &IntegrationCreate,
    changes: &mut Vec<Change>,
) -> Outcome {
    let spec = create.integration.clone();
    let key = RowKey::new(Kind::Integration, &spec.name);
    let Some(domain_id) = domains::active(rows, &spec.domain).map(|domain| domain.id) else {
        return Outcome::Refused { reason: Refusal::DomainNotFound };
    };
    if rows.get(&key).is_some() {
        return Outcome::Refused { reason: Refusal::NameTaken };
    }
    let integration = Integration {
        id: placed.event.attributes.id,
        name: spec.name,
        source: spec.source,
        domain: spec.domain,
        notify: spec.notify,
        owner: spec.owner,
        authorization_grant_type: spec.authorization_grant_type,
        redirect_uris: spec.redirect_uris,
        allow: spec.allow,
        jwt_key: spec.jwt_key.filter(|key| !key.is_empty()),
        jwks_url: spec.jwks_url.filter(|url| !url.is_empty()),
        created_time: placed.recorded_time,
        changed_time: placed.recorded_time,
    };
    changes.push(Change::integration_of(ChangeType::IntegrationCreated, &integration));
    let id = integration.name.clone();
    let row = IntegrationRow {
        integration,
        hookup_key_hash: create.hookup_key_hash.clone(),
        previous_key: None,
        deleted: false,
        notified: create.mailbox.as_ref().map(|mailbox| notified(placed, mailbox, None)),
        domain_id,
        position: placed.position,
    };
    rows.put(key, Row::Integration(Arc::new(row)));
    Outcome::Applied { id }
}

fn change_integration(
    rows: &mut Rows,
    placed: &Placed,
    changes: &mut Vec<Change>,
    kind: ChangeType,
    change: impl FnOnce(&mut IntegrationRow),
) -> Outcome {
    let key = RowKey::new(Kind::Integration, &placed.event.attributes.subject);
    match rows.take(&key) {
        Some(Row::Integration(mut row)) if !row.deleted => {
            let after = Arc::make_mut(&mut row);
            change(after);
            after.integration.changed_time = placed.recorded_time;
            changes.push(Change::integration_of(kind, &after.integration));
            let id = row.integration.name.clone();
            rows.put(key, Row::Integration(row));
            Outcome::Applied { id }
        }
        other => {
            rows.restore(&key, other);
            Outcome::Refused { reason: Refusal::NotFound }
        }
    }
}

fn update_integration(row: &mut IntegrationRow, placed: &Placed, change: &IntegrationChange) {
    let IntegrationChange { update, mailbox } = change.clone();
    let integration = &mut row.integration;
    if let Some(notify) = update.notify {
        integration.notify = notify;
        let before = row.notified.take();
        row.notified = mailbox.map(|mailbox| notified(placed, &mailbox, before));
    }
    if let Some(owner) = update.owner {
        integration.owner = Some(owner);
    }
    if let Some(grant) = update.authorization_grant_type {
        integration.authorization_grant_type = Some(grant);
    }
    if let Some(uris) = update.redirect_uris {
        integration.redirect_uris = uris;
    }
    if let Some(allow) = update.allow {
        integration.allow = allow;
    }
    update_verification(integration, update.jwt_key, update.jwks_url);
}

/// Who was told by mail before and gets another address is told where the one before was not.
fn notified(placed: &Placed, mailbox: &SealedMailbox, before: Option<Notified>) -> Notified {
    let SealedMailbox { address, start } = mailbox.clone();
    Notified {
        address: SealedSecret { event: placed.event.attributes.id, sealed: address },
        start: before.map_or_else(|| Start::new(placed.position, start), |before| before.start),
        revision: placed.position,
    }
}

/// An empty text takes one away; each takes the place of the other.
fn update_verification(integration: &mut Integration, key: Option<String>, url: Option<String>) {
    if let Some(key) = key {
        integration.jwt_key = Some(key).filter(|key| !key.is_empty());
        integration.jwks_url.take_if(|_| integration.jwt_key.is_some());
    }
    if let Some(url) = url {
        integration.jwks_url = Some(url).filter(|url| !url.is_empty());
        integration.jwt_key.take_if(|_| integration.jwks_url.is_some());
    }
}

fn rotate_hookup(row: &mut IntegrationRow, rotate: &IntegrationRotateHookup) {
    let old = std::mem::replace(&mut row.hookup_key_hash, rotate.hookup_key_hash.clone());
    row.previous_key = Some(PreviousKey { hash: old, until: rotate.grace_until });
}

fn create_token(rows: &mut Rows, placed: &Placed, create: &TokenCreate) -> Outcome {
    let spec = create.token.clone();
    let domain = spec.domain.as_deref().unwrap_or(DEFAULT_DOMAIN);
    let Some(domain_id) = domains::active(rows, domain).map(|domain| domain.id) else {
        return Outcome::Refused { reason: Refusal::DomainNotFound };
    };
    let id = placed.event.attributes.subject.clone();
    let key = RowKey::new(Kind::Token, &id);
    if rows.get(&key).is_some() {
        return Outcome::Refused { reason: Refusal::NameTaken };
    }
    let row = TokenRow {
        token: Token {
            id: id.clone(),
            name: spec.name,
            scopes: spec.scopes,
            domain: spec.domain,
            integrations: spec.integrations,
            expires_time: spec.expires_time,
            revoked_time: None,
            created_time: placed.recorded_time,
        },
        token_hash: create.token_hash.clone(),
        domain_id,
        position: placed.position,
    };
    rows.put(key, Row::Token(Box::new(row)));
    Outcome::Applied { id }
}

fn revoke_token(rows: &mut Rows, placed: &Placed, key: &RowKey) -> Outcome {
    let Some(Row::Token(mut row)) = rows.take(key) else {
        return Outcome::Refused { reason: Refusal::NotFound };
    };
    row.token.revoked_time.get_or_insert(placed.recorded_time);
    rows.put(key.clone(), Row::Token(row));
    Outcome::Applied { id: key.id.clone() }
}

fn retire_client(rows: &mut Rows, placed: &Placed, key: &RowKey, changes: &mut Vec<Change>) -> Outcome {
    let Some(Row::Client(mut row)) = rows.take(key) else {
        return Outcome::Refused { reason: Refusal::NotFound };
    };
    if row.client.state != ClientState::Retired {
        Arc::make_mut(&mut row.client).state = ClientState::Retired;
        let client = clients::touch(&mut row.client, placed);
        changes.push(Change::client(ChangeType::ClientRetired, client));
    }
    rows.put(key.clone(), Row::Client(row));
    Outcome::Applied { id: key.id.clone() }
}
