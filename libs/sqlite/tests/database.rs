//! A database file is opened as ours, or refused with the reason.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sqlite::{Database, OpenError, Synchronous};
use tempfile::TempDir;

const FIRST: &[&str] = &["CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"];
const SECOND: &[&str] = &[FIRST[0], "CREATE TABLE b (x INTEGER) STRICT; INSERT INTO a VALUES (2);"];
const BROKEN: &[&str] = &[FIRST[0], "INSERT INTO a VALUES (2); INSERT INTO absent VALUES (1);"];

/// Puts something at a path.
type Prepare = fn(&Path);

#[test]
fn a_new_file_is_set_up_and_only_its_owners() {
    let (_directory, path) = place();
    for (synchronous, expected) in [(Synchronous::Full, 2), (Synchronous::Normal, 1)] {
        let file = Database { synchronous, secure_delete: true, ..database(&path, FIRST) }.open().unwrap();
        let number = |pragma| file.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("synchronous"), expected, "{synchronous:?}");
        assert_eq!(number("page_size"), 4096);
        assert_eq!(number("secure_delete"), 1);
        assert_eq!(number("application_id"), 7);
        assert_eq!(number("user_version"), 1);
        let mode: String = file.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        file.execute("INSERT INTO a VALUES (3)", []).unwrap();
        for name in ["x.db", "x.db-wal", "x.db-shm"] {
            let permissions = fs::metadata(path.with_file_name(name)).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, 0o600, "{name}");
        }
    }
}

#[test]
fn a_file_gets_the_migrations_that_it_has_not_had() {
    let (_directory, path) = place();
    drop(database(&path, FIRST).open().unwrap());
    for _ in 0..2 {
        let file = database(&path, SECOND).open().unwrap();
        let sum: i64 = file.query_row("SELECT sum(x) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 3, "each batch ran once");
        file.query_row("SELECT count(*) FROM b", [], |_| Ok(())).unwrap();
    }
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let (_directory, path) = place();
    drop(database(&path, FIRST).open().unwrap());
    assert!(matches!(database(&path, BROKEN).open(), Err(OpenError::Sqlite { .. })));
    let file = database(&path, FIRST).open().unwrap();
    let sum: i64 = file.query_row("SELECT sum(x) FROM a", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 1);
}

#[test]
fn a_file_that_is_not_ours_is_refused_with_the_reason() {
    let cases: [(&str, Prepare); 7] = [
        ("is damaged or not a SQLite database", |path| fs::write(path, "not a database ".repeat(100)).unwrap()),
        ("is damaged or not a SQLite database", |path| {
            drop(database(path, SECOND).open().unwrap());
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("its application_id is 0x0, not 0x7", |path| execute(path, "CREATE TABLE theirs (x)")),
        ("its application_id is 0x8, not 0x7", |path| {
            execute(path, "PRAGMA application_id = 8; CREATE TABLE theirs (x)")
        }),
        ("its application_id is 0x8, not 0x7", |path| execute(path, "PRAGMA application_id = 8")),
        ("its schema is version 2, this one knows 1", |path| drop(database(path, SECOND).open().unwrap())),
        ("cannot open a connection of", |path| fs::create_dir(path).unwrap()),
    ];
    for (expected, prepare) in cases {
        let (_directory, path) = place();
        prepare(&path);
        let writing = refused(database(&path, FIRST).open());
        assert!(writing.contains(expected), "to be written: {writing:?}, not {expected:?}");
        let reading = refused(database(&path, FIRST).open_readonly());
        assert!(reading.contains(expected), "to be read: {reading:?}, not {expected:?}");
    }
}

#[test]
fn an_empty_file_is_taken_for_a_new_one() {
    let (_directory, path) = place();
    fs::write(&path, "").unwrap();
    database(&path, FIRST).open().unwrap();
}

#[test]
fn reading_neither_creates_nor_migrates_nor_writes() {
    let (_directory, path) = place();
    assert!(matches!(database(&path, FIRST).open_readonly(), Err(OpenError::Sqlite { .. })), "an absent file");
    assert!(!path.exists());
    drop(database(&path, FIRST).open().unwrap());
    let older = refused(database(&path, SECOND).open_readonly());
    assert!(older.contains("must be opened for writing first: its schema is version 1 of 2"), "{older}");
    let file = database(&path, FIRST).open_readonly().unwrap();
    let error = file.execute("INSERT INTO a VALUES (2)", []).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ReadOnly));
}

#[test]
fn a_file_in_a_directory_that_does_not_exist_is_refused() {
    let (directory, _) = place();
    let path = directory.path().join("absent").join("x.db");
    assert!(matches!(database(&path, FIRST).open(), Err(OpenError::Create { .. })));
}

fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.db");
    (directory, path)
}

fn database(path: &Path, migrations: &'static [&'static str]) -> Database {
    let path = path.to_owned();
    Database {
        path,
        application_id: 7,
        migrations,
        page_bytes: 4096,
        synchronous: Synchronous::Full,
        secure_delete: false,
    }
}

fn execute(path: &Path, statements: &str) {
    Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

fn refused(opened: Result<Connection, OpenError>) -> String {
    opened.map(drop).unwrap_err().to_string()
}
