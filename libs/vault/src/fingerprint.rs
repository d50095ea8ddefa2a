//! Fingerprints: telling a new secret from a repeated one without opening either.

use std::fmt;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use data_encoding::BASE64;

use crate::cipher::frame;

/// Length of a fingerprint in bytes: HMAC-SHA-256, truncated to 128 bits (RFC 2104, 5).
const FINGERPRINT_BYTES: usize = 16;

/// The ledger's fingerprint keys: one, and two while it is rotated.
pub(crate) struct Fingerprinter {
    keys: Vec<(String, Key)>,
}

impl Fingerprinter {
    /// Puts keys to use, each with its id.
    pub(crate) fn new<'k>(keys: impl IntoIterator<Item = (String, &'k [u8])>) -> Self {
        let keys = keys.into_iter().map(|(id, key)| (id, Key::new(HMAC_SHA256, key))).collect();
        Self { keys }
    }

    /// One fingerprint for each key, `<key id>:<base64>`.
    pub(crate) fn fingerprint(&self, tenant: &str, secret: &[u8]) -> Vec<String> {
        self.keys.iter().map(|(id, key)| format!("{id}:{}", digest(key, tenant, secret))).collect()
    }
}

impl Fingerprinter {
    /// A keyed hash by which equal texts of a subject are known, for as long as the ledger lives: by its oldest key, which
    /// stays for this when fingerprints are made with another.
    pub(crate) fn index(&self, subject: &str, text: &str) -> [u8; 32] {
        // There is one: a store without is refused when it is opened.
        let mut index = [0; 32];
        if let Some((_, key)) = self.keys.first() {
            let mut hmac = Context::with_key(key);
            let parts: [&[u8]; 3] = [b"regledger blind index v1", subject.as_bytes(), text.as_bytes()];
            frame(&parts, |bytes| hmac.update(bytes));
            index.copy_from_slice(hmac.sign().as_ref());
        }
        index
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter(..)")
    }
}

fn digest(key: &Key, tenant: &str, secret: &[u8]) -> String {
    let mut hmac = Context::with_key(key);
    let parts: [&[u8]; 3] = [b"regledger fingerprint v1", tenant.as_bytes(), secret];
    frame(&parts, |bytes| hmac.update(bytes));
    BASE64.encode(&hmac.sign().as_ref()[..FINGERPRINT_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[(&str, [u8; 32])], tenant: &str, secret: &str) -> Vec<String> {
        let keys = keys.iter().map(|(id, key)| ((*id).to_owned(), key.as_slice()));
        Fingerprinter::new(keys).fingerprint(tenant, secret.as_bytes())
    }

    #[test]
    fn only_the_same_secret_of_the_same_tenant_has_the_same_fingerprint() {
        let keys = [("k1", [1; 32])];
        let one = of(&keys, "provetcloud.com/1", "secret");
        assert_eq!(one, of(&keys, "provetcloud.com/1", "secret"));
        for (tenant, secret) in
            [("provetcloud.com/2", "secret"), ("provetcloud.com/1", "Secret"), ("provetcloud.com/1s", "ecret")]
        {
            assert_ne!(one, of(&keys, tenant, secret), "{tenant} {secret}");
        }
        assert_ne!(one, of(&[("k1", [2; 32])], "provetcloud.com/1", "secret"), "another key");
    }

    #[test]
    fn an_index_is_that_of_the_oldest_key_and_no_fingerprint() {
        let (old, new): ((_, &[u8]), (_, &[u8])) = (("k1".to_owned(), &[1; 32]), ("k2".to_owned(), &[2; 32]));
        let (before, after) = (Fingerprinter::new([old.clone()]), Fingerprinter::new([old, new]));
        let index = before.index("domain 1", "ann");
        assert_eq!(index, after.index("domain 1", "ann"), "while the fingerprint key is rotated");
        for (subject, text) in [("domain 2", "ann"), ("domain 1", "bob"), ("domain 1a", "nn")] {
            assert_ne!(index, before.index(subject, text), "{subject} {text}");
        }
        let fingerprint = before.fingerprint("domain 1", b"ann").remove(0);
        assert!(!fingerprint.ends_with(&BASE64.encode(&index[..FINGERPRINT_BYTES])), "{fingerprint}");
    }

    #[test]
    fn during_a_rotation_both_keys_give_a_fingerprint() {
        let (old, new) = (("k1", [1; 32]), ("k2", [2; 32]));
        let both = of(&[old, new], "t", "s");
        assert_eq!(both, [of(&[old], "t", "s"), of(&[new], "t", "s")].concat());
        assert!(both[0].starts_with("k1:") && both[1].starts_with("k2:"), "{both:?}");
    }
}
