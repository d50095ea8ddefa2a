//! Drafts: an event's id and time before it is appended, for what must be sealed for it.

use jiff::Timestamp;
use registration::Sealed;
use secrecy::SecretString;
use uuid::Uuid;
use vault::Subject;

use crate::{Admission, Unavailable, event_id};

/// An event that is not appended yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The id that it will have.
    pub id: Uuid,
    /// When it was received.
    pub time: Timestamp,
}

impl Admission {
    /// A new event.
    pub fn draft(&self) -> Draft {
        let time = self.now();
        Draft { id: event_id(time), time }
    }

    /// Seals a field of an event, under the key of whom it is about; that key is durable when this returns.
    ///
    /// # Errors
    /// [`Unavailable::Keys`].
    pub async fn seal_for(
        &self,
        draft: Draft,
        subject: &Subject,
        field: &str,
        plain: &SecretString,
    ) -> Result<Sealed, Unavailable> {
        let key = self.vault.data_key(subject, draft.time).await.map_err(Unavailable::Keys)?;
        self.seal(&key, draft.id, field, plain)
    }
}
