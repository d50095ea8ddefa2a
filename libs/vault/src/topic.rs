//! The key store of scaled-out deployments: a compacted topic, every key replicated before it is handed out.
//!
//! The topic has one partition, whose order all agree on: of several keys that were made for a subject at once the first seals,
//! whoever made it. Each process follows the topic from its beginning and keeps all wrapped keys in memory, so that finding one
//! asks nobody. A million tenants take about half a gigabyte of memory, 250 MB of the topic, and some seconds at the start.
//!
//! A key is destroyed by a record without a value, a tombstone. Whoever follows the topic forgets the key at once; the brokers
//! remove its bytes when they compact, an hour and a few minutes later at the latest (`max.compaction.lag.ms`).

mod error;
mod follower;
mod health;
mod maker;
mod record;
mod view;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kafka::{Cleanup, Connection, Inspector, Options, Producer, Topic};
use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::contract::{Doomed, KeyStore};
use crate::error::KeyStoreError;
use crate::row::{Belonging, KeyRow};
use follower::Follower;
use health::Health;
use maker::{Maker, QUEUE, Request, write};
use watcher::Watcher;

pub use error::KafkaKeysError;

/// How long the bytes of a destroyed key may stay in the topic before brokers must remove them.
const LAG: Duration = Duration::from_secs(60 * 60);

/// How long brokers keep what says that a key was destroyed.
const TOMBSTONES: Duration = Duration::from_secs(24 * 60 * 60);

/// How many keys are destroyed in one write.
const DESTROYED_AT_A_TIME: usize = 500;

/// A key store in a topic of Kafka.
pub struct KafkaKeys {
    topic: String,
    producer: Arc<Producer>,
    follower: Arc<Follower>,
    health: watch::Receiver<Option<String>>,
    /// None once closed.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    working: Mutex<Option<JoinHandle<()>>>,
}

impl KafkaKeys {
    /// Opens the key store in `topic`, which is created if it does not exist, and reads it to its end.
    ///
    /// `risk_accepted`: the operator accepts that acknowledged keys may be lost, so any replication will do.
    ///
    /// # Errors
    /// [`KafkaKeysError::Topic`] if the topic could lose keys; else what is in the way.
    pub async fn open(connection: &Connection, topic: &str, risk_accepted: bool) -> Result<Self, KafkaKeysError> {
        let inspector = Inspector::open(connection, layout(topic, risk_accepted)).await?;
        // Keys are written in groups: none waits once it is handed over.
        let options = Options { linger: Duration::ZERO, ..Options::default() };
        let producer = Arc::new(Producer::start(connection, topic, options)?);
        let follower = Arc::new(Follower::start(connection, topic)?);
        // What has been read when this has been read is everything; and keys can be made.
        write(&producer, &follower, &[record::probe()]).await?;
        let (requests, asked) = mpsc::channel(QUEUE);
        let (health, report) = Health::new();
        let health = Arc::new(health);
        let watcher = Watcher { inspector, health: health.clone() };
        let maker = Maker { producer: producer.clone(), follower: follower.clone(), health, requests: asked };
        let working = tokio::spawn(work(maker, watcher, follower.clone()));
        Ok(Self {
            topic: topic.to_owned(),
            producer,
            follower,
            health: report,
            requests: Mutex::new(Some(requests)),
            working: Mutex::new(Some(working)),
        })
    }

    async fn belonging(&self) -> Result<Option<Belonging>, KeyStoreError> {
        self.follower.catch_up().await?;
        Ok(self.follower.look(|view| view.belonging().cloned()))
    }

    async fn establish(&self, belonging: Belonging) -> Result<Belonging, KeyStoreError> {
        if let Some(earlier) = self.belonging().await? {
            return Ok(earlier);
        }
        write(&self.producer, &self.follower, &[record::belongs(&belonging)]).await?;
        Ok(self.follower.look(|view| view.belonging().cloned()).unwrap_or(belonging))
    }

    async fn make(&self, row: KeyRow) -> Result<KeyRow, KeyStoreError> {
        if let Some(earlier) = self.follower.look(|view| view.sealing(&row).cloned()) {
            return Ok(earlier);
        }
        let (reply, made) = reply::channel();
        self.enqueue(Request { row, reply })?;
        made.await.unwrap_or(Err(KeyStoreError::Closed))
    }

    fn enqueue(&self, request: Request) -> Result<(), KeyStoreError> {
        let requests = self.requests.lock();
        let requests = requests.as_ref().ok_or(KeyStoreError::Closed)?;
        requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => KeyStoreError::Busy,
            TrySendError::Closed(_) => KeyStoreError::Closed,
        })
    }

    async fn by_kid(&self, kid: String) -> Result<Option<KeyRow>, KeyStoreError> {
        let find = || self.follower.look(|view| view.by_kid(&kid).cloned());
        if let Some(row) = find() {
            return Ok(Some(row));
        }
        self.follower.catch_up().await?;
        Ok(find())
    }

    async fn destroy(&self, doomed: Doomed) -> Result<u64, KeyStoreError> {
        self.follower.catch_up().await?;
        let kids = self.follower.look(|view| view.doomed(&doomed));
        for some in kids.chunks(DESTROYED_AT_A_TIME) {
            let records: Vec<_> = some.iter().map(|kid| record::destroyed(kid)).collect();
            write(&self.producer, &self.follower, &records).await?;
        }
        Ok(kids.len() as u64)
    }

    async fn close(&self) {
        drop(self.requests.lock().take());
        let working = self.working.lock().take();
        if let Some(working) = working {
            // A panic has been reported by the panic hook and by `health`.
            let _ = working.await;
        }
        self.producer.close().await;
    }
}

impl KeyStore for KafkaKeys {
    fn place(&self) -> String {
        self.topic.clone()
    }

    fn belonging(&self) -> BoxFuture<'_, Result<Option<Belonging>, KeyStoreError>> {
        self.belonging().boxed()
    }

    fn establish(&self, belonging: Belonging) -> BoxFuture<'_, Result<Belonging, KeyStoreError>> {
        self.establish(belonging).boxed()
    }

    fn has_keys(&self) -> BoxFuture<'_, Result<bool, KeyStoreError>> {
        async move {
            self.follower.catch_up().await?;
            Ok(self.follower.look(view::View::has_keys))
        }
        .boxed()
    }

    fn make(&self, row: KeyRow) -> BoxFuture<'_, Result<KeyRow, KeyStoreError>> {
        self.make(row).boxed()
    }

    fn by_kid(&self, kid: &str) -> BoxFuture<'_, Result<Option<KeyRow>, KeyStoreError>> {
        self.by_kid(kid.to_owned()).boxed()
    }

    fn destroy(&self, doomed: Doomed) -> BoxFuture<'_, Result<u64, KeyStoreError>> {
        self.destroy(doomed).boxed()
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.health.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.close().boxed()
    }
}

/// Makes keys until the store is closed, or is found to be damaged.
async fn work(mut maker: Maker, watcher: Watcher, follower: Arc<Follower>) {
    let damage = tokio::select! {
        () = maker.run() => return,
        damage = watcher.run() => damage,
        damage = follower.ended() => damage,
    };
    tracing::error!(reason = health::explain(&damage), "the key store takes nothing any more");
    drop(watcher);
    maker.refuse(damage).await;
}

fn layout(topic: &str, risk_accepted: bool) -> Topic {
    let cleanup = Cleanup::Compact { lag: LAG, tombstones: TOMBSTONES };
    Topic { name: topic.to_owned(), partitions: 1, cleanup, risk_accepted }
}
