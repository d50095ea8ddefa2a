//! The edge where the executable reads the clock and draws randomness; everything else is handed what they gave.

use jiff::Timestamp;
use uuid::Uuid;

/// The time by the machine's clock.
#[expect(clippy::disallowed_methods, reason = "the executable's edge: the one place of the command line that reads it")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A UUIDv7 that nobody had before: for Idempotency-Keys and temporary names.
#[expect(
    clippy::disallowed_methods,
    reason = "the executable's edge: the one place of the command line that draws one"
)]
pub fn fresh_id() -> Uuid {
    Uuid::now_v7()
}
