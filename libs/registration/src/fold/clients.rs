//! What a registration notice does to its client.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::change::{Change, ChangeType};
use crate::client::{Client, ClientRow, ClientState, REMEMBERED_KEYS, Registration, SealedSecret};
use crate::command::{Outcome, Refusal};
use crate::envelope::Sealed;
use crate::fold::{Placed, commands};
use crate::row::{Row, Rows};

pub(super) fn register(rows: &mut Rows, placed: &Placed, registration: &Registration) -> Vec<Change> {
    // None only for an event that intake did not write.
    let Some(key) = placed.client.clone() else {
        return Vec::new();
    };
    let (row, changes) = match rows.take(&key) {
        Some(Row::Client(row)) if is_superseded(&row, placed) => {
            rows.restore(&key, Some(Row::Client(row)));
            commands::leave(rows, placed, Outcome::Refused { reason: Refusal::Superseded });
            return Vec::new();
        }
        Some(Row::Client(mut row)) => {
            let changes = update(&mut row, placed, registration);
            (row, changes)
        }
        _ => {
            let row = first(placed, registration, key.id.clone());
            let changes = vec![Change::client(ChangeType::ClientRegistered, &row.client)];
            (Box::new(row), changes)
        }
    };
    if placed.is_release() {
        commands::leave(rows, placed, Outcome::Applied { id: key.id.clone() });
    }
    rows.put(key, Row::Client(row));
    changes
}

/// A released notification keeps its reception time: if newer ones came meanwhile, it comes too late.
fn is_superseded(row: &ClientRow, placed: &Placed) -> bool {
    placed.is_release() && placed.event.attributes.time < row.notice_time
}

fn first(placed: &Placed, notice: &Registration, id: String) -> ClientRow {
    let attributes = &placed.event.attributes;
    let departments = departments_after(None, notice);
    let client = Client {
        id,
        integration: integration_name(&attributes.source).to_owned(),
        domain: None,
        tenant: attributes.subject.clone(),
        provet_id: notice.provet_id,
        client_id: notice.client_id.clone(),
        algorithm: notice.algorithm.clone(),
        authorization_grant_type: notice.authorization_grant_type.clone(),
        client_type: notice.client_type.clone(),
        redirect_uris: redirect_uris(notice),
        token_url: notice.token_url.clone(),
        authorize_url: notice.authorize_url.clone(),
        openid_autodiscovery_url: notice.openid_autodiscovery_url.clone(),
        has_secret: notice.client_secret.is_some(),
        state: state_of(departments.as_deref()),
        departments,
        latest: None,
        partition: placed.partition,
        position: placed.position,
        registered_time: placed.recorded_time,
        changed_time: placed.recorded_time,
    };
    ClientRow {
        client: Arc::new(client),
        first_position: placed.position,
        notice_time: attributes.time,
        secret: sealed_secret(placed, notice),
        idempotency_keys: VecDeque::from_iter(attributes.idempotency_key.clone()),
    }
}

fn update(row: &mut ClientRow, placed: &Placed, notice: &Registration) -> Vec<Change> {
    let attributes = &placed.event.attributes;
    let is_new = remember(row, attributes.idempotency_key.as_ref());
    // To a retired client even a redelivery is a new fact: somebody still uses it.
    if !is_new && row.client.state != ClientState::Retired {
        return Vec::new();
    }
    row.notice_time = attributes.time;
    let mut changes = Vec::new();
    let fields = update_metadata(row, placed, notice);
    if !fields.is_empty() {
        let client = touch(&mut row.client, placed);
        changes.push(Change::client_with(ChangeType::ClientUpdated, client, |data| {
            data.fields = Some(fields);
        }));
    }
    update_departments(&mut row.client, placed, notice, &mut changes);
    update_state(&mut row.client, placed, &mut changes);
    changes
}

/// Whether the Idempotency-Key is new, or there is none: a notice under one that was seen is a
/// redelivery.
fn remember(row: &mut ClientRow, key: Option<&String>) -> bool {
    let Some(key) = key else { return true };
    if row.idempotency_keys.contains(key) {
        return false;
    }
    if row.idempotency_keys.len() == REMEMBERED_KEYS {
        row.idempotency_keys.pop_front();
    }
    row.idempotency_keys.push_back(key.clone());
    true
}

fn update_metadata(row: &mut ClientRow, placed: &Placed, notice: &Registration) -> Vec<String> {
    let mut fields = Vec::new();
    let client = Arc::make_mut(&mut row.client);
    replace(&mut fields, "algorithm", &mut client.algorithm, &notice.algorithm);
    replace(
        &mut fields,
        "authorization_grant_type",
        &mut client.authorization_grant_type,
        &notice.authorization_grant_type,
    );
    replace(&mut fields, "client_type", &mut client.client_type, &notice.client_type);
    if !notice.redirect_uris.split_whitespace().eq(client.redirect_uris.iter().map(String::as_str)) {
        client.redirect_uris = redirect_uris(notice);
        fields.push("redirect_uris".to_owned());
    }
    replace(&mut fields, "token_url", &mut client.token_url, &notice.token_url);
    replace(&mut fields, "authorize_url", &mut client.authorize_url, &notice.authorize_url);
    replace(
        &mut fields,
        "openid_autodiscovery_url",
        &mut client.openid_autodiscovery_url,
        &notice.openid_autodiscovery_url,
    );
    let known = row.secret.as_ref().map(|secret| &secret.sealed);
    let new = notice.client_secret.as_ref();
    if !is_same_secret(known, new) {
        client.has_secret = new.is_some();
        fields.push("client_secret".to_owned());
    }
    // While the fingerprint key is rotated, the new envelope of the same secret carries the
    // fingerprint by which it will be known afterwards.
    if known.map(|sealed| &sealed.sealed.fp) != new.map(|sealed| &sealed.sealed.fp) {
        row.secret = sealed_secret(placed, notice);
    }
    fields
}

