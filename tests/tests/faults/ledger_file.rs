//! The ledger's file, as SQLite sees it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The positions of a ledger's file are 0, 1, 2 …, and SQLite finds nothing wrong with it.
pub fn has_no_gap(ledger: &Path, events: usize) {
    let file = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let positions = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let sql = "SELECT min(position), max(position), count(*) FROM event";
    let found: (i64, i64, i64) = file.query_row(sql, [], positions).unwrap();
    let events = i64::try_from(events).unwrap();
    assert_eq!(found, (0, events - 1, events));
    let check: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
