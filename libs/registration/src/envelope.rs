//! Envelopes: what stands in an event in the place of a secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret, sealed before the event that carries it was appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sealed {
    /// The envelope.
    pub sealed: Envelope,
}

/// A ciphertext and what is needed to open it, but for the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// Algorithm: `A256GCM` (NIST SP 800-38D with a 256-bit key).
    pub alg: String,
    /// Id of the data key.
    pub kid: String,
    /// 96-bit nonce, base64.
    pub nonce: String,
    /// Ciphertext and 128-bit tag, base64.
    pub ct: String,
    /// Keyed fingerprints of the plaintext, to tell a new secret from a repeated one without opening
    /// it; two while the fingerprint key is rotated, none where sameness does not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fp: Vec<String>,
}
