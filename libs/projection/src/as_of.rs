//! Moments of the past, as a position in each partition.

use jiff::Timestamp;

use crate::{Place, Store, StoreError};

/// When the client table is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After the event at this place. Of other partitions, up to the time of the last change there.
    Position(Place),
    /// After the last event recorded by then.
    Time(Timestamp),
    /// Before the event at each of these positions, one for each partition.
    Heads(Vec<u64>),
}

/// The position of each partition of a store below which everything had happened by then.
pub(crate) async fn heads_as_of(store: &dyn Store, as_of: AsOf) -> Result<Vec<u64>, StoreError> {
    let (time, known) = match as_of {
        AsOf::Heads(heads) => return Ok(heads),
        AsOf::Time(time) => (Some(time), None),
        AsOf::Position(at) => (store.time_at(at).await?, Some(at)),
    };
    let partitions = store.watch().borrow().len();
    let mut heads = Vec::new();
    for partition in (0..).take(partitions) {
        let last = match (known, time) {
            (Some(at), _) if at.partition == partition => Some(at.position),
            (_, Some(time)) => store.position_at(partition, time).await?,
            (_, None) => None,
        };
        heads.push(last.map_or(0, |position| position.saturating_add(1)));
    }
    Ok(heads)
}
