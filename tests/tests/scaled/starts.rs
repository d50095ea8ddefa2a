//! A start waits for what is away, says so meanwhile, and serves as soon as it is back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use acceptance::{Client, Kafka, Options, Postgres, Server, eventually, free_address, notice};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::fleet::{Fleet, Process, each_is_registered_once, projected};

/// How long a process may take to end that has nothing to finish.
const AT_ONCE: Duration = Duration::from_secs(5);

/// It is alive, is not ready and says why, and takes nothing.
async fn waits(process: &Process, why: &str) {
    let reason = process.is_unready("start").await;
    let reason = if reason.contains(why) { reason } else { is_told(process, why).await };
    assert!(!reason.contains("postgres://"), "{reason}");
    let admin = process.admin();
    let asked = async |method, path| admin.request(method, path).json(&notice(1)).send().await.unwrap();
    assert_eq!(asked(Method::GET, "/healthz").await.status(), 200);
    let refused = asked(Method::POST, "/hookup/acme-lab/key").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
}

/// Waits until this is the reason: before, it was starting.
async fn is_told(process: &Process, why: &str) -> String {
    eventually(why, async || Some(process.is_unready("start").await).filter(|reason| reason.contains(why))).await
}

/// Why it waited, as its log says: a line each.
fn reasons(process: &Process) -> Vec<String> {
    let log = process.server.log();
    let lines = log.lines().filter(|line| line.contains("the start waits for what is away"));
    lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_database_and_for_brokers_and_nothing_is_lost_meanwhile() {
    let (kafka, postgres) = (Kafka::start(), Arc::new(Postgres::start()));
    let fleet = Fleet::on(&kafka, postgres.clone());
    let [mut intake, projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let hookup = query.admin().integration("acme-lab").await;
    let mut receipts = intake.acknowledged(&hookup, 1..4).await;
    postgres.kill();
    let late = fleet.begin("query");
    waits(&late, "Connection refused").await;
    fleet.restart(&mut intake);
    receipts.extend(intake.acknowledged(&hookup, 4..7).await);
    postgres.restart();
    late.is_ready().await;
    projected(&late.admin(), &receipts).await;
    // Refused, and perhaps that it is starting up, and how far it is: each reason is logged once, however often it is tried.
    let reasons = reasons(&late);
    let different: BTreeSet<_> = reasons.iter().collect();
    assert!(!reasons.is_empty() && different.len() == reasons.len(), "{reasons:?}");

    kafka.kill(0);
    intake.server.kill();
    let intake = fleet.begin_again(intake);
    waits(&intake, "the brokers do not answer").await;
    kafka.restart(0);
    intake.is_ready().await;
    receipts.extend(intake.acknowledged(&hookup, 7..10).await);
    projected(&late.admin(), &receipts).await;
    each_is_registered_once(&late.admin(), &receipts).await;
    for misleading in ["are not as they must be", "cannot find the topic"] {
        assert!(!projector.server.log().contains(misleading), "{}", projector.server.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_waits_ends_at_once_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let (dir, listen) = (TempDir::new().unwrap(), free_address());
        let ledger = ["--ledger", "kafka://127.0.0.1:1/none.events", "--state", "postgres://127.0.0.1:1/none"];
        let options = Options { arguments: &ledger, listen: Some(&listen), ..Options::default() };
        let mut server = Server::begin_in(dir.path(), &options);
        let asks = Client::new(&server.url, "");
        let is_up = async || asks.request(Method::GET, "/healthz").send().await.ok();
        eventually("a process that starts", is_up).await;
        let told = Instant::now();
        server.signal(signal);
        assert!(server.wait().success(), "{signal}: {}", server.log());
        assert!(told.elapsed() < AT_ONCE, "{signal}: {:?}", told.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_waits_until_all_brokers_are_up() {
    let kafka = Kafka::start_with(1, &["offsets.topic.replication.factor=3"]);
    let fleet = Fleet::on(&kafka, Postgres::shared());
    let intake = fleet.begin("intake");
    let asks = Client::new(&intake.server.url, "");
    let reason = eventually("a reason", async || {
        let answer = asks.request(Method::GET, "/readyz").send().await.ok()?.text().await.ok()?;
        answer.contains("is not made yet").then_some(answer)
    })
    .await;
    assert!(reason.contains("1 of the brokers answer now, and offsets.topic.replication.factor=3 says"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_needs_two_of_three_brokers_and_calls_nothing_frail_that_has_three_replicas() {
    let kafka = Kafka::start_nodes(3);
    let fleet = Fleet::on(&kafka, Postgres::shared());
    let [mut intake, _projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let hookup = query.admin().integration("acme-lab").await;
    for node in 0..2 {
        kafka.kill(node);
        intake.server.kill();
        intake = fleet.begin_again(intake);
        intake.is_ready().await;
        intake.acknowledged(&hookup, 1..3).await;
        assert!(!intake.server.log().contains("lost for good"), "{}", intake.server.log());
        kafka.restart(node);
        kafka.is_in_sync(&format!("{}.events", fleet.name)).await;
        kafka.is_in_sync(&format!("{}.keys", fleet.name)).await;
    }
}
