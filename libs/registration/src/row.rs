//! Rows: what the fold reads and writes, by kind and id.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::client::ClientRow;
use crate::command::Command;
use crate::directory::{Domain, IntegrationRow, LedgerRow, SettingRow, SubscriptionRow, TokenRow, UserName, UserRow};
use crate::isl::{SessionRow, SourceDomainRow, SourceUserRow};
use crate::quarantine::Quarantined;

/// The kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each kind is the row of the same name")]
pub enum Kind {
    Client,
    Command,
    Domain,
    Integration,
    Ledger,
    Quarantined,
    Session,
    Setting,
    SourceDomain,
    SourceUser,
    Subscription,
    Token,
    User,
    UserName,
}

impl Kind {
    /// The word in the state store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Command => "command",
            Self::Domain => "domain",
            Self::Integration => "integration",
            Self::Ledger => "ledger",
            Self::Quarantined => "quarantined",
            Self::Session => "session",
            Self::Setting => "setting",
            Self::SourceDomain => "source_domain",
            Self::SourceUser => "source_user",
            Self::Subscription => "subscription",
            Self::Token => "token",
            Self::User => "user",
            Self::UserName => "user_name",
        }
    }
}

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// Its kind.
    pub kind: Kind,
    /// Its id, unique within the kind.
    pub id: String,
}

impl RowKey {
    /// Names a row.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// A row of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the row of the same name")]
pub enum Row {
    Client(Box<ClientRow>),
    Command(Command),
    Domain(Domain),
    Integration(Arc<IntegrationRow>),
    Ledger(LedgerRow),
    Quarantined(Box<Quarantined>),
    Session(Box<SessionRow>),
    Setting(Box<SettingRow>),
    SourceDomain(Box<SourceDomainRow>),
    SourceUser(Box<SourceUserRow>),
    Subscription(Box<SubscriptionRow>),
    Token(Box<TokenRow>),
    User(Box<UserRow>),
    UserName(UserName),
}

/// What the JSON of nearly every row has room in, in bytes.
const ROOM: usize = 2048;

/// The columns by which rows are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns<'a> {
    /// Domain, for the rows of the directory.
    pub domain: Option<&'a str>,
    /// Name of the integration.
    pub integration: Option<&'a str>,
    /// Tenant.
    pub tenant: Option<&'a str>,
    /// State, in the words of the row's kind.
    pub state: Option<&'a str>,
    /// Where the row began: rows are listed in this order, which never changes.
    pub partition: u32,
    /// See `partition`.
    pub position: u64,
    /// Numbers under which the row is found too: departments.
    pub terms: &'a [i64],
}

impl Row {
    /// The columns by which the row is found.
    pub fn columns(&self) -> Columns<'_> {
        match self {
            Self::Client(row) => Columns {
                integration: Some(&row.client.integration),
                tenant: Some(&row.client.tenant),
                state: Some(row.client.state.as_str()),
                partition: row.client.partition,
                position: row.first_position,
                terms: row.client.departments.as_deref().unwrap_or_default(),
                ..Columns::default()
            },
            Self::Command(row) => row.columns(),
            Self::Domain(row) => row.columns(),
            Self::Integration(row) => row.columns(),
            Self::Ledger(_) | Self::UserName(_) => Columns::default(),
            Self::Quarantined(row) => row.columns(),
            Self::Session(row) => row.columns(),
            Self::Setting(row) => row.columns(),
            Self::SourceDomain(row) => row.columns(),
            Self::SourceUser(row) => row.columns(),
            Self::Subscription(row) => row.columns(),
            Self::Token(row) => row.columns(),
            Self::User(row) => row.columns(),
        }
    }

    /// Writes the row as JSON.
    ///
    /// # Errors
    /// If it cannot be written, which only a failing allocation could cause.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(ROOM);
        match self {
            Self::Client(row) => serde_json::to_writer(&mut json, row),
            Self::Command(row) => serde_json::to_writer(&mut json, row),
            Self::Domain(row) => serde_json::to_writer(&mut json, row),
            Self::Integration(row) => serde_json::to_writer(&mut json, &**row),
            Self::Ledger(row) => serde_json::to_writer(&mut json, row),
            Self::Quarantined(row) => serde_json::to_writer(&mut json, row),
            Self::Setting(row) => serde_json::to_writer(&mut json, row),
            Self::Session(row) => serde_json::to_writer(&mut json, row),
            Self::SourceDomain(row) => serde_json::to_writer(&mut json, row),
            Self::SourceUser(row) => serde_json::to_writer(&mut json, row),
            Self::Subscription(row) => serde_json::to_writer(&mut json, row),
            Self::Token(row) => serde_json::to_writer(&mut json, row),
            Self::User(row) => serde_json::to_writer(&mut json, row),
            Self::UserName(row) => serde_json::to_writer(&mut json, row),
        }?;
        Ok(json)
    }

    /// Reads a row of a kind from JSON.
    ///
    /// # Errors
    /// If it is not a row of this kind.
    pub fn from_json(kind: Kind, json: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Client => Self::Client(serde_json::from_slice(json)?),
            Kind::Command => Self::Command(serde_json::from_slice(json)?),
            Kind::Domain => Self::Domain(serde_json::from_slice(json)?),
            Kind::Integration => Self::Integration(Arc::new(serde_json::from_slice(json)?)),
            Kind::Ledger => Self::Ledger(serde_json::from_slice(json)?),
            Kind::Quarantined => Self::Quarantined(serde_json::from_slice(json)?),
            Kind::Setting => Self::Setting(serde_json::from_slice(json)?),
            Kind::Session => Self::Session(serde_json::from_slice(json)?),
            Kind::SourceDomain => Self::SourceDomain(serde_json::from_slice(json)?),
            Kind::SourceUser => Self::SourceUser(serde_json::from_slice(json)?),
            Kind::Subscription => Self::Subscription(serde_json::from_slice(json)?),
            Kind::Token => Self::Token(serde_json::from_slice(json)?),
            Kind::User => Self::User(serde_json::from_slice(json)?),
            Kind::UserName => Self::UserName(serde_json::from_slice(json)?),
        })
    }
}

