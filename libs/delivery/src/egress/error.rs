//! What can go wrong with a call. No error holds a secret or anything of the URL but its port.

use std::error::Error as StdError;

use thiserror::Error;

use super::guard::Refusal;
use super::part::Part;

/// Why the client cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The PEM of own authorities is damaged.
    #[error("the certificates of own authorities cannot be read")]
    Roots(#[source] reqwest::Error),
    /// The PEM of own authorities has no certificate in it.
    #[error("there is no certificate in the PEM of own authorities")]
    NoRoots,
    /// TLS cannot be set up, as without any certificate of an authority on the machine.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

/// Why a call has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The URL is not called. Calling again is of no use until it, or what is allowed, has changed.
    #[error("the URL is not called: {0}")]
    Url(Refusal),
    /// The name of the host has an address that is not called. It may have others later.
    #[error("the host is not called: {0}")]
    Address(Refusal),
    /// The name of the host has no address.
    #[error("the host cannot be looked up")]
    Resolve(#[source] reqwest::Error),
    /// There is no connection: refused, unreachable, or TLS could not agree or trust.
    #[error("the host cannot be connected to")]
    Connect(#[source] reqwest::Error),
    /// The connection ended before an answer, or what came is not HTTP.
    #[error("the host gave no answer")]
    Answer(#[source] reqwest::Error),
    /// The body of the answer broke off.
    #[error("the answer broke off in its body")]
    Body(#[source] reqwest::Error),
    /// The deadline came before a part had ended.
    #[error("the deadline came while {0}")]
    Deadline(Part),
}

impl CallError {
    /// Which part of the call failed.
    pub fn part(&self) -> Part {
        match self {
            Self::Url(_) => Part::Url,
            Self::Address(_) | Self::Resolve(_) => Part::Resolve,
            Self::Connect(_) => Part::Connect,
            Self::Answer(_) => Part::Answer,
            Self::Body(_) => Part::Body,
            Self::Deadline(part) => *part,
        }
    }

    /// Whether the same call may succeed later without anybody changing its URL or our settings.
    pub fn can_pass(&self) -> bool {
        !matches!(self, Self::Url(_))
    }

    /// Names what failed before there was an answer.
    pub(super) fn before_answer(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(refusal) = refusal(&error) {
            Self::Address(refusal)
        } else if error.is_builder() {
            Self::Url(Refusal::NotAUrl)
        } else if error.is_dns() {
            Self::Resolve(error)
        } else if error.is_connect() {
            Self::Connect(error)
        } else {
            Self::Answer(error)
        }
    }
}

/// What the resolver refused, which arrives inside the client's own errors.
fn refusal(error: &reqwest::Error) -> Option<Refusal> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(*refusal);
        }
        cause = error.source();
    }
    None
}
