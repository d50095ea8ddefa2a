//! Where the partitions of a topic begin and end.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::Connection;
use crate::connection::Quiet;

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
        let consumer = connection.consumer().create_with_context(Quiet)?;
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

    fn ask(
        &self,
        partitions: impl IntoIterator<Item = u32>,
        which: Offset,
        timeout: Duration,
    ) -> KafkaResult<Vec<u64>> {
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            asked.add_partition_offset(&self.topic, partition.cast_signed(), which)?;
        }
        let answered = self.consumer.offsets_for_times(asked, timeout)?;
        answered
            .elements()
            .into_iter()
            .map(|element| {
                element.error()?;
                match element.offset() {
                    Offset::Offset(offset) => Ok(offset.unsigned_abs()),
                    _ => Err(KafkaError::OffsetFetch(RDKafkaErrorCode::OffsetNotAvailable)),
                }
            })
            .collect()
    }
}
