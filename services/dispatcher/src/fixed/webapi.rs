//! The external WebAPI: what the hub would mail to a user is said to the organisation's own account service.

use std::sync::Arc;
use std::time::Duration;

use delivery::destination::{Destination, Outcome, Parcel};
use delivery::egress::Target;
use delivery::retry::Verdict;
use delivery::template::Template;
use delivery::webapi::{self, has_result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use registration::directory::{PLACEHOLDERS, WEBAPI_TIMEOUT, WEBAPI_URL};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::person::{self, Person, Told};
use super::setting;
use crate::Office;
use crate::route::RouteError;

const PARAMETERS: &str = "external_webapi.notification_parameters";

/// Calls the account service.
pub(super) struct Notification {
    office: Arc<Office>,
    target: Target,
    parameters: Template,
    /// For looking up, connecting, sending, and the answer with its body.
    deadline: Duration,
}

impl Notification {
    /// As the settings of a domain, or of the hub, say.
    ///
    /// # Errors
    /// [`RouteError`].
    pub(super) async fn open(office: &Arc<Office>, domain: Option<&str>) -> Result<Self, RouteError> {
        let url = setting(office, WEBAPI_URL, domain).await?;
        let parameters = Template::parse(setting(office, PARAMETERS, domain).await?.expose_secret(), &PLACEHOLDERS)?;
        let timeout = setting(office, WEBAPI_TIMEOUT, domain).await?;
        let deadline = timeout.expose_secret().parse().map(Duration::from_secs);
        Ok(Self {
            target: office.parts.egress.guard().target(url.expose_secret()),
            deadline: deadline.map_err(|_| RouteError::Unset(WEBAPI_TIMEOUT))?,
            office: office.clone(),
            parameters,
        })
    }

    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Outcome {
        let parameters = match self.parameters(parcel).await {
            Ok(parameters) => parameters,
            Err(reason) => return Outcome::unsent(reason),
        };
        let call = webapi::call(&self.target, webapi::NOTIFICATION, &parameters, self.deadline);
        let called = self.office.parts.egress.send(call).await;
        let mut outcome = Outcome::of_call(&called, now);
        outcome.verdict = match (&called, outcome.verdict) {
            (Ok(answer), Verdict::Done) if has_result(answer) => Verdict::Done,
            _ => Verdict::Retry,
        };
        outcome
    }

    async fn parameters(&self, parcel: &Parcel) -> Result<String, String> {
        let told: Told = serde_json::from_slice(&parcel.body).map_err(|error| error.to_string())?;
        let person = person::of(&self.office, &told).await?;
        Ok(self.parameters.render(|name| value_of(name, &parcel.kind, &told, &person)))
    }
}

/// What stands for a placeholder. There is no link in what only tells that something happened.
fn value_of(name: &str, kind: &str, told: &Told, person: &Person) -> Value {
    match name {
        "name" => json!(person.name),
        "email" => json!(person.email),
        "domain" => json!(told.text("user", "domain")),
        "event" => json!(kind),
        _ => Value::Null,
    }
}

impl Destination for Notification {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.send(parcel, now).boxed()
    }

    fn host(&self) -> &str {
        self.target.host()
    }
}
