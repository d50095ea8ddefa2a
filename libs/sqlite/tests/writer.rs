//! The writer commits in groups, says what it knows of each write, and heals by itself.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, Transaction, ffi};
use sqlite::{Commit, Database, Failure, Options, Synchronous, Work, WriteError, Writer};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

type Answer<'w> = Pin<Box<dyn Future<Output = Result<i64, WriteError>> + Send + 'w>>;

#[tokio::test]
async fn concurrent_writers_share_a_commit() {
    for (batch, expected) in [(256, [1, 64].as_slice()), (16, &[1, 16, 16, 16, 16]), (1, &[1; 65])] {
        let file = File::new();
        let gate = Gate::default();
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = sizes.clone();
        let work = move |transaction: &Transaction<'_>, ops: &[i64]| {
            seen.lock().push(ops.len());
            insert(transaction, ops)
        };
        let options = Options { batch, commit: gate.commit(), ..Options::default() };
        let writer = Writer::start("writer", file.database(), options, work).unwrap();
        let mut answers = vec![queued(&writer, 0)];
        gate.reached();
        answers.extend((1..65).map(|n| queued(&writer, n)));
        gate.open();
        for (answer, n) in answers.into_iter().zip(0..) {
            assert_eq!(answer.await.unwrap(), n * 10, "each gets its own result");
        }
        assert_eq!(*sizes.lock(), expected, "at most {batch} in a batch");
        assert_eq!(file.rows(), (0..65).collect::<Vec<_>>(), "in the order of the calls");
    }
}

#[tokio::test]
async fn nobody_is_answered_before_the_commit() {
    let file = File::new();
    let gate = Gate::default();
    let writer = file.writer(gate.commit());
    let mut answer = queued(&writer, 1);
    gate.reached();
    assert!(poll(&mut answer).is_pending());
    assert_eq!(file.rows(), [0; 0]);
    gate.open();
    answer.await.unwrap();
    assert_eq!(file.rows(), [1]);
}

#[tokio::test]
async fn a_full_queue_answers_at_once() {
    let file = File::new();
    let gate = Gate::default();
    let options = Options { queue: 2, commit: gate.commit(), ..Options::default() };
    let writer = Writer::start("writer", file.database(), options, apply).unwrap();
    let committing = queued(&writer, 1);
    gate.reached();
    let waiting = [queued(&writer, 2), queued(&writer, 3)];
    assert!(matches!(writer.write(4).await, Err(WriteError::Full)));
    gate.open();
    committing.await.unwrap();
    for answer in waiting {
        answer.await.unwrap();
    }
    writer.write(5).await.unwrap();
    assert_eq!(file.rows(), [1, 2, 3, 5]);
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let file = File::new();
    let gate = Gate::default();
    let writer = file.writer(gate.commit());
    let first = queued(&writer, 0);
    gate.reached();
    let waiting: Vec<_> = (1..20).map(|n| queued(&writer, n)).collect();
    let mut closing: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(writer.close());
    assert!(closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(matches!(writer.write(20).await, Err(WriteError::Closed)));
    gate.open();
    closing.await;
    assert_eq!(file.rows(), (0..20).collect::<Vec<_>>());
    first.await.unwrap();
    for answer in waiting {
        answer.await.unwrap();
    }
    assert!(writer.health().changed().await.is_err(), "the health ends");
    assert!(!file.path.with_extension("db-wal").exists(), "the file stands alone");
}

#[tokio::test]
async fn a_write_is_made_also_when_its_caller_has_gone() {
    let file = File::new();
    let gate = Gate::default();
    let writer = file.writer(gate.commit());
    let first = queued(&writer, 1);
    gate.reached();
    drop(queued(&writer, 2));
    gate.open();
    first.await.unwrap();
    drop(writer);
    assert_eq!(file.rows(), [1, 2], "dropping the writer waits for what is queued");
}

#[tokio::test]
async fn a_commit_that_failed_leaves_nothing() {
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY] {
        let file = File::new();
        let faults = Faults::default();
        let writer = file.writer(faults.commit());
        writer.write(1).await.unwrap();
        faults.set(Some(Fault { code, persists: false }));
        let error = writer.write(2).await.unwrap_err();
        let WriteError::Rejected { source } = &error else { panic!("{code}: {error:?}") };
        assert!(matches!(**source, Failure::Commit(_)), "{code}: {source:?}");
        assert_eq!(file.rows(), [1], "{code}");
        let reason = writer.health().borrow().clone().unwrap();
        assert!(reason.contains("nothing was written: cannot commit the transaction: "), "{reason}");
        faults.set(None);
        writer.write(3).await.unwrap();
        assert_eq!(*writer.health().borrow(), None, "{code}");
        assert_eq!(file.rows(), [1, 3], "{code}");
    }
}

