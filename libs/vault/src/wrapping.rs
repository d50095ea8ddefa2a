//! Wrapping: how keys stand in the key store, encrypted under the key-encryption key.

use std::fmt;

use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::cipher::{Cipher, KEY_BYTES};
use crate::kek::Kek;

/// Wraps the keys of one ledger.
///
/// The key-encryption key itself encrypts nothing: what does, and what can be compared, is derived from it and the ledger's id
/// (HKDF-SHA-256, RFC 5869).
pub(crate) struct Wrapping {
    cipher: Cipher,
    check: [u8; KEY_BYTES],
}

impl Wrapping {
    /// Derives what wraps the keys of `ledger`.
    pub(crate) fn derive(kek: &Kek, ledger: &str) -> Result<Self, Unspecified> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let mut check = [0; KEY_BYTES];
        expand(kek, ledger, b"regledger key wrapping v1", &mut key)?;
        expand(kek, ledger, b"regledger key check v1", &mut check)?;
        Ok(Self { cipher: Cipher::new(key.as_slice())?, check })
    }

    /// The check value of the key-encryption key: tells it from another one, and nothing else about it.
    pub(crate) fn check(&self) -> &[u8] {
        &self.check
    }

    /// Wraps a key, so that it unwraps only with the same `binding`: nonce, ciphertext, tag.
    pub(crate) fn wrap(&self, binding: &[u8], key: &[u8; KEY_BYTES]) -> Result<Vec<u8>, Unspecified> {
        let sealed = self.cipher.seal(binding, key)?;
        Ok([sealed.nonce.as_slice(), &sealed.bytes].concat())
    }

    /// Unwraps a key that was wrapped with the same `binding`.
    pub(crate) fn open(&self, binding: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
        self.cipher.open(binding, nonce, sealed.to_vec())
    }
}

impl fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapping(..)")
    }
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

fn expand(kek: &Kek, ledger: &str, purpose: &[u8], out: &mut [u8; KEY_BYTES]) -> Result<(), Unspecified> {
    let derived = Salt::new(HKDF_SHA256, ledger.as_bytes()).extract(kek.expose());
    derived.expand(&[purpose], KeyLength)?.fill(out)
}
