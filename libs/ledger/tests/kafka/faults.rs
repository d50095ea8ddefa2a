//! Brokers die while events are appended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use acceptance::{Kafka, PATIENCE};
use futures_util::future::join_all;
use kafka::Connection;
use ledger::{AppendError, KafkaLedger, Ledger, Place};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::task::JoinHandle;

use super::{ALL, append, open, options, read, wait};

/// Appends at a time.
const APPENDERS: usize = 8;

/// What became of each event.
type Tried = Vec<(String, Result<Place, AppendError>)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_loses_nothing_and_doubles_nothing() {
    let kafka = Kafka::start();
    let ledger = Arc::new(open(&kafka, "killed").await);
    let load = Load::start(&ledger);
    reaches(&ledger, 200).await;
    kafka.kill(0);
    let mut health = ledger.health();
    wait(&mut health, Option::is_some).await;
    kafka.restart(0);
    wait(&mut health, Option::is_none).await;
    let head = ledger.head(1).await.unwrap();
    reaches(&ledger, head + 200).await;
    balance(&ledger, load.stop().await).await;
    assert_eq!(*ledger.health().borrow(), None);
    ledger.close().await;
    let again = open(&kafka, "killed").await;
    assert_eq!(again.head(1).await.unwrap(), ledger.head(1).await.unwrap(), "another process sees as much");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_append_that_got_no_answer_nothing_is_known_though_it_is_there() {
    let kafka = Kafka::start();
    let impatient = BTreeMap::from([("message.timeout.ms".to_owned(), "2000".to_owned())]);
    let connection = Connection::new(&kafka.bootstrap_servers(), &impatient).unwrap();
    let ledger = KafkaLedger::open(&connection, options("paused")).await.unwrap();
    append(&ledger, 1, "first".to_owned()).await.unwrap();
    kafka.pause(0);
    let error = append(&ledger, 1, "doubtful".to_owned()).await.unwrap_err();
    assert!(matches!(error, AppendError::Unknown { .. }), "{error:?}");
    assert!(ledger.health().borrow().is_some());
    kafka.resume(0);
    // The broker finds in its socket what it was sent.
    reaches(&ledger, 2).await;
    wait(&mut ledger.health(), Option::is_none).await;
    assert_eq!(append(&ledger, 1, "next".to_owned()).await.unwrap().position, 2);
    let events = read(&ledger, 1, 0, ALL).await;
    assert_eq!(events.iter().map(|event| &event.bytes[..]).collect::<Vec<_>>(), [&b"first"[..], b"doubtful", b"next"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_brokers_one_may_die() {
    let kafka = Kafka::start_nodes(3);
    let ledger = Arc::new(open(&kafka, "three").await);
    let load = Load::start(&ledger);
    reaches(&ledger, 200).await;
    kafka.kill(leader(&kafka));
    let head = *ledger.watch(1).unwrap().borrow();
    reaches(&ledger, head + 200).await;
    balance(&ledger, load.stop().await).await;
}

/// Appends events one after the other, several at a time, and notes what is said of each.
struct Load {
    stop: Arc<AtomicBool>,
    appenders: Vec<JoinHandle<Tried>>,
}

impl Load {
    fn start(ledger: &Arc<KafkaLedger>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let appender = |number| {
            let (ledger, stop) = (ledger.clone(), stop.clone());
            tokio::spawn(async move {
                let mut tried = Tried::new();
                while !stop.load(Ordering::Relaxed) {
                    let text = format!("{number}:{}", tried.len());
                    let result = append(&ledger, 1, text.clone()).await;
                    tried.push((text, result));
                }
                tried
            })
        };
        let appenders = (0..APPENDERS).map(appender).collect();
        Self { stop, appenders }
    }

    async fn stop(self) -> Tried {
        self.stop.store(true, Ordering::Relaxed);
        join_all(self.appenders).await.into_iter().flat_map(Result::unwrap).collect()
    }
}

/// Holds what was said against what is there: what was acknowledged stands where it was said, once;
/// what was rejected is not there.
async fn balance(ledger: &KafkaLedger, tried: Tried) {
    let events = read(ledger, 1, 0, ALL).await;
    assert_eq!(events.len() as u64, ledger.head(1).await.unwrap());
    let mut times = BTreeMap::<&[u8], usize>::new();
    events.iter().for_each(|event| *times.entry(&event.bytes).or_default() += 1);
    for (text, result) in &tried {
        let found = times.get(text.as_bytes()).copied().unwrap_or(0);
        match result {
            Ok(place) => {
                assert_eq!(events[place.position as usize].bytes, text, "{place}");
                assert_eq!(found, 1, "{text} was acknowledged");
            }
            Err(AppendError::Unknown { .. }) => assert!(found <= 1, "{text} is there {found} times"),
            Err(error) => assert_eq!(found, 0, "{text}: {error:?}"),
        }
    }
}

async fn reaches(ledger: &KafkaLedger, head: u64) {
    wait(&mut ledger.watch(1).unwrap(), |known| *known >= head).await;
}

/// The node that leads partition 1.
fn leader(kafka: &Kafka) -> usize {
    let mut config = ClientConfig::new();
    let client: BaseConsumer = config.set("bootstrap.servers", kafka.bootstrap_servers()).create().unwrap();
    let metadata = client.fetch_metadata(Some("three"), PATIENCE).unwrap();
    // Brokers count from 1.
    metadata.topics()[0].partitions().iter().find(|partition| partition.id() == 1).unwrap().leader() as usize - 1
}
