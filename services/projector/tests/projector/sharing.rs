//! Several projectors on one PostgreSQL: they share the partitions, and what one leaves behind another goes on with.

use std::sync::Arc;

use acceptance::{Mishap, Postgres, Proxy};
use ledger::{Entry, Ledger, MemoryLedger};
use projection::{PostgresStore, Store};

use crate::world::{Home, Notice, Running, Seen, entries, project, reaches, seen};

const PARTITIONS: u32 = 4;

/// Events in all partitions.
fn story() -> Vec<Entry> {
    let notice = |number: i64| Notice { tenant: number % 16, adds: Some(number % 5), ..Notice::default() };
    entries(PARTITIONS, &(0..200).map(notice).collect::<Vec<_>>())
}

async fn open(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url, "l", PARTITIONS, 4).await.unwrap())
}

async fn all_reach(ledger: &Arc<dyn Ledger>, store: &dyn Store) {
    for partition in 0..PARTITIONS {
        reaches(store, partition as usize, ledger.head(partition).await.unwrap()).await;
    }
}

/// What one projector makes of a ledger in a store of its own.
async fn alone(ledger: &Arc<dyn Ledger>) -> Seen {
    let home = Home::new();
    let store = home.open(PARTITIONS);
    project(ledger, &store).await;
    seen(&*store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projectors_share_the_partitions_and_one_takes_over_when_the_other_is_killed() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(PARTITIONS));
    let mut first = story();
    let rest = first.split_off(100);

    let one = Running::start(&ledger, &open(&url).await);
    one.holds(4).await;
    let store = open(&url).await;
    let two = Running::start(&ledger, &store);
    one.holds(2).await;
    two.holds(2).await;
    ledger.append(first).await.unwrap();
    all_reach(&ledger, &*store).await;

    one.kill().await;
    ledger.append(rest).await.unwrap();
    all_reach(&ledger, &*store).await;
    two.holds(4).await;
    assert_eq!((0..PARTITIONS).map(|partition| two.fenced(partition)).sum::<f64>(), 0.0);
    two.stop().await;
    assert_eq!(store.held("projector/").await.unwrap().len(), 0, "what is stopped in order gives its leases back");
    assert_eq!(seen(&*store).await, alone(&ledger).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_thousands_of_events_become_the_same_as_in_sqlite() {
    let postgres = Postgres::shared();
    let store = open(&postgres.database()).await;
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(PARTITIONS));
    let notice = |number: i64| Notice {
        tenant: number % 1_000,
        installation: usize::from(number % 3 == 0),
        adds: Some(number % 7),
        removes: (number % 11 == 0).then_some(number % 5),
        ..Notice::default()
    };
    ledger.append(entries(PARTITIONS, &(0..9_000).map(notice).collect::<Vec<_>>())).await.unwrap();
    project(&ledger, &store).await;
    assert_eq!(seen(&*store).await, alone(&ledger).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_gone_over_without_changing_anything_twice() {
    let postgres = Postgres::shared();
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(PARTITIONS));
    ledger.append(story()).await.unwrap();
    let expected = alone(&ledger).await;
    for mishap in [Mishap::LostBefore, Mishap::LostAfter] {
        let url = postgres.database();
        let proxy = Proxy::to(postgres.address()).await;
        let (store, reads) = (open(&proxy.url(&url)).await, open(&url).await);
        proxy.prepare(mishap);
        let mut running = Running::start(&ledger, &store);
        proxy.has_happened().await;
        all_reach(&ledger, &*reads).await;
        running.says(Option::is_none).await;
        running.stop().await;
        assert_eq!(seen(&*reads).await, expected, "{mishap:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_was_paused_past_its_leases_is_fenced_and_changes_nothing_twice() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let proxy = Proxy::to(postgres.address()).await;
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(PARTITIONS));
    let mut first = story();
    let rest = first.split_off(100);
    let (zombies, store) = (open(&proxy.url(&url)).await, open(&url).await);
    let zombie = Running::start(&ledger, &zombies);
    zombie.holds(4).await;
    ledger.append(first).await.unwrap();
    all_reach(&ledger, &*store).await;

    // It believes that it holds its leases, and has events to commit.
    proxy.freeze(true);
    let successor = Running::start(&ledger, &store);
    ledger.append(rest).await.unwrap();
    successor.holds(4).await;
    all_reach(&ledger, &*store).await;
    proxy.freeze(false);
    // Both live, and share the partitions again.
    zombie.holds(2).await;
    successor.holds(2).await;
    assert!(zombie.leases("lost") >= 1.0);
    zombie.stop().await;
    successor.stop().await;
    assert_eq!(seen(&*store).await, alone(&ledger).await);
}
