//! The JWT webhook: a change is posted as `{"jwt": "<signed>"}`, a security event token.

use std::sync::Arc;
use std::time::Duration;

use delivery::destination::{Destination, Outcome, Parcel};
use delivery::egress::{Call, Target};
use delivery::jwt::{Claims, SecurityEvent, SigningKey};
use delivery::retry::Verdict;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use registration::directory::{JWT_URL, PRIVATE_KEY};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::person::{self, Told};
use super::setting;
use crate::Office;
use crate::route::RouteError;

/// Posts signed changes to a URL.
pub(super) struct JwtWebhook {
    office: Arc<Office>,
    target: Target,
    key: SigningKey,
    claims: Claims,
    issuer: String,
    deadline: Duration,
}

impl JwtWebhook {
    /// As the settings of a domain, or of the hub, say.
    ///
    /// # Errors
    /// [`RouteError`].
    pub(super) async fn open(office: &Arc<Office>, domain: Option<&str>) -> Result<Self, RouteError> {
        let (url, key) = (setting(office, JWT_URL, domain).await?, setting(office, PRIVATE_KEY, domain).await?);
        let claims = Claims::parse(setting(office, "jwt_webhook.claims", domain).await?.expose_secret())?;
        Ok(Self {
            target: office.parts.egress.guard().target(url.expose_secret()),
            key: SigningKey::from_pem(&key)?,
            issuer: format!("urn:regledger:{}", office.parts.directory.ledger_id()),
            deadline: office.parts.bounds.attempt,
            office: office.clone(),
            claims,
        })
    }

    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Outcome {
        let body = match self.body(parcel, now).await {
            Ok(body) => body,
            Err(reason) => return Outcome::unsent(reason),
        };
        let call = Call::post(&self.target, "application/json", body, self.deadline);
        let mut outcome = Outcome::of_call(&self.office.parts.egress.send(call).await, now);
        if outcome.verdict == Verdict::Pause {
            outcome.verdict = Verdict::Retry;
        }
        outcome
    }

    /// A later attempt has a new token with the same `jti`. What is said of the domain is the same in every kind of event.
    async fn body(&self, parcel: &Parcel, now: Timestamp) -> Result<String, String> {
        let told: Told = serde_json::from_slice(&parcel.body).map_err(|error| error.to_string())?;
        let person = person::of(&self.office, &told).await?;
        let domain = told.domain(&self.office.parts.directory.read());
        let mut payload: Map<String, Value> = told.data.clone();
        payload.insert("source".to_owned(), json!(told.source));
        payload.insert("subject".to_owned(), json!(told.subject));
        payload.insert("time".to_owned(), json!(told.time));
        let said = [
            ("user_id", told.written(&person)),
            ("email", person.email),
            ("domain_id", told.domain_id(domain.as_deref())),
            ("domain", domain),
        ];
        let said = said.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
        payload.extend(said);
        let uri = format!("urn:regledger:event:{}", parcel.kind);
        let event = SecurityEvent { issuer: &self.issuer, id: &told.id, uri: &uri, payload };
        let token = self.key.sign(&self.claims.with(event, now)).map_err(|error| error.to_string())?;
        Ok(json!({"jwt": token}).to_string())
    }
}

impl Destination for JwtWebhook {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.send(parcel, now).boxed()
    }

    fn host(&self) -> &str {
        self.target.host()
    }
}
