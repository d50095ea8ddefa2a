//! Processes that are killed, or paused, one after another under load.

use std::time::Duration;

use acceptance::audit::audit;
use acceptance::eventually;
use acceptance::load::{Load, read};
use tokio::time::timeout;

use crate::fleet::{Fleet, PARTITIONS, projected};

/// How long partitions may stand still when their projector does.
const TAKEOVER: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_each_role_is_killed_in_turn_under_load() {
    let fleet = Fleet::new();
    let mut processes = fleet.start_all(["intake", "projector", "projector", "query"]);
    let hookup = processes[3].admin().integration("acme-lab").await;
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let mut load = Load::start(&processes[0].reached(&hookup), &receipts);
    for (round, process) in processes.iter_mut().enumerate() {
        // Another count in each round, so that they are killed at other moments.
        let enough = read(&receipts).len() + 40 + 31 * round;
        eventually("receipts", async || (read(&receipts).len() >= enough).then_some(())).await;
        fleet.restart(process);
    }
    let report = load.stop();
    assert_eq!(report["unexpected"], 0, "{report}");
    assert_eq!(report["unanswered"], 0, "{report}");
    audit(&processes[3].admin(), PARTITIONS, &read(&receipts)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_each_process_is_upgraded_in_turn_under_load() {
    let fleet = Fleet::new();
    // In the order in which operators are told to go: readers before writers.
    let mut processes = fleet.start_all(["projector", "query", "intake"]);
    let hookup = processes[1].admin().integration("acme-lab").await;
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let mut load = Load::start(&processes[2].reached(&hookup), &receipts);
    for process in &mut processes {
        let enough = read(&receipts).len() + 50;
        eventually("receipts", async || (read(&receipts).len() >= enough).then_some(())).await;
        fleet.upgrade(process);
    }
    let enough = read(&receipts).len() + 50;
    eventually("receipts again", async || (read(&receipts).len() >= enough).then_some(())).await;
    let report = load.stop();
    assert_eq!(report["unexpected"], 0, "{report}");
    assert_eq!(report["unanswered"], 0, "{report}");
    audit(&processes[1].admin(), PARTITIONS, &read(&receipts)).await;
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
    let audited = audit(&admin, PARTITIONS, &receipts).await;
    let registered = audited.changes.iter().filter(|change| change.contains("client.registered")).count();
    assert_eq!(registered, receipts.len());
}
