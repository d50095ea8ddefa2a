//! Where each value comes from: the first of flag, variable, file and default that says something.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::Variables;
use super::setting::{SETTINGS, Setting, SettingFlags, did_you_mean, shown};

/// Name of the configuration file where none was named.
const FILE_NAME: &str = "regledger.toml";

/// Why the settings are not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The configuration file is no TOML.
    // Without its source: that would quote the line, in which there may be a password.
    #[error("{} is not TOML: line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The configuration file names something that is no setting.
    #[error("{} sets {key}, which is no setting{hint}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// What it names.
        key: String,
        /// The setting most like it, as a question.
        hint: String,
    },
    /// A value is not acceptable.
    #[error("{key}: {reason} (its value comes from {origin}{})", as_in(key))]
    Wrong {
        /// The setting.
        key: &'static str,
        /// What was expected.
        reason: String,
        /// Where the value comes from.
        origin: Origin,
    },
}

/// An example of an acceptable value.
fn as_in(key: &str) -> String {
    let default = SETTINGS.iter().find(|setting| setting.key == key).map(|setting| shown(&setting.default));
    default.filter(|text| !text.is_empty()).map_or_else(String::new, |text| format!("; the default is {text}"))
}

impl SettingError {
    /// Whether the command line is at fault.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Wrong { origin: Origin::Flag(_), .. })
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(String),
    /// The environment.
    Variable(String),
    /// The configuration file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What may say something about a setting.
#[derive(Debug)]
pub struct Layers<'a> {
    /// The settings given as flags.
    pub flags: &'a SettingFlags,
    /// `--data-dir`.
    pub data_dir: Option<&'a Path>,
    /// `--config`.
    pub config: Option<&'a Path>,
    /// The environment.
    pub variables: &'a Variables,
}

/// The value of every setting and where it comes from, unread.
#[derive(Debug)]
pub struct Values(BTreeMap<&'static str, (Value, Origin)>);

impl Layers<'_> {
    /// Finds the value of every setting.
    ///
    /// # Errors
    /// If there is a configuration file that cannot be read, is no TOML, or names something that is no setting.
    pub fn values(&self) -> Result<Values, SettingError> {
        let mut file = match self.file() {
            Some(path) => read(&path)?,
            None => BTreeMap::new(),
        };
        let value = |setting: &'static Setting| {
            let said = self.said(setting).or_else(|| file.remove(setting.key.as_str()));
            (setting.key.as_str(), said.unwrap_or_else(|| (setting.default.clone(), Origin::Default)))
        };
        Ok(Values(SETTINGS.iter().map(value).collect()))
    }

    /// What flags and variables say; an empty variable says nothing.
    fn said(&self, setting: &Setting) -> Option<(Value, Origin)> {
        let data_dir =
            self.data_dir.filter(|_| setting.key == "data_dir").map(|path| path.to_string_lossy().into_owned());
        if let Some(text) = self.flags.0.get(setting.key.as_str()).or(data_dir.as_ref()) {
            return Some((setting.value(text), Origin::Flag(setting.flag())));
        }
        let name = setting.variable();
        let text = self.variables.get(&name).filter(|text| !text.is_empty())?;
        Some((setting.value(text), Origin::Variable(name)))
    }

    /// The configuration file: the one that was named, else the data directory's, else the one here.
    fn file(&self) -> Option<PathBuf> {
        let variable = self.variables.get("REGLEDGER_CONFIG").filter(|path| !path.is_empty());
        if let Some(path) = self.config.or(variable.map(Path::new)) {
            return Some(path.to_owned());
        }
        let data_dir = SETTINGS.iter().find(|setting| setting.key == "data_dir")?;
        let said = self.said(data_dir).map_or_else(|| data_dir.default.clone(), |(value, _)| value);
        [Path::new(&shown(&said)).join(FILE_NAME), PathBuf::from(FILE_NAME)].into_iter().find(|path| path.exists())
    }
}

