//! The broker is killed, or holds its breath.

use futures_util::future::join_all;
use vault::conformance::Fate;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_dead_no_key_is_handed_out_and_then_it_heals() {
    let (place, kafka) = (Place::new(), Kafka::start());
    let keys = open_on(&kafka, "killed").await;
    let vault = Vault::open(keys, place.kek(), LEDGER).await.unwrap();
    let (known, new) = (tenant("provetcloud.com/1"), tenant("provetcloud.com/2"));
    let key = vault.data_key(&known, day(0)).await.unwrap();
    let envelope = vault.seal(&key, &field("client_secret"), b"secret").unwrap();
    let health = vault.health();
    assert_eq!(*health.borrow(), None);

    kafka.kill(0);
    let refused = vault.data_key(&new, day(0)).await;
    assert!(matches!(refused, Err(VaultError::Make(_))), "{refused:?}");
    eventually("it says why", async || health.borrow().clone()).await;
    assert_eq!(vault.data_key(&known, day(0)).await.unwrap().kid(), key.kid(), "what is known goes on");
    let opened = vault.open_envelope(&known, &field("client_secret"), &envelope).await;
    assert_eq!(opened.unwrap().as_slice(), b"secret");

    kafka.restart(0);
    eventually("it heals by itself", async || health.borrow().is_none().then_some(())).await;
    let made = vault.data_key(&new, day(0)).await.unwrap();
    let again = Vault::open(open_on(&kafka, "killed").await, place.kek(), LEDGER).await.unwrap();
    for (subject, kid) in [(&known, key.kid()), (&new, made.kid())] {
        assert_eq!(again.data_key(subject, day(1)).await.unwrap().kid(), kid, "what was handed out is durable");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_dead_broker_did_not_get_is_lost() {
    let kafka = Kafka::start();
    let (keys, beside) = (open_on(&kafka, "killed").await, open_on(&kafka, "killed").await);
    let (begin, end) = (async || kafka.kill(0), async || kafka.restart(0));
    conformance::failing([&*keys, &*beside], Fate::Lost, begin, end).await;
}

/// A stopped broker has the key in its socket's buffer and writes it when it goes on: long after its maker has given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_stopped_broker_writes_late_is_found_and_all_agree_which_one_seals() {
    let kafka = Kafka::start();
    let (keys, beside) = (open_on(&kafka, "stopped").await, open_on(&kafka, "stopped").await);
    let (begin, end) = (async || kafka.pause(0), async || kafka.resume(0));
    conformance::failing([&*keys, &*beside], Fate::Persists, begin, end).await;
}

/// With three brokers one may go: whoever makes keys does not notice, or repeats.
#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_one_broker_of_three_loses_no_key() {
    let kafka = Kafka::start_nodes(3);
    let keys = open_on(&kafka, "one-of-three").await;
    let make = async |n: usize| {
        if n == 100 {
            kafka.kill(0);
        }
        let (kid, name) = (format!("k{n}"), format!("tenant {n}"));
        eventually("a key", async || keys.make(row(&kid, &name)).await.ok()).await
    };
    // A few at a time, so that some are being written when the broker dies.
    let mut made = Vec::new();
    for few in (0..200).collect::<Vec<_>>().chunks(8) {
        made.extend(join_all(few.iter().map(|n| make(*n))).await);
    }
    let reopen = async || KafkaKeys::open(&connection(&kafka), "one-of-three", false).await.ok();
    let again = eventually("it can be opened", reopen).await;
    for row in &made {
        assert_eq!(again.by_kid(&row.kid).await.unwrap().as_ref(), Some(row));
        assert_eq!(again.make(row.clone()).await.unwrap(), *row);
    }
}
