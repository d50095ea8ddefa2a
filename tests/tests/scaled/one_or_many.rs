//! One process and a fleet tell the same story.

use std::collections::BTreeMap;

use acceptance::audit::{changes, clients};
use acceptance::{Client, Server, notice};
use serde_json::{Value, json};

use crate::fleet::{Fleet, projected};

/// What depends on the ledger, or on where and when it happened.
const OF_THE_PLACE: &[&str] = &["id", "partition", "position", "registered_time", "changed_time"];

/// What a source sends: registrations, other departments, repetitions, installations anew, and what is refused.
fn story() -> Vec<Value> {
    let mut story = Vec::new();
    for step in 0..6 {
        for provet_id in 1..9 {
            let mut told = notice(provet_id);
            match (step, provet_id % 4) {
                (1 | 4, _) => told["departments"] = json!([provet_id, step]),
                (2, 1) => told["redirect_uris"] = json!("https://example.com/other"),
                (3, 2) => told["client_id"] = json!(format!("anew-{provet_id}")),
                (5, 3) => told["departments"] = json!([]),
                _ => {}
            }
            story.push(told);
        }
    }
    story
}

/// Tells the story; the receipts.
pub async fn tell(admin: &Client, hookup: &str) -> Vec<Value> {
    let mut receipts = Vec::new();
    for told in story() {
        receipts.push(admin.notify(hookup, &told).await);
    }
    receipts
}

/// The client table without what is of the place, in the order of the keys of its clients.
async fn table(admin: &Client) -> Vec<Value> {
    let mut rows = Vec::new();
    for mut client in clients(admin).await {
        for name in OF_THE_PLACE {
            client.as_object_mut().unwrap().remove(*name).unwrap();
        }
        rows.push(client);
    }
    rows.sort_by_key(|row| [row["tenant"].to_string(), row["client_id"].to_string()]);
    rows
}

/// Types and departments of the changes of each tenant, in their order.
async fn histories(admin: &Client) -> BTreeMap<String, Vec<Value>> {
    let mut histories: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for change in changes(admin).await {
        let change: Value = serde_json::from_str(&change).unwrap();
        let tenant = change["subject"].as_str().unwrap().to_owned();
        histories.entry(tenant).or_default().push(json!([change["type"], change["data"]["departments"]]));
    }
    histories
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_and_a_fleet_come_to_the_same_table_and_the_same_changes() {
    let one = Server::start();
    let admin = one.admin();
    projected(&admin, &tell(&admin, &admin.integration("acme-lab").await).await).await;

    let fleet = Fleet::new();
    let [intake, _first, _second, query] = fleet.start_all(["intake", "projector", "projector", "query"]);
    let hookup = intake.reached(&query.admin().integration("acme-lab").await);
    projected(&query.admin(), &tell(&intake.admin(), &hookup).await).await;

    assert_eq!(table(&admin).await, table(&query.admin()).await);
    assert_eq!(histories(&admin).await, histories(&query.admin()).await);
}
