//! Batches: what a run of events of one partition does, until it is committed.

use bytes::Bytes;
use ledger::Recorded;
use projection::{Commit, Cursor, Lease, NewChange, WrittenRow};
use registration::event::EventError;
use registration::{Event, Placed, RowKey, Rows, fold};

/// What has been folded since the last commit.
pub(crate) struct Batch {
    partition: u32,
    begin: Cursor,
    end: Cursor,
    /// The changes, their bodies still empty.
    changes: Vec<NewChange>,
    /// All bodies one after the other, for a batch has thousands; and where each of them ends.
    bodies: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// An empty batch that begins where the store stands, with room for what `recorded` will change: about as much as it says.
    pub(crate) fn new(partition: u32, cursor: Cursor, recorded: &[Recorded]) -> Self {
        let events = recorded.len();
        let bytes = recorded.iter().map(|event| event.bytes.len()).sum();
        Self {
            partition,
            begin: cursor,
            end: cursor,
            changes: Vec::with_capacity(events),
            bodies: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(events),
        }
    }

    /// Where the cursor will stand after the batch.
    pub(crate) fn end(&self) -> Cursor {
        self.end
    }

    /// Whether nothing was folded.
    pub(crate) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Reads the next events, up to the first that cannot be understood.
    pub(crate) fn read(&self, recorded: &[Recorded]) -> (Vec<Placed>, Option<Unreadable>) {
        let mut events: Vec<Placed> = Vec::with_capacity(recorded.len());
        let mut before = self.end.ledger_time;
        for Recorded { partition, position, bytes } in recorded {
            let event = match Event::parse(bytes) {
                Ok(event) => event,
                Err(source) => {
                    return (events, Some(Unreadable { position: *position, source }));
                }
            };
            let placed = Placed::after(before, *partition, *position, event);
            before = placed.recorded_time;
            events.push(placed);
        }
        (events, None)
    }

    /// Folds the next events into `rows`, which must hold those that [`unknown`] named.
    pub(crate) fn fold(
        &mut self,
        rows: &mut Rows,
        events: &[Placed],
        ledger_id: &str,
    ) -> Result<(), serde_json::Error> {
        for placed in events {
            for (change, ordinal) in fold(rows, placed).into_iter().zip(0..) {
                let event = change.cloud_event(ledger_id, placed, ordinal);
                serde_json::to_writer(&mut self.bodies, &event)?;
                self.ends.push(self.bodies.len());
                self.changes.push(NewChange {
                    position: placed.position,
                    ordinal,
                    kind: change.kind,
                    row: change.row,
                    recorded_time: placed.recorded_time,
                    body: Bytes::new(),
                });
            }
            self.end = Cursor { next: placed.position + 1, ledger_time: placed.recorded_time };
        }
        Ok(())
    }

    /// The batch as the store takes it, with the rows that were written.
    pub(crate) fn commit(self, lease: Lease, rows: &Rows) -> Result<Commit, serde_json::Error> {
        let bodies = Bytes::from(self.bodies);
        let mut changes = self.changes;
        let mut begin = 0;
        for (change, end) in changes.iter_mut().zip(self.ends) {
            change.body = bodies.slice(begin..end);
            begin = end;
        }
        let written = rows.written().map(|(key, row)| WrittenRow::new(key, row));
        Ok(Commit {
            partition: self.partition,
            lease,
            expected: self.begin.next,
            next: self.end.next,
            ledger_time: self.end.ledger_time,
            rows: written.collect::<Result<_, _>>()?,
            changes,
        })
    }
}

/// An event that this executable cannot understand.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) position: u64,
    pub(crate) source: EventError,
}

/// The rows that the fold of these events needs to know and `rows` does not hold.
pub(crate) fn unknown(events: &[Placed], rows: &Rows) -> Vec<RowKey> {
    let keys = events.iter().flat_map(Placed::rows).filter(|key| !rows.holds(key));
    let mut keys: Vec<RowKey> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
