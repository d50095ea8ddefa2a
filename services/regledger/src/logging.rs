//! Log lines: on stderr, for people or as JSON.

mod lines;

use std::io;

use tracing_subscriber::EnvFilter;

use self::lines::Lines;
use crate::config::{Log, LogFormat};

/// What is no HTTP is its sender's fault: no stranger writes errors into the log of an operator, who can still ask for
/// these lines by naming the target in `log.level`.
const SENDERS_FAULTS: &str = "actix_http::h1::dispatcher=off";

/// The log of a process; when it is dropped, everything has been written.
pub struct Logging(Lines);

impl Logging {
    /// What to call before the process is ended at once.
    pub fn last_words(&self) -> impl Fn() + Send + Sync + 'static {
        let lines = self.0.clone();
        move || lines.flush()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Starts logging; the first call in a process counts.
pub fn start(log: &Log) -> anyhow::Result<Logging> {
    let filter = EnvFilter::try_new(format!("{SENDERS_FAULTS},{}", log.level))
        .map_err(|error| anyhow::anyhow!("log.level is not a filter: {error}"))?;
    let lines = Lines::start(io::stderr())?;
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer({
        let lines = lines.clone();
        move || lines.clone()
    });
    // A second call changes nothing: the lines go where the first one said.
    let _ = match log.format {
        LogFormat::Human => format.with_ansi(false).try_init(),
        LogFormat::Json => format.json().flatten_event(true).try_init(),
    };
    Ok(Logging(lines))
}
