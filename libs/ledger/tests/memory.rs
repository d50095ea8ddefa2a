//! The ledger in memory keeps the contract.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use ledger::{Ledger, MemoryLedger, conformance};

#[tokio::test]
async fn a_ledger_in_memory_conforms() {
    for partitions in [1, 3] {
        conformance::suite(async |_| Arc::new(MemoryLedger::new(partitions)) as Arc<dyn Ledger>).await;
    }
}
