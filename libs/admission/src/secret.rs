//! Capabilities that we hand out: hookup keys and access tokens. Only their hashes are kept.

use aws_lc_rs::error::Unspecified;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A capability, shown once.
#[derive(Debug)]
pub struct Capability {
    /// What its holder presents.
    pub secret: SecretString,
    /// What is kept of it: its SHA-256, base64. It has 256 random bits, so the hash gives nothing away.
    pub hash: String,
}

impl Capability {
    /// Makes a new one. The prefix tells people, and scanners for leaked secrets, what it is.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn new(prefix: &str) -> Result<Self, Unspecified> {
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random)?;
        let secret = SecretString::from(format!("{prefix}{}", BASE64URL_NOPAD.encode(&random)));
        let hash = hash_of(secret.expose_secret());
        Ok(Self { secret, hash })
    }
}

/// The hash under which a capability is known: its SHA-256, base64.
pub fn hash_of(secret: &str) -> String {
    BASE64.encode(&Sha256::digest(secret))
}
