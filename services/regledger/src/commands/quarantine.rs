//! `regledger quarantine`: notifications from a sender with the right key that could not be accepted.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use registration::quarantine::QuarantineState;
use reqwest::Method;
use serde_json::json;

use super::Id;
use crate::client::path;
use crate::output::{Columns, say};
use crate::session::Session;

/// Notifications that could not be accepted.
#[derive(Debug, Subcommand)]
pub enum Quarantine {
    /// List quarantined messages
    #[command(after_help = "\
Examples:
  regledger quarantine list --state held
  regledger quarantine list --integration acme-lab --output json")]
    List {
        /// Only messages to this integration
        #[arg(long, value_name = "NAME")]
        integration: Option<String>,
        /// Only messages in this state
        #[arg(long, value_parser = PossibleValuesParser::new(STATES.map(QuarantineState::as_str)))]
        state: Option<String>,
    },
    /// Show what was wrong with a message
    #[command(after_help = "Example:\n  regledger quarantine show q4k2…")]
    Show(Id),
    /// Show the body of a message, which may hold a secret; who asked and why is recorded first
    #[command(after_help = "Example:\n  regledger quarantine reveal q4k2… --reason 'which field is missing?'")]
    Reveal {
        /// Its id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take a message after all, with the time at which it came; it is checked again
    #[command(after_help = "Example:\n  regledger quarantine release q4k2…")]
    Release(Id),
    /// Decide that a message will not be taken
    #[command(after_help = "Example:\n  regledger quarantine dismiss q4k2…")]
    Dismiss(Id),
}

/// What may become of a message.
const STATES: [QuarantineState; 4] =
    [QuarantineState::Held, QuarantineState::Released, QuarantineState::Superseded, QuarantineState::Dismissed];

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("INTEGRATION", "/integration"),
    ("STATE", "/state"),
    ("ANSWERED", "/status"),
    ("WHY", "/detail"),
    ("CAME FIRST", "/first_time"),
    ("CAME LAST", "/last_time"),
    ("EXPIRES", "/expires_time"),
];

/// Does it.
pub async fn run(command: Quarantine, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    let (id, verb, said) = match command {
        Quarantine::List { integration, state } => {
            let query = json!({"integration": integration, "state": state});
            return ask.list("/v1/quarantine", &query, None, COLUMNS).await;
        }
        Quarantine::Show(Id { id }) => return ask.show(&path("quarantine", &id, ""), &()).await,
        Quarantine::Reveal { id, reason } => {
            let path = path("quarantine", &id, "/reveal");
            return ask.write(Method::POST, &path, &json!({"reason": reason})).await;
        }
        Quarantine::Release(Id { id }) => (id, "/release", "released"),
        Quarantine::Dismiss(Id { id }) => (id, "/dismiss", "dismissed"),
    };
    ask.write(Method::POST, &path("quarantine", &id, verb), &json!({})).await?;
    say(format_args!("{said} {id}"));
    Ok(())
}
