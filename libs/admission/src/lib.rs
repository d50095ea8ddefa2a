//! Everything that is appended to the ledger goes through here: it is checked, sealed and written.
//!
//! The commit point of regledger is the append in [`Admission::append`]: what was sent before it
//! returned may be lost and is not acknowledged, what was sent after it is in the ledger for good.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod clock;
mod command;
mod directory;
mod draft;
mod isl;
mod link;
mod notice;
mod partition;
mod password;
mod person;
mod secret;
mod setting;

use std::sync::Arc;

use data_encoding::BASE64;
use jiff::Timestamp;
use ledger::{Entry, Ledger, Place, Recorded, leaf_hash};
use prometheus::{Histogram, HistogramOpts, Registry};
use registration::Event;
use registration::event::{Attributes, EventError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vault::Vault;

pub use clock::Clock;
pub use command::{Intent, Repetition, fingerprint, idempotency_id};
pub use directory::{DirectoryError, DirectoryView};
pub use draft::Draft;
pub use isl::{Whole, token_claim, token_in};
pub use ledger::AppendError;
pub use link::{AccountLink, Link, Mailed};
pub use notice::{Delivery, Prepared, Refused, RefusedKind};
pub use partition::{partition_of_message, partition_of_tenant};
pub use password::{PasswordError, Passwords};
pub use person::{Person, PersonSealer, SignInError};
pub use secret::{Capability, hash_of};

/// The answer to a notification: it is durable, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Id of the event in the ledger.
    pub event_id: Uuid,
    /// Ledger partition.
    pub partition: u32,
    /// Ledger position.
    pub position: u64,
    /// RFC 6962 leaf hash of the ledger entry, base64.
    pub leaf_hash: String,
    /// When it was recorded.
    pub recorded_time: Timestamp,
}

impl Receipt {
    /// The receipt that was given for an event.
    ///
    /// # Errors
    /// [`EventError`] if it is no event, or one of a type that this executable does not know.
    pub fn of(recorded: &Recorded) -> Result<Self, EventError> {
        let event = Event::parse(&recorded.bytes)?;
        Ok(Self::new(&event.attributes, recorded.place(), &leaf_hash(&recorded.bytes)))
    }

    fn new(attributes: &Attributes, place: Place, leaf_hash: &[u8]) -> Self {
        Self {
            event_id: attributes.id,
            partition: place.partition,
            position: place.position,
            leaf_hash: BASE64.encode(leaf_hash),
            recorded_time: attributes.recorded_time.unwrap_or(attributes.time),
        }
    }

    /// Where the event stands.
    pub fn place(&self) -> Place {
        Place { partition: self.partition, position: self.position }
    }
}

/// Why something could not be recorded although nothing was wrong with it. All of these are worth
/// another try.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The ledger did not take it, or did not say whether it did.
    #[error("the ledger did not confirm the append")]
    Ledger(#[from] AppendError),
    /// No data key could be had, and nothing is written unsealed.
    #[error("the key store did not give a data key")]
    Keys(#[source] vault::VaultError),
    /// The event could not be written as JSON.
    #[error("the event could not be written")]
    Encode(#[from] serde_json::Error),
}

/// The write side: holds what every append needs.
#[derive(Clone)]
pub struct Admission {
    ledger: Arc<dyn Ledger>,
    vault: Vault,
    clock: Clock,
    append_seconds: Histogram,
}

impl Admission {
    /// Joins ledger and vault, and registers `regledger_ledger_append_seconds`.
    ///
    /// # Errors
    /// If the metric is registered already.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        vault: Vault,
        clock: Clock,
        metrics: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let append_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "regledger_ledger_append_seconds",
                "Seconds from handing an event to the ledger until it was durable.",
            )
            .buckets(prometheus::exponential_buckets(0.000_25, 2.0, 16)?),
        )?;
        metrics.register(Box::new(append_seconds.clone()))?;
        Ok(Self { ledger, vault, clock, append_seconds })
    }

    /// The vault, for those who open what was sealed.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn append(&self, entry: Entry) -> Result<Place, AppendError> {
        let timer = self.append_seconds.start_timer();
        // COMMIT POINT: when this returns places, the event is durable and may be acknowledged.
        let appended = self.ledger.append(vec![entry]).await;
        match &appended {
            Ok(_) => timer.observe_duration(),
            Err(_) => {
                timer.stop_and_discard();
            }
        }
        let places = appended?;
        places.into_iter().next().ok_or(AppendError::Closed)
    }
}

/// A new event id: UUIDv7 of its time.
fn event_id(time: Timestamp) -> Uuid {
    let seconds = u64::try_from(time.as_second()).unwrap_or_default();
    let nanoseconds = u32::try_from(time.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}
