//! Verifiers: by which keys the tokens of an integration are verified, its own or those of a JWK set.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex as SyncMutex;
use registration::directory::Integration;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Verifier, VerifyError};
use crate::egress::{Call, Egress};

/// Time for fetching a JWK set.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long a JWK set is taken for current.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// How long one is used that cannot be fetched anew.
const USABLE: SignedDuration = SignedDuration::from_hours(24);

/// Time between two tries to fetch one: for an unknown key it is fetched before it is old, but not for each token.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Verifiers are forgotten beyond this number, and made again when they are needed.
const KEPT: usize = 1_000;

/// The JWK set of an integration cannot be fetched: nobody can say now whether a token is to be believed. The log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the JWK set of the integration cannot be fetched")]
pub struct Unfetched;

/// The verifiers of integrations.
pub struct Verifiers {
    egress: Egress,
    known: SyncMutex<HashMap<Uuid, Arc<Mutex<Known>>>>,
}

/// What is known of an integration's keys.
#[derive(Default)]
struct Known {
    /// The PEM or the URL that the verifier is of.
    of: String,
    verifier: Option<(Verifier, Timestamp)>,
    tried: Option<Timestamp>,
}

/// The claims of a token that is believed, or why it is not.
pub type Verified = Result<Map<String, Value>, String>;

impl Verifiers {
    /// Verifiers that fetch JWK sets by these calls.
    pub fn new(egress: Egress) -> Self {
        Self { egress, known: SyncMutex::default() }
    }

    /// Verifies a token of an integration that came at `came`, by the keys of now.
    ///
    /// # Errors
    /// [`Unfetched`].
    pub async fn verify(
        &self,
        integration: &Integration,
        jwt: &str,
        came: Timestamp,
        now: Timestamp,
    ) -> Result<Verified, Unfetched> {
        let known = self.of(integration.id);
        let mut known = known.lock().await;
        let verified = match (&integration.jwt_key, &integration.jwks_url) {
            (Some(pem), _) => known.by_key(pem, now).and_then(|verifier| told(verifier.verify(jwt, came))),
            (None, Some(url)) => {
                self.refresh(&mut known, url, now, FRESH).await?;
                let verified = known.verify(jwt, came);
                if verified != Some(Err(VerifyError::NoKey)) {
                    return Ok(told(verified.unwrap_or(Err(VerifyError::NoKey))));
                }
                // its sender may have changed the key a moment ago
                self.refresh(&mut known, url, now, PAUSE).await?;
                told(known.verify(jwt, came).unwrap_or(Err(VerifyError::NoKey)))
            }
            (None, None) => Err("The integration has neither jwt_key nor jwks_url; set one of them.".to_owned()),
        };
        Ok(verified)
    }

    fn of(&self, integration: Uuid) -> Arc<Mutex<Known>> {
        let mut known = self.known.lock();
        if known.len() >= KEPT && !known.contains_key(&integration) {
            known.clear();
        }
        known.entry(integration).or_default().clone()
    }

    /// Fetches a JWK set, unless one of this age is known, or was asked for a moment ago.
    async fn refresh(
        &self,
        known: &mut Known,
        url: &str,
        now: Timestamp,
        age: SignedDuration,
    ) -> Result<(), Unfetched> {
        known.begin(url);
        if known.is_younger(now, age) || known.tried.is_some_and(|tried| now.duration_since(tried) < PAUSE) {
            return known.usable(now);
        }
        known.tried = Some(now);
        match self.fetch(url).await {
            Ok(verifier) => known.verifier = Some((verifier, now)),
            Err(reason) => tracing::warn!(reason, "a JWK set cannot be fetched"),
        }
        known.usable(now)
    }

    /// Fetches a JWK set; if that fails, why, without the URL.
    async fn fetch(&self, url: &str) -> Result<Verifier, String> {
        let target = self.egress.guard().target(url);
        let answer = self.egress.send(Call::get(&target, DEADLINE)).await.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("it is answered with {}", answer.status.as_u16()));
        }
        if !answer.is_whole {
            return Err("it is too large".to_owned());
        }
        Verifier::from_jwks(&answer.body).map_err(|error| error.to_string())
    }
}

impl Known {
    /// What was known of another URL, or another key, is forgotten.
    fn begin(&mut self, of: &str) {
        if self.of != of {
            *self = Self { of: of.to_owned(), ..Self::default() };
        }
    }

    fn by_key(&mut self, pem: &str, now: Timestamp) -> Result<&Verifier, String> {
        self.begin(pem);
        if self.verifier.is_none() {
            let verifier =
                Verifier::from_pem(pem).map_err(|error| format!("The jwt_key of the integration: {error}."))?;
            self.verifier = Some((verifier, now));
        }
        match &self.verifier {
            Some((verifier, _)) => Ok(verifier),
            None => Err("The jwt_key of the integration cannot be read.".to_owned()),
        }
    }

    fn verify(&self, jwt: &str, now: Timestamp) -> Option<Result<Map<String, Value>, VerifyError>> {
        self.verifier.as_ref().map(|(verifier, _)| verifier.verify(jwt, now))
    }

    fn is_younger(&self, now: Timestamp, age: SignedDuration) -> bool {
        self.verifier.as_ref().is_some_and(|(_, fetched)| now.duration_since(*fetched) < age)
    }

    fn usable(&self, now: Timestamp) -> Result<(), Unfetched> {
        if self.is_younger(now, USABLE) { Ok(()) } else { Err(Unfetched) }
    }
}

fn told(verified: Result<Map<String, Value>, VerifyError>) -> Verified {
    verified.map_err(|error| format!("The token is not believed: {error}."))
}
