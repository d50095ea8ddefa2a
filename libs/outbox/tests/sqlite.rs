//! The SQLite store passes the suite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;

use std::sync::Arc;

use outbox::{OpenError, Outbox, SqliteOutbox};
use sqlite::Options;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_passes_the_suite() {
    let dir = TempDir::new().unwrap();
    conformance::suite(async |name, born| {
        let path = dir.path().join(name);
        Arc::new(SqliteOutbox::open(&path, born, 2, Options::default()).unwrap()) as Arc<dyn Outbox>
    })
    .await;
}

#[tokio::test]
async fn the_store_of_another_ledger_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("deliveries.db");
    let open = |ledger| SqliteOutbox::open(&path, conformance::birth(ledger, None, [0, 0]), 1, Options::default());
    open("ours").unwrap().close().await;
    assert!(matches!(open("theirs"), Err(OpenError::OtherLedger { .. })));
    assert_eq!(open("ours").unwrap().birth().ledger, "ours");
}
