//! What happens to users.

use jiff::Timestamp;
use uuid::Uuid;

use crate::change::{Change, ChangeType};
use crate::client::SealedSecret;
use crate::command::{Outcome, Refusal};
use crate::directory::{
    Domain, Former, Rename, Role, User, UserCreate, UserDelete, UserName, UserPurge, UserRow, UserSetPassword,
    UserState, UserUpdate,
};
use crate::envelope::Sealed;
use crate::fold::{Placed, domains, recovery};
use crate::row::{Kind, Row, RowKey, Rows};

pub(super) const NOT_FOUND: Outcome = Outcome::Refused { reason: Refusal::NotFound };
pub(super) const NAME_TAKEN: Outcome = Outcome::Refused { reason: Refusal::NameTaken };

/// The row that reserves a name.
pub(super) fn name_key(index: &str) -> RowKey {
    RowKey::new(Kind::UserName, index)
}

pub(super) fn create(rows: &mut Rows, placed: &Placed, create: &UserCreate, changes: &mut Vec<Change>) -> Outcome {
    let attributes = &placed.event.attributes;
    let domain = domains::name(&attributes.source);
    if domains::active(rows, domain).is_none_or(|domain| domain.id != create.domain_id) {
        return Outcome::Refused { reason: Refusal::DomainNotFound };
    }
    let key = RowKey::new(Kind::User, &attributes.subject);
    if is_taken(rows, &create.name_index) || rows.get(&key).is_some() {
        return NAME_TAKEN;
    }
    let is_sign_up = create.confirm_until.is_some();
    let user = User {
        id: key.id.clone(),
        domain: domain.to_owned(),
        domain_id: create.domain_id,
        roles: sorted(&create.roles),
        state: if is_sign_up { UserState::Pending } else { UserState::Active },
        has_password: create.password.is_some(),
        created_time: placed.recorded_time,
        changed_time: placed.recorded_time,
        deleted_time: None,
        purge_after: create.confirm_until,
    };
    // Whoever signs up has no name before that is confirmed: else anybody could keep any name from others.
    if !is_sign_up {
        reserve(rows, &create.name_index, Some(user.id.clone()));
    }
    let row = UserRow {
        name_index: Some(create.name_index.clone()),
        name: Some(sealed(placed, &create.name)),
        email: create.email.as_ref().map(|email| sealed(placed, email)),
        password: create.password.as_ref().map(|password| sealed(placed, password)),
        former: Vec::new(),
        reset: None,
        position: placed.position,
        user,
    };
    let kind = if is_sign_up { ChangeType::UserSignedUp } else { ChangeType::UserCreated };
    changes.push(Change::user_of(kind, &row.user, None));
    rows.put(key.clone(), Row::User(Box::new(row)));
    Outcome::Applied { id: key.id }
}

pub(super) fn update(rows: &mut Rows, placed: &Placed, update: &UserUpdate, changes: &mut Vec<Change>) -> Outcome {
    let Some(mut row) = present(rows, placed, UserState::Active) else { return NOT_FOUND };
    let mut fields = Vec::new();
    let former = Former { until: placed.position, name: row.name.clone(), email: row.email.clone() };
    if let Some(rename) = &update.rename {
        if let Err(refused) = take_name(rows, &row, rename) {
            return Outcome::Refused { reason: refused };
        }
        row.name_index = Some(rename.name_index.clone());
        row.name = Some(sealed(placed, &rename.name));
        fields.push("name".to_owned());
    }
    if let Some(email) = &update.email {
        // Whoever reads the mail of the old address has no say any more.
        row.reset = None;
        row.email = email.to.as_ref().map(|email| sealed(placed, email));
        fields.push("email".to_owned());
    }
    if !fields.is_empty() {
        former.keep(&mut row.former);
    }
    if let Some(roles) = update.roles.as_deref().map(sorted).filter(|roles| *roles != row.user.roles) {
        row.user.roles = roles;
        fields.push("roles".to_owned());
    }
    changed(rows, placed, row, fields, changes)
}

/// Takes another name for a user and gives back the one that it has.
fn take_name(rows: &mut Rows, row: &UserRow, rename: &Rename) -> Result<(), Refusal> {
    if row.name_index.as_ref() != Some(&rename.from_index) {
        return Err(Refusal::Outdated);
    }
    // The same name, written otherwise.
    if rename.name_index == rename.from_index {
        return Ok(());
    }
    if is_taken(rows, &rename.name_index) {
        return Err(Refusal::NameTaken);
    }
    reserve(rows, &rename.from_index, None);
    reserve(rows, &rename.name_index, Some(row.user.id.clone()));
    Ok(())
}

pub(super) fn set_password(
    rows: &mut Rows,
    placed: &Placed,
    set: &UserSetPassword,
    changes: &mut Vec<Change>,
) -> Outcome {
    let Some(mut row) = present(rows, placed, UserState::Active) else { return NOT_FOUND };
    if set.request.is_some_and(|request| !recovery::is_good(&row, request, placed.event.attributes.time)) {
        return Outcome::Refused { reason: Refusal::Outdated };
    }
    row.reset = None;
    row.password = Some(sealed(placed, &set.password));
    row.user.has_password = true;
    changed(rows, placed, row, vec!["password".to_owned()], changes)
}

