//! Load: notices posted by wrk, whose cost is the same for whoever is measured.

use std::path::PathBuf;
use std::process::Stdio;

use acceptance::tool;
use serde::Deserialize;

use crate::bench::{Bench, text};
use crate::serving::Serving;

/// Posts notices to hookup URLs.
pub struct Load {
    script: PathBuf,
    runs: u32,
    acknowledged: u64,
}

/// What came of a run.
#[derive(Deserialize)]
pub struct Outcome {
    requests: f64,
    seconds: f64,
    failed: u64,
    /// Median time until the acknowledgement, in seconds.
    pub median: f64,
    /// Its 99th percentile.
    pub slow: f64,
}

impl Outcome {
    /// Acknowledged notices in a second.
    pub fn rate(&self) -> f64 {
        self.requests / self.seconds
    }
}

impl Load {
    /// A load whose tenants are new in each run.
    pub fn new(bench: &Bench) -> Self {
        let script = bench.path("notices.lua");
        std::fs::write(&script, include_str!("notices.lua")).unwrap();
        Self { script, runs: 0, acknowledged: 0 }
    }

    /// How many notices have been acknowledged in all runs.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Posts as fast as they are acknowledged, over so many connections, for so many seconds.
    pub fn run(&mut self, server: &Serving, hookup: &str, connections: usize, seconds: u32) -> Outcome {
        self.runs += 1;
        let output = tool("wrk")
            .args(["--threads", "1", "--connections", &connections.to_string()])
            .args(["--duration", &format!("{seconds}s"), "--timeout", "10s"])
            .args(["--script", text(&self.script), &format!("http://{}{hookup}", server.address())])
            .args(["--", &self.runs.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find(|line| line.starts_with('{'));
        let outcome: Outcome = serde_json::from_str(line.expect(&said)).unwrap();
        assert_eq!(outcome.failed, 0, "every notice must be acknowledged: {said}");
        self.acknowledged += outcome.requests as u64;
        outcome
    }
}

/// Makes an integration; the path of its hookup URL.
pub async fn hookup(server: &Serving) -> String {
    let url = server.admin().integration("acme-lab").await;
    url[url.find("/hookup/").unwrap()..].to_owned()
}
