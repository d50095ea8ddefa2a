//! Commands: an administrator's intent is appended; the fold will decide what becomes of it.

use data_encoding::BASE64;
use jiff::Timestamp;
use ledger::{Entry, Place};
use registration::RowKey;
use registration::command::row_key;
use registration::directory::Token;
use registration::event::{Attributes, EventType, encode_data};
use registration::row::short_hash;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Admission, Unavailable, event_id};

/// What is asked for, by whom.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The type of the event.
    pub kind: EventType,
    /// What it is about, as a path.
    pub source: String,
    /// The row that it is about; the event's own id if there is none yet.
    pub subject: Option<String>,
    /// The integration that it is about.
    pub integration_id: Option<Uuid>,
    /// Where the row lives.
    pub partition: u32,
    /// Id of the access token of the one who asks; none if the hub does it by itself.
    pub actor: Option<String>,
    /// Id of the event, where something was sealed for it before.
    pub id: Option<Uuid>,
    /// How a repetition of the request is known.
    pub repetition: Option<Repetition>,
}

impl Intent {
    /// What the holder of a token asks for, about what is at `source`; in partition 0.
    pub fn new(kind: EventType, source: String, actor: &Token) -> Self {
        Self { actor: Some(actor.id.clone()), ..Self::of_the_hub(kind, source) }
    }

    /// What the hub does by itself, about what is at `source`; in partition 0.
    pub fn of_the_hub(kind: EventType, source: String) -> Self {
        let (subject, integration_id, repetition) = (None, None, None);
        Self { kind, source, subject, integration_id, partition: 0, actor: None, id: None, repetition }
    }

    /// Gives the event an id that was drawn before.
    #[must_use]
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// Names the row that it is about.
    #[must_use]
    pub fn about(mut self, row: &str) -> Self {
        self.subject = Some(row.to_owned());
        self
    }

    /// Names the integration that it is about.
    #[must_use]
    pub fn of(mut self, integration: Uuid) -> Self {
        self.integration_id = Some(integration);
        self
    }

    /// Says where the row lives.
    #[must_use]
    pub fn in_partition(mut self, partition: u32) -> Self {
        self.partition = partition;
        self
    }
}

/// How a repetition of a request is known.
#[derive(Clone, Debug)]
pub struct Repetition {
    /// See [`idempotency_id`].
    pub id: String,
    /// See [`fingerprint`].
    pub fingerprint: String,
}

/// An appended intent, and where its outcome will stand.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// Id of the event.
    pub event: Uuid,
    /// Where it stands in the ledger.
    pub place: Place,
    /// The row of the outcome.
    pub outcome: RowKey,
    /// When it was received.
    pub time: Timestamp,
}

impl Admission {
    /// Appends an intent. Its outcome is known once its place has been projected.
    ///
    /// # Errors
    /// [`Unavailable`] if it could not be made durable, or nobody knows whether it was.
    pub async fn submit(&self, intent: Intent, data: &impl Serialize) -> Result<Submitted, Unavailable> {
        let time = self.now();
        let id = intent.id.unwrap_or_else(|| event_id(time));
        let (idempotency_key, fingerprint) = intent.repetition.map(|r| (r.id, r.fingerprint)).unzip();
        let attributes = Attributes {
            id,
            source: intent.source,
            subject: intent.subject.unwrap_or_else(|| id.to_string()),
            time,
            integration_id: intent.integration_id,
            idempotency_key,
            fingerprint,
            actor: intent.actor,
            ..Attributes::default()
        };
        let bytes = encode_data(&attributes, intent.kind, data)?;
        let place = self.append(Entry::new(intent.partition, intent.kind.is_directory(), bytes)).await?;
        Ok(Submitted { event: id, place, outcome: row_key(&attributes), time })
    }
}

/// The id of an Idempotency-Key: a hash, so that neither its length nor its content matters.
/// `holder` keeps the keys of different senders apart.
pub fn idempotency_id(holder: &str, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(holder);
    hash.update([0]);
    hash.update(key);
    short_hash(&hash.finalize().into())
}

/// The fingerprint of a request: the same key with another request is a mistake of the caller.
pub fn fingerprint(operation: &str, request: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(operation);
    hash.update([0]);
    hash.update(request);
    BASE64.encode(&hash.finalize())
}
