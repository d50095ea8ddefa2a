//! Backends that many processes share: Kafka and PostgreSQL. And the topics in which the changes are told.

mod away;

use std::sync::Arc;

use anyhow::Context;
use api::Reason;
use kafka::Connection;
use ledger::{KafkaLedger, KafkaOptions, Ledger};
use outbox::{Birth, Outbox, PostgresOutbox};
use projection::{PostgresStore, Store};
use publisher::{Publisher, Topics};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vault::{KafkaKeys, KeyStore};

use super::READERS;
use crate::config::{KafkaTopics, Settings};
use crate::serve::stores::Stores;

pub(in crate::serve) use away::is_away;

/// Reads of the delivery store that run at a time.
const DELIVERY_READERS: usize = 4;

pub(super) async fn open_ledger(settings: &Settings, topics: &KafkaTopics) -> anyhow::Result<Arc<dyn Ledger>> {
    let options = KafkaOptions {
        risk_accepted: settings.accept_unsafe_topics,
        ..KafkaOptions::new(&topics.events, settings.partitions)
    };
    let ledger = KafkaLedger::open(&connection(settings, topics)?, options).await;
    Ok(Arc::new(ledger.with_context(|| format!("cannot open the ledger in the topic {}", topics.events))?))
}

pub(super) async fn open_keys(settings: &Settings, topics: &KafkaTopics) -> anyhow::Result<Arc<dyn KeyStore>> {
    let (connection, topic) = (connection(settings, topics)?, topics.keys());
    let keys = KafkaKeys::open(&connection, &topic, settings.accept_unsafe_topics).await;
    Ok(Arc::new(keys.with_context(|| format!("cannot open the key store in the topic {topic}"))?))
}

pub(super) async fn open_state(url: &str, ledger: &str, partitions: u32) -> anyhow::Result<Arc<dyn Store>> {
    let store = PostgresStore::open(url, ledger, partitions, READERS).await;
    Ok(Arc::new(store.context("cannot open the state store in PostgreSQL")?))
}

pub(super) async fn open_outbox(url: &str, born: Birth) -> anyhow::Result<Arc<dyn Outbox>> {
    let store = PostgresOutbox::open(url, born, DELIVERY_READERS).await;
    Ok(Arc::new(store.context("cannot open the delivery store in PostgreSQL")?))
}

pub(super) fn start_publisher(
    settings: &Settings,
    topics: &KafkaTopics,
    stores: &Stores,
    roles: &mut JoinSet<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<Reason> {
    let (clock, ids, stop) = (stores.clock.clone(), stores.clock.clone(), stop.clone());
    let topics = Topics {
        connection: connection(settings, topics)?,
        events: topics.events.clone(),
        changes: topics.beside("changes").into(),
        clients: topics.beside("clients").into(),
        publisher: topics.beside("publisher"),
        partitions: stores.ledger.partitions(),
        risk_accepted: settings.accept_unsafe_topics,
    };
    let (now, new_id) = (move || clock.now(), move || ids.new_id());
    let publisher = Publisher::new(topics, stores.state()?.clone(), now, new_id, &stores.registry)?;
    let status = publisher.status();
    roles.spawn(async move { publisher.run(stop).await.context("the publisher died") });
    Ok(status)
}

fn connection(settings: &Settings, topics: &KafkaTopics) -> anyhow::Result<Connection> {
    Connection::new(&topics.servers, &settings.kafka).context("the settings of the Kafka client are refused")
}
