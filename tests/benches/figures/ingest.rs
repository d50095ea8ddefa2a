//! Durable ingest over HTTP: against the same server whose ledger is only in memory, and against a bare server.
//!
//! The server with its ledger in memory has all roles: an integration must be made while it runs. So what it is held
//! against has them too, and both project what they take. The bare server is held against intake alone.

use std::path::Path;

use crate::bench::{Bench, child, settle};
use crate::load::{Load, hookup};
use crate::report::{Line, median, median_ratio, rate};
use crate::serving::{Serving, free_address};

const CONNECTIONS: usize = 64;

/// A server under load, and what it did in each round.
struct Contender {
    server: Serving,
    hookup: String,
    projects: bool,
    rates: Vec<f64>,
}

impl Contender {
    fn new(server: Serving, hookup: String, projects: bool) -> Self {
        Self { server, hookup, projects, rates: Vec::new() }
    }

    async fn with_all_roles(data_dir: &Path, arguments: &[&str]) -> Self {
        let server = Serving::start(data_dir, arguments);
        let hookup = hookup(&server).await;
        Self::new(server, hookup, true)
    }

    fn bare(bench: &Bench) -> Self {
        let address = free_address();
        let (server, _) = Serving::spawn(&mut child("bare", &[&address]), address, &bench.path("bare"));
        Self::new(server, "/hookup/acme-lab/key".to_owned(), false)
    }

    fn round(&mut self, load: &mut Load, seconds: u32) {
        settle();
        self.rates.push(load.run(&self.server, &self.hookup, CONNECTIONS, seconds).rate());
        if self.projects {
            self.server.wait_until_projected();
        }
    }
}

/// A server with the role of intake alone, and the path of a hookup URL.
pub async fn intake_alone(data_dir: &Path) -> (Serving, String) {
    let first = Serving::start(data_dir, &[]);
    let hookup = hookup(&first).await;
    first.stop();
    (Serving::start(data_dir, &["--roles", "intake"]), hookup)
}

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (rounds, seconds) = (bench.size(5, 1), bench.size(4, 1));
    let progress = bench.progress("ingest", 4 * (rounds + 1));
    let (intake, path) = intake_alone(&bench.path("intake")).await;
    let mut contenders = [
        Contender::new(intake, path, false),
        Contender::bare(bench),
        Contender::with_all_roles(&bench.path("all"), &[]).await,
        Contender::with_all_roles(&bench.path("memory"), &["--ledger", "memory"]).await,
    ];
    let mut load = Load::new(bench);
    for round in 0..=rounds {
        for contender in &mut contenders {
            contender.round(&mut load, seconds);
            progress.inc(1);
        }
        // The first one is for warming up.
        if round == 0 {
            contenders.iter_mut().for_each(|contender| contender.rates.clear());
        }
    }
    progress.finish_and_clear();
    lines(&contenders.map(|contender| contender.rates))
}

fn lines([intake, bare, all, memory]: &[Vec<f64>; 4]) -> Vec<Line> {
    let middle = |rates: &[f64]| rate(median(rates.iter().copied()));
    let line = |what: &str, ours: &[f64], name: &str, other: &[f64]| {
        Line::ratio(what, middle(ours), name, middle(other), median_ratio(ours, other))
    };
    vec![
        line("durable ingest, 64 connections, all roles", all, "with the ledger in memory", memory).at_least(0.6),
        line("durable ingest, 64 connections, intake alone", intake, "bare server", bare).at_least(0.4),
        line("durable ingest, 64 connections, all roles", all, "bare server", bare),
    ]
}
