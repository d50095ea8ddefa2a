//! The key store in Kafka, with a real broker: it keeps the contract, whoever else writes, and also when the broker fails it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acceptance::{Kafka, eventually};
use bytes::Bytes;
use data_encoding::BASE64;
use kafka::{Connection, Options, Producer, Record};
use vault::{
    KafkaKeys, KafkaKeysError, Kek, KeyRow, KeyStore, KeyStoreError, OpenError, Vault, VaultError, conformance,
};

use super::{LEDGER, Place, day, field, quarantined, tenant};

mod compaction;
mod faults;
mod together;

async fn open(topic: &str) -> Arc<dyn KeyStore> {
    open_on(Kafka::shared(), topic).await
}

async fn open_on(kafka: &Kafka, topic: &str) -> Arc<dyn KeyStore> {
    Arc::new(KafkaKeys::open(&connection(kafka), topic, false).await.unwrap())
}

/// Failures are waited for, but not for long.
fn connection(kafka: &Kafka) -> Connection {
    let impatient = BTreeMap::from([("message.timeout.ms".to_owned(), "3000".to_owned())]);
    Connection::new(&kafka.bootstrap_servers(), &impatient).unwrap()
}

async fn vault(place: &Place, topic: &str) -> Vault {
    Vault::open(open(topic).await, place.kek(), LEDGER).await.unwrap()
}

/// A writer that does not ask the store.
async fn write(topic: &str, key: &str, value: Option<&str>) {
    let producer = Producer::start(&connection(Kafka::shared()), topic, Options::default()).unwrap();
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    let record = Record { partition: 0, key: Some(Bytes::copy_from_slice(key.as_bytes())), value };
    producer.write(&[record]).await.unwrap();
    producer.close().await;
}

fn row(kid: &str, name: &str) -> KeyRow {
    let (kid, kind, name) = (kid.to_owned(), "tenant".to_owned(), name.to_owned());
    KeyRow { kid, kind, name, made: 0, expires: None, wrapped: vec![7; 60] }
}

/// The value of a key's record, as this version writes it.
fn value(name: &str, wrapped: &[u8]) -> String {
    let wrapped = BASE64.encode(wrapped);
    format!(r#"{{"kind":"tenant","name":"{name}","made":0,"expires":null,"wrapped":"{wrapped}"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_store_in_kafka_conforms() {
    let open = async |name: &'static str| open(&format!("conforming.{}", name.replace(' ', "-"))).await;
    conformance::suite(open).await;
    conformance::durable(open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_encryption_key_and_another_ledger_are_refused() {
    let place = Place::new();
    vault(&place, "refused").await;
    let other = Kek::create_file(&place.path("another kek")).unwrap();
    let opened = Vault::open(open("refused").await, other, LEDGER).await;
    assert!(matches!(&opened, Err(OpenError::WrongKek { place }) if place == "refused"), "{opened:?}");
    let opened = Vault::open(open("refused").await, place.kek(), "another ledger").await;
    let expected = |error: &OpenError| matches!(error, OpenError::OtherLedger { found, .. } if found == LEDGER);
    assert!(opened.as_ref().is_err_and(expected), "{opened:?}");
    vault(&place, "refused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_of_ours_is_refused_at_the_start_and_ends_whoever_meets_it() {
    for (topic, key, value) in
        [("foreign.kind", "of a later version", Some("{}")), ("foreign.json", "key/k1", Some(""))]
    {
        let running = open(topic).await;
        let mut health = running.health();
        write(topic, key, value).await;
        eventually("the health ends", async || health.changed().await.err()).await;
        let refused = running.make(row("k2", "a")).await;
        assert!(matches!(refused, Err(KeyStoreError::Damaged { .. })), "{topic}: {refused:?}");
        running.close().await;
        let opened = KafkaKeys::open(&connection(Kafka::shared()), topic, false).await;
        let damaged = matches!(opened, Err(KafkaKeysError::Store(KeyStoreError::Damaged { .. })));
        assert!(damaged, "{topic}: {:?}", opened.err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_becomes_unsafe_shows_and_also_when_it_is_safe_again() {
    let keys = open("altered").await;
    let health = keys.health();
    let said = async |part: &str| {
        eventually(part, async || health.borrow().clone().unwrap_or_default().contains(part).then_some(())).await;
    };
    Kafka::shared().alter_topic("altered", &[("max.compaction.lag.ms", "86400000")]).await;
    said("max.compaction.lag.ms is 86400000").await;
    let opened = KafkaKeys::open(&connection(Kafka::shared()), "altered", false).await;
    assert!(matches!(opened, Err(KafkaKeysError::Topic(_))), "{:?}", opened.err());
    Kafka::shared().alter_topic("altered", &[("max.compaction.lag.ms", "3600000")]).await;
    eventually("healthy again", async || health.borrow().is_none().then_some(())).await;
}
