//! The key store: which rows there are and how they are read and written.
//!
//! Keys stand here only wrapped. Deleting a row destroys the key: SQLite overwrites what it deletes with zeros
//! (`secure_delete`), and [`empty_log`] takes away the pages as they were before.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sqlite::{Database, Synchronous};

use crate::cipher::framed;
use crate::subject::Subject;

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
const EXPIRED_AT_A_TIME: u32 = 1000;

/// How long the emptying of the write-ahead log waits for readers: nobody can make a key meanwhile. A look-up takes
/// microseconds; what takes longer, a backup, is better waited for without a lock.
const LOG_PATIENCE: Duration = Duration::from_millis(250);

/// The database of a key store.
pub(crate) fn database(path: &Path) -> Database {
    Database {
        path: path.to_owned(),
        application_id: APPLICATION_ID,
        migrations: MIGRATIONS,
        synchronous: Synchronous::Full,
        secure_delete: true,
    }
}

/// Whose keys a store holds, and the check value of the key-encryption key that wraps them.
#[derive(Debug)]
pub(crate) struct Belonging {
    pub(crate) ledger: String,
    pub(crate) kek_check: Vec<u8>,
}

/// Whose keys these are; None if nothing has been put into the store yet.
pub(crate) fn belonging(connection: &Connection) -> rusqlite::Result<Option<Belonging>> {
    let read = |row: &Row<'_>| Ok(Belonging { ledger: row.get(0)?, kek_check: row.get(1)? });
    connection.query_row("SELECT ledger, kek_check FROM store", [], read).optional()
}

/// Whether there is any data key.
pub(crate) fn has_keys(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM data_key)", [], |row| row.get(0))
}

/// A wrapped fingerprint key.
pub(crate) struct FingerprintRow {
    pub(crate) kid: String,
    pub(crate) wrapped: Vec<u8>,
}

impl FingerprintRow {
    /// What the wrapped key is bound to.
    pub(crate) fn binding(&self) -> Vec<u8> {
        framed(&[b"fingerprint", self.kid.as_bytes()])
    }
}

/// Says whose keys these are, once and for all, and gives the ledger its fingerprint key.
pub(crate) fn establish(
    connection: &Connection,
    belonging: &Belonging,
    fingerprint: &FingerprintRow,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO store (one, ledger, kek_check) VALUES (1, ?1, ?2)",
        params![belonging.ledger, belonging.kek_check],
    )?;
    connection.execute(
        "INSERT INTO fingerprint_key (kid, wrapped) VALUES (?1, ?2)",
        params![fingerprint.kid, fingerprint.wrapped],
    )?;
    Ok(())
}

/// The fingerprint keys, oldest first.
pub(crate) fn fingerprint_keys(connection: &Connection) -> rusqlite::Result<Vec<FingerprintRow>> {
    connection
        .prepare("SELECT kid, wrapped FROM fingerprint_key ORDER BY ordinal")?
        .query_map([], |row| Ok(FingerprintRow { kid: row.get(0)?, wrapped: row.get(1)? }))?
        .collect()
}

/// A wrapped data key.
#[derive(Clone)]
pub(crate) struct KeyRow {
    pub(crate) kid: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) made: i64,
    pub(crate) expires: Option<i64>,
    pub(crate) wrapped: Vec<u8>,
}

impl KeyRow {
    /// Whether the key belongs to `subject`. Any of its keys opens, so the expiry is not looked at.
    pub(crate) fn is_of(&self, subject: &Subject) -> bool {
        self.kind == subject.kind() && self.name == subject.name()
    }

    /// What the wrapped key is bound to: everything that the row says of it but when it was made.
    pub(crate) fn binding(&self) -> Vec<u8> {
        let expires = self.expires.map(i64::to_be_bytes);
        framed(&[
            b"data",
            self.kid.as_bytes(),
            self.kind.as_bytes(),
            self.name.as_bytes(),
            expires.as_ref().map_or(&[], |expires| expires.as_slice()),
        ])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            kid: row.get(0)?,
            kind: row.get(1)?,
            name: row.get(2)?,
            made: row.get(3)?,
            expires: row.get(4)?,
            wrapped: row.get(5)?,
        })
    }
}

/// The key that seals for a subject: its first. A quarantined message that comes again is sealed with a key that lives longer.
pub(crate) fn find(
    connection: &Connection,
    kind: &str,
    name: &str,
    expires: Option<i64>,
) -> rusqlite::Result<Option<KeyRow>> {
    connection
        .prepare_cached(
            "SELECT kid, kind, name, made, expires, wrapped FROM data_key
             WHERE kind = ?1 AND name = ?2 AND expires IS ?3 ORDER BY ordinal LIMIT 1",
        )?
        .query_row(params![kind, name, expires], KeyRow::read)
        .optional()
}

/// The key that an envelope names.
pub(crate) fn by_kid(connection: &Connection, kid: &str) -> rusqlite::Result<Option<KeyRow>> {
    connection
        .prepare_cached("SELECT kid, kind, name, made, expires, wrapped FROM data_key WHERE kid = ?1")?
        .query_row([kid], KeyRow::read)
        .optional()
}

/// Puts new keys into the store and gives them back; where the subject has got a key meanwhile, gives that one.
pub(crate) fn make(connection: &Connection, rows: &[KeyRow]) -> rusqlite::Result<Vec<KeyRow>> {
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

/// Deletes keys whose time has come, at most [`EXPIRED_AT_A_TIME`], and says how many it deleted.
fn expire_some(connection: &Connection, now: i64) -> rusqlite::Result<u64> {
    let expired = connection
        .prepare_cached(
            "DELETE FROM data_key WHERE ordinal IN
             (SELECT ordinal FROM data_key WHERE expires <= ?1 LIMIT ?2)",
        )?
        .execute(params![now, EXPIRED_AT_A_TIME])?;
    Ok(expired as u64)
}

/// Deletes the keys whose time has come, `now` in milliseconds since 1970, and says how many they were.
pub(crate) fn expire(connection: &Connection, now: i64) -> rusqlite::Result<u64> {
    let mut expired = 0;
    loop {
        let some = expire_some(connection, now)?;
        expired += some;
        if some < u64::from(EXPIRED_AT_A_TIME) {
            return Ok(expired);
        }
    }
}

/// Moves the write-ahead log into the database and empties it. False if a reader was in the way for [`LOG_PATIENCE`].
pub(crate) fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(LOG_PATIENCE)?;
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!busy)
}
