//! `regledger config`: the settings, and where each comes from.

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::config::{DOCUMENTED, KekSource, Origin, SETTINGS, Setting, SettingFlags, StateBackend, did_you_mean};
use crate::output::say;
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
pub fn run(command: Config, session: &Session) -> anyhow::Result<()> {
    match command {
        Config::Show { settings } => show(&settings, session),
        Config::Example => Ok(session.output().line(DOCUMENTED.trim_end())?),
    }
}

fn show(flags: &SettingFlags, session: &Session) -> anyhow::Result<()> {
    let settings = session.settings(flags)?;
    let values = session.values(flags)?;
    let mut rows = Vec::new();
    for Setting { key, .. } in SETTINGS.iter() {
        let (value, origin) = values.sourced(key).context("a setting has no value")?;
        let shown = match (key.as_str(), &settings.kek) {
            ("admin_token_file", _) => settings.admin_token_file.display().to_string(),
            ("kek.file", KekSource::File(path)) => path.display().to_string(),
            ("kek.command", KekSource::Command(_)) => MASK.to_owned(),
            ("state", _) if settings.state != StateBackend::Sqlite => MASK.to_owned(),
            // Some of the values are secret, all of the names are not.
            ("kafka", _) => settings.kafka.keys().cloned().collect::<Vec<_>>().join(","),
            _ => value,
        };
        rows.push((key.as_str(), shown, origin.clone()));
    }
    let (url, origin) = session.url(&settings);
    rows.push(("url", url, origin));
    rows.push(("token", MASK.to_owned(), session.token_origin(&settings)));
    warn_of_unknown_variables(session);
    print(&rows, session)
}

/// Stands for what is not shown.
const MASK: &str = "********";

fn print(rows: &[(&str, String, Origin)], session: &Session) -> anyhow::Result<()> {
    let items = rows
        .iter()
        .map(|(key, value, origin)| to_raw_value(&json!({"key": key, "value": value, "origin": origin.to_string()})))
        .collect::<Result<Vec<_>, _>>()?;
    let columns = &[("SETTING", "/key"), ("VALUE", "/value"), ("COMES FROM", "/origin")];
    session.output().list(&items, columns)
}

/// A misspelt variable cannot be refused: orchestrators set some of their own with our name in front.
fn warn_of_unknown_variables(session: &Session) {
    let mut known = ["REGLEDGER_URL", "REGLEDGER_TOKEN", "REGLEDGER_CONFIG"].map(str::to_owned).to_vec();
    known.extend(SETTINGS.iter().map(Setting::variable));
    for name in session.variables().keys().filter(|name| name.starts_with("REGLEDGER_") && !known.contains(name)) {
        let hint = did_you_mean(name, known.clone());
        say(format_args!("warning: {name} is no setting and says nothing{hint}"));
    }
}
