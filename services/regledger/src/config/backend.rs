//! Where things are kept: words for what is embedded, URLs for what is shared.

use std::fmt;

use serde::Deserialize;

/// What keeps the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LedgerBackend {
    /// SQLite in the data directory.
    Sqlite,
    /// Memory: for measurements only, everything is lost when the process ends.
    Memory,
    /// A topic of Kafka, which any number of processes share.
    Kafka(KafkaTopics),
}

/// The topics of a ledger in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTopics {
    /// Brokers to begin with, `host:port` separated by commas.
    pub servers: String,
    /// The ledger itself.
    pub events: String,
}

/// What keeps the client table and the changes.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StateBackend {
    /// SQLite in the data directory.
    Sqlite,
    /// A database of PostgreSQL, by its URL, in which there may be a password.
    Postgres(String),
}

impl KafkaTopics {
    /// The topic of the wrapped keys.
    pub fn keys(&self) -> String {
        self.beside("keys")
    }

    /// The name of something that stands beside the events: `regledger.events` has `regledger.keys`.
    pub fn beside(&self, name: &str) -> String {
        let stem = self.events.strip_suffix(".events").unwrap_or(&self.events);
        format!("{stem}.{name}")
    }
}

/// What Kafka takes as the name of a topic, with room for the names of those beside it.
fn is_topic(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=240).contains(&name.len()) && name.bytes().all(is_allowed)
}

impl TryFrom<String> for LedgerBackend {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "sqlite" => return Ok(Self::Sqlite),
            "memory" => return Ok(Self::Memory),
            _ => {}
        }
        let named = text.strip_prefix("kafka://").and_then(|rest| rest.split_once('/'));
        match named {
            Some((servers, events)) if !servers.is_empty() && is_topic(events) => {
                Ok(Self::Kafka(KafkaTopics { servers: servers.to_owned(), events: events.to_owned() }))
            }
            _ => Err("must be sqlite, memory or kafka://HOST:PORT,HOST:PORT/TOPIC"),
        }
    }
}

impl TryFrom<String> for StateBackend {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "sqlite" => Ok(Self::Sqlite),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Self::Postgres(text)),
            _ => Err("must be sqlite or postgres://USER:PASSWORD@HOST:PORT/DATABASE"),
        }
    }
}

impl fmt::Debug for StateBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "Sqlite",
            Self::Postgres(_) => "Postgres(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn kafka(servers: &str, events: &str) -> LedgerBackend {
        LedgerBackend::Kafka(KafkaTopics { servers: servers.to_owned(), events: events.to_owned() })
    }

    #[rstest]
    #[case("sqlite", Some(LedgerBackend::Sqlite))]
    #[case("memory", Some(LedgerBackend::Memory))]
    #[case("kafka://h1:9092/regledger.events", Some(kafka("h1:9092", "regledger.events")))]
    #[case("kafka://h1:9092,h2:9092/t", Some(kafka("h1:9092,h2:9092", "t")))]
    #[case("kafka://h1:9092/", None)]
    #[case("kafka://h1:9092", None)]
    #[case("kafka:///t", None)]
    #[case("kafka://h1:9092/a/b", None)]
    #[case("kafka://h1:9092/a b", None)]
    #[case("Sqlite", None)]
    #[case("", None)]
    fn a_ledger_is_a_word_or_a_topic(#[case] text: &str, #[case] expected: Option<LedgerBackend>) {
        assert_eq!(LedgerBackend::try_from(text.to_owned()).ok(), expected);
    }

    #[rstest]
    #[case("regledger.events", "regledger")]
    #[case("audit", "audit")]
    #[case("events", "events")]
    fn the_other_topics_stand_beside_the_events(#[case] events: &str, #[case] stem: &str) {
        let topics = KafkaTopics { servers: String::new(), events: events.to_owned() };
        assert_eq!([topics.keys(), topics.beside("changes")], [format!("{stem}.keys"), format!("{stem}.changes")]);
    }

    #[rstest]
    #[case("sqlite", true)]
    #[case("postgres://u:p@h:5432/d", true)]
    #[case("postgresql://h/d?sslmode=verify-full", true)]
    #[case("postgres:h", false)]
    #[case("memory", false)]
    #[case("", false)]
    fn a_state_store_is_a_word_or_a_database(#[case] text: &str, #[case] is_accepted: bool) {
        assert_eq!(StateBackend::try_from(text.to_owned()).is_ok(), is_accepted);
    }

    #[test]
    fn a_database_is_debugged_without_its_password() {
        let state = StateBackend::try_from("postgres://u:hidden@h/d".to_owned()).unwrap();
        assert_eq!(format!("{state:?}"), "Postgres(..)");
    }
}
