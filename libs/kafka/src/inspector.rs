//! Creates a topic, or looks whether it is as it must be.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::types::RDKafkaRespErr;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::connection::{Quiet, blocking};
use crate::topic::Found;
use crate::{Connection, Offsets, Topic, Violation};

/// How long the brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take until all brokers know of a topic that was created.
const SETTLING: Duration = Duration::from_secs(30);

/// Looks after one topic.
#[derive(Clone)]
pub struct Inspector {
    topic: Topic,
    admin: Arc<AdminClient<Quiet>>,
    offsets: Arc<Offsets>,
}

/// Why a topic is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TopicError {
    /// A question to the brokers failed.
    #[error("cannot {operation} the topic {topic}")]
    Kafka {
        /// What was being done.
        operation: &'static str,
        /// The topic.
        topic: String,
        /// What the brokers said.
        source: KafkaError,
    },
    /// It is not as it must be.
    #[error("the topic {topic} cannot be used: {}", list(.violations))]
    Unsafe {
        /// The topic.
        topic: String,
        /// Everything that is wrong with it.
        violations: Vec<Violation>,
    },
    /// It cannot be created so that it loses nothing.
    #[error(
        "the topic {topic} would not be safe on {brokers} brokers: at least 3 are needed, or one that writes through"
    )]
    Brokers {
        /// The topic.
        topic: String,
        /// How many there are.
        brokers: usize,
    },
}

impl Inspector {
    /// Creates `topic` if there is none, and checks it in any case.
    ///
    /// # Errors
    /// [`TopicError`] says everything that is wrong with it.
    pub async fn open(connection: &Connection, topic: Topic) -> Result<Self, TopicError> {
        let failed = |source| TopicError::Kafka { operation: "inspect", topic: topic.name.clone(), source };
        let admin = Arc::new(connection.admin().map_err(failed)?);
        let offsets = Arc::new(Offsets::of(connection, &topic.name).map_err(failed)?);
        let inspector = Self { topic, admin, offsets };
        inspector.create_if_absent().await?;
        let found = inspector.complete(inspector.settled().await?).await?;
        let violations = inspector.topic.violations(&found);
        if !violations.is_empty() {
            return Err(TopicError::Unsafe { topic: inspector.topic.name, violations });
        }
        if inspector.topic.risk_accepted || found.brokers == 1 {
            let topic = &inspector.topic.name;
            tracing::warn!(
                kafka.topic = topic,
                brokers = found.brokers,
                "what is lost with one broker is lost for good"
            );
        }
        Ok(inspector)
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic.name
    }

    /// Everything that is wrong with the topic now, and where nothing can be written for want of
    /// replicas.
    ///
    /// # Errors
    /// [`TopicError::Kafka`] if it cannot be said.
    pub async fn violations(&self) -> Result<Vec<Violation>, TopicError> {
        let layout = self.layout().await?;
        if layout.replicas.is_empty() {
            return Err(self.absent());
        }
        let found = self.complete(layout).await?;
        let mut violations = self.topic.violations(&found);
        violations.extend(found.behind());
        Ok(violations)
    }

    async fn create_if_absent(&self) -> Result<(), TopicError> {
        let layout = self.layout().await?;
        if layout.replicas.is_empty() {
            self.create(layout.brokers).await?;
        }
        Ok(())
    }

    /// The layout of a topic that there is: each broker knows of it somewhat later than the controller that has made it.
    async fn settled(&self) -> Result<Found, TopicError> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let layout = self.layout().await?;
            if !layout.replicas.is_empty() {
                return Ok(layout);
            }
            if Instant::now() > deadline {
                return Err(self.absent());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn create(&self, brokers: usize) -> Result<(), TopicError> {
        let Topic { name, partitions, .. } = &self.topic;
        let plan = self.topic.plan(brokers);
        let (replicas, settings) = plan.ok_or_else(|| TopicError::Brokers { topic: name.clone(), brokers })?;
        let new = NewTopic::new(name, partitions.cast_signed(), TopicReplication::Fixed(replicas as i32));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let created = self.admin.create_topics([&new], &options()).await;
        let created = created.map_err(self.failed("create"))?.into_iter();
        for (_, code) in created.filter_map(Result::err) {
            // Another process was quicker.
            if code != RDKafkaErrorCode::TopicAlreadyExists {
                return Err(self.failed("create")(KafkaError::AdminOp(code)));
            }
        }
        Ok(())
    }

    /// A layout with the first offsets and the settings.
    async fn complete(&self, mut found: Found) -> Result<Found, TopicError> {
        let (offsets, partitions) = (self.offsets.clone(), found.replicas.len() as u32);
        let begins = blocking(move || offsets.begin(0..partitions, PATIENCE)).await;
        found.begins = begins.map_err(self.failed("find the first offsets of"))?;
        let resource = [ResourceSpecifier::Topic(&self.topic.name)];
        let described = self.admin.describe_configs(&resource, &options()).await;
        let described = described.map_err(self.failed("read the settings of"))?.into_iter();
        for resource in described {
            let resource = resource.map_err(|code| self.failed("read the settings of")(KafkaError::AdminOp(code)))?;
            found.settings.extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
        }
        Ok(found)
    }

    /// The brokers and the topic's replicas; none if there is no such topic.
    async fn layout(&self) -> Result<Found, TopicError> {
        let (admin, name) = (self.admin.clone(), self.topic.name.clone());
        blocking(move || layout(&admin, &name)).await.map_err(self.failed("find"))
    }

    fn absent(&self) -> TopicError {
        self.failed("find")(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition))
    }

    fn failed(&self, operation: &'static str) -> impl Fn(KafkaError) -> TopicError {
        move |source| TopicError::Kafka { operation, topic: self.topic.name.clone(), source }
    }
}

fn layout(admin: &AdminClient<Quiet>, topic: &str) -> KafkaResult<Found> {
    let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE)?;
    let mut found = Found { brokers: metadata.brokers().len(), ..Found::default() };
    for topic in metadata.topics() {
        match topic.error() {
            None => topic.partitions().iter().for_each(|partition| found.add(partition)),
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => {}
            Some(error) => return Err(KafkaError::MetadataFetch(error.into())),
        }
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, partition: &MetadataPartition) {
        let has_leader = partition.leader() >= 0;
        self.replicas.push(partition.replicas().len());
        self.in_sync.push(if has_leader { partition.isr().len() } else { 0 });
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// All of them in one line.
fn list(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}
