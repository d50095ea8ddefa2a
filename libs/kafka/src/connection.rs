//! How the cluster is reached.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use thiserror::Error;
use tokio::task::spawn_blocking;

/// What an operator may set otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "regledger"),
    ("socket.nagle.disable", "true"),
    // A broker that is back is found within a second.
    ("reconnect.backoff.max.ms", "1000"),
    // Brokers close idle connections; that is nothing to log.
    ("log.connection.close", "false"),
];

/// What an operator may set otherwise, of writing alone: librdkafka warns of it where nothing is written.
const DEFAULTS_OF_WRITING: &[(&str, &str)] = &[
    // What comes while a broker answers is its next request. It takes those of a connection one after the other anyway, and
    // fewer and larger ones cost it and us less.
    ("max.in.flight.requests.per.connection", "1"),
    // How long a write may take before it counts as failed.
    ("message.timeout.ms", "15000"),
    // While a partition has no leader that can be reached, librdkafka looks for one once a second. What it knows of the topic
    // otherwise stays good for as long as it does by default.
    ("topic.metadata.refresh.interval.ms", "250"),
    ("metadata.max.age.ms", "900000"),
];

/// What an operator may not set, because what this crate promises hangs on it.
const OURS: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.report.only.error",
    // Other names of what stands above.
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    // Another name of what has a default above.
    "max.in.flight",
    "message.max.bytes",
    "metadata.broker.list",
    "partitioner",
    "queue.buffering.max.ms",
    "request.required.acks",
    "transaction.timeout.ms",
    "transactional.id",
];

/// How long a transaction may be open. It ends sooner when its producer is replaced; only if there is nobody to do that, those
/// who read wait for so long.
const TRANSACTION_MS: &str = "60000";

/// How long a write in a transaction may take before it counts as failed, whatever an operator has set for others: the
/// transaction must not end first.
const WRITE_IN_TRANSACTION_MS: &str = "10000";

/// The most that one request to write may hold, in bytes: more than any entry or key, and less than
/// a topic takes by default.
pub(crate) const REQUEST_BYTES: u32 = 1_000_000;

/// Where the cluster is and how it is spoken to: TLS, SASL, mTLS and limits, by librdkafka's names.
#[derive(Clone)]
pub struct Connection {
    config: ClientConfig,
}

/// Why a setting is refused. A value is never shown: it may be a secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingError {
    /// Regledger sets it itself.
    #[error("{name} cannot be set: regledger depends on its own value")]
    Ours {
        /// The setting.
        name: String,
    },
    /// librdkafka does not know it, or not this value.
    #[error("{name}: {reason}")]
    Unknown {
        /// The setting.
        name: String,
        /// What librdkafka says.
        reason: String,
    },
}

impl Connection {
    /// A connection to the cluster that one of `bootstrap_servers` (`host:port`, separated by
    /// commas) belongs to. Connects nowhere yet.
    ///
    /// # Errors
    /// [`SettingError`] names the first setting in `properties` that cannot be.
    pub fn new(bootstrap_servers: &str, properties: &BTreeMap<String, String>) -> Result<Self, SettingError> {
        if let Some(name) = properties.keys().find(|name| OURS.contains(&name.as_str())) {
            return Err(SettingError::Ours { name: name.clone() });
        }
        if properties.get("message.timeout.ms").is_some_and(|limit| limit.trim_matches('0').is_empty()) {
            let (name, reason) = ("message.timeout.ms".to_owned(), "a write must have a time limit".to_owned());
            return Err(SettingError::Unknown { name, reason });
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap_servers).set("allow.auto.create.topics", "false");
        for (name, value) in DEFAULTS {
            config.set(*name, *value);
        }
        for (name, value) in properties {
            config.set(name, value);
        }
        match config.create_native_config() {
            Err(KafkaError::ClientConfig(_, reason, name, _)) => Err(SettingError::Unknown { name, reason }),
            Err(error) => {
                Err(SettingError::Unknown { name: "bootstrap.servers".to_owned(), reason: error.to_string() })
            }
            Ok(_) => Ok(Self { config }),
        }
    }

    /// Everything that makes a write durable, once, and in order. A record waits for others for `linger`, unless an operator
    /// has set another time.
    pub(crate) fn producer(&self, linger: Duration) -> ClientConfig {
        let mut config = self.writing();
        if config.get("linger.ms").is_none() {
            config.set("linger.ms", (linger.as_secs_f64() * 1e3).to_string());
        }
        // After a permanent error nothing more is sent.
        config.set("enable.gapless.guarantee", "true");
        config
    }

    /// The same in transactions, under a name that one producer has at a time. Keys choose the partitions, as they do for the
    /// default partitioner of Java's clients.
    pub(crate) fn transactional_producer(&self, name: &str) -> ClientConfig {
        let mut config = self.writing();
        config
            .set("transactional.id", name)
            .set("transaction.timeout.ms", TRANSACTION_MS)
            .set("message.timeout.ms", WRITE_IN_TRANSACTION_MS)
            .set("socket.timeout.ms", WRITE_IN_TRANSACTION_MS)
            .set("partitioner", "murmur2_random");
        config
    }

