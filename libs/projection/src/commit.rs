//! Commits: what a batch of events of one partition did, to become visible at once.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use registration::change::ChangeType;
use registration::{Row, RowKey};

use crate::place::{MAX_ORDINAL, MAX_POSITION, pack};
use crate::{CommitError, Lease, Place};

/// What the events from `expected` to before `next` did.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Ledger partition.
    pub partition: u32,
    /// Under which the partition is worked on: without it nothing is written.
    pub lease: Lease,
    /// Where its cursor stands: the position of the first event of the batch.
    pub expected: u64,
    /// Where its cursor will stand: after the last event of the batch.
    pub next: u64,
    /// Ledger time of the last event of the batch.
    pub ledger_time: Timestamp,
    /// The rows that were written, each once, as they are after the batch.
    pub rows: Vec<WrittenRow>,
    /// What subscribers will receive, in order. The row of each is among `rows`.
    pub changes: Vec<NewChange>,
}

/// A row with the columns by which it is found.
#[derive(Clone, Debug)]
pub struct WrittenRow {
    pub(crate) key: RowKey,
    pub(crate) place: i64,
    pub(crate) domain: Option<String>,
    pub(crate) integration: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) state: Option<String>,
    #[cfg(feature = "postgres")]
    pub(crate) terms: Vec<i64>,
    pub(crate) body: Vec<u8>,
}

/// A change as it will be stored.
#[derive(Clone, Debug)]
pub struct NewChange {
    /// Ledger position of its event.
    pub position: u64,
    /// Which of the changes of that event, from 0.
    pub ordinal: u16,
    /// What happened.
    pub kind: ChangeType,
    /// To which row.
    pub row: RowKey,
    /// Ledger time of its event.
    pub recorded_time: Timestamp,
    /// The CloudEvent, JSON without line breaks.
    pub body: Bytes,
}

impl WrittenRow {
    /// A row to be written.
    ///
    /// # Errors
    /// If the row cannot be written as JSON, which only a failing allocation could cause.
    pub fn new(key: &RowKey, row: &Row) -> Result<Self, serde_json::Error> {
        let columns = row.columns();
        let Place { partition, position } = Place { partition: columns.partition, position: columns.position };
        Ok(Self {
            key: key.clone(),
            place: pack(partition, position, 0),
            domain: columns.domain.map(str::to_owned),
            integration: columns.integration.map(str::to_owned),
            tenant: columns.tenant.map(str::to_owned),
            state: columns.state.map(str::to_owned),
            #[cfg(feature = "postgres")]
            terms: columns.terms.to_vec(),
            body: row.to_json()?,
        })
    }
}

/// A commit that was found consistent, as the writer takes it.
pub(crate) struct Checked {
    pub(crate) commit: Commit,
    /// For each change, its row's place in `commit.rows`.
    pub(crate) subjects: Vec<usize>,
}

impl Checked {
    /// Refuses what no fold makes and no reader could be told of.
    pub(crate) fn new(mut commit: Commit, partitions: u32) -> Result<Self, CommitError> {
        let malformed = |detail| CommitError::Malformed { detail };
        if commit.partition >= partitions {
            return Err(malformed("there is no such partition"));
        }
        if commit.next < commit.expected || commit.next > MAX_POSITION {
            return Err(malformed("the cursor would move back, or beyond the last position"));
        }
        let batch = commit.expected..commit.next;
        let places = commit.changes.iter().map(|change| (change.position, change.ordinal));
        if !places.clone().all(|(position, ordinal)| batch.contains(&position) && ordinal <= MAX_ORDINAL) {
            return Err(malformed("a change lies outside the batch"));
        }
        if !places.is_sorted_by(|a, b| a < b) {
            return Err(malformed("the changes are not in order"));
        }
        // In the order in which they lie in the table, so that each page of it is touched once.
        commit.rows.sort_by_key(|row| row.place);
        let subjects = subjects(&commit).ok_or(malformed("the row of a change is missing"))?;
        Ok(Self { commit, subjects })
    }
}

fn subjects(commit: &Commit) -> Option<Vec<usize>> {
    let rows: HashMap<&RowKey, usize> = commit.rows.iter().map(|row| &row.key).zip(0..).collect();
    commit.changes.iter().map(|change| rows.get(&change.row).copied()).collect()
}
