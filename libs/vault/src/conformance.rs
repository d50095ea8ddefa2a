//! What every key store must do, as tests that each backend runs.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::{Belonging, Doomed, FingerprintRow, KeyRow, KeyStore, KeyStoreError};

/// Runs the suite. `open` makes an empty key store for each name that it has not seen, and else opens that one once more, so
/// that two work on it at a time.
pub async fn suite(open: impl AsyncFn(&'static str) -> Arc<dyn KeyStore>) {
    a_new_store_is_nobodys_and_empty(&*open("empty").await).await;
    the_first_belonging_counts(&*open("belonging").await, &*open("belonging").await).await;
    of_many_first_starts_one_is_believed(&join_all((0..4).map(|_| open("starts"))).await).await;
    a_key_is_found_as_it_was_made(&*open("found").await).await;
    the_first_key_of_a_subject_seals(&*open("first").await, &*open("first").await).await;
    subjects_share_no_key(&*open("apart").await).await;
    whoever_makes_keys_at_once_agrees(&[open("at once").await, open("at once").await]).await;
    what_one_made_the_other_finds(&*open("beside").await, &*open("beside").await).await;
    keys_are_destroyed_when_they_are_due(&*open("due").await).await;
    all_keys_of_a_subject_are_destroyed(&*open("subject").await).await;
    a_destroyed_key_is_followed_by_another(&*open("followed").await).await;
    a_closed_store_finds_keys_and_makes_none(&*open("closed").await).await;
}

/// For stores that outlive their process, which is all of them but one in memory.
pub async fn durable(open: impl AsyncFn(&'static str) -> Arc<dyn KeyStore>) {
    let first = open("durable").await;
    let belonging = first.establish(belonging("ledger")).await.unwrap();
    for row in [tenant("k1", "a"), tenant("k2", "b"), message("k3", "a", 30)] {
        first.make(row).await.unwrap();
    }
    first.destroy(Doomed::Of { kind: "tenant".to_owned(), name: "b".to_owned() }).await.unwrap();
    first.close().await;
    drop(first);

    let again = open("durable").await;
    assert_eq!(again.belonging().await.unwrap(), Some(belonging));
    assert_eq!(kids(&*again, &["k1", "k2", "k3"]).await, ["k1", "k3"]);
    assert_eq!(again.make(tenant("k4", "a")).await.unwrap(), tenant("k1", "a"));
    assert_eq!(again.make(tenant("k5", "b")).await.unwrap(), tenant("k5", "b"));
}

/// What becomes of a key whose write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is written.
    Lost,
    /// It is written all the same, perhaps only later.
    Persists,
}

/// For stores whose writes can be made to fail: from `begin` on until `end`. `beside` is the same store, opened once more; its
/// writes may fail as well.
pub async fn failing(
    [keys, beside]: [&dyn KeyStore; 2],
    fate: Fate,
    begin: impl AsyncFnOnce(),
    end: impl AsyncFnOnce(),
) {
    let known = keys.make(tenant("known", "known")).await.unwrap();
    begin().await;
    let error = keys.make(tenant("doubtful", "a")).await.unwrap_err();
    let is_unknown = matches!(error, KeyStoreError::Unknown { .. });
    assert!(is_unknown || fate == Fate::Lost && matches!(error, KeyStoreError::Rejected { .. }), "{fate:?}: {error:?}");
    eventually("the health says why", async || keys.health().borrow().clone()).await;
    assert_eq!(keys.by_kid("known").await.unwrap(), Some(known), "what is known is still found");
    end().await;

    let sealing = eventually("a key can be made again", async || keys.make(tenant("next", "a")).await.ok()).await;
    let found = || async { Some(beside.by_kid("doubtful").await.ok()?.is_some()) };
    let wanted = fate == Fate::Persists;
    eventually("what became of the doubtful key", async || (found().await? == wanted).then_some(())).await;
    for keys in [keys, beside] {
        let agreed = eventually("all agree", async || keys.make(tenant("late", "a")).await.ok()).await;
        assert_eq!(agreed, sealing, "{fate:?}");
    }
    eventually("the health returns", async || keys.health().borrow().is_none().then_some(())).await;
}

/// Waits for something, with a deadline.
async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn a_new_store_is_nobodys_and_empty(keys: &dyn KeyStore) {
    assert_eq!(*keys.health().borrow(), None);
    assert_eq!(keys.belonging().await.unwrap(), None);
    assert!(!keys.has_keys().await.unwrap());
    assert_eq!(keys.by_kid("k1").await.unwrap(), None);
    assert_eq!(keys.destroy(Doomed::Due(i64::MAX)).await.unwrap(), 0);
}

async fn the_first_belonging_counts(keys: &dyn KeyStore, beside: &dyn KeyStore) {
    let first = keys.establish(belonging("first")).await.unwrap();
    assert_eq!(first, belonging("first"));
    for later in [keys, beside] {
        assert_eq!(later.establish(belonging("second")).await.unwrap(), first);
        assert_eq!(later.belonging().await.unwrap().as_ref(), Some(&first));
    }
    assert!(!keys.has_keys().await.unwrap(), "a fingerprint key is no data key");
}

async fn of_many_first_starts_one_is_believed(starts: &[Arc<dyn KeyStore>]) {
    let establish = |(n, keys): (usize, &Arc<dyn KeyStore>)| {
        let keys = keys.clone();
        tokio::spawn(async move { keys.establish(belonging(&n.to_string())).await.unwrap() })
    };
    let established = join_all(starts.iter().enumerate().map(establish)).await;
    for (keys, belonging) in starts.iter().zip(&established) {
        assert_eq!(belonging.as_ref().unwrap(), established[0].as_ref().unwrap());
        assert_eq!(keys.belonging().await.unwrap().as_ref(), Some(belonging.as_ref().unwrap()));
    }
}

async fn a_key_is_found_as_it_was_made(keys: &dyn KeyStore) {
    let cases = [
        tenant("k1", "provetcloud.com/1"),
        message("k2", "0198", i64::MAX),
        message("k3", "0198", i64::MIN),
        tenant("k4", ""),
        tenant("k5", "xn--\u{10ffff}.com/\"1'\\\n"),
        KeyRow { wrapped: Vec::new(), ..tenant("k6", "nothing") },
        KeyRow { kind: "of a later version".to_owned(), ..tenant("k7", "0198") },
    ];
    for row in &cases {
        let made = keys.make(row.clone()).await.unwrap();
        assert_eq!(&made, row);
    }
    for row in &cases {
        let found = keys.by_kid(&row.kid).await.unwrap().unwrap();
        assert_eq!(&found, row);
    }
    assert!(keys.has_keys().await.unwrap());
    assert_eq!(keys.by_kid("k8").await.unwrap(), None);
    assert_eq!(keys.by_kid("").await.unwrap(), None);
}

async fn the_first_key_of_a_subject_seals(keys: &dyn KeyStore, zombie: &dyn KeyStore) {
    let first = keys.make(tenant("k1", "a")).await.unwrap();
    for (late, kid) in [(keys, "k2"), (zombie, "k3"), (keys, "k4")] {
        assert_eq!(late.make(tenant(kid, "a")).await.unwrap(), first, "{kid}");
    }
}

async fn subjects_share_no_key(keys: &dyn KeyStore) {
    let rows = [
        tenant("k1", "a"),
        tenant("k2", "b"),
        message("k3", "a", 30),
        message("k4", "a", 31),
        message("k5", "b", 30),
        KeyRow { expires: Some(30), ..tenant("k6", "a") },
    ];
    for row in &rows {
        assert_eq!(&keys.make(row.clone()).await.unwrap(), row);
    }
    for row in &rows {
        assert_eq!(&keys.make(KeyRow { kid: format!("{} again", row.kid), ..row.clone() }).await.unwrap(), row);
    }
}

/// However many each of them asks for and in whatever order.
async fn whoever_makes_keys_at_once_agrees(stores: &[Arc<dyn KeyStore>]) {
    let make = |n: usize| {
        let (keys, name) = (stores[n % stores.len()].clone(), format!("tenant {}", n * 7 % 40));
        tokio::spawn(async move { (keys.make(tenant(&format!("k{n}"), &name)).await.unwrap(), name) })
    };
    let made = join_all((0..200).map(make)).await;
    let mut sealing = BTreeMap::new();
    for (row, name) in made.into_iter().map(Result::unwrap) {
        assert_eq!(row.name, name);
        let first = sealing.entry(name).or_insert_with(|| row.clone());
        assert_eq!(&row, first);
    }
    for (row, keys) in sealing.values().flat_map(|row| stores.iter().map(move |keys| (row, keys))) {
        assert_eq!(keys.by_kid(&row.kid).await.unwrap().as_ref(), Some(row));
        assert_eq!(&keys.make(tenant("late", &row.name)).await.unwrap(), row);
    }
}

async fn what_one_made_the_other_finds(keys: &dyn KeyStore, beside: &dyn KeyStore) {
    for n in 0..10 {
        let row = keys.make(tenant(&format!("k{n}"), &format!("tenant {n}"))).await.unwrap();
        assert_eq!(beside.by_kid(&row.kid).await.unwrap(), Some(row));
    }
}

async fn keys_are_destroyed_when_they_are_due(keys: &dyn KeyStore) {
    let rows = [tenant("k1", "a"), message("k2", "a", 30), message("k3", "b", 30), message("k4", "a", 31)];
    for row in rows {
        keys.make(row).await.unwrap();
    }
    let all = ["k1", "k2", "k3", "k4"];
    //           now, destroyed, left
    let cases: [(i64, u64, &[&str]); 5] =
        [(i64::MIN, 0, &all), (29, 0, &all), (30, 2, &["k1", "k4"]), (30, 0, &["k1", "k4"]), (i64::MAX, 1, &["k1"])];
    for (now, destroyed, left) in cases {
        assert_eq!(keys.destroy(Doomed::Due(now)).await.unwrap(), destroyed, "at {now}");
        assert_eq!(kids(keys, &all).await, left, "at {now}");
    }
}

async fn all_keys_of_a_subject_are_destroyed(keys: &dyn KeyStore) {
    let rows =
        [tenant("k1", "a"), message("k2", "a", 30), message("k3", "a", 31), tenant("k4", "aa"), tenant("k5", "")];
    for row in rows {
        keys.make(row).await.unwrap();
    }
    let all = ["k1", "k2", "k3", "k4", "k5"];
    //            kind, name, destroyed, left
    let cases: [(&str, &str, u64, &[&str]); 5] = [
        ("tenant", "b", 0, &all),
        ("tenant", "a", 1, &["k2", "k3", "k4", "k5"]),
        ("quarantine", "a", 2, &["k4", "k5"]),
        ("quarantine", "a", 0, &["k4", "k5"]),
        ("tenant", "", 1, &["k4"]),
    ];
    for (kind, name, destroyed, left) in cases {
        let doomed = Doomed::Of { kind: kind.to_owned(), name: name.to_owned() };
        assert_eq!(keys.destroy(doomed).await.unwrap(), destroyed, "{kind} {name}");
        assert_eq!(kids(keys, &all).await, left, "{kind} {name}");
    }
}

async fn a_destroyed_key_is_followed_by_another(keys: &dyn KeyStore) {
    for n in 0..3 {
        let row = message(&format!("k{n}"), "a", 30);
        assert_eq!(keys.make(row.clone()).await.unwrap(), row);
        assert_eq!(keys.destroy(Doomed::Due(30)).await.unwrap(), 1);
    }
    assert!(!keys.has_keys().await.unwrap());
}

async fn a_closed_store_finds_keys_and_makes_none(keys: &dyn KeyStore) {
    let row = keys.make(tenant("k1", "a")).await.unwrap();
    let mut health = keys.health();
    keys.close().await;
    let refused = keys.make(tenant("k2", "b")).await;
    assert!(matches!(refused, Err(KeyStoreError::Closed)), "{refused:?}");
    assert!(health.changed().await.is_err(), "the health ends");
    assert_eq!(keys.by_kid("k1").await.unwrap(), Some(row));
    keys.close().await;
}

fn belonging(ledger: &str) -> Belonging {
    let fingerprint = |n| FingerprintRow { kid: format!("f{n} of {ledger}"), wrapped: vec![n; 60] };
    let fingerprint_keys = vec![fingerprint(2), fingerprint(1)];
    Belonging { ledger: ledger.to_owned(), kek_check: ledger.as_bytes().to_owned(), fingerprint_keys }
}

fn tenant(kid: &str, name: &str) -> KeyRow {
    let wrapped = [kid.as_bytes(), &[0, 255, b'\n']].concat();
    let (kid, kind, name) = (kid.to_owned(), "tenant".to_owned(), name.to_owned());
    KeyRow { kid, kind, name, made: 1, expires: None, wrapped }
}

fn message(kid: &str, name: &str, expires: i64) -> KeyRow {
    KeyRow { kind: "quarantine".to_owned(), expires: Some(expires), ..tenant(kid, name) }
}

/// Which of the keys are there.
async fn kids<'k>(keys: &dyn KeyStore, among: &[&'k str]) -> Vec<&'k str> {
    let mut there = Vec::new();
    for kid in among {
        there.extend(keys.by_kid(kid).await.unwrap().map(|_| *kid));
    }
    there
}
