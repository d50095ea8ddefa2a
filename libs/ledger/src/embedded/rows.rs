//! Reads events and holds each against its hash.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use crate::{Limit, ReadError, Recorded, leaf_hash};

const READ: &str = "SELECT position, leaf_hash, entry FROM event
    WHERE position >= ?1 AND position < ?2 ORDER BY position LIMIT ?3";

/// INDEXED BY is a demand: without the index the statement is an error, not a scan of the whole
/// ledger.
const READ_DIRECTORY: &str = "SELECT position, leaf_hash, entry FROM event INDEXED BY event_directory
    WHERE directory = 1 AND position >= ?1 AND position < ?2 ORDER BY position LIMIT ?3";

/// Which events are read.
pub(super) struct Select {
    pub(super) from: u64,
    pub(super) below: u64,
    pub(super) limit: Limit,
    /// The directory's entries alone.
    pub(super) directory: bool,
}

/// Why they cannot be.
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Damaged { position: u64, detail: &'static str },
}

impl Select {
    pub(super) fn run(&self, connection: &Connection) -> Result<Vec<Recorded>, Fault> {
        let mut statement = connection.prepare_cached(if self.directory { READ_DIRECTORY } else { READ })?;
        let most = self.limit.events.max(1);
        let mut rows = statement.query(params![integer(self.from), integer(self.below), integer(most as u64)])?;
        let mut events = Vec::new();
        let mut bytes = 0usize;
        while let Some(row) = rows.next()? {
            let event = recorded(row)?;
            self.reaches(&events, event.position)?;
            bytes = bytes.saturating_add(event.bytes.len());
            if bytes > self.limit.bytes && !events.is_empty() {
                return Ok(events);
            }
            events.push(event);
        }
        if events.len() < most {
            self.reaches(&events, self.below)?;
        }
        Ok(events)
    }

    /// Every event between `events` and `position` must have been read; the directory's have others
    /// between them.
    fn reaches(&self, events: &[Recorded], position: u64) -> Result<(), Fault> {
        let next = self.from + events.len() as u64;
        if next < position && !self.directory {
            return Err(Fault::Damaged { position: next, detail: "the event is missing" });
        }
        Ok(())
    }
}

impl Fault {
    /// The error of a read that began at position `from`.
    pub(super) fn at(self, from: u64) -> ReadError {
        match self {
            Self::Damaged { position, detail } => {
                ReadError::Corrupt { partition: 0, position, detail: detail.to_owned() }
            }
            Self::Sqlite(error) if sqlite::is_damage(&error) => {
                ReadError::Corrupt { partition: 0, position: from, detail: error.to_string() }
            }
            Self::Sqlite(error) => ReadError::Unavailable { source: Arc::new(error) },
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The position that the next event will get.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(position) + 1, 0) FROM event")?;
    statement.query_row([], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// A position as SQLite counts: no disk holds 2⁶³ events, so what is cut off is beyond any head.
pub(super) fn integer(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn recorded(row: &Row<'_>) -> Result<Recorded, Fault> {
    let position = row.get::<_, i64>(0)?.unsigned_abs();
    match (row.get_ref(1)?.as_blob(), row.get_ref(2)?.as_blob()) {
        (Ok(hash), Ok(entry)) if leaf_hash(entry) == hash => {
            Ok(Recorded { partition: 0, position, bytes: Bytes::copy_from_slice(entry) })
        }
        _ => Err(Fault::Damaged { position, detail: "the entry does not match its leaf hash" }),
    }
}
