//! `regledger client`: the client table.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use registration::client::ClientState;
use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use super::Id;
use super::moment::as_of;
use crate::client::path;
use crate::output::{Columns, say};
use crate::session::Session;

/// The client table.
#[derive(Debug, Subcommand)]
pub enum Client {
    /// List clients
    #[command(after_help = "\
Examples:
  regledger client list --integration acme-lab --state active --latest
  regledger client list --tenant provetcloud.com/1234 --department 3
  regledger client list --as-of 2026-11-01T00:00:00Z --output json
  regledger client list --as-of 0:17")]
    List(List),
    /// Show a client
    #[command(after_help = "\
Examples:
  regledger client show c4k2…
  regledger client show c4k2… --as-of 0:17")]
    Show {
        /// Its id
        id: String,
        /// As it was at this time, or after the event at this ledger position
        #[arg(long, value_parser = as_of, value_name = "TIME|POSITION")]
        as_of: Option<String>,
    },
    /// Show everything that happened to a client
    #[command(after_help = "Example:\n  regledger client history c4k2…")]
    History(Id),
    /// Show a client's secret; who asked and why is recorded first
    #[command(
        after_help = "Example:\n  regledger client reveal c4k2… --reason 'set up of the integration, ticket 812'"
    )]
    Reveal {
        /// Its id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take a client out of use; a new notice brings it back
    #[command(after_help = "Example:\n  regledger client retire c4k2…")]
    Retire(Id),
}

/// List clients.
#[derive(Debug, Args, Serialize)]
pub struct List {
    /// Only clients of this integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// Only clients of this tenant
    #[arg(long, value_name = "HOST/ID")]
    tenant: Option<String>,
    /// Only clients that this department has enabled
    #[arg(long, value_name = "ID")]
    department: Option<i64>,
    /// Only clients in this state
    #[arg(long, value_parser = PossibleValuesParser::new(ClientState::ALL.map(ClientState::as_str)))]
    state: Option<String>,
    /// Only the latest installation of each tenant (`--latest false`: only the others)
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    latest: Option<bool>,
    /// As they were at this time, or after the event at this ledger position
    #[arg(long, value_parser = as_of, value_name = "TIME|POSITION")]
    as_of: Option<String>,
    /// At most so many
    #[serde(skip)]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("INTEGRATION", "/integration"),
    ("TENANT", "/tenant"),
    ("CLIENT ID", "/client_id"),
    ("DEPARTMENTS", "/departments"),
    ("STATE", "/state"),
    ("LATEST", "/latest"),
    ("POSITION", "/position"),
    ("CHANGED", "/changed_time"),
];

/// Does it.
pub async fn run(command: Client, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    match command {
        Client::List(list) => ask.list("/v1/clients", &list, list.limit, COLUMNS).await,
        Client::Show { id, as_of } => ask.show(&path("clients", &id, ""), &json!({"as_of": as_of})).await,
        Client::History(Id { id }) => {
            let changes = ask.api.list(&path("clients", &id, "/changes"), &(), None).await?;
            ask.output.changes(&changes)
        }
        Client::Reveal { id, reason } => {
            ask.write(Method::POST, &path("clients", &id, "/reveal"), &json!({"reason": reason})).await
        }
        Client::Retire(Id { id }) => {
            ask.write(Method::POST, &path("clients", &id, "/retire"), &json!({})).await?;
            say(format_args!("retired {id}"));
            Ok(())
        }
    }
}
