//! Registration notices: from the body of a Provet hookup call to what the ledger will hold of it.
//!
//! Source: the JSON Schema for new integration registrations that Provet publishes
//! (`schemas/provet-registration.schema.json`).

use std::borrow::Cow;

use secrecy::SecretString;
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Sealed;
use crate::json::{self, Members};
use crate::quarantine::Violation;

mod check;
mod tenant;

pub use self::check::{MAX_VIOLATIONS, SCHEMA};
pub use self::tenant::{Tenant, normalise_host, normalise_host_of};

/// The fields that the schema names.
const KNOWN: [&str; 13] = [
    "provet_id",
    "client_id",
    "client_secret",
    "algorithm",
    "authorization_grant_type",
    "client_type",
    "redirect_uris",
    "token_url",
    "authorize_url",
    "openid_autodiscovery_url",
    "departments",
    "added_department",
    "removed_department",
];

/// A registration notice that can be recorded as soon as its secrets are sealed.
#[derive(Debug)]
pub struct Notice<'a> {
    /// Whose registration it is.
    pub tenant: Tenant,
    /// OAuth 2.0 client id: any text without U+0000.
    pub client_id: String,
    /// OAuth 2.0 client secret; none for public clients.
    pub client_secret: Option<SecretString>,
    /// The fields that the schema does not name, as one JSON object, if there are any. What a
    /// source adds one day may be secret too.
    pub unknown: Option<SecretString>,
    /// The fields that the schema names as they were written, but for the secret.
    known: Members<'a>,
}

/// Why a body is no registration notice. Nothing here quotes the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not acceptable JSON.
    #[error(transparent)]
    Malformed(#[from] json::Malformed),
    /// It is JSON, but not a registration.
    #[error("the notice is not a registration that can be recorded")]
    Invalid {
        /// What is wrong with it: at least one, at most [`MAX_VIOLATIONS`].
        violations: Vec<Violation>,
    },
}

/// Reads the body of a hookup call, of which the caller bounds the length.
///
/// Beyond the schema, `provet_id` and the ids of departments must be integers that a double holds
/// exactly, `token_url` must name a host ([`normalise_host_of`]), and no field that the schema
/// names may hold U+0000, but for `client_secret`.
///
/// # Errors
/// [`Rejection`], with everything that is wrong.
pub fn parse(body: &[u8]) -> Result<Notice<'_>, Rejection> {
    let (mut document, members) = json::parse_with_members(body)?;
    let (mut known, unknown): (Members<'_>, Members<'_>) =
        members.into_iter().partition(|(name, _)| KNOWN.contains(&name.as_ref()));
    let (tenant, client_id) =
        check::check(&document, &known).map_err(|violations| Rejection::Invalid { violations })?;
    let client_secret = match document.get_mut("client_secret").map(Value::take) {
        Some(Value::String(secret)) => Some(SecretString::from(secret)),
        _ => None,
    };
    for (_, lexeme) in known.iter_mut().filter(|(name, _)| name == "client_secret") {
        *lexeme = RawValue::NULL;
    }
    let unknown = (!unknown.is_empty()).then(|| SecretString::from(object(&unknown)));
    Ok(Notice { tenant, client_id, client_secret, unknown, known })
}

impl Notice<'_> {
    /// The data of the ledger event: the known fields with their own lexemes, the secret and the
    /// unknown fields as the envelopes that hold them. It has no line breaks.
    pub fn data<'b>(&'b self, secret: Option<&'b Sealed>, unknown: Option<&'b Sealed>) -> impl Serialize + 'b {
        Data { known: &self.known, secret, unknown }
    }
}

/// The data of a registration event, being written.
struct Data<'a> {
    known: &'a Members<'a>,
    secret: Option<&'a Sealed>,
    unknown: Option<&'a Sealed>,
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, lexeme) in self.known {
            match name.as_ref() {
                "client_secret" => map.serialize_entry(name, &self.secret)?,
                // item by item: there may be line breaks between them
                "departments" => {
                    map.serialize_entry(name, &json::items(lexeme).map_err(S::Error::custom)?)?;
                }
                _ => map.serialize_entry(name, lexeme)?,
            }
        }
        if let Some(unknown) = self.unknown {
            map.serialize_entry("unknown", unknown)?;
        }
        map.end()
    }
}

/// Writes members as a JSON object, their values as they were written.
fn object(members: &Members<'_>) -> String {
    let member =
        |(name, lexeme): &(Cow<'_, str>, &RawValue)| format!("{}:{}", Value::from(name.as_ref()), lexeme.get());
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests;
