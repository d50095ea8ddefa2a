//! Projection from Kafka into PostgreSQL, against a bare COPY of the rows that come of it into the same tables.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use acceptance::{Kafka, Postgres};
use ledger::{KafkaLedger, KafkaOptions, Ledger};
use uuid::Uuid;

use super::{Deployment, PARTITIONS};
use crate::bench::{Bench, settle};
use crate::history::{SITTING, notices};
use crate::report::{Line, median, rate};

/// The schema of the state store, …
const SCHEMA: &str = "regledger_state";

/// … and its tables that grow with the ledger.
const TABLES: [&str; 2] = ["document", "change"];

/// Appended at a time.
const BATCH: usize = 1000;

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (kafka, postgres) = (Kafka::start(), Postgres::start());
    let deployment = Deployment::new(bench, "projection", PARTITIONS, &kafka, &postgres);
    let (_, integration) = deployment.integration(&[]).await;
    let events = fill(bench, &kafka, &deployment, integration.parse().unwrap()).await;
    settle();
    let begin = Instant::now();
    let projector = deployment.start("projector", &[]);
    projector.wait_until_projected();
    let projected = events as f64 / begin.elapsed().as_secs_f64();
    projector.stop();
    let copied = events as f64 / copy(&postgres, &deployment.database);
    let what = format!("projection of {events} events from Kafka into PostgreSQL");
    let other = "COPY of the same rows, indexes included";
    vec![Line::ratio(&what, rate(projected), other, rate(copied), projected / copied).at_least(0.3)]
}

/// Appends the notices of many tenants; how many there are.
async fn fill(bench: &Bench, kafka: &Kafka, deployment: &Deployment, integration: Uuid) -> usize {
    let connection = kafka::Connection::new(&kafka.bootstrap_servers(), &Default::default()).unwrap();
    let ledger = KafkaLedger::open(&connection, KafkaOptions::new(&deployment.topic(), PARTITIONS)).await.unwrap();
    let partition = |tenant: u64| 1 + tenant as u32 % (PARTITIONS - 1);
    let entries: Vec<_> = notices(bench.size(20_000, 200), SITTING, integration, partition).collect();
    let progress = bench.progress("events", entries.len());
    for batch in entries.chunks(BATCH) {
        ledger.append(batch.to_vec()).await.unwrap();
        progress.inc(batch.len() as u64);
    }
    ledger.close().await;
    progress.finish_and_clear();
    entries.len()
}

/// Seconds that it takes to copy the rows of a database into tables that are as empty as they were.
fn copy(postgres: &Postgres, database: &str) -> f64 {
    let folder = postgres.data().join("copied");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    for table in TABLES {
        let file = folder.join(table);
        postgres.sql(database, &format!("COPY {SCHEMA}.{table} TO '{}'", file.display()));
    }
    let rounds = (0..3).map(|_| {
        for table in TABLES {
            let made = format!(
                "DROP TABLE IF EXISTS bare_{table}; CREATE TABLE bare_{table} (LIKE {SCHEMA}.{table} INCLUDING ALL)"
            );
            postgres.sql(database, &made);
        }
        settle();
        let begin = Instant::now();
        for table in TABLES {
            postgres.sql(database, &format!("COPY bare_{table} FROM '{}'", folder.join(table).display()));
        }
        begin.elapsed().as_secs_f64()
    });
    median(rounds)
}
