//! A database file: where it is, whose it is, which schema it has, and how a connection to it is
//! set up.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use thiserror::Error;

/// How long a statement waits for a lock that another process holds.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What [`Writer`](crate::Writer) writes to while writes fail, to see whether they work again.
const PROBE_TABLE: &str = "CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), room BLOB NOT NULL) STRICT;";

/// A SQLite file that belongs to regledger.
#[derive(Clone, Debug)]
pub struct Database {
    /// The file. Its write-ahead log lies beside it as `-wal` and `-shm`.
    pub path: PathBuf,
    /// Says whose file it is; not 0. A file with another one is refused.
    pub application_id: i32,
    /// The schema as the list of SQL batches that made it. `user_version` counts those that a file
    /// has had; only ever append.
    pub migrations: &'static [&'static str],
    /// A power of two from 512 to 65,536 that only a new file takes: every page that a commit touches is written whole.
    pub page_bytes: u32,
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// Overwrite what is deleted with zeros. The write-ahead log keeps older copies until it is
    /// truncated (`PRAGMA wal_checkpoint(TRUNCATE)`).
    pub secure_delete: bool,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// A commit is on disk when it returns.
    Full,
    /// A power cut may lose the last commits, but tears nothing: for what can be derived again.
    Normal,
}

/// Why a database cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be created.
    #[error("cannot create {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// SQLite cannot do what is needed to open it.
    #[error("cannot {operation} of {path}")]
    Sqlite {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file's content is not a database, or a damaged one.
    #[error("{path} is damaged or not a SQLite database")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file is a database, but not this one.
    #[error("{path} belongs to something else: its application_id is {found:#x}, not {expected:#x}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its application id; 0 if it says none.
        found: i32,
        /// [`Database::application_id`].
        expected: i32,
    },
    /// The file was written by a later version of regledger.
    #[error("{path} is of a newer regledger: its schema is version {found}, this one knows {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// How many migrations this executable knows.
        known: u32,
    },
    /// The file is only to be read, and its schema is not the present one.
    #[error("{path} must be opened for writing first: its schema is version {found} of {known}")]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// How many migrations this executable knows.
        known: u32,
    },
    /// The file system has no shared memory, as some network file systems.
    #[error("{path} lies where SQLite cannot keep a write-ahead log (journal mode stays {mode})")]
    NoWal {
        /// The file.
        path: PathBuf,
        /// The journal mode that SQLite fell back to.
        mode: String,
    },
}

impl OpenError {
    /// Whether the file's content is at fault, so that trying again is of no use.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// Whether SQLite says that the file's content is damaged (`SQLITE_CORRUPT`, `SQLITE_NOTADB`):
/// trying again is of no use.
#[must_use]
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

impl Database {
    /// Opens the file for writing: creates it (readable by its owner alone) and brings its schema
    /// up to date.
    ///
    /// # Errors
    /// Whatever [`OpenError`] lists, except [`OpenError::Older`].
    pub fn open(&self) -> Result<Connection, OpenError> {
        create(&self.path).map_err(|source| OpenError::Create { path: self.path.clone(), source })?;
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let version = self.identify(&connection)?;
        self.configure(&connection)?;
        if version < self.known() {
            self.migrate(&mut connection).map_err(|source| self.sqlite("bring up to date the schema", source))?;
        }
        Ok(connection)
    }

    /// Opens the file for reading. It must exist, with the present schema.
    ///
    /// # Errors
    /// Whatever [`OpenError`] lists, except [`OpenError::Create`].
    pub fn open_readonly(&self) -> Result<Connection, OpenError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        self.demand_current(&connection)?;
        Ok(connection)
    }

    /// Opens the file, which was open before, for writing again. Unlike [`Database::open`] it never
    /// makes a file in the place of one that has gone.
    pub(crate) fn reopen(&self) -> Result<Connection, OpenError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        self.demand_current(&connection)?;
        self.configure(&connection)?;
        Ok(connection)
    }

    fn connect(&self, access: OpenFlags) -> Result<Connection, OpenError> {
        self.connection(access).map_err(|source| self.sqlite("open a connection", source))
    }

    /// A connection to the file, whatever is in it.
    pub(crate) fn connection(&self, access: OpenFlags) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Else a statement is prepared anew whenever a value is bound that its plan might depend on.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    }

    /// The schema version of a file that is ours or still empty.
    fn identify(&self, connection: &Connection) -> Result<u32, OpenError> {
        let read = || {
            let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
            let empty: bool =
                connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
            Ok((application, empty, schema_version(connection)?))
        };
        let (found, empty, version) = read().map_err(|source| self.sqlite("read the header", source))?;
        let known = self.known();
        let unclaimed = found == 0 && empty;
        if found != self.application_id && !unclaimed {
            return Err(OpenError::Foreign { path: self.path.clone(), found, expected: self.application_id });
        }
        if version > known {
            return Err(OpenError::Newer { path: self.path.clone(), found: version, known });
        }
        Ok(version)
    }

    fn demand_current(&self, connection: &Connection) -> Result<(), OpenError> {
        let found = self.identify(connection)?;
        if found < self.known() {
            return Err(OpenError::Older { path: self.path.clone(), found, known: self.known() });
        }
        Ok(())
    }

    fn configure(&self, connection: &Connection) -> Result<(), OpenError> {
        let set = || {
            connection.pragma_update(None, "page_size", self.page_bytes)?;
            connection.pragma_update(None, "synchronous", self.synchronous.pragma())?;
            connection.pragma_update(None, "secure_delete", self.secure_delete)?;
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
        };
        let mode = set().map_err(|source| self.sqlite("set up a connection", source))?;
        if mode != "wal" {
            return Err(OpenError::NoWal { path: self.path.clone(), mode });
        }
        Ok(())
    }

    fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Asked again under the lock: another process may have been first.
        let from = schema_version(&transaction)?;
        if from == 0 {
            transaction.execute_batch(PROBE_TABLE)?;
        }
        for batch in self.migrations.iter().skip(from as usize) {
            transaction.execute_batch(batch)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.known())?;
        transaction.commit()
    }

    /// The schema version that this executable brings a file to.
    fn known(&self) -> u32 {
        u32::try_from(self.migrations.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn sqlite(&self, operation: &'static str, source: rusqlite::Error) -> OpenError {
        let path = self.path.clone();
        if is_damage(&source) {
            OpenError::Damaged { path, source }
        } else {
            OpenError::Sqlite { operation, path, source }
        }
    }
}

impl Synchronous {
    fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

fn schema_version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Creates an empty file that only its owner can read; SQLite gives its companions the same mode.
fn create(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file {
        Ok(file) => {
            file.sync_all()?;
            sync_parent(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a new file's name as durable as what will be written to it.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(parent)?.sync_all()
}
