//! Commits that fail, zombies, and a database that goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use acceptance::{Mishap, PATIENCE, Postgres, Proxy};
use projection::{Claim, Claimed, Commit, CommitError, Lease, Store, StoreError};
use tokio::time::timeout;
use uuid::Uuid;

use crate::conformance::story::{Notice, Story};
use crate::conformance::{claim_all, lease};
use crate::{open, said};

fn commit() -> Commit {
    Story::new(0).notice(Notice { adds: Some(3), ..Notice::default() }).clone()
}

/// How far the cursor is, and how many changes there are.
async fn written(store: &dyn Store) -> (u64, usize) {
    let next = store.cursor(0).await.unwrap().next;
    (next, store.changes(0, (0, 0), u64::MAX, 10).await.unwrap().len())
}

async fn waits_for(store: &dyn Store, wanted: impl FnMut(&Option<String>) -> bool) -> Option<String> {
    let mut health = store.health();
    timeout(PATIENCE, health.wait_for(wanted)).await.unwrap().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_connection_is_lost_is_whole_or_nothing_and_repeating_it_tells() {
    let postgres = Postgres::shared();
    for (mishap, persists) in [(Mishap::LostBefore, false), (Mishap::LostAfter, true)] {
        let url = postgres.database();
        let proxy = Proxy::to(postgres.address()).await;
        let (store, other) = (open(&proxy.url(&url), "l").await, open(&url, "l").await);
        claim_all(&*store).await;
        proxy.prepare(mishap);
        let result = store.commit(commit()).await;
        assert!(matches!(result, Err(CommitError::Unknown { .. })), "{mishap:?}: {result:?}");

        let again = store.commit(commit()).await;
        assert_eq!(matches!(again, Err(CommitError::Fenced { .. })), persists, "{mishap:?}: {again:?}");
        assert_eq!(again.is_ok(), !persists, "{mishap:?}: {again:?}");
        assert_eq!(written(&*other).await, (1, 1), "{mishap:?}");
        waits_for(&*store, Option::is_none).await;
        assert_eq!(store.watch().borrow()[0], 1, "{mishap:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_an_administrator_ends_has_written_nothing() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let proxy = Proxy::to(postgres.address()).await;
    let store = open(&proxy.url(&url), "l").await;
    claim_all(&*store).await;
    proxy.prepare(Mishap::Held);
    let held = tokio::spawn({
        let store = store.clone();
        async move { store.commit(commit()).await }
    });
    proxy.holds().await;
    postgres.disconnect(&url);
    proxy.let_go();
    let result = held.await.unwrap();
    assert!(matches!(result, Err(CommitError::Unknown { .. })), "{result:?}");
    waits_for(&*store, Option::is_none).await;
    assert_eq!(written(&*store).await, (0, 0));
    store.commit(commit()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_is_rejected_and_written_later() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let store = open(&url, "l").await;
    claim_all(&*store).await;
    postgres.sql(&url, "ALTER TABLE regledger_state.change ADD CONSTRAINT full_disk CHECK (false)");
    let result = store.commit(commit()).await;
    let Err(error @ CommitError::Rejected { .. }) = result else { panic!("{result:?}") };
    assert!(said(&error).contains("full_disk"), "{}", said(&error));
    assert_eq!(written(&*store).await, (0, 0));
    postgres.sql(&url, "ALTER TABLE regledger_state.change DROP CONSTRAINT full_disk");
    store.commit(commit()).await.unwrap();
    assert_eq!(written(&*store).await, (1, 1));
}

/// Claims the lease of partition 0 as somebody else, as soon as it can be had.
async fn take_over(store: &dyn Store) -> Lease {
    let lease = Lease { epoch: Uuid::from_u128(77), ..lease(0) };
    let claim = Claim { lease: lease.clone(), holder: "successor".into(), ttl: Duration::from_hours(1) };
    assert_eq!(store.claim(claim).await.unwrap(), Claimed::Granted);
    lease
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_that_was_paused_in_a_commit_does_not_keep_its_lease_and_is_fenced() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let proxy = Proxy::to(postgres.address()).await;
    let (zombie, successor) = (open(&proxy.url(&url), "l").await, open(&url, "l").await);
    let claim = Claim { lease: lease(0), holder: "zombie".into(), ttl: Duration::ZERO };
    assert_eq!(zombie.claim(claim).await.unwrap(), Claimed::Granted);

    // It has written everything but its COMMIT, and holds its lease's row.
    proxy.prepare(Mishap::Held);
    let late = tokio::spawn({
        let zombie = zombie.clone();
        async move { zombie.commit(commit()).await }
    });
    proxy.holds().await;
    let lease = timeout(Duration::from_secs(5), take_over(&*successor)).await.expect("within the time of a lease");
    successor.commit(Commit { lease, ..commit() }).await.unwrap();
    proxy.let_go();
    let late = late.await.unwrap();
    assert!(matches!(late, Err(CommitError::Unknown { .. })), "{late:?}");
    let again = zombie.commit(Commit { expected: 1, next: 2, changes: Vec::new(), ..commit() }).await;
    assert!(matches!(again, Err(CommitError::Fenced { .. })), "{again:?}");
    assert_eq!(written(&*successor).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_in_a_commit_is_waited_for() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let proxy = Proxy::to(postgres.address()).await;
    let store = open(&proxy.url(&url), "l").await;
    claim_all(&*store).await;
    proxy.prepare(Mishap::Held);
    let held = tokio::spawn({
        let store = store.clone();
        async move { store.commit(commit()).await }
    });
    proxy.holds().await;
    postgres.kill();
    proxy.let_go();
    let result = held.await.unwrap();
    assert!(matches!(result, Err(CommitError::Unknown { .. })), "{result:?}");

    let reason = waits_for(&*store, Option::is_some).await.unwrap();
    assert!(reason.contains("connection") || reason.contains("database"), "{reason}");
    let read = store.cursor(0).await;
    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    let rejected = store.commit(commit()).await;
    assert!(matches!(rejected, Err(CommitError::Rejected { .. })), "{rejected:?}");

    postgres.restart();
    waits_for(&*store, Option::is_none).await;
    assert_eq!(written(&*store).await, (0, 0));
    store.commit(commit()).await.unwrap();
    assert_eq!(written(&*store).await, (1, 1));
    crate::many::reaches(&*store, [1, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_ends_when_the_store_is_closed() {
    let postgres = Postgres::shared();
    let store: Arc<dyn Store> = open(&postgres.database(), "l").await;
    let mut health = store.health();
    store.close().await;
    assert!(timeout(PATIENCE, health.changed()).await.unwrap().is_err());
    assert_eq!(written(&*store).await, (0, 0), "reading goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_has_less_than_it_had_ends_the_store() {
    let postgres = Postgres::shared();
    for harm in ["UPDATE regledger_state.cursor SET next = 0", "DROP SCHEMA regledger_state CASCADE"] {
        let url = postgres.database();
        let store = open(&url, "l").await;
        claim_all(&*store).await;
        store.commit(commit()).await.unwrap();
        postgres.sql(&url, harm);
        let mut health = store.health();
        let ended = async { while health.changed().await.is_ok() {} };
        timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("it goes on after {harm}"));
        assert_eq!(store.watch().borrow()[0], 1, "readers are told nothing that is not so");
        store.close().await;
        open(&url, "l").await;
    }
}
