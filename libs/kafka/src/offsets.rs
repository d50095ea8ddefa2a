//! Where the partitions of a topic begin and end.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use crate::Connection;
use crate::connection::Quiet;
use crate::passing::passes;

/// More than librdkafka reports between two questions, for long.
const REPORTS: usize = 8;

/// How long a broker may take for an answer before it is asked who leads now.
const TRY: Duration = Duration::from_secs(1);

/// How soon after that it is asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// Asks the brokers for offsets: one request to each leader, whatever the number of partitions.
pub struct Offsets {
    consumer: BaseConsumer<Quiet>,
    topic: String,
}

impl Offsets {
    /// Offsets of `topic`. Connects in the background.
    ///
    /// # Errors
    /// What librdkafka says of the connection's settings.
    pub fn of(connection: &Connection, topic: &str) -> KafkaResult<Self> {
        let consumer = connection.consumer().create_with_context(Quiet::default())?;
        Ok(Self { consumer, topic: topic.to_owned() })
    }

    /// The first offset of each of `partitions`, in their order. Blocks for at most `timeout`.
    ///
    /// # Errors
    /// The first error of any of them.
    pub fn begin(&self, partitions: impl IntoIterator<Item = u32>, timeout: Duration) -> KafkaResult<Vec<u64>> {
        self.ask(partitions, Offset::Beginning, timeout)
    }

    /// The offset that the next record of each of `partitions` will get: below it everything is
    /// replicated and can be read. Blocks for at most `timeout`.
    ///
    /// # Errors
    /// The first error of any of them.
    pub fn end(&self, partitions: impl IntoIterator<Item = u32>, timeout: Duration) -> KafkaResult<Vec<u64>> {
        self.ask(partitions, Offset::End, timeout)
    }

    /// The brokers and the topic's replicas. Blocks for at most `timeout`.
    ///
    /// # Errors
    /// What was in the way; that a broker has turned us away rather than that no answer came.
    pub(crate) fn metadata(&self, timeout: Duration) -> KafkaResult<Metadata> {
        self.consumer.fetch_metadata(Some(&self.topic), timeout).map_err(|error| {
            // Each attempt to connect has left several reports.
            (0..REPORTS).for_each(|_| serve(&self.consumer));
            self.consumer.context().refused().unwrap_or(error)
        })
    }

    fn ask(
        &self,
        partitions: impl IntoIterator<Item = u32>,
        which: Offset,
        timeout: Duration,
    ) -> KafkaResult<Vec<u64>> {
        let deadline = Instant::now() + timeout;
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            asked.add_partition_offset(&self.topic, partition.cast_signed(), which)?;
        }
        loop {
            serve(&self.consumer);
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ask_once(asked.clone(), left.min(TRY)) {
                Err(error) if passes(&error) && left > Duration::ZERO => self.look_for_leaders(left),
                other => return other,
            }
        }
    }

    fn ask_once(&self, asked: TopicPartitionList, timeout: Duration) -> KafkaResult<Vec<u64>> {
        let answered = self.consumer.offsets_for_times(asked, timeout)?;
        answered.elements().iter().map(offset).collect()
    }

    /// librdkafka remembers the leaders, and goes on asking one that has died.
    fn look_for_leaders(&self, left: Duration) {
        // If they cannot be found either, the next try says so.
        let _ = self.consumer.fetch_metadata(Some(&self.topic), left.min(TRY));
        std::thread::sleep(AGAIN.min(left));
    }
}

/// Takes what librdkafka reports out of its queue, which would grow otherwise.
pub(crate) fn serve(consumer: &BaseConsumer<Quiet>) {
    for _ in 0..REPORTS {
        drop(consumer.poll(Duration::ZERO));
    }
}

fn offset(element: &TopicPartitionListElem<'_>) -> KafkaResult<u64> {
    element.error()?;
    match element.offset() {
        Offset::Offset(offset) => Ok(offset.unsigned_abs()),
        _ => Err(KafkaError::OffsetFetch(RDKafkaErrorCode::OffsetNotAvailable)),
    }
}
