//! The making of keys, with commits that are watched, held up, and fail.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Waker};

use rusqlite::{Connection, ffi};
use sqlite::{Commit, Options};
use tempfile::TempDir;

use super::*;
use crate::{KeyStoreError, SqliteKeys};

const LEDGER: &str = "ledger";

async fn open(folder: &TempDir, commit: Commit) -> Vault {
    let kek = folder.path().join("kek");
    let kek = Kek::create_file(&kek).or_else(|_| Kek::from_file(&kek)).unwrap();
    let options = Options { commit, ..Options::default() };
    let keys = SqliteKeys::open_with(&folder.path().join("keys.db"), options).unwrap();
    Vault::open(Arc::new(keys), kek, LEDGER).await.unwrap()
}

fn kids(folder: &TempDir) -> Vec<String> {
    let database = Connection::open(folder.path().join("keys.db")).unwrap();
    let mut rows = database.prepare("SELECT kid FROM data_key ORDER BY ordinal").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn tenant(n: usize) -> Subject {
    Subject::Tenant(format!("provetcloud.com/{n}"))
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn error(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// Commits that number themselves and fail the first time, before or after the real one.
fn failing_once(code: i32, persisted: bool) -> Commit {
    let commits = AtomicUsize::new(0);
    Arc::new(move |connection| {
        let first = commits.fetch_add(1, Ordering::SeqCst) == 0;
        if !first || persisted {
            connection.execute_batch("COMMIT")?;
        }
        if first { Err(error(code)) } else { Ok(()) }
    })
}

#[tokio::test]
async fn a_key_that_could_not_be_written_is_not_handed_out_and_the_next_one_is() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder, failing_once(ffi::SQLITE_FULL, false)).await;
    let refused = vault.data_key(&tenant(1), now()).await;
    assert!(matches!(refused, Err(VaultError::Make(KeyStoreError::Rejected { .. }))), "{refused:?}");
    assert_eq!(kids(&folder), Vec::<String>::new());
    let key = vault.data_key(&tenant(1), now()).await.unwrap();
    assert_eq!(kids(&folder), [key.kid()]);
}

#[tokio::test]
async fn a_key_whose_write_failed_but_persisted_is_found_by_the_next_call() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder, failing_once(ffi::SQLITE_IOERR, true)).await;
    let unknown = vault.data_key(&tenant(1), now()).await;
    assert!(matches!(unknown, Err(VaultError::Make(KeyStoreError::Unknown { .. }))), "{unknown:?}");
    let key = vault.data_key(&tenant(1), now()).await.unwrap();
    assert_eq!(kids(&folder), [key.kid()]);
}

/// Calls `make` for every subject while the first commit is held up, then lets go. Gives the keys' ids and how many commits
/// there were.
async fn make_at_once(folder: &TempDir, subjects: &[Subject]) -> (Vec<String>, usize) {
    let commits = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(Mutex::new(()));
    let commit: Commit = {
        let (commits, gate) = (commits.clone(), gate.clone());
        Arc::new(move |connection| {
            drop(gate.lock());
            commits.fetch_add(1, Ordering::SeqCst);
            connection.execute_batch("COMMIT")
        })
    };
    let vault = open(folder, commit).await;
    let held = gate.lock();
    let mut calls: Vec<_> = subjects.iter().map(|s| Box::pin(vault.make(s, now()))).collect();
    for call in &mut calls {
        // The first poll puts it into the writer's queue.
        assert!(call.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
    }
    drop(held);
    let mut kids = Vec::new();
    for call in calls {
        kids.push(call.await.unwrap().kid);
    }
    (kids, commits.load(Ordering::SeqCst))
}

#[tokio::test]
async fn first_notices_of_many_tenants_share_commits() {
    let folder = TempDir::new().unwrap();
    let subjects: Vec<_> = (0..64).map(tenant).collect();
    let (made, commits) = make_at_once(&folder, &subjects).await;
    assert_eq!(made, kids(&folder));
    assert!(commits <= 2, "{commits} commits for 64 keys");
}

#[tokio::test]
async fn first_notices_of_one_tenant_share_a_key() {
    let folder = TempDir::new().unwrap();
    let (made, _) = make_at_once(&folder, &[tenant(1), tenant(1), tenant(2), tenant(1)]).await;
    assert_eq!(kids(&folder), [made[0].clone(), made[2].clone()]);
    assert_eq!(made, [0, 0, 2, 0].map(|n| made[n].clone()));
}

#[tokio::test]
async fn a_known_tenants_key_is_at_hand_without_the_key_store() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder, Options::default().commit).await;
    let key = vault.data_key(&tenant(1), now()).await.unwrap();
    let kid = key.kid().to_owned();
    let database = Connection::open(folder.path().join("keys.db")).unwrap();
    database.execute("DELETE FROM data_key", []).unwrap();
    assert_eq!(vault.data_key(&tenant(1), now()).await.unwrap().kid(), kid);
}

#[tokio::test]
async fn while_keys_cannot_be_made_the_vault_says_why_and_then_no_longer() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder, failing_once(ffi::SQLITE_FULL, false)).await;
    let health = vault.health();
    assert_eq!(*health.borrow(), None);
    vault.data_key(&tenant(1), now()).await.unwrap_err();
    assert!(health.borrow().is_some());
    vault.data_key(&tenant(1), now()).await.unwrap();
    assert_eq!(*health.borrow(), None);
}
