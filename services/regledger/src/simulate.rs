//! `regledger simulate`: plays the orchestration tool of Provet against a hookup URL, or ISL Conference Proxy.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{ArgGroup, Args};
use serde_json::value::to_raw_value;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::output::Format;
use crate::session::{Session, Usage};

mod faults;
mod isl;
mod play;
mod report;
mod script;

use self::isl::IslScript;
use self::script::{EVENTS, Target};
pub use self::script::{Length, Message, Script};

/// Play Provet's tool, or an ISL Conference Proxy, against a URL of an integration.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("against").required(true).args(["hookup", "events_url"]))]
#[command(after_help = "\
Examples:
  regledger simulate --hookup http://127.0.0.1:8080/hookup/acme-lab/KEY --tenants 20
  regledger simulate --hookup $URL --tenants 1000 --rate 500 --duration 60
  regledger simulate --hookup $URL --tenants 50 --faults --receipts receipts.ndjson --output json

  regledger simulate --events-url http://127.0.0.1:8080/isl/acme-isl/KEY/events --tenants 20 --faults

Each tenant adds the integration, enables it department by department (every notice carries full credentials),
rotates its secret, disables departments, installs it again under a new client id; some notices are delivered
twice. What a tenant sends follows from --seed and its number alone. With neither --notices nor --duration each
tenant plays that once.

With --events-url each tenant is a domain of an ISL system: it is made and deleted, its users are made, deleted and
undeleted, its sessions begin and end. An event is sent again until it gets a valid reply, for a minute at most, and
the next one of its domain only then. Exit code 1 if an answer was not the one it had to be, or a message stayed unanswered.")]
pub struct Simulate {
    /// The hookup URL of an integration: plays Provet's orchestration tool
    #[arg(long, value_name = "URL")]
    pub hookup: Option<Url>,
    /// The URL of an integration's HTTP events: plays ISL Conference Proxy
    #[arg(long, value_name = "URL")]
    pub events_url: Option<Url>,
    /// Organisations, or domains of an ISL system, that play at the same time
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub tenants: u32,
    /// Messages a second, all tenants together; 0: as fast as they are answered
    #[arg(long, default_value_t = 0.0, value_name = "R")]
    pub rate: f64,
    /// Connections, each with one message on its way; more than tenants are of no use
    #[arg(long, default_value_t = 32, value_name = "C", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub duration: Option<u64>,
    /// Stop after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub notices: Option<u64>,
    /// What the tenants send follows from this number
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Add malformed and hostile messages, each with the answer that it must get
    #[arg(long)]
    pub faults: bool,
    /// Send again what was not answered or answered with 503, for a minute from the first attempt; exit code 1 if
    /// something was never acknowledged
    #[arg(long)]
    pub retry: bool,
    /// Write the receipt of each acknowledged message to this file, a JSON object a line; of ISL, what was acknowledged
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,
}

/// What one tenant has still to send.
type Playing = Box<dyn Iterator<Item = Message> + Send>;

impl Simulate {
    fn check(&self) -> anyhow::Result<()> {
        let url = self.url().ok_or_else(|| Usage::error("one of --hookup and --events-url is needed"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Usage::error("the URL must be an http or https URL"));
        }
        let has_name_and_key = Target::UnknownIntegration.url(url).is_some();
        let ends_with_events = url.path_segments().and_then(|mut segments| segments.next_back()) == Some(EVENTS);
        if self.plays_isl() && !(has_name_and_key && ends_with_events) {
            let rule = "it must end with the integration's name and key, and /events";
            return Err(Usage::error(format!("--events-url is not a URL of HTTP events: {rule}")));
        }
        if !has_name_and_key {
            return Err(Usage::error("--hookup is not a hookup URL: it must end with the integration's name and key"));
        }
        if self.rate != 0.0 && !(1e-3..=1e9).contains(&self.rate) {
            return Err(Usage::error("--rate must be a number of messages a second, at least 0.001, or 0"));
        }
        Ok(())
    }

    /// How much a tenant plays.
    fn length(&self, tenant: u32) -> Length {
        match (self.notices, self.duration) {
            (Some(all), _) => {
                let tenants = u64::from(self.tenants);
                Length::Messages(all / tenants + u64::from(u64::from(tenant) < all % tenants))
            }
            (None, Some(_)) => Length::Endless,
            (None, None) => Length::Once,
        }
    }

    /// Where everything is sent.
    fn url(&self) -> Option<&Url> {
        self.hookup.as_ref().or(self.events_url.as_ref())
    }

    fn plays_isl(&self) -> bool {
        self.events_url.is_some()
    }

    fn script(&self, tenant: u32) -> Playing {
        let (seed, length, faults) = (self.seed, self.length(tenant), self.faults);
        match self.plays_isl() {
            true => Box::new(IslScript::new(seed, tenant, length, faults)),
            false => Box::new(Script::new(seed, tenant, length, faults)),
        }
    }
}

/// Plays, and reports.
///
/// # Errors
/// If an answer was not the one it had to be, a message stayed unanswered, or a file cannot be written.
pub async fn run(simulate: &Simulate, session: &Session) -> anyhow::Result<()> {
    simulate.check()?;
    let (stop, after) = (CancellationToken::new(), simulate.duration.map(Duration::from_secs));
    let stopping = stop.clone();
    let _stopper = AbortOnDropHandle::new(tokio::spawn(async move {
        let _guard = stopping.drop_guard();
        told_to_stop(after).await
    }));
    let report = play::play(simulate, &stop, std::io::stderr().is_terminal()).await?;
    let mut output = session.output();
    match output.format() {
        Format::Json => output.object(&to_raw_value(&report)?)?,
        Format::Table => output.line(report.to_text())?,
    }
    if report.is_flawless() {
        return Ok(());
    }
    if report.is_nowhere {
        bail!(
            "the hub knows no such URL (404): is the key the newest one? `regledger integration rotate-hookup NAME` shows another"
        )
    }
    bail!("{} unexpected answers, {} messages without an answer", report.unexpected, report.unanswered)
}

/// Waits for Ctrl-C, SIGTERM, or the end of the time.
pub async fn told_to_stop(after: Option<Duration>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let time_is_up = async {
        match after {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time_is_up => {}
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

#[cfg(test)]
mod tests;
