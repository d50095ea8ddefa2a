//! Several stores work on one topic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use acceptance::eventually;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::Config;
use vault::{Subject, UnsealError};

use super::*;

#[test]
fn two_intakes_seal_with_the_same_key_and_each_opens_what_the_other_sealed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let place = Place::new();
    let vaults = runtime.block_on(async { [vault(&place, "together").await, vault(&place, "together").await] });
    let cases = AtomicU32::new(0);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    proptest!(config, |(calls in proptest::collection::vec((0..2usize, 0..6u8), 1..40))| {
        // Tenants that nobody has heard of yet, also while a failure is made smaller.
        let case = cases.fetch_add(1, Ordering::Relaxed);
        runtime.block_on(notices_at_once(&vaults, case, calls));
    });
}

/// Seals something for each call, all at once, and opens everything in both vaults.
async fn notices_at_once(vaults: &[Vault; 2], case: u32, calls: Vec<(usize, u8)>) {
    let seal = |(by, subject): (usize, u8)| {
        let (vault, subject) = (vaults[by].clone(), tenant(&format!("case {case}, tenant {subject}")));
        tokio::spawn(async move {
            let key = vault.data_key(&subject, day(0)).await.unwrap();
            (vault.seal(&key, &field("client_secret"), b"secret").unwrap(), subject)
        })
    };
    let mut sealing = BTreeMap::new();
    for (envelope, subject) in join_all(calls.into_iter().map(seal)).await.into_iter().map(Result::unwrap) {
        let Subject::Tenant(name) = &subject else { panic!("{subject:?}") };
        let first = sealing.entry(name.clone()).or_insert_with(|| envelope.kid.clone());
        assert_eq!(&envelope.kid, first, "{name}");
        for vault in vaults {
            let opened = vault.open_envelope(&subject, &field("client_secret"), &envelope).await;
            assert_eq!(opened.unwrap().as_slice(), b"secret");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_first_starts_at_once_all_take_the_first_ones_word() {
    let place = Place::new();
    let stores = join_all((0..4).map(|_| open("starts"))).await;
    let vaults = join_all(stores.into_iter().map(|keys| Vault::open(keys, place.kek(), LEDGER))).await;
    let vaults: Vec<_> = vaults.into_iter().map(Result::unwrap).collect();
    let fingerprint = |vault: &Vault| vault.fingerprint("provetcloud.com/1", b"secret");
    for vault in &vaults {
        assert_eq!(fingerprint(vault), fingerprint(&vaults[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_one_destroys_opens_nothing_for_the_other() {
    let place = Place::new();
    let (one, other) = (vault(&place, "destroyed").await, vault(&place, "destroyed").await);
    let (gone, stays) = (quarantined("gone", day(30)), quarantined("stays", day(31)));
    let mut envelopes = Vec::new();
    for subject in [&gone, &stays] {
        let key = one.data_key(subject, day(0)).await.unwrap();
        envelopes.push(one.seal(&key, &field("body"), b"body").unwrap());
        let opened = other.open_envelope(subject, &field("body"), &envelopes[envelopes.len() - 1]).await;
        assert_eq!(opened.unwrap().as_slice(), b"body");
    }
    assert_eq!(one.expire(day(30)).await.unwrap(), 1);
    eventually("the other hears of it", async || {
        let opened = other.open_envelope(&gone, &field("body"), &envelopes[0]).await;
        matches!(opened, Err(UnsealError::NoKey)).then_some(())
    })
    .await;
    assert!(other.open_envelope(&stays, &field("body"), &envelopes[1]).await.is_ok());
    assert_eq!(other.expire(day(30)).await.unwrap(), 0, "whoever is second finds nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_key_that_a_zombie_writes_late_seals_nothing() {
    let place = Place::new();
    let (one, other) = (vault(&place, "zombie").await, vault(&place, "zombie").await);
    let subject = tenant("provetcloud.com/1");
    let first = one.data_key(&subject, day(0)).await.unwrap();
    write("zombie", "key/late", Some(&value("provetcloud.com/1", &[0; 60]))).await;
    let beside = open("zombie").await;
    assert!(beside.by_kid("late").await.unwrap().is_some(), "it is there");
    for vault in [&other, &vault(&place, "zombie").await] {
        assert_eq!(vault.data_key(&subject, day(1)).await.unwrap().kid(), first.kid());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_shreds_opens_nowhere() {
    let place = Place::new();
    let (one, other) = (vault(&place, "shredded").await, vault(&place, "shredded").await);
    let subject = Subject::User("1".to_owned());
    let key = one.data_key(&subject, day(0)).await.unwrap();
    let envelope = one.seal(&key, &field("name"), b"ann").unwrap();
    assert_eq!(other.shred(&subject).await.unwrap(), 1);
    for vault in [&other, &one] {
        eventually("the vault hears that the key is gone", async || {
            let opened = vault.open_envelope(&subject, &field("name"), &envelope).await;
            matches!(opened, Err(UnsealError::NoKey)).then_some(())
        })
        .await;
    }
    assert_eq!(one.shred(&subject).await.unwrap(), 0, "whoever is second finds nothing to do");
}
