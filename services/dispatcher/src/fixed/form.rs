//! HTTP events, as ISL Conference Proxy sends them: a form with its parameter names.

use std::sync::Arc;
use std::time::Duration;

use delivery::destination::{Destination, Outcome, Parcel, host_of};
use delivery::egress::Call;
use delivery::reply::judge_strictly;
use delivery::retry::Verdict;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::form_urlencoded;

use super::person::{self, Person, Told};
use super::text;
use crate::Office;
use crate::route::RouteError;

/// Which product speaks, among ISL's.
const MODULE: &str = "REGLEDGER";

/// Posts changes as forms to a server.
pub(super) struct HttpEvents {
    office: Arc<Office>,
    url: SecretString,
    host: String,
    is_strict: bool,
    deadline: Duration,
}

impl HttpEvents {
    /// As the settings of this group say for a domain, or for the hub.
    ///
    /// # Errors
    /// [`RouteError`].
    pub(super) async fn open(
        office: &Arc<Office>,
        group: &'static str,
        domain: Option<&str>,
    ) -> Result<Self, RouteError> {
        let [server, path, strict] = match group {
            "http_events.global" => {
                ["http_events.global.server", "http_events.global.path", "http_events.global.strict"]
            }
            _ => ["http_events.per_domain.server", "http_events.per_domain.path", "http_events.per_domain.strict"],
        };
        let host = text(office, server, domain).await?.ok_or(RouteError::Unset(server))?;
        let path = text(office, path, domain).await?;
        let scheme = if host.expose_secret().contains("://") { "" } else { "http://" };
        let url = format!("{scheme}{}{}", host.expose_secret(), path.as_ref().map_or("/", |path| path.expose_secret()));
        let host = host_of(&url);
        let is_strict = office.parts.directory.read().is_on(strict, domain);
        let deadline = office.parts.bounds.attempt;
        Ok(Self { office: office.clone(), url: url.into(), host, is_strict, deadline })
    }

    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Outcome {
        let body = match self.body(parcel).await {
            Ok(body) => body,
            Err(reason) => return Outcome::unsent(reason),
        };
        let call = Call::post(self.url.expose_secret(), "application/x-www-form-urlencoded", body, self.deadline);
        let called = self.office.parts.egress.send(call).await;
        let mut outcome = Outcome::of_call(&called, now);
        outcome.verdict = match (self.is_strict, outcome.verdict) {
            // the same is sent until it is acknowledged, in order
            (true, _) if judge_strictly(&called) != Verdict::Done => Verdict::Retry,
            (true, _) | (false, Verdict::Done) => Verdict::Done,
            // it was tried, and the next one is not kept waiting
            (false, _) => Verdict::Drop,
        };
        outcome
    }

    async fn body(&self, parcel: &Parcel) -> Result<String, String> {
        let told: Told = serde_json::from_slice(&parcel.body).map_err(|error| error.to_string())?;
        let person = person::of(&self.office, &told).await?;
        let domain = {
            let directory = self.office.parts.directory.read();
            let integration = told.source.strip_prefix("/integrations/");
            integration.and_then(|name| directory.owner_of(name)).map(str::to_owned)
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields(&parcel.kind, &told, &person, domain) {
            form.append_pair(name, &value);
        }
        Ok(form.finish())
    }
}

/// The fields of a change; the same at every attempt.
fn fields(kind: &str, told: &Told, person: &Person, domain: Option<String>) -> Vec<(&'static str, String)> {
    let of_source = told.text("user", "domain_id").or_else(|| told.text("domain", "domain_id"));
    let of_hub = told.text("user", "domain").or_else(|| told.text("domain", "name")).or(domain);
    let departments = told.data.get("departments").and_then(Value::as_array).map(|ids| {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        ids.join(",")
    });
    let optional = [
        ("DOMAIN_ID", of_source.or(of_hub)),
        ("CPUSER_ID", told.written(person)),
        ("EMAIL", person.email.clone()),
        ("INTEGRATION", told.source.strip_prefix("/integrations/").map(str::to_owned)),
        ("TENANT", told.text("client", "tenant")),
        ("CLIENT_ID", told.text("client", "client_id")),
        ("DEPARTMENTS", departments),
    ];
    let always = [
        ("EVENT", name_of(kind)),
        ("MODULE", MODULE.to_owned()),
        ("TIMESTAMP", told.time.as_second().to_string()),
        ("CHANGE_ID", told.id.clone()),
    ];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(optional).collect()
}

/// What ISL calls it: `USER CREATE` for `user.created`; what it has no name for is named in its way.
fn name_of(kind: &str) -> String {
    match kind {
        "user.created" => "USER CREATE".to_owned(),
        "user.deleted" => "USER DELETE".to_owned(),
        "user.undeleted" => "USER UNDELETE".to_owned(),
        "domain.created" => "DOMAIN CREATE".to_owned(),
        "domain.deleted" => "DOMAIN DELETE".to_owned(),
        other => other.replace(['.', '_'], " ").to_uppercase(),
    }
}

impl Destination for HttpEvents {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.send(parcel, now).boxed()
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn is_in_one_order(&self) -> bool {
        self.is_strict
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_by_isls_names() {
        let told = |data: Value| -> Told {
            serde_json::from_value(json!({"id": "l-0-1-0", "source": "/integrations/acme", "subject": "s",
                "time": "2027-01-15T08:00:00.5Z", "sequence": "1.0", "data": data}))
            .unwrap()
        };
        let said = |kind: &str, data: Value, person: Person| {
            let fields = fields(kind, &told(data), &person, Some("clinics".to_owned()));
            fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        };
        let ann = || Person { name: Some("\\\\acme\\ann".to_owned()), email: None };
        assert_eq!(
            said("user.created", json!({"user": {"id": "u1", "domain_id": "7"}}), ann()),
            "EVENT=USER CREATE&MODULE=REGLEDGER&TIMESTAMP=1800000000&CHANGE_ID=l-0-1-0&DOMAIN_ID=7&CPUSER_ID=\\\\acme\\ann&INTEGRATION=acme"
        );
        let client = json!({"client": {"tenant": "p/1", "client_id": "abc"}, "departments": [3, 9]});
        assert_eq!(
            said("client.departments_added", client, Person::default()),
            "EVENT=CLIENT DEPARTMENTS ADDED&MODULE=REGLEDGER&TIMESTAMP=1800000000&CHANGE_ID=l-0-1-0&DOMAIN_ID=clinics&INTEGRATION=acme&TENANT=p/1&CLIENT_ID=abc&DEPARTMENTS=3,9"
        );
    }
}
