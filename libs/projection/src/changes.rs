//! Changes: what happened, in order, for ever.

use bytes::Bytes;
use jiff::Timestamp;

/// A change as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// Ledger partition.
    pub partition: u32,
    /// Ledger position.
    pub position: u64,
    /// Which of the changes of that event, from 0.
    pub ordinal: u16,
    /// What happened, in the short form: `client.registered`.
    pub kind: String,
    /// Id of the row that it happened to.
    pub row: String,
    /// Name of the integration that the change belongs to.
    pub integration: Option<String>,
    /// Tenant that the change belongs to.
    pub tenant: Option<String>,
    /// Ledger time of the event.
    pub recorded_time: Timestamp,
    /// The CloudEvent, JSON without line breaks.
    pub body: Bytes,
}

/// Nanoseconds since 1970, as times are stored; those before 1677 and after 2262 count as these.
pub(crate) fn nanoseconds(time: Timestamp) -> i64 {
    let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(time.as_nanosecond().clamp(least, most)).unwrap_or_default()
}

/// The time of nanoseconds since 1970.
pub(crate) fn time(nanoseconds: i64) -> Timestamp {
    // Every number of 64 bits is a time that jiff knows, so the default is never taken.
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default()
}