#[tokio::test]
async fn a_commit_that_failed_at_the_disk_may_have_persisted() {
    for (persists, expected) in [(false, [1, 3].as_slice()), (true, &[1, 2, 3])] {
        let file = File::new();
        let faults = Faults::default();
        let rows = Arc::new(AtomicI64::new(-1));
        let options = Options { commit: faults.commit(), ..Options::default() };
        let writer = Writer::start("writer", file.database(), options, Counting(rows.clone())).unwrap();
        writer.write(1).await.unwrap();
        faults.set(Some(Fault { code: ffi::SQLITE_IOERR_FSYNC, persists }));
        let error = writer.write(2).await.unwrap_err();
        assert!(matches!(error, WriteError::Unknown { .. }), "persists {persists}: {error:?}");
        let reread = rows.load(Ordering::SeqCst);
        assert_eq!(reread, expected.len() as i64 - 1, "persists {persists}: reread before the answer");
        faults.set(None);
        writer.write(3).await.unwrap();
        assert_eq!(file.rows(), expected, "persists {persists}");
        assert_eq!(*writer.health().borrow(), None, "persists {persists}");
    }
}

#[tokio::test]
async fn a_full_file_is_rejected_until_there_is_room() {
    let file = File::new();
    let pages = Arc::new(AtomicI64::new(8));
    let limit = pages.clone();
    let work = move |transaction: &Transaction<'_>, ops: &[i64]| {
        let limit = limit.load(Ordering::SeqCst);
        transaction.pragma_update(None, "max_page_count", limit)?;
        transaction.execute("INSERT INTO room VALUES (zeroblob(10000))", [])?;
        insert(transaction, ops)
    };
    let writer = Writer::start("writer", file.database(), Options::default(), work).unwrap();
    let mut written = Vec::new();
    let error = loop {
        let n = written.len() as i64;
        match writer.write(n).await {
            Ok(_) => written.push(n),
            Err(error) => break error,
        }
    };
    let WriteError::Rejected { source } = &error else { panic!("{error:?}") };
    let Failure::Apply(cause) = &**source else { panic!("{source:?}") };
    assert_eq!(cause.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert_eq!(file.rows(), written);
    pages.store(1_000_000, Ordering::SeqCst);
    writer.write(99).await.unwrap();
    assert_eq!(*writer.health().borrow(), None);
}

#[tokio::test]
async fn an_idle_writer_notices_by_itself_that_writing_works_again() {
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_FSYNC] {
        let file = File::new();
        let faults = Faults::default();
        let options = Options { probe_every: Duration::from_millis(1), commit: faults.commit(), ..Options::default() };
        let writer = Writer::start("writer", file.database(), options, apply).unwrap();
        faults.set(Some(Fault { code, persists: false }));
        writer.write(1).await.unwrap_err();
        until(&mut faults.failed.subscribe(), |failed| *failed > 3).await;
        assert!(writer.health().borrow().is_some(), "{code}: several probes have failed");
        faults.set(None);
        until(&mut writer.health(), Option::is_none).await;
        assert_eq!(file.rows(), [0; 0], "{code}: a probe is no write");
    }
}

#[tokio::test]
async fn a_file_that_has_gone_is_waited_for_and_never_made_anew() {
    let file = File::new();
    let faults = Faults::default();
    let writer = file.writer(faults.commit());
    writer.write(1).await.unwrap();
    let away = file.path.with_extension("away");
    fs::rename(&file.path, &away).unwrap();
    faults.set(Some(Fault { code: ffi::SQLITE_IOERR_FSYNC, persists: false }));
    assert!(matches!(writer.write(2).await, Err(WriteError::Unknown { .. })));
    faults.set(None);
    let error = writer.write(3).await.unwrap_err();
    let WriteError::Rejected { source } = &error else { panic!("{error:?}") };
    assert!(matches!(**source, Failure::Reopen(_)), "{source:?}");
    assert!(!file.path.exists());
    fs::rename(&away, &file.path).unwrap();
    writer.write(4).await.unwrap();
    assert_eq!(file.rows(), [1, 4]);
}

#[tokio::test]
async fn damage_is_final() {
    for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB] {
        let file = File::new();
        let faults = Faults::default();
        let writer = file.writer(faults.commit());
        let mut health = writer.health();
        faults.set(Some(Fault { code, persists: false }));
        assert!(matches!(writer.write(1).await, Err(WriteError::Damaged { .. })), "{code}");
        faults.set(None);
        assert!(matches!(writer.write(2).await, Err(WriteError::Damaged { .. })), "{code}: from now on");
        assert!(health.borrow_and_update().as_ref().unwrap().starts_with("the database is damaged: "));
        assert!(health.changed().await.is_err(), "{code}: the health has ended");
        writer.close().await;
    }
}

#[tokio::test]
async fn damage_that_shows_when_the_file_is_opened_again_is_final() {
    let file = File::new();
    let path = file.path.clone();
    let commit: Commit = Arc::new(move |_| {
        fs::write(&path, "not a database ".repeat(2000)).unwrap();
        fs::remove_file(path.with_extension("db-wal")).unwrap();
        Err(failure(ffi::SQLITE_IOERR_FSYNC))
    });
    let writer = file.writer(commit);
    let mut health = writer.health();
    assert!(matches!(writer.write(1).await, Err(WriteError::Unknown { .. })));
    assert!(matches!(writer.write(2).await, Err(WriteError::Damaged { .. })));
    health.borrow_and_update();
    assert!(health.changed().await.is_err(), "the health has ended");
}