/// The values in a configuration file, by the keys of their settings.
fn read(path: &Path) -> Result<BTreeMap<String, (Value, Origin)>, SettingError> {
    let text = std::fs::read_to_string(path).map_err(|source| SettingError::Read { path: path.to_owned(), source })?;
    let table = text.parse::<Table>();
    let table = table.map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let (line, reason) = (before.matches('\n').count() + 1, error.message().to_owned());
        SettingError::Syntax { path: path.to_owned(), line, reason }
    })?;
    let mut values = BTreeMap::new();
    for (key, value) in leaves("", table) {
        if SETTINGS.iter().all(|setting| setting.key != key) {
            let hint = did_you_mean(&key, SETTINGS.iter().map(|setting| setting.key.clone()));
            return Err(SettingError::UnknownKey { path: path.to_owned(), key, hint });
        }
        values.insert(key, (value, Origin::File(path.to_owned())));
    }
    Ok(values)
}

/// What a table sets, with the names that lead there; tables that no setting is in count as a value.
fn leaves(prefix: &str, table: Table) -> Vec<(String, Value)> {
    let below = |(name, value): (String, Value)| {
        let (key, inside) = (format!("{prefix}{name}"), format!("{prefix}{name}."));
        match value {
            Value::Table(inner) if SETTINGS.iter().any(|setting| setting.key.starts_with(&inside)) => {
                leaves(&inside, inner)
            }
            value => vec![(key, value)],
        }
    };
    table.into_iter().flat_map(below).collect()
}

impl Values {
    /// The value of a setting, in words, and where it comes from.
    pub fn sourced(&self, key: &str) -> Option<(String, &Origin)> {
        self.0.get(key).map(|(value, origin)| (shown(value), origin))
    }

    /// What to say of a value that is not acceptable.
    pub(super) fn wrong(&self, key: &'static str, reason: impl Display) -> SettingError {
        let origin = self.0.get(key).map_or(Origin::Default, |(_, origin)| origin.clone());
        SettingError::Wrong { key, reason: reason.to_string().trim().to_owned(), origin }
    }

    /// A value.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &'static str) -> Result<T, SettingError> {
        let value = self.0.get(key).map_or_else(|| Value::from(""), |(value, _)| value.clone());
        value.try_into().map_err(|error: toml::de::Error| self.wrong(key, error.message()))
    }

    /// A switch: true or false, in a flag or a variable too.
    pub(super) fn switch(&self, key: &'static str) -> Result<bool, SettingError> {
        let said = self.0.get(key).map(|(value, _)| shown(value));
        let said = said.as_deref().map(str::parse);
        said.unwrap_or(Ok(false)).map_err(|_| self.wrong(key, "must be true or false"))
    }

    /// A table, its names joined by dots where TOML took them apart.
    pub(super) fn flat(&self, key: &'static str) -> Result<BTreeMap<String, String>, SettingError> {
        let mut flat = BTreeMap::new();
        match self.0.get(key) {
            Some((Value::Table(table), _)) => flatten("", table, &mut flat),
            Some((Value::String(text), _)) => {
                // A value in which there is a comma needs lines.
                let separator = if text.contains('\n') { '\n' } else { ',' };
                for pair in text.split(separator).filter(|pair| !pair.trim().is_empty()) {
                    let (name, value) = pair
                        .split_once('=')
                        .ok_or_else(|| self.wrong(key, "must be NAME=VALUE,… or a NAME=VALUE on each line"))?;
                    flat.insert(name.trim().to_owned(), value.trim().to_owned());
                }
            }
            _ => return Err(self.wrong(key, "must be a table")),
        }
        Ok(flat)
    }

    /// A value that may be left out: then it is an empty text.
    pub(super) fn maybe<T: DeserializeOwned>(&self, key: &'static str) -> Result<Option<T>, SettingError> {
        match self.0.get(key) {
            Some((Value::String(text), _)) if text.is_empty() => Ok(None),
            _ => self.get(key).map(Some),
        }
    }
}

fn flatten(prefix: &str, table: &Table, flat: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, flat),
            value => drop(flat.insert(format!("{prefix}{name}"), shown(value))),
        }
    }
}
