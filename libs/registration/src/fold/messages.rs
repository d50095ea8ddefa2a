//! What happens to quarantined messages.

use crate::change::Change;
use crate::client::SealedSecret;
use crate::command::{Outcome, Refusal};
use crate::fold::Placed;
use crate::fold::clients::integration_name;
use crate::quarantine::{Message, QuarantineReceive, QuarantineState, Quarantined};
use crate::row::{Kind, Row, RowKey, Rows};

/// A message that came before counts up and is held again, instead of piling up.
pub(super) fn receive(rows: &mut Rows, placed: &Placed, received: &QuarantineReceive) -> Vec<Change> {
    let attributes = &placed.event.attributes;
    let key = RowKey::new(Kind::Quarantined, &received.id);
    let (mut count, mut first_time, mut place) = (0, placed.recorded_time, (placed.partition, placed.position));
    if let Some(Row::Quarantined(row)) = rows.get(&key) {
        (count, first_time) = (row.message.count, row.message.first_time);
        place = (row.partition, row.position);
    }
    let row = Quarantined {
        message: Message {
            id: received.id.clone(),
            integration: integration_name(&attributes.source).to_owned(),
            state: QuarantineState::Held,
            count: count + 1,
            bytes: received.bytes,
            kept_bytes: received.kept_bytes,
            status: received.status,
            detail: received.detail.clone(),
            violations: received.violations.clone(),
            first_time,
            last_time: placed.recorded_time,
            expires_time: received.expires_time,
        },
        integration_id: attributes.integration_id.unwrap_or_default(),
        body: SealedSecret { event: attributes.id, sealed: received.body.clone() },
        partition: place.0,
        position: place.1,
    };
    rows.put(key, Row::Quarantined(Box::new(row)));
    Vec::new()
}

/// Ends the wait of a held message.
pub(super) fn settle(rows: &mut Rows, key: &RowKey, state: QuarantineState) -> Outcome {
    match rows.take(key) {
        Some(Row::Quarantined(mut row)) if row.message.state == QuarantineState::Held => {
            row.message.state = state;
            rows.put(key.clone(), Row::Quarantined(row));
            Outcome::Applied { id: key.id.clone() }
        }
        other => {
            rows.restore(key, other);
            Outcome::Refused { reason: Refusal::NotFound }
        }
    }
}
