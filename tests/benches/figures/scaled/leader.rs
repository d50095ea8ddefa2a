//! One of three brokers dies: how long senders go without an acknowledgement, each of whom sends again until it has one.
//!
//! By default the controller misses a broker after `broker.session.timeout.ms`, 9 s. If it dies itself the others elect a new
//! one first, after `controller.quorum.fetch.timeout.ms`, 2 s, and that counts the 9 s anew. A replica that asks the new leader
//! too early comes back after `replica.fetch.backoff.ms`, 1 s, and nothing is acknowledged without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use acceptance::{Client, Kafka, Postgres, notice};
use tokio::task::JoinSet;

use super::{Deployment, PARTITIONS};
use crate::bench::Bench;
use crate::report::{Line, seconds};
use crate::serving::Serving;

/// Brokers, each a controller as well.
const NODES: usize = 3;

/// Senders, enough that each partition has some.
const SENDERS: u64 = 16;

/// How long a sender waits before it sends again what was not acknowledged.
const PAUSE: Duration = Duration::from_millis(50);

/// Measures it: of those that lead partitions the controller dies last, when the others must elect a new one first.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (kafka, postgres) = (Kafka::start_with(NODES, &DEFAULTS), Postgres::start());
    let deployment = Deployment::new(bench, "leader", PARTITIONS, &kafka, &postgres);
    let (path, _) = deployment.integration(&[]).await;
    let intake = deployment.start("intake", &[]);
    let hookup = format!("http://{}{path}", intake.address());
    let progress = bench.progress("leader", NODES);
    // Each leads some partition, whichever that is.
    let mut nodes: Vec<usize> = (0..NODES).collect();
    nodes.sort_by_key(|node| kafka.controller() == *node);
    let (mut leader, mut both) = (0.0_f64, 0.0_f64);
    for node in nodes {
        let longest = if kafka.controller() == node { &mut both } else { &mut leader };
        *longest = longest.max(gap(bench, &kafka, node, &intake, &hookup).await);
        kafka.restart(node);
        // Another one may die once this one has all that it missed.
        kafka.is_in_sync(&deployment.topic()).await;
        progress.inc(1);
    }
    progress.finish_and_clear();
    let line = |what: &str, longest| Line::absolute(&format!("{what}: longest gap of a sender"), seconds(longest));
    vec![
        line("one of three brokers killed", leader).at_most(12.0),
        line("one of three brokers killed, the controller too", both).at_most(12.0),
    ]
}

/// Kills a node under load; the longest time that a sender went without an acknowledgement.
async fn gap(bench: &Bench, kafka: &Kafka, node: usize, intake: &Serving, hookup: &str) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let first = (node as u64 * SENDERS + sender) * 1_000_000 + 1;
        senders.spawn(send(intake.admin(), hookup.to_owned(), first, stop.clone()));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    kafka.kill(node);
    tokio::time::sleep(Duration::from_secs(bench.size(20, 15))).await;
    stop.store(true, Ordering::Relaxed);
    senders.join_all().await.into_iter().fold(0.0, f64::max)
}

/// As Kafka ships it; tests shorten it.
const DEFAULTS: [&str; 2] = ["broker.session.timeout.ms=9000", "broker.heartbeat.interval.ms=2000"];

/// Sends one notice after the other; the longest time in seconds between two acknowledgements.
async fn send(client: Client, hookup: String, first: u64, stop: Arc<AtomicBool>) -> f64 {
    let mut longest = 0.0_f64;
    let mut last = Instant::now();
    for number in first.. {
        let body = notice(number).to_string();
        while !client.try_notify(&hookup, body.clone()).await.0.is_success() {
            tokio::time::sleep(PAUSE).await;
        }
        longest = longest.max(last.elapsed().as_secs_f64());
        last = Instant::now();
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    longest
}
