//! Deliveries: a change on its way to a subscription, once it did not arrive at the first attempt.

use jiff::Timestamp;
use uuid::Uuid;

/// Where a change stands: partition, position of its event, and which of that event's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Ledger partition.
    pub partition: u32,
    /// Ledger position.
    pub position: u64,
    /// Which of the changes of that event, from 0.
    pub ordinal: u16,
}

impl At {
    pub(crate) fn packed(self) -> i64 {
        projection::pack_change(self.partition, self.position, self.ordinal)
    }

    pub(crate) fn unpacked(packed: i64) -> Self {
        let (partition, position, ordinal) = projection::unpack_change(packed);
        Self { partition, position, ordinal }
    }
}

/// A change that waits to be delivered again, or behind one that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where the change stands.
    pub at: At,
    /// What is delivered in order: of one key one after the other.
    pub key: String,
    /// Id of the change.
    pub change: String,
    /// Its type, in the short form.
    pub kind: String,
    /// When it was recorded.
    pub recorded_time: Timestamp,
    /// How often it was attempted.
    pub attempts: u32,
    /// When it failed first.
    pub first_failure: Option<Timestamp>,
    /// When it is attempted next; none behind another one of its key.
    pub next_time: Option<Timestamp>,
    /// What the last attempt failed with.
    pub reason: Option<String>,
}

/// What has become of a delivery that did not arrive at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits.
    Held,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    /// The word used in JSON and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Dead => "dead",
        }
    }

    pub(crate) fn parse(word: &str) -> Self {
        if word == "dead" { Self::Dead } else { Self::Held }
    }
}

/// A delivery that did not arrive at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// To whom.
    pub subscription: Uuid,
    /// What.
    pub held: Held,
    /// What has become of it.
    pub state: DeliveryState,
}

/// A delivery on a list, and its place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Lists are in this order.
    pub number: i64,
    /// The delivery.
    pub delivery: Delivery,
}

/// Which deliveries. What is not named is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To these subscriptions.
    pub subscriptions: Option<Vec<Uuid>>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Of this key.
    pub key: Option<String>,
    /// Of this change.
    pub at: Option<At>,
    /// Recorded then or later.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub time: Timestamp,
    /// Id of the change.
    pub change: String,
    /// What came of it, in one word.
    pub outcome: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How long it took.
    pub microseconds: u64,
    /// The first bytes of the answer, or why there was none.
    pub answer: String,
}

/// Attempts that are kept of each subscription.
pub(crate) const KEPT_ATTEMPTS: usize = 100;

/// Microseconds since 1970, as times are stored.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// The time of microseconds since 1970; those that no calendar has count as the last.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}
