//! Links: what is sent by mail in the place of credentials. Whoever has one may see a client's secret once.
//!
//! A link says which client and until when, under a keyed fingerprint of the ledger: nothing is kept of it until it is used,
//! and the same change gives the same link at every attempt to send it. That it was used is the event of the reveal, known by
//! the link's own idempotency id.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Admission, Repetition, fingerprint, idempotency_id};

/// What the fingerprint is bound to besides the link itself.
const PURPOSE: &str = "mailed link";

/// Who may see what, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Id of the client.
    pub client: String,
    /// Id of the change that was told.
    pub change: String,
    /// Until when it can be used.
    pub until: Timestamp,
}

impl Link {
    /// How it is known that the link was used.
    pub fn repetition(&self) -> Repetition {
        let asked = format!("{} {}", self.client, self.change);
        Repetition { id: idempotency_id(PURPOSE, &asked), fingerprint: fingerprint(PURPOSE, asked.as_bytes()) }
    }
}

impl Admission {
    /// The token of a link, as it stands in a URL.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which only a failing allocation could cause.
    pub fn link_token(&self, link: &Link) -> Result<String, serde_json::Error> {
        let said = serde_json::to_vec(link)?;
        let proof = self.vault().fingerprint(PURPOSE, &said).into_iter().next().unwrap_or_default();
        Ok(format!("{}.{}", BASE64URL_NOPAD.encode(&said), BASE64URL_NOPAD.encode(proof.as_bytes())))
    }

    /// The link of a token; none if it is not ours, or its time is over.
    pub fn link_of(&self, token: &str) -> Option<Link> {
        let (said, proof) = token.split_once('.')?;
        let said = BASE64URL_NOPAD.decode(said.as_bytes()).ok()?;
        let proof = BASE64URL_NOPAD.decode(proof.as_bytes()).ok()?;
        // Hashes are compared, so that nothing of the right one is told by how long it takes.
        let is_it = |right: &String| Sha256::digest(right) == Sha256::digest(&proof);
        self.vault().fingerprint(PURPOSE, &said).iter().find(|right| is_it(right))?;
        let link: Link = serde_json::from_slice(&said).ok()?;
        (self.now() < link.until).then_some(link)
    }
}
