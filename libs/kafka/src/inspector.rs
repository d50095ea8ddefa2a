//! Creates a topic, or looks whether it is as it must be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{MetadataBroker, MetadataPartition};
use rdkafka::types::RDKafkaRespErr;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::connection::{Quiet, blocking};
use crate::passing::passes;
use crate::topic::Found;
use crate::{Announced, Connection, Offsets, Topic, Violation};

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
    /// The brokers are away. It passes.
    #[error("the brokers do not answer (asked for the topic {topic})")]
    Away {
        /// The topic.
        topic: String,
        /// What was heard instead.
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
        "the topic {topic} would not be safe on {brokers} brokers: at least 3 are needed, or one that writes through; \
         {brokers} brokers answer now; if there are more, start them first"
    )]
    Brokers {
        /// The topic.
        topic: String,
        /// How many answer now.
        brokers: usize,
    },
    /// It is not created on so few brokers, since there are more. It passes when they are started.
    #[error(
        "the topic {topic} is not made yet: {brokers} of the brokers answer now, and {announced} says that there are \
         more; for the first start all must be up"
    )]
    Incomplete {
        /// The topic.
        topic: String,
        /// How many answer now.
        brokers: usize,
        /// How many there are to be.
        announced: Announced,
    },
}

impl TopicError {
    /// Whether it passes by itself: brokers are away.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Kafka { source, .. } => passes(source),
            Self::Away { .. } | Self::Incomplete { .. } => true,
            Self::Unsafe { .. } | Self::Brokers { .. } => false,
        }
    }
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
        if found.is_frail() {
            let (topic, replicas) = (&inspector.topic.name, found.replicas.iter().min());
            tracing::warn!(kafka.topic = topic, replicas, "what is lost with one broker is lost for good");
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
            self.expect_no_more(layout.brokers).await?;
            self.create(layout.brokers).await?;
        }
        Ok(())
    }

    /// Refuses to create the topic on fewer brokers than make it safe while there are to be more: it would stay on these.
    async fn expect_no_more(&self, brokers: usize) -> Result<(), TopicError> {
        if self.topic.is_safe_on(brokers) || self.topic.risk_accepted {
            return Ok(());
        }
        let offsets = self.offsets.clone();
        let ids =
            move || Ok(offsets.metadata(PATIENCE)?.brokers().iter().map(MetadataBroker::id).collect::<Vec<i32>>());
        for id in blocking(ids).await.map_err(self.failed("find"))? {
            let settings = self.settings(&ResourceSpecifier::Broker(id), is_set).await;
            // Who may not ask for the settings of brokers is told of no more than answer.
            let settings = settings.or_else(|error| if passes(&error) { Err(error) } else { Ok(BTreeMap::new()) });
            let announced = Announced::by(&settings.map_err(self.failed("find the brokers for"))?);
            if let Some(announced) = announced.filter(|announced| announced.brokers > brokers) {
                return Err(TopicError::Incomplete { topic: self.topic.name.clone(), brokers, announced });
            }
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
        found.settings = self.settled_settings().await?;
        Ok(found)
    }

    /// The topic's settings: a broker that has just heard of it may not have them yet, and no topic is without any.
    async fn settled_settings(&self) -> Result<BTreeMap<String, String>, TopicError> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let settings = self.settings(&ResourceSpecifier::Topic(&self.topic.name), |_| true).await;
            let settings = settings.map_err(self.failed("read the settings of"))?;
            if !settings.is_empty() || Instant::now() > deadline {
                return Ok(settings);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The settings that are meant and have a value.
    async fn settings(
        &self,
        of: &ResourceSpecifier<'_>,
        are_meant: fn(&ConfigEntry) -> bool,
    ) -> KafkaResult<BTreeMap<String, String>> {
        let mut settings = BTreeMap::new();
        for described in self.admin.describe_configs([of], &options()).await? {
            let entries = described.map_err(KafkaError::AdminOp)?.entries.into_iter();
            settings.extend(entries.filter(are_meant).filter_map(|entry| Some((entry.name, entry.value?))));
        }
        Ok(settings)
    }

    /// The brokers and the topic's replicas; none if there is no such topic.
    async fn layout(&self) -> Result<Found, TopicError> {
        let offsets = self.offsets.clone();
        blocking(move || layout(&offsets)).await.map_err(self.failed("find"))
    }

    fn absent(&self) -> TopicError {
        let source = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
        TopicError::Kafka { operation: "find", topic: self.topic.name.clone(), source }
    }

    fn failed(&self, operation: &'static str) -> impl Fn(KafkaError) -> TopicError {
        move |source| {
            let topic = self.topic.name.clone();
            match passes(&source) {
                true => TopicError::Away { topic, source },
                false => TopicError::Kafka { operation, topic, source },
            }
        }
    }
}

/// Whether somebody has set it: what Kafka takes otherwise, three replicas, tells nothing of a cluster.
fn is_set(entry: &ConfigEntry) -> bool {
    entry.source != ConfigSource::Default
}

fn layout(offsets: &Offsets) -> KafkaResult<Found> {
    let metadata = offsets.metadata(PATIENCE)?;
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
