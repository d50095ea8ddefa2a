//! Where each value comes from: the first of flag, variable, file and default that says something.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::file::{ConfigFile, FileError};
use super::flags::SettingFlags;
use super::table::{Form, SETTINGS, Setting};
use super::{Variables, Words};

/// Name of the configuration file where none was named.
const FILE_NAME: &str = "regledger.toml";

/// Why the settings are not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The configuration file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A value.
    #[error("{key} must be {expected} (its value comes from {origin})")]
    Wrong {
        /// The setting.
        key: &'static str,
        /// What it takes.
        expected: String,
        /// Where the value comes from.
        origin: Origin,
    },
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

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// One item, or those of a list; none: no value.
    pub items: Vec<String>,
    /// Who said so.
    pub origin: Origin,
}

/// The value of every setting, unread.
#[derive(Debug)]
pub struct Values(BTreeMap<&'static str, Sourced>);

impl Layers<'_> {
    /// Finds the value of every setting.
    ///
    /// # Errors
    /// [`SettingError::File`] if there is a configuration file that is not acceptable.
    pub fn values(&self) -> Result<Values, SettingError> {
        let file = self.file()?;
        let in_file = |setting: &Setting| {
            let file = file.as_ref()?;
            let items = file.values.get(setting.key)?.clone();
            Some(Sourced { items, origin: Origin::File(file.path.clone()) })
        };
        let value = |setting: &'static Setting| {
            self.said(setting)
                .or_else(|| in_file(setting))
                .unwrap_or_else(|| Sourced { items: split(setting.form, setting.default), origin: Origin::Default })
        };
        Ok(Values(SETTINGS.iter().map(|setting| (setting.key, value(setting))).collect()))
    }

    /// What flags and variables say; an empty variable says nothing.
    fn said(&self, setting: &Setting) -> Option<Sourced> {
        let flag = self.flags.0.get(setting.key).cloned().or_else(|| {
            let data_dir = self.data_dir.filter(|_| setting.key == "data_dir")?;
            Some(data_dir.to_string_lossy().into_owned())
        });
        if let Some(text) = flag {
            let origin = Origin::Flag(setting.flag());
            return Some(Sourced { items: split(setting.form, &text), origin });
        }
        let name = setting.variable();
        let text = self.variables.get(&name).filter(|text| !text.is_empty())?;
        Some(Sourced { items: split(setting.form, text), origin: Origin::Variable(name) })
    }

    /// The configuration file: the one that was named, else the data directory's, else the one here.
    fn file(&self) -> Result<Option<ConfigFile>, FileError> {
        let variable = self.variables.get("REGLEDGER_CONFIG").filter(|path| !path.is_empty());
        if let Some(path) = self.config.or(variable.map(Path::new)) {
            return ConfigFile::read(path).map(Some);
        }
        let data_dir = Setting::named("data_dir").and_then(|setting| {
            let said = self.said(setting).and_then(|said| said.items.into_iter().next());
            said.or_else(|| Some(setting.default.to_owned()))
        });
        let beside = PathBuf::from(data_dir.unwrap_or_default()).join(FILE_NAME);
        let found = [beside, PathBuf::from(FILE_NAME)].into_iter().find(|path| path.exists());
        found.map(|path| ConfigFile::read(&path)).transpose()
    }
}

fn split(form: Form, text: &str) -> Vec<String> {
    match form {
        _ if text.is_empty() => Vec::new(),
        Form::List => text.split(',').map(|item| item.trim().to_owned()).collect(),
        Form::Text | Form::Number => vec![text.to_owned()],
    }
}

impl Values {
    /// The value of a setting and where it comes from.
    pub fn sourced(&self, key: &str) -> Option<&Sourced> {
        self.0.get(key)
    }

    /// What to say of a value that is not acceptable.
    pub(super) fn wrong(&self, key: &'static str, expected: impl Into<String>) -> SettingError {
        let origin = self.sourced(key).map_or(Origin::Default, |value| value.origin.clone());
        SettingError::Wrong { key, expected: expected.into(), origin }
    }

    /// Every item of a list, read.
    pub(super) fn many<T: FromStr>(&self, key: &'static str, expected: &str) -> Result<Vec<T>, SettingError> {
        let items = self.sourced(key).map_or(&[][..], |value| &value.items);
        let read: Result<Vec<T>, _> = items.iter().map(|item| item.parse()).collect();
        read.map_err(|_| self.wrong(key, expected))
    }

    /// A value that may be left out.
    pub(super) fn maybe<T: FromStr>(&self, key: &'static str, expected: &str) -> Result<Option<T>, SettingError> {
        Ok(self.many(key, expected)?.into_iter().next())
    }

    /// A value.
    pub(super) fn parse<T: FromStr>(&self, key: &'static str, expected: &str) -> Result<T, SettingError> {
        self.maybe(key, expected)?.ok_or_else(|| self.wrong(key, expected))
    }

    /// A number above zero.
    pub(super) fn positive<T: FromStr + Default + PartialEq>(&self, key: &'static str) -> Result<T, SettingError> {
        let expected = "a whole number, at least 1";
        let number = self.parse(key, expected)?;
        if number == T::default() { Err(self.wrong(key, expected)) } else { Ok(number) }
    }

    /// One of an enumeration's words.
    pub(super) fn word<W: Words>(&self, key: &'static str) -> Result<W, SettingError> {
        let words = self.words::<W>(key)?;
        words.into_iter().next().ok_or_else(|| self.wrong(key, one_of::<W>()))
    }

    /// Some of an enumeration's words.
    pub(super) fn words<W: Words>(&self, key: &'static str) -> Result<Vec<W>, SettingError> {
        let items = self.many::<String>(key, "words")?;
        let read: Option<Vec<W>> = items.iter().map(|item| W::from_word(item)).collect();
        read.ok_or_else(|| self.wrong(key, one_of::<W>()))
    }
}

fn one_of<W: Words>() -> String {
    let words: Vec<_> = W::WORDS.iter().map(|(word, _)| *word).collect();
    format!("of {}", words.join(", "))
}