/// The rows that a fold works on: those held so far, and which of them it has written.
#[derive(Debug, Default)]
pub struct Rows {
    held: HashMap<RowKey, Held, RandomState>,
    written: Vec<RowKey>,
}

#[derive(Debug)]
struct Held {
    /// None: there is no such row.
    row: Option<Row>,
    written: bool,
}

impl Rows {
    /// Whether the row, or its absence, is known here.
    pub fn holds(&self, key: &RowKey) -> bool {
        self.held.contains_key(key)
    }

    /// How many rows, or absences of rows, are known here.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is known here.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Makes known what the store holds; `None` says that it holds no such row.
    pub fn know(&mut self, key: RowKey, row: Option<Row>) {
        self.held.insert(key, Held { row, written: false });
    }

    /// The row, if there is one.
    pub fn get(&self, key: &RowKey) -> Option<&Row> {
        self.held.get(key)?.row.as_ref()
    }

    /// Writes a row.
    pub fn put(&mut self, key: RowKey, row: Row) {
        let held = self.held.entry(key.clone()).or_insert(Held { row: None, written: false });
        held.row = Some(row);
        if !held.written {
            held.written = true;
            self.written.push(key);
        }
    }

    /// Takes a row out to be changed and [`put`](Self::put) back.
    pub(crate) fn take(&mut self, key: &RowKey) -> Option<Row> {
        self.held.get_mut(key)?.row.take()
    }

    /// Puts back what was [`take`](Self::take)n and not changed.
    pub(crate) fn restore(&mut self, key: &RowKey, row: Option<Row>) {
        if let Some(held) = self.held.get_mut(key) {
            held.row = row;
        }
    }

    /// The rows written since [`settle`](Self::settle) was last called, each once.
    pub fn written(&self) -> impl Iterator<Item = (&RowKey, &Row)> {
        self.written.iter().filter_map(|key| Some((key, self.get(key)?)))
    }

    /// Says that what was written is in the store now.
    pub fn settle(&mut self) {
        for key in self.written.drain(..) {
            if let Some(held) = self.held.get_mut(&key) {
                held.written = false;
            }
        }
    }

    /// Forgets all rows but those written since [`settle`](Self::settle) was last called.
    pub fn forget_idle(&mut self) {
        self.held.retain(|_, held| held.written);
    }

    /// Forgets everything; what was not settled is lost.
    pub fn clear(&mut self) {
        self.held.clear();
        self.written.clear();
    }

    /// Every row held of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Row> {
        self.held.iter().filter(move |(key, _)| key.kind == kind).filter_map(|(_, h)| h.row.as_ref())
    }
}

/// 120 bits of a hash as 24 characters that are safe in a URL (RFC 4648 base 32, lower case).
pub fn short_hash(hash: &[u8; 32]) -> String {
    BASE32_NOPAD.encode(&hash[..15]).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
