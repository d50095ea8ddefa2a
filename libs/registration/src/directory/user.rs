//! Users: people who belong to a domain, as in ISL, where they are written `\\domain\user`.
//!
//! Names, e-mail addresses and password hashes stand here sealed under the user's own key, which ends with the user. In clear
//! is only a keyed hash of the normalised name, by which the fold tells whether it is taken.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::client::SealedSecret;
use crate::envelope::Sealed;
use crate::row::Columns;

/// What a user may do in its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Belongs to the domain.
    Member,
    /// Administers the domain.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Member, Self::Admin];

    /// The word used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

/// What has become of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserState {
    /// Signed up, and has not shown yet that it reads its mail: the name is still anybody's. Purged when the time for that is over.
    Pending,
    /// In use.
    Active,
    /// Deleted, and can come back until it is purged. Its name stays reserved.
    Deleted,
    /// Gone for good: its keys are destroyed, its name is free.
    Purged,
}

impl UserState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Deleted, Self::Purged];

    /// The word used in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }
}

/// The data of an event that asks for a user, whose id is the event's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserCreate {
    /// Id of the domain that it shall belong to; its name is in the event's source.
    pub domain_id: Uuid,
    /// What it may do in its domain.
    pub roles: Vec<Role>,
    /// Keyed hash of the domain's id and the normalised name.
    pub name_index: String,
    /// The name as it was written, sealed.
    pub name: Sealed,
    /// The e-mail address, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Sealed>,
    /// The password's argon2id hash, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Sealed>,
    /// Until when whoever signed up can confirm it by the link in a mail; none if somebody else makes the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_until: Option<Timestamp>,
}

/// The data of an event that makes a user of one who signed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserConfirm {
    /// Index of the name that was asked for: refused if somebody has it by now.
    pub name_index: String,
}

/// The data of an event that asks for a link by which a user can set another password. It is appended whether there is such a
/// user or not, so that nobody learns that from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserForgotPassword {
    /// Until when the link can be used.
    pub until: Timestamp,
}

/// The data of an event that changes a user; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UserUpdate {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename: Option<Rename>,
    /// Another e-mail address, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailUpdate>,
    /// What it may do from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
}

/// Another e-mail address for a user, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmailUpdate {
    /// The address, sealed; null for none.
    pub to: Option<Sealed>,
}

/// Another name for a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rename {
    /// Index of the name that it has: refused if it has another one by now.
    pub from_index: String,
    /// Index of the new name.
    pub name_index: String,
    /// The new name as it was written, sealed.
    pub name: Sealed,
}

/// The data of an event that deletes a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDelete {
    /// From when on it may be purged.
    pub purge_after: Timestamp,
}

/// The data of an event that ends a user for good, whether it was deleted or its domain was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserPurge {
    /// Index of the name that it has: it is free then.
    pub name_index: String,
}

/// The data of an event that gives a user another password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserSetPassword {
    /// The password's argon2id hash, sealed.
    pub password: Sealed,
    /// Id of the event that asked for the link by which it is set: refused unless that is the newest and unused. None if it is
    /// set by an administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Uuid>,
}

/// A link by which a user can set another password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReset {
    /// Id of the event that asked for it.
    pub request: Uuid,
    /// When that was.
    pub time: Timestamp,
    /// Until when it can be used.
    pub until: Timestamp,
}

/// A user as changes tell of it: nothing personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Its id, never used again.
    pub id: String,
    /// Name of the domain that it belongs to.
    pub domain: String,
    /// Id of that domain: its name can be used again after a purge.
    pub domain_id: Uuid,
    /// What it may do there.
    pub roles: Vec<Role>,
    /// What has become of it.
    pub state: UserState,
    /// Whether it can sign in with a password.
    pub has_password: bool,
    /// When it was made.
    pub created_time: Timestamp,
    /// When it was changed last.
    pub changed_time: Timestamp,
    /// When it was deleted.
    pub deleted_time: Option<Timestamp>,
    /// From when on it may be purged, if it was deleted, or signed up and is not confirmed.
    pub purge_after: Option<Timestamp>,
}

/// A user with what only the fold and those who open envelopes need. A purged one has no envelopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// What readers see.
    pub user: User,
    /// Keyed hash of the domain's id and the normalised name.
    pub name_index: Option<String>,
    /// The name as it was written.
    pub name: Option<SealedSecret>,
    /// The e-mail address.
    pub email: Option<SealedSecret>,
    /// The password's argon2id hash.
    pub password: Option<SealedSecret>,
    /// What name and address were before, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// The newest link for another password that was asked for, until it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<PasswordReset>,
    /// Where it was made.
    pub position: u64,
}

/// The former names that are kept of a user. A delivery that waits while a name changes more often is told under a later one.
const FORMER: usize = 16;

/// What a user was called, and up to where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The position of the event that changed it.
    pub until: u64,
    /// The name.
    pub name: Option<SealedSecret>,
    /// The e-mail address, where it is not sealed with the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<SealedSecret>,
}

impl Former {
    /// What was true at a position; none if that is what is true now.
    pub(crate) fn at(former: &[Self], position: u64) -> Option<&Self> {
        former.iter().find(|former| position < former.until)
    }

    /// Keeps one more; the oldest makes room.
    pub(crate) fn keep(self, former: &mut Vec<Self>) {
        if former.len() >= FORMER {
            former.remove(0);
        }
        former.push(self);
    }
}

/// A name of a user, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserName {
    /// Its index.
    pub index: String,
    /// Id of the user; none if it is free again.
    pub holder: Option<String>,
}

impl UserRow {
    /// Whether it is deleted, or was never confirmed, and may be purged at a time.
    pub fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.user.state, UserState::Deleted | UserState::Pending)
            && self.user.purge_after.is_some_and(|due| due <= now)
    }

    /// With the name and the address that it had at a position: what is told of that again is told as it was told first.
    #[must_use]
    pub fn as_of(mut self, position: u64) -> Self {
        if let Some(former) = Former::at(&self.former, position).cloned() {
            (self.name, self.email) = (former.name, former.email);
        }
        self
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        let (domain, state) = (Some(&*self.user.domain), Some(self.user.state.as_str()));
        Columns { domain, state, position: self.position, ..Columns::default() }
    }
}
