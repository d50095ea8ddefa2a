//! Every setting: its name, what it means and its default, as the documented configuration file says. Flags, variables
//! and what is accepted in a file come from there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, FromArgMatches};
use toml::Value;

/// The documented configuration file: each setting commented out, with its default and what it means above it.
pub const DOCUMENTED: &str = include_str!("../../../../ops/regledger.toml");

/// Every setting, in the order of the documented file.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| settings(DOCUMENTED));

/// A setting of the process.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file, with its table: `http.public_url`.
    pub key: String,
    /// What it means.
    pub help: String,
    /// Its value when nothing is said; an empty text: none, or what `help` says. Every value is of its type.
    pub default: Value,
}

fn settings(documented: &str) -> Vec<Setting> {
    let (mut all, mut table, mut help) = (Vec::new(), String::new(), Vec::new());
    for line in documented.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            help.push(words);
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            table = name.replace(']', ".");
        } else if let Some((name, default)) = line.strip_prefix('#').and_then(|line| line.split_once(" = ")) {
            let key = format!("{table}{name}");
            all.extend(default.parse().map(|default| Setting { key, help: help.join(" "), default }));
        }
        help.clear();
    }
    all
}

impl Setting {
    /// Its variable: `REGLEDGER_HTTP_PUBLIC_URL`.
    pub fn variable(&self) -> String {
        format!("REGLEDGER_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// Its flag without the dashes: `http-public-url`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// What a flag or a variable says, which separate the items of a list by commas.
    pub fn value(&self, text: &str) -> Value {
        match &self.default {
            Value::Array(_) if text.is_empty() => Value::Array(Vec::new()),
            Value::Array(_) => Value::Array(text.split(',').map(|item| item.trim().into()).collect()),
            Value::Integer(_) => text.parse().map_or_else(|_| Value::from(text), Value::Integer),
            _ => Value::from(text),
        }
    }
}

/// A value as flags and variables say it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The settings that were given as flags, by their keys: `http.public_url` is `--http-public-url`.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags(pub BTreeMap<&'static str, String>);

/// All but `--data-dir`, which is a global option: the client side of the command line needs it too.
fn flagged() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.key != "data_dir")
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = flagged().filter(|setting| matches.value_source(&setting.key) == Some(ValueSource::CommandLine));
        self.0
            .extend(given.filter_map(|setting| Some((setting.key.as_str(), matches.get_one(&setting.key).cloned()?))));
        Ok(())
    }
}

impl clap::Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(flagged().map(|setting| {
            let default = match shown(&setting.default) {
                none if none.is_empty() || none == "{}" => String::new(),
                default => format!(" [default: {default}]"),
            };
            let help = format!("{}{default} [env: {}]", setting.help, setting.variable());
            let (_, name) = setting.key.rsplit_once(['.', '_']).unwrap_or(("", &setting.key));
            let arg = Arg::new(&setting.key).long(setting.flag()).value_name(name.to_ascii_uppercase());
            arg.help(help).help_heading("Settings")
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The candidate most like a word that is not among them, as a question, if one is like it at all.
pub fn did_you_mean(word: &str, candidates: impl IntoIterator<Item = String>) -> String {
    let likeness = |candidate: String| (strsim::jaro(word, &candidate), candidate);
    let best = candidates.into_iter().map(likeness).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(likeness, _)| *likeness > 0.8).map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}
