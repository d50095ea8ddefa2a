//! Processes that are killed, or paused, one after another under load.

use std::time::Duration;

use acceptance::audit::audit;
use acceptance::load::Load;
use tokio::time::timeout;

use crate::fleet::{Fleet, PARTITIONS, each_is_registered_once, projected};

/// How long partitions may stand still when their projector does.
const TAKEOVER: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_each_role_is_killed_in_turn_under_load() {
    let fleet = Fleet::new();
    let mut processes = fleet.start_all(["intake", "projector", "projector", "query"]);
    let hookup = processes[3].admin().integration("acme-lab").await;
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let load = Load::start(&processes[0].reached(&hookup), &receipts);
    for (round, process) in processes.iter_mut().enumerate() {
        // Another count in each round, so that they are killed at other moments.
        load.acknowledged(40 + 31 * round).await;
        fleet.restart(process);
    }
    let receipts = load.stop();
    audit(&processes[3].admin(), PARTITIONS, &receipts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_each_process_is_upgraded_in_turn_under_load() {
    let fleet = Fleet::new();
    // In the order in which operators are told to go: readers before writers.
    let mut processes = fleet.start_all(["projector", "query", "intake"]);
    let hookup = processes[1].admin().integration("acme-lab").await;
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let load = Load::start(&processes[2].reached(&hookup), &receipts);
    for process in &mut processes {
        load.acknowledged(50).await;
        fleet.upgrade(process);
    }
    load.acknowledged(50).await;
    let receipts = load.stop();
    audit(&processes[1].admin(), PARTITIONS, &receipts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_projector_takes_over_from_a_paused_one_which_changes_nothing_when_it_goes_on() {
    let fleet = Fleet::new();
    let [intake, query, paused] = fleet.start_all(["intake", "query", "projector"]);
    let admin = query.admin();
    let hookup = admin.integration("acme-lab").await;
    let mut receipts = intake.acknowledged(&hookup, 1..10).await;
    projected(&admin, &receipts).await;
    paused.server.signal("STOP");
    let _other = fleet.start("projector");
    receipts.extend(intake.acknowledged(&hookup, 10..30).await);
    timeout(TAKEOVER, projected(&admin, &receipts)).await.expect("another takes over");

    paused.server.signal("CONT");
    paused.is_ready().await;
    receipts.extend(intake.acknowledged(&hookup, 30..50).await);
    each_is_registered_once(&admin, &receipts).await;
}
