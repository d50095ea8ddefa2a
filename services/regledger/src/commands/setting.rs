//! `regledger setting`: what ISL's administrators know from its Integration page, for the hub or for a domain.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use super::from_file::text_or_file;
use crate::client::path;
use crate::output::Columns;
use crate::session::Session;

/// Settings of the hub and its domains.
#[derive(Debug, Subcommand)]
pub enum Setting {
    /// List the settings that are in force, with what they mean
    #[command(after_help = "Examples:\n  regledger setting list\n  regledger setting list --domain clinics")]
    List(Scope),
    /// Show a setting that is in force
    #[command(after_help = "Example:\n  regledger setting get jwt_webhook.url --domain clinics")]
    Get {
        /// Its name
        key: String,
        #[command(flatten)]
        scope: Scope,
    },
    /// Set a setting
    #[command(after_help = "\
Examples:
  regledger setting set jwt_webhook.private_key @key.pem
  regledger setting set jwt_webhook.url https://my-integration.example/api
  regledger setting set webhook_events.user_create yes --domain clinics")]
    Set {
        /// Its name
        key: String,
        /// Its value: yes or no for a switch; @FILE reads it from a file
        #[arg(value_parser = text_or_file)]
        value: String,
        #[command(flatten)]
        scope: Scope,
    },
    /// Take a setting back: a domain then has the hub's, and the hub what it had at first
    #[command(after_help = "Example:\n  regledger setting reset webhook_events.user_create --domain clinics")]
    Reset {
        /// Its name
        key: String,
        #[command(flatten)]
        scope: Scope,
    },
}

/// Whose settings.
#[derive(Debug, Args, Serialize)]
pub struct Scope {
    /// The domain; the whole hub if it is left out
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
}

const COLUMNS: Columns = &[
    ("KEY", "/key"),
    ("VALUE", "/value"),
    ("FROM", "/origin"),
    ("SUMMARY", "/summary"),
    ("CHANGED", "/changed_time"),
    ("MEANING", "/description"),
];

/// Does it.
pub async fn run(command: Setting, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    let path = |key: &str| path("settings", key, "");
    match command {
        Setting::List(scope) => ask.list("/v1/settings", &scope, None, COLUMNS).await,
        Setting::Get { key, scope } => ask.show(&path(&key), &scope).await,
        Setting::Set { key, value, scope } => {
            let body = json!({"value": value, "domain": scope.domain});
            ask.write(Method::PUT, &path(&key), &body).await
        }
        Setting::Reset { key, scope } => {
            let query = scope.domain.as_ref().map_or_else(String::new, |domain| {
                let encoded: String = url::form_urlencoded::byte_serialize(domain.as_bytes()).collect();
                format!("?domain={encoded}")
            });
            ask.write(Method::DELETE, &format!("{}{query}", path(&key)), &json!({})).await?;
            ask.done(format_args!("took {key} back"), &json!({"reset": key}))
        }
    }
}
