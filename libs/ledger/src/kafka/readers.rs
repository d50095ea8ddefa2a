//! Reads events, with readers that stay where they were left.

use std::sync::Arc;
use std::time::Duration;

use kafka::{Connection, KafkaError, Message, ReadError as Fault, Reader};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::{Limit, ReadError, Recorded};

/// How long the brokers may take for the next event.
const PATIENCE: Duration = Duration::from_secs(10);

/// Readers beside one for each partition: of those that jump about.
const SPARE: usize = 4;

/// Readers of one topic; a clone shares them.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Arc<Pool>,
}

struct Pool {
    connection: Connection,
    topic: String,
    /// One permit for each read that may run.
    room: Arc<Semaphore>,
    most: usize,
    /// The one that was used last is the last.
    idle: Mutex<Vec<Reader>>,
}

/// Which events are read: those from `from` on and before `below`.
#[derive(Clone, Copy)]
pub(super) struct Select {
    pub(super) partition: u32,
    pub(super) from: u64,
    pub(super) below: u64,
    pub(super) limit: Limit,
}

impl Readers {
    pub(super) fn new(connection: &Connection, topic: &str, partitions: u32) -> Self {
        let most = partitions as usize + SPARE;
        let pool = Pool {
            connection: connection.clone(),
            topic: topic.to_owned(),
            room: Arc::new(Semaphore::new(most)),
            most,
            idle: Mutex::default(),
        };
        Self { pool: Arc::new(pool) }
    }

    pub(super) async fn read(&self, select: Select) -> Result<Vec<Recorded>, ReadError> {
        if select.from >= select.below {
            return Ok(Vec::new());
        }
        let pool = self.pool.clone();
        // It is never closed.
        let permit = pool.room.clone().acquire_owned().await;
        let reading = spawn_blocking(move || {
            let events = pool.read(select);
            drop(permit);
            events
        });
        reading.await.unwrap_or_else(|_| Err(unavailable(KafkaError::Canceled)))
    }
}

impl Pool {
    /// Reads with a reader that stands there, or goes there. What it misses is looked for once more
    /// by a fresh one, so that no remains of an earlier place pass for a damaged ledger.
    fn read(&self, select: Select) -> Result<Vec<Recorded>, ReadError> {
        let lent = self.lend(select).map_err(unavailable)?;
        match self.finish(lent, select) {
            Err(ReadError::Corrupt { .. }) => self.finish(self.open(select).map_err(unavailable)?, select),
            other => other,
        }
    }

    /// Reads, and keeps a reader that did not fail.
    fn finish(&self, mut reader: Reader, select: Select) -> Result<Vec<Recorded>, ReadError> {
        let events = select.run(&mut reader)?;
        self.idle.lock().push(reader);
        Ok(events)
    }

    fn lend(&self, select: Select) -> Result<Reader, KafkaError> {
        let mut idle = self.idle.lock();
        if let Some(index) = idle.iter().position(|reader| reader.at() == (select.partition, select.from)) {
            return Ok(idle.remove(index));
        }
        // This read is among them, still without a reader.
        let busy = self.most - self.room.available_permits();
        if idle.is_empty() || idle.len() + busy <= self.most {
            drop(idle);
            return self.open(select);
        }
        let mut oldest = idle.remove(0);
        drop(idle);
        oldest.seek(select.partition, select.from)?;
        Ok(oldest)
    }

    fn open(&self, select: Select) -> Result<Reader, KafkaError> {
        Reader::open(&self.connection, &self.topic, select.partition, select.from)
    }
}

impl Select {
    fn run(self, reader: &mut Reader) -> Result<Vec<Recorded>, ReadError> {
        let deadline = Instant::now() + PATIENCE;
        let wanted = u64::try_from(self.limit.events.max(1)).unwrap_or(u64::MAX);
        let mut events = Vec::new();
        let mut bytes = 0usize;
        for position in self.from..self.below.min(self.from.saturating_add(wanted)) {
            let message = match reader.next(deadline) {
                Err(Fault::TimedOut) if !events.is_empty() => break,
                other => other.map_err(|fault| self.judge(position, fault))?,
            };
            bytes = bytes.saturating_add(message.value.as_ref().map_or(0, |value| value.len()));
            if bytes > self.limit.bytes && !events.is_empty() {
                reader.put_back(message);
                break;
            }
            events.push(self.recorded(position, message)?);
        }
        Ok(events)
    }

    /// What stands at `position`, if it is that.
    fn recorded(&self, position: u64, message: Message) -> Result<Recorded, ReadError> {
        match message.value {
            Some(bytes) if message.offset == position => Ok(Recorded { partition: self.partition, position, bytes }),
            Some(_) => Err(self.corrupt(position, "the event is missing")),
            None => Err(self.corrupt(position, "the record has no value")),
        }
    }

    fn judge(&self, position: u64, fault: Fault) -> ReadError {
        match fault {
            Fault::OutOfRange { .. } => self.corrupt(position, "the event is missing"),
            other => ReadError::Unavailable { source: Arc::new(other) },
        }
    }

    fn corrupt(&self, position: u64, detail: &str) -> ReadError {
        ReadError::Corrupt { partition: self.partition, position, detail: detail.to_owned() }
    }
}

fn unavailable(error: KafkaError) -> ReadError {
    ReadError::Unavailable { source: Arc::new(error) }
}
