//! Records and a position that are written together or not at all, by whoever has a name.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::connection::Quiet;
use crate::{Connection, Group};

/// How long the brokers may take for each step of a transaction.
const PATIENCE: Duration = Duration::from_secs(10);

/// A record to be written to the partition that its key chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// What chooses the partition, by the hash of the default partitioner of Java's clients.
    pub key: Bytes,
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    /// Its value; None is a tombstone.
    pub value: Option<Bytes>,
}

/// What is known about a transaction that was not confirmed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The name was not taken over: there is no producer.
    #[error("transactions cannot be taken over")]
    NotTaken {
        /// What failed.
        source: Arc<KafkaError>,
    },
    /// Another producer has taken the name over; it knows what was written. This one writes nothing any more.
    #[error("another producer has taken over")]
    Fenced {
        /// What failed.
        source: Arc<KafkaError>,
    },
    /// It is not known whether it was committed. Whoever takes the name over next knows.
    #[error("the transaction failed")]
    Failed {
        /// What failed.
        source: Arc<KafkaError>,
    },
}

type Native = ThreadedProducer<Quiet>;

/// Writes in transactions, one after the other, under a name that one producer has at a time.
pub struct TransactionalProducer {
    native: Arc<Native>,
    group: Arc<Group>,
}

impl TransactionalProducer {
    /// Takes `name` over. Whoever had it before is fenced, and what it had not committed is gone: from now on the positions
    /// of `group` say what was written under this name.
    ///
    /// # Errors
    /// [`TransactionError::NotTaken`] says why not.
    pub async fn take_over(connection: &Connection, name: &str, group: &Arc<Group>) -> Result<Self, TransactionError> {
        let config = connection.transactional_producer(name);
        let native = in_background(move || {
            let not_taken = |error| TransactionError::NotTaken { source: Arc::new(error) };
            let native: Native = config.create_with_context(Quiet::default()).map_err(not_taken)?;
            native.init_transactions(PATIENCE).map_err(not_taken)?;
            Ok(native)
        });
        Ok(Self { native: Arc::new(native.await?), group: group.clone() })
    }

    /// Writes `records`, and the group's position in `partition` with them.
    ///
    /// # Errors
    /// [`TransactionError`] says what is known about them. The producer must be [closed](Self::close) then, whatever failed: the
    /// brokers may have a record of which it does not know, and would take the next one for a repetition of that. Who takes
    /// the name over begins anew.
    pub async fn commit(
        &self,
        records: Vec<KeyedRecord>,
        partition: u32,
        position: u64,
    ) -> Result<(), TransactionError> {
        let (native, group) = (self.native.clone(), self.group.clone());
        in_background(move || {
            let committed = transact(&native, &group, &records, partition, position);
            committed.map_err(|error| judge(&native, error))
        })
        .await
    }

    /// Ends its threads. The name stays taken until somebody takes it over.
    pub async fn close(self) {
        // A panic has been reported by the panic hook.
        let _ = spawn_blocking(move || drop(self)).await;
    }
}

fn transact(native: &Native, group: &Group, records: &[KeyedRecord], partition: u32, position: u64) -> KafkaResult<()> {
    native.begin_transaction()?;
    for record in records {
        send(native, record)?;
    }
    native.send_offsets_to_transaction(&group.at(partition, position)?, &group.metadata()?, PATIENCE)?;
    native.commit_transaction(PATIENCE)
}

fn send(native: &Native, record: &KeyedRecord) -> KafkaResult<()> {
    let mut sent = BaseRecord::to(&record.topic).key(&record.key[..]);
    sent.payload = record.value.as_deref();
    if !record.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        let headers = record
            .headers
            .iter()
            .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        sent = sent.headers(headers);
    }
    native.send::<[u8], [u8]>(sent).map_err(|(error, _)| error)
}

/// What is known of a transaction that failed. It is not aborted here, but by whoever takes the name over.
fn judge(native: &Native, error: KafkaError) -> TransactionError {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
    match native.client().fatal_error() {
        Some((Fenced | InvalidProducerEpoch | ProducerFenced, _)) => {
            TransactionError::Fenced { source: Arc::new(error) }
        }
        _ => failed(error),
    }
}

fn failed(error: KafkaError) -> TransactionError {
    TransactionError::Failed { source: Arc::new(error) }
}

/// librdkafka waits for the brokers in the thread that asks. What was begun goes on also if the caller stops waiting.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransactionError> + Send + 'static,
) -> Result<T, TransactionError> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(failed(KafkaError::Canceled)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use acceptance::Kafka;
    use tokio::time::Instant;

    use super::*;
    use crate::{Cleanup, Inspector, Reader, Topic};

    fn record(value: &'static str) -> KeyedRecord {
        KeyedRecord { topic: "open".into(), key: "k".into(), headers: Vec::new(), value: Some(value.into()) }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_open_when_another_took_over_is_never_read() {
        let connection = Connection::new(&Kafka::shared().bootstrap_servers(), &BTreeMap::new()).unwrap();
        let topic = Topic { name: "open".to_owned(), partitions: 1, cleanup: Cleanup::Expire, risk_accepted: false };
        Inspector::open(&connection, topic).await.unwrap();
        let group = Arc::new(Group::of(&connection, "group", "open").unwrap());
        let first = TransactionalProducer::take_over(&connection, "name", &group).await.unwrap();
        let native = first.native.clone();
        let opening = move || {
            native.begin_transaction()?;
            send(&native, &record("open"))?;
            native.flush(PATIENCE)
        };
        spawn_blocking(opening).await.unwrap().unwrap();

        let second = TransactionalProducer::take_over(&connection, "name", &group).await.unwrap();
        second.commit(vec![record("next")], 0, 1).await.unwrap();
        let native = first.native.clone();
        let late = spawn_blocking(move || native.commit_transaction(PATIENCE)).await.unwrap();
        assert!(late.is_err(), "{late:?}");
        let mut reader = Reader::open(&connection, "open", 0, 0).unwrap();
        let read = spawn_blocking(move || reader.next(Instant::now() + PATIENCE)).await.unwrap().unwrap();
        assert!(read.offset > 0, "what was open takes an offset");
        assert_eq!(read.value.unwrap(), "next");
        first.close().await;
        second.close().await;
    }
}
