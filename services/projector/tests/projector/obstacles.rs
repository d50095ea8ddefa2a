//! What is in the projector's way: what can pass is waited for, and nothing is ever skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::world::{Home, Notice, Running, entries, project, raw, reaches, seen};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use ledger::{AppendError, Entry, Ledger, Limit, MemoryLedger, Place, ReadError, Recorded};
use parking_lot::Mutex;
use projection::LeaseError;
use projector::ProjectorError;
use rusqlite::{Connection, ffi};
use sqlite::Options;
use tokio::sync::watch;

fn notices() -> Vec<Notice> {
    (0..6).map(|tenant| Notice { tenant, ..Notice::default() }).collect()
}

#[tokio::test]
async fn an_event_that_cannot_be_understood_stops_its_partition_alone() {
    let future = r#"{"specversion":"1.0","id":"00000000-0000-0000-0000-000000000000","source":"/x","type":"regledger.x.y.v9","subject":"","time":"2026-11-23T08:00:00Z","datacontenttype":"application/json","dataschema":"","data":{}}"#;
    let cases = [
        (future, "event type regledger.x.y.v9 is unknown to this executable"),
        ("not JSON", "the ledger entry is not a readable event"),
    ];
    for (entry, reason) in cases {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(2));
        let home = Home::new();
        let store = home.open(2);
        // Partition 1 has the odd tenants: 3 events, then the one in the way, then more.
        ledger.append(entries(2, &notices())).await.unwrap();
        ledger.append(vec![raw(1, entry)]).await.unwrap();
        ledger.append(entries(2, &notices()).split_off(2)).await.unwrap();

        let mut running = Running::start(&ledger, &store);
        let status = running.says(Option::is_some).await.unwrap();
        let expected = format!("partition 1: stands still at position 3: {reason}");
        assert!(status.starts_with(&expected), "{status}");
        reaches(&*store, 0, 8).await;
        assert_eq!(*store.watch().borrow(), [8, 3]);
        assert_eq!(running.gauge("regledger_projection_position", 1), 2.0);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_store_that_is_ahead_of_its_ledger_ends_the_process() {
    let home = Home::new();
    let store = home.open(1);
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    ledger.append(entries(1, &notices())).await.unwrap();
    project(&ledger, &store).await;

    let older: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    older.append(entries(1, &notices()[..3])).await.unwrap();
    let result = Running::start(&older, &store).ended().await;
    let Err(ProjectorError::BeyondHead { partition: 0, next: 8, head: 5 }) = result else {
        panic!("{result:?}");
    };
}

/// How commits go wrong.
const WELL: u8 = 0;
const REJECTED: u8 = 1;
const LOST: u8 = 2;
const PERSISTED: u8 = 3;

fn failing(how: &Arc<AtomicU8>) -> Options {
    let how = how.clone();
    let error = |code| Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    let commit = move |connection: &Connection| match how.load(Ordering::SeqCst) {
        REJECTED => error(ffi::SQLITE_FULL),
        LOST => error(ffi::SQLITE_IOERR),
        persists => {
            connection.execute_batch("COMMIT")?;
            if persists == PERSISTED { error(ffi::SQLITE_IOERR) } else { Ok(()) }
        }
    };
    Options { commit: Arc::new(commit), ..Options::default() }
}

#[tokio::test]
async fn a_store_that_fails_is_waited_for() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    ledger.append(entries(1, &notices())).await.unwrap();
    let whole = Home::new();
    let whole = whole.open(1);
    project(&ledger, &whole).await;

    let cases = [
        (REJECTED, "partition 0: the commit was rejected; nothing was written"),
        (LOST, "partition 0: the commit failed; it is not known whether it was written"),
        (PERSISTED, "partition 0: the commit failed; it is not known whether it was written"),
    ];
    for (failure, reason) in cases {
        let how = Arc::new(AtomicU8::new(WELL));
        let home = Home::new();
        let store = home.open_with(1, failing(&how));
        let growing: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
        let mut running = Running::start(&growing, &store);
        running.holds(1).await;
        how.store(failure, Ordering::SeqCst);
        growing.append(entries(1, &notices())).await.unwrap();
        running.says(|status| status.as_ref().is_some_and(|said| said.starts_with(reason))).await;

        how.store(WELL, Ordering::SeqCst);
        reaches(&*store, 0, 8).await;
        running.says(Option::is_none).await;
        running.stop().await;
        assert_eq!(seen(&*store).await, seen(&*whole).await, "{failure}");
    }
}

/// A ledger that cannot be read while it has a fault.
struct Faulty {
    sound: MemoryLedger,
    fault: Mutex<Option<ReadError>>,
}

