//! The ledger without HTTP: commits of 32 events of 1 KB, against a bare file to which the same bytes are appended: one that
//! grows, as the ledger does, and one that had all of its room before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ledger::{Entry, Ledger, SqliteLedger};

use crate::bench::{Bench, settle};
use crate::disk::{self, Room};
use crate::report::{Line, count, median, median_ratio, rate};

/// Events in a commit.
const COMMIT: usize = 32;

/// Appenders in flight, each with one event, as intake has with that many connections: while one half waits for its
/// commit, the other half is gathered.
const APPENDERS: usize = 2 * COMMIT;

const EVENT_BYTES: usize = 1000;

/// A ledger that counts its commits.
struct Counted {
    ledger: Arc<SqliteLedger>,
    commits: Arc<AtomicUsize>,
    events: usize,
}

impl Counted {
    fn open(bench: &Bench, name: &str) -> Self {
        let commits = Arc::new(AtomicUsize::new(0));
        let counter = commits.clone();
        let observe = move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let options = sqlite::Options { batch: COMMIT, observe: Some(Arc::new(observe)), ..sqlite::Options::default() };
        let ledger = Arc::new(SqliteLedger::open(&bench.path(name), options).unwrap());
        Self { ledger, commits, events: 0 }
    }

    /// Appends so many events, `each` at a time from each of the appenders: events in a second.
    async fn rate(&mut self, events: usize, appenders: usize, each: usize) -> f64 {
        settle();
        let begin = Instant::now();
        let tasks = (0..appenders).map(|_| {
            let ledger = self.ledger.clone();
            tokio::spawn(async move {
                for _ in 0..events / appenders / each {
                    ledger.append(vec![event(); each]).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        self.events += events;
        events as f64 / begin.elapsed().as_secs_f64()
    }

    fn events_per_commit(&self) -> f64 {
        self.events as f64 / self.commits.load(Ordering::Relaxed) as f64
    }
}

fn event() -> Entry {
    Entry::new(0, false, vec![b'x'; EVENT_BYTES])
}

fn bare(bench: &Bench, room: Room, events: usize) -> f64 {
    settle();
    let appends = disk::append(&bench.path("bare-file"), room, events / COMMIT, COMMIT * EVENT_BYTES);
    events as f64 / appends.iter().map(|duration| duration.as_secs_f64()).sum::<f64>()
}

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (rounds, events) = (bench.size(7, 2), bench.size(128_000, 6_400));
    let progress = bench.progress("ledger", rounds);
    let mut shared = Counted::open(bench, "shared.db");
    let mut alone = Counted::open(bench, "alone.db");
    let [mut many, mut one, mut growing, mut preallocated] = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        many.push(shared.rate(events, APPENDERS, 1).await);
        preallocated.push(bare(bench, Room::Preallocated, events));
        one.push(alone.rate(events, 1, COMMIT).await);
        growing.push(bare(bench, Room::None, events));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let middle = |rates: &[f64]| rate(median(rates.iter().copied()));
    let line = |what: &str, ours: &[f64], name: &str, other: &[f64]| {
        Line::ratio(what, middle(ours), name, middle(other), median_ratio(ours, other))
    };
    vec![
        line("ledger alone, 64 appenders of one event", &many, "bare file, growing", &growing).at_least(0.8),
        line("ledger alone, one appender of 32 events", &one, "bare file, growing", &growing),
        line("ledger alone, 64 appenders of one event", &many, "bare file, preallocated", &preallocated),
        Line::absolute("… events a commit, of 32 at most", count(shared.events_per_commit())),
    ]
}
