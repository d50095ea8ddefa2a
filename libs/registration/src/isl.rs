//! What ISL Conference Proxy says: form posts about sessions, users and domains, and tokens about users and domains.
//!
//! Its names are compared loosely: `NEW SESSION` is `NEWSESSION`, and `ISL_LIGHT` is `ISL_Light`. What they come down to
//! is decided when a message arrives and stands in its event, so that a table that grows changes nothing in the past.

mod claims;
mod event;
pub mod form;
mod loose;
mod message;
mod source;

pub use self::claims::{Claim, claim};
pub use self::event::{Fact, IslEvent, IslToken, NamedUser, What};
pub use self::message::{Message, MessageFact, User, message};
pub use self::source::{
    DirectoryState, Memory, SavedEvent, SeenToken, Session, SessionRow, SessionState, SourceDomain, SourceDomainRow,
    SourceUser, SourceUserRow, domain_key, session_key, user_key,
};

/// The tenant of a domain of an ISL system: what its events are about, what they are spread by and sealed for. No tenant
/// of another source is written so.
pub fn tenant(integration: &str, domain_id: Option<&str>) -> String {
    format!("isl:{integration}/{}", domain_id.unwrap_or_default())
}
