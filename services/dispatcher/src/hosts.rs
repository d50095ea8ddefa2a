//! Hosts: how much is sent to each at a time, whoever sends it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Attempts at one host at a time.
const PER_HOST: usize = 64;

/// One bound for each host.
#[derive(Default)]
pub(crate) struct Hosts(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Hosts {
    /// Waits for a turn at a host; it ends when what is returned is dropped.
    pub(crate) async fn turn(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        let bound = {
            let mut hosts = self.0.lock();
            // Those that nobody is at are forgotten.
            hosts.retain(|name, bound| name == host || Arc::strong_count(bound) > 1);
            hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST))).clone()
        };
        bound.acquire_owned().await.ok()
    }
}
