//! `regledger token`: access tokens.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use registration::directory::Scope;
use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use super::Id;
use super::moment::end;
use crate::client::path;
use crate::clock;
use crate::output::Columns;
use crate::session::Session;

/// Access tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make an access token, which is shown only this once
    #[command(after_help = "\
Examples:
  regledger token create --scope clients:read,changes:read --integration acme-lab
  regledger token create --name 'nightly export' --scope events:read --expires 720h
  regledger token create --scope admin --output json | jq -r .token")]
    Create(Create),
    /// List access tokens
    #[command(after_help = "Example:\n  regledger token list")]
    List,
    /// Revoke an access token: it is refused at once, and its streams end
    #[command(after_help = "Example:\n  regledger token revoke 0198…")]
    Revoke(Id),
}

/// Make an access token.
#[derive(Debug, Args, Serialize)]
pub struct Create {
    /// What it is for, in words [default: its scopes]
    #[arg(long)]
    name: Option<String>,
    /// What its holder may do; may be repeated
    #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE",
          value_parser = PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)))]
    scopes: Vec<String>,
    /// The only domain it sees
    #[arg(long)]
    domain: Option<String>,
    /// An integration that it sees, if not all; may be repeated
    #[arg(long = "integration", value_delimiter = ',', value_name = "NAME")]
    integrations: Vec<String>,
    /// When it ends: a time, or a span from now such as 720h [default: never]
    #[serde(rename = "expires_time")]
    #[arg(long, value_parser = |text: &str| end(text, clock::now()), value_name = "TIME|SPAN")]
    expires: Option<Timestamp>,
}

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("SCOPES", "/scopes"),
    ("DOMAIN", "/domain"),
    ("INTEGRATIONS", "/integrations"),
    ("EXPIRES", "/expires_time"),
    ("REVOKED", "/revoked_time"),
    ("CREATED", "/created_time"),
];

/// Does it.
pub async fn run(command: Token, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    match command {
        Token::Create(mut create) => {
            create.name.get_or_insert_with(|| create.scopes.join(","));
            let keep = "Keep the token: it is not shown again.";
            ask.make(Method::POST, "/v1/tokens", &create, &["token"], keep).await
        }
        Token::List => ask.list("/v1/tokens", &(), None, COLUMNS).await,
        Token::Revoke(Id { id }) => {
            ask.carry_out(Method::DELETE, &path("tokens", &id, ""), &json!({})).await?;
            ask.done(format_args!("revoked {id}"), &json!({"revoked": id}))
        }
    }
}
