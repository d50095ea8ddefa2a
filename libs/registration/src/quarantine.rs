//! Quarantine: notifications from a sender with the right key that could not be accepted.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::client::SealedSecret;
use crate::envelope::Sealed;
use crate::row::{Columns, short_hash};

/// How long a quarantined message can be read, in hours: it expires by its key.
pub const RETENTION_HOURS: i64 = 30 * 24;

/// One thing that is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// RFC 6901 JSON Pointer.
    pub pointer: String,
    /// What was expected. Values are never quoted.
    pub detail: String,
}

/// The data of an event about a notification that could not be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuarantineReceive {
    /// Id of the quarantined message: a hash of integration and body.
    pub id: String,
    /// The body as it came, sealed under a key of its own.
    pub body: Sealed,
    /// Size of the body in bytes.
    pub bytes: u64,
    /// How many of its first bytes were kept, if it was too large to be kept whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_bytes: Option<u64>,
    /// Keyed fingerprints of the SHA-256 of a body that was too large to be kept whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hash: Vec<String>,
    /// The HTTP status that the sender was answered.
    pub status: u16,
    /// Why it was not accepted.
    pub detail: String,
    /// What is wrong, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// When the key of the body is destroyed.
    pub expires_time: Timestamp,
}

/// The data of an event that a quarantined message was accepted after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuarantineRelease {
    /// Partition of the registration that came of it.
    pub partition: u32,
    /// Position of the registration that came of it.
    pub position: u64,
    /// Whether newer notices had come meanwhile, so that it changed nothing.
    pub superseded: bool,
}

/// What is to become of a quarantined message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QuarantineState {
    /// Waits for somebody to decide.
    Held,
    /// Was accepted.
    Released,
    /// Was accepted, and changed nothing since newer notices had come meanwhile.
    Superseded,
    /// Will not be accepted.
    Dismissed,
}

impl QuarantineState {
    /// The word used in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Superseded => "superseded",
            Self::Dismissed => "dismissed",
        }
    }
}

/// A quarantined message, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// A hash of integration and body: the same message has the same id.
    pub id: String,
    /// Name of the integration.
    pub integration: String,
    /// What is to become of it.
    pub state: QuarantineState,
    /// How often it came.
    pub count: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// How many of its first bytes were kept, if it was too large to be kept whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_bytes: Option<u64>,
    /// The HTTP status that the sender was answered.
    pub status: u16,
    /// Why it was not accepted.
    pub detail: String,
    /// What is wrong, and where.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// When it came first.
    pub first_time: Timestamp,
    /// When it came last.
    pub last_time: Timestamp,
    /// When it can no longer be read.
    pub expires_time: Timestamp,
}

/// A quarantined message with what only the fold and a release need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// What readers see.
    pub message: Message,
    /// Id of the integration.
    pub integration_id: Uuid,
    /// The body as it came last.
    pub body: SealedSecret,
    /// Where the message came first.
    pub partition: u32,
    /// See `partition`.
    pub position: u64,
}

impl Quarantined {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            integration: Some(&self.message.integration),
            state: Some(self.message.state.as_str()),
            partition: self.partition,
            position: self.position,
            ..Columns::default()
        }
    }
}

/// The id of a quarantined message, from a keyed fingerprint of its body: low-entropy bodies cannot
/// be guessed from it.
pub fn message_id(integration: Uuid, body_fingerprint: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(integration.as_bytes());
    hash.update(body_fingerprint);
    format!("q{}", short_hash(&hash.finalize().into()))
}
