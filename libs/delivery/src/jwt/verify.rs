//! Verifying tokens that come in, by a public key or a JWK set that was configured for their sender.

use std::fmt;
use std::ops::RangeInclusive;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse, RSAKeyParameters};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use registration::json;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};
use thiserror::Error;

use super::pem::{self, KeyError};
use super::pss;

/// How far the sender's clock may be from ours.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// The longest token in bytes.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The most keys of a JWK set: without a `kid` a token is tried with each.
const MAX_KEYS: usize = 32;

/// The lengths of an RSA modulus in bytes: 2,048 to 8,192 bits.
const MODULUS_BYTES: RangeInclusive<usize> = 256..=1024;

/// Why a token is not believed. It holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not a signed token in its compact form, or unsecured, or signed in a way that is not known.
    #[error("this is not a signed JWT")]
    NotAToken,
    /// Its header names an extension that must be understood and is not.
    #[error("the token demands an extension that is not known")]
    Critical,
    /// No key that is known has its `kid` and signs with its `alg`.
    #[error("the token is signed by a key or with an algorithm that is not known here")]
    NoKey,
    /// The signature is not the key's.
    #[error("the signature is wrong")]
    Signature,
    /// What is signed is not a JSON object, or is one that readers could take differently.
    #[error("the claims are not a JSON object")]
    Claims,
    /// A claim that is a time is not a number.
    #[error("the claim {0} is not a time")]
    NotATime(&'static str),
    /// Its time has passed.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come, or it was made in the future.
    #[error("the token is not good yet")]
    NotYet,
}

/// Verifies the tokens of one sender.
#[derive(Debug)]
pub struct Verifier(Vec<VerifyingKey>);

/// A public key with all that it is pinned to.
struct VerifyingKey {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Verifier {
    /// Verifies by the one public key of a PEM.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        pem::public(pem)?;
        if let Some(key) = for_pss(pem)? {
            return Ok(Self(vec![key]));
        }
        let readers = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
        let key = readers.iter().find_map(|read| read(pem.as_bytes()).ok()).ok_or(KeyError::Unsupported)?;
        let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| KeyError::Unsupported)?;
        let algorithms = algorithms(&jwk.algorithm)?;
        Ok(Self(vec![VerifyingKey { kid: None, algorithms, key }]))
    }

    /// Verifies by the keys of a JWK set (RFC 7517). Those that are not to verify with are left out, as is what is not
    /// known, and all that is symmetric.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_jwks(document: &[u8]) -> Result<Self, KeyError> {
        let document = json::parse(document).map_err(|_| KeyError::NotAJwkSet)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or(KeyError::NotAJwkSet)?;
        let keys: Vec<_> = keys.iter().filter_map(usable).take(MAX_KEYS).collect();
        if keys.is_empty() { Err(KeyError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The claims of a token that came at `now`, if one of the keys signed it and its times fit: `exp`, `nbf` and
    /// `iat`, each if it is there.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Map<String, Value>, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::NotAToken);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| VerifyError::NotAToken)?;
        if header.crit.is_some() {
            return Err(VerifyError::Critical);
        }
        let mut candidates = self.0.iter().filter(|key| key.may_have_signed(&header)).peekable();
        candidates.peek().ok_or(VerifyError::NoKey)?;
        if !candidates.any(|key| key.has_signed(token, header.alg)) {
            return Err(VerifyError::Signature);
        }
        let claims = claims(token).ok_or(VerifyError::Claims)?;
        check_times(&claims, now)?;
        Ok(claims)
    }
}

impl VerifyingKey {
    /// A key without a `kid`, and a token without one, may belong to any.
    fn may_have_signed(&self, header: &Header) -> bool {
        let is_named = self.kid.is_none() || header.kid.is_none() || self.kid == header.kid;
        is_named && self.algorithms.contains(&header.alg)
    }

    /// The library's own reading of the claims is left aside: it asks the machine's clock, and takes the last of two
    /// claims with one name.
    fn has_signed(&self, token: &str, algorithm: Algorithm) -> bool {
        let Some((message, signature)) = token.rsplit_once('.') else {
            return false;
        };
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?}, {:?})", self.kid, self.algorithms)
    }
}

/// The key of a PEM, if it says that it is for RSASSA-PSS.
fn for_pss(pem: &str) -> Result<Option<VerifyingKey>, KeyError> {
    let Ok(document) = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()) else { return Ok(None) };
    let Some(rsa) = pss::public(&document)? else { return Ok(None) };
    let key = DecodingKey::from_rsa_der(rsa);
    let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| KeyError::Rsa)?;
    self::algorithms(&jwk.algorithm)?;
    Ok(Some(VerifyingKey { kid: None, algorithms: vec![Algorithm::PS256], key }))
}

/// A key of a JWK set, if it is one to verify with.
fn usable(key: &Value) -> Option<VerifyingKey> {
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let mut algorithms = algorithms(&jwk.algorithm).ok()?;
    if let Some(named) = jwk.common.key_algorithm {
        algorithms.retain(|algorithm| named == (*algorithm).into());
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(VerifyingKey { kid: jwk.common.key_id, algorithms, key })
}

/// What a public key verifies: its own algorithm, or for RSA each of its family.
fn algorithms(key: &AlgorithmParameters) -> Result<Vec<Algorithm>, KeyError> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match key {
        AlgorithmParameters::RSA(key) if has_good_length(key) => Ok(vec![RS256, RS384, RS512, PS256, PS384, PS512]),
        AlgorithmParameters::RSA(_) => Err(KeyError::Rsa),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Ok(vec![ES256]),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Ok(vec![ES384]),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Ok(vec![EdDSA]),
        _ => Err(KeyError::Unsupported),
    }
}

fn has_good_length(key: &RSAKeyParameters) -> bool {
    let modulus = BASE64URL_NOPAD.decode(key.n.as_bytes());
    modulus.is_ok_and(|modulus| MODULUS_BYTES.contains(&modulus.iter().skip_while(|&&byte| byte == 0).count()))
}

/// What is between the full stops, if it is a JSON object that every reader takes in one way.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let encoded = token.split('.').nth(1)?;
    let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?;
    match json::parse(&bytes) {
        Ok(Value::Object(claims)) => Some(claims),
        Ok(_) | Err(_) => None,
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), VerifyError> {
    let (now, leeway) = (now.as_duration().as_secs_f64(), LEEWAY.as_secs_f64());
    if time(claims, "exp")?.is_some_and(|exp| exp + leeway <= now) {
        return Err(VerifyError::Expired);
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|begins| begins - leeway > now) {
            return Err(VerifyError::NotYet);
        }
    }
    Ok(())
}

/// A time in seconds since 1970, which may be a fraction (RFC 7519, 2: NumericDate).
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, VerifyError> {
    claims.get(name).map(|value| value.as_f64().ok_or(VerifyError::NotATime(name))).transpose()
}
