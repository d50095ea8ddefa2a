//! TLS, a certificate of the client's own and a password pass through to librdkafka, and are needed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use acceptance::Kafka;
use futures_util::future::join_all;
use kafka::{Cleanup, Connection, Inspector, Options, Producer, Record, Topic, TopicError};

#[tokio::test(flavor = "multi_thread")]
async fn who_has_what_the_brokers_want_is_let_in() {
    let connection = connection(|_| {});
    Inspector::open(&connection, topic("secure")).await.unwrap();
    let producer = Producer::start(&connection, "secure", Options::default()).unwrap();
    let record = Record { partition: 0, key: None, value: Some("sealed".into()) };
    assert_eq!(producer.write(&[record]).await.unwrap(), [0]);
    producer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_any_of_it_is_not() {
    let cases: [fn(&mut BTreeMap<String, String>); 4] = [
        |settings| drop(settings.insert("sasl.password".to_owned(), "wrong".to_owned())),
        |settings| {
            settings.retain(|name, _| !["ssl.certificate.location", "ssl.key.location"].contains(&name.as_str()))
        },
        |settings| drop(settings.remove("ssl.ca.location")),
        |settings| drop(settings.insert("security.protocol".to_owned(), "sasl_plaintext".to_owned())),
    ];
    let tries = cases.map(async |change| Inspector::open(&connection(change), topic("secure")).await.map(drop));
    // Where brokers only hang up, it is as if they were away.
    let is_told = [true, false, true, false];
    for ((tried, is_told), case) in join_all(tries).await.into_iter().zip(is_told).zip(0..) {
        let refused = tried.expect_err("it was let in");
        assert!(
            !is_told || matches!(refused, TopicError::Kafka { .. }) && !refused.passes(),
            "case {case}: {refused:?}"
        );
    }
}

fn connection(change: fn(&mut BTreeMap<String, String>)) -> Connection {
    let kafka = Kafka::shared();
    let settings = kafka.credentials.settings().into_iter();
    let mut settings = settings.map(|(name, value)| (name.to_owned(), value)).collect();
    change(&mut settings);
    Connection::new(&kafka.secure_servers(), &settings).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic { name: name.to_owned(), partitions: 1, cleanup: Cleanup::Never, risk_accepted: false }
}
