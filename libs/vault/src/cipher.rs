//! Authenticated encryption: AES-256-GCM (NIST SP 800-38D), bound to where the ciphertext stands.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

/// Length of every key, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

/// Length of the tag at the end of a ciphertext, in bytes.
const TAG_BYTES: usize = 16;

/// A key in use. Its nonces are random, so it may seal 2^32 times (SP 800-38D, 8.3).
pub(crate) struct Cipher(RandomizedNonceKey);

/// What was sealed.
pub(crate) struct Ciphertext {
    pub(crate) nonce: [u8; NONCE_LEN],
    /// As long as the plaintext, and a tag of 16 bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Cipher {
    /// Puts a key of [`KEY_BYTES`] to use.
    pub(crate) fn new(key: &[u8]) -> Result<Self, Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM, key).map(Self)
    }

    /// Encrypts, so that it opens only with the same `binding`.
    pub(crate) fn seal(&self, binding: &[u8], plaintext: &[u8]) -> Result<Ciphertext, Unspecified> {
        // Room for the tag from the start: a buffer that grew would leave a copy of the plaintext behind.
        let mut bytes = Vec::with_capacity(plaintext.len() + TAG_BYTES);
        bytes.extend_from_slice(plaintext);
        let nonce = self.0.seal_in_place_append_tag(Aad::from(binding), &mut bytes)?;
        Ok(Ciphertext { nonce: *nonce.as_ref(), bytes })
    }

    /// Decrypts what was sealed with the same `binding`.
    pub(crate) fn open(
        &self,
        binding: &[u8],
        nonce: &[u8],
        ciphertext: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let mut bytes = Zeroizing::new(ciphertext);
        let plaintext = self.0.open_in_place(nonce, Aad::from(binding), &mut bytes)?.len();
        bytes.truncate(plaintext);
        Ok(bytes)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

/// A new random key, for this machine alone to see.
pub(crate) fn random_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, Unspecified> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(key.as_mut_slice())?;
    Ok(key)
}

/// A new random id for a key: 16 characters that are safe in a URL.
pub(crate) fn random_id() -> Result<String, Unspecified> {
    let mut id = [0; 12];
    rand::fill(&mut id)?;
    Ok(BASE64URL_NOPAD.encode(&id))
}

/// Gives `take` the parts, each after its length, so that no two lists of parts look alike.
pub(crate) fn frame(parts: &[&[u8]], mut take: impl FnMut(&[u8])) {
    for part in parts {
        take(&(part.len() as u64).to_be_bytes());
        take(part);
    }
}

/// The parts in one, as [`frame`] gives them: what a ciphertext can be bound to.
pub(crate) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(parts, |some| bytes.extend_from_slice(some));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_run_together_alike_are_framed_differently() {
        let lists: [&[&[u8]]; 5] = [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[b"", b"abc"]];
        for (i, one) in lists.iter().enumerate() {
            for other in &lists[i + 1..] {
                assert_ne!(framed(one), framed(other), "{one:?} and {other:?}");
            }
        }
    }

    /// NIST's GCM test case 15 (a 256-bit key, no additional data) opens: the algorithm is the one that envelopes name.
    #[test]
    fn a_published_test_vector_opens() {
        use data_encoding::HEXLOWER;
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let ciphertext = hex(concat!(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
            "b094dac5d93471bdec1a502270e3cc6c"
        ));
        let opened = Cipher::new(&key).unwrap().open(&[], &hex("cafebabefacedbaddecaf888"), ciphertext);
        assert_eq!(&opened.unwrap()[..4], &hex("d9313225"));
    }
}
