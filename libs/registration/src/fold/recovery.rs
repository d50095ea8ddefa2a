//! What users do by themselves, through links in their mail: confirm that they signed up, and set a forgotten password anew.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::change::{Change, ChangeType};
use crate::command::{Outcome, Refusal};
use crate::directory::{PasswordReset, UserConfirm, UserForgotPassword, UserRow, UserState};
use crate::fold::Placed;
use crate::fold::users::{NAME_TAKEN, NOT_FOUND, is_taken, present, put, reserve};
use crate::row::Rows;

/// A user is sent one link in this time, however often somebody asks for one.
const PACE: SignedDuration = SignedDuration::from_mins(5);

/// Of those who signed up under a name the first that confirms has it.
pub(super) fn confirm(rows: &mut Rows, placed: &Placed, confirm: &UserConfirm, changes: &mut Vec<Change>) -> Outcome {
    let Some(mut row) = present(rows, placed, UserState::Pending) else { return NOT_FOUND };
    // The event names the rows that it needs, so it must name the right one.
    if row.is_due(placed.event.attributes.time) || row.name_index.as_ref() != Some(&confirm.name_index) {
        return Outcome::Refused { reason: Refusal::Outdated };
    }
    if is_taken(rows, &confirm.name_index) {
        return NAME_TAKEN;
    }
    reserve(rows, &confirm.name_index, Some(row.user.id.clone()));
    row.user.state = UserState::Active;
    row.user.purge_after = None;
    row.user.changed_time = placed.recorded_time;
    changes.push(Change::user_of(ChangeType::UserCreated, &row.user, None));
    put(rows, row)
}

/// Of a user that there is not, it changes nothing.
pub(super) fn forget_password(
    rows: &mut Rows,
    placed: &Placed,
    forgot: &UserForgotPassword,
    changes: &mut Vec<Change>,
) -> Outcome {
    let Some(mut row) = present(rows, placed, UserState::Active) else { return NOT_FOUND };
    let (request, time) = (placed.event.attributes.id, placed.event.attributes.time);
    if row.reset.as_ref().is_some_and(|reset| time.duration_since(reset.time).abs() < PACE) {
        return Outcome::Refused { reason: Refusal::Outdated };
    }
    row.reset = Some(PasswordReset { request, time, until: forgot.until });
    changes.push(Change::user_of(ChangeType::UserPasswordForgotten, &row.user, None));
    put(rows, row)
}

/// Whether a user's password can be set by the link that was asked for by this event.
pub(super) fn is_good(row: &UserRow, request: Uuid, now: Timestamp) -> bool {
    row.reset.as_ref().is_some_and(|reset| reset.request == request && now < reset.until)
}
