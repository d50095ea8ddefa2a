//! `regledger subscription`: where changes are pushed to, and which.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use reqwest::Method;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::moment::span;
use crate::client::path;
use crate::output::Columns;
use crate::session::Session;

/// Subscriptions.
#[derive(Debug, Subcommand)]
pub enum Subscription {
    /// Make a subscription: changes are pushed to a URL, signed, or told by mail; prints the secret, which is shown only
    /// this once
    #[command(after_help = "\
Examples:
  regledger subscription create acme --endpoint https://acme.example/hooks --type 'client.*'
  regledger subscription create acme --endpoint https://acme.example/hooks --from beginning --signature v1a
  regledger subscription create office --address office@acme.example --type client.registered
  regledger subscription create acme --endpoint https://acme.example/hooks --output json | jq -r .secret")]
    Create(Create),
    /// List subscriptions
    #[command(after_help = "Example:\n  regledger subscription list")]
    List,
    /// Show a subscription
    #[command(after_help = "Example:\n  regledger subscription show acme")]
    Show(Name),
    /// Change a subscription; what is not named stays
    #[command(after_help = "\
Examples:
  regledger subscription update acme --endpoint https://acme.example/hooks/2
  regledger subscription update acme --type ''     wants every type again")]
    Update(Update),
    /// Delete a subscription: nothing more is pushed, and what waited is forgotten
    #[command(after_help = "Example:\n  regledger subscription delete acme")]
    Delete(Name),
    /// Push nothing for a while; the place is kept
    #[command(after_help = "Example:\n  regledger subscription pause acme")]
    Pause(Name),
    /// Go on, from the place where it stands or from where it is said
    #[command(after_help = "\
Examples:
  regledger subscription resume acme
  regledger subscription resume acme --from beginning")]
    Resume {
        /// Its name
        name: String,
        /// From where [default: from its place]
        #[arg(long, value_parser = ["now", "beginning"])]
        from: Option<String>,
    },
    /// Send a test, signed as changes are, and tell what came of it
    #[command(after_help = "Example:\n  regledger subscription test acme")]
    Test(Name),
    /// Make a new secret, which is shown only this once; the old one signs too for a while
    #[command(after_help = "\
Examples:
  regledger subscription rotate-secret acme --grace 24h
  regledger subscription rotate-secret acme --signature both")]
    RotateSecret {
        /// Its name
        name: String,
        /// How long the old keys sign too
        #[arg(long, value_parser = span, default_value = "24h", value_name = "SPAN")]
        grace: Duration,
        /// By which keys it is signed from now on [default: as before]
        #[arg(long, value_parser = SIGNATURES)]
        signature: Option<String>,
    },
}

const SIGNATURES: [&str; 3] = ["v1", "v1a", "both"];

/// Names a subscription.
#[derive(Debug, Args)]
pub struct Name {
    /// Its name
    name: String,
}

/// Make a subscription.
#[derive(Debug, Args, Serialize)]
#[command(group = ArgGroup::new("target").required(true).args(["endpoint", "address"]))]
pub struct Create {
    /// Its name: a-z, 0-9 and -, unique in the hub
    name: String,
    /// Where changes are POSTed to
    #[serde(rename = "url", skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The mailbox that mails go to: who opens the link in one first is shown the credentials
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "MAILBOX")]
    address: Option<String>,
    /// A type of changes, or a family of them such as 'client.*', if not all; may be repeated
    #[arg(long = "type", value_delimiter = ',', value_name = "TYPE")]
    types: Vec<String>,
    /// An integration, if not all; may be repeated
    #[arg(long = "integration", value_delimiter = ',', value_name = "NAME")]
    integrations: Vec<String>,
    /// A tenant, if not all; may be repeated
    #[arg(long = "tenant", value_delimiter = ',', value_name = "TENANT")]
    tenants: Vec<String>,
    /// The domain whose changes it is for [default: the whole hub]
    #[arg(long)]
    domain: Option<String>,
    /// From where on changes are pushed
    #[arg(long, default_value = "now", value_parser = ["now", "beginning"])]
    from: String,
    /// By which keys a webhook is signed: v1 is a shared secret, v1a Ed25519 [default: v1]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_parser = SIGNATURES)]
    signature: Option<String>,
}

