//! What every delivery store must do, as tests that each backend runs.

use std::sync::Arc;

use jiff::Timestamp;
use outbox::{At, Attempt, Birth, DeliveryFilter, DeliveryState, Held, Outbox, OutboxError, Settlement, Taken};
use uuid::Uuid;

pub const PARTITIONS: usize = 2;

/// The birth of a store that is opened for a ledger.
pub fn birth(ledger: &str, era: Option<u128>, heads: [u64; PARTITIONS]) -> Birth {
    Birth { ledger: ledger.to_owned(), era: era.map(Uuid::from_u128), heads: heads.to_vec() }
}

/// A subscription by its number; an epoch too.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn at(partition: u32, position: u64) -> At {
    At { partition, position, ordinal: 0 }
}

/// What is held of a key; it is due then, or waits behind another.
fn held(partition: u32, position: u64, key: &str, due: Option<i64>) -> Held {
    Held {
        at: at(partition, position),
        key: key.to_owned(),
        change: format!("l-{partition}-{position}-0"),
        kind: "client.updated".to_owned(),
        recorded_time: second(position.cast_signed()),
        attempts: due.map_or(0, |_| 1),
        first_failure: due.map(|_| second(0)),
        next_time: due.map(second),
        reason: due.map(|_| "503".to_owned()),
    }
}

fn settlement(subscription: u128, epoch: u128) -> Settlement {
    Settlement { subscription: id(subscription), epoch: id(epoch), ..Settlement::default() }
}

fn to(subscription: u128) -> DeliveryFilter {
    DeliveryFilter { subscriptions: Some(vec![id(subscription)]), ..DeliveryFilter::default() }
}

async fn places(store: &dyn Outbox, subscription: u128, key: &str) -> Vec<u64> {
    let held = store.held(id(subscription), key, 100).await.unwrap();
    held.iter().map(|held| held.at.position).collect()
}

