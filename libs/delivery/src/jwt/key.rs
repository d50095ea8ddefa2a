//! Keys that sign tokens, recognised from their PEM, and their public halves as a JWK set.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use thiserror::Error;

use super::pem::{self, KeyError};
use super::pss;

/// The `typ` of a security event token (RFC 8417, 2.3): it cannot be taken for another kind of token.
const TOKEN_TYPE: &str = "secevent+jwt";

/// Why a token cannot be signed.
#[derive(Debug, Error)]
#[error("the token cannot be signed")]
pub struct SignError(#[from] jsonwebtoken::errors::Error);

/// A private key and what it signs with: RS256 or PS256, ES256, ES384 or EdDSA.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    header: Header,
    jwk: Jwk,
}

impl SigningKey {
    /// Reads a private key in PEM: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), or SEC 1 (RFC 5915). An RSA key signs RS256, which every
    /// receiver knows; one that says that it is for RSASSA-PSS signs PS256.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &SecretString) -> Result<Self, KeyError> {
        let pem = pem.expose_secret();
        let (key, algorithm) = read(pem)?;
        // what is in an RSA key is looked at here for the first time
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).map_err(|_| KeyError::Rsa)?;
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyError::Unsupported)?;
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(thumbprint.clone());
        let header = Header { typ: Some(TOKEN_TYPE.to_owned()), kid: Some(thumbprint), ..Header::new(algorithm) };
        Ok(Self { key, header, jwk })
    }

    /// The `kid`: the thumbprint of the public key (RFC 7638, SHA-256).
    pub fn kid(&self) -> &str {
        self.header.kid.as_deref().unwrap_or_default()
    }

    /// The public half.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Signs claims, as they are.
    ///
    /// # Errors
    /// [`SignError`] if the cryptography library fails.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, SignError> {
        Ok(jsonwebtoken::encode(&self.header, claims, &self.key)?)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?}, {})", self.header.alg, self.kid())
    }
}

/// The public halves of keys as a JWK set (RFC 7517): of the one that signs, and of those that did and whose tokens may
/// be on their way.
pub fn jwks<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> JwkSet {
    JwkSet { keys: keys.into_iter().map(|key| key.jwk.clone()).collect() }
}

/// Reads the one private key of a PEM, and tells what it signs with.
fn read(pem: &str) -> Result<(EncodingKey, Algorithm), KeyError> {
    let (label, pem) = pem::private(pem)?;
    if label == "OPENSSH PRIVATE KEY" {
        return Err(KeyError::Unsupported);
    }
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NotPem)?;
    let der = der.secret_der();
    if let Some(rsa) = pss::private(der)? {
        return Ok((EncodingKey::from_rsa_der(rsa), Algorithm::PS256));
    }
    let found = ed25519(der).or_else(|| ec(der));
    found.map_or_else(|| rsa(pem), Ok)
}

fn ed25519(der: &[u8]) -> Option<(EncodingKey, Algorithm)> {
    let document = Ed25519KeyPair::from_pkcs8(der).ok()?.to_pkcs8v1().ok()?;
    Some((EncodingKey::from_ed_der(document.as_ref()), Algorithm::EdDSA))
}

/// Reads PKCS#8 and SEC 1 alike, and gives PKCS#8, which is what tokens are signed with.
fn ec(der: &[u8]) -> Option<(EncodingKey, Algorithm)> {
    let curves =
        [(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256), (&ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384)];
    curves.into_iter().find_map(|(curve, algorithm)| {
        let document = EcdsaKeyPair::from_private_key_der(curve, der).ok()?.to_pkcs8v1().ok()?;
        Some((EncodingKey::from_ec_der(document.as_ref()), algorithm))
    })
}

fn rsa(pem: &str) -> Result<(EncodingKey, Algorithm), KeyError> {
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyError::Unsupported)?;
    Ok((key, Algorithm::RS256))
}
