//! Links: what is sent by mail in the place of what must not stand in one.
//!
//! A link says whom it is for and until when, under a keyed fingerprint of the ledger: nothing is kept of it until it is used,
//! and the same change gives the same link at every attempt to send it. That it was used is an event, and the fold decides that
//! it is used once.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Admission, Repetition, fingerprint, idempotency_id};

/// What a mailed link says.
pub trait Mailed: Serialize + DeserializeOwned {
    /// What the fingerprint is bound to besides the link itself: a link of one kind is none of another.
    const PURPOSE: &'static str;

    /// Until when it can be used.
    fn until(&self) -> Timestamp;
}

/// Who may see a client's secret once, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Id of the client.
    pub client: String,
    /// Id of the change that was told.
    pub change: String,
    /// Until when it can be used.
    pub until: Timestamp,
}

/// Which user may confirm that it signed up, or set another password, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLink {
    /// Id of the user.
    pub user: String,
    /// Id of the event that asked for another password; none to confirm that the user signed up.
    pub request: Option<Uuid>,
    /// Until when it can be used.
    pub until: Timestamp,
}

impl Mailed for Link {
    const PURPOSE: &'static str = "mailed link";

    fn until(&self) -> Timestamp {
        self.until
    }
}

impl Mailed for AccountLink {
    const PURPOSE: &'static str = "mailed link of an account";

    fn until(&self) -> Timestamp {
        self.until
    }
}

impl Link {
    /// How it is known that the link was used.
    pub fn repetition(&self) -> Repetition {
        let asked = format!("{} {}", self.client, self.change);
        let id = idempotency_id(Self::PURPOSE, &asked);
        Repetition { id, fingerprint: fingerprint(Self::PURPOSE, asked.as_bytes()) }
    }
}

impl Admission {
    /// The token of a link, as it stands in a URL.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which only a failing allocation could cause.
    pub fn link_token<L: Mailed>(&self, link: &L) -> Result<String, serde_json::Error> {
        let said = serde_json::to_vec(link)?;
        let proof = self.vault().fingerprint(L::PURPOSE, &said).into_iter().next().unwrap_or_default();
        Ok(format!("{}.{}", BASE64URL_NOPAD.encode(&said), BASE64URL_NOPAD.encode(proof.as_bytes())))
    }

    /// The link of a token; none if it is not ours, or its time is over.
    pub fn link_of<L: Mailed>(&self, token: &str) -> Option<L> {
        let (said, proof) = token.split_once('.')?;
        let said = BASE64URL_NOPAD.decode(said.as_bytes()).ok()?;
        let proof = BASE64URL_NOPAD.decode(proof.as_bytes()).ok()?;
        // Hashes are compared, so that nothing of the right one is told by how long it takes.
        let is_it = |right: &String| Sha256::digest(right) == Sha256::digest(&proof);
        self.vault().fingerprint(L::PURPOSE, &said).iter().find(|right| is_it(right))?;
        let link: L = serde_json::from_slice(&said).ok()?;
        (self.now() < link.until()).then_some(link)
    }
}
