//! The dispatcher is killed, stopped and started anew, and its store is lost.

use std::time::Duration;

use acceptance::{Options, Receiver, Reply, Server, eventually, free_address, regledger};
use serde_json::json;
use tempfile::TempDir;

use crate::hub::{ARGUMENTS, in_order, notify, stands, start, subscribe};

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_again_and_again_delivers_everything_in_order() {
    let dir = TempDir::new().unwrap();
    let address = free_address();
    let options = Options { arguments: ARGUMENTS, listen: Some(&address), ..Options::default() };
    let mut server = Server::start_in(dir.path(), &options);
    let receiver = Receiver::answering(|_| Reply { delay: Duration::from_millis(3), ..Reply::status(200) }).await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    for round in 0..4 {
        let tenants = (0..300).map(|n| 1 + (n * 7 + round) % 20);
        for tenant in tenants {
            crate::hub::notify_again(&admin, &hookup, tenant, &format!("A{round}-{}", receiver.count())).await;
        }
        server.kill();
        server = Server::start_in(dir.path(), &options);
    }
    let total = admin.get("/v1/changes?type=client.*&limit=1000").await["items"].as_array().unwrap().len();
    let more = admin.get("/v1/changes?type=client.*&limit=1000").await["next"].clone();
    let total = if more.is_null() { total } else { 1_000 };
    eventually("everything has arrived", async || (receiver.ids().len() >= total).then_some(())).await;
    in_order(&receiver.received());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_away_for_long_is_told_everything_when_it_is_back() {
    let server = start();
    let address = free_address();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let asked = json!({"name": "acme", "url": format!("http://{address}/hooks"), "types": ["client.*"]});
    admin.post("/v1/subscriptions", &asked).await;
    notify(&admin, &hookup, (0..400).map(|n| 1 + n % 50)).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let receiver = Receiver::at(&address, |_| Reply::status(200)).await;
    eventually("everything has arrived", async || (receiver.ids().len() == 400).then_some(())).await;
    assert_eq!(in_order(&receiver.received()), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_has_lost_its_delivery_store_asks_from_where() {
    let dir = TempDir::new().unwrap();
    let options = Options { arguments: ARGUMENTS, ..Options::default() };
    let mut server = Server::start_in(dir.path(), &options);
    let receiver = Receiver::start().await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [1, 2]).await;
    receiver.wait(2).await;
    server.kill();
    for file in ["deliveries.db", "deliveries.db-wal", "deliveries.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let server = Server::start_in(dir.path(), &options);
    let admin = server.admin();
    let hookup = hookup.replace(hookup.split("/hookup").next().unwrap(), &server.url);
    stands(&admin, "acme", "paused: start-unknown").await;
    notify(&admin, &hookup, [3]).await;
    let (status, _) = admin.try_post("/v1/subscriptions/acme/resume", &json!({})).await;
    assert_eq!(status, 409, "it must be said from where");
    assert_eq!(receiver.count(), 2);
    admin.post("/v1/subscriptions/acme/resume", &json!({"from": "beginning"})).await;
    eventually("everything has come again", async || (receiver.count() == 5).then_some(())).await;
    assert_eq!(receiver.ids().len(), 3);
    // A new one begins where its own event stands, also beside a new store.
    let other = Receiver::start().await;
    subscribe(&admin, "other", &other, json!({})).await;
    notify(&admin, &hookup, [4]).await;
    assert_eq!(other.wait(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_store_that_is_built_anew_delivers_nothing_twice() {
    let dir = TempDir::new().unwrap();
    let options = Options { arguments: ARGUMENTS, ..Options::default() };
    let mut server = Server::start_in(dir.path(), &options);
    let receiver = Receiver::start().await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, 1..=20).await;
    receiver.wait(20).await;
    // What was delivered is settled before the process ends.
    server.signal("TERM");
    server.wait();
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let server = Server::start_in(dir.path(), &options);
    let hookup = hookup.replace(hookup.split("/hookup").next().unwrap(), &server.url);
    notify(&server.admin(), &hookup, [21]).await;
    receiver.wait(21).await;
    assert_eq!((receiver.count(), receiver.ids().len()), (21, 21));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_restored_from_a_backup_asks_from_where() {
    let dir = TempDir::new().unwrap();
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    let options = Options { arguments: ARGUMENTS, ..Options::default() };
    let mut server = Server::start_in(&data, &options);
    let receiver = Receiver::start().await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [1]).await;
    let made = server.command(&["backup", backup.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    notify(&admin, &hookup, [2]).await;
    receiver.wait(2).await;
    server.kill();
    let mut restore = regledger(&["restore", backup.to_str().unwrap(), "--replace", "--data-dir"]);
    let done = restore.arg(&data).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let server = Server::start_in(&data, &options);
    let admin = server.admin();
    // Its places beyond the backup are given to other events.
    stands(&admin, "acme", "paused: start-unknown").await;
    admin.post("/v1/subscriptions/acme/resume", &json!({"from": "now"})).await;
    let hookup = hookup.replace(hookup.split("/hookup").next().unwrap(), &server.url);
    notify(&admin, &hookup, [3]).await;
    let received = receiver.wait(3).await;
    assert_eq!((received.len(), received[2].subject().as_str()), (3, "provetcloud.com/3"));
}
