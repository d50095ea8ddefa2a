//! Scaled out: processes of one role each on a ledger in Kafka and a state store in PostgreSQL.

pub mod ingest;
pub mod leader;
pub mod projection;
pub mod takeover;

use std::path::PathBuf;

use acceptance::{Kafka, Postgres};

use crate::bench::Bench;
use crate::load::hookup;
use crate::serving::Serving;

/// The partitions of a ledger: the directory's, and one for each core.
const PARTITIONS: u32 = 3;

/// What the processes of a deployment share.
pub struct Deployment {
    /// Beginning of the names of its topics.
    name: &'static str,
    /// The URL of its database.
    database: String,
    ledger: String,
    data_dir: PathBuf,
    partitions: u32,
}

impl Deployment {
    /// One without processes, with new topics and a new database.
    fn new(bench: &Bench, name: &'static str, partitions: u32, kafka: &Kafka, postgres: &Postgres) -> Self {
        Self {
            name,
            database: postgres.database(),
            ledger: format!("kafka://{}/{name}.events", kafka.bootstrap_servers()),
            data_dir: bench.path(name),
            partitions,
        }
    }

    /// Starts a process with some roles.
    fn start(&self, roles: &str, more: &[&str]) -> Serving {
        let partitions = self.partitions.to_string();
        let shared = ["--ledger", &self.ledger, "--state", &self.database, "--partitions", &partitions];
        Serving::start(&self.data_dir, &[&shared[..], &["--roles", roles], more].concat())
    }

    /// Makes an integration by a process that ends again; the path of its hookup URL, and its id.
    async fn integration(&self, more: &[&str]) -> (String, String) {
        let server = self.start("intake,projector,query", more);
        let path = hookup(&server).await;
        let row = server.admin().get("/v1/integrations/acme-lab").await;
        server.stop();
        (path, row["id"].as_str().unwrap().to_owned())
    }

    fn topic(&self) -> String {
        format!("{}.events", self.name)
    }

    fn keys(&self) -> String {
        format!("{}.keys", self.name)
    }
}
