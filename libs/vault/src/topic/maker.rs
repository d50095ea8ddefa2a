//! Makes keys, in groups: what is asked for soon after one group is the next.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kafka::{Producer, Record};
use reply::Reply;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::error::Gone;
use super::follower::Follower;
use super::health::{Health, Matter, explain};
use super::record;
use super::view::View;
use crate::error::KeyStoreError;
use crate::row::KeyRow;

/// How many keys may be waited for.
pub(super) const QUEUE: usize = 1024;

/// How long after one group the next begins, at least: each is a request to the brokers, and where one notice of ten was a new
/// tenant's, every fourth request was one of keys. A key that comes alone is written at once.
const PACE: Duration = Duration::from_millis(2);

/// How long an idle maker whose last write failed waits before it tries whether writing works again.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A key to be made, and who waits for it.
pub(super) struct Request {
    pub(super) row: KeyRow,
    pub(super) reply: Reply<Result<KeyRow, KeyStoreError>>,
}

pub(super) struct Maker {
    pub(super) producer: Arc<Producer>,
    pub(super) follower: Arc<Follower>,
    pub(super) health: Arc<Health>,
    pub(super) requests: mpsc::Receiver<Request>,
}

impl Maker {
    /// Until nobody can ask any more, and everybody who has is answered.
    pub(super) async fn run(&mut self) {
        loop {
            let mut group = Vec::new();
            let is_failing = self.health.is_bad(Matter::Writing);
            tokio::select! {
                asked = self.requests.recv_many(&mut group, QUEUE) => match asked {
                    0 => return,
                    _ => {
                        let next = Instant::now() + PACE;
                        make(&self.producer, &self.follower, &self.health, group).await;
                        sleep_until(next).await;
                    }
                },
                probed = probe(&self.producer, &self.follower), if is_failing => note(&self.health, &probed),
            }
        }
    }

    /// Answers whoever comes with the damage, until the store is closed. The health has ended: this is final.
    pub(super) async fn refuse(mut self, damage: KeyStoreError) {
        drop(self.health);
        while let Some(request) = self.requests.recv().await {
            request.reply.send(Err(damage.clone()));
        }
    }
}

async fn make(producer: &Producer, follower: &Follower, health: &Health, group: Vec<Request>) {
    let records = follower.look(|view| missing(view, &group));
    let written = write(producer, follower, &records).await;
    note(health, &written);
    for Request { row, reply } in group {
        // Whatever is in the view is durable, so also the key of a write that failed and yet persisted.
        let made = follower.look(|view| view.sealing(&row).cloned());
        let failure = || written.clone().err().unwrap_or(KeyStoreError::Rejected { source: Arc::new(Gone) });
        reply.send(made.ok_or_else(failure));
    }
}

/// One key for each subject that has none yet.
fn missing(view: &View, group: &[Request]) -> Vec<Record> {
    let mut subjects = HashSet::new();
    let lacking = group.iter().filter_map(|Request { row, .. }| {
        let is_first = view.sealing(row).is_none() && subjects.insert((&row.kind, &row.name, row.expires));
        is_first.then(|| record::made(row))
    });
    lacking.collect()
}

/// Writes records and waits until they, and so all that came before them, are in the view.
pub(super) async fn write(producer: &Producer, follower: &Follower, records: &[Record]) -> Result<(), KeyStoreError> {
    // A key's commit point: what is acknowledged is replicated, and nobody is given a key before.
    let offsets = producer.write(records).await?;
    follower.note(records, &offsets)?;
    match offsets.into_iter().max() {
        Some(last) => follower.reach(last).await,
        None => Ok(()),
    }
}

async fn probe(producer: &Producer, follower: &Follower) -> Result<(), KeyStoreError> {
    sleep(PROBE_EVERY).await;
    write(producer, follower, &[record::probe()]).await
}

fn note(health: &Health, written: &Result<(), KeyStoreError>) {
    health.note(Matter::Writing, written.as_ref().err().map(|error| explain(error)));
}
