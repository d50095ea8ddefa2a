//! One sender: how long it waits for its acknowledgement, against what the disk takes to keep 4 KiB.

use crate::bench::{Bench, settle};
use crate::disk::{self, Room};
use crate::ingest::intake_alone;
use crate::load::Load;
use crate::report::{Line, median, microseconds};

/// Measures it.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (rounds, seconds, pieces) = (bench.size(7, 2), bench.size(3, 1), bench.size(1000, 100));
    let progress = bench.progress("acknowledge", rounds);
    let (server, hookup) = intake_alone(&bench.path("one-sender")).await;
    let mut load = Load::new(bench);
    let (mut sender, mut slow, mut disk) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        settle();
        let outcome = load.run(&server, &hookup, 1, seconds);
        sender.push(outcome.median);
        slow.push(outcome.slow);
        settle();
        let appends = disk::append(&bench.path("bare-file"), Room::None, pieces, 4096);
        disk.push(median(appends.iter().map(|duration| duration.as_secs_f64())));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let (sender, slow, disk) = (median(sender), median(slow), median(disk));
    let goal = 2.0 * disk * 1e6 + 300.0;
    vec![
        Line::absolute("acknowledgement, one connection, median", microseconds(sender))
            .against(format!("{} 4 KiB append and fdatasync; 2× that + 300 µs", microseconds(disk)))
            .at_most(goal),
        Line::absolute("acknowledgement, one connection, 99th percentile", microseconds(slow)),
    ]
}
