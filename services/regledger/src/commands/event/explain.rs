//! An entry of the ledger and what it changed.

use anyhow::Context;
use registration::Event;
use registration::client::client_id;
use registration::event::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::entries;
use crate::client::Api;

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
pub async fn explain(api: &Api, partition: u32, position: u64) -> anyhow::Result<Explained> {
    let entries = entries(api, partition, position, 1).await?;
    let event = entries.into_iter().next().with_context(|| format!("there is no event at {partition}:{position}"))?;
    let parsed = Event::parse(event.get().as_bytes())?;
    let changes = match Changed::by(&parsed)? {
        Changed::Nothing => Vec::new(),
        Changed::Client(id) => api.list(&format!("/v1/clients/{id}/changes"), &(), None).await?,
        Changed::Directory(query) => api.list("/v1/changes", &query, None).await?,
    };
    let changes = changes.into_iter().filter(|change| stands_at(change, partition, position)).collect();
    Ok(Explained { event, changes })
}

/// Where the changes of an entry are found.
#[derive(Debug, PartialEq, Eq)]
enum Changed {
    /// It is of a kind that changes no row that anybody follows.
    Nothing,
    /// In the history of a client.
    Client(String),
    /// Among the changes of the directory, which are few.
    Directory(Value),
}

impl Changed {
    fn by(event: &Event) -> anyhow::Result<Self> {
        let attributes = &event.attributes;
        let name = attributes.source.rsplit('/').next().unwrap_or_default();
        Ok(match &event.body {
            Body::ProvetRegistration(notice) => {
                let integration = attributes.integration_id.context("it names no integration")?;
                Self::Client(client_id(integration, &attributes.subject, &notice.client_id))
            }
            Body::ClientRetire => Self::Client(attributes.subject.clone()),
            Body::IntegrationCreate(create) => Self::integration(&create.integration.name),
            Body::IntegrationUpdate(_) | Body::IntegrationRotateHookup(_) | Body::IntegrationDelete => {
                Self::integration(name)
            }
            Body::LedgerCreate(_) => Self::Directory(json!({"from": "beginning", "type": "domain.*"})),
            Body::TokenCreate(_)
            | Body::TokenRevoke
            | Body::ClientReveal(_)
            | Body::QuarantineReceive(_)
            | Body::QuarantineReveal(_)
            | Body::QuarantineRelease(_)
            | Body::QuarantineDismiss => Self::Nothing,
        })
    }

    fn integration(name: &str) -> Self {
        Self::Directory(json!({"from": "beginning", "type": "integration.*", "integration": name}))
    }
}

#[derive(Deserialize)]
struct Sequence {
    partition: u32,
    sequence: String,
}

fn stands_at(change: &RawValue, partition: u32, position: u64) -> bool {
    let Ok(change) = serde_json::from_str::<Sequence>(change.get()) else {
        return false;
    };
    let found = change.sequence.split('.').next().and_then(|digits| digits.parse().ok());
    change.partition == partition && found == Some(position)
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn changes_are_told_by_their_place() {
        let change = to_raw_value(&json!({"partition": 0, "sequence": "00000000000000000017.0002"})).unwrap();
        assert!(stands_at(&change, 0, 17));
        assert!(!stands_at(&change, 0, 1));
        assert!(!stands_at(&change, 1, 17));
    }

    #[test]
    fn an_entry_says_where_its_changes_are() {
        let event = |kind: &str, source: &str, data: serde_json::Value| {
            let entry = json!({
                "specversion": "1.0", "id": "01890000-0000-7000-8000-000000000000", "source": source,
                "type": format!("regledger.{kind}.v1"), "subject": "c1", "time": "2026-11-23T10:00:00Z",
                "datacontenttype": "application/json", "dataschema": "x", "data": data,
            });
            Changed::by(&Event::parse(entry.to_string().as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(event("client.retire", "/clients/c1", json!({})), Changed::Client("c1".to_owned()));
        let deleted = event("integration.delete", "/integrations/acme-lab", json!({}));
        assert_eq!(deleted, Changed::integration("acme-lab"));
        assert_eq!(event("token.revoke", "/tokens", json!({})), Changed::Nothing);
    }
}