/// Runs the suite. `open` opens an empty store for each name that it has not seen.
pub async fn suite(open: impl AsyncFn(&'static str, Birth) -> Arc<dyn Outbox>) {
    let fresh = async |name| open(name, birth(name, None, [3, 5])).await;
    a_birth_is_said_once(&open).await;
    an_unknown_subscription_is_not_taken_and_one_that_began_is(&*fresh("begin").await).await;
    who_was_taken_over_writes_nothing(&*fresh("fence").await).await;
    a_settlement_is_kept_and_the_same_again_changes_nothing(&*fresh("settle").await).await;
    what_is_beyond_a_cursor_is_forgotten_and_the_first_of_a_key_is_due(&*fresh("take").await).await;
    only_what_is_due_is_due(&*fresh("due").await).await;
    what_was_given_up_can_be_replayed(&*fresh("replay").await).await;
    lists_are_filtered_and_in_order(&*fresh("list").await).await;
    so_many_attempts_are_kept_and_no_more(&*fresh("attempts").await).await;
    what_is_forgotten_is_gone(&*fresh("forget").await).await;
}

async fn a_birth_is_said_once(open: &impl AsyncFn(&'static str, Birth) -> Arc<dyn Outbox>) {
    let store = open("birth", birth("l", None, [1, 2])).await;
    assert_eq!(store.birth().heads, [1, 2]);
    store.begin(id(1), id(9), 4, vec![0, 0]).await.unwrap();
    store.close().await;
    let store = open("birth", birth("l", None, [7, 8])).await;
    assert_eq!(store.birth(), &birth("l", None, [1, 2]), "it was born before");
    assert!(store.take(id(1), id(10), 4, second(0)).await.unwrap().is_some());
    store.close().await;
    let store = open("birth", birth("l", Some(1), [7, 8])).await;
    assert_eq!(store.birth(), &birth("l", Some(1), [7, 8]), "in another era it is born again");
    assert_eq!(store.take(id(1), id(11), 4, second(0)).await.unwrap(), None);
}

async fn an_unknown_subscription_is_not_taken_and_one_that_began_is(store: &dyn Outbox) {
    assert_eq!(store.take(id(1), id(9), 4, second(0)).await.unwrap(), None);
    let begun = store.begin(id(1), id(9), 4, vec![7, 0]).await.unwrap();
    assert_eq!(begun, Taken { next: vec![(7, 0), (0, 0)], ..Taken::default() });
    assert_eq!(store.take(id(1), id(10), 4, second(0)).await.unwrap(), Some(begun));
    assert_eq!(store.take(id(1), id(11), 5, second(0)).await.unwrap(), None, "it was said again from where");
    let mut settled = settlement(1, 10);
    settled.next = vec![(0, 9, 1)];
    settled.held = vec![held(0, 8, "a", Some(1))];
    store.settle(settled).await.unwrap();
    let again = store.begin(id(1), id(12), 5, vec![8, 9]).await.unwrap();
    assert_eq!(again, Taken { next: vec![(8, 0), (9, 0)], ..Taken::default() });
    assert_eq!(places(store, 1, "a").await, [0; 0]);
    assert!(store.list(to(1), 0, 9).await.unwrap().is_empty(), "it is read again");
    let mut settled = settlement(1, 12);
    settled.next = vec![(0, 9, 0), (1, 9, 0)];
    settled.held = vec![held(0, 8, "a", Some(1)), held(1, 8, "b", None)];
    store.settle(settled).await.unwrap();
    store.begin(id(1), id(13), 6, vec![9, 8]).await.unwrap();
    let given_up = store.list(to(1), 0, 9).await.unwrap().into_iter();
    let given_up: Vec<_> = given_up.map(|one| (one.delivery.held.at, one.delivery.state)).collect();
    assert_eq!(given_up, [(at(0, 8), DeliveryState::Dead)], "nobody reads it again, but it can be replayed");
    assert_eq!(store.known().await.unwrap(), [id(1)]);
}

async fn who_was_taken_over_writes_nothing(store: &dyn Outbox) {
    store.begin(id(1), id(9), 4, vec![0, 0]).await.unwrap();
    store.begin(id(2), id(9), 4, vec![0, 0]).await.unwrap();
    let taken = store.take(id(1), id(10), 4, second(0)).await.unwrap().unwrap();
    let mut late = settlement(1, 9);
    late.next = vec![(0, 5, 0)];
    late.held = vec![held(0, 4, "a", Some(1))];
    assert!(matches!(store.settle(late.clone()).await, Err(OutboxError::Fenced)));
    assert_eq!(store.take(id(1), id(11), 4, second(0)).await.unwrap(), Some(taken));
    late.epoch = id(11);
    store.settle(late.clone()).await.unwrap();
    late.subscription = id(3);
    assert!(matches!(store.settle(late).await, Err(OutboxError::Fenced)), "nobody has begun it");
}

async fn a_settlement_is_kept_and_the_same_again_changes_nothing(store: &dyn Outbox) {
    store.begin(id(1), id(9), 4, vec![0, 0]).await.unwrap();
    let mut settled = settlement(1, 9);
    settled.next = vec![(0, 6, 2), (1, 3, 0)];
    settled.held = vec![held(0, 2, "a", Some(7)), held(0, 4, "a", None), held(1, 1, "b", Some(5))];
    settled.dead = vec![held(0, 1, "c", Some(3))];
    settled.failing_since = Some(second(1));
    for _ in 0..2 {
        store.settle(settled.clone()).await.unwrap();
        let all = store.held(id(1), "a", 10).await.unwrap();
        assert_eq!(all, [held(0, 2, "a", Some(7)), held(0, 4, "a", None)]);
        assert_eq!(store.count_held(id(1)).await.unwrap(), 3);
        assert_eq!(store.waiting(id(1)).await.unwrap(), (Some(second(5)), Some(second(1))));
    }
    let mut arrived = settlement(1, 9);
    arrived.done = vec![at(0, 2)];
    arrived.held = vec![held(0, 4, "a", Some(9))];
    for _ in 0..2 {
        store.settle(arrived.clone()).await.unwrap();
        assert_eq!(store.held(id(1), "a", 10).await.unwrap(), [held(0, 4, "a", Some(9))]);
    }
    let taken = store.take(id(1), id(10), 4, second(0)).await.unwrap().unwrap();
    assert_eq!((taken.next, taken.failing_since), (vec![(6, 2), (3, 0)], None));
    let mut keys = taken.keys;
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
}

async fn what_is_beyond_a_cursor_is_forgotten_and_the_first_of_a_key_is_due(store: &dyn Outbox) {
    store.begin(id(1), id(9), 4, vec![0, 0]).await.unwrap();
    store.begin(id(2), id(9), 4, vec![0, 0]).await.unwrap();
    let mut settled = settlement(1, 9);
    settled.next = vec![(0, 5, 0), (1, 2, 1)];
    settled.held = vec![
        held(0, 3, "a", None),
        held(0, 4, "a", None),
        held(0, 5, "a", Some(90)),
        held(1, 1, "b", Some(80)),
        held(1, 2, "b", None),
        held(1, 3, "b", None),
    ];
    store.settle(settled).await.unwrap();
    let taken = store.take(id(1), id(10), 4, second(20)).await.unwrap().unwrap();
    assert_eq!(taken.next, [(5, 0), (2, 1)]);
    assert_eq!(places(store, 1, "a").await, [3, 4]);
    assert_eq!(places(store, 1, "b").await, [1, 2]);
    let first = store.held(id(1), "a", 1).await.unwrap().remove(0);
    assert_eq!(first.next_time, Some(second(20)), "nobody else would say when");
    assert_eq!(store.held(id(1), "b", 1).await.unwrap().remove(0).next_time, Some(second(80)));
}

async fn only_what_is_due_is_due(store: &dyn Outbox) {
    store.begin(id(1), id(9), 4, vec![0, 0]).await.unwrap();
    assert_eq!(store.waiting(id(1)).await.unwrap(), (None, None));
    let mut settled = settlement(1, 9);
    settled.held =
        vec![held(0, 1, "a", Some(30)), held(0, 2, "a", None), held(0, 3, "b", Some(10)), held(1, 1, "c", Some(40))];
    store.settle(settled).await.unwrap();
    for (now, due) in [(9, vec![]), (10, vec!["b"]), (35, vec!["b", "a"]), (99, vec!["b", "a", "c"])] {
        assert_eq!(store.due(id(1), second(now), 10).await.unwrap(), due, "{now}");
    }
    assert_eq!(store.due(id(1), second(99), 1).await.unwrap(), ["b"]);
    let mut back = settlement(1, 9);
    back.hasten = Some(second(20));
    store.settle(back).await.unwrap();
    assert_eq!(store.due(id(1), second(20), 10).await.unwrap().len(), 3);
}

async fn what_was_given_up_can_be_replayed(store: &dyn Outbox) {
    store.begin(id(1), id(9), 4, vec![0, 0]).await.unwrap();
    let mut settled = settlement(1, 9);
    settled.dead = vec![held(0, 1, "a", Some(0)), held(0, 2, "b", Some(0)), held(0, 3, "a", Some(0))];
    settled.held = vec![held(0, 4, "a", Some(90)), held(0, 5, "a", None)];
    settled.next = vec![(0, 6, 0)];
    store.settle(settled).await.unwrap();
    let one = DeliveryFilter { at: Some(at(0, 3)), ..to(1) };
    assert_eq!(store.replay(one, second(50)).await.unwrap(), 1);
    assert_eq!(places(store, 1, "a").await, [3, 4, 5]);
    let again = store.held(id(1), "a", 1).await.unwrap().remove(0);
    assert_eq!((again.attempts, again.first_failure, again.next_time), (0, None, Some(second(50))));
    let early = DeliveryFilter { until: Some(second(2)), state: Some(DeliveryState::Dead), ..to(1) };
    assert_eq!(store.replay(early, second(50)).await.unwrap(), 1);
    assert_eq!(places(store, 1, "a").await, [1, 3, 4, 5]);
    assert_eq!(store.replay(to(2), second(50)).await.unwrap(), 0);
    assert_eq!(store.replay(to(1), second(60)).await.unwrap(), 4, "what waits behind another goes on waiting");
    assert_eq!(store.held(id(1), "a", 9).await.unwrap()[3].next_time, None);
    assert_eq!(store.due(id(1), second(60), 9).await.unwrap().len(), 4);
}

async fn lists_are_filtered_and_in_order(store: &dyn Outbox) {
    for subscription in [1, 2] {
        store.begin(id(subscription), id(9), 4, vec![0, 0]).await.unwrap();
        let mut settled = settlement(subscription, 9);
        settled.held = vec![held(0, 1, "a", Some(0)), held(1, 2, "b", Some(0))];
        settled.dead = vec![held(0, 3, "a", Some(0))];
        store.settle(settled).await.unwrap();
    }
    let list = async |filter, after, limit| store.list(filter, after, limit).await.unwrap();
    let positions = async |filter| -> Vec<u64> {
        list(filter, 0, 100).await.iter().map(|listed| listed.delivery.held.at.position).collect()
    };
    assert_eq!(positions(DeliveryFilter::default()).await, [1, 2, 3, 1, 2, 3]);
    assert_eq!(positions(to(2)).await, [1, 2, 3]);
    assert_eq!(positions(DeliveryFilter { subscriptions: Some(Vec::new()), ..to(1) }).await, [0; 0]);
    assert_eq!(positions(DeliveryFilter { state: Some(DeliveryState::Dead), ..to(1) }).await, [3]);
    assert_eq!(positions(DeliveryFilter { key: Some("a".to_owned()), ..to(1) }).await, [1, 3]);
    assert_eq!(positions(DeliveryFilter { at: Some(at(1, 2)), ..to(1) }).await, [2]);
    let times = DeliveryFilter { since: Some(second(2)), until: Some(second(3)), ..to(1) };
    assert_eq!(positions(times).await, [2]);
    let first = list(to(1), 0, 2).await;
    let rest = list(to(1), first[1].number, 2).await;
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert_eq!(rest[0].delivery.held, held(0, 3, "a", Some(0)));
    assert_eq!(rest[0].delivery.subscription, id(1));
    assert_eq!(rest[0].delivery.state, DeliveryState::Dead);
}

async fn so_many_attempts_are_kept_and_no_more(store: &dyn Outbox) {
    let attempt = |second: i64| Attempt {
        time: self::second(second),
        change: format!("l-0-{second}-0"),
        outcome: "failed".to_owned(),
        status: Some(503),
        microseconds: 1_500,
        answer: "busy".to_owned(),
    };
    for subscription in [1, 2] {
        store.begin(id(subscription), id(9), 4, vec![0, 0]).await.unwrap();
        let mut settled = settlement(subscription, 9);
        settled.attempts = (0..250).map(attempt).collect();
        store.settle(settled).await.unwrap();
    }
    let mut settled = settlement(1, 9);
    settled.attempts = vec![attempt(300)];
    store.settle(settled).await.unwrap();
    let kept = store.attempts(id(1), 1_000).await.unwrap();
    assert_eq!((kept.len(), &kept[0], &kept[99]), (100, &attempt(300), &attempt(151)));
    assert_eq!(store.attempts(id(2), 3).await.unwrap(), [attempt(249), attempt(248), attempt(247)]);
}

async fn what_is_forgotten_is_gone(store: &dyn Outbox) {
    for subscription in [1, 2] {
        store.begin(id(subscription), id(9), 4, vec![0, 0]).await.unwrap();
        let mut settled = settlement(subscription, 9);
        settled.held = vec![held(0, 1, "a", Some(0))];
        store.settle(settled).await.unwrap();
    }
    store.forget(id(1)).await.unwrap();
    assert_eq!(store.take(id(1), id(10), 4, second(0)).await.unwrap(), None);
    assert_eq!(store.count_held(id(1)).await.unwrap(), 0);
    assert_eq!(store.known().await.unwrap(), [id(2)]);
    assert_eq!(store.count_held(id(2)).await.unwrap(), 1);
}
