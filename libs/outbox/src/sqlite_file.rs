//! The store in a SQLite file: read by many, written by one thread.

mod contract;
mod read;
mod write;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use sqlite::{Database, Options, Readers, Synchronous, WriteError, Writer};
use uuid::Uuid;

use crate::{Birth, Cause, OpenError, OutboxError};
use write::{Done, Op};

/// "rgDL": whose file it is.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"rgDL");

const MIGRATIONS: &[&str] = &[include_str!("sqlite_file/001-deliveries.sql")];

/// A delivery store in a SQLite file.
pub struct SqliteOutbox {
    birth: Birth,
    readers: Readers,
    writer: Writer<Op, Done>,
}

impl SqliteOutbox {
    /// Opens the store at `path`; a new one is born now. One of an earlier era of the ledger begins anew. At most `readers`
    /// reads run at a time. Blocks.
    ///
    /// # Errors
    /// [`OpenError`], also if the store belongs to another ledger.
    pub fn open(path: &Path, born: Birth, readers: usize, options: Options) -> Result<Self, OpenError> {
        let database = Database {
            path: path.to_owned(),
            application_id: APPLICATION_ID,
            migrations: MIGRATIONS,
            page_bytes: 4096,
            // What a power cut takes from the end is delivered again.
            synchronous: Synchronous::Normal,
            secure_delete: false,
        };
        let expected = born.ledger.clone();
        let connection = database.open().map_err(OpenError::database)?;
        let birth = be_born(&connection, born).map_err(OpenError::database)?;
        drop(connection);
        if birth.ledger != expected {
            let store = path.display().to_string();
            return Err(OpenError::OtherLedger { store, found: birth.ledger, expected });
        }
        let writer = Writer::start("deliveries", database.clone(), options, write::apply as write::Apply);
        let writer = writer.map_err(OpenError::database)?;
        let readers = Readers::open(&database, readers).map_err(OpenError::database)?;
        Ok(Self { birth, readers, writer })
    }

    async fn write(&self, op: Op) -> Result<Done, OutboxError> {
        self.writer.write(op).await.map_err(write_error)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        self.readers.with(read).await.map_err(|error: rusqlite::Error| {
            let damage = sqlite::is_damage(&error);
            let source: Cause = Arc::new(error);
            if damage { OutboxError::Damaged { source } } else { OutboxError::Unavailable { source } }
        })
    }
}

fn write_error(error: WriteError) -> OutboxError {
    match error {
        WriteError::Damaged { source } => OutboxError::Damaged { source },
        WriteError::Closed => OutboxError::Closed,
        other => OutboxError::Unavailable { source: Arc::new(other) },
    }
}

/// The birth of the store, which is now if it has none of this era.
fn be_born(connection: &Connection, born: Birth) -> rusqlite::Result<Birth> {
    let transaction = connection.unchecked_transaction()?;
    let found = birth(&transaction)?;
    let counts = found.filter(|found| found.ledger != born.ledger || found.era == born.era);
    let birth = match counts {
        Some(found) => found,
        None => {
            for table in ["birth", "subscription", "cursor", "delivery", "attempt"] {
                transaction.execute(&format!("DELETE FROM {table}"), [])?;
            }
            let heads = serde_json::json!(born.heads).to_string();
            let era = born.era.map(|era| era.to_string()).unwrap_or_default();
            let sql = "INSERT INTO birth (one, ledger, era, heads) VALUES (1, ?1, ?2, ?3)";
            transaction.execute(sql, params![born.ledger, era, heads])?;
            born
        }
    };
    transaction.commit()?;
    Ok(birth)
}

fn birth(connection: &Connection) -> rusqlite::Result<Option<Birth>> {
    let found = |row: &rusqlite::Row<'_>| {
        let (era, heads): (String, String) = (row.get(1)?, row.get(2)?);
        let heads = serde_json::from_str(&heads).unwrap_or_default();
        Ok(Birth { ledger: row.get(0)?, era: Uuid::parse_str(&era).ok(), heads })
    };
    connection.query_row("SELECT ledger, era, heads FROM birth", [], found).optional()
}
