//! Events in, rows and changes out: the same ones however often, and wherever, the work is interrupted.

use std::sync::Arc;

use crate::world::{Home, Notice, Running, Seen, entries, notices, project, reaches, seen};
use ledger::{Ledger, MemoryLedger, SqliteLedger};
use proptest::prelude::*;
use registration::client::ClientState;
use sqlite::Options;

/// One of each kind of change that notices make.
fn story() -> Vec<Notice> {
    let notice = Notice { tenant: 7, ..Notice::default() };
    vec![
        Notice { adds: Some(3), ..notice },
        Notice { adds: Some(4), ..notice },
        Notice { adds: Some(4), ..notice },
        Notice { secret: 1, removes: Some(4), ..notice },
        Notice { secret: 1, removes: Some(3), ..notice },
        Notice { secret: 1, adds: Some(5), ..notice },
        Notice { installation: 1, ..notice },
    ]
}

#[tokio::test]
async fn events_become_rows_and_changes() {
    let home = Home::new();
    let sqlite = SqliteLedger::open(&home.path("ledger.db"), Options::default()).unwrap();
    let ledgers: [Arc<dyn Ledger>; 2] = [Arc::new(MemoryLedger::new(1)), Arc::new(sqlite)];
    for ledger in ledgers {
        ledger.append(entries(1, &story())).await.unwrap();
        let home = Home::new();
        let store = home.open(1);
        project(&ledger, &store).await;
        check_story(&seen(&*store).await);
    }
}

fn check_story(seen: &Seen) {
    let changes: Vec<_> =
        seen.changes.iter().map(|change| (change.position, change.ordinal, change.kind.as_str())).collect();
    let expected = [
        (0, 0, "domain.created"),
        (1, 0, "integration.created"),
        (2, 0, "client.registered"),
        (3, 0, "client.departments_added"),
        (5, 0, "client.updated"),
        (5, 1, "client.departments_removed"),
        (6, 0, "client.departments_removed"),
        (6, 1, "client.deactivated"),
        (7, 0, "client.departments_added"),
        (7, 1, "client.reactivated"),
        (8, 0, "client.registered"),
    ];
    assert_eq!(changes, expected);
    let event: serde_json::Value = serde_json::from_slice(&seen.changes[5].body).unwrap();
    assert_eq!(event["id"], "l-0-5-1");
    assert_eq!(event["data"]["departments"], serde_json::json!([4]));
    let [first, second] = &seen.clients[..] else { panic!("{:?}", seen.clients) };
    assert_eq!(first.client.departments, Some(vec![5]));
    assert_eq!((first.client.state, first.client.latest), (ClientState::Active, Some(false)));
    assert_eq!((second.client.departments.clone(), second.client.latest), (None, Some(true)));
    assert_eq!(seen.cursors[0].next, 9);
}

#[tokio::test]
async fn an_event_is_projected_as_soon_as_it_is_appended() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    let home = Home::new();
    let store = home.open(1);
    let running = Running::start(&ledger, &store);
    for (entry, next) in entries(1, &story()).into_iter().zip(1..) {
        ledger.append(vec![entry]).await.unwrap();
        reaches(&*store, 0, next).await;
    }
    running.stop().await;
    check_story(&seen(&*store).await);
}

#[tokio::test]
async fn two_projectors_of_one_store_do_the_work_of_one() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    let home = Home::new();
    let store = home.open(1);
    let both = [Running::start(&ledger, &store), Running::start(&ledger, &store)];
    for entry in entries(1, &story()) {
        ledger.append(vec![entry]).await.unwrap();
    }
    reaches(&*store, 0, 9).await;
    for running in both {
        running.stop().await;
    }
    check_story(&seen(&*store).await);
}

/// Where the ledger ends for a while, and whether the process then starts anew.
fn cuts() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((1..8usize, any::<bool>()), 0..10)
}

async fn project_in_pieces(partitions: u32, notices: &[Notice], cuts: &[(usize, bool)]) -> Seen {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(partitions));
    let home = Home::new();
    let mut store = home.open(partitions);
    let mut running = Running::start(&ledger, &store);
    let mut entries = entries(partitions, notices);
    for (length, restarts) in cuts {
        let rest = entries.split_off(entries.len().min(*length));
        ledger.append(std::mem::replace(&mut entries, rest)).await.unwrap();
        for partition in 0..partitions {
            reaches(&*store, partition as usize, ledger.head(partition).await.unwrap()).await;
        }
        if *restarts {
            running.stop().await;
            store.close().await;
            store = home.open(partitions);
            running = Running::start(&ledger, &store);
        }
    }
    ledger.append(entries).await.unwrap();
    running.stop().await;
    project(&ledger, &store).await;
    seen(&*store).await
}

/// At once, into a store that knows nothing: also what a rebuild does.
async fn project_whole(partitions: u32, notices: &[Notice]) -> Seen {
    project_in_pieces(partitions, notices, &[]).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn interruptions_and_restarts_change_neither_rows_nor_a_byte_of_a_change(
        partitions in 1..3u32,
        notices in notices(),
        cuts in cuts(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (pieces, whole) = runtime.block_on(async {
            let pieces = project_in_pieces(partitions, &notices, &cuts).await;
            (pieces, project_whole(partitions, &notices).await)
        });
        prop_assert_eq!(pieces, whole);
    }
}

#[tokio::test]
async fn more_events_than_a_batch_holds_become_the_same_as_one_by_one() {
    let story = story();
    let notices: Vec<Notice> =
        (0..9_000).map(|number: i64| Notice { tenant: number % 400, ..story[number as usize % story.len()] }).collect();
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    ledger.append(entries(1, &notices)).await.unwrap();
    let homes = [Home::new(), Home::new()];
    let [rebuilt, followed] = homes.each_ref().map(|home| home.open(1));
    project(&ledger, &rebuilt).await;

    // The same events in a ledger that grows while it is read.
    let growing: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    let running = Running::start(&growing, &followed);
    for some in entries(1, &notices).chunks(1_000) {
        growing.append(some.to_vec()).await.unwrap();
        tokio::task::yield_now().await;
    }
    reaches(&*followed, 0, 9_002).await;
    running.stop().await;
    assert_eq!(seen(&*followed).await, seen(&*rebuilt).await);
}
