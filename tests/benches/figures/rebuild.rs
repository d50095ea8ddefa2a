//! A rebuild of the client table from a long history, on one core.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use acceptance::tool;
use jiff::Timestamp;
use ledger::{Ledger, SqliteLedger};
use projection::{SqliteStore, Store};
use projector::Projector;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bench::{Bench, child as child_of_itself, settle, text};
use crate::history::{History, SPREAD, remove_state};
use crate::report::{Line, median, rate};

/// Connections that read the state store, as the executable has them.
const READERS: usize = 8;

/// Measures it. What the last round has projected stays in the data directory.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let spread = History::make(bench, SPREAD).await;
    let history = bench.history().await;
    let what = |rest: &str| format!("rebuild from {} events, one core{rest}", history.events);
    vec![
        Line::absolute(&what(""), rate(rounds(bench, history))).at_least(100_000.0),
        Line::absolute(&what(", each tenant's over weeks"), rate(rounds(bench, &spread))),
    ]
}

/// Events in a second, in the middle of some rounds.
fn rounds(bench: &Bench, history: &History) -> f64 {
    let rounds = bench.size(3, 1);
    let progress = bench.progress("rebuild", rounds);
    let rates: Vec<f64> = (0..rounds)
        .map(|_| {
            remove_state(&history.data_dir);
            settle();
            let rate = history.events as f64 / project(history);
            progress.inc(1);
            rate
        })
        .collect();
    progress.finish_and_clear();
    median(rates)
}

/// Projects the history, in a child with one core: how many seconds it took.
pub fn project(history: &History) -> f64 {
    let child = child_of_itself("rebuild", &[text(&history.data_dir), &history.ledger_id]);
    let output = tool("taskset")
        .args(["-c", "0"])
        .arg(child.get_program())
        .args(child.get_args())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("the child says how long it took")
}

/// Projects the ledger of a data directory into a new state store, as a child, and prints the seconds it took.
pub fn child(arguments: &[&str]) {
    let [data_dir, ledger_id] = arguments else { panic!("child rebuild DATA_DIR LEDGER_ID") };
    println!("{}", rebuild(Path::new(data_dir), ledger_id));
}

#[tokio::main]
async fn rebuild(data_dir: &Path, ledger_id: &str) -> f64 {
    let options = sqlite::Options::default;
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&data_dir.join("ledger.db"), options()).unwrap());
    let head = ledger.head(0).await.unwrap();
    let store = SqliteStore::open(&data_dir.join("state.db"), ledger_id, 1, READERS, options()).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let mut heads = store.watch();
    let projector =
        Projector::new(ledger, store.clone(), ledger_id, Timestamp::now, Uuid::now_v7, &Registry::new()).unwrap();
    let stop = CancellationToken::new();
    let begin = Instant::now();
    let running = tokio::spawn(projector.run(stop.clone()));
    heads.wait_for(|heads| heads[0] >= head).await.unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    stop.cancel();
    running.await.unwrap().unwrap();
    store.close().await;
    seconds
}
