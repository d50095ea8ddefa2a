//! The write-ahead log is copied into the file beside the commits, and stays short.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, Transaction, ffi};
use sqlite::{Database, Options, Synchronous, WriteError, Writer};
use tempfile::TempDir;

/// Bytes of one operation, and how many make 64 MiB.
const PIECE: u32 = 64 << 10;
const PIECES: u32 = 1024;

/// What the log comes to at most: 32 MiB, one more operation, and 24 bytes for each page.
const SHORT: u64 = 33 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn much_is_written_and_the_log_stays_short() {
    let file = File::new();
    let writer = file.writer(Options::default());
    write(&writer, PIECES).await;
    assert!(file.log() < SHORT, "{} bytes", file.log());
    writer.close().await;
    assert_eq!((file.rows(), file.log()), (PIECES, 0));
}

/// SQLite's own checkpoints lengthen the file within the commit of much.
#[tokio::test(flavor = "multi_thread")]
async fn no_commit_copies_the_log_also_after_the_file_was_opened_again() {
    for is_reopened in [false, true] {
        let file = File::new();
        let path = file.database().path;
        let length = move || std::fs::metadata(&path).unwrap().len();
        let fail = Arc::new(AtomicBool::new(is_reopened));
        let seen = length.clone();
        let commit = move |connection: &Connection| {
            let before = seen();
            connection.execute_batch("COMMIT")?;
            assert_eq!(seen(), before, "copied within a commit");
            match fail.swap(false, Ordering::SeqCst) {
                true => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None)),
                false => Ok(()),
            }
        };
        let writer = file.writer(Options { commit: Arc::new(commit), ..Options::default() });
        if is_reopened {
            // Too little to be copied beside what follows.
            assert!(matches!(writer.write(PIECE).await, Err(WriteError::Unknown { .. })));
        }
        let much = 16 << 20;
        writer.write(much).await.unwrap();
        writer.close().await;
        assert!(length() > u64::from(much), "and yet all of it is copied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_keeps_the_log_and_not_the_writer() {
    let file = File::new();
    let writer = file.writer(Options::default());
    write(&writer, 1).await;
    let reader = file.database().open_readonly().unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM room").unwrap();
    write(&writer, PIECES).await;
    assert!(file.log() > u64::from(PIECE * PIECES), "{} bytes", file.log());
    reader.execute_batch("COMMIT").unwrap();
    for _ in 0..32 {
        let before = file.log();
        write(&writer, PIECES / 8).await;
        if file.log() == before {
            return;
        }
    }
    panic!("it never begins anew: {} bytes", file.log());
}

async fn write(writer: &Writer<u32, ()>, pieces: u32) {
    for _ in 0..pieces {
        writer.write(PIECE).await.unwrap();
    }
}

struct File(TempDir);

impl File {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn database(&self) -> Database {
        Database {
            path: self.0.path().join("file"),
            application_id: 7,
            migrations: &["CREATE TABLE room (x BLOB) STRICT;"],
            page_bytes: 4096,
            synchronous: Synchronous::Normal,
            secure_delete: false,
        }
    }

    fn writer(&self, options: Options) -> Writer<u32, ()> {
        Writer::start("writer", self.database(), options, apply).unwrap()
    }

    /// Bytes of the write-ahead log.
    fn log(&self) -> u64 {
        std::fs::metadata(self.0.path().join("file-wal")).map_or(0, |log| log.len())
    }

    fn rows(&self) -> u32 {
        let count = "SELECT count(*) FROM room";
        self.database().open_readonly().unwrap().query_row(count, [], |row| row.get(0)).unwrap()
    }
}

fn apply(transaction: &Transaction<'_>, ops: &[u32]) -> rusqlite::Result<Vec<()>> {
    let mut statement = transaction.prepare_cached("INSERT INTO room VALUES (zeroblob(?1))")?;
    ops.iter().map(|bytes| statement.execute([bytes]).map(|_| ())).collect()
}
