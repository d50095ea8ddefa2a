//! Compaction takes away what was destroyed, and nothing else.

use std::collections::BTreeMap;

use kafka::{Offsets, Reader};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use vault::Doomed;

use super::*;

const TOPIC: &str = "compacted";

/// Every record that is left, by its key; those without a value are left out.
async fn left() -> BTreeMap<String, usize> {
    spawn_blocking(|| {
        let connection = connection(Kafka::shared());
        let end = Offsets::of(&connection, TOPIC).unwrap().end([0], Duration::from_secs(20)).unwrap()[0];
        let mut reader = Reader::open(&connection, TOPIC, 0, 0).unwrap();
        let mut left = BTreeMap::new();
        while reader.at().1 < end {
            let message = reader.next(Instant::now() + Duration::from_secs(20)).unwrap();
            let key = String::from_utf8(message.key.unwrap().to_vec()).unwrap();
            *left.entry(key).or_default() += usize::from(message.value.is_some());
        }
        left
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_compaction_the_keys_are_the_same_and_the_destroyed_ones_are_gone() {
    let keys = open(TOPIC).await;
    for (kid, name) in [("k1", "a"), ("k2", "b"), ("k3", "c")] {
        keys.make(row(kid, name)).await.unwrap();
    }
    // A second key of a subject whose first one stays, and of one whose first one goes.
    for (kid, name) in [("z1", "a"), ("z2", "b")] {
        write(TOPIC, &format!("key/{kid}"), Some(&value(name, &[7; 60]))).await;
    }
    write(TOPIC, "key/k2", None).await;
    keys.destroy(Doomed::Of { kind: "tenant".to_owned(), name: "c".to_owned() }).await.unwrap();
    let before = answers(&*keys).await;
    assert_eq!(before, ["k1", "z2", "k4"].map(str::to_owned));

    let at_once = [
        ("segment.ms", "1"),
        ("max.compaction.lag.ms", "1"),
        ("min.cleanable.dirty.ratio", "0"),
        ("delete.retention.ms", "1"),
    ];
    Kafka::shared().alter_topic(TOPIC, &at_once).await;
    eventually("compaction", async || {
        // Another record ends the segment in which the others are.
        write(TOPIC, "probe", Some("{}")).await;
        let left = left().await;
        ["key/k2", "key/k3"].iter().all(|key| !left.contains_key(*key)).then_some(())
    })
    .await;

    let as_before = [("max.compaction.lag.ms", "3600000"), ("delete.retention.ms", "86400000")];
    Kafka::shared().alter_topic(TOPIC, &as_before).await;
    for keys in [keys, open(TOPIC).await] {
        assert_eq!(answers(&*keys).await, before);
        for (kid, there) in [("k1", true), ("z1", true), ("z2", true), ("k2", false), ("k3", false)] {
            assert_eq!(keys.by_kid(kid).await.unwrap().is_some(), there, "{kid}");
        }
    }
}

/// Which key seals for each subject; the last one gets a key now if it has none.
async fn answers(keys: &dyn KeyStore) -> Vec<String> {
    let mut answers = Vec::new();
    for name in ["a", "b", "c"] {
        answers.push(keys.make(row("k4", name)).await.unwrap().kid);
    }
    answers
}
