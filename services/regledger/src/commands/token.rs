//! `regledger token`: access tokens.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use registration::directory::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::moment::{End, end};
use crate::client::segment;
use crate::clock;
use crate::output::{columns, say};
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
    Revoke {
        /// Its id
        id: String,
    },
}

/// Make an access token.
#[derive(Debug, Args)]
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
    #[arg(long, value_parser = end, value_name = "TIME|SPAN")]
    expires: Option<End>,
}

impl Create {
    fn body(&self, now: jiff::Timestamp) -> Value {
        json!({
            "name": self.name.clone().unwrap_or_else(|| self.scopes.join(",")),
            "scopes": self.scopes,
            "domain": self.domain,
            "integrations": self.integrations,
            "expires_time": self.expires.map(|end| end.after(now)),
        })
    }
}

/// Does it.
///
/// # Errors
/// If the server refuses or cannot be asked.
pub async fn run(command: Token, session: &Session) -> anyhow::Result<()> {
    let api = session.api()?;
    let mut output = session.output();
    match command {
        Token::Create(create) => {
            let body = create.body(clock::now());
            output.answer(api.write(Method::POST, "/v1/tokens", &body).await?)?;
            say("Keep the token: it is not shown again.");
        }
        Token::List => {
            let items = api.list("/v1/tokens", &[], None).await?;
            output.list(
                &items,
                &columns(&[
                    ("ID", "/id"),
                    ("NAME", "/name"),
                    ("SCOPES", "/scopes"),
                    ("DOMAIN", "/domain"),
                    ("INTEGRATIONS", "/integrations"),
                    ("EXPIRES", "/expires_time"),
                    ("REVOKED", "/revoked_time"),
                    ("CREATED", "/created_time"),
                ]),
            )?;
        }
        Token::Revoke { id } => {
            api.write(Method::DELETE, &format!("/v1/tokens/{}", segment(&id)), &json!({})).await?;
            say(format_args!("revoked {id}"));
            output.done(&json!({"revoked": id}))?;
        }
    }
    Ok(())
}
