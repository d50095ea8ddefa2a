//! `regledger domain`: who owns integrations, access tokens and users.

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use crate::client::path;
use crate::output::Columns;
use crate::session::Session;

/// Domains.
#[derive(Debug, Subcommand)]
pub enum Domain {
    /// Make a domain
    #[command(after_help = "Example:\n  regledger domain create acme")]
    Create {
        /// Its name
        name: String,
    },
    /// List domains
    #[command(after_help = "Example:\n  regledger domain list")]
    List,
    /// Show a domain
    #[command(after_help = "Example:\n  regledger domain show acme")]
    Show {
        /// Its name
        name: String,
    },
    /// Delete a domain with all that it owns: hookup URLs end, its tokens are refused, its users and clients are hidden
    #[command(after_help = "Example:\n  regledger domain delete acme")]
    Delete {
        /// Its name
        name: String,
    },
}

const COLUMNS: Columns = &[
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("CREATED", "/created_time"),
    ("DELETED", "/deleted_time"),
    ("PURGE AFTER", "/purge_after"),
    ("ID", "/id"),
];

/// Does it.
pub async fn run(command: Domain, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    match command {
        Domain::Create { name } => ask.write(Method::POST, "/v1/domains", &json!({"name": name})).await,
        Domain::List => ask.list("/v1/domains", &(), None, COLUMNS).await,
        Domain::Show { name } => ask.show(&path("domains", &name, ""), &()).await,
        Domain::Delete { name } => {
            ask.carry_out(Method::DELETE, &path("domains", &name, ""), &json!({})).await?;
            ask.done(format_args!("deleted {name}"), &json!({"deleted": name}))
        }
    }
}
