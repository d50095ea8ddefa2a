//! The directory as this process knows it: folded from the ledger alone, and kept current.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use ledger::{AppendError, Entry, Ledger, Limit, ReadError};
use parking_lot::{RwLock, RwLockReadGuard};
use registration::directory::{Directory, LedgerCreate, LedgerRow, Scope, TokenCreate, TokenSpec};
use registration::event::{Attributes, EventError, EventType, encode};
use registration::{Event, Placed};
use tokio::sync::{Mutex, watch};

use crate::clock::Clock;
use crate::{event_id, idempotency_id};

/// Why the directory cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The ledger cannot be read.
    #[error("the directory could not be read from the ledger")]
    Read(#[from] ReadError),
    /// An entry cannot be understood.
    #[error("the directory event at position {position} could not be folded")]
    Event {
        /// Where it stands in partition 0.
        position: u64,
        /// Why.
        source: EventError,
    },
    /// The first event could not be written.
    #[error("the ledger did not take an event of the first start")]
    Append(#[from] AppendError),
    /// The first event could not be written as JSON.
    #[error("an event of the first start could not be written")]
    Encode(#[from] serde_json::Error),
    /// The ledger does not begin with its genesis.
    #[error("the ledger does not begin with a genesis event: it is not a ledger of regledger")]
    NoGenesis,
    /// The ledger was made with another number of partitions.
    #[error("the ledger was made with {ledger} partitions and is opened with {opened}; open it with {ledger}")]
    OtherPartitions {
        /// What the genesis says.
        ledger: u32,
        /// What was asked for.
        opened: u32,
    },
}

const CHUNK: Limit = Limit { events: 1024, bytes: 4 << 20 };

/// Time between two looks for what is new: under load the head moves a thousand times a second, the directory hardly ever.
/// Nobody waits for it: who does not find a key or a token catches up by itself.
const PACE: Duration = Duration::from_millis(50);

/// The directory as this process knows it.
pub struct DirectoryView {
    ledger: Arc<dyn Ledger>,
    known: RwLock<Known>,
    reading: Mutex<u64>,
    arrivals: AtomicU64,
    version: watch::Sender<u64>,
    standing: watch::Sender<Option<String>>,
}

struct Known {
    directory: Directory,
    next: u64,
    ledger_time: Timestamp,
}

impl DirectoryView {
    /// Reads the directory from the ledger; an empty ledger is given its genesis first, with `id` if
    /// a key store was made for it before a first start that came no further.
    ///
    /// # Errors
    /// [`DirectoryError`] if it cannot be read, or is not what this process was told to open.
    pub async fn open(ledger: Arc<dyn Ledger>, id: Option<String>, clock: &Clock) -> Result<Arc<Self>, DirectoryError> {
        if ledger.head(0).await? == 0 {
            create_ledger(&*ledger, id, clock.now()).await?;
        }
        let known = Known { directory: Directory::default(), next: 0, ledger_time: Timestamp::MIN };
        let view = Arc::new(Self {
            ledger,
            known: RwLock::new(known),
            reading: Mutex::new(0),
            arrivals: AtomicU64::new(0),
            version: watch::Sender::new(0),
            standing: watch::Sender::new(None),
        });
        view.catch_up().await?;
        let opened = view.ledger.partitions();
        let Some(partitions) = view.read().ledger().map(|row| row.partitions) else {
            return Err(DirectoryError::NoGenesis);
        };
        if partitions != opened {
            return Err(DirectoryError::OtherPartitions { ledger: partitions, opened });
        }
        Ok(view)
    }

    /// The directory. Hold it briefly, and never across an await.
    pub fn read(&self) -> impl std::ops::Deref<Target = Directory> + '_ {
        RwLockReadGuard::map(self.known.read(), |known| &known.directory)
    }

    /// Id of the ledger.
    pub fn ledger_id(&self) -> String {
        self.read().ledger().map(|row| row.ledger.clone()).unwrap_or_default()
    }

    /// What the ledger says of itself.
    pub fn ledger(&self) -> LedgerRow {
        self.read().ledger().cloned().unwrap_or_default()
    }

    /// Number of partitions.
    pub fn partitions(&self) -> u32 {
        self.ledger.partitions()
    }

    /// Counts up with each change of the directory.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Why the directory is not kept current, if it is not.
    pub fn health(&self) -> watch::Receiver<Option<String>> {
        self.standing.subscribe()
    }

    /// Folds everything up to the head that the ledger has now. Callers that come while another's
    /// check runs share one that begins after they came.
    ///
    /// # Errors
    /// [`DirectoryError`] if the ledger cannot be read or understood.
    pub async fn catch_up(&self) -> Result<(), DirectoryError> {
        let arrival = self.arrivals.fetch_add(1, Ordering::SeqCst);
        let mut begun_after = self.reading.lock().await;
        if *begun_after > arrival {
            return Ok(());
        }
        let begins = self.arrivals.load(Ordering::SeqCst);
        let done = self.read_to_head().await;
        if done.is_ok() {
            *begun_after = begins;
        }
        self.standing.send_if_modified(|reason| {
            let now = done.as_ref().err().map(ToString::to_string);
            let is_news = *reason != now;
            if let (true, Err(error)) = (is_news, &done) {
                tracing::error!(error = error as &dyn std::error::Error, "the directory stands still");
            }
            *reason = now;
            is_news
        });
        done
    }

    async fn read_to_head(&self) -> Result<(), DirectoryError> {
        let head = self.ledger.head(0).await?;
        let mut next = self.known.read().next;
        while next < head {
            let entries = self.ledger.read_directory(next, CHUNK).await?;
            next = entries.last().map_or(head, |entry| entry.position + 1);
            let events = entries
                .into_iter()
                .map(|entry| match Event::parse(&entry.bytes) {
                    Ok(event) => Ok((entry.position, event)),
                    Err(source) => Err(DirectoryError::Event { position: entry.position, source }),
                })
                .collect::<Result<Vec<_>, _>>()?;
            self.apply(events, next);
        }
        Ok(())
    }

    fn apply(&self, events: Vec<(u64, Event)>, next: u64) {
        let mut known = self.known.write();
        let changed = !events.is_empty();
        for (position, event) in events {
            let placed = Placed::after(known.ledger_time, 0, position, event);
            known.ledger_time = placed.recorded_time;
            known.directory.apply(&placed);
        }
        known.next = next;
        drop(known);
        if changed {
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Keeps the directory current. What can pass is tried again.
    ///
    /// # Errors
    /// [`DirectoryError::Read`] if the ledger is damaged: the process should end.
    pub async fn follow(&self) -> Result<(), DirectoryError> {
        let mut heads = self.ledger.watch(0)?;
        loop {
            match self.catch_up().await {
                Ok(()) if heads.changed().await.is_err() => return Ok(()),
                Err(error @ DirectoryError::Read(ReadError::Corrupt { .. })) => return Err(error),
                _ => tokio::time::sleep(PACE).await,
            }
        }
    }

    /// Appends the event of a token, given by its hash, unless the directory has it. Several first starts at once append several,
    /// as one command repeated: there is one token.
    ///
    /// # Errors
    /// [`DirectoryError`] if the event cannot be appended.
    pub async fn ensure_admin_token(&self, token_hash: String, clock: &Clock) -> Result<(), DirectoryError> {
        if self.read().token_by_hash(&token_hash).is_some() {
            return Ok(());
        }
        let time = clock.now();
        let id = event_id(time);
        let attributes = Attributes {
            id,
            source: "/tokens".to_owned(),
            subject: id.to_string(),
            time,
            idempotency_key: Some(idempotency_id("first start", &token_hash)),
            ..Attributes::default()
        };
        let token = TokenSpec {
            name: "admin token of the first start".to_owned(),
            scopes: Scope::ALL.to_vec(),
            domain: None,
            integrations: Vec::new(),
            expires_time: None,
        };
        let data = TokenCreate { token, token_hash };
        append(&*self.ledger, &attributes, EventType::TokenCreate, &data).await?;
        self.catch_up().await
    }
}

async fn create_ledger(ledger: &dyn Ledger, ledger_id: Option<String>, time: Timestamp) -> Result<(), DirectoryError> {
    let id = event_id(time);
    let ledger_id = ledger_id.unwrap_or_else(|| id.simple().to_string());
    let attributes =
        Attributes { id, source: "/ledger".to_owned(), subject: ledger_id.clone(), time, ..Attributes::default() };
    let data = LedgerCreate { ledger: ledger_id, partitions: ledger.partitions(), imported: None };
    append(ledger, &attributes, EventType::LedgerCreate, &data).await
}

async fn append(
    ledger: &dyn Ledger,
    attributes: &Attributes,
    kind: EventType,
    data: &impl serde::Serialize,
) -> Result<(), DirectoryError> {
    let bytes = encode(attributes, kind, data)?;
    ledger.append(vec![Entry::new(0, true, bytes)]).await?;
    Ok(())
}
