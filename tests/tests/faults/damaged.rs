//! Stores that are damaged while the process uses them: it ends, with a non-zero exit, and says what is damaged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use acceptance::{Client, Options, Server, notice};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::hub::{Hub, answers};
use crate::refused::copy;
use acceptance::audit;

/// So many that each store has pages which no connection has read since the start.
const TENANTS: u64 = 400;

/// The first page, which every connection has read.
const PAGE_BYTES: u64 = 16 * 1024;

#[tokio::test]
async fn a_store_that_is_damaged_while_it_is_used_ends_the_process_which_says_so() {
    let dir = TempDir::new().unwrap();
    let whole = dir.path().join("whole");
    let path = prepare(&whole).await;
    for (file, said) in [("keys.db", "the key store is damaged"), ("state.db", "the state store is damaged")] {
        let data = dir.path().join(file);
        copy(&whole, &data);
        let mut server = Server::start_in(&data, &Options::default());
        overwrite(&data.join(file));
        let http = reqwest::Client::new();
        let mut acknowledged = Vec::new();
        for tenant in TENANTS..TENANTS + 20 {
            let sent = http.post(format!("{}{path}", server.url)).body(notice(tenant).to_string()).send().await;
            // Once it has ended nobody answers.
            if let Ok(answer) = sent
                && answer.status().is_success()
            {
                acknowledged.push(answer.json().await.unwrap());
            }
        }
        let status = server.wait();
        assert_eq!(status.code(), Some(1), "{file}: {}", server.log());
        let log = server.log();
        assert!(log.contains(said) && log.contains("malformed"), "{file}: {log}");
        if file == "state.db" {
            nothing_acknowledged_is_lost(&data, &acknowledged).await;
        }
    }
}

/// What is derived is derived anew.
async fn nothing_acknowledged_is_lost(data: &Path, acknowledged: &[serde_json::Value]) {
    crate::killed::delete_projection(data);
    let server = Server::start_in(data, &Options::default());
    audit::everything_acknowledged_is_there(&server.admin(), acknowledged).await;
}

/// A data directory with everything in the files themselves; the path of its hookup.
async fn prepare(data: &Path) -> String {
    let hub = Hub::of(Server::start_in(data, &Options::default())).await;
    let receipts = hub.acknowledged(0..TENANTS).await;
    let last = Client::place(&receipts[receipts.len() - 1]);
    answers(&hub.admin, &format!("/v1/clients?min_position={last}")).await;
    let path = hub.hookup.strip_prefix(&hub.server.url).unwrap().to_owned();
    assert!(hub.server.stop().0.success());
    for file in ["keys.db", "state.db"] {
        let database = Connection::open(data.join(file)).unwrap();
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }
    path
}

/// Overwrites a file in its place, from the second page on.
fn overwrite(file: &Path) {
    let length = fs::metadata(file).unwrap().len();
    assert!(length > 4 * PAGE_BYTES, "{} has {length} bytes", file.display());
    let garbage = vec![0xA5; usize::try_from(length - PAGE_BYTES).unwrap()];
    OpenOptions::new().write(true).open(file).unwrap().write_all_at(&garbage, PAGE_BYTES).unwrap();
}
