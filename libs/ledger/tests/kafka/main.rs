//! The ledger in Kafka keeps the contract, also when brokers die and when the topic is not, or no
//! longer, what it must be.
#![allow(clippy::unwrap_used, clippy::panic)]

mod faults;
mod foreign;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acceptance::{Kafka, PATIENCE};
use bytes::Bytes;
use futures_util::future::join_all;
use kafka::Connection;
use ledger::{AppendError, Entry, KafkaLedger, KafkaOptions, Ledger, Limit, Place, Recorded, conformance};
use tokio::sync::watch;
use tokio::time::timeout;

const ALL: Limit = Limit { events: 1_000_000, bytes: usize::MAX };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_in_kafka_conforms() {
    let open = async |name: &'static str| Arc::new(open(Kafka::shared(), name).await) as Arc<dyn Ledger>;
    conformance::suite(open).await;
    conformance::durable(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_appends_wakes_who_watches() {
    let (ours, theirs) = (open(Kafka::shared(), "watched").await, open(Kafka::shared(), "watched").await);
    for n in 0..3 {
        let mut head = ours.watch(1).unwrap();
        append(&theirs, 1, format!("event {n}")).await.unwrap();
        wait(&mut head, |head| *head == n + 1).await;
        assert_eq!(read(&ours, 1, n, ALL).await.len(), 1, "what the head counts can be read");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_is_asked_for_and_not_remembered() {
    let (ours, theirs) = (open(Kafka::shared(), "fresh").await, open(Kafka::shared(), "fresh").await);
    for n in 0..20 {
        append(&theirs, 1, format!("event {n}")).await.unwrap();
        assert_eq!(ours.head(1).await.unwrap(), n + 1);
        assert_eq!(read(&ours, 1, n, ALL).await.len(), 1, "what the head counts can be read");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_at_once_each_get_what_they_asked_for() {
    let ledger = Arc::new(open(Kafka::shared(), "readers").await);
    let entries = |partition| (0..1000).map(move |n| entry(partition, format!("{partition}:{n}")));
    for partition in 0..3 {
        ledger.append(entries(partition).collect()).await.unwrap();
    }
    let reader = |start: u64| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            // In steps that every reader takes from another place, back and forth.
            for step in 0..20 {
                let (partition, from) = ((start + step) as u32 % 3, (start * 97 + step * 31) % 1000);
                let events = read(&ledger, partition, from, Limit { events: 7, bytes: usize::MAX }).await;
                assert_eq!(events.len() as u64, (1000 - from).min(7));
                for (event, position) in events.iter().zip(from..) {
                    assert_eq!((event.partition, event.position), (partition, position));
                    assert_eq!(event.bytes, format!("{partition}:{position}"));
                }
            }
        })
    };
    join_all((0..12).map(reader)).await.into_iter().for_each(Result::unwrap);
}

fn connection(kafka: &Kafka) -> Connection {
    Connection::new(&kafka.bootstrap_servers(), &BTreeMap::new()).unwrap()
}

fn options(topic: &str) -> KafkaOptions {
    KafkaOptions { check_every: Duration::from_millis(100), ..KafkaOptions::new(topic, 3) }
}

async fn open(kafka: &Kafka, topic: &str) -> KafkaLedger {
    KafkaLedger::open(&connection(kafka), options(topic)).await.unwrap()
}

fn entry(partition: u32, text: String) -> Entry {
    Entry::new(partition, partition == 0, Bytes::from(text))
}

async fn append(ledger: &KafkaLedger, partition: u32, text: String) -> Result<Place, AppendError> {
    Ok(ledger.append(vec![entry(partition, text)]).await?.remove(0))
}

async fn read(ledger: &KafkaLedger, partition: u32, from: u64, limit: Limit) -> Vec<Recorded> {
    ledger.read(partition, from, limit).await.unwrap()
}

async fn wait<T: Clone>(watched: &mut watch::Receiver<T>, what: impl FnMut(&T) -> bool) -> T {
    timeout(2 * PATIENCE, watched.wait_for(what)).await.unwrap().unwrap().clone()
}
