//! `regledger event`: the ledger itself, for auditors.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use registration::event::Body;
use registration::{Event as Entry, Place};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::moment::place;
use crate::client::Api;
use crate::output::{Columns, Format, Output, say, table};
use crate::session::{Ask, Session};

use self::import::Import;
use self::replay::Replay;

mod explain;
mod export;
mod import;
mod replay;
mod tree;

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
    /// Fold the ledger from nothing and print each change as `tail` does, from the server or from an export
    #[command(after_help = "\
Examples:
  regledger event replay --check >/dev/null                    is what the service tells what the ledger says?
  regledger event replay events.ndjson --output json           offline, the changes as CloudEvents
  regledger event replay events.ndjson --until 0:17

It folds as the service does and keeps nothing. --check compares with the server and ends with exit code 1 at the first
difference; of a file it compares each entry too. A summary goes to stderr.")]
    Replay(Replay),
    /// Write every entry of a partition to a file, a line each; a second call goes on where the first stopped
    #[command(after_help = "\
Example:
  regledger event export events.ndjson

Line k, counted from 0, is the entry at position k, byte for byte. Before it goes on, the last complete line is
compared with the server's: a file of another ledger is refused. The root that it says is the Merkle tree hash of all
lines (RFC 6962); an import of the file says the same.")]
    Export {
        /// The file
        file: PathBuf,
        /// The partition
        #[arg(long, default_value_t = 0, value_name = "N")]
        partition: u32,
    },
    /// Append an export of an embedded ledger to an empty one, scaled out for example, and verify everything
    #[command(after_help = "\
Examples:
  regledger event export events.ndjson --data-dir old          from the embedded server, which takes nothing more
  regledger event import events.ndjson --keys old/keys.db --kek-file old/kek \\
    --ledger kafka://h1:9092,h2:9092/regledger.events --partitions 8
  regledger event import events.ndjson --keys old/keys.db --kek-file old/kek --data-dir new

Nothing may serve either ledger meanwhile. What the old one takes after the export is not in the new one: let it take
nothing more (stop it, or start it with --roles query), then export. The new deployment goes on with the same
key-encryption key, hookup URLs and access tokens.

An import that was interrupted goes on where it was when it is run again; serving refuses until it is complete. In the
end everything is read back, compared byte for byte, folded beside the export, and every secret opened. The ledger has
a new id: subscribers are answered 410 and start over with from=snapshot.")]
    Import(Box<Import>),
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
    match command {
        Event::List { partition, from, limit } => {
            list(&session.api()?, &mut session.output(), partition, from, limit).await
        }
        Event::Replay(replay) => replay::run(&replay, session).await,
        Event::Export { file, partition } => {
            let api = session.api()?;
            let exported = export::run(&api, partition, &file).await?;
            if let others @ 2.. = count(&api).await? {
                say(format!("This is partition {partition} of 0 to {}; --partition says which.", others - 1));
            }
            session.output().done(&exported)
        }
        Event::Import(import) => import::run(*import, session).await,
        Event::Explain { place } => {
            let Ask { api, mut output } = session.ask()?;
            let explained = explain::explain(&api, place).await?;
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

/// How many partitions the ledger has, as its genesis says.
async fn count(api: &Api) -> anyhow::Result<u32> {
    let genesis = entries(api, 0, 0, 1).await?;
    let genesis = Entry::parse(genesis.first().context("the ledger is empty")?.get().as_bytes())?;
    match genesis.body {
        Body::LedgerCreate(create) => Ok(create.partitions),
        _ => bail!("the ledger does not begin with its genesis"),
    }
}

/// Where a change stands.
fn place_of(change: &RawValue) -> Option<Place> {
    let Sequence { partition, sequence } = serde_json::from_str(change.get()).ok()?;
    let position = sequence.split('.').next()?.parse().ok()?;
    Some(Place { partition, position })
}

#[derive(Deserialize)]
struct Sequence {
    partition: u32,
    sequence: String,
}

/// How many entries there are, from the metrics; only to draw a bar.
async fn head(api: &Api, partition: u32) -> Option<u64> {
    let metrics = api.text("/metrics", &()).await.ok()?;
    let name = format!("regledger_ledger_position{{partition=\"{partition}\"}} ");
    let last: u64 = metrics.lines().find_map(|line| line.strip_prefix(&name))?.trim().parse().ok()?;
    Some(last + 1)
}

/// What a bar counts.
const ENTRIES: &str = "{human_pos}/{human_len} entries  {per_sec}";

/// Draws on stderr, and only on a terminal.
fn progress(bar: ProgressBar, total: u64, counted: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {counted}  {{eta}} left"));
    bar.set_length(total);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn changes_are_told_by_their_place() {
        let change = to_raw_value(&json!({"partition": 2, "sequence": "00000000000000000017.0002"})).unwrap();
        assert_eq!(place_of(&change), Some(Place { partition: 2, position: 17 }));
    }
}
