//! What an auditor does: holds receipts against the ledger, the client table against the receipts, and the changes against both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use acceptance::Client;
use data_encoding::BASE64;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// Every entry of the ledger as it is served, without its line break.
pub async fn events(admin: &Client) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    loop {
        let path = format!("/v1/events?limit=1000&from={}", events.len());
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

/// Each receipt names an entry of the ledger by place, id and leaf hash.
pub fn receipts_are_in_the_ledger(receipts: &[Value], events: &[String]) {
    for receipt in receipts {
        assert_eq!(receipt["partition"], 0, "{receipt}");
        let position = usize::try_from(receipt["position"].as_u64().unwrap()).unwrap();
        let entry =
            events.get(position).unwrap_or_else(|| panic!("lost: {receipt}; the ledger has {} entries", events.len()));
        assert_eq!(receipt["leaf_hash"], leaf_hash(entry), "{receipt} {entry}");
        let event: Value = serde_json::from_str(entry).unwrap();
        assert_eq!(receipt["event_id"], event["id"], "{receipt} {entry}");
    }
}

/// The tenant of each receipt has a row.
pub fn tenants_are_in_the_table(receipts: &[Value], events: &[String], clients: &[Value]) {
    let known: BTreeSet<&str> = clients.iter().map(|client| client["tenant"].as_str().unwrap()).collect();
    for receipt in receipts {
        let position = usize::try_from(receipt["position"].as_u64().unwrap()).unwrap();
        let event: Value = serde_json::from_str(&events[position]).unwrap();
        let tenant = event["subject"].as_str().unwrap();
        assert!(known.contains(tenant), "{tenant} of {receipt} is not in the client table");
    }
}

/// Change ids are unique, in order and without a gap within an event, and the last change of each client holds its row.
pub fn changes_are_whole(changes: &[String], events: &[String], clients: &[Value]) {
    let ledger = serde_json::from_str::<Value>(&events[0]).unwrap()["data"]["ledger"].as_str().unwrap().to_owned();
    let mut before = (u64::MAX, 0);
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for change in changes {
        let change: Value = serde_json::from_str(change).unwrap();
        let (position, ordinal) = place(&ledger, &change);
        let expected = if position == before.0 { before.1 + 1 } else { 0 };
        assert!(before.0 == u64::MAX || position >= before.0, "{change} stands behind position {}", before.0);
        assert_eq!(ordinal, expected, "{change}");
        assert!(position < events.len() as u64, "{change} is of no event");
        before = (position, ordinal);
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

/// Position and ordinal of a change, from its id: `<ledger>-<partition>-<position>-<ordinal>`.
fn place(ledger: &str, change: &Value) -> (u64, u64) {
    let id = change["id"].as_str().unwrap();
    let place = id.strip_prefix(ledger).and_then(|rest| rest.strip_prefix("-0-")).unwrap_or_else(|| panic!("{id}"));
    let (position, ordinal) = place.split_once('-').unwrap();
    (position.parse().unwrap(), ordinal.parse().unwrap())
}

/// The positions of a ledger's file are 0, 1, 2 …, and SQLite finds nothing wrong with it.
pub fn the_file_has_no_gap(ledger: &Path, events: usize) {
    let file = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let positions = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let sql = "SELECT min(position), max(position), count(*) FROM event";
    let found: (i64, i64, i64) = file.query_row(sql, [], positions).unwrap();
    let events = i64::try_from(events).unwrap();
    assert_eq!(found, (0, events - 1, events));
    let check: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

/// Everything above, of a server and what it acknowledged; the events and changes.
pub async fn everything_acknowledged_is_there(admin: &Client, receipts: &[Value]) -> (Vec<String>, Vec<String>) {
    assert!(!receipts.is_empty(), "nothing was acknowledged");
    let events = events(admin).await;
    receipts_are_in_the_ledger(receipts, &events);
    let head = format!("/v1/clients?limit=1&min_position=0:{}", events.len() - 1);
    crate::hub::answers(admin, &head).await;
    let (clients, changes) = (clients(admin).await, changes(admin).await);
    tenants_are_in_the_table(receipts, &events, &clients);
    changes_are_whole(&changes, &events, &clients);
    (events, changes)
}
