//! JSON Web Tokens (RFC 7519) by asymmetric keys: security event tokens (RFC 8417) that are sent, tokens that come in.
//!
//! Symmetric and unsecured tokens exist in neither direction: which algorithms there are follows from the keys.

mod claims;
mod key;
mod pem;
mod pss;
#[cfg(test)]
mod tests;
mod verifiers;
mod verify;

pub use self::claims::{Claims, ClaimsError, SecurityEvent, TOKEN_LIFETIME};
pub use self::key::{SignError, SigningKey, jwks};
pub use self::pem::KeyError;
pub use self::verifiers::{Unfetched, Verified, Verifiers};
pub use self::verify::{LEEWAY, Verifier, VerifyError};
