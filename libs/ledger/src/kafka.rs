//! The ledger of a scaled-out hub: one Kafka topic, in which an event's offset is its position.
//!
//! Partition 0 holds the directory alone; so there are at least two. Nothing is transactional,
//! because the markers of a transaction take offsets.

mod guard;
mod heads;
mod health;
mod readers;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kafka::{Cleanup, Connection, Inspector, Offsets, Options, Producer, Record, Topic, WriteError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::heads::{Heads, Lost};
use self::health::{Concern, Health};
use self::readers::{Readers, Select};
use crate::entry::check;
use crate::{AppendError, Entry, Flaw, Ledger, Limit, OpenError, Place, ReadError, Recorded};

/// Which topic is the ledger, and how it is used.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// The topic's name.
    pub topic: String,
    /// How many partitions it has; at least 2.
    pub partitions: u32,
    /// The operator accepts that acknowledged events may be lost: any replication will do.
    pub risk_accepted: bool,
    /// How many events may be on their way at a time; more are [`AppendError::Busy`], also if they
    /// come in one batch.
    pub in_flight: u32,
    /// How often it is looked whether the topic still is as it must be.
    pub check_every: Duration,
}

/// A ledger in a Kafka topic.
pub struct KafkaLedger {
    partitions: u32,
    producer: Producer,
    readers: Readers,
    heads: Heads,
    health: Arc<Health>,
    /// None once closed. When it is dropped, the tasks end.
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    stop: watch::Sender<()>,
    running: [JoinHandle<()>; 2],
}

impl KafkaOptions {
    /// The usual bounds for a topic.
    #[must_use]
    pub fn new(topic: &str, partitions: u32) -> Self {
        let check_every = Duration::from_secs(10);
        Self { topic: topic.to_owned(), partitions, risk_accepted: false, in_flight: 4096, check_every }
    }
}

impl KafkaLedger {
    /// Opens the ledger, or creates its topic, within a Tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] says everything that is wrong with the topic.
    pub async fn open(connection: &Connection, options: KafkaOptions) -> Result<Self, OpenError> {
        let KafkaOptions { topic: name, partitions, risk_accepted, in_flight, check_every } = options;
        if partitions < 2 {
            return Err(OpenError::Partitions { found: partitions });
        }
        let topic = Topic { name: name.clone(), partitions, cleanup: Cleanup::Never, risk_accepted };
        let inspector = Inspector::open(connection, topic).await?;
        let heads = Heads::new(Offsets::of(connection, &name)?, partitions);
        heads.ask_all().await?;
        let producer = Producer::start(connection, &name, Options { in_flight, ..Options::default() })?;
        let readers = Readers::new(connection, &name, partitions);
        let health = Arc::new(Health::new());
        let (stop, stopped) = watch::channel(());
        let running = [
            tokio::spawn(heads::follow(heads.clone(), health.clone(), stopped.clone())),
            tokio::spawn(guard::watch_over(inspector, check_every, health.clone(), stopped)),
        ];
        let tasks = Mutex::new(Some(Tasks { stop, running }));
        Ok(Self { partitions, producer, readers, heads, health, tasks })
    }

    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Place>, AppendError> {
        check(&batch, self.partitions)?;
        check_alone(&batch)?;
        let records: Vec<Record> = batch.into_iter().map(Record::from).collect();
        let known: Vec<u64> =
            records.iter().map(|record| self.heads.known(record.partition).unwrap_or_default()).collect();
        let written = self.producer.write(&records).await;
        self.note(&written);
        let places =
            records.iter().zip(written?).map(|(record, position)| Place { partition: record.partition, position });
        let places: Vec<Place> = places.collect();
        self.assert_appended(&places, &known)?;
        places.iter().for_each(|place| self.heads.publish(place.partition, place.position + 1));
        Ok(places)
    }

    /// A position that had an event before proves that the brokers have lost it: nothing more is acknowledged.
    fn assert_appended(&self, places: &[Place], known: &[u64]) -> Result<(), AppendError> {
        let reused = places.iter().zip(known).find(|(place, known)| place.position < **known);
        let Some((place, known)) = reused else {
            return Ok(());
        };
        let lost = Lost { partition: place.partition, end: place.position, known: *known };
        self.health.bad(Concern::Brokers, &lost);
        self.health.end();
        Err(AppendError::Damaged { source: Arc::new(lost) })
    }

    fn note(&self, written: &Result<Vec<u64>, WriteError>) {
        match written {
            Ok(_) => self.health.good(Concern::Append),
            Err(WriteError::Full | WriteError::Closed) => {}
            Err(error) => {
                self.health.bad(Concern::Append, error);
                self.health.failed.notify_one();
            }
        }
    }

    async fn select(&self, partition: u32, from: u64, limit: Limit) -> Result<Vec<Recorded>, ReadError> {
        let below = self.heads.known(partition)?;
        self.readers.read(Select { partition, from, below, limit }).await
    }

    async fn stop(&self) {
        self.producer.close().await;
        let tasks = self.tasks.lock().take();
        if let Some(Tasks { stop, running }) = tasks {
            drop(stop);
            for task in running {
                // A panic has been reported by the panic hook.
                let _ = task.await;
            }
        }
        self.health.end();
    }
}

impl Ledger for KafkaLedger {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<Vec<Place>, AppendError>> {
        self.write(batch).boxed()
    }

    fn read(&self, partition: u32, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.select(partition, from, limit).boxed()
    }

    fn read_directory(&self, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.select(0, from, limit).boxed()
    }

    fn head(&self, partition: u32) -> BoxFuture<'_, Result<u64, ReadError>> {
        self.heads.ask(partition).boxed()
    }

    fn watch(&self, partition: u32) -> Result<watch::Receiver<u64>, ReadError> {
        self.heads.watch(partition)
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.health.watch()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.stop().boxed()
    }
}

/// Refuses what is not the directory's in the directory's partition.
fn check_alone(batch: &[Entry]) -> Result<(), AppendError> {
    match batch.iter().position(|entry| entry.partition == 0 && !entry.directory) {
        Some(index) => Err(AppendError::Unacceptable { index, source: Flaw::OnlyDirectory }),
        None => Ok(()),
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        // Whether it is the directory's is said by its partition.
        Self { partition: entry.partition, key: None, value: Some(entry.bytes) }
    }
}

impl From<WriteError> for AppendError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Full => Self::Busy,
            WriteError::Rejected { source } => Self::Rejected { source },
            WriteError::Closed => Self::Closed,
            WriteError::Unknown { source } => Self::Unknown { source },
            // Of what this version does not know, it does not know either whether it was written.
            other => Self::Unknown { source: Arc::new(other) },
        }
    }
}
