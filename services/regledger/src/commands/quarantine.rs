//! `regledger quarantine`: notifications from a sender with the right key that could not be accepted.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use registration::quarantine::QuarantineState;
use reqwest::Method;
use serde_json::json;

use crate::client::segment;
use crate::output::{columns, say};
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
    Show {
        /// Its id
        id: String,
    },
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
    Release {
        /// Its id
        id: String,
    },
    /// Decide that a message will not be taken
    #[command(after_help = "Example:\n  regledger quarantine dismiss q4k2…")]
    Dismiss {
        /// Its id
        id: String,
    },
}

/// What may become of a message.
const STATES: [QuarantineState; 4] =
    [QuarantineState::Held, QuarantineState::Released, QuarantineState::Superseded, QuarantineState::Dismissed];

/// Does it.
///
/// # Errors
/// If the server refuses or cannot be asked.
pub async fn run(command: Quarantine, session: &Session) -> anyhow::Result<()> {
    let api = session.api()?;
    let mut output = session.output();
    let (id, verb, said) = match command {
        Quarantine::List { integration, state } => {
            let mut query = Vec::new();
            query.extend(integration.map(|name| ("integration", name)));
            query.extend(state.map(|state| ("state", state)));
            let items = api.list("/v1/quarantine", &query, None).await?;
            return output.list(
                &items,
                &columns(&[
                    ("ID", "/id"),
                    ("INTEGRATION", "/integration"),
                    ("STATE", "/state"),
                    ("ANSWERED", "/status"),
                    ("WHY", "/detail"),
                    ("CAME FIRST", "/first_time"),
                    ("CAME LAST", "/last_time"),
                    ("EXPIRES", "/expires_time"),
                ]),
            );
        }
        Quarantine::Show { id } => return output.object(&api.get(&path(&id), &[]).await?),
        Quarantine::Reveal { id, reason } => {
            let body = json!({"reason": reason});
            let opened = api.write(Method::POST, &format!("{}/reveal", path(&id)), &body).await?;
            return output.answer(opened);
        }
        Quarantine::Release { id } => (id, "release", "released"),
        Quarantine::Dismiss { id } => (id, "dismiss", "dismissed"),
    };
    let answer = api.write(Method::POST, &format!("{}/{verb}", path(&id)), &json!({})).await?;
    say(format_args!("{said} {id}"));
    output.answer(answer)
}

fn path(id: &str) -> String {
    format!("/v1/quarantine/{}", segment(id))
}