/// Nobody hears of an update that changed nothing.
fn changed(
    rows: &mut Rows,
    placed: &Placed,
    mut row: Box<UserRow>,
    fields: Vec<String>,
    changes: &mut Vec<Change>,
) -> Outcome {
    if !fields.is_empty() {
        row.user.changed_time = placed.recorded_time;
        changes.push(Change::user_of(ChangeType::UserUpdated, &row.user, Some(fields)));
    }
    put(rows, row)
}

pub(super) fn delete(rows: &mut Rows, placed: &Placed, delete: &UserDelete, changes: &mut Vec<Change>) -> Outcome {
    let Some(mut row) = present(rows, placed, UserState::Active) else { return NOT_FOUND };
    row.user.state = UserState::Deleted;
    row.user.deleted_time = Some(placed.recorded_time);
    row.user.purge_after = Some(delete.purge_after);
    row.user.changed_time = placed.recorded_time;
    changes.push(Change::user_of(ChangeType::UserDeleted, &row.user, None));
    put(rows, row)
}

/// Comes back as it was, also after its time, as long as it was not purged.
pub(super) fn undelete(rows: &mut Rows, placed: &Placed, changes: &mut Vec<Change>) -> Outcome {
    let Some(mut row) = present(rows, placed, UserState::Deleted) else { return NOT_FOUND };
    row.user.state = UserState::Active;
    row.user.deleted_time = None;
    row.user.purge_after = None;
    row.user.changed_time = placed.recorded_time;
    changes.push(Change::user_of(ChangeType::UserUndeleted, &row.user, None));
    put(rows, row)
}

/// Too early, or for the second time, it changes nothing. What was sealed is taken out of the row: its keys end now.
pub(super) fn purge(rows: &mut Rows, placed: &Placed, purge: &UserPurge, changes: &mut Vec<Change>) -> Outcome {
    let Some(mut row) = of_event(rows, placed) else { return NOT_FOUND };
    // Not ledger time, which follows from events that not everybody who folds the directory reads.
    let now = placed.event.attributes.time;
    let is_due = row.is_due(now) || is_domain_over(rows, placed, row.user.domain_id, now);
    // The event names the rows that it needs: one by an older name cannot free the newer one, and another follows.
    if !is_due || row.name_index.as_ref() != Some(&purge.name_index) {
        return NOT_FOUND;
    }
    if holder(rows, &purge.name_index) == Some(&row.user.id) {
        reserve(rows, &purge.name_index, None);
    }
    (row.name_index, row.name, row.email, row.password, row.reset) = (None, None, None, None, None);
    row.former = Vec::new();
    row.user.has_password = false;
    row.user.state = UserState::Purged;
    row.user.changed_time = placed.recorded_time;
    changes.push(Change::user_of(ChangeType::UserPurged, &row.user, None));
    put(rows, row)
}

/// Whether the user's domain is purged or may be: one of its name but with another id was made after that.
fn is_domain_over(rows: &Rows, placed: &Placed, id: Uuid, now: Timestamp) -> bool {
    let name = domains::name(&placed.event.attributes.source);
    match rows.get(&RowKey::new(Kind::Domain, name)) {
        Some(Row::Domain(domain)) if domain.id == id => domain.is_over(now),
        Some(Row::Domain(_)) => true,
        _ => false,
    }
}

/// The user that an event is about, if its domain is in use and it is in that state.
pub(super) fn present(rows: &Rows, placed: &Placed, state: UserState) -> Option<Box<UserRow>> {
    let row = of_event(rows, placed)?;
    let domain: Option<&Domain> = domains::active(rows, domains::name(&placed.event.attributes.source));
    (row.user.state == state && domain.is_some_and(|domain| domain.id == row.user.domain_id)).then_some(row)
}

/// The user that an event is about, if it says its domain's name rightly.
fn of_event(rows: &Rows, placed: &Placed) -> Option<Box<UserRow>> {
    let attributes = &placed.event.attributes;
    match rows.get(&RowKey::new(Kind::User, &attributes.subject)) {
        Some(Row::User(row)) if row.user.domain == domains::name(&attributes.source) => Some(row.clone()),
        _ => None,
    }
}

pub(super) fn is_taken(rows: &Rows, index: &str) -> bool {
    holder(rows, index).is_some()
}

fn holder<'r>(rows: &'r Rows, index: &str) -> Option<&'r String> {
    match rows.get(&name_key(index)) {
        Some(Row::UserName(name)) => name.holder.as_ref(),
        _ => None,
    }
}

pub(super) fn reserve(rows: &mut Rows, index: &str, holder: Option<String>) {
    rows.put(name_key(index), Row::UserName(UserName { index: index.to_owned(), holder }));
}

pub(super) fn put(rows: &mut Rows, row: Box<UserRow>) -> Outcome {
    let id = row.user.id.clone();
    rows.put(RowKey::new(Kind::User, &id), Row::User(row));
    Outcome::Applied { id }
}

fn sealed(placed: &Placed, sealed: &Sealed) -> SealedSecret {
    SealedSecret { event: placed.event.attributes.id, sealed: sealed.clone() }
}

/// Each once, in the order of the enumeration.
fn sorted(roles: &[Role]) -> Vec<Role> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    roles
}