    fn writing(&self) -> ClientConfig {
        let mut config = self.config.clone();
        for (name, value) in DEFAULTS_OF_WRITING {
            if config.get(name).is_none() {
                config.set(*name, *value);
            }
        }
        config.set("enable.idempotence", "true").set("acks", "all").set("message.max.bytes", REQUEST_BYTES.to_string());
        config
    }

    /// Reads from given offsets on. The group is a name that librdkafka wants; nobody joins it.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut config = self.config.clone();
        config
            .set("group.id", "regledger")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed");
        config
    }

    /// Knows what is committed for a group, which nobody joins.
    pub(crate) fn group(&self, name: &str) -> ClientConfig {
        let mut config = self.consumer();
        config.set("group.id", name);
        config
    }

    pub(crate) fn admin<C: FromClientConfigAndContext<Quiet>>(&self) -> KafkaResult<C> {
        self.config.create_with_context(Quiet::default())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("bootstrap_servers", &self.config.get("bootstrap.servers"))
            .finish_non_exhaustive()
    }
}

/// Leaves it to whoever waits for an answer to report that there is none: librdkafka would, for each
/// connection and at each attempt.
#[derive(Default)]
pub(crate) struct Quiet {
    refused: Mutex<Option<KafkaError>>,
}

impl Quiet {
    /// Why a broker has turned us away since this was asked last. An answer that never came does not say so.
    pub(crate) fn refused(&self) -> Option<KafkaError> {
        self.refused.lock().take()
    }
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        told(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note(&error, reason);
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)) {
            *self.refused.lock() = Some(error);
        }
    }
}

impl ConsumerContext for Quiet {}

/// What became of a record in a transaction is told by the transaction.
impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// librdkafka waits for the brokers in the thread that asks.
pub(crate) async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> KafkaResult<T> + Send + 'static,
) -> KafkaResult<T> {
    spawn_blocking(ask).await.unwrap_or(Err(KafkaError::Canceled))
}

/// What librdkafka says by itself: what matters of it is told by whoever waits, once.
pub(crate) fn told(facility: &str, message: &str) {
    tracing::debug!(facility, message, "librdkafka says");
}

pub(crate) fn note(error: &KafkaError, reason: &str) {
    tracing::debug!(%error, reason, "librdkafka reports an error");
}

#[cfg(test)]
mod tests {
    use rdkafka::producer::BaseProducer;

    use super::*;

    fn with(name: &str, value: &str) -> Result<Connection, SettingError> {
        Connection::new("127.0.0.1:9092", &BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn settings_of_librdkafka_pass_through() {
        let cases = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.password", "secret"),
            ("ssl.ca.location", "/etc/ssl/certs/ca.pem"),
            ("ssl.certificate.location", "/etc/ssl/client.pem"),
            ("linger.ms", "20"),
        ];
        for (name, value) in cases {
            let connection = with(name, value).unwrap();
            let group = connection.group("group");
            for config in [
                connection.producer(Duration::ZERO),
                connection.transactional_producer("name"),
                connection.consumer(),
                group,
            ] {
                assert_eq!(config.get(name), Some(value));
            }
        }
    }

    #[test]
    fn what_is_of_writing_alone_is_not_told_to_readers() {
        let connection = Connection::new("127.0.0.1:9092", &BTreeMap::new()).unwrap();
        for (name, value) in DEFAULTS_OF_WRITING {
            assert_eq!(connection.producer(Duration::ZERO).get(name), Some(*value));
            assert_eq!(connection.consumer().get(name), None);
        }
    }

    #[test]
    fn an_operator_says_how_long_a_record_waits_for_others() {
        let connection = Connection::new("127.0.0.1:9092", &BTreeMap::new()).unwrap();
        let linger = Duration::from_micros(500);
        assert_eq!(connection.producer(linger).get("linger.ms"), Some("0.5"));
        assert_eq!(with("linger.ms", "20").unwrap().producer(linger).get("linger.ms"), Some("20"));
    }

    #[test]
    fn time_limits_for_other_writes_do_not_outlive_a_transaction() {
        for (name, value) in [("message.timeout.ms", "600000"), ("socket.timeout.ms", "300000")] {
            let config = with(name, value).unwrap().transactional_producer("name");
            let created: KafkaResult<BaseProducer<Quiet>> = config.create_with_context(Quiet::default());
            assert!(created.is_ok(), "{name}: {:?}", created.err());
        }
    }

    #[test]
    fn what_durability_hangs_on_cannot_be_set() {
        for name in OURS {
            let expected = SettingError::Ours { name: (*name).to_owned() };
            assert_eq!(with(name, "0").unwrap_err(), expected);
        }
    }

    #[test]
    fn a_setting_that_librdkafka_does_not_know_is_refused() {
        for (name, value) in
            [("no.such.setting", "1"), ("security.protocol", "carrier-pigeon"), ("message.timeout.ms", "0")]
        {
            let error = with(name, value).unwrap_err();
            assert!(matches!(&error, SettingError::Unknown { name: found, .. } if found == name), "{error:?}");
        }
    }

    #[test]
    fn no_value_is_shown() {
        let connection = with("sasl.password", "canary").unwrap();
        assert!(!format!("{connection:?}").contains("canary"));
    }
}
