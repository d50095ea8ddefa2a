//! `regledger setting`: what ISL's administrators know from its Integration page, for the hub or for a domain.

use clap::{Args, Subcommand};
use registration::directory::{JWT_URL, WEBAPI_URL};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::from_file::text_or_file;
use crate::client::{path, read};
use crate::output::{Columns, say};
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

/// What switches do nothing without, by how their names begin.
const NEEDED: [(&str, &str); 4] = [
    ("webhook_events.", JWT_URL),
    ("http_events.per_domain.", "http_events.per_domain.server"),
    ("http_events.global.", "http_events.global.server"),
    ("external_webapi.", WEBAPI_URL),
];

fn needed(key: &str) -> Option<&'static str> {
    NEEDED.iter().find(|(beginning, _)| key.starts_with(beginning)).map(|(_, needed)| *needed)
}

#[derive(Deserialize)]
struct Shown {
    value: Option<String>,
}

/// Does it.
pub async fn run(command: Setting, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    let path = |key: &str| path("settings", key, "");
    match command {
        Setting::List(scope) => ask.list("/v1/settings", &scope, None, COLUMNS).await,
        Setting::Get { key, scope } => ask.show(&path(&key), &scope).await,
        Setting::Set { key, value, scope } => {
            let body = json!({"value": value, "domain": scope.domain});
            ask.write(Method::PUT, &path(&key), &body).await?;
            let needed = needed(&key).filter(|_| value.trim().eq_ignore_ascii_case("yes"));
            let Some(needed) = needed else { return Ok(()) };
            let shown: Shown = read(&ask.api.get(&path(needed), &scope).await?)?;
            if shown.value.is_none() {
                say(format_args!("Nothing is sent yet: {needed} is not set."));
            }
            Ok(())
        }
        Setting::Reset { key, scope } => {
            let query = scope.domain.as_ref().map_or_else(String::new, |domain| {
                let encoded: String = url::form_urlencoded::byte_serialize(domain.as_bytes()).collect();
                format!("?domain={encoded}")
            });
            ask.carry_out(Method::DELETE, &format!("{}{query}", path(&key)), &json!({})).await?;
            ask.done(format_args!("took {key} back"), &json!({"reset": key}))
        }
    }
}

#[cfg(test)]
mod tests {
    use registration::directory::{SETTINGS, SettingType, definition};

    use super::*;

    #[test]
    fn every_switch_that_sends_says_what_it_needs() {
        for switch in SETTINGS.iter().filter(|setting| setting.kind == SettingType::Switch) {
            let needed = needed(switch.key).and_then(definition);
            assert_eq!(needed.is_none(), switch.key == registration::directory::SAVE_INTO_SESSIONS, "{}", switch.key);
            assert!(needed.is_none_or(|needed| needed.default.is_empty()), "{}", switch.key);
        }
    }
}
