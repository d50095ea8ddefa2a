//! The heads of all partitions, as they grow.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kafka::{KafkaError, Offsets};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::health::{Concern, Health};
use crate::ReadError;

/// How often the brokers are asked for what others have appended.
const EVERY: Duration = Duration::from_millis(25);

/// How long the brokers may take for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is known of the heads. It only ever grows: a broker that was away may still believe less.
#[derive(Clone)]
pub(super) struct Heads {
    offsets: Arc<Offsets>,
    heads: Arc<[watch::Sender<u64>]>,
}

impl Heads {
    /// Heads of so many partitions, all 0.
    pub(super) fn new(offsets: Offsets, partitions: u32) -> Self {
        let heads = (0..partitions).map(|_| watch::Sender::new(0)).collect();
        Self { offsets: Arc::new(offsets), heads }
    }

    pub(super) fn watch(&self, partition: u32) -> Result<watch::Receiver<u64>, ReadError> {
        self.sender(partition).map(watch::Sender::subscribe)
    }

    /// What is known without asking.
    pub(super) fn known(&self, partition: u32) -> Result<u64, ReadError> {
        self.sender(partition).map(|head| *head.borrow())
    }

    /// Asks the leader of `partition`.
    pub(super) async fn ask(&self, partition: u32) -> Result<u64, ReadError> {
        self.known(partition)?;
        let ends = self.ends(partition..partition + 1).await;
        ends.map_err(|error| ReadError::Unavailable { source: Arc::new(error) })?;
        self.known(partition)
    }

    /// Asks the leaders of all partitions; says which of them have less than was known. If one cannot
    /// be asked, the others are asked nevertheless.
    pub(super) async fn ask_all(&self) -> Result<Vec<Lost>, KafkaError> {
        let known: Vec<u64> = self.heads.iter().map(|head| *head.borrow()).collect();
        let partitions = 0..known.len() as u32;
        let ends = match self.ends(partitions.clone()).await {
            Ok(ends) => ends,
            Err(error) => {
                join_all(partitions.map(|partition| self.ends(partition..partition + 1))).await;
                return Err(error);
            }
        };
        let found =
            ends.into_iter().zip(known).zip(0..).map(|((end, known), partition)| Lost { partition, end, known });
        Ok(found.filter(|lost| lost.end < lost.known).collect())
    }

    /// An event that is durable stands before `head`.
    pub(super) fn publish(&self, partition: u32, head: u64) {
        if let Ok(known) = self.sender(partition) {
            known.send_if_modified(|known| std::mem::replace(known, head.max(*known)) < head);
        }
    }

    /// Asks the brokers and publishes what they say.
    async fn ends(&self, partitions: Range<u32>) -> Result<Vec<u64>, KafkaError> {
        let (offsets, asked) = (self.offsets.clone(), partitions.clone());
        let ends = spawn_blocking(move || offsets.end(asked, PATIENCE)).await;
        let ends = ends.unwrap_or(Err(KafkaError::Canceled))?;
        partitions.zip(&ends).for_each(|(partition, end)| self.publish(partition, *end));
        Ok(ends)
    }

    fn sender(&self, partition: u32) -> Result<&watch::Sender<u64>, ReadError> {
        self.heads.get(partition as usize).ok_or(ReadError::NoSuchPartition { partition })
    }
}

/// A partition that ends before events that were there.
#[derive(Debug, thiserror::Error)]
#[error("partition {partition} ends at {end}, and {known} events were there")]
pub(super) struct Lost {
    pub(super) partition: u32,
    pub(super) end: u64,
    pub(super) known: u64,
}

/// Follows the heads, whoever appends, until `stop` ends.
pub(super) async fn follow(heads: Heads, health: Arc<Health>, mut stop: watch::Receiver<()>) {
    let following = async {
        loop {
            match heads.ask_all().await {
                Ok(lost) if lost.is_empty() => health.good(Concern::Brokers),
                Ok(lost) => health.bad(Concern::Brokers, &lost[0]),
                Err(error) => health.bad(Concern::Brokers, &error),
            }
            sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = following => {}
        _ = stop.changed() => {}
    }
}
