//! Standard Webhooks signatures (specification 1.0.0): `v1` by HMAC-SHA-256 under a shared secret, `v1a` by Ed25519.
//!
//! What is signed is `id.timestamp.body`. While secrets overlap in a rotation there is a signature by each, and one
//! that is right suffices.

mod key;
mod sign;
mod verify;

pub use self::key::{KeyError, SigningKey, VerifyingKey, new_key_pair, new_secret};
pub use self::sign::{SignError, Signer};
pub use self::verify::{TOLERANCE, Verifier, VerifyError};

/// The header with the id of what is delivered, the same at each attempt.
pub const ID: &str = "webhook-id";

/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";

/// The header with the signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// What is signed.
fn signed_content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}
