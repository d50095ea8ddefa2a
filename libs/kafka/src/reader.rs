//! Reads the records of one partition after the other's, from given offsets on.

use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;
use tokio::time::Instant;

use crate::Connection;
use crate::connection::Quiet;

/// How much is fetched ahead of a reader.
const AHEAD: &[(&str, &str)] = &[
    ("queued.max.messages.kbytes", "4096"),
    ("fetch.message.max.bytes", "1048576"),
    // A reader that is sent elsewhere waits for the fetch that is under way.
    ("fetch.wait.max.ms", "100"),
    // When what was fetched ahead is used up, more is fetched at once.
    ("fetch.queue.backoff.ms", "5"),
];

/// How one who follows the end of a topic fetches: brokers answer when much has come, or after a moment. Otherwise they answer for
/// each write, also for those of the process that follows, and that costs as much as the write.
const AT_ITS_END: &[(&str, &str)] = &[("fetch.min.bytes", "65536"), ("fetch.wait.max.ms", "25")];

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Its key, if it has one.
    pub key: Option<Bytes>,
    /// Its value; None is a tombstone.
    pub value: Option<Bytes>,
}

/// Why nothing was read.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The partition does not have the offset: it was deleted, or never written.
    #[error("partition {partition} has no offset {offset}")]
    OutOfRange {
        /// The partition.
        partition: u32,
        /// What was asked for.
        offset: u64,
    },
    /// It took too long.
    #[error("no record came in time")]
    TimedOut,
    /// librdkafka cannot read.
    #[error("cannot read from Kafka")]
    Kafka(#[from] KafkaError),
}

/// A consumer that stands somewhere in a topic, and fetches ahead from there. All its methods block.
pub struct Reader {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    /// Where the next record is read.
    at: (u32, u64),
    /// What was put back.
    first: Option<Message>,
}

impl Reader {
    /// A reader of `topic` that begins at `offset` of `partition`.
    ///
    /// # Errors
    /// What librdkafka says of the connection's settings.
    pub fn open(connection: &Connection, topic: &str, partition: u32, offset: u64) -> KafkaResult<Self> {
        Self::with(connection, topic, (partition, offset), AHEAD)
    }

    /// As [`Reader::open`], for one who follows the end of a topic, and need not hear of what is written for 25 ms.
    ///
    /// # Errors
    /// What librdkafka says of the connection's settings.
    pub fn follow(connection: &Connection, topic: &str, partition: u32, offset: u64) -> KafkaResult<Self> {
        Self::with(connection, topic, (partition, offset), &[AHEAD, AT_ITS_END].concat())
    }

    fn with(
        connection: &Connection,
        topic: &str,
        at @ (partition, offset): (u32, u64),
        settings: &[(&str, &str)],
    ) -> KafkaResult<Self> {
        let mut config = connection.consumer();
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let consumer = config.create_with_context(Quiet::default())?;
        let mut reader = Self { consumer, topic: topic.to_owned(), at, first: None };
        reader.seek(partition, offset)?;
        Ok(reader)
    }

    /// The partition and the offset of the next record.
    #[must_use]
    pub fn at(&self) -> (u32, u64) {
        self.at
    }

    /// Goes on at `offset` of `partition`. What was fetched ahead is thrown away.
    ///
    /// # Errors
    /// What librdkafka says.
    pub fn seek(&mut self, partition: u32, offset: u64) -> KafkaResult<()> {
        let mut assignment = TopicPartitionList::new();
        let raw = Offset::Offset(offset.cast_signed());
        assignment.add_partition_offset(&self.topic, partition.cast_signed(), raw)?;
        self.consumer.assign(&assignment)?;
        self.at = (partition, offset);
        self.first = None;
        Ok(())
    }

    /// Gives back the record that was read last: it is the next one again.
    pub fn put_back(&mut self, message: Message) {
        self.at = (message.partition, message.offset);
        self.first = Some(message);
    }

    /// The next record, waiting for it until `deadline`. In a compacted topic its offset may lie
    /// beyond the one that is next.
    ///
    /// # Errors
    /// [`ReadError`] says why there is none.
    pub fn next(&mut self, deadline: Instant) -> Result<Message, ReadError> {
        let message = match self.first.take() {
            Some(message) => message,
            None => self.poll(deadline)?,
        };
        self.at.1 = message.offset + 1;
        Ok(message)
    }

    fn poll(&self, deadline: Instant) -> Result<Message, ReadError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                Some(Ok(borrowed)) => {
                    let message = Message::from(&borrowed);
                    // Anything else is what an earlier assignment had fetched.
                    if message.partition == self.at.0 && message.offset >= self.at.1 {
                        return Ok(message);
                    }
                }
                Some(Err(error)) => self.judge(error)?,
                None if left == Duration::ZERO => return Err(ReadError::TimedOut),
                None => {}
            }
        }
    }

    /// What passes by itself is not an error yet: librdkafka reconnects, and finds new leaders.
    fn judge(&self, error: KafkaError) -> Result<(), ReadError> {
        let (partition, offset) = self.at;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Err(ReadError::OutOfRange { partition, offset })
            }
            Some(code) if passes(code) => Ok(()),
            _ => Err(ReadError::Kafka(error)),
        }
    }
}

impl From<&BorrowedMessage<'_>> for Message {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition: message.partition().cast_unsigned(),
            offset: message.offset().unsigned_abs(),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
        }
    }
}

fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, CoordinatorNotAvailable, GroupAuthorizationFailed, NotCoordinator,
        OperationTimedOut, Resolve,
    };
    // The group is a name only: whether it may be used, and by whom it is coordinated, is nothing to us.
    let group = [CoordinatorNotAvailable, GroupAuthorizationFailed, NotCoordinator];
    [AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve].contains(&code) || group.contains(&code)
}
