//! Commands: an administrator's intent is appended; the fold will decide what becomes of it.

use data_encoding::BASE64;
use jiff::Timestamp;
use ledger::{Entry, Place};
use registration::RowKey;
use registration::command::row_key;
use registration::directory::Token;
use registration::event::{Attributes, EventType, encode};
use registration::row::short_hash;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::draft::Draft;
use crate::{Admission, Unavailable};

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
    /// Who asks: the id of an access token, or the name of a part of the hub.
    pub actor: String,
    /// How a repetition of the request is known.
    pub repetition: Option<Repetition>,
    /// The event that it will be, where something was sealed for it before; else a new one.
    pub draft: Option<Draft>,
}

impl Intent {
    /// What the holder of a token asks for, about what is at `source`; in partition 0.
    pub fn new(kind: EventType, source: String, actor: &Token) -> Self {
        Self::of_holder(kind, source, actor.id.clone())
    }

    /// What a part of the hub itself asks for.
    pub fn by_itself(kind: EventType, source: String, part: &str) -> Self {
        Self::of_holder(kind, source, part.to_owned())
    }

    fn of_holder(kind: EventType, source: String, actor: String) -> Self {
        let (subject, integration_id, repetition, draft) = (None, None, None, None);
        Self { kind, source, subject, integration_id, partition: 0, actor, repetition, draft }
    }

    /// Names the event for which something was sealed already.
    #[must_use]
    pub fn drafted(mut self, draft: Draft) -> Self {
        self.draft = Some(draft);
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
        let Draft { id, time } = intent.draft.unwrap_or_else(|| self.draft());
        let (idempotency_key, fingerprint) = intent.repetition.map(|r| (r.id, r.fingerprint)).unzip();
        let attributes = Attributes {
            id,
            source: intent.source,
            subject: intent.subject.unwrap_or_else(|| id.to_string()),
            time,
            integration_id: intent.integration_id,
            idempotency_key,
            fingerprint,
            actor: Some(intent.actor),
            ..Attributes::default()
        };
        let bytes = encode(&attributes, intent.kind, data)?;
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
