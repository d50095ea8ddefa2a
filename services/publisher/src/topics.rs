//! The topics: what they are called, and whether they are as they must be.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kafka::{Cleanup, Connection, Inspector, Topic, TopicError, Violation};
use projection::{Board, explain};
use tokio::time::sleep;

/// How often it is looked whether the topics still are as they must be.
const EVERY: Duration = Duration::from_secs(10);

/// How soon topics are looked at again that could not be opened.
const SOON: Duration = Duration::from_secs(1);

/// How long the last row of a client that was erased may stay in the topic before brokers must remove it.
const LAG: Duration = Duration::from_secs(24 * 60 * 60);

/// How long brokers keep what says that a client was erased, for those who were away.
const TOMBSTONES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Which topics, and how they are reached.
#[derive(Clone, Debug)]
pub struct Topics {
    /// How the cluster is reached.
    pub connection: Connection,
    /// The ledger's own, by whose positions is said how far was published.
    pub events: String,
    /// Every change, as a CloudEvent in binary content mode. The key is the tenant.
    pub changes: Arc<str>,
    /// The row of each client as it is now: compacted. The key is the client's id.
    pub clients: Arc<str>,
    /// The consumer group that has the positions, and how the names of transactions begin.
    pub publisher: String,
    /// How many partitions each has: as many as the ledger.
    pub partitions: u32,
    /// The operator accepts that what was published may be lost: any replication will do.
    pub risk_accepted: bool,
}

/// Looks after both topics.
pub(crate) struct Guard {
    inspectors: [Inspector; 2],
    board: Arc<Board>,
}

impl Guard {
    /// Makes the topics where there are none, and waits until they are as they must be.
    pub(crate) async fn open(topics: &Topics, board: &Arc<Board>) -> Self {
        loop {
            match topics.open().await {
                Ok(inspectors) => {
                    note(board, Wrong::default());
                    return Self { inspectors, board: board.clone() };
                }
                Err(error) => {
                    let mut wrong = Wrong::default();
                    wrong.add(&error);
                    note(board, wrong);
                }
            }
            sleep(SOON).await;
        }
    }

    /// Notes for ever what is wrong with them.
    pub(crate) async fn watch(&self) -> Infallible {
        loop {
            sleep(EVERY).await;
            let mut wrong = Wrong::default();
            for inspector in &self.inspectors {
                match inspector.violations().await {
                    Ok(violations) => wrong.with(inspector.topic(), &violations),
                    Err(error) => wrong.add(&error),
                }
            }
            note(&self.board, wrong);
        }
    }
}

impl Topics {
    async fn open(&self) -> Result<[Inspector; 2], TopicError> {
        let clients = Cleanup::Compact { lag: LAG, tombstones: TOMBSTONES };
        Ok([self.inspect(&self.changes, Cleanup::Expire).await?, self.inspect(&self.clients, clients).await?])
    }

    async fn inspect(&self, name: &str, cleanup: Cleanup) -> Result<Inspector, TopicError> {
        let Self { partitions, risk_accepted, .. } = *self;
        Inspector::open(&self.connection, Topic { name: name.to_owned(), partitions, cleanup, risk_accepted }).await
    }
}

/// What is wrong with the topics.
#[derive(Default)]
struct Wrong {
    reasons: Vec<String>,
    /// Something of it does not pass by itself.
    lasts: bool,
}

impl Wrong {
    fn with(&mut self, topic: &str, violations: &[Violation]) {
        self.reasons.extend(violations.iter().map(|violation| format!("{topic}: {violation}")));
        self.lasts |= !violations.is_empty();
    }

    fn add(&mut self, error: &TopicError) {
        self.reasons.push(explain(error));
        self.lasts |= !error.passes();
    }
}

fn note(board: &Board, wrong: Wrong) {
    let reason = (!wrong.reasons.is_empty()).then(|| wrong.reasons.join("; "));
    if !board.note_all("topics", reason.clone()) {
        return;
    }
    match reason {
        Some(reason) if wrong.lasts => tracing::error!(reason, "the topics of the changes are not as they must be"),
        Some(reason) => tracing::warn!(reason, "the topics of the changes cannot be looked at"),
        None => tracing::info!("the topics of the changes are as they must be"),
    }
}
