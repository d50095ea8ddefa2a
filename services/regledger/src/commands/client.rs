//! `regledger client`: the client table.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use registration::client::ClientState;
use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::moment::as_of;
use crate::change_line::change_line;
use crate::client::segment;
use crate::output::{Format, Output, columns, say};
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
    History {
        /// Its id
        id: String,
    },
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
    Retire {
        /// Its id
        id: String,
    },
}

/// List clients.
#[derive(Debug, Args)]
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

impl List {
    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("integration", self.integration.clone()),
            ("tenant", self.tenant.clone()),
            ("department", self.department.map(|id| id.to_string())),
            ("state", self.state.clone()),
            ("latest", self.latest.map(|latest| latest.to_string())),
            ("as_of", self.as_of.clone()),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Does it.
///
/// # Errors
/// If the server refuses or cannot be asked.
pub async fn run(command: Client, session: &Session) -> anyhow::Result<()> {
    let api = session.api()?;
    let mut output = session.output();
    match command {
        Client::List(list) => {
            let limit = list.limit.map(|limit| limit as usize);
            let items = api.list("/v1/clients", &list.query(), limit).await?;
            output.list(
                &items,
                &columns(&[
                    ("ID", "/id"),
                    ("INTEGRATION", "/integration"),
                    ("TENANT", "/tenant"),
                    ("CLIENT ID", "/client_id"),
                    ("DEPARTMENTS", "/departments"),
                    ("STATE", "/state"),
                    ("LATEST", "/latest"),
                    ("POSITION", "/position"),
                    ("CHANGED", "/changed_time"),
                ]),
            )
        }
        Client::Show { id, as_of } => {
            let query: Vec<_> = as_of.map(|point| ("as_of", point)).into_iter().collect();
            output.object(&api.get(&path(&id), &query).await?)
        }
        Client::History { id } => {
            let changes = api.list(&format!("{}/changes", path(&id)), &[], None).await?;
            print_changes(&mut output, &changes)
        }
        Client::Reveal { id, reason } => {
            let body = json!({"reason": reason});
            let secret = api.write(Method::POST, &format!("{}/reveal", path(&id)), &body).await?;
            output.answer(secret)
        }
        Client::Retire { id } => {
            let row = api.write(Method::POST, &format!("{}/retire", path(&id)), &json!({})).await?;
            say(format_args!("retired {id}"));
            output.answer(row)
        }
    }
}

/// Prints changes: a line for each.
///
/// # Errors
/// If stdout cannot be written.
pub fn print_changes(output: &mut Output, changes: &[Box<RawValue>]) -> anyhow::Result<()> {
    if output.format() == Format::Json {
        return output.list(changes, &[]);
    }
    for change in changes {
        output.line(change_line(&serde_json::from_str::<Value>(change.get())?))?;
    }
    Ok(())
}

fn path(id: &str) -> String {
    format!("/v1/clients/{}", segment(id))
}
