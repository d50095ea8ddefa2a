//! Batches: the changes of whole events, which are published together.

use projection::{MAX_ORDINAL, Store, StoreError, StoredChange};

/// What is published at once, at most, unless one event alone has more changes.
const USUAL: usize = 512;

/// More than all changes of one event.
const OF_ONE_EVENT: usize = MAX_ORDINAL as usize + 2;

/// The changes of the events of a partition from one position on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<StoredChange>,
    /// The first position that is not in it.
    pub(crate) next: u64,
}

impl Batch {
    /// The next changes from a position on and before another one.
    pub(crate) async fn read(store: &dyn Store, partition: u32, from: u64, until: u64) -> Result<Self, StoreError> {
        if from >= until {
            return Ok(Self { changes: Vec::new(), next: from });
        }
        let changes = store.changes(partition, (from, 0), until, USUAL).await?;
        let batch = Self::of(changes, USUAL, until);
        if batch.next > from {
            return Ok(batch);
        }
        let changes = store.changes(partition, (from, 0), until, OF_ONE_EVENT).await?;
        Ok(Self::of(changes, OF_ONE_EVENT, until))
    }

    /// What is whole in at most `limit` changes from before `until`: of the last event there may be more.
    fn of(mut changes: Vec<StoredChange>, limit: usize, until: u64) -> Self {
        let last = changes.last().filter(|_| changes.len() == limit).map(|last| last.position);
        let next = last.unwrap_or(until);
        changes.retain(|change| change.position < next);
        Self { changes, next }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;

    fn at(position: u64) -> StoredChange {
        StoredChange {
            partition: 0,
            position,
            ordinal: 0,
            kind: "client.updated".to_owned(),
            row: String::new(),
            integration: None,
            tenant: None,
            recorded_time: Timestamp::UNIX_EPOCH,
            body: Bytes::new(),
        }
    }

    #[test]
    fn only_whole_events_are_in_a_batch() {
        //           positions of what was read, limit, what is in the batch, where the next one begins
        let cases: [(&[u64], usize, &[u64], u64); 5] = [
            (&[], 3, &[], 9),
            (&[4, 6], 3, &[4, 6], 9),
            (&[4, 6, 7], 3, &[4, 6], 7),
            (&[4, 6, 6], 3, &[4], 6),
            (&[4, 4, 4], 3, &[], 4),
        ];
        for (read, limit, whole, next) in cases {
            let batch = Batch::of(read.iter().copied().map(at).collect(), limit, 9);
            let expected = Batch { changes: whole.iter().copied().map(at).collect(), next };
            assert_eq!(batch, expected, "{read:?}");
        }
    }
}
