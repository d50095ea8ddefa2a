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
    /// The topic of the wrapped keys, beside that of the events: `regledger.events` has `regledger.keys`.
    pub fn keys(&self) -> String {
        let stem = self.events.strip_suffix(".events").unwrap_or(&self.events);
        format!("{stem}.keys")
    }
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
            Some((servers, events)) if !servers.is_empty() && !events.is_empty() => {
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
