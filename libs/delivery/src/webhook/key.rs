//! Keys in the text forms of Standard Webhooks: `whsec_` for secrets, `whsk_` and `whpk_` for the halves of a key pair.

use std::fmt;
use std::ops::RangeInclusive;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, BASE64_NOPAD};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

const SECRET: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

/// The shortest and longest secret, in bytes.
const SECRET_BYTES: RangeInclusive<usize> = 24..=64;

/// Length of the seed of a private key, and of a public key, in bytes.
const ED25519_BYTES: usize = 32;

/// Why a text is not a key. It holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It begins differently.
    #[error("a key begins with {0}")]
    Kind(&'static str),
    /// What follows is not base64 (RFC 4648, 4).
    #[error("what follows the prefix of the key is not base64")]
    NotBase64,
    /// A secret that is too short or too long.
    #[error("a secret has 24 to 64 bytes, before base64")]
    SecretLength,
    /// Not the length of a key of Ed25519.
    #[error("this is not a key of Ed25519: a private one has 32 or, with the public one, 64 bytes, a public one 32")]
    KeyLength,
    /// The halves of a pair do not belong together.
    #[error("the private and the public half of the key do not belong together")]
    NotAPair,
}

/// A key that signs.
pub struct SigningKey(Signing);

enum Signing {
    Secret(Box<hmac::Key>),
    Private(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads `whsec_` and the secret, or `whsk_` and the private key: its seed, alone or followed by the public key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let text = text.expose_secret();
        if let Some(secret) = text.strip_prefix(SECRET) {
            shared(secret).map(Signing::Secret).map(Self)
        } else if let Some(private) = text.strip_prefix(PRIVATE) {
            pair(private).map(Signing::Private).map(Self)
        } else {
            Err(KeyError::Kind("whsec_ or whsk_"))
        }
    }

    /// The public half in its text form; None of a secret.
    pub fn public_key(&self) -> Option<String> {
        match &self.0 {
            Signing::Secret(_) => None,
            Signing::Private(pair) => Some(format!("{PUBLIC}{}", BASE64.encode(pair.public_key().as_ref()))),
        }
    }

