//! Tenants: which Provet organisation a notice is about.

use std::cell::Cell;
use std::fmt;

use url::{ParseError, SyntaxViolation, Url};

/// The longest host in bytes, port excluded: the longest name in DNS (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// One Provet organisation. Provet has regional hosts, so that the id alone may not be unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant {
    /// Host of the token endpoint, as [`normalise_host_of`] writes it.
    pub host: String,
    /// Provet ID of the organisation.
    pub provet_id: i64,
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.provet_id)
    }
}

/// Why a host, or the URL that should name one, is refused. It never quotes either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HostError {
    /// Not a URL, or a relative one.
    #[error("must be an absolute http or https URL with a valid host")]
    NotAUrl(#[source] ParseError),
    /// A URL of another scheme.
    #[error("must be an http or https URL")]
    Scheme,
    /// `user@` or `user:password@` before the host: credentials do not belong there, and they make
    /// one host look like another.
    #[error("must not hold user information before the host")]
    UserInfo,
    /// A spelling that browsers repair and other readers understand otherwise: backslashes, line
    /// breaks, spaces around it, other than two slashes after the scheme.
    #[error("must be written as RFC 3986 has it: no backslashes, spaces, line breaks or extra slashes")]
    Ambiguous,
    /// A host that is longer than DNS allows.
    #[error("must have a host of at most {MAX_HOST_BYTES} bytes")]
    TooLong,
}

/// The host of a token endpoint in the one form by which tenants are told apart: lower case, IDN
/// in ASCII, IPv6 in brackets, a default port dropped and any other kept (`example.com:8443`).
///
/// None if this is not an absolute http or https URL with a host and without user information.
pub fn normalise_host_of(token_url: &str) -> Option<String> {
    token_host(token_url).ok()
}

/// Writes a host, or a host and a port, as [`normalise_host_of`] does; 443 is the default port. So
/// the entries of an allow-list can be compared with the host of a token URL as they stand.
///
/// None if this is not a host.
pub fn normalise_host(host: &str) -> Option<String> {
    let alone = !host.contains(['/', '?', '#', '@']);
    alone.then(|| token_host(&format!("https://{host}")).ok())?
}

/// As [`normalise_host_of`], but says what is wrong.
pub(super) fn token_host(token_url: &str) -> Result<String, HostError> {
    let refused = Cell::new(None);
    let note = |violation| refused.set(refused.get().or(refusal(violation)));
    let parsed = Url::options().syntax_violation_callback(Some(&note)).parse(token_url);
    let url = parsed.map_err(HostError::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(HostError::Scheme);
    }
    match (refused.get(), url.host_str()) {
        (Some(error), _) => Err(error),
        (None, Some(host)) if host.len() <= MAX_HOST_BYTES => Ok(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }),
        (None, _) => Err(HostError::TooLong),
    }
}

/// What the URL standard repairs but a token URL may not need.
fn refusal(violation: SyntaxViolation) -> Option<HostError> {
    match violation {
        SyntaxViolation::EmbeddedCredentials => Some(HostError::UserInfo),
        SyntaxViolation::Backslash
        | SyntaxViolation::C0SpaceIgnored
        | SyntaxViolation::ExpectedDoubleSlash
        | SyntaxViolation::TabOrNewlineIgnored => Some(HostError::Ambiguous),
        _ => None,
    }
}