impl Ledger for Faulty {
    fn partitions(&self) -> u32 {
        self.sound.partitions()
    }

    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<Vec<Place>, AppendError>> {
        self.sound.append(batch)
    }

    fn read(&self, partition: u32, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        match self.fault.lock().clone() {
            Some(fault) => ready(Err(fault)).boxed(),
            None => self.sound.read(partition, from, limit),
        }
    }

    fn read_directory(&self, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.sound.read_directory(from, limit)
    }

    fn head(&self, partition: u32) -> BoxFuture<'_, Result<u64, ReadError>> {
        self.sound.head(partition)
    }

    fn watch(&self, partition: u32) -> Result<watch::Receiver<u64>, ReadError> {
        self.sound.watch(partition)
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.sound.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.sound.close()
    }
}

async fn faulty(fault: ReadError) -> Arc<Faulty> {
    let ledger = Faulty { sound: MemoryLedger::new(1), fault: Mutex::new(Some(fault)) };
    ledger.append(entries(1, &notices())).await.unwrap();
    Arc::new(ledger)
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_is_waited_for() {
    let away = std::io::Error::other("the broker is away");
    let ledger = faulty(ReadError::Unavailable { source: Arc::new(away) }).await;
    let home = Home::new();
    let store = home.open(1);
    let mut running = Running::start(&(ledger.clone() as Arc<dyn Ledger>), &store);
    let status = running.says(Option::is_some).await.unwrap();
    assert_eq!(status, "partition 0: the ledger cannot be read: the broker is away");

    *ledger.fault.lock() = None;
    reaches(&*store, 0, 8).await;
    running.says(Option::is_none).await;
    running.stop().await;
}

#[tokio::test]
async fn a_damaged_ledger_ends_the_process() {
    let damage = ReadError::Corrupt { partition: 0, position: 3, detail: "its hash differs".into() };
    let ledger: Arc<dyn Ledger> = faulty(damage).await;
    let home = Home::new();
    let result = Running::start(&ledger, &home.open(1)).ended().await;
    let Err(ProjectorError::Ledger { partition: 0, source: ReadError::Corrupt { .. } }) = result else {
        panic!("{result:?}");
    };
}

#[tokio::test]
async fn a_closed_store_ends_the_process() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    ledger.append(entries(1, &notices())).await.unwrap();
    let home = Home::new();
    let store = home.open(1);
    store.close().await;
    let result = Running::start(&ledger, &store).ended().await;
    assert!(matches!(result, Err(ProjectorError::Leases(LeaseError::Closed))), "{result:?}");
}

#[tokio::test]
async fn leases_that_cannot_be_claimed_are_told_and_tried_again() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(1));
    ledger.append(entries(1, &notices())).await.unwrap();
    let how = Arc::new(AtomicU8::new(REJECTED));
    let home = Home::new();
    let store = home.open_with(1, failing(&how));
    let mut running = Running::start(&ledger, &store);
    let status = running.says(Option::is_some).await.unwrap();
    assert!(status.starts_with("leases: the leases of the state store cannot be read or written"), "{status}");
    how.store(WELL, Ordering::SeqCst);
    reaches(&*store, 0, 8).await;
    running.says(Option::is_none).await;
    running.stop().await;
}

#[tokio::test]
async fn metrics_say_how_far_ledger_and_store_are_and_how_long_events_wait() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(2));
    let how = Arc::new(AtomicU8::new(WELL));
    let home = Home::new();
    let store = home.open_with(2, failing(&how));
    let mut running = Running::start(&ledger, &store);
    let gauges = |running: &Running, partition| {
        ["ledger_position", "projection_position", "projection_lag_seconds"]
            .map(|name| running.gauge(&format!("regledger_{name}"), partition))
    };
    assert_eq!(gauges(&running, 0), [-1.0, -1.0, 0.0]);

    ledger.append(entries(2, &notices())).await.unwrap();
    reaches(&*store, 0, 5).await;
    reaches(&*store, 1, 3).await;
    assert_eq!(gauges(&running, 0), [4.0, 4.0, 0.0]);
    assert_eq!(gauges(&running, 1), [2.0, 2.0, 0.0]);

    how.store(LOST, Ordering::SeqCst);
    // Recorded in second 7, behind those before it, and the clock stands at second 60.
    ledger.append(entries(2, &notices()).split_off(7)).await.unwrap();
    running.says(|status| status.as_ref().is_some_and(|said| said.starts_with("partition 1"))).await;
    assert_eq!(gauges(&running, 1), [3.0, 2.0, 53.0]);
    assert_eq!(gauges(&running, 0), [4.0, 4.0, 0.0]);
    how.store(WELL, Ordering::SeqCst);
    running.stop().await;
}
