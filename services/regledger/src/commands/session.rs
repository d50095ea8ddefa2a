//! `regledger session`: sessions and chats of ISL systems.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::client::path;
use crate::session::Session as Asking;

/// Sessions of ISL systems.
#[derive(Debug, Subcommand)]
pub enum Session {
    /// Show a session or chat by its id in the ISL system, with the events that were kept of it
    #[command(after_help = "\
Examples:
  regledger session show 1234567
  regledger session show 1234567 --integration acme-isl --output json | jq '.events[].fields'

Events are kept while the setting http_events.save_into_sessions is yes.")]
    Show(Show),
}

/// Show a session.
#[derive(Debug, Args)]
pub struct Show {
    /// Its id in the ISL system
    id: String,
    #[command(flatten)]
    which: Which,
}

/// Which of several sessions that have one id.
#[derive(Debug, Args, Serialize)]
struct Which {
    /// Name of the integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// The domain of the ISL system
    #[arg(long = "domain-id", value_name = "ID")]
    domain_id: Option<String>,
    /// The product, as in ISL_LIGHT
    #[arg(long)]
    module: Option<String>,
}

/// Does it.
pub async fn run(command: Session, session: &Asking) -> anyhow::Result<()> {
    let Session::Show(Show { id, which }) = command;
    session.ask()?.show(&path("sessions", &id, ""), &which).await
}
