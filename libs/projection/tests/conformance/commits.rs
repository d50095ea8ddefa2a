//! Commits: whole or not at all, once, and in order.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use projection::{Commit, CommitError, Cursor, LeaseError, Place, Store, StoreError, StoredChange, WrittenRow};
use registration::command::{Command, Outcome, Refusal};
use registration::directory::{DEFAULT_DOMAIN, Token, TokenRow};
use registration::{Kind, Row, RowKey};
use uuid::Uuid;

use super::story::{Notice, Story, start, variety};
use super::{PARTITIONS, claim_all, lease};

/// More than any test commits.
const ALL: usize = 10_000;

async fn changes(store: &dyn Store, partition: u32) -> Vec<StoredChange> {
    store.changes(partition, (0, 0), u64::MAX, ALL).await.unwrap()
}

pub async fn a_new_store_is_empty(store: &dyn Store) {
    let beginning = Cursor { next: 0, ledger_time: Timestamp::MIN };
    for partition in 0..PARTITIONS {
        assert_eq!(store.cursor(partition).await.unwrap(), beginning, "partition {partition}");
        assert_eq!(changes(store, partition).await, []);
        assert_eq!(store.position_at(partition, Timestamp::MAX).await.unwrap(), None);
    }
    assert_eq!(*store.watch().borrow(), vec![0; PARTITIONS as usize]);
    assert_eq!(*store.health().borrow(), None);
    let absent = store.cursor(PARTITIONS).await;
    assert!(matches!(absent, Err(StoreError::NoSuchPartition { .. })), "{absent:?}");
    assert_eq!(store.row(RowKey::new(Kind::Client, "c")).await.unwrap(), None);
}

pub async fn rows_round_trip_by_kind(store: &dyn Store) {
    let mut story = variety();
    story.quarantine("q1", 0, start());
    let token = Token {
        id: "t1".to_owned(),
        name: "for a test".to_owned(),
        scopes: Vec::new(),
        domain: None,
        integrations: Vec::new(),
        expires_time: None,
        revoked_time: None,
        created_time: start(),
    };
    let token = TokenRow { token, token_hash: "h".to_owned(), domain_id: Uuid::nil(), position: 2 };
    let command = Command {
        id: "k".to_owned(),
        fingerprint: None,
        partition: 0,
        position: 2,
        outcome: Outcome::Refused { reason: Refusal::NameTaken },
    };
    let mut rows = vec![
        (RowKey::new(Kind::Token, "t1"), Row::Token(Box::new(token))),
        (RowKey::new(Kind::Command, "k"), Row::Command(command)),
    ];
    let told = [
        RowKey::new(Kind::Client, &story.client_ids()[0]),
        RowKey::new(Kind::Domain, DEFAULT_DOMAIN),
        RowKey::new(Kind::Integration, "acme-lab"),
        RowKey::new(Kind::Ledger, ""),
        RowKey::new(Kind::Quarantined, "q1"),
    ];
    rows.extend(told.map(|key| (key.clone(), story.row(&key).unwrap().clone())));
    let written = rows.iter().map(|(key, row)| WrittenRow::new(key, row).unwrap()).collect();
    store.commit(Commit { rows: written, next: 1, ..nothing(0, 0) }).await.unwrap();

    // The same id under another kind is another row.
    let absent = RowKey::new(Kind::Domain, "acme-lab");
    let mut expected: Vec<_> = rows.into_iter().map(|(key, row)| (key, Some(row))).collect();
    expected.push((absent, None));
    let keys = expected.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(store.rows(keys).await.unwrap(), expected);
}

