//! `regledger integration`: what a provider publishes in a source's catalogue.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use reqwest::Method;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::from_file::text_or_file;
use super::moment::span;
use crate::client::{path, read};
use crate::output::Columns;
use crate::session::Session;

/// Integrations.
#[derive(Debug, Subcommand)]
pub enum Integration {
    /// Make an integration; prints the URLs to which its source sends, which are shown only this once
    #[command(after_help = "\
Examples:
  regledger integration create acme-lab --source provet --notify hookup
  regledger integration create acme-isl --source isl --jwt-key @isl-public.pem
  regledger integration create acme-lab --notify email --notify-address hooks@acme.example
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
  regledger integration update acme-lab --notify email --notify-address hooks@acme.example
  regledger integration update acme-lab --notify hookup        mails nothing any more
  regledger integration update acme-lab --allow-address ''     takes every address again")]
    Update(Update),
    /// Delete an integration: its URLs answer 404, its clients stay in the ledger
    #[command(after_help = "Example:\n  regledger integration delete acme-lab")]
    Delete {
        /// Its name
        name: String,
    },
    /// Make new URLs, which are shown only this once; the old ones stay valid for a while
    #[command(after_help = "Example:\n  regledger integration rotate-hookup acme-lab --grace 24h")]
    RotateHookup {
        /// Its name
        name: String,
        /// How long the old URLs stay valid
        #[arg(long, value_parser = span, default_value = "24h", value_name = "SPAN")]
        grace: Duration,
    },
}

/// Make an integration.
#[derive(Debug, Args, Serialize)]
pub struct Create {
    /// Its name: a-z, 0-9 and -, unique in the hub
    name: String,
    /// The kind of system that notifies us
    #[arg(long, default_value = "provet", value_parser = ["provet", "isl"])]
    source: String,
    /// How we are notified.
    #[command(flatten)]
    #[serde(flatten)]
    notify: Notification,
    /// The domain that owns it
    #[arg(long, default_value = "default")]
    domain: String,
    /// What is published about it, and from where notifications are taken.
    #[command(flatten)]
    #[serde(flatten)]
    published: Published,
}

/// Change an integration.
#[derive(Debug, Args, Serialize)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["kind", "address", "owner", "authorization_grant_type", "redirect_uris", "addresses", "token_hosts", "jwt_key", "jwks_url"]))]
pub struct Update {
    /// Its name
    #[serde(skip)]
    name: String,
    /// How we are notified.
    #[command(flatten)]
    #[serde(flatten)]
    notify: Notification,
    /// What is published about it, and from where notifications are taken.
    #[command(flatten)]
    #[serde(flatten)]
    published: Published,
}

/// How we are notified, if it was said.
#[derive(Debug, Args)]
struct Notification {
    /// How registrations are notified: hookup, or email, which mails a notice to the owner besides
    #[arg(id = "kind", long = "notify", value_parser = ["hookup", "email"], value_name = "KIND")]
    kind: Option<String>,
    /// The mailbox that notices go to, with --notify email
    #[arg(id = "address", long = "notify-address", value_name = "ADDRESS")]
    address: Option<String>,
}

impl Notification {
    /// What follows from what was said, and where nothing was.
    fn complete(&mut self) {
        let kind = if self.address.is_some() { "email" } else { "hookup" };
        self.kind.get_or_insert_with(|| kind.to_owned());
    }
}

impl Serialize for Notification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.kind.as_deref().or(self.address.as_ref().map(|_| "email"));
        let notify = kind.map(|kind| match &self.address {
            Some(address) => json!({"kind": kind, "address": address}),
            None => json!({"kind": kind}),
        });
        serializer.collect_map(notify.map(|notify| ("notify", notify)))
    }
}

/// What is published about an integration, and from where notifications are taken; only what was named.
#[derive(Debug, Args, Serialize)]
struct Published {
    /// Whom to ask about it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long)]
    owner: Option<String>,
    /// The grant type published in the source's catalogue
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long = "grant-type", value_name = "TYPE")]
    authorization_grant_type: Option<String>,
    /// A callback URI published in the source's catalogue; may be repeated, '' for none
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "without_empty")]
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Option<Vec<String>>,
    /// From where notifications are taken.
    #[serde(skip_serializing_if = "Allow::is_silent")]
    #[command(flatten)]
    allow: Allow,
    /// ISL: the public key in PEM by which its tokens are verified; @FILE reads it from a file, '' for none
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "PEM", value_parser = text_or_file)]
    jwt_key: Option<String>,
    /// ISL: where the JWK set is by which its tokens are verified; '' for none
    #[serde(skip_serializing_if = "Option::is_none")]
    #[arg(long, value_name = "URL", conflicts_with = "jwt_key")]
    jwks_url: Option<String>,
}

