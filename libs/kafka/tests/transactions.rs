//! What a transaction writes, who may, and what is said where it fails: with a real broker, and with librdkafka's mock brokers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acceptance::Kafka;
use acceptance::deaf::Deaf;
use kafka::{
    Cleanup, Connection, Group, Inspector, KeyedRecord, Reader, Topic, TransactionError, TransactionalProducer,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(20);

/// A topic for records, one for positions, and a group of that name.
async fn topics(name: &str, partitions: u32) -> (Connection, Arc<str>, Arc<Group>) {
    let connection = Connection::new(&Kafka::shared().bootstrap_servers(), &BTreeMap::new()).unwrap();
    for (name, partitions) in [(name.to_owned(), partitions), (format!("{name}.positions"), 1)] {
        let topic = Topic { name, partitions, cleanup: Cleanup::Expire, risk_accepted: false };
        Inspector::open(&connection, topic).await.unwrap();
    }
    let group = Group::of(&connection, name, &format!("{name}.positions")).unwrap();
    (connection, name.into(), Arc::new(group))
}

fn record(topic: &Arc<str>, key: &'static str, value: &'static str) -> KeyedRecord {
    KeyedRecord { topic: topic.clone(), key: key.into(), headers: Vec::new(), value: Some(value.into()) }
}

/// The values that are committed in a partition, in their order, up to this one.
fn values(connection: &Connection, topic: &str, last: &str) -> Vec<String> {
    let mut reader = Reader::open(connection, topic, 0, 0).unwrap();
    let mut values = Vec::new();
    while values.last().is_none_or(|value| value != last) {
        let message = reader.next(Instant::now() + SOON).unwrap();
        values.push(String::from_utf8(message.value.unwrap().to_vec()).unwrap());
    }
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn records_and_position_are_there_together_and_whoever_takes_over_fences_the_one_before() {
    let (connection, topic, group) = topics("together", 1).await;
    assert_eq!(group.position(0).await.unwrap(), None);
    let first = TransactionalProducer::take_over(&connection, "together.0", &group).await.unwrap();
    first.commit(vec![record(&topic, "k", "a"), record(&topic, "k", "b")], 0, 7).await.unwrap();
    assert_eq!(group.position(0).await.unwrap(), Some(7));

    let second = TransactionalProducer::take_over(&connection, "together.0", &group).await.unwrap();
    let late = first.commit(vec![record(&topic, "k", "late")], 0, 8).await;
    assert!(matches!(late, Err(TransactionError::Fenced { .. })), "{late:?}");
    assert_eq!(group.position(0).await.unwrap(), Some(7));
    second.commit(vec![record(&topic, "k", "c")], 0, 8).await.unwrap();
    second.commit(Vec::new(), 0, 9).await.unwrap();
    assert_eq!(group.position(0).await.unwrap(), Some(9));
    assert_eq!(values(&connection, &topic, "c"), ["a", "b", "c"]);
    first.close().await;
    second.close().await;
}

/// The hashes are those of the tests of Kafka's own clients (`UtilsTest.testMurmur2`).
#[tokio::test(flavor = "multi_thread")]
async fn a_key_chooses_the_partition_that_java_would() {
    const PARTITIONS: u32 = 7;
    let (connection, topic, group) = topics("chosen", PARTITIONS).await;
    let producer = TransactionalProducer::take_over(&connection, "chosen.0", &group).await.unwrap();
    let cases = [
        ("21", -973_932_308_i32),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    producer.commit(cases.iter().map(|(key, _)| record(&topic, key, key)).collect(), 0, 1).await.unwrap();
    for (key, hash) in cases {
        let partition = (hash & i32::MAX).cast_unsigned() % PARTITIONS;
        let mut reader = Reader::open(&connection, &topic, partition, 0).unwrap();
        while reader.next(Instant::now() + SOON).unwrap().key.unwrap() != key {}
    }
    producer.close().await;
}

/// What is known about a transaction.
#[derive(Debug, PartialEq)]
enum Known {
    Committed,
    Failed,
    Fenced,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_and_what_was_fenced_are_told_apart() {
    use Known::{Committed, Failed, Fenced};
    use RDKafkaApiKey::{EndTxn, Produce, TxnOffsetCommit};
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS as LOADING,
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED as NO_GROUP,
        RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH as OTHER_EPOCH, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE as TOO_LARGE,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR as NOT_COORDINATOR, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as NOT_LEADER,
        RD_KAFKA_RESP_ERR_PRODUCER_FENCED as FENCED,
        RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED as NO_NAME,
    };
    let cases = [
        (Produce, NOT_LEADER, Committed),
        (TxnOffsetCommit, LOADING, Committed),
        (EndTxn, NOT_COORDINATOR, Committed),
        (Produce, TOO_LARGE, Failed),
        (TxnOffsetCommit, NO_GROUP, Failed),
        (EndTxn, OTHER_EPOCH, Fenced),
        (EndTxn, FENCED, Fenced),
        (EndTxn, NO_NAME, Failed),
    ];
    for (request, error, expected) in cases {
        let brokers: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
        brokers.create_topic("topic", 1, 1).unwrap();
        let connection = Connection::new(&brokers.bootstrap_servers(), &BTreeMap::new()).unwrap();
        let group = Arc::new(Group::of(&connection, "group", "topic").unwrap());
        let producer = TransactionalProducer::take_over(&connection, "name", &group).await.unwrap();
        let topic: Arc<str> = "topic".into();
        producer.commit(vec![record(&topic, "k", "a")], 0, 1).await.unwrap();
        brokers.request_errors(request, &[error]);
        let committed = producer.commit(vec![record(&topic, "k", "b")], 0, 2).await;
        let known = match &committed {
            Ok(()) => Committed,
            Err(TransactionError::Fenced { .. }) => Fenced,
            Err(_) => Failed,
        };
        assert_eq!(known, expected, "{request:?} {error:?}: {committed:?}");
        producer.close().await;
        let next = TransactionalProducer::take_over(&connection, "name", &group).await.unwrap();
        next.commit(vec![record(&topic, "k", "c")], 0, 3).await.unwrap();
        next.close().await;
    }
}

/// The brokers have the record, and the producer does not know: what it sends next must not be taken for a repetition.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_again_after_an_answer_was_lost_is_read_once() {
    let proxy = Deaf::listen().await;
    let kafka = Kafka::start_with(1, &[&format!("advertised.listeners=PLAINTEXT://{}", proxy.address())]);
    proxy.carry_to(kafka.bootstrap_servers());
    let connection = Connection::new(proxy.address(), &BTreeMap::new()).unwrap();
    let layout = Topic { name: "topic".to_owned(), partitions: 1, cleanup: Cleanup::Expire, risk_accepted: false };
    Inspector::open(&connection, layout).await.unwrap();
    let topic: Arc<str> = "topic".into();
    let group = Arc::new(Group::of(&connection, "group", "topic").unwrap());
    let producer = TransactionalProducer::take_over(&connection, "name", &group).await.unwrap();
    producer.commit(vec![record(&topic, "k", "a")], 0, 1).await.unwrap();

    proxy.lose_answers_of_writes();
    let lost = producer.commit(vec![record(&topic, "k", "b")], 0, 2).await;
    assert!(matches!(lost, Err(TransactionError::Failed { .. })), "{lost:?}");
    proxy.hear();
    producer.close().await;
    let next = TransactionalProducer::take_over(&connection, "name", &group).await.unwrap();
    next.commit(vec![record(&topic, "k", "b")], 0, 2).await.unwrap();
    next.commit(vec![record(&topic, "k", "c")], 0, 3).await.unwrap();
    assert_eq!(values(&connection, &topic, "c"), ["a", "b", "c"]);
    next.close().await;
}
