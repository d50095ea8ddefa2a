//! What the writer's thread does to append.

use bytes::Bytes;
use rusqlite::{Connection, Transaction, params};
use sqlite::Work;
use tokio::sync::watch;

use super::rows;

const INSERT: &str = "INSERT INTO event (position, directory, leaf_hash, entry) VALUES (?1, ?2, ?3, ?4)";

/// An entry and its leaf hash.
pub(super) struct Leaf {
    pub(super) directory: bool,
    pub(super) hash: [u8; 32],
    pub(super) bytes: Bytes,
}

/// Appends batches; the result of each is the position of its first entry.
pub(super) struct Appender {
    publish: watch::Sender<u64>,
    /// The head once the transaction at hand is committed.
    next: u64,
}

impl Appender {
    pub(super) fn new(publish: watch::Sender<u64>) -> Self {
        Self { publish, next: 0 }
    }

    fn publish(&self) {
        self.publish.send_if_modified(|head| std::mem::replace(head, self.next) != self.next);
    }
}

impl Work<Vec<Leaf>, u64> for Appender {
    fn apply(&mut self, transaction: &Transaction<'_>, batches: &[Vec<Leaf>]) -> rusqlite::Result<Vec<u64>> {
        // Asked each time, not remembered: nothing can be stale after a failure.
        self.next = rows::head(transaction)?;
        let mut insert = transaction.prepare_cached(INSERT)?;
        let mut firsts = Vec::with_capacity(batches.len());
        for batch in batches {
            firsts.push(self.next);
            for leaf in batch {
                insert.execute(params![rows::integer(self.next), leaf.directory, leaf.hash, &leaf.bytes[..]])?;
                self.next += 1;
            }
        }
        Ok(firsts)
    }

    fn committed(&mut self, _connection: &Connection, _firsts: &[u64]) {
        self.publish();
    }

    fn reopened(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.next = rows::head(connection)?;
        self.publish();
        Ok(())
    }
}
