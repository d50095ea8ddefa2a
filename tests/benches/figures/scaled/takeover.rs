//! A projector dies: how long until its partitions move again under another.

use std::time::Instant;

use acceptance::{Client, Kafka, PATIENCE, Postgres, notice};

use super::{Deployment, PARTITIONS};
use crate::bench::Bench;
use crate::report::{Line, median, seconds};

/// Tenants whose notices come after the death: some for every partition.
const TENANTS: u64 = 20;

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (kafka, postgres) = (Kafka::start(), Postgres::start());
    let deployment = Deployment::new(bench, "takeover", PARTITIONS, &kafka, &postgres);
    let rounds = bench.size(5, 1);
    let progress = bench.progress("takeover", rounds);
    let (path, _) = deployment.integration(&[]).await;
    let server = deployment.start("intake,query", &[]);
    let hookup = format!("http://{}{path}", server.address());
    let mut projectors = vec![deployment.start("projector", &[]), deployment.start("projector", &[])];
    let mut gaps = Vec::new();
    for round in 0..rounds as u64 {
        moves(&server.admin(), &hookup, 1_000 * (2 * round + 1)).await;
        // Dropped without a word: SIGKILL.
        drop(projectors.remove(0));
        gaps.push(moves(&server.admin(), &hookup, 1_000 * (2 * round + 2)).await);
        projectors.push(deployment.start("projector", &[]));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let longest = gaps.iter().copied().fold(0.0, f64::max);
    vec![
        Line::absolute("killed projector: its partitions move again after, longest", seconds(longest)).at_most(10.0),
        Line::absolute("killed projector: its partitions move again after, median", seconds(median(gaps))),
    ]
}

/// Seconds from now until notices of many tenants are acknowledged and projected.
async fn moves(admin: &Client, hookup: &str, first: u64) -> f64 {
    let begin = Instant::now();
    let mut receipts = Vec::new();
    for tenant in first..first + TENANTS {
        receipts.push(admin.notify(hookup, &notice(tenant)).await);
    }
    for receipt in &receipts {
        let path = format!("/v1/clients?limit=1&min_position={}", Client::place(receipt));
        while !admin.try_get(&path).await.0.is_success() {
            assert!(begin.elapsed() < 2 * PATIENCE, "the projection does not move again");
        }
    }
    begin.elapsed().as_secs_f64()
}
