//! Tokens of ISL's JWT webhook: what their claims say of the source's own directory.
//!
//! ISL documents neither the claims that it generates nor how it names the event. Taken is a security event token
//! (RFC 8417): `events`, an object whose names, or the last parts of whose URIs, are compared loosely; or a claim `event`
//! with its name. Who is meant stands in the payload of the event, or else beside it.

use serde_json::{Map, Value};

use super::event::What;
use super::loose::{loose, normal};
use super::message::{MessageFact, USER_EMAILS, USER_NAMES, User, id};
use crate::quarantine::Violation;

/// The most events of a token.
const MAX_EVENTS: usize = 16;

/// What the claims of a token say.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    /// The domain that it is about.
    pub domain_id: Option<String>,
    /// What it says of the source's own directory; nothing if it speaks of other things.
    pub facts: Vec<MessageFact>,
}

type Object = Map<String, Value>;

/// Reads verified claims.
///
/// # Errors
/// Everything that is wrong with them; no value is quoted.
pub fn claim(claims: &Object) -> Result<Claim, Vec<Violation>> {
    let (mut found, mut facts, mut domains) = (Vec::new(), Vec::new(), Vec::new());
    let events = events(claims);
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(vec![violation("/events", "must name 1 to 16 events, or `event` must name one")]);
    }
    for (name, payload) in events {
        let look_up = |names: &[&str]| named(payload, names).or_else(|| named(claims, names));
        let domain = look_up(&["domainid", "domain"]).and_then(|text| id(&text));
        if let Some(what) = what(name) {
            match fact(what, domain.is_some(), look_up) {
                Ok(fact) => facts.push(fact),
                Err(violation) => found.push(violation),
            }
        }
        domains.push(domain);
    }
    domains.dedup();
    if domains.len() > 1 {
        found.push(violation("/events", "must all be about one domain"));
    }
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Claim { domain_id: domains.pop().flatten(), facts })
}

/// What the name of an event stands for, which may be a URI: `https://isl.example/user-create`, `urn:x:user.created.v1`.
fn what(name: &str) -> Option<What> {
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    let last = last.trim_start_matches("regledger.").trim_end_matches(".v1").replace('.', "_");
    normal(&last).as_deref().and_then(What::named)
}

fn violation(pointer: &str, detail: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

/// The events with their payloads; what is no object is no payload.
fn events(claims: &Object) -> Vec<(&str, &Object)> {
    match claims.get("events") {
        Some(Value::Object(events)) => {
            events.iter().map(|(name, value)| (name.as_str(), value.as_object().unwrap_or(claims))).collect()
        }
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(|name| (name, claims)).collect(),
        Some(Value::String(name)) => vec![(name, claims)],
        _ => match claims.iter().find(|(name, _)| loose(name) == "event") {
            Some((_, Value::String(name))) => vec![(name, claims)],
            _ => Vec::new(),
        },
    }
}

/// The first of these claims that is there, as text: ids may be numbers.
fn named(object: &Object, names: &[&str]) -> Option<String> {
    let find = |name: &&str| object.iter().find(|(member, _)| loose(member) == **name).map(|(_, value)| value);
    names.iter().filter_map(find).find_map(|value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        // our own changes name a user, and a domain, by an object
        Value::Object(inner) => {
            inner.get("name").or_else(|| inner.get("id")).and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    })
}

fn fact(what: What, has_domain: bool, look_up: impl Fn(&[&str]) -> Option<String>) -> Result<MessageFact, Violation> {
    if !what.is_of_user() {
        let fact = has_domain.then_some(MessageFact { what, user: None });
        return fact.ok_or_else(|| violation("/domain_id", "must say which domain"));
    }
    let name = look_up(&USER_NAMES).or_else(|| look_up(&["sub"]));
    let user = name.and_then(|name| User::new(&name, look_up(&USER_EMAILS).as_deref()));
    let user = user.ok_or_else(|| violation("/user_id", "must say which user, in at most 500 characters"))?;
    Ok(MessageFact { what, user: Some(user) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: &Value) -> Result<Claim, Vec<String>> {
        let read = claim(claims.as_object().unwrap());
        read.map_err(|found| found.into_iter().map(|violation| violation.pointer).collect())
    }

    fn facts(claims: &Value) -> Vec<(What, Option<String>)> {
        let facts = read(claims).unwrap_or_else(|found| panic!("{claims}: {found:?}")).facts;
        facts.into_iter().map(|fact| (fact.what, fact.user.map(|user| user.name))).collect()
    }

    #[test]
    fn an_event_is_found_however_it_is_named() {
        let ann = || vec![(What::UserCreate, Some("\\\\acme\\ann".to_owned()))];
        for claims in [
            json!({"events": {"user_create": {"user_id": "\\\\acme\\ann", "domain_id": 7}}}),
            json!({"events": {"https://isl.example/events/User-Created": {"userName": "\\\\acme\\ann", "DOMAIN_ID": "7"}}}),
            json!({"events": {"urn:isl:user create": {}}, "cpuser_id": "\\\\acme\\ann", "domain": 7}),
            json!({"events": {"regledger.user.created": {"user": {"name": "\\\\acme\\ann"}, "domain": {"id": "7"}}}}),
            json!({"events": ["USER CREATE"], "sub": "\\\\acme\\ann", "domain": "7"}),
            json!({"events": "usercreate", "user": "\\\\acme\\ann", "domain": "7"}),
            json!({"EVENT": "USER CREATE", "user": "\\\\acme\\ann", "domain": "7"}),
        ] {
            assert_eq!(facts(&claims), ann(), "{claims}");
            assert_eq!(read(&claims).unwrap().domain_id.as_deref(), Some("7"), "{claims}");
        }
    }

    #[test]
    fn several_events_are_of_one_domain() {
        let two = |domain: &str| json!({"events": {"user_delete": {"user": "ann", "domain": "7"}, "domain_delete": {"domain": domain}}});
        assert_eq!(facts(&two("7")).len(), 2);
        assert_eq!(read(&two("8")), Err(vec!["/events".to_owned()]));
    }

    #[test]
    fn what_is_of_no_use_is_told() {
        let many: Map<String, Value> = (0..17).map(|number| (format!("e{number}"), json!({}))).collect();
        for (claims, expected) in [
            (json!({}), "/events"),
            (json!({"events": {}}), "/events"),
            (json!({"events": 1}), "/events"),
            (json!({"events": many}), "/events"),
            (json!({"events": {"user_create": {}}}), "/user_id"),
            (json!({"events": {"user_create": {"user": "a\u{0}"}}}), "/user_id"),
            (json!({"events": {"domain_delete": {}}}), "/domain_id"),
        ] {
            assert_eq!(read(&claims), Err(vec![expected.to_owned()]), "{claims}");
        }
        assert_eq!(facts(&json!({"events": {"something_else": {}}})), []);
    }
}
