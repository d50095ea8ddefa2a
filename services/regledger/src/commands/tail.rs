//! `regledger tail`: follow the change stream.

use clap::Args;
use serde_json::Value;

use crate::change_line::change_line;
use crate::follow::Follower;
use crate::output::Format;
use crate::session::Session;

/// Follow the change stream.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  regledger tail                                      what happens from now on
  regledger tail --from beginning --limit 100         the first hundred changes
  regledger tail --from snapshot --output json        the rows as of now, then every change
  regledger tail --integration acme-lab --type 'client.*'

An interrupted stream is taken up where it stopped.")]
pub struct Tail {
    /// Where to begin
    #[arg(long, value_enum, default_value_t, conflicts_with = "after")]
    from: From,
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
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// End after so many changes
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// With the first change of all.
    Beginning,
    /// With what happens next.
    #[default]
    Now,
    /// With the rows as of now.
    Snapshot,
}

impl Tail {
    fn query(&self) -> Vec<(&'static str, String)> {
        let start = match (&self.after, self.from) {
            (Some(cursor), _) => ("after", cursor.clone()),
            (None, From::Beginning) => ("from", "beginning".to_owned()),
            (None, From::Now) => ("from", "now".to_owned()),
            (None, From::Snapshot) => ("from", "snapshot".to_owned()),
        };
        let mut query = vec![start];
        query.extend(self.integration.clone().map(|name| ("integration", name)));
        query.extend(self.tenant.clone().map(|tenant| ("tenant", tenant)));
        query.extend(self.types.iter().map(|kind| ("type", kind.clone())));
        query
    }
}

/// Prints changes as they come.
///
/// # Errors
/// If the server refuses, was not there from the start, or stdout is gone.
pub async fn run(tail: &Tail, session: &Session) -> anyhow::Result<()> {
    let mut output = session.output();
    let mut follower = Follower::new(session.api()?, tail.query());
    let mut printed = 0;
    while tail.limit.is_none_or(|limit| printed < limit) {
        let frame = follower.next().await?;
        if frame.event == "bookmark" || frame.data.is_empty() {
            continue;
        }
        match output.format() {
            Format::Json => output.line(&frame.data)?,
            Format::Table => output.line(change_line(&serde_json::from_str::<Value>(&frame.data)?))?,
        }
        printed += 1;
    }
    Ok(())
}
