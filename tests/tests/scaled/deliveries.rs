//! Several dispatchers share the subscriptions: one is killed, one is paused past its lease, brokers and the database restart.

use std::sync::Arc;
use std::time::Duration;

use acceptance::{Kafka, Postgres, Receiver, Reply, eventually, notice};
use serde_json::json;

use crate::fleet::Fleet;

/// Longer than a lease lasts.
const PAUSE: Duration = Duration::from_secs(8);

/// Holds that what came first of each tenant came in the order of its ledger, and counts it.
fn in_order(receiver: &Receiver) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let mut last = std::collections::BTreeMap::new();
    for one in receiver.received().iter().filter(|one| seen.insert(one.id().to_owned())) {
        assert_eq!(one.json()["id"], one.id());
        let sequence = one.json()["sequence"].as_str().unwrap().to_owned();
        if let Some(before) = last.insert(one.subject(), sequence.clone()) {
            assert!(before < sequence, "{}: {sequence} after {before}", one.subject());
        }
    }
    seen.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dispatchers_that_are_killed_or_paused_skip_nothing_and_keep_the_order() {
    let postgres = Arc::new(Postgres::start());
    let kafka = Kafka::start();
    let fleet = Fleet::on(&kafka, postgres.clone()).allowing(&["--egress-allow", "127.0.0.0/8"]);
    let [intake, _projector, query, mut one, two] =
        fleet.start_all(["intake", "projector", "query", "dispatcher", "dispatcher"]);
    let admin = query.admin();
    let hookup = intake.reached(&admin.integration("acme-lab").await);
    let receivers = [receiver().await, receiver().await, receiver().await];
    for (receiver, name) in receivers.iter().zip(["a", "b", "c"]) {
        let asked = json!({"name": name, "url": receiver.url, "types": ["client.*"]});
        admin.post("/v1/subscriptions", &asked).await;
    }
    let mut sent = 0;
    for step in 0..5 {
        for number in 0..60 {
            let mut notice = notice(1 + number % 7);
            notice["algorithm"] = json!(format!("A{step}-{number}"));
            intake.admin().notify(&hookup, &notice).await;
            sent += 1;
        }
        match step {
            0 => fleet.restart(&mut one),
            1 => {
                two.server.signal("STOP");
                tokio::time::sleep(PAUSE).await;
            }
            2 => two.server.signal("CONT"),
            3 => {
                postgres.kill();
                postgres.restart();
                kafka.kill(0);
                kafka.restart(0);
                intake.is_ready().await;
            }
            _ => {}
        }
    }
    for receiver in &receivers {
        eventually("everything has arrived", async || (receiver.ids().len() >= sent).then_some(())).await;
        assert_eq!(in_order(receiver), sent);
    }
}

async fn receiver() -> Receiver {
    Receiver::answering(|_| Reply { delay: Duration::from_millis(2), ..Reply::status(200) }).await
}
