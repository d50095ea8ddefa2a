//! PostgreSQL and Kafka are away for a while, or are made unfit.

use std::sync::Arc;

use acceptance::audit::audit;
use acceptance::load::Load;
use acceptance::{Kafka, Postgres, Proxy, notice};
use reqwest::Method;

use crate::fleet::{Fleet, PARTITIONS, each_is_registered_once, projected};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgres_intake_goes_on_and_everything_is_projected_afterwards() {
    let postgres = Arc::new(Postgres::start());
    let fleet = Fleet::on(Kafka::shared(), postgres.clone());
    let [mut intake, projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let admin = query.admin();
    let early = admin.integration("acme-lab").await;
    let mut receipts = intake.acknowledged(&early, 1..4).await;
    projected(&admin, &receipts).await;
    let late = admin.integration("made-a-moment-before").await;
    postgres.kill();
    for hookup in [&early, &late] {
        receipts.extend(intake.acknowledged(hookup, 4..7).await);
    }
    fleet.restart(&mut intake);
    for hookup in [&early, &late] {
        receipts.extend(intake.acknowledged(hookup, 7..10).await);
    }
    intake.is_ready().await;
    for (process, check) in [(&query, "state"), (&projector, "state"), (&projector, "projection")] {
        let reason = process.is_unready(check).await;
        assert!(!reason.is_empty(), "{check}");
    }

    postgres.restart();
    audit(&admin, PARTITIONS, &receipts).await;
    for process in [&intake, &projector, &query] {
        process.is_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_senders_are_told_to_come_back_and_nothing_acknowledged_is_lost() {
    let kafka = Kafka::start();
    let fleet = Fleet::on(&kafka, Postgres::shared());
    let [intake, projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let hookup = intake.reached(&query.admin().integration("acme-lab").await);
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let load = Load::start(&hookup, &receipts);
    load.acknowledged(100).await;
    kafka.kill(0);
    let refused = intake.admin().request(Method::POST, &hookup).json(&notice(1)).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
    assert!(intake.is_unready("ledger").await.len() > 10);

    kafka.restart(0);
    load.acknowledged(100).await;
    let receipts = load.stop();
    audit(&query.admin(), PARTITIONS, &receipts).await;
    for process in [&intake, &projector, &query] {
        process.is_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_goes_on_while_each_of_three_brokers_is_killed_in_turn() {
    let kafka = Kafka::start_nodes(3);
    let fleet = Fleet::on(&kafka, Postgres::shared());
    let [intake, projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let hookup = intake.reached(&query.admin().integration("acme-lab").await);
    let receipts = fleet.dir.path().join("receipts.ndjson");
    let load = Load::start(&hookup, &receipts);
    for node in 0..3 {
        kafka.kill(node);
        load.acknowledged(100).await;
        kafka.restart(node);
        // Another one may die once this one has all that it missed.
        intake.is_ready().await;
        kafka.is_in_sync(&format!("{}.events", fleet.name)).await;
    }
    let receipts = load.stop();
    audit(&query.admin(), PARTITIONS, &receipts).await;
    for process in [&intake, &projector, &query] {
        process.is_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_that_is_cut_off_from_the_database_is_replaced_and_doubles_nothing_when_the_network_heals() {
    let postgres = Arc::new(Postgres::start());
    let fleet = Fleet::on(Kafka::shared(), postgres.clone());
    let network = Proxy::to(postgres.address()).await;
    let [intake, query] = fleet.start_all(["intake", "query"]);
    let cut = fleet.start_by("projector", &network.url(&fleet.database));
    let admin = query.admin();
    let hookup = admin.integration("acme-lab").await;
    let mut receipts = intake.acknowledged(&hookup, 1..10).await;
    projected(&admin, &receipts).await;
    network.freeze(true);
    receipts.extend(intake.acknowledged(&hookup, 10..30).await);
    // Before another one has taken over: who has no partition has nothing in its way.
    assert!(!cut.is_unready("projection").await.is_empty());
    let _other = fleet.start("projector");
    projected(&admin, &receipts).await;

    network.freeze(false);
    cut.is_ready().await;
    receipts.extend(intake.acknowledged(&hookup, 30..50).await);
    each_is_registered_once(&admin, &receipts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_begins_to_forget_makes_intake_unready_until_it_is_put_right() {
    let kafka = Kafka::shared();
    let fleet = Fleet::on(kafka, Postgres::shared());
    let intake = fleet.start("intake");
    intake.is_ready().await;
    let topic = format!("{}.events", fleet.name);
    kafka.alter_topic(&topic, &[("retention.ms", "86400000")]).await;
    let reason = intake.is_unready("ledger").await;
    assert!(reason.contains("retention.ms"), "{reason}");
    kafka.alter_topic(&topic, &[("retention.ms", "-1")]).await;
    intake.is_ready().await;
}
