//! Which rows there are and how they are read and written.
//!
//! Deleting a row destroys the key: SQLite overwrites what it deletes with zeros (`secure_delete`), and [`empty_log`](sqlite::empty_log) takes away
//! the pages as they were before.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use sqlite::{Database, Synchronous};

use crate::contract::Doomed;
use crate::row::{Belonging, FingerprintRow, KeyRow};

/// `rlke`: regledger keys.
const APPLICATION_ID: i32 = 0x726c_6b65;

const MIGRATIONS: &[&str] = &["
    -- whose keys these are, and under what they are wrapped
    CREATE TABLE store (
        one       INTEGER PRIMARY KEY CHECK (one = 1),
        ledger    TEXT NOT NULL,
        kek_check BLOB NOT NULL
    ) STRICT;
    CREATE TABLE fingerprint_key (
        ordinal INTEGER PRIMARY KEY,
        kid     TEXT NOT NULL UNIQUE,
        wrapped BLOB NOT NULL
    ) STRICT;
    -- A subject may have several keys: the first one seals, each opens what it has sealed. Times in milliseconds since 1970.
    CREATE TABLE data_key (
        ordinal INTEGER PRIMARY KEY,
        kid     TEXT NOT NULL UNIQUE,
        kind    TEXT NOT NULL,
        name    TEXT NOT NULL,
        made    INTEGER NOT NULL,
        expires INTEGER,
        wrapped BLOB NOT NULL
    ) STRICT;
    CREATE INDEX data_key_by_subject ON data_key (kind, name, expires);
    CREATE INDEX data_key_by_expiry ON data_key (expires) WHERE expires IS NOT NULL;
"];

/// How many keys one transaction destroys, so that those who make keys meanwhile need not wait long.
const DESTROYED_AT_A_TIME: u32 = 1000;

/// How long the emptying of the write-ahead log waits for readers: nobody can make a key meanwhile. A look-up takes
/// microseconds; what takes longer, a backup, is better waited for without a lock.
pub(super) const LOG_PATIENCE: Duration = Duration::from_millis(250);

/// The database of a key store.
pub(super) fn database(path: &Path) -> Database {
    Database {
        path: path.to_owned(),
        application_id: APPLICATION_ID,
        migrations: MIGRATIONS,
        // Small: by the random names of its keys, a commit touches as many pages of the indexes as it has keys.
        page_bytes: 4096,
        synchronous: Synchronous::Full,
        secure_delete: true,
    }
}

/// Whose keys these are; None if nothing has been put into the store yet.
pub(super) fn belonging(connection: &Connection) -> rusqlite::Result<Option<Belonging>> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    match connection.query_row("SELECT ledger, kek_check FROM store", [], read).optional()? {
        Some((ledger, kek_check)) => {
            // Read after the store's row, with which it came.
            let fingerprint_keys = fingerprint_keys(connection)?;
            Ok(Some(Belonging { ledger, kek_check, fingerprint_keys }))
        }
        None => Ok(None),
    }
}

/// Whether there is any data key.
pub(super) fn has_keys(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM data_key)", [], |row| row.get(0))
}

/// Says whose keys these are, once and for all, and gives the ledger its fingerprint keys.
pub(super) fn establish(connection: &Connection, belonging: &Belonging) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO store (one, ledger, kek_check) VALUES (1, ?1, ?2)",
        params![belonging.ledger, belonging.kek_check],
    )?;
    for FingerprintRow { kid, wrapped } in &belonging.fingerprint_keys {
        connection.execute("INSERT INTO fingerprint_key (kid, wrapped) VALUES (?1, ?2)", params![kid, wrapped])?;
    }
    Ok(())
}

/// The fingerprint keys, oldest first.
fn fingerprint_keys(connection: &Connection) -> rusqlite::Result<Vec<FingerprintRow>> {
    connection
        .prepare("SELECT kid, wrapped FROM fingerprint_key ORDER BY ordinal")?
        .query_map([], |row| Ok(FingerprintRow { kid: row.get(0)?, wrapped: row.get(1)? }))?
        .collect()
}

/// The key that seals for a subject: its first. A quarantined message that comes again is sealed with a key that lives longer.
fn find(connection: &Connection, kind: &str, name: &str, expires: Option<i64>) -> rusqlite::Result<Option<KeyRow>> {
    connection
        .prepare_cached(
            "SELECT kid, kind, name, made, expires, wrapped FROM data_key
             WHERE kind = ?1 AND name = ?2 AND expires IS ?3 ORDER BY ordinal LIMIT 1",
        )?
        .query_row(params![kind, name, expires], read)
        .optional()
}

/// The key that an envelope names.
pub(super) fn by_kid(connection: &Connection, kid: &str) -> rusqlite::Result<Option<KeyRow>> {
    connection
        .prepare_cached("SELECT kid, kind, name, made, expires, wrapped FROM data_key WHERE kid = ?1")?
        .query_row([kid], read)
        .optional()
}

/// Puts new keys into the store and gives them back; where the subject has got a key meanwhile, gives that one.
pub(super) fn make(connection: &Connection, rows: &[KeyRow]) -> rusqlite::Result<Vec<KeyRow>> {
    rows.iter()
        .map(|row| match find(connection, &row.kind, &row.name, row.expires)? {
            Some(earlier) => Ok(earlier),
            None => insert(connection, row).map(|()| row.clone()),
        })
        .collect()
}

fn insert(connection: &Connection, row: &KeyRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO data_key (kid, kind, name, made, expires, wrapped)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![row.kid, row.kind, row.name, row.made, row.expires, row.wrapped])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        kid: row.get(0)?,
        kind: row.get(1)?,
        name: row.get(2)?,
        made: row.get(3)?,
        expires: row.get(4)?,
        wrapped: row.get(5)?,
    })
}

/// Deletes keys and says how many they were.
pub(super) fn destroy(connection: &Connection, doomed: &Doomed) -> rusqlite::Result<u64> {
    let mut destroyed = 0;
    loop {
        let some = destroy_some(connection, doomed)?;
        destroyed += some;
        if some < u64::from(DESTROYED_AT_A_TIME) {
            return Ok(destroyed);
        }
    }
}

/// Deletes at most [`DESTROYED_AT_A_TIME`].
fn destroy_some(connection: &Connection, doomed: &Doomed) -> rusqlite::Result<u64> {
    let delete = |which: &str, values: &[&dyn ToSql]| {
        let which = format!("SELECT ordinal FROM data_key WHERE {which} LIMIT {DESTROYED_AT_A_TIME}");
        connection.prepare_cached(&format!("DELETE FROM data_key WHERE ordinal IN ({which})"))?.execute(values)
    };
    let deleted = match doomed {
        Doomed::Due(now) => delete("expires <= ?1", &[now]),
        Doomed::Of { kind, name } => delete("kind = ?1 AND name = ?2", &[kind, name]),
    };
    Ok(deleted? as u64)
}