/// Change a subscription.
#[derive(Debug, Args, Serialize)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["endpoint", "address", "types", "integrations", "tenants"]))]
pub struct Update {
    /// Its name
    #[serde(skip)]
    name: String,
    /// Where changes are POSTed to
    #[serde(rename = "url", skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The mailbox that mails go to: who opens the link in one first is shown the credentials
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "MAILBOX")]
    address: Option<String>,
    /// A type of changes, or a family of them; may be repeated, '' for all
    #[serde(serialize_with = "without_empty", skip_serializing_if = "Option::is_none")]
    #[arg(long = "type", value_name = "TYPE")]
    types: Option<Vec<String>>,
    /// An integration; may be repeated, '' for all
    #[serde(serialize_with = "without_empty", skip_serializing_if = "Option::is_none")]
    #[arg(long = "integration", value_name = "NAME")]
    integrations: Option<Vec<String>>,
    /// A tenant; may be repeated, '' for all
    #[serde(serialize_with = "without_empty", skip_serializing_if = "Option::is_none")]
    #[arg(long = "tenant", value_name = "TENANT")]
    tenants: Option<Vec<String>>,
}

/// A list in which an empty text stands for no item.
fn without_empty<S: Serializer>(items: &Option<Vec<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(items.iter().flatten().filter(|item| !item.is_empty()))
}

const COLUMNS: Columns = &[
    ("NAME", "/name"),
    ("KIND", "/kind"),
    ("DOMAIN", "/domain"),
    ("TYPES", "/types"),
    ("INTEGRATIONS", "/integrations"),
    ("STATE", "/state"),
    ("WHY", "/paused/reason"),
    ("CREATED", "/created_time"),
];

const KEEP: &str = "Keep the secret: it is not shown again. It proves that what arrives is from here.";

/// Does it.
pub async fn run(command: Subscription, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    let path = |name: &str, verb: &str| path("subscriptions", name, verb);
    match command {
        Subscription::Create(create) => ask.make(Method::POST, "/v1/subscriptions", &create, &["secret"], KEEP).await,
        Subscription::List => ask.list("/v1/subscriptions", &(), None, COLUMNS).await,
        Subscription::Show(Name { name }) => ask.show(&path(&name, ""), &()).await,
        Subscription::Update(update) => ask.write(Method::PATCH, &path(&update.name, ""), &update).await,
        Subscription::Delete(Name { name }) => {
            ask.carry_out(Method::DELETE, &path(&name, ""), &json!({})).await?;
            ask.done(format_args!("deleted {name}"), &json!({"deleted": name}))
        }
        Subscription::Pause(Name { name }) => ask.write(Method::POST, &path(&name, "/pause"), &json!({})).await,
        Subscription::Test(Name { name }) => ask.write(Method::POST, &path(&name, "/test"), &json!({})).await,
        Subscription::Resume { name, from } => {
            ask.write(Method::POST, &path(&name, "/resume"), &json!({"from": from})).await
        }
        Subscription::RotateSecret { name, grace, signature } => {
            let body = json!({"grace_seconds": grace.as_secs(), "signature": signature});
            ask.make(Method::POST, &path(&name, "/rotate-secret"), &body, &["secret"], KEEP).await
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Subscription {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Subscription(command) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_subscription_says_only_what_was_said() {
        let line = "regledger subscription create acme --endpoint https://acme.example/h --type client.*,user.created";
        let Subscription::Create(create) = parsed(line) else { panic!("another command") };
        let expected = json!({
            "name": "acme", "url": "https://acme.example/h", "types": ["client.*", "user.created"],
            "integrations": [], "tenants": [], "domain": null, "from": "now",
        });
        assert_eq!(serde_json::to_value(create).unwrap(), expected);
    }

    #[test]
    fn an_update_says_only_what_changes() {
        let Subscription::Update(update) = parsed("regledger subscription update acme --type= --tenant t/1") else {
            panic!("another command")
        };
        assert_eq!(serde_json::to_value(update).unwrap(), json!({"types": [], "tenants": ["t/1"]}));
    }
}
