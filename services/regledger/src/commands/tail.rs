//! `regledger tail`: follow the change stream.

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::follow::Follower;
use crate::session::{Ask, Session};

/// Follow the change stream.
#[derive(Debug, Args, Serialize)]
#[command(after_help = "\
Examples:
  regledger tail                                      what happens from now on
  regledger tail --from beginning --limit 100         the first hundred changes
  regledger tail --from snapshot --output json        the rows as of now, then every change
  regledger tail --integration acme-lab --type 'client.*'

An interrupted stream is taken up where it stopped.")]
pub struct Tail {
    /// Where to begin: with the first change of all, with what happens next, or with the rows as of now
    #[arg(long, default_value = "now", value_parser = ["beginning", "now", "snapshot"], conflicts_with = "after")]
    from: String,
    /// Begin after this cursor, as the API gave it
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Only changes of this integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// Only changes of this tenant
    #[arg(long, value_name = "HOST/ID")]
    tenant: Option<String>,
    /// Only changes of this type, such as client.registered or client.*; may be repeated
    #[serde(rename = "type")]
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// End after so many changes
    #[serde(skip)]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// Prints changes as they come.
pub async fn run(tail: &Tail, session: &Session) -> anyhow::Result<()> {
    let Ask { api, mut output } = session.ask()?;
    // The API, too, takes the cursor before the beginning.
    let mut follower = Follower::new(api, serde_json::to_value(tail)?);
    let mut printed = 0;
    while tail.limit.is_none_or(|limit| printed < limit) {
        let frame = follower.next().await?;
        if frame.event != "bookmark" && !frame.data.is_empty() {
            output.changes(&[RawValue::from_string(frame.data)?])?;
            printed += 1;
        }
    }
    Ok(())
}
