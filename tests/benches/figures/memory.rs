//! Memory of an idle server, with an empty ledger and with a long history.

use std::time::Duration;

use crate::bench::Bench;
use crate::rebuild::project;
use crate::report::{Line, megabytes};
use crate::serving::Serving;

/// How long after the start it is looked at.
const IDLE: Duration = Duration::from_secs(2);

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let history = bench.history().await;
    if !history.state_file().exists() {
        project(history);
    }
    let progress = bench.progress("memory", 2);
    let empty = Serving::start(&bench.path("idle"), &[]);
    let full = Serving::start(&history.data_dir, &[]);
    tokio::time::sleep(IDLE).await;
    let (empty, full) = (megabytes(empty.resident()), megabytes(full.resident()));
    progress.finish_and_clear();
    let what = format!("memory of an idle server, {} events", history.events);
    vec![Line::absolute("memory of an idle server, empty ledger", empty).at_most(30.0), Line::absolute(&what, full)]
}
