//! The users of the directory, and whose time is over.

use jiff::Timestamp;

use super::{Directory, UserRow, UserState};
use crate::row::{Kind, Row, RowKey};

/// What may be purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A user.
    User {
        /// Its id.
        id: String,
        /// Name of the domain that it belonged to.
        domain: String,
        /// Index of its name.
        name_index: String,
    },
    /// A domain that has no users left.
    Domain {
        /// Its name.
        name: String,
    },
}

impl Directory {
    /// A user whose domain is there: also a deleted one, and what is left of a purged one.
    pub fn user(&self, id: &str) -> Option<&UserRow> {
        match self.rows.get(&RowKey::new(Kind::User, id)) {
            Some(Row::User(row)) if self.is_there(&row.user.domain, row.user.domain_id) => Some(row),
            _ => None,
        }
    }

    /// Whoever has a name, by its index; the name of a deleted user is its own until it is purged.
    pub fn user_by_name(&self, index: &str) -> Option<&UserRow> {
        match self.rows.get(&RowKey::new(Kind::UserName, index)) {
            Some(Row::UserName(name)) => self.user(name.holder.as_ref()?),
            _ => None,
        }
    }

    /// The users whose domains are there, in the order of their making.
    pub fn users(&self) -> Vec<&UserRow> {
        let there = |row: &&UserRow| self.is_there(&row.user.domain, row.user.domain_id);
        self.all_users().filter(there).collect()
    }

    /// What may be purged at a time: deleted users, all users of deleted domains, and then these domains.
    pub fn due(&self, now: Timestamp) -> Vec<Due> {
        let left = || self.all_users().filter(|row| row.user.state != UserState::Purged);
        let users = left().filter(|row| row.is_due(now) || self.is_domain_over(row, now)).filter_map(|row| {
            let (id, domain) = (row.user.id.clone(), row.user.domain.clone());
            Some(Due::User { id, domain, name_index: row.name_index.clone()? })
        });
        let domains = self.domains().into_iter().filter(|domain| domain.is_due(now));
        let empty = domains.filter(|domain| left().all(|row| row.user.domain_id != domain.id));
        users.chain(empty.map(|domain| Due::Domain { name: domain.name.clone() })).collect()
    }

    fn all_users(&self) -> impl Iterator<Item = &UserRow> {
        self.made(Kind::User).filter_map(|row| match row {
            Row::User(row) => Some(&**row),
            _ => None,
        })
    }

    /// Whether a user's domain is purged, or may be: another one of its name was made after that.
    fn is_domain_over(&self, row: &UserRow, now: Timestamp) -> bool {
        let last = self.last_domain(&row.user.domain);
        last.is_some_and(|domain| domain.id != row.user.domain_id || domain.is_over(now))
    }
}
