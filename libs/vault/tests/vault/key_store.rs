//! The key store: whom it serves, what survives and what does not.

use std::collections::HashSet;
use std::fs;

use tokio::task::JoinSet;
use vault::{Kek, KeyStoreError, OpenError, SqliteKeys, Subject, UnsealError, VaultError};

use super::{LEDGER, Place, day, field, quarantined, tenant};

#[tokio::test]
async fn another_key_encryption_key_is_refused() {
    let place = Place::new();
    place.open().await;
    let other = Kek::create_file(&place.path("another kek")).unwrap();
    let opened = place.try_open(other, LEDGER).await;
    assert!(matches!(opened, Err(OpenError::WrongKek { .. })), "{opened:?}");
    place.open().await;
}

#[tokio::test]
async fn the_key_store_of_another_ledger_is_refused() {
    let place = Place::new();
    place.open().await;
    let opened = place.try_open(place.kek(), "another ledger").await;
    match opened {
        Err(OpenError::OtherLedger { found, expected, .. }) => {
            assert_eq!((found.as_str(), expected.as_str()), (LEDGER, "another ledger"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_store_tells_its_ledger_without_a_key() {
    let place = Place::new();
    fs::write(place.path("keys.db"), "").unwrap();
    assert_eq!(place.keys().belonging().await.unwrap(), None, "an empty file");
    place.open().await;
    assert_eq!(place.keys().belonging().await.unwrap().unwrap().ledger, LEDGER);
}

#[test]
fn what_is_no_key_store_is_refused() {
    let place = Place::new();
    fs::write(place.path("keys.db"), "keys: under the mat").unwrap();
    let opened = SqliteKeys::open(&place.path("keys.db"));
    assert!(matches!(opened, Err(ref error) if error.is_damage()), "{:?}", opened.err());
}

#[tokio::test]
async fn a_damaged_fingerprint_key_is_noticed_at_once() {
    for damage in [
        "UPDATE fingerprint_key SET wrapped = zeroblob(60)",
        "UPDATE fingerprint_key SET wrapped = x'00'",
        "UPDATE fingerprint_key SET kid = 'another'",
        "DELETE FROM fingerprint_key",
    ] {
        let place = Place::new();
        place.open().await;
        place.database().execute(damage, []).unwrap();
        let opened = place.try_open(place.kek(), LEDGER).await;
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{damage}: {opened:?}");
    }
}

#[tokio::test]
async fn a_data_key_is_durable_when_it_is_handed_out() {
    let place = Place::new();
    let subject = tenant("provetcloud.com/1");
    let vault = place.open().await;
    let key = vault.data_key(&subject, day(0)).await.unwrap();
    let envelope = vault.seal(&key, &field("client_secret"), b"secret").unwrap();

    // As after a power cut: a copy of the files while the vault still has them open.
    let copy = Place(tempfile::tempdir().unwrap());
    for name in ["kek", "keys.db", "keys.db-wal"] {
        fs::copy(place.path(name), copy.path(name)).unwrap();
    }
    let again = copy.open().await;
    assert_eq!(again.data_key(&subject, day(1)).await.unwrap().kid(), key.kid());
    let opened = again.open_envelope(&subject, &field("client_secret"), &envelope).await;
    assert_eq!(opened.unwrap().as_slice(), b"secret");
}

#[tokio::test]
async fn a_subject_keeps_its_key_and_shares_it_with_nobody() {
    let place = Place::new();
    let vault = place.open().await;
    let subjects = [
        tenant("provetcloud.com/1"),
        tenant("provetcloud.com/2"),
        quarantined("provetcloud.com/1", day(30)),
        quarantined("provetcloud.com/1", day(31)),
    ];
    let mut kids = Vec::new();
    for subject in &subjects {
        let key = vault.data_key(subject, day(0)).await.unwrap();
        assert_eq!(key.subject(), subject);
        kids.push(key.kid().to_owned());
    }
    let again = place.open().await;
    for (subject, kid) in subjects.iter().zip(&kids) {
        for vault in [&vault, &again] {
            assert_eq!(vault.data_key(subject, day(1)).await.unwrap().kid(), kid, "{subject:?}");
        }
    }
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), subjects.len());
}

#[tokio::test]
async fn every_key_of_a_subject_opens_what_it_has_sealed() {
    let place = Place::new();
    let subject = tenant("provetcloud.com/1");
    let vault = place.open().await;
    let key = vault.data_key(&subject, day(0)).await.unwrap();
    let envelope = vault.seal(&key, &field("client_secret"), b"secret").unwrap();
    // As if another intake's key had come first.
    let renumber = "UPDATE data_key SET ordinal = 2";
    place.database().execute(renumber, []).unwrap();
    place
        .database()
        .execute("INSERT INTO data_key SELECT 1, 'other', kind, name, made, expires, wrapped FROM data_key", [])
        .unwrap();
    let again = place.open().await;
    let first = again.data_key(&subject, day(0)).await;
    assert!(matches!(first, Err(VaultError::Damaged { ref kid }) if kid == "other"), "{first:?}");
    let opened = again.open_envelope(&subject, &field("client_secret"), &envelope).await;
    assert_eq!(opened.unwrap().as_slice(), b"secret");
}

#[tokio::test]
async fn a_key_whose_row_was_changed_is_damage() {
    for change in [
        "UPDATE data_key SET wrapped = zeroblob(60)",
        "UPDATE data_key SET wrapped = x''",
        "UPDATE data_key SET expires = expires + 1",
        "UPDATE data_key SET name = 'other'",
        "UPDATE data_key SET kid = 'other'",
    ] {
        let place = Place::new();
        let vault = place.open().await;
        for id in ["message", "other"] {
            vault.data_key(&quarantined(id, day(30)), day(0)).await.unwrap();
            place.database().execute("DELETE FROM data_key WHERE name = 'other'", []).unwrap();
        }
        place.database().execute(change, []).unwrap();
        let (name, expires): (String, i64) = place
            .database()
            .query_row("SELECT name, expires FROM data_key", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let subject = quarantined(&name, jiff::Timestamp::from_millisecond(expires).unwrap());
        let error = vault.data_key(&subject, day(0)).await.unwrap_err();
        assert!(matches!(error, VaultError::Damaged { .. }) && error.is_damage(), "{change}");
    }
}

#[tokio::test]
async fn quarantine_keys_expire_and_then_there_is_no_key() {
    let place = Place::new();
    let vault = place.open().await;
    let subjects: [Subject; 3] =
        [quarantined("early", day(30)), quarantined("late", day(31)), tenant("provetcloud.com/1")];
    let mut envelopes = Vec::new();
    for subject in &subjects {
        let key = vault.data_key(subject, day(0)).await.unwrap();
        envelopes.push(vault.seal(&key, &field("body"), b"body").unwrap());
    }
    for (today, expired, open) in [
        (29, 0, [true, true, true]),
        (30, 1, [false, true, true]),
        (30, 0, [false, true, true]),
        (99, 1, [false, false, true]),
    ] {
        assert_eq!(vault.expire(day(today)).await.unwrap(), expired, "day {today}");
        for ((subject, envelope), open) in subjects.iter().zip(&envelopes).zip(open) {
            let opened = vault.open_envelope(subject, &field("body"), envelope).await;
            match opened {
                Ok(body) => assert!(open && body.as_slice() == b"body", "{subject:?}, day {today}"),
                Err(UnsealError::NoKey) => assert!(!open, "{subject:?}, day {today}"),
                Err(error) => panic!("{subject:?}, day {today}: {error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_bytes_of_an_expired_key_are_gone_from_the_files() {
    let place = Place::new();
    let vault = place.open().await;
    // So many that pages are split and merged, and more than one transaction destroys.
    for few in (0..1600).collect::<Vec<_>>().chunks(400) {
        let subjects = few.iter().map(|n| match n % 16 {
            0 => tenant(&format!("tenant {n}")),
            m => quarantined(&format!("message {n}"), day(if m < 12 { 30 } else { 31 })),
        });
        let make = |subject| {
            let vault = vault.clone();
            async move { vault.data_key(&subject, day(0)).await.map(drop) }
        };
        let made = subjects.map(make).collect::<JoinSet<_>>().join_all().await;
        assert!(made.iter().all(Result::is_ok));
    }
    let wrapped = wrapped_keys(&place);
    let traces = Traces::of(&place);
    assert!(wrapped.iter().all(|(_, key)| traces.whole(key)), "all are there before");

    for today in [30, 31] {
        vault.expire(day(today)).await.unwrap();
        let traces = Traces::of(&place);
        for (expires, key) in &wrapped {
            if expires.is_some_and(|expires| expires <= day(today).as_millisecond()) {
                assert!(!traces.any(key), "{expires:?} on day {today}");
            } else {
                assert!(traces.whole(key), "{expires:?} on day {today}");
            }
        }
    }
}

/// Every 15 bytes in a row that occur in the files of a key store.
struct Traces(HashSet<[u8; 15]>);

impl Traces {
    fn of(place: &Place) -> Self {
        let read = |name| fs::read(place.path(name)).unwrap_or_default();
        let files = [read("keys.db"), read("keys.db-wal"), read("keys.db-shm")].concat();
        Self(files.windows(15).map(|window| window.try_into().unwrap()).collect())
    }

    fn whole(&self, key: &[u8]) -> bool {
        key.chunks_exact(15).all(|part| self.0.contains(part))
    }

    fn any(&self, key: &[u8]) -> bool {
        key.chunks_exact(15).any(|part| self.0.contains(part))
    }
}

fn wrapped_keys(place: &Place) -> Vec<(Option<i64>, Vec<u8>)> {
    let database = place.database();
    let mut rows = database.prepare("SELECT expires, wrapped FROM data_key").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_expiry_that_a_reader_holds_up_says_so_and_is_completed_later() {
    let place = Place::new();
    let vault = place.open().await;
    vault.data_key(&quarantined("message", day(30)), day(0)).await.unwrap();
    let reader = place.database();
    reader.execute_batch("BEGIN; SELECT count(*) FROM data_key").unwrap();
    let expired = vault.expire(day(30)).await;
    assert!(matches!(expired, Err(VaultError::Expire(KeyStoreError::Lingering))), "{expired:?}");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(vault.expire(day(30)).await.unwrap(), 0);
    assert!(fs::read(place.path("keys.db-wal")).unwrap().is_empty());
}

#[tokio::test]
async fn a_closed_vault_opens_envelopes_and_makes_no_keys() {
    let place = Place::new();
    let vault = place.open().await;
    let subject = tenant("provetcloud.com/1");
    let key = vault.data_key(&subject, day(0)).await.unwrap();
    let envelope = vault.seal(&key, &field("client_secret"), b"secret").unwrap();
    vault.close().await;
    let opened = vault.open_envelope(&subject, &field("client_secret"), &envelope).await;
    assert_eq!(opened.unwrap().as_slice(), b"secret");
    let refused = vault.data_key(&tenant("provetcloud.com/2"), day(0)).await;
    assert!(matches!(refused, Err(VaultError::Make(KeyStoreError::Closed))), "{refused:?}");
}
