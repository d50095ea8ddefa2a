//! `regledger user`: people who belong to a domain.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, Subcommand};
use registration::directory::{DEFAULT_DOMAIN, Role, UserState, normalise};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{Api, path, read};
use crate::output::Columns;
use crate::session::{Session, Usage};

/// Users.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Make a user
    #[command(after_help = "\
Examples:
  regledger user create --domain acme --name ann --email ann@example.com
  regledger user create --name bob --role admin --password-file bob.password
  pwgen 20 1 | regledger user create --name eve --password-file -")]
    Create(Create),
    /// List users
    #[command(after_help = "\
Examples:
  regledger user list --domain acme
  regledger user list --state deleted --output json")]
    List(List),
    /// Show a user
    #[command(after_help = "\
Examples:
  regledger user show 0198…
  regledger user show --domain acme --name ann")]
    Show(Which),
    /// Change a user; what is not named stays
    #[command(after_help = "\
Examples:
  regledger user update 0198… --role admin
  regledger user update --domain acme --name ann --rename anna --new-email ''    has no address any more")]
    Update(Update),
    /// Give a user another password
    #[command(after_help = "Example:\n  regledger user set-password --name ann --password-file ann.password")]
    SetPassword(SetPassword),
    /// Delete a user, who can come back until it is purged
    #[command(after_help = "Example:\n  regledger user delete --domain acme --name ann")]
    Delete(Which),
    /// Bring a deleted user back
    #[command(after_help = "Example:\n  regledger user undelete --domain acme --name ann")]
    Undelete(Which),
}

/// Make a user.
#[derive(Debug, Args)]
pub struct Create {
    /// The domain that it belongs to [default: default]
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Its name in the domain
    #[arg(long)]
    name: String,
    /// Where it is written to
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What it may do in its domain; may be repeated [default: member]
    #[arg(long = "role", value_delimiter = ',', value_name = "ROLE",
          value_parser = PossibleValuesParser::new(Role::ALL.map(Role::as_str)))]
    roles: Vec<String>,
    /// File whose first line is its password, - for stdin [default: it has none]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// List users.
#[derive(Debug, Args, Serialize)]
pub struct List {
    /// Only users of this domain
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Only users in this state [default: active and deleted ones]
    #[arg(long, value_parser = PossibleValuesParser::new(UserState::ALL.map(UserState::as_str)))]
    state: Option<String>,
    /// At most so many
    #[serde(skip)]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// Names a user.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "name"]))]
pub struct Which {
    /// Its id
    id: Option<String>,
    /// Its domain, with --name [default: default]
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    domain: Option<String>,
    /// Its name in the domain, instead of its id
    #[arg(long)]
    name: Option<String>,
}

/// Change a user.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["rename", "new_email", "roles"]))]
pub struct Update {
    #[command(flatten)]
    which: Which,
    /// Another name
    #[arg(long, value_name = "NAME")]
    rename: Option<String>,
    /// Another e-mail address, '' for none
    #[arg(long, value_name = "ADDRESS", visible_alias = "email")]
    new_email: Option<String>,
    /// What it may do from now on; may be repeated
    #[arg(long = "role", value_delimiter = ',', value_name = "ROLE",
          value_parser = PossibleValuesParser::new(Role::ALL.map(Role::as_str)))]
    roles: Vec<String>,
}

/// Give a user another password.
#[derive(Debug, Args)]
pub struct SetPassword {
    #[command(flatten)]
    which: Which,
    /// File whose first line is the password, - for stdin
    #[arg(long, value_name = "FILE", default_value = "-")]
    password_file: PathBuf,
}

const COLUMNS: Columns = &[
    ("ACCOUNT", "/account"),
    ("EMAIL", "/email"),
    ("ROLES", "/roles"),
    ("STATE", "/state"),
    ("CREATED", "/created_time"),
    ("PURGE AFTER", "/purge_after"),
    ("ID", "/id"),
];

/// Does it.
pub async fn run(command: User, session: &Session) -> anyhow::Result<()> {
    let mut ask = session.ask()?;
    match command {
        User::Create(create) => ask.write(Method::POST, "/v1/users", &create.body()?).await,
        User::List(list) => ask.list("/v1/users", &list, list.limit, COLUMNS).await,
        User::Show(which) => {
            let id = which.id(&ask.api).await?;
            ask.show(&path("users", &id, ""), &()).await
        }
        User::Update(update) => {
            let id = update.which.id(&ask.api).await?;
            ask.write(Method::PATCH, &path("users", &id, ""), &update.body()).await
        }
        User::SetPassword(set) => {
            let password = password(&set.password_file)?;
            let id = set.which.id(&ask.api).await?;
            let body = json!({"password": password.expose_secret()});
            ask.carry_out(Method::PUT, &path("users", &id, "/password"), &body).await?;
            ask.done(format_args!("{id} has another password"), &json!({"changed": id}))
        }
        User::Delete(which) => {
            let id = which.id(&ask.api).await?;
            ask.carry_out(Method::DELETE, &path("users", &id, ""), &json!({})).await?;
            ask.done(format_args!("deleted {id}"), &json!({"deleted": id}))
        }
        User::Undelete(which) => {
            let id = which.id(&ask.api).await?;
            ask.write(Method::POST, &path("users", &id, "/undelete"), &json!({})).await
        }
    }
}

impl Create {
    fn body(&self) -> anyhow::Result<serde_json::Value> {
        let mut body = json!({"name": self.name});
        if let Some(domain) = &self.domain {
            body["domain"] = json!(domain);
        }
        if let Some(email) = &self.email {
            body["email"] = json!(email);
        }
        if !self.roles.is_empty() {
            body["roles"] = json!(self.roles);
        }
        if let Some(file) = &self.password_file {
            body["password"] = json!(password(file)?.expose_secret());
        }
        Ok(body)
    }
}

impl Update {
    fn body(&self) -> serde_json::Value {
        let mut body = json!({});
        if let Some(name) = &self.rename {
            body["name"] = json!(name);
        }
        if let Some(email) = &self.new_email {
            body["email"] = json!(Some(email).filter(|email| !email.is_empty()));
        }
        if !self.roles.is_empty() {
            body["roles"] = json!(self.roles);
        }
        body
    }
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    name: Option<String>,
}

impl Which {
    /// The id; where a name was given, that of who has it. The server is told no name in a URL, which others may log.
    async fn id(&self, api: &Api) -> anyhow::Result<String> {
        let (id, name) = (self.id.as_ref(), self.name.as_deref().unwrap_or_default());
        if let Some(id) = id {
            return Ok(id.clone());
        }
        let form = normalise(name).ok_or_else(|| Usage::error("--name is no name of a user"))?;
        let domain = self.domain.as_deref().unwrap_or(DEFAULT_DOMAIN);
        for item in api.list("/v1/users", &json!({"domain": domain}), None).await? {
            let listed: Listed = read(&item)?;
            if listed.name.as_deref().and_then(normalise).as_ref() == Some(&form) {
                return Ok(listed.id);
            }
        }
        bail!("there is no user \\\\{domain}\\{name}")
    }
}

/// The first line of a file, or of stdin.
fn password(file: &Path) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read the password from stdin")?;
    } else {
        text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the password from {}", file.display()))?;
    }
    Ok(text.lines().next().unwrap_or_default().to_owned().into())
}
