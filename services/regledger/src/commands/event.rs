//! `regledger event`: the ledger itself, for auditors.

use std::path::PathBuf;

use clap::Subcommand;
use registration::Place;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::moment::place;
use crate::client::Api;
use crate::output::{Columns, Format, Output, table};
use crate::session::Session;

mod explain;
mod export;

/// The ledger itself.
#[derive(Debug, Subcommand)]
pub enum Event {
    /// List ledger entries
    #[command(after_help = "\
Examples:
  regledger event list --from 17 --limit 1 --output json      one entry, byte for byte as it was logged
  regledger event list")]
    List {
        /// The partition
        #[arg(long, default_value_t = 0, value_name = "N")]
        partition: u32,
        /// The first position
        #[arg(long, default_value_t = 0, value_name = "POSITION")]
        from: u64,
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Write every entry of a partition to a file, a line each; a second call goes on where the first stopped
    #[command(after_help = "\
Example:
  regledger event export events.ndjson

Line k, counted from 0, is the entry at position k, byte for byte. Before it goes on, the last complete line is
compared with the server's: a file of another ledger is refused.")]
    Export {
        /// The file
        file: PathBuf,
        /// The partition
        #[arg(long, default_value_t = 0, value_name = "N")]
        partition: u32,
    },
    /// Show an entry and what it changed
    #[command(after_help = "\
Examples:
  regledger event explain 17
  regledger event explain 0:17 --output json")]
    Explain {
        /// Where it stands
        #[arg(value_parser = place, value_name = "POSITION")]
        place: Place,
    },
}

const COLUMNS: Columns = &[
    ("POSITION", "/position"),
    ("TIME", "/time"),
    ("TYPE", "/type"),
    ("SUBJECT", "/subject"),
    ("SOURCE", "/source"),
    ("ID", "/id"),
];

/// Entries that are asked for at a time.
const PAGE: u64 = 1000;

/// Does it.
pub async fn run(command: Event, session: &Session) -> anyhow::Result<()> {
    let api = session.api()?;
    match command {
        Event::List { partition, from, limit } => list(&api, &mut session.output(), partition, from, limit).await,
        Event::Export { file, partition } => {
            let exported = export::run(&api, partition, &file).await?;
            session.output().done(&exported)
        }
        Event::Explain { place: Place { partition, position } } => {
            let explained = explain::explain(&api, partition, position).await?;
            let mut output = session.output();
            if output.format() == Format::Json {
                return Ok(output.line(explained.to_json())?);
            }
            output.object(&explained.event)?;
            output.line(match explained.changes.len() {
                0 => "\nIt changed nothing.".to_owned(),
                n => format!("\nChanges: {n}"),
            })?;
            output.changes(&explained.changes)
        }
    }
}

async fn list(api: &Api, output: &mut Output, partition: u32, from: u64, limit: u64) -> anyhow::Result<()> {
    let end = from.saturating_add(limit);
    let mut position = from;
    let mut rows = Vec::new();
    while position < end {
        let page = entries(api, partition, position, PAGE.min(end - position)).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            if output.format() == Format::Json {
                output.line(&entry)?;
            } else {
                rows.push(with_position(&entry, position)?);
            }
            position += 1;
        }
    }
    if output.format() == Format::Table {
        output.line(table(&rows, COLUMNS, output.is_terminal()))?;
    }
    Ok(())
}

fn with_position(entry: &RawValue, position: u64) -> anyhow::Result<Value> {
    let mut row: Value = serde_json::from_str(entry.get())?;
    row["position"] = position.into();
    Ok(row)
}

/// Entries from a position on, byte for byte: fewer than `limit` if the ledger, or what an answer may hold, ends.
async fn entries(api: &Api, partition: u32, from: u64, limit: u64) -> anyhow::Result<Vec<Box<RawValue>>> {
    let query = json!({"partition": partition, "from": from, "limit": limit});
    let text = api.text("/v1/events", &query).await?;
    Ok(text.lines().map(|line| RawValue::from_string(line.to_owned())).collect::<Result<_, _>>()?)
}
