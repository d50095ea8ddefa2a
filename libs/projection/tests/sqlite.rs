//! The SQLite store passes the suite, and says what is known when a file or a commit fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conformance::PARTITIONS;
use conformance::story::{Notice, Story};
use projection::{CommitError, MAX_PARTITIONS, OpenError, SqliteStore, Store};
use proptest::prelude::*;
use rusqlite::{Connection, ffi};
use sqlite::Options;
use tempfile::TempDir;

fn open(path: &Path, ledger: &str) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(path, ledger, PARTITIONS, 2, Options::default()).unwrap())
}

fn open_in(dir: &TempDir) -> impl AsyncFn(&'static str) -> Arc<dyn Store> {
    async |ledger| open(&dir.path().join(ledger), ledger)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_passes_the_suite() {
    let dir = TempDir::new().unwrap();
    conformance::suite(open_in(&dir)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_outlives_its_process() {
    let dir = TempDir::new().unwrap();
    conformance::durable(open_in(&dir)).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_table_as_of_then_is_what_it_was(
        steps in [conformance::as_of::steps(), conformance::as_of::steps()],
        filter in conformance::as_of::filter(),
        page in 1..5usize,
    ) {
        let dir = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = open(&dir.path().join("state.db"), "l");
            conformance::claim_all(&*store).await;
            conformance::as_of::the_table_as_of_then_is_what_it_was(&*store, steps, filter, page).await;
        });
    }
}

#[tokio::test]
async fn the_store_of_another_ledger_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("state.db");
    open(&path, "ours").close().await;
    let refused = SqliteStore::open(&path, "theirs", PARTITIONS, 2, Options::default());
    let Err(OpenError::OtherLedger { found, expected, .. }) = refused else {
        panic!("opened");
    };
    assert_eq!((found.as_str(), expected.as_str()), ("ours", "theirs"));
    open(&path, "ours").close().await;
}

#[test]
fn more_partitions_than_there_is_room_for_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("state.db");
    let refused = SqliteStore::open(&path, "l", MAX_PARTITIONS + 1, 2, Options::default());
    assert!(matches!(refused, Err(OpenError::TooManyPartitions { .. })));
}

/// Options with which the next commit after `fail` is set fails with an I/O error, before or after the real one.
fn failing(fail: &Arc<AtomicBool>, persists: bool) -> Options {
    let fail = fail.clone();
    let commit = move |connection: &Connection| {
        let fails = fail.swap(false, Ordering::SeqCst);
        if !fails || persists {
            connection.execute_batch("COMMIT")?;
        }
        if fails {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None));
        }
        Ok(())
    };
    Options { commit: Arc::new(commit), ..Options::default() }
}

/// Commits one event where the disk fails; returns how far the cursor and its watchers then are.
async fn commit_once_failing(persists: bool) -> (u64, u64, usize) {
    let dir = TempDir::new().unwrap();
    let fail = Arc::new(AtomicBool::new(false));
    let options = failing(&fail, persists);
    let store: &dyn Store = &SqliteStore::open(&dir.path().join("state.db"), "l", PARTITIONS, 2, options).unwrap();
    conformance::claim_all(store).await;
    let mut story = Story::new(0);
    let commit = story.notice(Notice::default()).clone();
    fail.store(true, Ordering::SeqCst);
    let result = store.commit(commit.clone()).await;
    assert!(matches!(result, Err(CommitError::Unknown { .. })), "{result:?}");
    let next = store.cursor(0).await.unwrap().next;
    let told = store.watch().borrow()[0];
    let changes = store.changes(0, (0, 0), u64::MAX, 10).await.unwrap().len();
    // Repeating it tells: it is taken if it was not written, and fenced if it was.
    let again = store.commit(commit).await;
    assert_eq!(matches!(again, Err(CommitError::Fenced { .. })), persists, "{again:?}");
    assert_eq!(store.cursor(0).await.unwrap().next, 1);
    (next, told, changes)
}

#[tokio::test]
async fn a_commit_that_fails_has_written_nothing() {
    assert_eq!(commit_once_failing(false).await, (0, 0, 0));
}

#[tokio::test]
async fn a_commit_that_fails_but_persisted_is_found_whole() {
    assert_eq!(commit_once_failing(true).await, (1, 1, 1));
}
