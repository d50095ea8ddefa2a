//! What one call of the command line knows: its global options, its environment, and what follows from both.

use std::fmt::Display;

use anyhow::{Context, ensure};
use reqwest::Method;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use crate::cli::Globals;
use crate::client::{Api, UNEXPECTED, read};
use crate::config::{Layers, Origin, SettingError, SettingFlags, Settings, Values, Variables};
use crate::output::{Columns, Output, say};

/// The command line asks for something that makes no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

impl Usage {
    /// Says what makes no sense.
    pub fn error(what: impl Display) -> anyhow::Error {
        Self(what.to_string()).into()
    }
}

/// One call of the command line.
#[derive(Debug)]
pub struct Session {
    globals: Globals,
    variables: Variables,
}

impl Session {
    /// A call with these options in this environment.
    pub fn new(globals: Globals, variables: Variables) -> Self {
        Self { globals, variables }
    }

    /// Stdout in the format that was asked for.
    pub fn output(&self) -> Output {
        Output::stdout(self.globals.output)
    }

    /// The environment.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The value of every setting and where it comes from.
    pub fn values(&self, flags: &SettingFlags) -> Result<Values, SettingError> {
        let layers = Layers {
            flags,
            data_dir: self.globals.data_dir.as_deref(),
            config: self.globals.config.as_deref(),
            variables: &self.variables,
        };
        layers.values()
    }

    /// The settings, read and checked.
    ///
    /// # Errors
    /// [`Usage`] if a flag is at fault, else [`SettingError`].
    pub fn settings(&self, flags: &SettingFlags) -> anyhow::Result<Settings> {
        let read = self.values(flags).and_then(|values| Settings::read(&values));
        read.map_err(|error| if error.is_usage() { Usage::error(error) } else { error.into() })
    }

