//! The one producer that writes to a topic.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::Connection;
use crate::delivery::{Answers, Failed, Outcome, Ticket};

/// How long a producer that was given up may take to answer those who wait.
const FAREWELL: Duration = Duration::from_secs(5);

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: u32,
    /// Its key, if it has one.
    pub key: Option<Bytes>,
    /// Its value; None is a tombstone.
    pub value: Option<Bytes>,
}

/// Bounds of a producer.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many records may be in flight, at least 1; more are refused with [`WriteError::Full`],
    /// also if they come in one write.
    pub in_flight: u32,
    /// How long a record waits for others when no request is under way, unless an operator has set another time. One that
    /// stays alone waits a whole millisecond: librdkafka's timer rounds up.
    pub linger: Duration,
}

impl Default for Options {
    /// With a linger of 0.4 ms, 64 writers that wait for their acknowledgements made a third more requests than with 0.8; with
    /// 1.2 ms they left twice as much of the machine idle.
    fn default() -> Self {
        Self { in_flight: 4096, linger: Duration::from_micros(600) }
    }
}

/// What is known about records that were not confirmed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Too many records are in flight. Nothing was written; try again later.
    #[error("too many records are in flight")]
    Full,
    /// Nothing was written.
    #[error("the write was rejected; nothing was written")]
    Rejected {
        /// What failed.
        source: Arc<KafkaError>,
    },
    /// Any of them may or may not have been written.
    #[error("the write failed; it is not known whether it was written")]
    Unknown {
        /// What failed.
        source: Arc<KafkaError>,
    },
    /// The producer has been closed. Nothing was written.
    #[error("the producer is closed")]
    Closed,
}

/// Writes to one topic: idempotent, acknowledged by all in-sync replicas, in the order of the calls.
///
/// A producer of librdkafka whose record failed is given up, also where librdkafka would go on: it
/// would do so under a new epoch, in which the brokers no longer recognise what they have already
/// got, and what it sends again would stand there twice. Whatever else it had in flight fails with
/// it.
pub struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    topic: String,
    /// None once closed.
    current: RwLock<Option<Current>>,
    room: Arc<Semaphore>,
    options: Options,
}

/// The producer of librdkafka that is in use.
struct Current {
    native: Native,
    /// Counts the producers that were given up before it.
    generation: u64,
}

type Native = ThreadedProducer<Answers>;

/// A record's answer, when it comes.
type Answer = reply::Answer<Outcome>;

impl Producer {
    /// A producer for `topic`. Connects in the background.
    ///
    /// # Errors
    /// What librdkafka says of the connection's settings.
    pub fn start(connection: &Connection, topic: &str, options: Options) -> KafkaResult<Self> {
        let options = Options { in_flight: options.in_flight.max(1), ..options };
        let shared = Shared {
            connection: connection.clone(),
            topic: topic.to_owned(),
            current: RwLock::new(Some(Current { native: native(connection, options)?, generation: 0 })),
            room: Arc::new(Semaphore::new(options.in_flight as usize)),
            options,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Writes `records` and says at which offset each stands, in their order. Those of one partition
    /// are written in order; those of others may lie between them. They are replicated when this
    /// returns `Ok`. Never waits for room; once polled, they are written also if the caller stops
    /// waiting.
    ///
    /// # Errors
    /// [`WriteError`] says what is known about them.
    pub async fn write(&self, records: &[Record]) -> Result<Vec<u64>, WriteError> {
        let (answers, generation) = self.shared.enqueue(records)?;
        let mut pending = Pending { shared: &self.shared, answers, generation };
        judge(self.shared.outcomes(&mut pending.answers, generation).await)
    }

    /// Waits until everything in flight is answered, refuses everything else, and ends the threads.
    pub async fn close(&self) {
        let current = self.shared.current.write().take();
        drop(self.shared.room.acquire_many(self.shared.options.in_flight).await);
        if let Some(Current { native, .. }) = current {
            retire(native).await;
        }
    }
}

/// A write that is not answered yet.
struct Pending<'a> {
    shared: &'a Arc<Shared>,
    answers: Vec<Answer>,
    generation: u64,
}

impl Drop for Pending<'_> {
    /// A failure must be seen to although nobody waits for it any more.
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.answers.is_empty(), Handle::try_current()) {
            let (shared, generation) = (self.shared.clone(), self.generation);
            let mut answers = std::mem::take(&mut self.answers);
            runtime.spawn(async move { shared.outcomes(&mut answers, generation).await });
        }
    }
}

