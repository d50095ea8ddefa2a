//! Log lines: on stderr, for people or as JSON.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// What is no HTTP is its sender's fault: no stranger writes errors into the log of an operator, who can still ask for
/// these lines by naming the target in `log.level`.
const SENDERS_FAULTS: &str = "actix_http::h1::dispatcher=off";

/// Starts logging; the first call in a process counts.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{SENDERS_FAULTS},{}", log.level))
        .map_err(|error| anyhow::anyhow!("log.level is not a filter: {error}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second call changes nothing: the lines go where the first one said.
    let _ = match log.format {
        LogFormat::Human => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
