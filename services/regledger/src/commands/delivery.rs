//! `regledger delivery`: what did not arrive at once, and having it attempted again.

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use super::Id;
use crate::client::{Api, path};
use crate::output::{Columns, say};
use crate::session::Session;

/// Deliveries that did not arrive at once.
#[derive(Debug, Subcommand)]
pub enum Delivery {
    /// List deliveries that wait or were given up, oldest first
    #[command(after_help = "\
Examples:
  regledger delivery list --state dead
  regledger delivery list --subscription acme --since 2026-11-23T08:00:00Z")]
    List {
        /// Which
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Show a delivery
    #[command(after_help = "Example:\n  regledger delivery show 0198….0198…-0-17-0")]
    Show(Id),
    /// Have deliveries attempted again: one, or all that pass a filter; by default those that were given up
    #[command(after_help = "\
Examples:
  regledger delivery replay 0198….0198…-0-17-0
  regledger delivery replay --subscription acme
  regledger delivery replay --since 2026-11-23T08:00:00Z --until 2026-11-23T12:00:00Z")]
    Replay(Replay),
    /// Show the last attempts of a subscription, newest first
    #[command(after_help = "\
Examples:
  regledger delivery attempts acme
  regledger delivery attempts jwt-webhook

What settings have sent is called jwt-webhook, http-events, external-webapi or domain-http-events, followed by @DOMAIN where it
is a domain's setting; mails are account-mail, and notify@INTEGRATION.")]
    Attempts {
        /// Name of the subscription, or of what settings have sent
        name: String,
    },
}

/// Which deliveries.
#[derive(Debug, Args, Serialize)]
pub struct Which {
    /// Only those of this subscription, or of what settings have sent: jwt-webhook, domain-http-events@acme
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "NAME")]
    subscription: Option<String>,
    /// Only those that wait, or those that were given up
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_parser = ["held", "dead"])]
    state: Option<String>,
    /// Only those about this client, by its id
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only changes that were recorded then or later
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only changes that were recorded before
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Which {
    /// A name that is misspelt is told, instead of that nothing waits.
    async fn are_there(&self, api: &Api) -> anyhow::Result<()> {
        let Some(name) = &self.subscription else { return Ok(()) };
        let attempts = api.get(&path("subscriptions", name, "/attempts"), &json!({"limit": 1})).await;
        attempts.map(drop).with_context(|| {
            format!("no deliveries of `{name}`: see `regledger subscription list`, and `regledger delivery attempts --help` for what settings send")
        })
    }
}

/// Have deliveries attempted again.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true)
    .args(["id", "subscription", "state", "client", "since", "until"]))]
pub struct Replay {
    /// The id of one
    #[arg(conflicts_with_all = ["subscription", "state", "client", "since", "until"])]
    id: Option<String>,
    /// Which.
    #[command(flatten)]
    which: Which,
}

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("SUBSCRIPTION", "/subscription"),
    ("TYPE", "/type"),
    ("STATE", "/state"),
    ("ATTEMPTS", "/attempts"),
    ("WHY", "/reason"),
    ("NEXT", "/next_time"),
    ("RECORDED", "/recorded_time"),
];

const ATTEMPTS: Columns = &[
    ("TIME", "/time"),
    ("CHANGE", "/change_id"),
    ("OUTCOME", "/outcome"),
    ("STATUS", "/status"),
    ("SECONDS", "/seconds"),
    ("ANSWER", "/answer"),
];

/// Does it.
pub async fn run(command: Delivery, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    if let Delivery::List { which, .. } | Delivery::Replay(Replay { which, .. }) = &command {
        which.are_there(&ask.api).await?;
    }
    match command {
        Delivery::List { which, limit } => ask.list("/v1/deliveries", &which, limit, COLUMNS).await,
        Delivery::Show(Id { id }) => ask.show(&path("deliveries", &id, ""), &()).await,
        Delivery::Replay(Replay { id: Some(id), .. }) => {
            ask.write(Method::POST, &path("deliveries", &id, "/replay"), &json!({})).await
        }
        Delivery::Replay(Replay { id: None, which }) => {
            let told = ask.tell(Method::POST, "/v1/deliveries/replay", &which).await?;
            if which.state.is_none() && told.get("replayed").is_some_and(|replayed| replayed == 0) {
                let held = Which { state: Some("held".to_owned()), ..which };
                let held = ask.api.list("/v1/deliveries", &held, None).await?.len();
                say(format_args!("Nothing was given up; {held} wait: --state held replays them."));
            }
            Ok(())
        }
        Delivery::Attempts { name } => ask.list(&path("subscriptions", &name, "/attempts"), &(), None, ATTEMPTS).await,
    }
}
