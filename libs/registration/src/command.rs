//! Commands: an intent is appended, the fold decides, and the outcome stands in a row to be read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Attributes;
use crate::row::{Columns, Kind, RowKey};

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The hash of its Idempotency-Key, or the id of its event.
    pub id: String,
    /// Hash of its request.
    pub fingerprint: Option<String>,
    /// Where its event stands.
    pub partition: u32,
    /// See `partition`.
    pub position: u64,
    /// What the fold decided.
    pub outcome: Outcome,
}

/// What the fold decided about a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It was carried out, on the row of this id.
    Applied {
        /// Name or id of the row.
        id: String,
    },
    /// It changed nothing.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why the fold refused a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The name is in use, or reserved until the purge of what had it.
    NameTaken,
    /// There is no such domain.
    DomainNotFound,
    /// The domain exists from the start and stays.
    DefaultDomain,
    /// Another command was faster, and the row is no longer what this one went by.
    Outdated,
    /// There is no such row, or it is in no state in which the command makes sense.
    NotFound,
    /// A subscription of which nobody knows how far it is: it must be said from where it goes on.
    StartNeeded,
    /// A URL for signed tokens was set while there is no key to sign them, or the key taken from under one.
    KeyMissing,
    /// A released notification: newer notices of its client had come meanwhile.
    Superseded,
}

impl Command {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns { partition: self.partition, position: self.position, ..Columns::default() }
    }
}

/// The row in which the outcome of a command will stand.
pub fn row_key(attributes: &Attributes) -> RowKey {
    let id = attributes.idempotency_key.clone().unwrap_or_else(|| attributes.id.to_string());
    RowKey::new(Kind::Command, id)
}
