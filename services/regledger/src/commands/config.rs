//! `regledger config`: the settings, and where each comes from.

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::config::{Origin, SETTINGS, SettingFlags, Settings, Sourced, example, nearest};
use crate::output::{columns, say};
use crate::session::Session;

/// Settings of the process.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Show the value of every setting and where it comes from
    #[command(after_help = "\
Examples:
  regledger config show
  regledger config show --output json --config /etc/regledger.toml

Takes the flags of `serve`, to see what they would do.")]
    Show {
        /// Every setting can be given as a flag.
        #[command(flatten)]
        settings: SettingFlags,
    },
    /// Print the documented default configuration file
    #[command(after_help = "\
Example:
  regledger config example >/etc/regledger.toml")]
    Example,
}

/// Does it.
///
/// # Errors
/// If the configuration file or a value is not acceptable.
pub fn run(command: Config, session: &Session) -> anyhow::Result<()> {
    match command {
        Config::Show { settings } => show(&settings, session),
        Config::Example => Ok(session.output().line(example().trim_end())?),
    }
}

fn show(flags: &SettingFlags, session: &Session) -> anyhow::Result<()> {
    let settings = session.settings(flags)?;
    let values = session.values(flags)?;
    let mut rows = Vec::new();
    for setting in SETTINGS {
        let Sourced { items, origin } = values.sourced(setting.key).context("a setting has no value")?;
        let shown = match setting.key {
            "admin_token_file" => settings.admin_token_file.display().to_string(),
            "kek.file" => kek_file(&settings),
            _ if setting.secret && !items.is_empty() => MASK.to_owned(),
            _ => items.join(","),
        };
        rows.push((setting.key, shown, origin.clone()));
    }
    let (url, origin) = session.url(&settings);
    rows.push(("url", url, origin));
    rows.push(("token", MASK.to_owned(), session.token_origin(&settings)));
    warn_of_unknown_variables(session);
    print(&rows, session)
}

/// Stands for what is not shown.
const MASK: &str = "********";

fn kek_file(settings: &Settings) -> String {
    match &settings.kek {
        crate::config::KekSource::File(path) => path.display().to_string(),
        crate::config::KekSource::Command(_) => String::new(),
    }
}

fn print(rows: &[(&str, String, Origin)], session: &Session) -> anyhow::Result<()> {
    let items = rows
        .iter()
        .map(|(key, value, origin)| to_raw_value(&json!({"key": key, "value": value, "origin": origin.to_string()})))
        .collect::<Result<Vec<_>, _>>()?;
    let columns = columns(&[("SETTING", "/key"), ("VALUE", "/value"), ("COMES FROM", "/origin")]);
    session.output().list(&items, &columns)
}

/// A misspelt variable cannot be refused: orchestrators set some of their own with our name in front.
fn warn_of_unknown_variables(session: &Session) {
    let known: Vec<String> = SETTINGS.iter().map(|setting| setting.variable()).collect();
    let known = || known.iter().map(String::as_str).chain(["REGLEDGER_URL", "REGLEDGER_TOKEN", "REGLEDGER_CONFIG"]);
    for name in session.variables().keys().filter(|name| name.starts_with("REGLEDGER_")) {
        if known().all(|known| known != name) {
            let hint = nearest(name, known()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            say(format_args!("warning: {name} is no setting and says nothing{hint}"));
        }
    }
}
