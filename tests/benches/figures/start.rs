//! A start with a long history: from the command until `/readyz` says yes.

use crate::bench::Bench;
use crate::rebuild::project;
use crate::report::{Line, median, milliseconds};
use crate::serving::Serving;

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let history = bench.history().await;
    if !history.state_file().exists() {
        project(history);
    }
    let rounds = bench.size(9, 3);
    let progress = bench.progress("start", rounds);
    let times: Vec<f64> = (0..rounds)
        .map(|_| {
            let (server, time) = Serving::timed(&history.data_dir, &[]);
            server.stop();
            progress.inc(1);
            time.as_secs_f64()
        })
        .collect();
    progress.finish_and_clear();
    let what = format!("start with {} events until ready", history.events);
    vec![Line::absolute(&what, milliseconds(median(times))).at_most(150.0)]
}