    /// A signature as it stands in the header: its version, a comma, and base64.
    pub(super) fn sign(&self, content: &[u8]) -> String {
        match &self.0 {
            Signing::Secret(key) => format!("v1,{}", BASE64.encode(hmac::sign(key, content).as_ref())),
            Signing::Private(pair) => format!("v1a,{}", BASE64.encode(pair.sign(content).as_ref())),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// A key that verifies.
pub struct VerifyingKey(Verifying);

enum Verifying {
    Secret(Box<hmac::Key>),
    Public(UnparsedPublicKey<Vec<u8>>),
}

impl VerifyingKey {
    /// Reads `whsec_` and the secret, or `whpk_` and the public key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let text = text.expose_secret();
        if let Some(secret) = text.strip_prefix(SECRET) {
            shared(secret).map(Verifying::Secret).map(Self)
        } else if let Some(public) = text.strip_prefix(PUBLIC) {
            let bytes = decode(public)?;
            if bytes.len() != ED25519_BYTES {
                return Err(KeyError::KeyLength);
            }
            Ok(Self(Verifying::Public(UnparsedPublicKey::new(&ED25519, bytes.to_vec()))))
        } else {
            Err(KeyError::Kind("whsec_ or whpk_"))
        }
    }

    /// Whether a signature is this key's; secrets are compared in constant time.
    pub(super) fn verifies(&self, version: &str, signature: &[u8], content: &[u8]) -> bool {
        match (&self.0, version) {
            (Verifying::Secret(key), "v1") => hmac::verify(key, content, signature).is_ok(),
            (Verifying::Public(key), "v1a") => key.verify(content, signature).is_ok(),
            _ => false,
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

/// A new secret in its text form, from 32 random bytes.
pub fn new_secret(random: &[u8; 32]) -> SecretString {
    format!("{SECRET}{}", BASE64.encode(random)).into()
}

/// A new private key in its text form, which holds the public one too, from 32 random bytes.
///
/// # Errors
/// [`KeyError::KeyLength`] if the cryptography library fails.
pub fn new_key_pair(random: &[u8; 32]) -> Result<SecretString, KeyError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(random).map_err(|_| KeyError::KeyLength)?;
    let both = Zeroizing::new([random.as_slice(), pair.public_key().as_ref()].concat());
    Ok(format!("{PRIVATE}{}", BASE64.encode(&both)).into())
}

fn shared(secret: &str) -> Result<Box<hmac::Key>, KeyError> {
    let bytes = decode(secret)?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        return Err(KeyError::SecretLength);
    }
    Ok(Box::new(hmac::Key::new(HMAC_SHA256, &bytes)))
}

fn pair(private: &str) -> Result<Ed25519KeyPair, KeyError> {
    let bytes = decode(private)?;
    match bytes.split_at_checked(ED25519_BYTES) {
        Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::KeyLength),
        Some((seed, public)) if public.len() == ED25519_BYTES => {
            Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| KeyError::NotAPair)
        }
        _ => Err(KeyError::KeyLength),
    }
}

/// Decodes base64, with or without its padding.
fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes());
    bytes.map(Zeroizing::new).map_err(|_| KeyError::NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key pair that another implementation, Svix's, has in its tests.
    const PAIR: &str = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const SEED: &str = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";
    const WITH_OTHER: &str = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlaaaaaaaaaaAJ6p9lMicMFs6Kvg==";

    fn signing(text: &str) -> Result<SigningKey, KeyError> {
        SigningKey::parse(&text.into())
    }

    fn verifying(text: &str) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::parse(&text.into())
    }

    #[test]
    fn keys_are_read_in_their_forms_and_no_others() {
        let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        for text in [format!("whsk_{PAIR}"), format!("whsk_{SEED}"), format!("whsk_{}", SEED.trim_end_matches('='))] {
            assert_eq!(signing(&text).unwrap().public_key().as_deref(), Some(public), "{text}");
        }
        assert_eq!(signing(secret).unwrap().public_key(), None);
        assert!(verifying(secret).is_ok() && verifying(public).is_ok());

        let to_sign = KeyError::Kind("whsec_ or whsk_");
        let cases = [
            ("", to_sign),
            ("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", to_sign),
            (public, to_sign),
            ("whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD", KeyError::NotBase64),
            ("whsec_ C2FVsBQIhrscChlQIMV+b5sSYspob7oD", KeyError::NotBase64),
            ("whsec_", KeyError::SecretLength),
            ("whsec_bm90LXZhbGlkCg==", KeyError::SecretLength),
            (&format!("whsec_{PAIR}A"), KeyError::NotBase64),
            (&format!("whsec_{}", "A".repeat(88)), KeyError::SecretLength),
            ("whsk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", KeyError::KeyLength),
            (&format!("whsk_{WITH_OTHER}"), KeyError::NotAPair),
        ];
        for (text, expected) in cases {
            assert_eq!(signing(text).map(drop), Err(expected), "{text}");
        }
        let to_verify = KeyError::Kind("whsec_ or whpk_");
        assert_eq!(verifying(&format!("whsk_{PAIR}")).map(drop), Err(to_verify), "a private key belongs to the sender");
        assert_eq!(verifying(&format!("whpk_{PAIR}")).map(drop), Err(KeyError::KeyLength));
    }

    #[test]
    fn new_keys_are_read_back() {
        let random = [7; 32];
        assert!(signing(new_secret(&random).expose_secret()).is_ok());
        let pair = new_key_pair(&random).unwrap();
        let public = signing(pair.expose_secret()).unwrap().public_key().unwrap();
        assert!(verifying(&public).is_ok());
    }

    #[test]
    fn printing_shows_no_key() {
        let shown = format!(
            "{:?} {:?}",
            signing(&format!("whsk_{PAIR}")).unwrap(),
            verifying("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap()
        );
        assert_eq!(shown, "SigningKey(..) VerifyingKey(..)");
    }
}
