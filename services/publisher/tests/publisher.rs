//! The publisher between a store and a real broker.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acceptance::{Kafka, eventually};
use jiff::Timestamp;
use kafka::{Cleanup, Connection, Group, Inspector, Message, Reader, Topic, TransactionalProducer};
use projection::{Claim, Commit, Lease, NewChange, SqliteStore, Store, WrittenRow};
use prometheus::Registry;
use publisher::{Publisher, PublisherError, Topics};
use registration::change::ChangeType;
use registration::directory::Domain;
use registration::{Kind, Row, RowKey};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

/// A store with one partition, and topics that nobody else has.
struct World {
    store: Arc<dyn Store>,
    topics: Topics,
    _dir: TempDir,
}

fn fresh_id() -> Uuid {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u64_pair(u64::from(std::process::id()), NUMBER.fetch_add(1, Ordering::Relaxed))
}

impl World {
    async fn new(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let store = SqliteStore::open(&dir.path().join("state.db"), "l", 1, 2, sqlite::Options::default()).unwrap();
        let topics = Topics {
            connection: Connection::new(&Kafka::shared().bootstrap_servers(), &BTreeMap::new()).unwrap(),
            events: format!("{name}.events"),
            changes: format!("{name}.changes").into(),
            clients: format!("{name}.clients").into(),
            publisher: format!("{name}.publisher"),
            partitions: 1,
            risk_accepted: false,
        };
        let Topics { connection, events, partitions, .. } = &topics;
        let (name, partitions, cleanup) = (events.clone(), *partitions, Cleanup::Never);
        Inspector::open(connection, Topic { name, partitions, cleanup, risk_accepted: false }).await.unwrap();
        Self { store: Arc::new(store), topics, _dir: dir }
    }

    /// Commits an event with these changes.
    async fn happens(&self, changes: &[String]) {
        let lease = Lease { name: "projector/0".into(), epoch: fresh_id() };
        let claim = Claim { lease: lease.clone(), holder: "test".into(), ttl: SOON };
        self.store.claim(claim).await.unwrap();
        let position = self.store.cursor(0).await.unwrap().next;
        let (key, recorded_time) = (RowKey::new(Kind::Domain, "default"), Timestamp::UNIX_EPOCH);
        let domain = Row::Domain(Domain::new(Uuid::nil(), "default".to_owned(), recorded_time, 0));
        let changes = changes.iter().zip(0..).map(|(body, ordinal)| NewChange {
            position,
            ordinal,
            kind: ChangeType::ClientUpdated,
            row: key.clone(),
            recorded_time,
            body: body.clone().into(),
        });
        let commit = Commit {
            partition: 0,
            lease,
            expected: position,
            next: position + 1,
            ledger_time: recorded_time,
            rows: vec![WrittenRow::new(&key, &domain).unwrap()],
            changes: changes.collect(),
        };
        self.store.commit(commit).await.unwrap();
    }

    fn publish(&self) -> (CancellationToken, JoinHandle<Result<(), PublisherError>>) {
        let (now, metrics) = (|| Timestamp::UNIX_EPOCH, Registry::new());
        let publisher = Publisher::new(self.topics.clone(), self.store.clone(), now, fresh_id, &metrics).unwrap();
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(publisher.run(stop)))
    }

    /// So many records of a topic, once they are there.
    async fn records(&self, topic: &str, number: usize) -> Vec<Message> {
        let read = async || {
            let mut reader = Reader::open(&self.topics.connection, topic, 0, 0).ok()?;
            let reading = move || (0..number).map(|_| reader.next(Instant::now() + SOON)).collect::<Result<_, _>>();
            spawn_blocking(reading).await.unwrap().ok()
        };
        eventually(topic, read).await
    }

    async fn values(&self, number: usize) -> Vec<String> {
        let records = self.records(&self.topics.changes, number).await.into_iter();
        records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect()
    }
}

fn data(client: &str, state: &str) -> String {
    json!({"client": {"id": client, "state": state}}).to_string()
}

fn change(client: &str, state: &str) -> String {
    format!(r#"{{"specversion":"1.0","subject":"provetcloud.com/1","data":{}}}"#, data(client, state))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_record_of_a_client_is_its_row_and_of_an_erased_one_a_tombstone() {
    let world = World::new("tombstone").await;
    let (stop, running) = world.publish();
    world.happens(&[change("c1", "active"), change("c2", "active")]).await;
    world.happens(&[]).await;
    world.happens(&[change("c1", "erased")]).await;
    let rows = world.records(&world.topics.clients, 3).await;
    let rows: Vec<_> = rows.iter().map(|row| (row.key.as_deref().unwrap(), row.value.is_some())).collect();
    assert_eq!(rows, [(&b"c1"[..], true), (b"c2", true), (b"c1", false)]);
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(world.store.held("publisher/").await.unwrap(), [], "what is stopped in order gives its leases back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_goes_on_where_another_was_and_after_it_was_fenced_itself() {
    let world = World::new("fenced").await;
    world.happens(&[change("c1", "active")]).await;
    let (stop, running) = world.publish();
    world.values(1).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    world.happens(&[change("c2", "active")]).await;
    let (stop, running) = world.publish();
    world.values(2).await;

    let Topics { connection, publisher, events, .. } = &world.topics;
    let group = Arc::new(Group::of(connection, publisher, events).unwrap());
    let other = TransactionalProducer::take_over(connection, &format!("{publisher}.0"), &group).await.unwrap();
    world.happens(&[change("c3", "active")]).await;
    assert_eq!(world.values(3).await, ["c1", "c2", "c3"].map(|client| data(client, "active")));
    assert_eq!(group.position(0).await.unwrap(), Some(3));
    let late = other.commit(Vec::new(), 0, 1).await;
    assert!(late.is_err(), "{late:?}");
    other.close().await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_none_ends_the_process() {
    let world = World::new("damaged").await;
    world.happens(&["{}".to_owned()]).await;
    let (_stop, running) = world.publish();
    let ended = running.await.unwrap();
    assert!(matches!(ended, Err(PublisherError::Change { partition: 0, position: 0, .. })), "{ended:?}");
}