impl Shared {
    /// What became of the records whose answers these are, in their order; none is left. A producer that failed is replaced.
    async fn outcomes(&self, answers: &mut Vec<Answer>, generation: u64) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(answers.len());
        // Who waits for the last one first is woken once: it is answered after the others.
        while let Some(answer) = answers.last_mut() {
            let died = Failed { absent: false, spent: true, source: KafkaError::Canceled };
            let outcome = answer.await.unwrap_or(Err(died));
            answers.pop();
            if matches!(outcome, Err(Failed { spent: true, .. })) {
                self.replace(generation).await;
            }
            outcomes.push(outcome);
        }
        outcomes.reverse();
        outcomes
    }

    /// Hands the records over, and says to which generation.
    fn enqueue(&self, records: &[Record]) -> Result<(Vec<Answer>, u64), WriteError> {
        let current = self.current.read();
        let Current { native, generation } = current.as_ref().ok_or(WriteError::Closed)?;
        let mut answers = Vec::with_capacity(records.len());
        for (record, permit) in records.iter().zip(self.permits(records.len())?) {
            let (reply, answer) = reply::channel();
            answers.push(answer);
            send(native, &self.topic, record, Ticket { reply, permit });
        }
        Ok((answers, *generation))
    }

    fn permits(&self, records: usize) -> Result<impl Iterator<Item = OwnedSemaphorePermit>, WriteError> {
        let wanted = u32::try_from(records).map_err(|_| WriteError::Full)?;
        let mut all = self.room.clone().try_acquire_many_owned(wanted).map_err(|_| WriteError::Full)?;
        Ok(std::iter::from_fn(move || all.split(1)))
    }

    /// Puts a new producer in the place of one of `failed` generation, unless somebody else has.
    async fn replace(&self, failed: u64) {
        if let Some(native) = self.renew(failed) {
            tracing::info!(kafka.topic = self.topic, "a producer is given up after a failure and made anew");
            retire(native).await;
        }
    }

    fn renew(&self, failed: u64) -> Option<Native> {
        let mut current = self.current.write();
        let current = current.as_mut().filter(|current| current.generation == failed)?;
        match native(&self.connection, self.options) {
            Ok(native) => {
                current.generation += 1;
                Some(std::mem::replace(&mut current.native, native))
            }
            Err(error) => {
                // It is tried again when the next write fails.
                tracing::error!(kafka.topic = self.topic, %error, "a producer cannot be made anew");
                None
            }
        }
    }
}

fn native(connection: &Connection, options: Options) -> KafkaResult<Native> {
    connection.producer(options.linger).create_with_context(Answers)
}

/// Hands a record over. One that librdkafka does not take has failed for certain.
fn send(native: &Native, topic: &str, record: &Record, ticket: Ticket) {
    let mut sent = BaseRecord::with_opaque_to(topic, Box::new(ticket)).partition(record.partition.cast_signed());
    sent.key = record.key.as_deref();
    sent.payload = record.value.as_deref();
    if let Err((source, sent)) = native.send::<[u8], [u8]>(sent) {
        let spent = source.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal);
        sent.delivery_opaque.reply.send(Err(Failed { absent: true, spent, source }));
    }
}

/// Answers everybody who still waits for a producer, and ends its thread.
async fn retire(native: Native) {
    let ending = spawn_blocking(move || {
        native.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = native.flush(FAREWELL) {
            tracing::error!(%error, "a producer ends before everybody is answered");
        }
    });
    // A panic has been reported by the panic hook.
    let _ = ending.await;
}

/// What is known about all records together.
fn judge(outcomes: Vec<Outcome>) -> Result<Vec<u64>, WriteError> {
    let written = outcomes.iter().any(|outcome| !matches!(outcome, Err(Failed { absent: true, .. })));
    let offsets: Result<Vec<u64>, Failed> = outcomes.into_iter().collect();
    offsets.map_err(|Failed { source, .. }| match (written, source.rdkafka_error_code()) {
        (true, _) => WriteError::Unknown { source: Arc::new(source) },
        (false, Some(RDKafkaErrorCode::QueueFull)) => WriteError::Full,
        (false, _) => WriteError::Rejected { source: Arc::new(source) },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use acceptance::eventually;
    use futures_util::FutureExt;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    #[tokio::test]
    async fn a_failure_is_seen_to_although_nobody_waits_any_more() {
        let brokers = MockCluster::new(1).unwrap();
        brokers.create_topic("topic", 1, 1).unwrap();
        let connection = Connection::new(&brokers.bootstrap_servers(), &BTreeMap::new()).unwrap();
        let producer = Producer::start(&connection, "topic", Options::default()).unwrap();
        let record = Record { partition: 0, key: None, value: Some(Bytes::from_static(b"value")) };
        brokers
            .request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
        assert!(producer.write(std::slice::from_ref(&record)).now_or_never().is_none(), "it waits, and is given up");
        let generation = || producer.shared.current.read().as_ref().unwrap().generation;
        eventually("a new producer", async || (generation() == 1).then_some(())).await;
        assert_eq!(producer.write(&[record]).await.unwrap(), [0]);
    }
}
