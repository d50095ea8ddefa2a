//! `regledger integration`: what a provider publishes in a source's catalogue.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::moment::span;
use crate::client::{read, segment};
use crate::output::{Column, columns, say};
use crate::session::Session;

/// Integrations.
#[derive(Debug, Subcommand)]
pub enum Integration {
    /// Make an integration; prints its hookup URL, which is shown only this once
    #[command(after_help = "\
Examples:
  regledger integration create acme-lab --source provet --notify hookup
  regledger integration create acme-lab --token-host provetcloud.com --allow-address 192.0.2.0/24
  regledger integration create acme-lab --output json | jq -r .hookup_url")]
    Create(Create),
    /// List integrations
    #[command(after_help = "Example:\n  regledger integration list")]
    List,
    /// Show an integration
    #[command(after_help = "Example:\n  regledger integration show acme-lab")]
    Show {
        /// Its name
        name: String,
    },
    /// Change an integration; what is not named stays
    #[command(after_help = "\
Examples:
  regledger integration update acme-lab --owner integrations@acme.example
  regledger integration update acme-lab --allow-address ''     takes every address again")]
    Update(Update),
    /// Delete an integration: its hookup URL answers 404, its clients stay in the ledger
    #[command(after_help = "Example:\n  regledger integration delete acme-lab")]
    Delete {
        /// Its name
        name: String,
    },
    /// Make a new hookup URL, which is shown only this once; the old one stays valid for a while
    #[command(after_help = "Example:\n  regledger integration rotate-hookup acme-lab --grace 24h")]
    RotateHookup {
        /// Its name
        name: String,
        /// How long the old URL stays valid
        #[arg(long, value_parser = span, default_value = "24h", value_name = "SPAN")]
        grace: Duration,
    },
}

/// Make an integration.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name: a-z, 0-9 and -, unique in the hub
    name: String,
    /// The kind of system that notifies us
    #[arg(long, value_enum, default_value_t)]
    source: Source,
    /// How the source notifies us
    #[arg(long, value_enum, default_value_t)]
    notify: Notify,
    /// The domain that owns it
    #[arg(long, default_value = "default")]
    domain: String,
    /// What is published about it, and from where notifications are taken.
    #[command(flatten)]
    published: Published,
}

/// Change an integration.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["owner", "grant_type", "redirect_uris", "addresses", "token_hosts"]))]
pub struct Update {
    /// Its name
    name: String,
    /// What is published about it, and from where notifications are taken.
    #[command(flatten)]
    published: Published,
}

/// What is published about an integration, and from where notifications are taken.
#[derive(Debug, Args)]
struct Published {
    /// Whom to ask about it
    #[arg(long)]
    owner: Option<String>,
    /// The grant type published in the source's catalogue
    #[arg(long, value_name = "TYPE")]
    grant_type: Option<String>,
    /// A callback URI published in the source's catalogue; may be repeated, '' for none
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Option<Vec<String>>,
    /// An address block that may notify; may be repeated, '' for all
    #[arg(long = "allow-address", value_name = "CIDR")]
    addresses: Option<Vec<String>>,
    /// A host that a token_url may name; may be repeated, '' for all
    #[arg(long = "token-host", value_name = "HOST")]
    token_hosts: Option<Vec<String>>,
}

/// The kinds of systems that notify us.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Source {
    /// Provet, a veterinary practice system.
    #[default]
    Provet,
}

/// How a source notifies us.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Notify {
    /// By a POST to the hookup URL.
    #[default]
    Hookup,
}

impl Create {
    fn body(&self) -> Value {
        let mut body = self.published.body(&Allow::default());
        body.insert("name".to_owned(), json!(self.name));
        body.insert("domain".to_owned(), json!(self.domain));
        body.insert(
            "source".to_owned(),
            json!(match self.source {
                Source::Provet => "provet",
            }),
        );
        body.insert(
            "notify".to_owned(),
            match self.notify {
                Notify::Hookup => json!({"kind": "hookup"}),
            },
        );
        Value::Object(body)
    }
}

