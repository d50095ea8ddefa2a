//! 10,000 subscribers of one process: how late they hear of a change, whether all do, and what they cost.
//!
//! The subscribers are a process of their own: one process may open too few files for both ends.

pub mod client;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use acceptance::notice;
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, child, through_shell};
use crate::load::hookup;
use crate::report::{Line, count, kibibytes, milliseconds};
use crate::serving::Serving;

/// Time between two changes.
const EVERY: Duration = Duration::from_millis(500);

/// What the subscribers saw.
#[derive(Serialize, Deserialize)]
struct Seen {
    /// Changes that did not arrive.
    lost: u64,
    /// Seconds from recording until reception: median, 99th percentile, the last one.
    median: f64,
    slow: f64,
    last: f64,
}

/// The process of the subscribers; killed when it is dropped.
struct Subscribers {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Subscribers {
    /// Starts it, and waits until all are connected and have caught up.
    fn connect(server: &Serving, subscribers: usize) -> Self {
        let command = child("subscribers", &[server.address(), &server.token(), &subscribers.to_string()]);
        let mut command = through_shell("ulimit -n $(ulimit -Hn); exec \"$@\"", &command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut subscribers = Self { child, input, output: BufReader::new(output) };
        assert_eq!(subscribers.line(), "connected\n");
        subscribers
    }

    /// Says how many changes there were, and hears what became of them.
    fn seen(&mut self, changes: u64) -> Seen {
        writeln!(self.input, "{changes}").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (subscribers, changes) = (bench.size(10_000, 200), bench.size(40, 6));
    let progress = bench.progress("subscribers", changes as usize);
    let server = Serving::start(&bench.path("streams"), &["--http-max-connections", "20000"]);
    let (admin, path) = (server.admin(), hookup(&server).await);
    let url = format!("{}{path}", admin.url);
    admin.notify(&url, &notice(1)).await;
    let before = server.resident();
    let mut connected = Subscribers::connect(&server, subscribers);
    let mut after = server.resident();
    let mut every = tokio::time::interval(EVERY);
    for number in 0..changes {
        every.tick().await;
        admin.notify(&url, &notice(1000 + number)).await;
        progress.inc(1);
    }
    let seen = connected.seen(changes);
    after = after.max(server.resident());
    progress.finish_and_clear();
    lines(subscribers, &seen, (after - before) / subscribers as f64)
}

fn lines(subscribers: usize, seen: &Seen, each: f64) -> Vec<Line> {
    let of = |what: &str| format!("{subscribers} subscribers, {what}");
    vec![
        Line::absolute(&of("recorded → received, 99th percentile"), milliseconds(seen.slow))
            .against(format!("median {}, last {}", milliseconds(seen.median), milliseconds(seen.last)))
            .at_most(150.0),
        Line::absolute(&of("changes lost"), count(seen.lost as f64)).at_most(0.0),
        Line::absolute(&of("memory of the server for each"), kibibytes(each)).at_most(32.0),
    ]
}
