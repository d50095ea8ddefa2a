//! An entry of the ledger and what it changed.

use anyhow::Context;
use registration::client::client_id;
use registration::event::Body;
use registration::{Event, Place};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{entries, place_of};
use crate::client::{Api, path};

/// An entry of the ledger and what it changed.
#[derive(Debug)]
pub struct Explained {
    /// The entry, byte for byte.
    pub event: Box<RawValue>,
    /// Its changes, in order.
    pub changes: Vec<Box<RawValue>>,
}

impl Explained {
    /// One object.
    pub fn to_json(&self) -> String {
        let changes: Vec<&str> = self.changes.iter().map(|change| change.get()).collect();
        format!("{{\"event\":{},\"changes\":[{}]}}", self.event.get(), changes.join(","))
    }
}

/// Finds an entry and what it changed.
///
/// # Errors
/// If there is none, it is of a newer version, or the server refuses.
pub async fn explain(api: &Api, place: Place) -> anyhow::Result<Explained> {
    let entries = entries(api, place.partition, place.position, 1).await?;
    let event = entries.into_iter().next().with_context(|| format!("there is no event at {place}"))?;
    let parsed = Event::parse(event.get().as_bytes())?;
    let changes = match told_in(&parsed)? {
        Some((path, query)) => api.list(&path, &query, None).await?,
        None => Vec::new(),
    };
    let changes = changes.into_iter().filter(|change| place_of(change) == Some(place)).collect();
    Ok(Explained { event, changes })
}

/// Where the changes of an entry are told: in the history of a client, or among those of the directory, which are few.
/// None if it is of a kind that changes no row that anybody follows.
fn told_in(event: &Event) -> anyhow::Result<Option<(String, Value)>> {
    let attributes = &event.attributes;
    let client = |id: &str| (path("clients", id, "/changes"), Value::Null);
    let directory = |query: Value| ("/v1/changes".to_owned(), query);
    let integration = |name: &str| directory(json!({"type": "integration.*", "integration": name}));
    Ok(Some(match &event.body {
        Body::ProvetRegistration(notice) => {
            let integration = attributes.integration_id.context("it names no integration")?;
            client(&client_id(integration, &attributes.subject, &notice.client_id))
        }
        Body::ClientRetire => client(&attributes.subject),
        Body::IntegrationCreate(create) => integration(&create.integration.name),
        Body::IntegrationUpdate(_) | Body::IntegrationRotateHookup(_) | Body::IntegrationDelete => {
            integration(attributes.source.rsplit('/').next().unwrap_or_default())
        }
        Body::SettingSet(_) => directory(json!({"type": "setting.*"})),
        Body::IslEvent(_) | Body::IslToken(_) => directory(json!({"tenant": attributes.subject})),
        Body::LedgerCreate(_) | Body::DomainCreate(_) | Body::DomainDelete(_) => directory(json!({"type": "domain.*"})),
        Body::UserCreate(_)
        | Body::UserUpdate(_)
        | Body::UserDelete(_)
        | Body::UserUndelete
        | Body::UserPurge(_)
        | Body::UserSetPassword(_)
        | Body::UserConfirm(_)
        | Body::UserForgotPassword(_) => directory(json!({"type": "user.*"})),
        Body::SubscriptionCreate(_)
        | Body::SubscriptionUpdate(_)
        | Body::SubscriptionDelete
        | Body::SubscriptionPause
        | Body::SubscriptionResume(_)
        | Body::SubscriptionRotateSecret(_)
        | Body::SubscriptionSuspend(_) => directory(json!({"type": "subscription.*"})),
        Body::LedgerRestore(_)
        | Body::DomainPurge
        | Body::TokenCreate(_)
        | Body::TokenRevoke
        | Body::ClientReveal(_)
        | Body::QuarantineReceive(_)
        | Body::QuarantineReveal(_)
        | Body::QuarantineRelease(_)
        | Body::QuarantineDismiss => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_where_its_changes_are() {
        let event = |kind: &str, source: &str, data: serde_json::Value| {
            let entry = json!({
                "specversion": "1.0", "id": "01890000-0000-7000-8000-000000000000", "source": source,
                "type": format!("regledger.{kind}.v1"), "subject": "c1", "time": "2026-11-23T10:00:00Z",
                "datacontenttype": "application/json", "dataschema": "x", "data": data,
            });
            told_in(&Event::parse(entry.to_string().as_bytes()).unwrap()).unwrap()
        };
        let retired = event("client.retire", "/clients/c1", json!({}));
        assert_eq!(retired, Some(("/v1/clients/c1/changes".to_owned(), Value::Null)));
        let deleted = event("integration.delete", "/integrations/acme-lab", json!({}));
        let query = json!({"type": "integration.*", "integration": "acme-lab"});
        assert_eq!(deleted, Some(("/v1/changes".to_owned(), query)));
        let token = json!({"token": [], "jwt": {"sealed": {"alg": "", "kid": "", "nonce": "", "ct": ""}}});
        let heard = event("isl.token", "/integrations/acme-isl", token);
        assert_eq!(heard, Some(("/v1/changes".to_owned(), json!({"tenant": "c1"}))));
        assert_eq!(event("token.revoke", "/tokens", json!({})), None);
    }
}
