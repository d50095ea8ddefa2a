//! Several processes on one database: each sees what the others commit, in order and without gaps.

use std::sync::Arc;

use acceptance::{Mishap, PATIENCE, Postgres, Proxy};
use projection::{Store, StoredChange};

use crate::conformance::claim_all;
use crate::conformance::story::{Notice, Story};
use crate::open;

fn notices(partition: u32, count: i64) -> Story {
    let mut story = Story::new(partition);
    for tenant in 0..count {
        story.notice(Notice { tenant, ..Notice::default() });
    }
    story
}

/// Waits until the heads are as they should be.
pub async fn reaches(store: &dyn Store, expected: [u64; 2]) {
    let mut heads = store.watch();
    let reached = heads.wait_for(|heads| heads[..] == expected);
    tokio::time::timeout(PATIENCE, reached).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_commits_the_others_are_told() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let (writes, reads) = (open(&url, "l").await, open(&url, "l").await);
    claim_all(&*writes).await;
    notices(1, 3).commit_to(&*writes).await;
    reaches(&*reads, [0, 3]).await;
    assert_eq!(reads.changes(1, (0, 0), 3, 10).await.unwrap().len(), 3);
    // Who stops reading is not in the way.
    reads.close().await;
    notices(0, 1).commit_to(&*writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_is_lost_is_made_up_for_by_the_poll() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let store = open(&url, "l").await;
    // A commit that tells nobody.
    postgres.sql(&url, "UPDATE regledger_state.cursor SET next = 5 WHERE partition = 1");
    reaches(&*store, [0, 5]).await;
    // Neither does one that is told twice, or late.
    postgres.sql(&url, "SELECT pg_notify('regledger l', '1:3'), pg_notify('regledger l', 'nonsense')");
    postgres.sql(&url, "SELECT pg_notify('regledger l', '0:1')");
    reaches(&*store, [1, 5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_commits_interleave_nothing_is_skipped_and_nothing_told_too_early() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let proxy = Proxy::to(postgres.address()).await;
    let (fast, slow, reads) = (open(&url, "l").await, open(&proxy.url(&url), "l").await, open(&url, "l").await);
    claim_all(&*fast).await;
    let follower = tokio::spawn(follow(reads.clone(), [4, 1]));

    // The commit of partition 1 begins first and ends last.
    proxy.prepare(Mishap::Held);
    let held = tokio::spawn({
        let story = notices(1, 1);
        async move { story.commit_to(&*slow).await }
    });
    proxy.holds().await;
    notices(0, 4).commit_to(&*fast).await;
    reaches(&*reads, [4, 0]).await;
    assert_eq!(reads.changes(1, (0, 0), u64::MAX, 10).await.unwrap(), []);
    proxy.let_go();
    held.await.unwrap();

    let places = follower.await.unwrap();
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]);
}

/// Reads what is new as soon as it is told, as a subscriber does; returns it by place.
async fn follow(store: Arc<dyn Store>, until: [u64; 2]) -> Vec<(u32, u64)> {
    let (mut heads, mut next, mut found) = (store.watch(), [0, 0], Vec::new());
    loop {
        let told = heads.borrow_and_update().clone();
        for (partition, head) in (0..).zip(told) {
            let from = &mut next[partition as usize];
            let changes: Vec<StoredChange> = store.changes(partition, (*from, 0), head, 10).await.unwrap();
            // Each notice is one change: what is told is there, and all of it.
            assert_eq!(changes.len() as u64, head - *from);
            found.extend(changes.iter().map(|change| (change.partition, change.position)));
            *from = head;
        }
        if next == until {
            found.sort_unstable();
            return found;
        }
        tokio::time::timeout(PATIENCE, heads.changed()).await.unwrap().unwrap();
    }
}
