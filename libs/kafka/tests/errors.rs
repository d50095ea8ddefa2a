//! What a producer says of each error, with librdkafka's mock brokers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::{Connection, Options, Producer, Record, WriteError};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

type Brokers = MockCluster<'static, DefaultProducerContext>;

/// What is known about a write.
#[derive(Debug, PartialEq)]
enum Known {
    Written,
    Rejected,
    Unknown,
}

/// More often than a write is tried.
const ALWAYS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_and_what_may_have_been_written_are_told_apart() {
    use Known::{Rejected, Unknown, Written};
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR__TRANSPORT as TRANSPORT, RD_KAFKA_RESP_ERR_INVALID_RECORD as INVALID_RECORD,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE as MESSAGE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND as AFTER_APPEND,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as NOT_LEADER,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER as OUT_OF_ORDER,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT as REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as AUTHORIZATION,
    };
    let cases = [
        (vec![NOT_LEADER], Written),
        (vec![NOT_ENOUGH_REPLICAS], Written),
        (vec![AFTER_APPEND], Written),
        (vec![REQUEST_TIMED_OUT], Written),
        (vec![TRANSPORT], Written),
        (vec![NOT_ENOUGH_REPLICAS; ALWAYS], Rejected),
        (vec![AFTER_APPEND; ALWAYS], Unknown),
        (vec![REQUEST_TIMED_OUT; ALWAYS], Unknown),
        (vec![TRANSPORT; ALWAYS], Unknown),
        (vec![MESSAGE_TOO_LARGE], Rejected),
        (vec![INVALID_RECORD], Rejected),
        (vec![AUTHORIZATION], Rejected),
        // It is the first attempt that may have been written; the code is that of the last.
        (vec![REQUEST_TIMED_OUT, AUTHORIZATION], Unknown),
        (vec![TRANSPORT, MESSAGE_TOO_LARGE], Unknown),
        // Fatal to the producer, not to ours.
        (vec![OUT_OF_ORDER], Unknown),
    ];
    for (errors, expected) in cases {
        let (brokers, producer) = start(Options::default());
        producer.write(&[record(0)]).await.unwrap();
        brokers.request_errors(RDKafkaApiKey::Produce, &errors);
        let written = producer.write(&[record(1)]).await;
        assert_eq!(known(&written), expected, "{} × {:?}: {written:?}", errors.len(), errors[0]);
        brokers.clear_request_errors(RDKafkaApiKey::Produce);
        producer.write(&[record(2)]).await.unwrap();
        producer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_left_is_known_not_to_be_written() {
    let (brokers, producer) = start(Options::default());
    producer.write(&[record(0)]).await.unwrap();
    brokers.broker_down(1).unwrap();
    assert!(producer.write(&[]).await.unwrap().is_empty(), "nothing needs no broker");
    let written = producer.write(&[record(1)]).await;
    assert!(matches!(written, Err(WriteError::Rejected { .. })), "{written:?}");
    brokers.broker_up(1).unwrap();
    producer.write(&[record(2)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_fit_in_flight_are_refused_at_once() {
    let (brokers, producer) = start(Options { in_flight: 2, ..Options::default() });
    producer.write(&[record(0)]).await.unwrap();
    brokers.broker_round_trip_time(1, Duration::from_millis(200)).unwrap();
    let (two, one, three) = ([1, 2].map(record), [record(3)], [4, 5, 6].map(record));
    let (slow, full, many) = tokio::join!(
        biased;
        producer.write(&two),
        producer.write(&one),
        producer.write(&three),
    );
    assert_eq!(slow.unwrap(), [1, 2]);
    for refused in [full, many] {
        assert!(matches!(refused, Err(WriteError::Full)), "{refused:?}");
    }
    assert_eq!(producer.write(&[record(7)]).await.unwrap(), [3], "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_what_is_in_flight_and_refuses_the_rest() {
    let (brokers, producer) = start(Options::default());
    producer.write(&[record(0)]).await.unwrap();
    brokers.broker_round_trip_time(1, Duration::from_millis(200)).unwrap();
    let first = [record(1)];
    let (written, ()) = tokio::join!(biased; producer.write(&first), producer.close());
    assert_eq!(written.unwrap(), [1]);
    for _ in 0..2 {
        let late = producer.write(&[record(2)]).await;
        assert!(matches!(late, Err(WriteError::Closed)), "{late:?}");
        producer.close().await;
    }
}

fn start(options: Options) -> (Brokers, Producer) {
    let brokers = MockCluster::new(1).unwrap();
    brokers.create_topic("topic", 1, 1).unwrap();
    let properties = [("message.timeout.ms", "2000"), ("reconnect.backoff.max.ms", "100"), ("retry.backoff.ms", "20")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let connection = Connection::new(&brokers.bootstrap_servers(), &BTreeMap::from(properties)).unwrap();
    let producer = Producer::start(&connection, "topic", options).unwrap();
    (brokers, producer)
}

fn record(n: u32) -> Record {
    Record { partition: 0, key: None, value: Some(n.to_string().into()) }
}

fn known(written: &Result<Vec<u64>, WriteError>) -> Known {
    match written {
        Ok(_) => Known::Written,
        Err(WriteError::Rejected { .. }) => Known::Rejected,
        Err(WriteError::Unknown { .. }) => Known::Unknown,
        Err(other) => panic!("{other:?}"),
    }
}
