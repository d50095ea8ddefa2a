//! The configuration file: TOML, of which every key must be a known setting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::table::{Form, SETTINGS, Setting, nearest};

/// Why a configuration file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is no TOML.
    #[error("{} is not TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// It names something that is no setting.
    #[error("{} sets {key}, which is no setting{}", path.display(), suggestion(*.nearest))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// What it names.
        key: String,
        /// The setting most like it.
        nearest: Option<&'static str>,
    },
    /// A value has another TOML type than the setting.
    #[error("{} must set {key} to {expected}", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: String,
        /// What it takes.
        expected: &'static str,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean {key}?"))
}

/// A configuration file that was read.
#[derive(Debug)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its values, by the keys of their settings.
    pub values: BTreeMap<&'static str, Vec<String>>,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Reads what a file holds.
    ///
    /// # Errors
    /// [`FileError`], but for `Read`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let table: Table =
            text.parse().map_err(|source| FileError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let mut file = Self { path: path.to_owned(), values: BTreeMap::new() };
        file.add("", table)?;
        Ok(file)
    }

    fn add(&mut self, prefix: &str, table: Table) -> Result<(), FileError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match (Setting::named(&key), value) {
                (Some(setting), value) => {
                    let items = items(setting.form, value).ok_or_else(|| FileError::Type {
                        path: self.path.clone(),
                        key,
                        expected: expected(setting.form),
                    })?;
                    self.values.insert(setting.key, items);
                }
                (None, Value::Table(inner)) if is_table(&key) => {
                    self.add(&format!("{key}."), inner)?;
                }
                (None, _) => {
                    let nearest = nearest(&key, SETTINGS.iter().map(|setting| setting.key));
                    return Err(FileError::UnknownKey { path: self.path.clone(), key, nearest });
                }
            }
        }
        Ok(())
    }
}

fn is_table(key: &str) -> bool {
    let tables = SETTINGS.iter().filter_map(|setting| setting.key.split_once('.'));
    tables.into_iter().any(|(table, _)| table == key)
}

fn expected(form: Form) -> &'static str {
    match form {
        Form::Text => "a string",
        Form::Number => "an integer",
        Form::List => "an array of strings",
    }
}

fn items(form: Form, value: Value) -> Option<Vec<String>> {
    match (form, value) {
        (Form::Text, Value::String(text)) if text.is_empty() => Some(Vec::new()),
        (Form::Text, Value::String(text)) => Some(vec![text]),
        (Form::Number, Value::Integer(number)) => Some(vec![number.to_string()]),
        (Form::List, Value::Array(items)) => items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
