//! The embedded ledger keeps the contract, also when its disk fails it or its file has been
//! tampered with.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use ledger::{AppendError, Entry, Ledger, Limit, OpenError, Place, ReadError, SqliteLedger, conformance};
use parking_lot::Mutex;
use rusqlite::{Connection, ffi};
use sqlite::{Commit, Options};
use tempfile::TempDir;

const ALL: Limit = Limit { events: 10_000, bytes: usize::MAX };

/// Does something to a closed ledger's file.
type Damage = fn(&Path);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_ledger_conforms() {
    let directory = TempDir::new().unwrap();
    let open = async |name: &'static str| Arc::new(open(&directory.path().join(name))) as Arc<dyn Ledger>;
    conformance::suite(open).await;
    conformance::durable(open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_entries_of_a_batch_stand_next_to_each_other() {
    let directory = TempDir::new().unwrap();
    let ledger = Arc::new(open(&directory.path().join("ledger.db")));
    let one = |n: usize| {
        let ledger = ledger.clone();
        let entry = move |m| Entry::new(0, false, format!("{n}:{m}"));
        tokio::spawn(async move { ledger.append((0..3).map(entry).collect()).await.unwrap() })
    };
    for places in join_all((0..100).map(one)).await {
        let positions: Vec<u64> = places.unwrap().iter().map(|place| place.position).collect();
        assert_eq!(positions, (positions[0]..positions[0] + 3).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_append_that_failed_leaves_nothing() {
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY] {
        let faults = Faults::default();
        let (_directory, ledger) = faulty(&faults);
        append(&ledger, "first").await.unwrap();
        faults.once(Fault { code, persists: false });
        let error = append(&ledger, "lost").await.unwrap_err();
        assert!(matches!(error, AppendError::Rejected { .. }), "{code} was answered {error:?}");
        assert_eq!(append(&ledger, "next").await.unwrap(), at(1), "{code}");
        assert_eq!(texts(&ledger).await, ["first", "next"], "{code}");
    }
}

#[tokio::test]
async fn of_an_append_that_failed_at_the_disk_nothing_is_known_until_the_file_is_read_again() {
    for (persists, expected) in [(false, ["first", "next"].as_slice()), (true, &["first", "doubtful", "next"])] {
        let faults = Faults::default();
        let (_directory, ledger) = faulty(&faults);
        append(&ledger, "first").await.unwrap();
        faults.once(Fault { code: ffi::SQLITE_IOERR_FSYNC, persists });
        let error = append(&ledger, "doubtful").await.unwrap_err();
        assert!(matches!(error, AppendError::Unknown { .. }), "persists {persists}: {error:?}");
        let head = expected.len() as u64 - 1;
        assert_eq!(ledger.head(0).await.unwrap(), head, "persists {persists}: the head was reread");
        assert_eq!(append(&ledger, "next").await.unwrap(), at(head), "persists {persists}");
        assert_eq!(texts(&ledger).await, expected, "persists {persists}");
    }
}

#[tokio::test]
async fn events_can_only_be_appended() {
    let (_directory, path) = three_events().await;
    let file = Connection::open(&path).unwrap();
    let row = "1, zeroblob(32), x'00'";
    let cases = [
        "UPDATE event SET entry = x'00' WHERE position = 1".to_owned(),
        "UPDATE OR REPLACE event SET position = 0 WHERE position = 1".to_owned(),
        "UPDATE event SET directory = 1 WHERE position = 2".to_owned(),
        "DELETE FROM event WHERE position = 2".to_owned(),
        "DELETE FROM event".to_owned(),
        format!("INSERT INTO event VALUES (4, {row})"),
        format!("INSERT INTO event VALUES (2, {row})"),
        format!("INSERT INTO event VALUES (-1, {row})"),
        format!("INSERT INTO event VALUES (NULL, {row})"),
        format!("INSERT OR REPLACE INTO event VALUES (1, {row})"),
        format!("INSERT OR IGNORE INTO event VALUES (1, {row})"),
        format!("INSERT INTO event VALUES (2, {row}) ON CONFLICT DO UPDATE SET entry = x'00'"),
        "INSERT INTO event VALUES (3, 2, zeroblob(32), x'00')".to_owned(),
        "INSERT INTO event VALUES (3, 1, zeroblob(31), x'00')".to_owned(),
        "INSERT INTO event VALUES (3, 1, zeroblob(32), zeroblob(65536))".to_owned(),
    ];
    for statement in cases {
        let error = file.execute(&statement, []).expect_err(&statement);
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation), "{statement}");
    }
    drop(file);
    assert_eq!(texts(&open(&path)).await, ["event 0", "event 1", "event 2"]);
}

#[tokio::test]
async fn a_ledger_that_was_tampered_with_is_refused_with_what_is_wrong() {
    let cases = [
        ("UPDATE event SET entry = x'00' WHERE position = 0", "damaged at 0:0: the entry does not match its leaf hash"),
        (
            "UPDATE event SET entry = x'00' WHERE position = 99",
            "damaged at 0:99: the entry does not match its leaf hash",
        ),
        (
            "UPDATE event SET leaf_hash = zeroblob(32) WHERE position = 36",
            "damaged at 0:36: the entry does not match its leaf hash",
        ),
        ("DELETE FROM event WHERE position = 0", "damaged at 0:0: the event is missing"),
        ("DELETE FROM event WHERE position = 98", "damaged at 0:98: the event is missing"),
    ];
    for (tampering, expected) in cases {
        let (_directory, path) = events(100).await;
        tamper(&path, tampering);
        let error = refused(&path);
        assert!(matches!(error, OpenError::Check(ReadError::Corrupt { .. })), "{tampering}: {error:?}");
        let reason = error.source().unwrap().to_string();
        assert!(reason.ends_with(expected), "{tampering}: {reason}");
    }
}

#[tokio::test]
async fn tampering_between_the_ends_shows_when_it_is_read() {
    let cases = [
        ("UPDATE event SET entry = x'00' WHERE position = 17", 17),
        ("DELETE FROM event WHERE position = 18", 18),
        ("DELETE FROM event WHERE position BETWEEN 10 AND 30", 10),
    ];
    for (tampering, damaged) in cases {
        let (_directory, path) = events(100).await;
        tamper(&path, tampering);
        let ledger = open(&path);
        for limit in [ALL, Limit { events: 21, ..ALL }] {
            let error = ledger.read(0, 10, limit).await.unwrap_err();
            let ReadError::Corrupt { partition: 0, position, .. } = error else { panic!("{tampering}: {error:?}") };
            assert_eq!(position, damaged, "{tampering}");
        }
        assert_eq!(ledger.read(0, 40, ALL).await.unwrap().len(), 60, "{tampering}: what is intact can be read");
    }
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_refused_with_what_is_wrong() {
    let cases: [(&str, Damage); 4] = [
        ("is damaged or not a SQLite database", |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[..16].fill(b'?');
            fs::write(path, bytes).unwrap();
        }),
        ("is damaged or not a SQLite database", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("belongs to something else: its application_id is 0x1", |path| {
            Connection::open(path).unwrap().pragma_update(None, "application_id", 1).unwrap();
        }),
        ("is of a newer regledger: its schema is version 99, this one knows 1", |path| {
            Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        }),
    ];
    for (expected, damage) in cases {
        let (_directory, path) = three_events().await;
        damage(&path);
        let error = refused(&path);
        let reason = error.source().unwrap().to_string();
        assert!(matches!(error, OpenError::Database(_)) && reason.contains(expected), "{expected}: {reason}");
    }
}

#[tokio::test]
async fn after_closing_the_file_is_whole_by_itself() {
    let (directory, path) = three_events().await;
    let copy = directory.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(texts(&open(&copy)).await, ["event 0", "event 1", "event 2"]);
}

/// Failures of COMMIT to come.
#[derive(Clone, Default)]
struct Faults(Arc<Mutex<Option<Fault>>>);

struct Fault {
    code: i32,
    /// Whether the commit takes place all the same.
    persists: bool,
}

impl Faults {
    fn once(&self, fault: Fault) {
        *self.0.lock() = Some(fault);
    }

    fn commit(&self) -> Commit {
        let (faults, real) = (self.0.clone(), Options::default().commit);
        Arc::new(move |connection| {
            let Some(Fault { code, persists }) = faults.lock().take() else {
                return real(connection);
            };
            if persists {
                real(connection)?;
            }
            Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
        })
    }
}

fn faulty(faults: &Faults) -> (TempDir, SqliteLedger) {
    let directory = TempDir::new().unwrap();
    let options = Options { commit: faults.commit(), ..Options::default() };
    let ledger = SqliteLedger::open(&directory.path().join("ledger.db"), options).unwrap();
    (directory, ledger)
}

fn open(path: &Path) -> SqliteLedger {
    SqliteLedger::open(path, Options::default()).unwrap()
}

fn refused(path: &Path) -> OpenError {
    match SqliteLedger::open(path, Options::default()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

async fn three_events() -> (TempDir, PathBuf) {
    events(3).await
}

/// A closed ledger with `n` events.
async fn events(n: usize) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("ledger.db");
    let ledger = open(&path);
    let entry = |n| Entry::new(0, false, format!("event {n}"));
    ledger.append((0..n).map(entry).collect()).await.unwrap();
    ledger.close().await;
    (directory, path)
}

/// Does what no program of ours does.
fn tamper(path: &Path, statement: &str) {
    let file = Connection::open(path).unwrap();
    let unlock = "DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_removed;";
    file.execute_batch(unlock).unwrap();
    assert!(file.execute(statement, []).unwrap() > 0, "{statement}");
}

async fn append(ledger: &SqliteLedger, text: &'static str) -> Result<Vec<Place>, AppendError> {
    ledger.append(vec![Entry::new(0, false, Bytes::from_static(text.as_bytes()))]).await
}

fn at(position: u64) -> Vec<Place> {
    vec![Place { partition: 0, position }]
}

async fn texts(ledger: &SqliteLedger) -> Vec<String> {
    let events = ledger.read(0, 0, ALL).await.unwrap();
    events.iter().map(|event| String::from_utf8(event.bytes.to_vec()).unwrap()).collect()
}
