//! Disk space: a metric, and a reason to be unready before writes fail.

use std::path::PathBuf;
use std::time::Duration;

use api::Reason;
use prometheus::{IntGauge, Registry};
use rustix::fs::statvfs;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

const EVERY: Duration = Duration::from_secs(1);

/// Measures the free space of the data directory once a second.
pub(super) fn watch(
    settings: &Settings,
    registry: &Registry,
    roles: &mut JoinSet<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<Reason> {
    let free = IntGauge::new(
        "regledger_disk_free_bytes",
        "Bytes that can still be written to the file system of the data directory.",
    )?;
    registry.register(Box::new(free.clone()))?;
    let disk = Disk { path: settings.data_dir.clone(), least: settings.disk_min_free_bytes, free };
    let (reasons, reason) = watch::channel(disk.measure());
    let stop = stop.clone();
    roles.spawn(async move {
        let mut every = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => reasons.send_if_modified(|reason| {
                    let now = disk.measure();
                    let before = std::mem::replace(reason, now);
                    before.is_some() != reason.is_some()
                }),
                () = stop.cancelled() => return Ok(()),
            };
        }
    });
    Ok(reason)
}

struct Disk {
    path: PathBuf,
    least: u64,
    free: IntGauge,
}

impl Disk {
    /// Why there is too little space, if so.
    fn measure(&self) -> Option<String> {
        match statvfs(&self.path) {
            Ok(stat) => {
                let free = stat.f_bavail.saturating_mul(stat.f_frsize);
                self.free.set(i64::try_from(free).unwrap_or(i64::MAX));
                (free < self.least).then(|| {
                    format!(
                        "{free} bytes are free in {}, fewer than disk.min_free_bytes = {}",
                        self.path.display(),
                        self.least
                    )
                })
            }
            Err(error) => Some(format!("cannot measure {}: {error}", self.path.display())),
        }
    }
}
