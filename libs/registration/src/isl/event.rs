//! What stands in the ledger of an ISL message: the names that were decided, and everything that it said, sealed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::Sealed;

/// The data of an event about an HTTP event of ISL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IslEvent {
    /// The product: `ISL_LIGHT`, `ISL_PRONTO`, `GROOP`.
    pub module: String,
    /// What happened: `NEW_SESSION`, `JOIN`.
    pub event: String,
    /// When ISL says that it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_time: Option<Timestamp>,
    /// The domain of the ISL system that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<String>,
    /// The session, or chat, that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Keyed fingerprints of the sorted fields, by which a repetition is known.
    pub hash: Vec<String>,
    /// What it says of the source's own directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// The form as it came, sealed: names, codes and texts are in it.
    pub body: Sealed,
    /// Whether the session keeps it, as the setting said when it came.
    pub save: bool,
}

/// The data of an event about a token of ISL's JWT webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IslToken {
    /// The domain of the ISL system that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<String>,
    /// Keyed fingerprints of its `jti`, or of the token if it has none: by these a replay is known.
    pub token: Vec<String>,
    /// Until when it would be believed again; none if it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What it says of the source's own directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// The token as it came, sealed: its claims are personal, and its signature proves them.
    pub jwt: Sealed,
}

/// What a message says of the source's own directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// What happened.
    pub what: What,
    /// To which user; none if it happened to the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<NamedUser>,
}

/// What can happen in the source's own directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A user was made.
    UserCreate,
    /// A user was deleted, and can be brought back.
    UserDelete,
    /// A deleted user was brought back.
    UserUndelete,
    /// A domain was made.
    DomainCreate,
    /// A domain was deleted, and its users with it.
    DomainDelete,
}

/// A user of the source, whose name only the edge can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedUser {
    /// A keyed fingerprint of the name, the same for the same name.
    pub id: String,
    /// Name and e-mail address, sealed.
    pub name: Sealed,
}

impl What {
    /// Whether it happens to a user.
    pub fn is_of_user(self) -> bool {
        matches!(self, Self::UserCreate | Self::UserDelete | Self::UserUndelete)
    }

    /// What the name of an event stands for, if it is about the directory.
    pub(super) fn named(event: &str) -> Option<Self> {
        Some(match event {
            "USER_CREATE" | "USER_CREATED" => Self::UserCreate,
            "USER_DELETE" | "USER_DELETED" => Self::UserDelete,
            "USER_UNDELETE" | "USER_UNDELETED" => Self::UserUndelete,
            "DOMAIN_CREATE" | "DOMAIN_CREATED" => Self::DomainCreate,
            "DOMAIN_DELETE" | "DOMAIN_DELETED" => Self::DomainDelete,
            _ => return None,
        })
    }
}
