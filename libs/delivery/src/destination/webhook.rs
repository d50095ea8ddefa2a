//! Webhooks: a POST of the parcel to a URL, signed as Standard Webhooks has it.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{Destination, Outcome, Parcel, call};
use crate::egress::{Call, Egress, Target};
use crate::webhook::{Signer, SigningKey};

/// CloudEvents, HTTP protocol binding 1.0.2, section 3.2: structured content mode.
const STRUCTURED: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

/// Sends parcels to a URL.
pub struct Webhook {
    egress: Egress,
    target: Target,
    signer: Signer,
    deadline: Duration,
}

impl Webhook {
    /// Sends to this URL, signing with these keys, the newest first, each until its time. Each attempt has one deadline.
    pub fn new(
        egress: Egress,
        url: &SecretString,
        keys: Vec<(SigningKey, Option<Timestamp>)>,
        deadline: Duration,
    ) -> Self {
        Self { target: egress.guard().target(url.expose_secret()), egress, signer: Signer::until(keys), deadline }
    }

    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Outcome {
        let mut headers = match self.signer.sign(&parcel.id, now, &parcel.body) {
            Ok(headers) => headers,
            // What cannot be signed is not sent.
            Err(error) => return Outcome::unsent(error.to_string()),
        };
        headers.insert(CONTENT_TYPE, STRUCTURED);
        let (target, body, deadline) = (&self.target, parcel.body.clone(), self.deadline);
        call(&self.egress, Call { method: Method::POST, target, headers, body, deadline }, now).await
    }
}

impl Destination for Webhook {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.send(parcel, now).boxed()
    }

    fn host(&self) -> &str {
        self.target.host()
    }
}
