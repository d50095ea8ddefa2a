//! A topic that could lose events is refused, and noticed while it is used.

use std::error::Error;
use std::time::Duration;

use acceptance::Kafka;
use kafka::{Cleanup, Inspector, Topic, TopicError};
use ledger::{AppendError, Entry, Flaw, KafkaLedger, KafkaOptions, Ledger, OpenError};

use super::{append, connection, entry, open, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_a_ledger_is_refused_with_everything_that_is_wrong() {
    let kafka = Kafka::shared();
    let cleanup = Cleanup::Compact { lag: Duration::from_secs(60), tombstones: Duration::from_secs(60) };
    let topic = Topic { name: "wrong".to_owned(), partitions: 2, cleanup, risk_accepted: false };
    Inspector::open(&connection(kafka), topic).await.unwrap();
    let settings = [
        ("retention.ms", "86400000"),
        ("retention.bytes", "1073741824"),
        ("unclean.leader.election.enable", "true"),
        ("max.message.bytes", "65536"),
        ("flush.messages", "1000"),
    ];
    kafka.alter_topic("wrong", &settings).await;
    let refused = refused(KafkaOptions::new("wrong", 3)).await;
    let OpenError::Topic(TopicError::Unsafe { violations, .. }) = &refused else { panic!("{refused:?}") };
    let reasons: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let expected = [
        "it has 2 partitions instead of 3",
        "cleanup.policy is compact instead of delete",
        "retention.ms is 86400000 instead of -1",
        "retention.bytes is 1073741824 instead of -1",
        "unclean.leader.election.enable is true instead of false",
        "max.message.bytes is 65536, and at least 1000000 is needed",
        "one broker alone may lose what was acknowledged unless flush.messages is 1, and it is 1000",
    ];
    assert_eq!(reasons, expected);
    let said = refused.source().unwrap().to_string();
    assert!(expected.iter().all(|reason| said.contains(reason)), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_partitions_is_refused() {
    open(Kafka::shared(), "counted").await.close().await;
    let refused = refused(KafkaOptions::new("counted", 4)).await;
    assert_eq!(
        refused.source().unwrap().to_string(),
        "the topic counted cannot be used: it has 3 partitions instead of 4"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_partition_is_too_few() {
    for found in [0, 1] {
        let refused = refused(KafkaOptions::new("alone", found)).await;
        assert!(matches!(refused, OpenError::Partitions { found: told } if told == found), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partition_0_is_the_directorys_alone() {
    let ledger = open(Kafka::shared(), "directory-alone").await;
    let stray = Entry::new(0, false, "stray");
    let error = ledger.append(vec![entry(1, "good".to_owned()), stray]).await.unwrap_err();
    let expected = matches!(error, AppendError::Unacceptable { index: 1, source: Flaw::OnlyDirectory });
    assert!(expected, "{error:?}");
    assert_eq!(ledger.head(1).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_altered_while_it_is_used_is_said_until_it_is_put_back() {
    let (kafka, ledger) = (Kafka::shared(), open(Kafka::shared(), "altered").await);
    let mut health = ledger.health();
    append(&ledger, 1, "before".to_owned()).await.unwrap();
    let cases = [
        ("retention.ms", "1000000", "-1", "retention.ms is 1000000 instead of -1"),
        ("unclean.leader.election.enable", "true", "false", "unclean.leader.election.enable is true instead of false"),
        ("flush.messages", "9", "1", "unless flush.messages is 1, and it is 9"),
    ];
    for (name, unsafe_value, value, expected) in cases {
        kafka.alter_topic("altered", &[(name, unsafe_value)]).await;
        let reason = wait(&mut health, Option::is_some).await.unwrap();
        assert!(reason.starts_with("the topic is no longer as it must be: ") && reason.ends_with(expected), "{reason}");
        append(&ledger, 1, "meanwhile".to_owned()).await.unwrap();
        assert!(health.borrow().is_some(), "an append that worked changes nothing about that");
        kafka.alter_topic("altered", &[(name, value)]).await;
        wait(&mut health, Option::is_none).await;
    }
}

async fn refused(options: KafkaOptions) -> OpenError {
    match KafkaLedger::open(&connection(Kafka::shared()), options.clone()).await {
        Ok(_) => panic!("{options:?} was opened"),
        Err(error) => error,
    }
}
