//! What a key store keeps: whose keys it holds, and the keys, which stand there only wrapped.

use std::fmt;

use crate::cipher::framed;
use crate::subject::Subject;

/// Whose keys a store holds. It is said once, by the first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// Id of the ledger whose events are sealed with the keys.
    pub ledger: String,
    /// Check value of the key-encryption key that wraps them: tells it from another one, and nothing else about it.
    pub kek_check: Vec<u8>,
    /// The ledger's fingerprint keys, oldest first; at least one.
    pub fingerprint_keys: Vec<FingerprintRow>,
}

/// A wrapped fingerprint key.
#[derive(Clone, PartialEq, Eq)]
pub struct FingerprintRow {
    /// Its id, unique among all keys of the store.
    pub kid: String,
    /// The key under the key-encryption key.
    pub wrapped: Vec<u8>,
}

/// A wrapped data key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id, unique among all keys of the store.
    pub kid: String,
    /// The kind of subject that it belongs to.
    pub kind: String,
    /// Which subject of that kind.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub made: i64,
    /// When it is to be destroyed, in milliseconds since 1970; None if it does not expire.
    pub expires: Option<i64>,
    /// The key under the key-encryption key.
    pub wrapped: Vec<u8>,
}

impl FingerprintRow {
    /// What the wrapped key is bound to.
    pub(crate) fn binding(&self) -> Vec<u8> {
        framed(&[b"fingerprint", self.kid.as_bytes()])
    }
}

impl KeyRow {
    /// Whether the key belongs to `subject`. Any of its keys opens, so the expiry is not looked at.
    pub(crate) fn is_of(&self, subject: &Subject) -> bool {
        self.kind == subject.kind() && self.name == subject.name()
    }

    /// What the wrapped key is bound to: everything that the row says of it but when it was made.
    pub(crate) fn binding(&self) -> Vec<u8> {
        let expires = self.expires.map(i64::to_be_bytes);
        framed(&[
            b"data",
            self.kid.as_bytes(),
            self.kind.as_bytes(),
            self.name.as_bytes(),
            expires.as_ref().map_or(&[], |expires| expires.as_slice()),
        ])
    }
}

// A wrapped key in a log line would outlive the destruction of the key.

impl fmt::Debug for FingerprintRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FingerprintRow").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = f.debug_struct("KeyRow");
        row.field("kid", &self.kid).field("kind", &self.kind).field("name", &self.name).field("made", &self.made);
        row.field("expires", &self.expires).finish_non_exhaustive()
    }
}