    /// The server to be asked, with the right to ask it.
    ///
    /// # Errors
    /// If the URL is none, or there is no token to be had.
    pub fn api(&self) -> anyhow::Result<Api> {
        let settings = self.settings(&SettingFlags::default())?;
        let (url, origin) = self.url(&settings);
        let url: Url = url.parse().map_err(|_| Usage::error(format!("{origin} is not a URL: {url}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Usage::error(format!("{origin} must be an http or https URL: {url}")));
        }
        Api::new(url, Some(self.token(&settings)?))
    }

    /// The server to be asked, and stdout for what it says.
    pub fn ask(&self) -> anyhow::Result<Ask> {
        Ok(Ask { api: self.api()?, output: self.output() })
    }

    /// The server's URL and who said so.
    pub fn url(&self, settings: &Settings) -> (String, Origin) {
        self.said(self.globals.url.as_ref(), "url", "REGLEDGER_URL").unwrap_or_else(|| {
            let mut listen = settings.listen;
            if listen.ip().is_unspecified() {
                listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            (format!("http://{listen}"), Origin::Default)
        })
    }

    /// Where the access token comes from.
    pub fn token_origin(&self, settings: &Settings) -> Origin {
        let said = self.said(self.globals.token.as_ref(), "token", "REGLEDGER_TOKEN");
        said.map_or_else(|| Origin::File(settings.admin_token_file.clone()), |(_, origin)| origin)
    }

    fn token(&self, settings: &Settings) -> anyhow::Result<SecretString> {
        if let Some((token, _)) = self.said(self.globals.token.as_ref(), "token", "REGLEDGER_TOKEN") {
            return Ok(token.into());
        }
        let file = &settings.admin_token_file;
        let token = std::fs::read_to_string(file).with_context(|| {
            let file = file.display();
            format!(
                "no access token: give --token or REGLEDGER_TOKEN, or --data-dir of the server (cannot read {file})"
            )
        })?;
        Ok(token.trim().to_owned().into())
    }

    fn said(&self, flag: Option<&String>, name: &str, variable: &str) -> Option<(String, Origin)> {
        let by_flag = flag.map(|text| (text.clone(), Origin::Flag(name.to_owned())));
        by_flag.or_else(|| {
            let text = self.variables.get(variable).filter(|text| !text.is_empty())?;
            Some((text.clone(), Origin::Variable(variable.to_owned())))
        })
    }
}

/// The server that is asked, and stdout for what it says.
pub struct Ask {
    /// The server.
    pub api: Api,
    /// Stdout.
    pub output: Output,
}

impl Ask {
    /// Prints a list, `limit` items at most.
    pub async fn list(
        &mut self,
        path: &str,
        query: &impl Serialize,
        limit: Option<u32>,
        columns: Columns,
    ) -> anyhow::Result<()> {
        let items = self.api.list(path, query, limit.map(|limit| limit as usize)).await?;
        self.output.list(&items, columns)
    }

    /// Prints an object.
    pub async fn show(&mut self, path: &str, query: &impl Serialize) -> anyhow::Result<()> {
        self.output.object(&self.api.get(path, query).await?)
    }

    /// Asks for something to be done, and prints what came of it.
    pub async fn write(&mut self, method: Method, path: &str, body: &(impl Serialize + Sync)) -> anyhow::Result<()> {
        self.tell(method, path, body).await.map(drop)
    }

    /// Asks for something to be done, prints what came of it, and gives it. Who says nothing but that all is well is not the hub.
    pub async fn tell(
        &mut self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> anyhow::Result<Map<String, Value>> {
        let object = self.api.write(method, path, body).await?.context(UNEXPECTED)?;
        let members = read(&object)?;
        self.output.object(&object)?;
        Ok(members)
    }

    /// Asks for something to be made, and prints it. If one of `members` is in it, which is shown only this once, `keep` is said.
    pub async fn make(
        &mut self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
        members: &[&str],
        keep: &str,
    ) -> anyhow::Result<()> {
        let made = self.tell(method, path, body).await?;
        if members.iter().any(|member| made.get(*member).is_some_and(|value| !value.is_null())) {
            say(keep);
        }
        Ok(())
    }

    /// Asks for something to be done of which nothing is left to tell.
    pub async fn carry_out(&self, method: Method, path: &str, body: &(impl Serialize + Sync)) -> anyhow::Result<()> {
        ensure!(self.api.write(method, path, body).await?.is_none(), UNEXPECTED);
        Ok(())
    }

    /// Says what was done: to people on stderr, to programs on stdout.
    pub fn done(&mut self, said: impl Display, object: &impl Serialize) -> anyhow::Result<()> {
        say(said);
        self.output.done(object)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn session(url: Option<&str>, variable: &str, data_dir: &std::path::Path) -> Session {
        let globals =
            Globals { url: url.map(str::to_owned), data_dir: Some(data_dir.to_owned()), ..Globals::default() };
        let variables = Variables::from([
            ("REGLEDGER_URL".to_owned(), variable.to_owned()),
            ("REGLEDGER_LISTEN".to_owned(), "0.0.0.0:9000".to_owned()),
        ]);
        Session::new(globals, variables)
    }

    #[rstest]
    #[case::flag(Some("http://flag"), "http://variable", "http://flag")]
    #[case::variable(None, "http://variable", "http://variable")]
    #[case::where_the_server_listens(None, "", "http://127.0.0.1:9000")]
    fn the_url_comes_from_the_first_that_says_one(
        #[case] flag: Option<&str>,
        #[case] variable: &str,
        #[case] expected: &str,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let session = session(flag, variable, dir.path());
        let settings = session.settings(&SettingFlags::default()).unwrap();
        assert_eq!(session.url(&settings).0, expected);
    }

    #[test]
    fn the_token_is_the_one_of_the_first_start() {
        let dir = tempfile::tempdir().unwrap();
        let session = session(None, "", dir.path());
        let without = session.api().unwrap_err();
        assert!(format!("{without:#}").contains("--token"), "{without:#}");
        std::fs::write(dir.path().join("admin-token"), "abc\n").unwrap();
        session.api().unwrap();
    }

    #[test]
    fn a_url_of_another_scheme_is_a_usage_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = session(Some("ftp://x"), "", dir.path()).api().unwrap_err();
        assert!(error.is::<Usage>());
    }
}
