//! The embedded key store with a disk that fails it.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ffi;
use sqlite::Commit;
use tempfile::TempDir;

use super::*;
use crate::conformance::{self, Fate};

/// Commits that fail with `code` as long as `failing` is true, before the real one or after it.
fn commit(failing: &Arc<AtomicBool>, code: i32, fate: Fate) -> Commit {
    let failing = failing.clone();
    Arc::new(move |connection| {
        let fails = failing.load(Ordering::SeqCst);
        if !fails || fate == Fate::Persists {
            connection.execute_batch("COMMIT")?;
        }
        if fails { Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)) } else { Ok(()) }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_write_fails_is_not_handed_out_and_then_it_heals() {
    for (code, fate) in [
        (ffi::SQLITE_FULL, Fate::Lost),
        (ffi::SQLITE_IOERR_FSYNC, Fate::Lost),
        (ffi::SQLITE_IOERR_FSYNC, Fate::Persists),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keys.db");
        let failing = Arc::new(AtomicBool::new(false));
        let options = Options { commit: commit(&failing, code, fate), ..Options::default() };
        let keys = SqliteKeys::open_with(&path, options).unwrap();
        let beside = SqliteKeys::open(&path).unwrap();
        let begin = async || failing.store(true, Ordering::SeqCst);
        let end = async || failing.store(false, Ordering::SeqCst);
        conformance::failing([&keys, &beside], fate, begin, end).await;
    }
}
