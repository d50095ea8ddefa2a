//! The external WebAPI: what the hub would mail to a user is said to the organisation's own account service.

use std::sync::Arc;
use std::time::Duration;

use delivery::destination::{Destination, Outcome, Parcel, host_of};
use delivery::egress::{Answer, Call};
use delivery::reply;
use delivery::retry::Verdict;
use delivery::template::Template;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use registration::directory::{PLACEHOLDERS, definition};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::person::{self, Person, Told};
use super::{WEBAPI_URL, text};
use crate::Office;
use crate::route::RouteError;

const METHOD: &str = "account/notification/1";
const PARAMETERS: &str = "external_webapi.notification_parameters";
const TIMEOUT: &str = "external_webapi.timeout_seconds";

/// Calls the account service.
pub(super) struct Notification {
    office: Arc<Office>,
    url: SecretString,
    host: String,
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
        let url = text(office, WEBAPI_URL, domain).await?.ok_or(RouteError::Unset(WEBAPI_URL))?;
        let set = async |key: &'static str| -> Result<String, RouteError> {
            let default = definition(key).map_or("", |definition| definition.default);
            Ok(text(office, key, domain)
                .await?
                .map_or_else(|| default.to_owned(), |set| set.expose_secret().to_owned()))
        };
        let parameters = Template::parse(&set(PARAMETERS).await?, &PLACEHOLDERS)?;
        let deadline = set(TIMEOUT).await?.parse().map(Duration::from_secs);
        Ok(Self {
            host: host_of(url.expose_secret()),
            deadline: deadline.map_err(|_| RouteError::Unset(TIMEOUT))?,
            office: office.clone(),
            url,
            parameters,
        })
    }

    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Outcome {
        let body = match self.body(parcel).await {
            Ok(body) => body,
            Err(reason) => return Outcome::unsent(reason),
        };
        let call = Call::post(self.url.expose_secret(), "application/x-www-form-urlencoded", body, self.deadline);
        let called = self.office.parts.egress.send(call).await;
        let mut outcome = Outcome::of_call(&called, now);
        outcome.verdict = match (&called, outcome.verdict) {
            (Ok(answer), Verdict::Done) if has_result(answer) => Verdict::Done,
            _ => Verdict::Retry,
        };
        outcome
    }

    async fn body(&self, parcel: &Parcel) -> Result<String, String> {
        let told: Told = serde_json::from_slice(&parcel.body).map_err(|error| error.to_string())?;
        let person = person::of(&self.office, &told).await?;
        let parameters = self.parameters.render(|name| value_of(name, &parcel.kind, &told, &person));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("method", METHOD).append_pair("parameters", &parameters);
        Ok(form.finish())
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

/// Whether a reply, JSON or XML, has a `result`.
fn has_result(answer: &Answer) -> bool {
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(reply) => reply.get("result").is_some(),
        Err(_) => reply::has_element(answer, "result"),
    }
}

impl Destination for Notification {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.send(parcel, now).boxed()
    }

    fn host(&self) -> &str {
        &self.host
    }
}
