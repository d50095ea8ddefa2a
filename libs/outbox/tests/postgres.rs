//! The PostgreSQL store passes the suite, stands apart from the state store, and comes back when the database does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use acceptance::Postgres;
use conformance::birth;
use outbox::{OpenError, Outbox, PostgresOutbox};

#[tokio::test(flavor = "multi_thread")]
async fn the_store_passes_the_suite() {
    let postgres = Postgres::shared();
    let urls = Mutex::new(HashMap::new());
    conformance::suite(async |name, born| {
        let url = urls.lock().unwrap().entry(name).or_insert_with(|| postgres.database()).clone();
        Arc::new(PostgresOutbox::open(&url, born, 2).await.unwrap()) as Arc<dyn Outbox>
    })
    .await;
}

#[tokio::test]
async fn the_store_of_another_ledger_is_refused_and_left_alone() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    PostgresOutbox::open(&url, birth("ours", None, [0, 0]), 1).await.unwrap().close().await;
    let refused = PostgresOutbox::open(&url, birth("theirs", None, [0, 0]), 1).await;
    assert!(matches!(refused, Err(OpenError::OtherLedger { .. })));
    postgres.sql(&url, "UPDATE regledger_deliveries.version SET number = 99");
    let newer = PostgresOutbox::open(&url, birth("ours", None, [0, 0]), 1).await;
    assert!(matches!(newer, Err(OpenError::Newer { found: 99, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_are_born_once() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let opened = (1..5).map(|head| PostgresOutbox::open(&url, birth("l", None, [head, head]), 1));
    let stores: Vec<_> = futures_util::future::join_all(opened).await.into_iter().map(Result::unwrap).collect();
    assert!(stores.iter().all(|store| store.birth() == stores[0].birth()));
}