fn replace<T: PartialEq + Clone>(fields: &mut Vec<String>, name: &str, old: &mut T, new: &T) {
    if old != new {
        old.clone_from(new);
        fields.push(name.to_owned());
    }
}

/// Secrets are compared by their keyed fingerprints: the fold opens none.
fn is_same_secret(known: Option<&Sealed>, new: Option<&Sealed>) -> bool {
    match (known, new) {
        (None, None) => true,
        (Some(known), Some(new)) => new.sealed.fp.iter().any(|fingerprint| known.sealed.fp.contains(fingerprint)),
        _ => false,
    }
}

fn update_departments(client: &mut Arc<Client>, placed: &Placed, notice: &Registration, changes: &mut Vec<Change>) {
    let table = client.departments.clone();
    let Some(after) = departments_after(table.as_deref(), notice) else {
        return;
    };
    let drift =
        notice.departments.is_some() && table.as_ref().is_some_and(|ids| with_notice(ids.clone(), notice) != after);
    let before = table.as_deref().unwrap_or_default();
    let added = without(&after, before);
    let mut removed = without(before, &after);
    if table.is_none() && after.is_empty() {
        removed.extend(notice.removed_department);
        Arc::make_mut(client).departments = Some(Vec::new());
    }
    if !added.is_empty() {
        Arc::make_mut(client).departments = Some(sorted(before.iter().chain(&added).copied().collect()));
        changes.push(departments_change(ChangeType::ClientDepartmentsAdded, client, placed, added, drift));
    }
    if !removed.is_empty() {
        Arc::make_mut(client).departments = Some(after);
        changes.push(departments_change(ChangeType::ClientDepartmentsRemoved, client, placed, removed, drift));
    }
}

fn departments_change(
    kind: ChangeType,
    client: &mut Arc<Client>,
    placed: &Placed,
    departments: Vec<i64>,
    drift: bool,
) -> Change {
    Change::client_with(kind, touch(client, placed), |data| {
        data.departments = Some(departments);
        data.drift = Some(drift);
    })
}

/// Moves the state to what the departments say; a notice always ends a retirement.
fn update_state(client: &mut Arc<Client>, placed: &Placed, changes: &mut Vec<Change>) {
    let state = state_of(client.departments.as_deref());
    let was = client.state;
    if was != ClientState::Active && (state == ClientState::Active || was == ClientState::Retired) {
        Arc::make_mut(client).state = ClientState::Active;
        changes.push(Change::client(ChangeType::ClientReactivated, touch(client, placed)));
    }
    if client.state == ClientState::Active && state == ClientState::Inactive {
        Arc::make_mut(client).state = ClientState::Inactive;
        changes.push(Change::client(ChangeType::ClientDeactivated, touch(client, placed)));
    }
}

/// Notes on the row that this event changed it.
pub(super) fn touch<'a>(client: &'a mut Arc<Client>, placed: &Placed) -> &'a Arc<Client> {
    let row = Arc::make_mut(client);
    row.position = placed.position;
    row.changed_time = placed.recorded_time;
    client
}

/// The departments after a notice, sorted: its own list if it has one, else what the table holds,
/// then what it adds, then what it removes. None when none was ever named.
fn departments_after(table: Option<&[i64]>, notice: &Registration) -> Option<Vec<i64>> {
    let named = notice.added_department.is_some() || notice.removed_department.is_some();
    let base = match (&notice.departments, table) {
        (Some(list), _) => list.clone(),
        (None, Some(table)) => table.to_vec(),
        (None, None) if named => Vec::new(),
        (None, None) => return None,
    };
    Some(with_notice(base, notice))
}

fn with_notice(mut ids: Vec<i64>, notice: &Registration) -> Vec<i64> {
    ids.extend(notice.added_department);
    ids.retain(|id| Some(*id) != notice.removed_department);
    sorted(ids)
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What is in one sorted list and not in another.
fn without(ids: &[i64], others: &[i64]) -> Vec<i64> {
    ids.iter().filter(|id| others.binary_search(id).is_err()).copied().collect()
}

fn state_of(departments: Option<&[i64]>) -> ClientState {
    match departments {
        Some([]) => ClientState::Inactive,
        _ => ClientState::Active,
    }
}

fn redirect_uris(notice: &Registration) -> Vec<String> {
    notice.redirect_uris.split_whitespace().map(str::to_owned).collect()
}

fn sealed_secret(placed: &Placed, notice: &Registration) -> Option<SealedSecret> {
    let sealed = notice.client_secret.clone()?;
    Some(SealedSecret { event: placed.event.attributes.id, sealed })
}

pub(super) fn integration_name(source: &str) -> &str {
    source.strip_prefix("/integrations/").unwrap_or(source)
}
