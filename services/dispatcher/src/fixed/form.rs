//! HTTP events, as ISL Conference Proxy sends them: a form with its parameter names.

use std::sync::Arc;
use std::time::Duration;

use delivery::destination::{Destination, Outcome, Parcel};
use delivery::egress::{Call, Target};
use delivery::reply::judge_strictly;
use delivery::retry::Verdict;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::form_urlencoded;

use super::person::{self, Person, Told};
use super::setting;
use crate::Office;
use crate::route::RouteError;

/// Which product speaks, among ISL's.
const MODULE: &str = "REGLEDGER";

/// Posts changes as forms to a server.
pub(super) struct HttpEvents {
    office: Arc<Office>,
    target: Target,
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
        let (host, path) = (setting(office, server, domain).await?, setting(office, path, domain).await?);
        let scheme = if host.expose_secret().contains("://") { "" } else { "http://" };
        let url = format!("{scheme}{}{}", host.expose_secret(), path.expose_secret());
        let target = office.parts.egress.guard().target(&url);
        let is_strict = office.parts.directory.read().is_on(strict, domain);
        let deadline = office.parts.bounds.attempt;
        Ok(Self { office: office.clone(), target, is_strict, deadline })
    }

    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Outcome {
        let body = match self.body(parcel).await {
            Ok(body) => body,
            Err(reason) => return Outcome::unsent(reason),
        };
        let call = Call::post(&self.target, "application/x-www-form-urlencoded", body, self.deadline);
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
        let domain = told.domain(&self.office.parts.directory.read());
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields(&parcel.kind, &told, &person, domain.as_deref()) {
            form.append_pair(name, &value);
        }
        Ok(form.finish())
    }
}

/// The fields of a change; the same at every attempt.
fn fields(kind: &str, told: &Told, person: &Person, domain: Option<&str>) -> Vec<(&'static str, String)> {
    let departments = told.data.get("departments").and_then(Value::as_array).map(|ids| {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        ids.join(",")
    });
    let optional = [
        ("DOMAIN_ID", told.domain_id(domain)),
        ("CPUSER_ID", told.written(person)),
        ("EMAIL", person.email.clone()),
        ("INTEGRATION", told.integration().map(str::to_owned)),
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

/// What ISL calls it, as an order: `USER CREATE` for `user.created`; what it has no name for is named in its way.
fn name_of(kind: &str) -> String {
    let is_regular = ["added", "registered"].iter().any(|verb| kind.ends_with(verb));
    let order = kind.strip_suffix(if is_regular { "ed" } else { "d" }).unwrap_or(kind);
    order.replace(['.', '_'], " ").to_uppercase()
}

impl Destination for HttpEvents {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.send(parcel, now).boxed()
    }

    fn host(&self) -> &str {
        self.target.host()
    }

    fn is_in_one_order(&self) -> bool {
        self.is_strict
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use registration::change::ChangeType;
    use registration::directory::Directory;
    use serde_json::json;

    use super::super::account;
    use super::*;

    #[test]
    fn a_change_is_told_by_isls_names() {
        let told = |data: Value| -> Told {
            serde_json::from_value(json!({"id": "l-0-1-0", "source": "/integrations/acme", "subject": "s",
                "time": "2027-01-15T08:00:00.5Z", "sequence": "1.0", "data": data}))
            .unwrap()
        };
        let said = |kind: &str, data: Value, person: Person| {
            let fields = fields(kind, &told(data), &person, Some("clinics"));
            fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        };
        let ann = |name: &str| Person { name: Some(name.to_owned()), email: None };
        assert_eq!(
            said(
                "user.created",
                json!({"user": {"id": "u1", "integration": "acme", "domain_id": "7"}}),
                ann("\\\\acme\\ann")
            ),
            "EVENT=USER CREATE&MODULE=REGLEDGER&TIMESTAMP=1800000000&CHANGE_ID=l-0-1-0&DOMAIN_ID=7&CPUSER_ID=\\\\acme\\ann&INTEGRATION=acme"
        );
        let client = json!({"client": {"tenant": "p/1", "client_id": "abc"}, "departments": [3, 9]});
        assert_eq!(
            said("client.departments_added", client, Person::default()),
            "EVENT=CLIENT DEPARTMENTS ADD&MODULE=REGLEDGER&TIMESTAMP=1800000000&CHANGE_ID=l-0-1-0&DOMAIN_ID=clinics&INTEGRATION=acme&TENANT=p/1&CLIENT_ID=abc&DEPARTMENTS=3,9"
        );
    }

    #[test]
    fn the_domain_is_the_hubs_name_or_the_id_of_its_own_system() {
        let uuid = "01a21812-8130-7000-8000-000000000000";
        for (source, data, expected) in [
            ("/domains/g1", json!({"user": {"id": "u1", "domain": "g1", "domain_id": uuid}}), Some("g1")),
            ("/domains/g1", json!({"domain": {"id": uuid, "name": "g1"}}), Some("g1")),
            ("/integrations/acme", json!({"user": {"id": "u1", "integration": "acme", "domain_id": "7"}}), Some("7")),
            ("/integrations/acme", json!({"domain": {"id": "d1", "integration": "acme", "domain_id": "7"}}), Some("7")),
            ("/integrations/acme", json!({"domain": {"id": "d1", "integration": "acme", "domain_id": null}}), None),
        ] {
            let told = json!({"id": "l-0-1-0", "source": source, "subject": "s", "time": "2027-01-15T08:00:00Z",
                "sequence": "1.0", "data": data});
            let told: Told = serde_json::from_value(told).unwrap();
            let domain = told.domain(&Directory::default());
            assert_eq!(told.domain_id(domain.as_deref()).as_deref(), expected, "{data}");
        }
    }

    #[test]
    fn every_event_is_named_as_an_order() {
        let is_told = |kind: &&str| {
            ["client.", "user.", "domain."].iter().any(|noun| kind.starts_with(noun)) && !account::has_link(kind)
        };
        let kinds = ChangeType::ALL.map(ChangeType::short).into_iter().filter(is_told);
        let orders: BTreeSet<String> = kinds.map(|kind| name_of(kind).rsplit(' ').next().unwrap().to_owned()).collect();
        let known = "ADD CREATE DEACTIVATE DELETE PURGE REACTIVATE REGISTER REMOVE RETIRE UNDELETE UPDATE";
        assert_eq!(orders, known.split(' ').map(str::to_owned).collect());
    }
}
