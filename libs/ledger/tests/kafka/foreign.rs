//! What others do to the topic is never taken for what was appended.

use std::time::Duration;

use acceptance::Kafka;
use kafka::{Producer, Record, TopicError, Violation};
use ledger::{KafkaLedger, Ledger, OpenError, ReadError};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{ALL, append, connection, open, options, read, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_damage() {
    let ledger = open(Kafka::shared(), "gap").await;
    append(&ledger, 1, "first".to_owned()).await.unwrap();
    // Behind the one record stands the transaction's marker, which takes an offset and is never read.
    tokio::task::spawn_blocking(|| transaction("gap", 1)).await.unwrap();
    wait(&mut ledger.watch(1).unwrap(), |head| *head == 3).await;
    append(&ledger, 1, "last".to_owned()).await.unwrap();
    for (from, damaged) in [(0, 2), (1, 2), (2, 2)] {
        let error = ledger.read(1, from, ALL).await.unwrap_err();
        let found = matches!(error, ReadError::Corrupt { partition: 1, position, .. } if position == damaged);
        assert!(found, "from {from}: {error:?}");
    }
    assert_eq!(read(&ledger, 1, 3, ALL).await[0].bytes, "last", "what is intact can be read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tombstone_is_damage() {
    let ledger = open(Kafka::shared(), "tombstone").await;
    append(&ledger, 2, "first".to_owned()).await.unwrap();
    let producer = Producer::start(&connection(Kafka::shared()), "tombstone", kafka::Options::default()).unwrap();
    let record = Record { partition: 2, key: Some("key".into()), value: None };
    assert_eq!(producer.write(&[record]).await.unwrap(), [1]);
    assert_eq!(ledger.head(2).await.unwrap(), 2);
    let error = ledger.read(2, 0, ALL).await.unwrap_err();
    assert!(matches!(error, ReadError::Corrupt { partition: 2, position: 1, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_missed() {
    let ledger = open(Kafka::shared(), "deleted").await;
    for n in 0..5 {
        append(&ledger, 1, format!("event {n}")).await.unwrap();
    }
    let mut health = ledger.health();
    delete_records("deleted", 1, 3).await;
    let reason = wait(&mut health, Option::is_some).await.unwrap();
    assert!(reason.ends_with("partition 1 begins at 3: what was before that has been deleted"), "{reason}");
    for (from, damaged) in [(0, 0), (2, 2)] {
        let error = ledger.read(1, from, ALL).await.unwrap_err();
        let found = matches!(error, ReadError::Corrupt { partition: 1, position, .. } if position == damaged);
        assert!(found, "from {from}: {error:?}");
    }
    assert_eq!(read(&ledger, 1, 3, ALL).await.len(), 2, "what is left can be read");
    let Err(OpenError::Topic(TopicError::Unsafe { violations, .. })) =
        KafkaLedger::open(&connection(Kafka::shared()), options("deleted")).await
    else {
        panic!("it was opened again")
    };
    assert_eq!(violations, [Violation::Deleted { partition: 1, offset: 3 }]);
}

/// Writes one record in a transaction, as no program of ours does.
fn transaction(topic: &str, partition: i32) {
    let producer: BaseProducer = config().set("transactional.id", topic).create().unwrap();
    let patience = Duration::from_secs(60);
    producer.init_transactions(patience).unwrap();
    producer.begin_transaction().unwrap();
    producer
        .send(BaseRecord::<(), str>::to(topic).partition(partition).payload("foreign"))
        .map_err(|(e, _)| e)
        .unwrap();
    producer.commit_transaction(patience).unwrap();
}

async fn delete_records(topic: &str, partition: i32, before: i64) {
    let admin: AdminClient<DefaultClientContext> = config().create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(topic, partition, Offset::Offset(before)).unwrap();
    admin.delete_records(&offsets, &AdminOptions::new()).await.unwrap();
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", Kafka::shared().bootstrap_servers());
    config
}
