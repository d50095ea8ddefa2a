//! What an auditor does: holds receipts against the ledger, the client table against the receipts, and the changes against both.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::{Client, eventually};

/// Every entry of a ledger with one partition.
pub async fn events(admin: &Client) -> Vec<String> {
    events_of(admin, 0).await
}

/// Every entry of a partition as it is served, without its line break.
pub async fn events_of(admin: &Client, partition: usize) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    loop {
        let path = format!("/v1/events?limit=1000&partition={partition}&from={}", events.len());
        let answer = admin.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.unwrap();
        if text.is_empty() {
            return events;
        }
        assert!(text.ends_with('\n'), "the last line is cut off");
        events.extend(text.lines().map(str::to_owned));
    }
}

/// Every change as it is served, byte for byte.
pub async fn changes(admin: &Client) -> Vec<String> {
    let mut changes = Vec::new();
    let mut path = "/v1/changes?limit=1000".to_owned();
    loop {
        let answer = admin.request(reqwest::Method::GET, &path).header("accept", "application/json");
        let text = answer.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        let page: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).unwrap();
        let items: Vec<Box<RawValue>> = serde_json::from_str(page["items"].get()).unwrap();
        changes.extend(items.iter().map(|item| item.get().to_owned()));
        match serde_json::from_str::<Option<String>>(page["next"].get()).unwrap() {
            Some(next) => path = next,
            None => return changes,
        }
    }
}

/// Every row of the client table.
pub async fn clients(admin: &Client) -> Vec<Value> {
    let mut clients = Vec::new();
    let mut path = "/v1/clients?limit=1000".to_owned();
    loop {
        let page = admin.get(&path).await;
        clients.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => return clients,
        }
    }
}

/// RFC 6962, section 2.1: SHA-256 of a zero byte and the entry.
pub fn leaf_hash(entry: &str) -> String {
    BASE64.encode(&Sha256::new().chain_update([0]).chain_update(entry).finalize())
}

/// The entry that a receipt names.
fn entry_of<'a>(receipt: &Value, partitions: &'a [Vec<String>]) -> &'a str {
    let number = |name: &str| usize::try_from(receipt[name].as_u64().unwrap()).unwrap();
    let entry = partitions[number("partition")].get(number("position"));
    entry.unwrap_or_else(|| panic!("lost: {receipt}; the ledger has {:?} entries", lengths(partitions)))
}

fn lengths(partitions: &[Vec<String>]) -> Vec<usize> {
    partitions.iter().map(Vec::len).collect()
}

/// Each receipt names an entry of the ledger by place, id and leaf hash.
pub fn receipts_are_in_the_ledger(receipts: &[Value], partitions: &[Vec<String>]) {
    for receipt in receipts {
        let entry = entry_of(receipt, partitions);
        assert_eq!(receipt["leaf_hash"], leaf_hash(entry), "{receipt} {entry}");
        let event: Value = serde_json::from_str(entry).unwrap();
        assert_eq!(receipt["event_id"], event["id"], "{receipt} {entry}");
    }
}

/// The tenant of each receipt has a row.
pub fn tenants_are_in_the_table(receipts: &[Value], partitions: &[Vec<String>], clients: &[Value]) {
    let known: BTreeSet<&str> = clients.iter().map(|client| client["tenant"].as_str().unwrap()).collect();
    for receipt in receipts {
        let event: Value = serde_json::from_str(entry_of(receipt, partitions)).unwrap();
        let tenant = event["subject"].as_str().unwrap();
        assert!(known.contains(tenant), "{tenant} of {receipt} is not in the client table");
    }
}

/// Change ids are unique, in the order of their partition and without a gap within an event, and the last change of each
/// client holds its row.
pub fn changes_are_whole(changes: &[String], partitions: &[Vec<String>], clients: &[Value]) {
    let genesis: Value = serde_json::from_str(&partitions[0][0]).unwrap();
    let ledger = genesis["data"]["ledger"].as_str().unwrap();
    let mut before: Vec<Option<(u64, u64)>> = vec![None; partitions.len()];
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for change in changes {
        let change: Value = serde_json::from_str(change).unwrap();
        let (partition, position, ordinal) = place(ledger, &change);
        let events = partitions[partition].len() as u64;
        assert!(position < events, "{change} is of no event");
        let (known, next) = before[partition].map_or((0, 0), |(position, ordinal)| (position, ordinal + 1));
        assert!(position >= known, "{change} stands behind position {known}");
        assert_eq!(ordinal, if position == known { next } else { 0 }, "{change}");
        before[partition] = Some((position, ordinal));
        if let Some(id) = change["data"]["client"]["id"].as_str() {
            last.insert(id.to_owned(), change["data"]["client"].clone());
        }
    }
    assert_eq!(last.len(), clients.len(), "clients that changed, and clients in the table");
    for client in clients {
        assert_eq!(without_joined(client), without_joined(&last[client["id"].as_str().unwrap()]));
    }
}

/// A row without what is joined or computed when it is read.
fn without_joined(client: &Value) -> Value {
    let mut row = client.clone();
    for joined in ["latest", "domain"] {
        row.as_object_mut().unwrap().remove(joined);
    }
    row
}

/// Partition, position and ordinal of a change, from its id: `<ledger>-<partition>-<position>-<ordinal>`.
fn place(ledger: &str, change: &Value) -> (usize, u64, u64) {
    let id = change["id"].as_str().unwrap();
    let place = id.strip_prefix(ledger).unwrap_or_else(|| panic!("{id}"));
    let numbers: Vec<u64> = place.split('-').skip(1).map(|number| number.parse().unwrap()).collect();
    let [partition, position, ordinal] = numbers[..] else { panic!("{id}") };
    (usize::try_from(partition).unwrap(), position, ordinal)
}

/// What an auditor has read of a ledger.
#[derive(Debug, PartialEq, Eq)]
pub struct Audited {
    /// The entries of each partition.
    pub partitions: Vec<Vec<String>>,
    /// Every change.
    pub changes: Vec<String>,
}

/// Everything above, of a ledger with so many partitions and what was acknowledged.
pub async fn audit(admin: &Client, partitions: usize, receipts: &[Value]) -> Audited {
    assert!(!receipts.is_empty(), "nothing was acknowledged");
    let mut entries = Vec::new();
    for partition in 0..partitions {
        entries.push(events_of(admin, partition).await);
    }
    receipts_are_in_the_ledger(receipts, &entries);
    for (partition, events) in entries.iter().enumerate().filter(|(_, events)| !events.is_empty()) {
        let head = format!("/v1/clients?limit=1&min_position={partition}:{}", events.len() - 1);
        eventually(&head, async || admin.try_get(&head).await.0.is_success().then_some(())).await;
    }
    let (clients, changes) = (clients(admin).await, changes(admin).await);
    tenants_are_in_the_table(receipts, &entries, &clients);
    changes_are_whole(&changes, &entries, &clients);
    Audited { partitions: entries, changes }
}

/// The same of a ledger with one partition; the events and changes.
pub async fn everything_acknowledged_is_there(admin: &Client, receipts: &[Value]) -> (Vec<String>, Vec<String>) {
    let mut audited = audit(admin, 1, receipts).await;
    (audited.partitions.remove(0), audited.changes)
}
