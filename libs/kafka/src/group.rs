//! The positions of a consumer group: how far a topic has been worked on.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::Connection;
use crate::connection::{Quiet, blocking};
use crate::offsets::serve;

/// How long the brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The positions of a group in a topic. Nobody joins the group, so brokers forget a position that has not been committed anew
/// for `offsets.retention.minutes` (7 days by default).
pub struct Group {
    consumer: BaseConsumer<Quiet>,
    topic: String,
}

impl Group {
    /// The positions of the group `name` in `topic`. Connects in the background.
    ///
    /// # Errors
    /// What librdkafka says of the connection's settings.
    pub fn of(connection: &Connection, name: &str, topic: &str) -> KafkaResult<Self> {
        let consumer = connection.group(name).create_with_context(Quiet::default())?;
        Ok(Self { consumer, topic: topic.to_owned() })
    }

    /// The position in `partition` that was committed last; none if there is none. While a transaction is open that will
    /// commit another one, there is no answer.
    ///
    /// # Errors
    /// What the brokers said.
    pub async fn position(self: &Arc<Self>, partition: u32) -> KafkaResult<Option<u64>> {
        let group = self.clone();
        blocking(move || group.ask(partition)).await
    }

    fn ask(&self, partition: u32) -> KafkaResult<Option<u64>> {
        serve(&self.consumer);
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.topic, partition.cast_signed());
        let committed = self.consumer.committed_offsets(asked, PATIENCE)?;
        let element = committed.find_partition(&self.topic, partition.cast_signed());
        let element = element.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition))?;
        element.error()?;
        Ok(match element.offset() {
            Offset::Offset(position) => Some(position.unsigned_abs()),
            _ => None,
        })
    }

    /// A position as a transaction takes it.
    pub(crate) fn at(&self, partition: u32, position: u64) -> KafkaResult<TopicPartitionList> {
        let mut at = TopicPartitionList::new();
        let offset = Offset::Offset(position.cast_signed());
        at.add_partition_offset(&self.topic, partition.cast_signed(), offset)?;
        Ok(at)
    }

    /// The group as a transaction takes it.
    pub(crate) fn metadata(&self) -> KafkaResult<ConsumerGroupMetadata> {
        self.consumer.group_metadata().ok_or(KafkaError::Global(RDKafkaErrorCode::UnknownGroup))
    }
}
