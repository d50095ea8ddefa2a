//! Subjects: whose keys there are.

use jiff::Timestamp;

/// Whom a data key belongs to. Destroying the keys of a subject destroys all that was sealed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A tenant, `host/provet_id`. Its key lives until it is shredded.
    Tenant(String),
    /// A subscription, by its id: where it leads, and the keys that sign.
    Subscription(String),
    /// An integration, by its id: the address of the mailbox that is told of its clients.
    Integration(String),
    /// A quarantined message. It expires by its key.
    Quarantine {
        /// Id of the message.
        id: String,
        /// When its key is destroyed, to the millisecond. Only the making of a key looks at it: what was sealed is bound to
        /// the id alone.
        expires: Timestamp,
    },
    /// A user of the directory, by its id. Its key lives until the user is purged.
    User(String),
}

impl Subject {
    /// The word for this kind in the key store, and in what ciphertexts are bound to.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Tenant(_) => "tenant",
            Self::Subscription(_) => "subscription",
            Self::Integration(_) => "integration",
            Self::Quarantine { .. } => "quarantine",
            Self::User(_) => "user",
        }
    }

    /// Which one of its kind.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Tenant(name) | Self::Subscription(name) | Self::Integration(name) | Self::User(name) => name,
            Self::Quarantine { id, .. } => id,
        }
    }

    /// When its key is destroyed, in milliseconds since 1970; None if it does not expire.
    pub(crate) fn expires(&self) -> Option<i64> {
        match self {
            Self::Tenant(_) | Self::Subscription(_) | Self::Integration(_) | Self::User(_) => None,
            Self::Quarantine { expires, .. } => Some(expires.as_millisecond()),
        }
    }
}
