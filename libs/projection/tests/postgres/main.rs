//! The PostgreSQL store passes the suite, and says what is known when a server, a connection or a commit fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../conformance/mod.rs"]
mod conformance;
mod faults;
mod many;
mod tls;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use acceptance::Postgres;
use conformance::PARTITIONS;
use projection::{MAX_PARTITIONS, OpenError, PostgresStore, Store};
use proptest::prelude::*;

async fn open(url: &str, ledger: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url, ledger, PARTITIONS, 4).await.unwrap())
}

/// Opens a database for each ledger.
fn open_in(postgres: &Postgres) -> impl AsyncFn(&'static str) -> Arc<dyn Store> {
    let urls = Mutex::new(HashMap::new());
    async move |ledger| {
        let url = urls.lock().unwrap().entry(ledger).or_insert_with(|| postgres.database()).clone();
        open(&url, ledger).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_passes_the_suite() {
    conformance::suite(open_in(&Postgres::shared())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_outlives_its_process() {
    conformance::durable(open_in(&Postgres::shared())).await;
}

#[test]
fn the_table_as_of_then_is_what_it_was() {
    let postgres = Postgres::shared();
    let steps = [conformance::as_of::steps(), conformance::as_of::steps()];
    let config = ProptestConfig { cases: 12, ..ProptestConfig::with_source_file(file!()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(config, |(steps in steps, filter in conformance::as_of::filter(), page in 1..5usize)| {
        let url = postgres.database();
        runtime.block_on(async {
            let store = open(&url, "l").await;
            conformance::claim_all(&*store).await;
            conformance::as_of::the_table_as_of_then_is_what_it_was(&*store, steps, filter, page).await;
        });
    });
}

#[tokio::test]
async fn the_store_of_another_ledger_is_refused_and_left_alone() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    open(&url, "ours").await.close().await;
    let refused = PostgresStore::open(&url, "theirs", PARTITIONS, 2).await;
    let Err(OpenError::OtherLedger { store, found, expected }) = refused else {
        panic!("opened");
    };
    assert_eq!((found.as_str(), expected.as_str()), ("ours", "theirs"));
    assert!(store.starts_with("schema regledger_state of database test"), "{store}");
    open(&url, "ours").await.close().await;
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    open(&url, "l").await.close().await;
    postgres.sql(&url, "UPDATE regledger_state.version SET number = 99");
    let refused = PostgresStore::open(&url, "l", PARTITIONS, 2).await;
    assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn what_no_store_can_be_opened_for_is_refused() {
    let away = "postgres://postgres@127.0.0.1:1/none";
    let many = PostgresStore::open(away, "l", MAX_PARTITIONS + 1, 2).await;
    assert!(matches!(many, Err(OpenError::TooManyPartitions { .. })));
    let cases = [
        (away, "there is no connection to the database"),
        ("mysql://root@localhost/x", "it is not written postgres://"),
        ("postgres://u:secret@127.0.0.1/x?sslmode=maybe", "sslmode is disable, prefer"),
        ("postgres://u:secret@127.0.0.1/x?sslmode=verify-full&sslrootcert=/none", "the certificates of sslrootcert"),
    ];
    for (url, reason) in cases {
        let Err(error) = PostgresStore::open(url, "l", PARTITIONS, 2).await else { panic!("{url}: opened") };
        let said = said(&error);
        assert!(said.contains(reason), "{url}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_the_tables_once() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let stores = futures_util::future::join_all((0..4).map(|_| open(&url, "l"))).await;
    for store in stores {
        assert_eq!(*store.watch().borrow(), [0, 0]);
    }
}

/// The error and its causes.
fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
