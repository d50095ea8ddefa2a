//! Data keys: what seals and opens the envelopes of one subject.

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use data_encoding::BASE64;
use registration::Envelope;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cipher::{Cipher, framed};
use crate::error::UnsealError;
use crate::subject::Subject;

/// The `alg` of an envelope, as RFC 7518 calls AES-256-GCM.
const ALGORITHM: &str = "A256GCM";

/// Where an envelope stands. Together with the ledger and the subject it is what the envelope is bound to: nowhere else does
/// it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Id of the event that carries it.
    pub event: Uuid,
    /// The field of the event's data in whose place it stands.
    pub field: &'a str,
}

/// A data key, ready for use; a clone is the same key. It is in the key store already.
#[derive(Clone, Debug)]
pub struct DataKey(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kid: String,
    subject: Subject,
    cipher: Cipher,
}

impl DataKey {
    pub(crate) fn new(kid: String, subject: Subject, cipher: Cipher) -> Self {
        Self(Arc::new(Inner { kid, subject, cipher }))
    }

    /// Its id, which the envelopes name.
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// Whom it belongs to.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    pub(crate) fn seal(&self, ledger: &str, context: &Context<'_>, plaintext: &[u8]) -> Result<Envelope, Unspecified> {
        let sealed = self.0.cipher.seal(&self.binding(ledger, context), plaintext)?;
        Ok(Envelope {
            alg: ALGORITHM.to_owned(),
            kid: self.kid().to_owned(),
            nonce: BASE64.encode(&sealed.nonce),
            ct: BASE64.encode(&sealed.bytes),
            fp: Vec::new(),
        })
    }

    pub(crate) fn open(
        &self,
        ledger: &str,
        context: &Context<'_>,
        envelope: &Envelope,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        if envelope.alg != ALGORITHM {
            return Err(UnsealError::Tampered);
        }
        let decoded = |text: &str| BASE64.decode(text.as_bytes()).map_err(|_| UnsealError::Tampered);
        let (nonce, sealed) = (decoded(&envelope.nonce)?, decoded(&envelope.ct)?);
        let binding = self.binding(ledger, context);
        self.0.cipher.open(&binding, &nonce, sealed).map_err(|Unspecified| UnsealError::Tampered)
    }

    fn binding(&self, ledger: &str, context: &Context<'_>) -> Vec<u8> {
        framed(&[
            b"regledger envelope v1",
            ledger.as_bytes(),
            self.0.subject.kind().as_bytes(),
            self.0.subject.name().as_bytes(),
            context.event.as_bytes(),
            context.field.as_bytes(),
        ])
    }
}
