//! Read-only connections are shared, and survive what is done with them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use rusqlite::{Connection, ErrorCode};
use sqlite::{Database, Readers, Synchronous};
use tempfile::TempDir;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_read_sees_what_was_committed_before_it() {
    let (_directory, file, readers) = open(2);
    for expected in 0..5 {
        assert_eq!(count(&readers).await, expected);
        file.execute("INSERT INTO a VALUES (1)", []).unwrap();
    }
}

#[tokio::test]
async fn a_read_cannot_write() {
    let (_directory, _file, readers) = open(1);
    let written = readers.with(|file| file.execute("INSERT INTO a VALUES (1)", [])).await;
    assert_eq!(written.unwrap_err().sqlite_error_code(), Some(ErrorCode::ReadOnly));
}

#[tokio::test]
async fn a_read_that_panics_gives_its_connection_back() {
    let (_directory, _file, readers) = open(1);
    let shared = readers.clone();
    let panicking = tokio::spawn(async move { shared.with::<(), rusqlite::Error>(|_| panic!("in a read")).await });
    assert!(panicking.await.unwrap_err().is_panic(), "the panic continues in the caller");
    assert_eq!(count(&readers).await, 0);
}

#[tokio::test]
async fn as_many_reads_run_at_a_time_as_there_are_connections() {
    let (_directory, _file, readers) = open(2);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let both = Arc::new(Barrier::new(2));
    let read = |_: usize| {
        let (running, most, both) = (running.clone(), most.clone(), both.clone());
        let readers = readers.clone();
        async move {
            readers
                .with(move |_| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Passes only in pairs.
                    both.wait();
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, rusqlite::Error>(())
                })
                .await
        }
    };
    let reads: JoinSet<_> = (0..20).map(read).collect();
    for result in reads.join_all().await {
        result.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

async fn count(readers: &Readers) -> i64 {
    readers.with(|file| file.query_row("SELECT count(*) FROM a", [], |row| row.get(0))).await.unwrap()
}

fn open(n: usize) -> (TempDir, Connection, Readers) {
    let directory = TempDir::new().unwrap();
    let database = Database {
        path: directory.path().join("x.db"),
        application_id: 7,
        migrations: &["CREATE TABLE a (x INTEGER) STRICT"],
        page_bytes: 4096,
        synchronous: Synchronous::Normal,
        secure_delete: false,
    };
    let file = database.open().unwrap();
    let readers = Readers::open(&database, n).unwrap();
    (directory, file, readers)
}