pub async fn a_commit_is_visible_as_a_whole(store: &dyn Store) {
    let mut story = Story::with_directory();
    story.commit_to(store).await;
    let commit = story.notice(Notice { adds: Some(3), ..Notice::default() }).clone();
    let heads = store.watch();
    store.commit(commit.clone()).await.unwrap();

    assert_eq!(*heads.borrow(), [4, 0]);
    let cursor = Cursor { next: 4, ledger_time: story.ledger_time() };
    assert_eq!(store.cursor(0).await.unwrap(), cursor);
    let key = RowKey::new(Kind::Client, &story.client_ids()[0]);
    assert_eq!(store.row(key.clone()).await.unwrap().as_ref(), story.row(&key));
    let expected = StoredChange {
        partition: 0,
        position: 3,
        ordinal: 0,
        kind: "client.registered".to_owned(),
        row: key.id,
        integration: Some("acme-lab".to_owned()),
        tenant: Some("provetcloud.com/0".to_owned()),
        recorded_time: story.ledger_time(),
        body: commit.changes[0].body.clone(),
    };
    assert_eq!(store.changes(0, (3, 0), 4, ALL).await.unwrap(), [expected]);
}

pub async fn a_stale_cursor_is_fenced(store: &dyn Store) {
    let mut story = Story::new(1);
    story.notice(Notice { adds: Some(3), ..Notice::default() });
    story.notice(Notice { adds: Some(4), ..Notice::default() });
    let [first, second] = story.commits() else { unreachable!() };
    store.commit(first.clone()).await.unwrap();
    let before = (store.cursor(1).await.unwrap(), changes(store, 1).await);

    let ahead = Commit { expected: 2, next: 3, changes: Vec::new(), ..second.clone() };
    for (case, stale) in [("repeated", first), ("ahead of the cursor", &ahead)] {
        let result = store.commit(stale.clone()).await;
        assert!(matches!(result, Err(CommitError::Fenced { partition: 1, .. })), "{case}: {result:?}");
        let after = (store.cursor(1).await.unwrap(), changes(store, 1).await);
        assert_eq!(after, before, "{case}");
    }
    // Of two that expect the same, one gets through.
    let (a, b) = tokio::join!(store.commit(second.clone()), store.commit(second.clone()));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    assert_eq!(*store.watch().borrow(), [0, 2]);
}

pub async fn a_commit_that_contradicts_itself_is_refused(store: &dyn Store) {
    let mut story = Story::new(0);
    let good = story.notice(Notice { adds: Some(3), ..Notice::default() }).clone();
    let twice = [good.changes.clone(), good.changes.clone()].concat();
    let cases = [
        ("no such partition", Commit { partition: PARTITIONS, ..good.clone() }),
        ("moves back", Commit { expected: 2, next: 1, changes: Vec::new(), ..good.clone() }),
        ("a change outside", Commit { expected: 1, next: 2, ..good.clone() }),
        ("a change without its row", Commit { rows: Vec::new(), ..good.clone() }),
        ("a change twice", Commit { changes: twice, ..good.clone() }),
    ];
    for (case, commit) in cases {
        let result = store.commit(commit).await;
        assert!(matches!(result, Err(CommitError::Malformed { .. })), "{case}: {result:?}");
    }
    assert_eq!(changes(store, 0).await, []);
    store.commit(good).await.unwrap();
}

pub async fn nothing_is_visible_before_its_cursor(store: Arc<dyn Store>) {
    let mut story = Story::new(0);
    for tenant in 0..200 {
        story.notice(Notice { tenant, ..Notice::default() });
    }
    let writer = tokio::spawn({
        let store = store.clone();
        async move { story.commit_to(&*store).await }
    });
    let mut heads = store.watch();
    while heads.borrow_and_update()[0] < 200 {
        let told = heads.borrow()[0];
        // Each notice is one change, so what is visible can be counted.
        let visible = changes(&*store, 0).await.len() as u64;
        let clients = store.clients(Default::default(), None, ALL).await.unwrap().len() as u64;
        let cursor = store.cursor(0).await.unwrap().next;
        assert!(told <= visible && visible <= clients && clients <= cursor, "{told} {visible} {clients} {cursor}");
    }
    writer.await.unwrap();
}

