//! What came of a simulation.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};

use super::script::Message;
use crate::output::printable;

/// Unexpected answers that are listed; all are counted.
const LISTED: usize = 20;
/// Longer than a message is sent again and answered.
const LONGEST_MICROS: u64 = 300_000_000;
/// Characters of an answer that are quoted.
const QUOTED: usize = 300;

/// An answer that was not the one it had to be.
#[derive(Debug, Serialize)]
pub struct Unexpected {
    /// Whose message it was.
    pub tenant: String,
    /// What it said.
    pub step: &'static str,
    /// The statuses that are right.
    pub expected: &'static [u16],
    /// The status that came.
    pub status: u16,
    /// The beginning of the answer.
    pub answer: String,
}

/// What came of a simulation.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Messages sent, each counted once.
    pub sent: u64,
    /// Messages without an answer: the connection was refused or broke, or the answer did not come in time.
    pub unanswered: u64,
    /// How often a message was sent again.
    pub retried: u64,
    /// How long it took.
    pub seconds: f64,
    /// Answers a second.
    pub throughput_per_second: f64,
    /// How long answers took, in microseconds. With a rate, counted from when the message was due.
    #[serde(rename = "latency_ms", serialize_with = "percentiles")]
    latencies: Histogram<u64>,
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Answers that were not the one they had to be.
    pub unexpected: u64,
    /// The first of them.
    pub unexpected_answers: Vec<Unexpected>,
    /// Whether the URL that was given is not known there.
    #[serde(skip)]
    pub is_nowhere: bool,
}

impl Report {
    /// Of nothing yet.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            sent: 0,
            unanswered: 0,
            retried: 0,
            seconds: 0.0,
            throughput_per_second: 0.0,
            latencies: Histogram::new_with_max(LONGEST_MICROS, 2)?,
            answers: BTreeMap::new(),
            unexpected: 0,
            unexpected_answers: Vec::new(),
            is_nowhere: false,
        })
    }

    /// Counts an answer.
    pub fn answered(&mut self, status: u16, latency: Duration) {
        self.sent += 1;
        *self.answers.entry(status).or_default() += 1;
        self.latencies.saturating_record(latency.as_micros().try_into().unwrap_or(u64::MAX));
    }

    /// Counts a message that nobody answered.
    pub fn unanswered(&mut self) {
        self.sent += 1;
        self.unanswered += 1;
    }

    /// Keeps an answer that was not the one it had to be.
    pub fn unexpected(&mut self, message: &Message, status: u16, answer: &[u8]) {
        self.unexpected += 1;
        if self.unexpected_answers.len() < LISTED {
            let answer: String = String::from_utf8_lossy(answer).chars().take(QUOTED).collect();
            let Message { tenant, step, expected, .. } = message.clone();
            self.unexpected_answers.push(Unexpected { tenant, step, expected, status, answer: printable(&answer) });
        }
    }

    /// Says how long all of it took.
    pub fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
        if self.seconds > 0.0 {
            self.throughput_per_second = milli(self.sent - self.unanswered) * 1e3 / self.seconds;
        }
    }

    /// Whether every message was answered as it had to be.
    pub fn is_flawless(&self) -> bool {
        self.unexpected == 0 && self.unanswered == 0
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let answers: Vec<_> = self.answers.iter().map(|(status, n)| format!("{n} × {status}")).collect();
        let latencies = said_of(&self.latencies).map(|(name, ms)| format!("{name} {ms:.2} ms"));
        let mut text = format!(
            "sent        {} in {:.1} s, {:.0} answers a second\n\
             answers     {}\n\
             latency     {}\n\
             unanswered  {}   sent again {}\n\
             unexpected  {}",
            self.sent,
            self.seconds,
            self.throughput_per_second,
            answers.join(", "),
            latencies.join("   "),
            self.unanswered,
            self.retried,
            self.unexpected,
        );
        for Unexpected { tenant, step, expected, status, answer } in &self.unexpected_answers {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {status} instead of {expected:?} for {tenant}, {step}: {answer}");
        }
        text
    }
}

/// What is said of latencies, in milliseconds.
fn said_of(micros: &Histogram<u64>) -> [(&'static str, f64); 4] {
    let at = |percent| milli(micros.value_at_percentile(percent).min(micros.max()));
    [("p50", at(50.0)), ("p90", at(90.0)), ("p99", at(99.0)), ("max", milli(micros.max()))]
}

fn percentiles<S: serde::Serializer>(micros: &Histogram<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let said = said_of(micros).map(|(name, ms)| (name.to_owned(), json!(ms)));
    Value::Object(said.into_iter().collect()).serialize(serializer)
}

/// A thousandth.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn milli(number: u64) -> f64 {
    number as f64 / 1e3
}
