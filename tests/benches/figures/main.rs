//! What regledger promises in numbers, measured: one module for each figure, one table for all.
//!
//! `cargo bench -p acceptance` measures everything, `cargo bench -p acceptance -- NAME …` some figures, and `--quick`
//! makes everything small, to see that it works. Nothing is compared with an earlier run: each figure that depends on the
//! machine is a ratio to something that was measured in the same minutes, in turns.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on panics, and its result is printed"
)]
#![allow(clippy::disallowed_methods, reason = "to measure is to read the clock")]

mod acknowledge;
mod bare;
mod bench;
mod deliveries;
mod disk;
mod history;
mod ingest;
mod ledger_alone;
mod load;
mod memory;
mod rebuild;
mod report;
mod scaled;
mod serving;
mod start;
mod subscribers;

use std::process::ExitCode;

use futures_util::future::LocalBoxFuture;
use mimalloc::MiMalloc;

use crate::bench::Bench;
use crate::report::{Line, table};

/// As the executable has it: what is measured here in this program should cost what it costs there.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A figure: its name, and what measures it.
struct Figure {
    name: &'static str,
    measure: for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, Vec<Line>>,
}

const FIGURES: [Figure; 14] = [
    Figure { name: "ledger", measure: |bench| Box::pin(ledger_alone::measure(bench)) },
    Figure { name: "ingest", measure: |bench| Box::pin(ingest::measure(bench)) },
    Figure { name: "acknowledge", measure: |bench| Box::pin(acknowledge::measure(bench)) },
    Figure { name: "subscribers", measure: |bench| Box::pin(subscribers::measure(bench)) },
    Figure { name: "rebuild", measure: |bench| Box::pin(rebuild::measure(bench)) },
    Figure { name: "start", measure: |bench| Box::pin(start::measure(bench)) },
    Figure { name: "memory", measure: |bench| Box::pin(memory::measure(bench)) },
    Figure { name: "deliveries", measure: |bench| Box::pin(deliveries::measure(bench)) },
    Figure { name: "dead_subscription", measure: |bench| Box::pin(deliveries::dead(bench)) },
    Figure { name: "delivered", measure: |bench| Box::pin(deliveries::latency(bench)) },
    Figure { name: "kafka", measure: |bench| Box::pin(scaled::ingest::measure(bench)) },
    Figure { name: "postgres", measure: |bench| Box::pin(scaled::projection::measure(bench)) },
    Figure { name: "takeover", measure: |bench| Box::pin(scaled::takeover::measure(bench)) },
    Figure { name: "leader", measure: |bench| Box::pin(scaled::leader::measure(bench)) },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["child", role, rest @ ..] = words.as_slice() {
        return child(role, rest);
    }
    let (options, names): (Vec<&str>, Vec<&str>) = words.into_iter().partition(|word| word.starts_with("--"));
    // Cargo itself says `--bench`.
    let unknown_option = options.iter().find(|option| !["--quick", "--bench"].contains(option));
    let unknown_name = names.iter().find(|name| FIGURES.iter().all(|figure| figure.name != **name));
    if let Some(unknown) = unknown_option.or(unknown_name) {
        let known = FIGURES.map(|figure| figure.name).join(", ");
        eprintln!("{unknown}? Say --quick, or some of: {known}");
        return ExitCode::from(2);
    }
    measure(options.contains(&"--quick"), &names);
    ExitCode::SUCCESS
}

#[tokio::main]
async fn measure(quick: bool, names: &[&str]) {
    // First of all: nothing should be compiled while something is measured.
    acceptance::executable();
    let bench = Bench::new(quick);
    let mut lines = Vec::new();
    for figure in FIGURES.iter().filter(|figure| names.is_empty() || names.contains(&figure.name)) {
        lines.extend((figure.measure)(&bench).await);
    }
    println!("{}", table(&lines));
}

/// What this program does as a child of itself.
fn child(role: &str, arguments: &[&str]) -> ExitCode {
    match role {
        "bare" => bare::serve(arguments),
        "deliveries" => deliveries::child(arguments),
        "rebuild" => rebuild::child(arguments),
        "subscribers" => subscribers::client::child(arguments),
        _ => panic!("no such child: {role}"),
    }
    ExitCode::SUCCESS
}