/// From where notifications are taken.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
struct Allow {
    /// An address block that may notify; may be repeated, '' for all
    #[serde(serialize_with = "without_empty")]
    #[arg(long = "allow-address", value_name = "CIDR")]
    addresses: Option<Vec<String>>,
    /// A host that a token_url may name; may be repeated, '' for all
    #[serde(serialize_with = "without_empty")]
    #[arg(long = "token-host", value_name = "HOST")]
    token_hosts: Option<Vec<String>>,
}

impl Allow {
    fn is_silent(&self) -> bool {
        self.addresses.is_none() && self.token_hosts.is_none()
    }

    /// It is replaced as a whole, so that the half that was not named is the present one.
    fn complete(&mut self, present: Self) {
        if !self.is_silent() {
            self.addresses = self.addresses.take().or(present.addresses);
            self.token_hosts = self.token_hosts.take().or(present.token_hosts);
        }
    }
}

/// A list in which an empty text stands for no item.
fn without_empty<S: Serializer>(items: &Option<Vec<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(items.iter().flatten().filter(|item| !item.is_empty()))
}

const COLUMNS: Columns = &[
    ("NAME", "/name"),
    ("SOURCE", "/source"),
    ("DOMAIN", "/domain"),
    ("NOTIFY", "/notify/kind"),
    ("OWNER", "/owner"),
    ("CREATED", "/created_time"),
];

#[derive(Deserialize)]
struct Present {
    #[serde(default)]
    allow: Allow,
}

/// What is shown only once.
const URLS: [&str; 3] = ["hookup_url", "events_url", "jwt_url"];

const KEEP: &str = "Keep what was shown: it is not shown again. Whoever has it can send notifications.";

/// Does it.
pub async fn run(command: Integration, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    let path = |name: &str, verb: &str| path("integrations", name, verb);
    match command {
        Integration::Create(mut create) => {
            create.notify.complete();
            ask.make(Method::POST, "/v1/integrations", &create, &URLS, KEEP).await
        }
        Integration::List => ask.list("/v1/integrations", &(), None, COLUMNS).await,
        Integration::Show { name } => ask.show(&path(&name, ""), &()).await,
        Integration::Update(mut update) => {
            let own = path(&update.name, "");
            let present = ask.api.get(&own, &()).await?;
            update.published.allow.complete(read::<Present>(&present)?.allow);
            ask.write(Method::PATCH, &own, &update).await
        }
        Integration::Delete { name } => {
            ask.carry_out(Method::DELETE, &path(&name, ""), &json!({})).await?;
            ask.done(format_args!("deleted {name}"), &json!({"deleted": name}))
        }
        Integration::RotateHookup { name, grace } => {
            let body = json!({"grace_seconds": grace.as_secs()});
            ask.make(Method::POST, &path(&name, "/rotate-hookup"), &body, &URLS, KEEP).await
        }
    }
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
        let Integration::Create(mut create) = parsed("regledger integration create acme-lab --token-host h") else {
            panic!("another command");
        };
        create.notify.complete();
        let expected = json!({
            "name": "acme-lab", "source": "provet", "domain": "default", "notify": {"kind": "hookup"},
            "allow": {"addresses": [], "token_hosts": ["h"]},
        });
        assert_eq!(serde_json::to_value(create).unwrap(), expected);
    }

    #[test]
    fn an_address_is_that_of_mails() {
        for (line, due) in [
            ("create a --notify-address a@b", json!({"kind": "email", "address": "a@b"})),
            ("create a --notify email --notify-address a@b", json!({"kind": "email", "address": "a@b"})),
            ("create a --notify email", json!({"kind": "email"})),
            ("create a --notify hookup", json!({"kind": "hookup"})),
            ("update a --notify-address a@b", json!({"kind": "email", "address": "a@b"})),
            ("update a --notify hookup", json!({"kind": "hookup"})),
            ("update a --owner b", json!(null)),
        ] {
            let asked = match parsed(&format!("regledger integration {line}")) {
                Integration::Create(create) => serde_json::to_value(create),
                Integration::Update(update) => serde_json::to_value(update),
                other => panic!("{other:?}"),
            };
            assert_eq!(asked.unwrap()["notify"], due, "{line}");
        }
    }

    #[test]
    fn the_other_half_of_allow_survives_an_update() {
        let line = "regledger integration update acme-lab --redirect-uri= --allow-address 192.0.2.0/24";
        let Integration::Update(Update { mut published, .. }) = parsed(line) else { panic!("another command") };
        let present = json!({"addresses": [], "token_hosts": ["h"]});
        published.allow.complete(serde_json::from_value(present).unwrap());
        let expected = json!({
            "redirect_uris": [],
            "allow": {"addresses": ["192.0.2.0/24"], "token_hosts": ["h"]},
        });
        assert_eq!(serde_json::to_value(published).unwrap(), expected);
    }
}
