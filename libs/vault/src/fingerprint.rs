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
    fn during_a_rotation_both_keys_give_a_fingerprint() {
        let (old, new) = (("k1", [1; 32]), ("k2", [2; 32]));
        let both = of(&[old, new], "t", "s");
        assert_eq!(both, [of(&[old], "t", "s"), of(&[new], "t", "s")].concat());
        assert!(both[0].starts_with("k1:") && both[1].starts_with("k2:"), "{both:?}");
    }
}
