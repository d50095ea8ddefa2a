//! One of three brokers dies: how long senders go without an acknowledgement, each of whom sends again until it has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use acceptance::{Client, Kafka, Postgres, notice};
use tokio::task::JoinSet;

use super::Deployment;
use crate::bench::Bench;
use crate::report::{Line, seconds};

/// Senders, enough that each partition has some.
const SENDERS: u64 = 16;

/// How long a sender waits before it sends again what was not acknowledged.
const PAUSE: Duration = Duration::from_millis(50);

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (kafka, postgres) = (Kafka::start_with(3, &DEFAULTS), Postgres::start());
    let deployment = Deployment::new(bench, "leader", &kafka, &postgres);
    let (path, _) = deployment.integration(&[]).await;
    let intake = deployment.start("intake", &[]);
    let hookup = format!("http://{}{path}", intake.address());
    let progress = bench.progress("leader", 3);
    let mut longest = 0.0_f64;
    // Each leads some partition, whichever that is.
    for node in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let first = (node as u64 * SENDERS + sender) * 1_000_000 + 1;
            senders.spawn(send(intake.admin(), hookup.clone(), first, stop.clone()));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        kafka.kill(node);
        tokio::time::sleep(Duration::from_secs(bench.size(20, 15))).await;
        stop.store(true, Ordering::Relaxed);
        longest = senders.join_all().await.into_iter().fold(longest, f64::max);
        kafka.restart(node);
        // Another one may die once this one has all that it missed.
        kafka.is_in_sync(&deployment.topic()).await;
        progress.inc(1);
    }
    progress.finish_and_clear();
    vec![Line::absolute("one of three brokers killed: longest gap of a sender", seconds(longest)).at_most(12.0)]
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
