//! The key stores keep the contract.

use std::sync::Arc;

use vault::{KeyStore, SqliteKeys, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_key_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        async |name: &'static str| Arc::new(SqliteKeys::open(&folder.path().join(name)).unwrap()) as Arc<dyn KeyStore>;
    conformance::suite(open).await;
    conformance::durable(open).await;
}