/// From where notifications are taken now.
#[derive(Default, Deserialize)]
struct Allow {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    token_hosts: Vec<String>,
}

impl Published {
    /// Only what was named; `allow` is replaced as a whole, so that its other half comes from `present`.
    fn body(&self, present: &Allow) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("owner", self.owner.clone().map(Value::from));
        put("authorization_grant_type", self.grant_type.clone().map(Value::from));
        put("redirect_uris", self.redirect_uris.as_deref().map(|uris| json!(without_empty(uris))));
        if self.addresses.is_some() || self.token_hosts.is_some() {
            let addresses = self.addresses.as_ref().unwrap_or(&present.addresses);
            let token_hosts = self.token_hosts.as_ref().unwrap_or(&present.token_hosts);
            let allow = json!({
                "addresses": without_empty(addresses),
                "token_hosts": without_empty(token_hosts),
            });
            put("allow", Some(allow));
        }
        body
    }
}

fn without_empty(items: &[String]) -> Vec<&String> {
    items.iter().filter(|item| !item.is_empty()).collect()
}

/// Does it.
///
/// # Errors
/// If the server refuses or cannot be asked.
pub async fn run(command: Integration, session: &Session) -> anyhow::Result<()> {
    let api = session.api()?;
    let mut output = session.output();
    match command {
        Integration::Create(create) => {
            output.answer(api.write(Method::POST, "/v1/integrations", &create.body()).await?)?;
            say("Keep the hookup URL: it is not shown again. Whoever has it can send notifications.");
        }
        Integration::List => {
            let items = api.list("/v1/integrations", &[], None).await?;
            output.list(&items, &table_columns())?;
        }
        Integration::Show { name } => output.object(&api.get(&path(&name), &[]).await?)?,
        Integration::Update(update) => {
            let path = path(&update.name);
            let present = api.get(&path, &[]).await?;
            let body = update.published.body(&read::<Present>(&present)?.allow);
            output.answer(api.write(Method::PATCH, &path, &body).await?)?;
        }
        Integration::Delete { name } => {
            api.write(Method::DELETE, &path(&name), &json!({})).await?;
            say(format_args!("deleted {name}"));
            output.done(&json!({"deleted": name}))?;
        }
        Integration::RotateHookup { name, grace } => {
            let (path, body) = (path(&name) + "/rotate-hookup", json!({"grace_seconds": grace.as_secs()}));
            output.answer(api.write(Method::POST, &path, &body).await?)?;
            say("Keep the hookup URL: it is not shown again.");
        }
    }
    Ok(())
}

fn table_columns() -> Vec<Column> {
    columns(&[
        ("NAME", "/name"),
        ("SOURCE", "/source"),
        ("DOMAIN", "/domain"),
        ("NOTIFY", "/notify/kind"),
        ("OWNER", "/owner"),
        ("CREATED", "/created_time"),
    ])
}

#[derive(Deserialize)]
struct Present {
    #[serde(default)]
    allow: Allow,
}

fn path(name: &str) -> String {
    format!("/v1/integrations/{}", segment(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Integration {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Integration(command) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_integration_says_only_what_was_said() {
        let Integration::Create(create) = parsed("regledger integration create acme-lab --token-host h") else {
            panic!("another command");
        };
        let expected = json!({
            "name": "acme-lab", "source": "provet", "domain": "default", "notify": {"kind": "hookup"},
            "allow": {"addresses": [], "token_hosts": ["h"]},
        });
        assert_eq!(create.body(), expected);
    }

    #[test]
    fn the_other_half_of_allow_survives_an_update() {
        let update = Published {
            owner: None,
            grant_type: None,
            redirect_uris: Some(vec![String::new()]),
            addresses: Some(vec!["192.0.2.0/24".to_owned()]),
            token_hosts: None,
        };
        let present = Allow { addresses: vec![], token_hosts: vec!["h".to_owned()] };
        let expected = json!({
            "redirect_uris": [],
            "allow": {"addresses": ["192.0.2.0/24"], "token_hosts": ["h"]},
        });
        assert_eq!(Value::Object(update.body(&present)), expected);
    }
}
