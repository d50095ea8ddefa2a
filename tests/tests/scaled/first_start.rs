//! A fleet that starts at once on nothing is one hub.

use std::collections::BTreeSet;

use acceptance::Client;
use acceptance::audit::{audit, clients};
use acceptance::sse::Stream;
use serde_json::json;

use crate::fleet::{Fleet, PARTITIONS, projected};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_processes_that_start_at_once_on_nothing_are_one_hub() {
    let fleet = Fleet::new();
    let [intake_a, intake_b, _projector_a, _projector_b, query_a, query_b] =
        fleet.start_all(["intake", "intake", "projector", "projector", "query", "query"]);
    let (admin_a, admin_b) = (query_a.admin(), query_b.admin());
    let hookup = admin_a.integration("acme-lab").await;
    let mut receipts = intake_b.acknowledged(&hookup, 1..20).await;
    receipts.extend(intake_a.acknowledged(&hookup, 20..40).await);
    let used: BTreeSet<u64> = receipts.iter().map(|receipt| receipt["partition"].as_u64().unwrap()).collect();
    assert!(used.len() > 1, "all tenants are in one partition");
    projected(&admin_b, &receipts).await;

    let rows = clients(&admin_b).await;
    assert_eq!(rows.len(), 39);
    it_is_revealed(&admin_a, &rows[0]["id"], &rows[0]["provet_id"]).await;
    audit(&admin_b, PARTITIONS, &receipts).await;
    assert_eq!(admin_a.get("/v1/tokens").await["items"].as_array().unwrap().len(), 1, "admin tokens");
}

async fn it_is_revealed(admin: &Client, id: &serde_json::Value, provet_id: &serde_json::Value) {
    let reveal = format!("/v1/clients/{}/reveal", id.as_str().unwrap());
    let revealed = admin.post(&reveal, &json!({"reason": "a test"})).await;
    assert_eq!(revealed["client_secret"], format!("secret-of-{provet_id}-4f9a1c0e7b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_at_another_process_without_a_gap_or_a_repetition() {
    let fleet = Fleet::new();
    let [intake, _projector, query_a, query_b] = fleet.start_all(["intake", "projector", "query", "query"]);
    let hookup = query_a.admin().integration("acme-lab").await;
    let receipts = intake.acknowledged(&hookup, 1..31).await;
    let query = "from=beginning&type=client.*";
    let mut frames = Stream::open(&query_a.admin(), query).await.changes(11).await;
    let mut rest = Stream::open_after(&query_b.admin(), query, frames[10].id.as_deref()).await;
    frames.extend(rest.changes(receipts.len() - frames.len()).await);
    let late = intake.acknowledged(&hookup, 31..32).await;
    frames.push(rest.next_change().await);
    let subjects: BTreeSet<String> = frames.iter().map(|frame| frame.json()["subject"].to_string()).collect();
    assert_eq!(subjects.len(), receipts.len() + late.len(), "{frames:?}");
}
