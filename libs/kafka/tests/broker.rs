//! Topics, writing and reading with a real broker.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use acceptance::Kafka;
use kafka::{Cleanup, Connection, Inspector, Offsets, Options, Producer, Reader, Record, Topic, TopicError, Violation};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_read_at_its_offset() {
    let topic = Topic { partitions: 2, ..topic("written") };
    let connection = connection();
    Inspector::open(&connection, topic).await.unwrap();
    let producer = Producer::start(&connection, "written", Options::default()).unwrap();
    let records: Vec<_> = (0..5).map(|n| record(n % 2, &format!("record {n}"))).collect();
    assert_eq!(producer.write(&records).await.unwrap(), [0, 0, 1, 1, 2]);
    let offsets = Offsets::of(&connection, "written").unwrap();
    assert_eq!(offsets.end(0..2, SOON).unwrap(), [3, 2]);
    assert_eq!(offsets.begin(0..2, SOON).unwrap(), [0, 0]);
    let mut reader = Reader::open(&connection, "written", 0, 0).unwrap();
    let expected = [(0, 0, "record 0"), (0, 1, "record 2"), (0, 2, "record 4"), (1, 1, "record 3")];
    for (partition, offset, text) in expected {
        if reader.at() != (partition, offset) {
            reader.seek(partition, offset).unwrap();
        }
        let message = reader.next(Instant::now() + SOON).unwrap();
        assert_eq!((message.partition, message.offset), (partition, offset));
        assert_eq!(message.value.unwrap(), text);
    }
    producer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_altered_violates_what_it_must_be() {
    let connection = connection();
    let inspector = Inspector::open(&connection, topic("altered")).await.unwrap();
    assert_eq!(inspector.violations().await.unwrap(), []);
    Kafka::shared().alter_topic("altered", &[("retention.ms", "1000")]).await;
    let expected = Violation::Setting { name: "retention.ms", found: "1000".to_owned(), expected: "-1".to_owned() };
    assert_eq!(inspector.violations().await.unwrap(), [expected]);
    let other = Topic { partitions: 3, ..topic("altered") };
    let Err(TopicError::Unsafe { violations, .. }) = Inspector::open(&connection, other).await else {
        panic!("the topic was taken")
    };
    assert_eq!(violations.len(), 2, "{violations:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_not_made_while_more_brokers_are_to_come() {
    let kafka = Kafka::start_with(1, &["default.replication.factor=3"]);
    let connection = Connection::new(&kafka.bootstrap_servers(), &BTreeMap::new()).unwrap();
    let refused = Inspector::open(&connection, topic("early")).await.map(drop).unwrap_err();
    assert!(matches!(refused, TopicError::Incomplete { brokers: 1, .. }) && refused.passes(), "{refused:?}");
    let accepting = Topic { risk_accepted: true, ..topic("early") };
    Inspector::open(&connection, accepting).await.unwrap();
    // It is there now, and how many brokers there are to be changes nothing about that.
    let refused = Inspector::open(&connection, topic("early")).await.map(drop).unwrap_err();
    assert!(matches!(refused, TopicError::Unsafe { .. }) && !refused.passes(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_are_away_may_come_back() {
    let away = Connection::new("127.0.0.1:1", &BTreeMap::new()).unwrap();
    let refused = Inspector::open(&away, topic("away")).await.map(drop).unwrap_err();
    assert!(matches!(refused, TopicError::Away { .. }) && refused.passes(), "{refused:?}");
    assert_eq!(refused.to_string(), "the brokers do not answer (asked for the topic away)");
}

fn connection() -> Connection {
    Connection::new(&Kafka::shared().bootstrap_servers(), &BTreeMap::new()).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic { name: name.to_owned(), partitions: 1, cleanup: Cleanup::Never, risk_accepted: false }
}

fn record(partition: u32, text: &str) -> Record {
    Record { partition, key: None, value: Some(text.to_owned().into()) }
}
