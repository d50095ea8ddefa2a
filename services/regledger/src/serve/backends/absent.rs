//! In the place of the shared backends, where the executable was built without them.

use std::sync::Arc;

use anyhow::bail;
use api::Reason;
use ledger::Ledger;
use outbox::{Birth, Outbox};
use projection::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vault::KeyStore;

use crate::config::{KafkaTopics, Settings};
use crate::serve::stores::Stores;

/// Nothing that it needs can be away.
pub(in crate::serve) fn is_away(_: &anyhow::Error) -> bool {
    false
}

const HINT: &str =
    "this executable was built for one machine; build it with the feature scale-out, which is the default";

pub(super) async fn open_ledger(_: &Settings, topics: &KafkaTopics) -> anyhow::Result<Arc<dyn Ledger>> {
    bail!("there is no Kafka for the topic {}: {HINT}", topics.events)
}

pub(super) async fn open_keys(_: &Settings, topics: &KafkaTopics) -> anyhow::Result<Arc<dyn KeyStore>> {
    bail!("there is no Kafka for the topic {}: {HINT}", topics.keys())
}

pub(super) async fn open_state(_: &str, _: &str, _: u32) -> anyhow::Result<Arc<dyn Store>> {
    bail!("there is no PostgreSQL: {HINT}")
}

pub(super) async fn open_outbox(_: &str, _: Birth) -> anyhow::Result<Arc<dyn Outbox>> {
    bail!("there is no PostgreSQL: {HINT}")
}

pub(super) fn start_publisher(
    _: &Settings,
    topics: &KafkaTopics,
    _: &Stores,
    _: &mut JoinSet<anyhow::Result<()>>,
    _: &CancellationToken,
) -> anyhow::Result<Reason> {
    bail!("there is no Kafka for the topic {}: {HINT}", topics.beside("changes"))
}
