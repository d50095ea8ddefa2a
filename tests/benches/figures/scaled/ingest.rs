//! Durable ingest over HTTP into Kafka, against Kafka's own benchmark of a producer: the same broker, the same settings of the
//! topic, records of the same size, acknowledged by all replicas. Once as one broker is safe, each record on disk before it is
//! acknowledged, and once as an operator may accept it, in the page cache.

use std::process::Stdio;

use acceptance::{Kafka, Postgres, kafka_libraries, tool};

use super::{Deployment, PARTITIONS};
use crate::bench::{Bench, settle, text};
use crate::load::Load;
use crate::report::{Line, median, median_ratio, rate};

const CONNECTIONS: usize = 64;

/// How a topic is kept.
struct Way {
    /// What is in its name.
    name: &'static str,
    /// Whether each record is on disk before it is acknowledged.
    is_flushed: bool,
    partitions: u32,
    /// How many records Kafka's benchmark writes in a round.
    records: usize,
}

/// One partition is the directory's. The more others there are, the smaller are the writes: librdkafka makes a request of each
/// partition, where Kafka's benchmark puts them together.
const WAYS: [Way; 4] = [
    Way { name: "flushed", is_flushed: true, partitions: PARTITIONS, records: 60_000 },
    Way { name: "fewest", is_flushed: false, partitions: 2, records: 200_000 },
    Way { name: "cached", is_flushed: false, partitions: PARTITIONS, records: 200_000 },
    Way { name: "default", is_flushed: false, partitions: 8, records: 200_000 },
];

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (kafka, postgres) = (Kafka::start(), Postgres::start());
    let mut lines = Vec::new();
    for way in WAYS {
        lines.push(line(bench, &kafka, &postgres, way).await);
    }
    lines
}

async fn line(bench: &Bench, kafka: &Kafka, postgres: &Postgres, way: Way) -> Line {
    let Way { name, is_flushed, partitions, records } = way;
    let (flush, flushed) = if is_flushed { ("1", "1") } else { ("9223372036854775807", "none") };
    let deployment = Deployment::new(bench, name, partitions, kafka, postgres);
    let config = bench.path("accepted.toml");
    std::fs::write(&config, "accept_unsafe_topics = true").unwrap();
    let risk = ["--config", text(&config)];
    let (path, _) = deployment.integration(&risk).await;
    let bare = format!("{name}-bare");
    kafka.create_topic(&bare, partitions, &[("flush.messages", flush)]).await;
    for topic in [deployment.topic(), deployment.keys()] {
        kafka.alter_topic(&topic, &[("flush.messages", flush)]).await;
    }
    let intake = deployment.start("intake", &risk);
    let mut load = Load::new(bench);
    let (rounds, seconds, records) = (bench.size(5, 1), bench.size(4, 1), bench.size(records, 2_000));
    let progress = bench.progress(name, 2 * (rounds + 1));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut bytes = 1024;
    for round in 0..=rounds {
        settle();
        let taken = load.run(&intake, &path, CONNECTIONS, seconds).rate();
        progress.inc(1);
        if round == 0 {
            bytes = bytes_of_a_record(kafka, &deployment.topic(), &load);
        }
        settle();
        let produced = produce(kafka, &bare, records, bytes);
        progress.inc(1);
        // The first one is for warming up.
        if round > 0 {
            ours.push(taken);
            theirs.push(produced);
        }
    }
    progress.finish_and_clear();
    let what = format!("ingest into Kafka, 64 connections, {partitions} partitions, flush.messages={flushed}");
    let other = format!("kafka-producer-perf-test, {bytes} bytes, acks=all");
    let (middle, against) = (rate(median(ours.iter().copied())), rate(median(theirs.iter().copied())));
    Line::ratio(&what, middle, &other, against, median_ratio(&ours, &theirs)).at_least(0.5)
}

/// What the broker keeps for one of our records.
fn bytes_of_a_record(kafka: &Kafka, topic: &str, load: &Load) -> usize {
    let segments = kafka.segments(topic).into_iter();
    let kept: u64 = segments.map(|file| file.metadata().unwrap().len()).sum();
    (kept / load.acknowledged()) as usize
}

/// Records in a second that Kafka's own benchmark writes.
fn produce(kafka: &Kafka, topic: &str, records: usize, bytes: usize) -> f64 {
    let output = tool("java")
        .args(["-Xmx512m", "-cp"])
        .arg(kafka_libraries().join("*"))
        .args(["org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--throughput", "-1"])
        .args(["--num-records", &records.to_string(), "--record-size", &bytes.to_string()])
        .args(["--producer-props", "acks=all", &format!("bootstrap.servers={}", kafka.bootstrap_servers())])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // "60000 records sent, 14245.0 records/sec (18.07 MB/sec), …"
    let summary = said.lines().rev().find(|line| line.contains("99th")).expect(&said);
    let rate = summary.split(", ").find_map(|part| part.split(" records/sec").next()?.trim().parse().ok());
    rate.expect(summary)
}