#[tokio::test]
async fn a_panic_ends_the_writer() {
    let file = File::new();
    let panicking = |_: &Transaction<'_>, _: &[i64]| -> rusqlite::Result<Vec<i64>> { panic!("in a transaction") };
    let writer = Writer::start("writer", file.database(), Options::default(), panicking).unwrap();
    let mut health = writer.health();
    let error = writer.write(1).await.unwrap_err();
    let WriteError::Unknown { source } = &error else { panic!("{error:?}") };
    assert!(matches!(**source, Failure::Died), "{source:?}");
    assert!(health.changed().await.is_err(), "the health has ended");
    assert!(matches!(writer.write(2).await, Err(WriteError::Closed)));
    writer.close().await;
    assert_eq!(file.rows(), [0; 0]);
}

/// A database in a directory of its own.
struct File {
    _directory: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("x.db");
        let file = Self { _directory: directory, path };
        drop(file.database().open().unwrap());
        file
    }

    fn database(&self) -> Database {
        Database {
            path: self.path.clone(),
            application_id: 7,
            migrations: &["CREATE TABLE a (x INTEGER) STRICT; CREATE TABLE room (x BLOB) STRICT;"],
            page_bytes: 4096,
            synchronous: Synchronous::Full,
            secure_delete: false,
        }
    }

    fn writer(&self, commit: Commit) -> Writer<i64, i64> {
        let options = Options { commit, ..Options::default() };
        Writer::start("writer", self.database(), options, apply).unwrap()
    }

    fn rows(&self) -> Vec<i64> {
        rows(&self.path)
    }
}

fn rows(path: &Path) -> Vec<i64> {
    let file = Connection::open(path).unwrap();
    let mut statement = file.prepare("SELECT x FROM a ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn apply(transaction: &Transaction<'_>, ops: &[i64]) -> rusqlite::Result<Vec<i64>> {
    insert(transaction, ops)
}

/// The result of an operation is ten times it.
fn insert(transaction: &Transaction<'_>, ops: &[i64]) -> rusqlite::Result<Vec<i64>> {
    let mut statement = transaction.prepare_cached("INSERT INTO a VALUES (?1)")?;
    ops.iter().map(|op| statement.execute([op]).map(|_| op * 10)).collect()
}

/// Keeps the number of rows that it found when the file was opened again.
struct Counting(Arc<AtomicI64>);

impl Work<i64, i64> for Counting {
    fn apply(&mut self, transaction: &Transaction<'_>, ops: &[i64]) -> rusqlite::Result<Vec<i64>> {
        insert(transaction, ops)
    }

    fn reopened(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let rows = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0))?;
        self.0.store(rows, Ordering::SeqCst);
        Ok(())
    }
}

/// Holds the first commit until it is opened.
struct Gate {
    reached: Mutex<Receiver<()>>,
    open: Sender<()>,
    ends: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Default for Gate {
    fn default() -> Self {
        let ((arrive, reached), (open, opened)) = (channel(), channel());
        Self { reached: Mutex::new(reached), open, ends: Mutex::new(Some((arrive, opened))) }
    }
}

impl Gate {
    fn commit(&self) -> Commit {
        let ends = Mutex::new(self.ends.lock().take());
        let real = Options::default().commit;
        Arc::new(move |connection| {
            if let Some((arrive, opened)) = ends.lock().take() {
                arrive.send(()).unwrap();
                opened.recv().unwrap();
            }
            real(connection)
        })
    }

    fn reached(&self) {
        self.reached.lock().recv_timeout(Duration::from_secs(30)).unwrap();
    }

    fn open(&self) {
        self.open.send(()).unwrap();
    }
}

/// How commits fail from now on.
#[derive(Clone, Default)]
struct Faults {
    fault: Arc<Mutex<Option<Fault>>>,
    failed: watch::Sender<usize>,
}

#[derive(Clone, Copy)]
struct Fault {
    code: i32,
    /// Whether the commit takes place all the same.
    persists: bool,
}

impl Faults {
    fn set(&self, fault: Option<Fault>) {
        *self.fault.lock() = fault;
    }

    fn commit(&self) -> Commit {
        let (faults, real) = (self.clone(), Options::default().commit);
        Arc::new(move |connection| {
            let Some(Fault { code, persists }) = *faults.fault.lock() else {
                return real(connection);
            };
            if persists {
                real(connection)?;
            }
            faults.failed.send_modify(|failed| *failed += 1);
            Err(failure(code))
        })
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// Polls a write once, which queues it.
fn queued<'w>(writer: &'w Writer<i64, i64>, op: i64) -> Answer<'w> {
    let mut answer: Answer<'w> = Box::pin(writer.write(op));
    assert!(poll(&mut answer).is_pending(), "{op} is queued");
    answer
}

fn poll(answer: &mut Answer<'_>) -> Poll<Result<i64, WriteError>> {
    answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

async fn until<T>(watched: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) {
    timeout(Duration::from_secs(30), watched.wait_for(wanted)).await.unwrap().unwrap();
}
