//! The topics of the changes, as a consumer reads them that others wrote, in another language.

use std::collections::{BTreeMap, BTreeSet};

use acceptance::audit::{audit, changes, clients};
use acceptance::load::Load;
use acceptance::{Client, Kafka, Postgres, eventually, python, repository};
use serde_json::{Value, json};

use crate::fleet::{Fleet, PARTITIONS, projected};
use crate::one_or_many::tell;

/// What depends on other rows, and is joined when a row is read.
const JOINED: &[&str] = &["domain", "latest"];

/// Every record of a topic that is committed, in the order of its partition.
fn records(kafka: &Kafka, topic: &str) -> Vec<Value> {
    let script = repository().join("tests/tests/scaled/topics.py");
    let done = python().arg(script).args([&kafka.bootstrap_servers(), topic]).output().unwrap();
    assert!(done.status.success(), "{topic}: {}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The changes of each subject in their order, as CloudEvents.
fn by_subject(events: impl IntoIterator<Item = Value>) -> BTreeMap<String, Vec<Value>> {
    let mut subjects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in events {
        subjects.entry(event["subject"].as_str().unwrap().to_owned()).or_default().push(event);
    }
    subjects
}

/// A change as `/v1/changes` shows it, of what the SDK has read.
fn cloud_event(record: &Value) -> Value {
    let mut event = record["attributes"].clone();
    assert_eq!(event["partitionkey"], event["subject"], "the SDK makes an attribute of the key");
    event.as_object_mut().unwrap().remove("partitionkey");
    event["partition"] = event["partition"].as_str().unwrap().parse::<u64>().unwrap().into();
    event["data"] = record["data"].clone();
    event
}

/// Every change by its subject, as `/v1/changes` shows it.
async fn told(admin: &Client) -> BTreeMap<String, Vec<Value>> {
    by_subject(changes(admin).await.iter().map(|change| serde_json::from_str(change).unwrap()))
}

/// Waits until all changes are in their topic, and no more than these.
async fn changes_are_published(kafka: &Kafka, name: &str, admin: &Client) {
    let told = told(admin).await;
    let all = told.values().map(Vec::len).sum();
    let topic = format!("{name}.changes");
    let records = eventually("changes", async || Some(records(kafka, &topic)).filter(|found| found.len() >= all)).await;
    for record in &records {
        assert_eq!(record["partition"], record["chosen"], "the partition of {record}");
    }
    assert_eq!(by_subject(records.iter().map(cloud_event)), told);
}

/// The last row of each client in its topic.
fn last_rows(kafka: &Kafka, name: &str) -> BTreeMap<String, Value> {
    let records = records(kafka, &format!("{name}.clients")).into_iter();
    records
        .map(|record| {
            assert_eq!(record["partition"], record["chosen"], "the partition of {record}");
            (record["key"].as_str().unwrap().to_owned(), record["row"].clone())
        })
        .collect()
}

/// Waits until the last row of each client in its topic is that of the client table.
async fn clients_are_published(kafka: &Kafka, name: &str, admin: &Client) {
    let table = clients(admin).await.into_iter().map(|mut row| {
        JOINED.iter().for_each(|joined| drop(row.as_object_mut().unwrap().remove(*joined).unwrap()));
        (row["id"].as_str().unwrap().to_owned(), row)
    });
    let table: BTreeMap<String, Value> = table.collect();
    eventually("rows", async || (last_rows(kafka, name).len() == table.len()).then_some(())).await;
    assert_eq!(last_rows(kafka, name), table);
}

/// Waits until both topics say what `/v1/changes` and `/v1/clients` say.
pub async fn published(kafka: &Kafka, name: &str, admin: &Client) {
    changes_are_published(kafka, name, admin).await;
    clients_are_published(kafka, name, admin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_in_another_language_reads_every_change_once_and_the_clients_as_they_are() {
    let fleet = Fleet::new();
    let [intake, projector, _another, query] = fleet.start_all(["intake", "projector", "projector", "query"]);
    let (admin, hookup) = (query.admin(), intake.reached(&query.admin().integration("acme-lab").await));
    let receipts = tell(&intake.admin(), &hookup).await;
    projected(&admin, &receipts).await;
    let retired = clients(&admin).await[0]["id"].as_str().unwrap().to_owned();
    admin.post(&format!("/v1/clients/{retired}/retire"), &json!({})).await;
    published(Kafka::shared(), &fleet.name, &admin).await;
    assert_eq!(last_rows(Kafka::shared(), &fleet.name)[&retired]["state"], "retired");
    for name in ["regledger_change_topics_position", "regledger_change_topics_lag_seconds"] {
        eventually(name, async || {
            let metrics = projector.admin().get("/metrics").await.to_string();
            metrics.contains(&format!("{name}{{partition=")).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_out_or_published_twice_when_publishers_and_the_broker_are_killed_under_load() {
    let kafka = Kafka::start();
    let fleet = Fleet::on(&kafka, Postgres::shared());
    let [intake, mut one, mut two, query] = fleet.start_all(["intake", "projector", "projector", "query"]);
    let hookup = query.admin().integration("acme-lab").await;
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let load = Load::start(&intake.reached(&hookup), &receipts);
    for (round, process) in [&mut one, &mut two].into_iter().enumerate() {
        load.acknowledged(60 + 31 * round).await;
        fleet.restart(process);
    }
    kafka.kill(0);
    kafka.restart(0);
    load.acknowledged(60).await;
    let receipts = load.stop();
    audit(&query.admin(), PARTITIONS, &receipts).await;
    published(&kafka, &fleet.name, &query.admin()).await;
    one.is_ready().await;
    two.is_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_was_paused_past_its_leases_overwrites_nothing_and_repeats_nothing() {
    let fleet = Fleet::new();
    let [intake, query, paused] = fleet.start_all(["intake", "query", "projector"]);
    let hookup = query.admin().integration("acme-lab").await;
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let load = Load::start(&intake.reached(&hookup), &receipts);
    load.acknowledged(100).await;
    paused.server.signal("STOP");
    let _other = fleet.start("projector");
    // Published by the other, while the paused one still believes that it has the partitions.
    projected(&query.admin(), &load.receipts()).await;
    load.acknowledged(100).await;
    paused.server.signal("CONT");
    load.acknowledged(100).await;
    let receipts = load.stop();
    paused.is_ready().await;
    audit(&query.admin(), PARTITIONS, &receipts).await;
    published(Kafka::shared(), &fleet.name, &query.admin()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_another_kind_is_told_and_not_written_to_while_the_projection_goes_on() {
    let (kafka, fleet) = (Kafka::shared(), Fleet::new());
    let [intake, mut projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let (admin, hookup) = (query.admin(), query.admin().integration("acme-lab").await);
    projected(&admin, &intake.acknowledged(&hookup, 1..4).await).await;
    published(kafka, &fleet.name, &admin).await;
    let clients = format!("{}.clients", fleet.name);
    kafka.alter_topic(&clients, &[("cleanup.policy", "delete")]).await;
    let reason = projector.is_unready("topics").await;
    assert!(reason.contains("cleanup.policy is delete instead of compact"), "{reason}");
    fleet.restart(&mut projector);
    projected(&admin, &intake.acknowledged(&hookup, 4..7).await).await;
    projector.is_unready("topics").await;
    assert_eq!(last_rows(kafka, &fleet.name).len(), 3);
    kafka.alter_topic(&clients, &[("cleanup.policy", "compact")]).await;
    projector.is_ready().await;
    published(kafka, &fleet.name, &admin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_position_is_lost_all_changes_come_again_with_the_same_ids() {
    let (kafka, fleet) = (Kafka::shared(), Fleet::new());
    let [intake, mut projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let (admin, hookup) = (query.admin(), query.admin().integration("acme-lab").await);
    projected(&admin, &intake.acknowledged(&hookup, 1..8).await).await;
    published(kafka, &fleet.name, &admin).await;
    projector.server.kill();
    kafka.forget_group(&format!("{}.publisher", fleet.name)).await;
    fleet.restart(&mut projector);
    let once = changes(&admin).await.len();
    let topic = format!("{}.changes", fleet.name);
    let again =
        eventually("repetitions", async || Some(records(kafka, &topic)).filter(|found| found.len() >= 2 * once)).await;
    let ids: BTreeSet<&str> = again.iter().map(|record| record["attributes"]["id"].as_str().unwrap()).collect();
    assert_eq!((again.len(), ids.len()), (2 * once, once));
    clients_are_published(kafka, &fleet.name, &admin).await;
    projector.server.has_logged("it is not known how far a partition was published").await;
}
