//! Quarantined messages, as they are listed.

use registration::quarantine::{Message, QuarantineState};
use serde::Deserialize;

use crate::{Place, StoreError};

/// Which messages are listed. What is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// The only integrations whose messages may be seen; `None` for all.
    pub integrations: Option<Vec<String>>,
    /// What is to become of them.
    pub state: Option<QuarantineState>,
}

/// A quarantined message in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMessage {
    /// Where it came first: lists are in this order, which never changes.
    pub at: Place,
    /// What readers see of it.
    pub message: Message,
}

#[derive(Deserialize)]
struct InRow {
    message: Message,
}

/// Reads a message from the body of its row.
pub(crate) fn message(at: Place, body: &[u8]) -> Result<Message, StoreError> {
    let row = serde_json::from_slice(body).map(|InRow { message }| message);
    row.map_err(|error| {
        let Place { partition, position } = at;
        StoreError::unreadable(format!("the message that came at {partition}:{position}"), error)
    })
}