pub async fn changes_are_read_in_order_and_within_limits(store: &dyn Store) {
    let story = variety();
    story.commit_to(store).await;
    let places = |changes: &[StoredChange]| -> Vec<(u64, u16)> {
        changes.iter().map(|change| (change.position, change.ordinal)).collect()
    };
    let all: Vec<(u64, u16)> =
        story.commits().iter().flat_map(|c| &c.changes).map(|c| (c.position, c.ordinal)).collect();
    assert!(all.contains(&(15, 1)), "an event with two changes: {all:?}");
    let told: Vec<_> = story.commits().iter().flat_map(|commit| &commit.changes).collect();
    let found = changes(store, 0).await;
    assert_eq!(found.len(), told.len());
    for (found, told) in found.iter().zip(told) {
        assert_eq!((&found.row, &found.body), (&told.row.id, &told.body));
    }
    let cases = [((0, 0), u64::MAX), ((3, 0), 9), ((15, 1), 16), ((15, 2), u64::MAX), ((99, 0), 100), ((5, 0), 5)];
    for (from, until) in cases {
        for limit in [1, 2, ALL] {
            let expected: Vec<_> =
                all.iter().copied().filter(|place| *place >= from && place.0 < until).take(limit).collect();
            let read = store.changes(0, from, until, limit).await.unwrap();
            assert_eq!(places(&read), expected, "from {from:?} until {until}, {limit}");
        }
    }
    assert_eq!(changes(store, 1).await, []);
}

pub async fn a_row_has_a_history(store: &dyn Store) {
    let story = variety();
    story.commit_to(store).await;
    let client = RowKey::new(Kind::Client, &story.client_ids()[0]);
    let history = store.history(client.clone(), None, ALL).await.unwrap();
    let kinds: Vec<_> = history.iter().map(|c| (c.position, c.ordinal, c.kind.as_str())).collect();
    let expected = [(3, 0, "client.registered"), (15, 0, "client.departments_removed"), (15, 1, "client.deactivated")];
    assert_eq!(kinds, expected);
    let later = Some((Place { partition: 0, position: 15 }, 1));
    assert_eq!(store.history(client.clone(), later, ALL).await.unwrap(), history[2..]);
    assert_eq!(store.history(client, None, 2).await.unwrap(), history[..2]);
    assert_eq!(store.history(RowKey::new(Kind::Client, "c"), None, ALL).await.unwrap(), []);
}

pub async fn a_store_that_is_opened_again_has_everything(open: impl AsyncFn(&'static str) -> Arc<dyn Store>) {
    let first = open("durable").await;
    claim_all(&*first).await;
    let mut story = variety();
    story.commit_to(&*first).await;
    let everything = async |store: &dyn Store| {
        let clients = store.clients(Default::default(), None, ALL).await.unwrap();
        (store.cursor(0).await.unwrap(), changes(store, 0).await, clients)
    };
    let before = everything(&*first).await;
    first.close().await;
    let closed = first.commit(nothing(0, before.0.next)).await;
    assert!(matches!(closed, Err(CommitError::Closed)), "{closed:?}");
    let renewed = first.renew(vec![lease(0)], Duration::from_secs(1)).await;
    assert!(matches!(renewed, Err(LeaseError::Closed)), "{renewed:?}");
    drop(first);

    let again = open("durable").await;
    assert_eq!(everything(&*again).await, before);
    assert_eq!(again.watch().borrow()[0], before.0.next);
    claim_all(&*again).await;
    again.commit(story.notice(Notice::default()).clone()).await.unwrap();
}

/// A commit of no rows and no changes.
fn nothing(partition: u32, at: u64) -> Commit {
    Commit {
        partition,
        lease: lease(partition),
        expected: at,
        next: at,
        ledger_time: start(),
        rows: Vec::new(),
        changes: Vec::new(),
    }
}
