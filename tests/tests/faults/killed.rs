//! Kill -9 under load, again and again: what was acknowledged is there, once the process is back.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use acceptance::load::Load;
use acceptance::{Options, Server, audit, eventually, free_address, regledger};
use tempfile::TempDir;

use crate::hub::Hub;
use crate::ledger_file;

/// How often the process is killed.
const ROUNDS: usize = 6;

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed_under_load() {
    let dir = TempDir::new().unwrap();
    let (data, receipts) = (dir.path().join("data"), dir.path().join("receipts.ndjson"));
    let listen = free_address();
    let options = Options { listen: Some(&listen), ..Options::default() };
    let mut hub = Hub::of(Server::start_in(&data, &options)).await;
    let load = Load::start(&hub.hookup, &receipts);
    for round in 0..ROUNDS {
        // Another count in each round, so that it is killed at other moments.
        load.acknowledged(40 + 31 * round).await;
        hub.server.kill();
        hub.server = Server::start_in(&data, &options);
        hub.admin = hub.server.admin();
    }
    let receipts = load.stop();

    let (events, changes) = audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
    let (status, data, _own) = hub.server.stop();
    assert!(status.success(), "{status}");
    ledger_file::has_no_gap(&data.join("ledger.db"), events.len());

    delete_projection(&data);
    let server = Server::start_in(&data, &options);
    let rebuilt = audit::everything_acknowledged_is_there(&server.admin(), &receipts).await;
    assert!(rebuilt == (events, changes), "a rebuild tells another story");
}

#[tokio::test]
async fn a_process_killed_during_its_first_start_can_be_started() {
    let made = ["admin-token", "keys.db", "ledger.db", "kek", "state.db"];
    for file in made {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        let mut child = regledger(&["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually(file, async || data.join(file).exists().then_some(())).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let hub = Hub::of(Server::start_in(&data, &Options::default())).await;
        let receipts = hub.acknowledged(1..2).await;
        audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
    }
}

/// Deletes the state store, and what SQLite keeps beside it.
pub fn delete_projection(data: &Path) {
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    assert!(data.join("ledger.db").exists());
}
