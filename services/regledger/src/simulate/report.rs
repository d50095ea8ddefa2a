//! What came of a simulation.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::latency::{Latencies, Percentiles};
use super::script::Message;
use crate::output::printable;

/// Unexpected answers that are listed; all are counted.
const LISTED: usize = 20;
/// Characters of an answer that are quoted.
const QUOTED: usize = 300;

/// What one connection saw, or all of them together.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    sent: u64,
    unanswered: u64,
    retried: u64,
    answers: BTreeMap<u16, u64>,
    latencies: Latencies,
    unexpected: u64,
    listed: Vec<Unexpected>,
}

/// An answer that was not the one it had to be.
#[derive(Clone, Debug, Serialize)]
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
    /// How long answers took. With a rate, counted from when the message was due.
    pub latency_ms: Percentiles,
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Answers that were not the one they had to be.
    pub unexpected: u64,
    /// The first of them.
    pub unexpected_answers: Vec<Unexpected>,
}

impl Tally {
    /// Counts an answer, and says whether it is one of those expected.
    pub fn answer(&mut self, message: &Message, status: u16, latency: Duration) -> bool {
        self.sent += 1;
        *self.answers.entry(status).or_default() += 1;
        self.latencies.add(latency);
        message.expected.contains(&status)
    }

    /// Counts a message that nobody answered.
    pub fn unanswered(&mut self) {
        self.sent += 1;
        self.unanswered += 1;
    }

    /// Counts a message that is sent again.
    pub fn retried(&mut self) {
        self.retried += 1;
    }

    /// Keeps an answer that was not the one it had to be.
    pub fn unexpected(&mut self, message: &Message, status: u16, answer: &[u8]) {
        self.unexpected += 1;
        if self.listed.len() < LISTED {
            let answer: String = String::from_utf8_lossy(answer).chars().take(QUOTED).collect();
            self.listed.push(Unexpected {
                tenant: message.tenant.clone(),
                step: message.step,
                expected: message.expected,
                status,
                answer: printable(&answer),
            });
        }
    }

    /// Adds what another connection saw.
    pub fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.unanswered += other.unanswered;
        self.retried += other.retried;
        self.unexpected += other.unexpected;
        self.latencies.merge(&other.latencies);
        other.answers.into_iter().for_each(|(status, count)| *self.answers.entry(status).or_default() += count);
        let room = LISTED.saturating_sub(self.listed.len());
        self.listed.extend(other.listed.into_iter().take(room));
    }

    /// What came of it.
    pub fn report(self, took: Duration) -> Report {
        let answered = self.sent - self.unanswered;
        let seconds = took.as_secs_f64();
        Report {
            sent: self.sent,
            unanswered: self.unanswered,
            retried: self.retried,
            seconds,
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            throughput_per_second: if seconds > 0.0 { answered as f64 / seconds } else { 0.0 },
            latency_ms: self.latencies.percentiles(),
            answers: self.answers,
            unexpected: self.unexpected,
            unexpected_answers: self.listed,
        }
    }
}

impl Report {
    /// Whether every message was answered as it had to be.
    pub fn is_flawless(&self) -> bool {
        self.unexpected == 0 && self.unanswered == 0
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let answers: Vec<_> = self.answers.iter().map(|(status, n)| format!("{n} × {status}")).collect();
        let Percentiles { p50, p90, p99, max } = self.latency_ms;
        let mut text = format!(
            "sent        {} in {:.1} s, {:.0} answers a second\n\
             answers     {}\n\
             latency     p50 {p50:.2} ms   p90 {p90:.2} ms   p99 {p99:.2} ms   max {max:.2} ms\n\
             unanswered  {}   sent again {}\n\
             unexpected  {}",
            self.sent,
            self.seconds,
            self.throughput_per_second,
            answers.join(", "),
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
