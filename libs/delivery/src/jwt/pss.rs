//! RSASSA-PSS keys (RFC 4055): which key is one, and the RSA key inside of it. Such a key signs PS256, and nothing else.

use super::pem::KeyError;

/// The tags of DER (X.690) that such keys have.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// Object identifiers: id-RSASSA-PSS and id-mgf1 (RFC 4055), id-sha256 (RFC 5754).
const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// The salt of PS256 in bytes (RFC 7518, 3.5).
const SALT: u8 = 32;

/// The RSA private key (PKCS#1) inside of a PKCS#8 document; none if that is of another kind.
///
/// # Errors
/// [`KeyError::Pss`] if it may not sign PS256.
pub(super) fn private(document: &[u8]) -> Result<Option<&[u8]>, KeyError> {
    let read = || {
        let mut info = Der(document).take(SEQUENCE)?;
        info.take(INTEGER)?;
        Some((info.take(SEQUENCE)?, info.take(OCTET_STRING)?.0))
    };
    read().map_or(Ok(None), |(algorithm, key)| of_kind(algorithm, key))
}

/// The RSA public key (PKCS#1) inside of a SubjectPublicKeyInfo; none if that is of another kind.
///
/// # Errors
/// [`KeyError::Pss`] if PS256 may not be verified with it.
pub(super) fn public(document: &[u8]) -> Result<Option<&[u8]>, KeyError> {
    let read = || {
        let mut info = Der(document).take(SEQUENCE)?;
        Some((info.take(SEQUENCE)?, info.take(BIT_STRING)?.0.strip_prefix(&[0])?))
    };
    read().map_or(Ok(None), |(algorithm, key)| of_kind(algorithm, key))
}

/// The key, if its algorithm is RSASSA-PSS. Without parameters it may be used with any.
fn of_kind<'a>(mut algorithm: Der<'a>, key: &'a [u8]) -> Result<Option<&'a [u8]>, KeyError> {
    match algorithm.take(OBJECT) {
        Some(Der(PSS)) if algorithm.0.is_empty() || allow_ps256(algorithm).unwrap_or(false) => Ok(Some(key)),
        Some(Der(PSS)) => Err(KeyError::Pss),
        _ => Ok(None),
    }
}

/// Whether RSASSA-PSS-params allow what PS256 is. What they leave out is SHA-1, and a salt of 20 bytes; theirs is the shortest.
fn allow_ps256(mut algorithm: Der<'_>) -> Option<bool> {
    let mut parameters = algorithm.take(SEQUENCE)?;
    let hash = parameters.take(0xa0)?.take(SEQUENCE)?.take(OBJECT)?;
    let mut mask = parameters.take(0xa1)?.take(SEQUENCE)?;
    let (mask, of_mask) = (mask.take(OBJECT)?, mask.take(SEQUENCE)?.take(OBJECT)?);
    let is_salt = match parameters.take(0xa2) {
        Some(mut salt) => matches!(salt.take(INTEGER)?.0, [bytes] if *bytes <= SALT),
        None => true,
    };
    Some(hash.0 == SHA256 && mask.0 == MGF1 && of_mask.0 == SHA256 && is_salt)
}

/// What is left of a part of a document.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes the next element and gives what is in it, if it has that tag.
    fn take(&mut self, tag: u8) -> Option<Self> {
        let (length, rest) = match self.0.strip_prefix(&[tag])?.split_first()? {
            (&short @ 0..=0x7f, rest) => (usize::from(short), rest),
            (&long @ 0x81..=0x82, rest) => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
            }
            _ => return None,
        };
        let (inside, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Self(inside))
    }
}
