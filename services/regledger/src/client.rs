//! The HTTP client of the command line: one server, one token, and problems said in words.

use std::fmt::{self, Display};
use std::time::Duration;

use anyhow::Context;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::clock;

/// From the first byte out to the last byte in; streams have no end.
const DEADLINE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// How often a write is repeated, with its Idempotency-Key, when its outcome is not known.
const REPETITIONS: u32 = 3;

/// What is said of an answer that is none to what was asked.
pub const UNEXPECTED: &str = "the server answered something unexpected: is it of another version?";

/// Items of one page of a list.
const PAGE: usize = 500;

/// An RFC 9457 problem, or as much of one as the server sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// What it is.
    pub title: String,
    /// What to do about it.
    pub detail: String,
    /// What is wrong with single fields.
    pub errors: Vec<FieldError>,
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// Names the request in the server's log.
    #[serde(skip)]
    pub request_id: Option<String>,
}

/// What is wrong with a field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldError {
    /// Where it stands, as a JSON Pointer.
    pub pointer: String,
    /// What was expected.
    pub detail: String,
}

impl std::error::Error for Problem {}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = if self.title.is_empty() { "The server refused" } else { &self.title };
        write!(f, "{title} ({})", self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.pointer, error.detail)?;
        }
        match &self.request_id {
            Some(id) => write!(f, "\n  (request {id})"),
            None => Ok(()),
        }
    }
}

/// The server did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
struct NoAnswer {
    said: String,
    /// Whether the request may have been carried out.
    may_have_arrived: bool,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// A server and the right to ask it.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
}

impl Api {
    /// A client of a server.
    pub fn new(base: Url, token: Option<SecretString>) -> anyhow::Result<Self> {
        let http = builder(&base).build().context("cannot set up the HTTP client")?;
        Ok(Self { http, base, token })
    }

    /// Gets an object.
    ///
    /// # Errors
    /// [`Problem`] if the server refuses; otherwise what hindered asking.
    pub async fn get(&self, path: &str, query: &impl Serialize) -> anyhow::Result<Box<RawValue>> {
        self.get_url(&self.url(path, query)?).await
    }

    async fn get_url<T: DeserializeOwned>(&self, url: &Url) -> anyhow::Result<T> {
        let request = self.request(Method::GET, url)?.header(ACCEPT, "application/json").timeout(DEADLINE);
        let body = self.send(request).await?.bytes().await.map_err(|error| self.explain(&error))?;
        serde_json::from_slice(&body).context(UNEXPECTED)
    }

    /// Gets a response that is not one JSON object.
    pub async fn text(&self, path: &str, query: &impl Serialize) -> anyhow::Result<String> {
        let request = self.request(Method::GET, &self.url(path, query)?)?.timeout(DEADLINE);
        self.send(request).await?.text().await.map_err(|error| self.explain(&error))
    }

    /// Gets the items of a list, page by page, `limit` at most.
    pub async fn list(
        &self,
        path: &str,
        query: &impl Serialize,
        limit: Option<usize>,
    ) -> anyhow::Result<Vec<Box<RawValue>>> {
        let limit = limit.unwrap_or(usize::MAX);
        let mut first = self.url(path, query)?;
        first.query_pairs_mut().append_pair("limit", &PAGE.min(limit).to_string());
        let mut next = Some(first);
        let mut items = Vec::new();
        while let Some(url) = next.filter(|_| items.len() < limit) {
            let page: Page = self.get_url(&url).await?;
            items.extend(page.items);
            next = page.next.map(|next| self.url(&next, &())).transpose()?;
        }
        items.truncate(limit);
        Ok(items)
    }

    /// Asks for something to be done. A write whose outcome stays unknown is repeated with its Idempotency-Key,
    /// which does it once at most.
    pub async fn write(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> anyhow::Result<Option<Box<RawValue>>> {
        let url = self.url(path, &())?;
        let key = clock::fresh_id().to_string();
        let mut repetitions = 0;
        loop {
            let request = self.request(method.clone(), &url)?.timeout(DEADLINE);
            let sent = self.send(request.header("idempotency-key", &key).json(body)).await;
            match sent {
                Err(error) if repetitions < REPETITIONS && is_unknown(&error) => repetitions += 1,
                Err(error) => return Err(error),
                Ok(response) if response.status() == StatusCode::NO_CONTENT => return Ok(None),
                Ok(response) => {
                    let body = response.bytes().await?;
                    return serde_json::from_slice(&body).map(Some).context(UNEXPECTED);
                }
            }
        }
    }

    /// Opens a stream of server-sent events.
    pub async fn stream(
        &self,
        path: &str,
        query: &impl Serialize,
        last_event_id: Option<&str>,
    ) -> anyhow::Result<Response> {
        let mut request = self.request(Method::GET, &self.url(path, query)?)?;
        request = request.header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        self.send(request).await
    }

    fn url(&self, path_and_query: &str, query: &impl Serialize) -> anyhow::Result<Url> {
        // An absolute path: joined to the server's own, so that a hub may live under a prefix.
        let prefix = self.base.path().trim_end_matches('/');
        let mut url = self.base.join(&format!("{prefix}{path_and_query}"))?;
        for (name, value) in pairs(&serde_json::to_value(query)?) {
            url.query_pairs_mut().append_pair(name, &value);
        }
        Ok(url)
    }

    fn request(&self, method: Method, url: &Url) -> anyhow::Result<RequestBuilder> {
        let request = self.http.request(method, url.clone());
        let Some(token) = &self.token else {
            return Ok(request);
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret().trim()))
            .context("the access token holds characters that no token has")?;
        bearer.set_sensitive(true);
        Ok(request.header(reqwest::header::AUTHORIZATION, bearer))
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|error| self.explain(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let request_id = header(response.headers(), &HeaderName::from_static("x-request-id"));
        let body = response.bytes().await.unwrap_or_default();
        let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        if problem.title.is_empty() {
            status.canonical_reason().unwrap_or_default().clone_into(&mut problem.title);
        }
        Err(Problem { status: status.as_u16(), request_id, ..problem }.into())
    }

    /// What to say of a server that does not answer.
    pub fn explain(&self, error: &reqwest::Error) -> anyhow::Error {
        let base = self.base.as_str().trim_end_matches('/');
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let said = if error.is_connect() {
            format!(
                "is `regledger serve` running at {base}? ({cause}) Another address is set by --url or REGLEDGER_URL"
            )
        } else if error.is_timeout() {
            format!("{base} did not answer in {} s", DEADLINE.as_secs())
        } else {
            format!("the connection to {base} broke: {cause}")
        };
        NoAnswer { said, may_have_arrived: !error.is_connect() && !error.is_builder() }.into()
    }
}

/// How HTTP is spoken to a server: no redirects, which could carry a token elsewhere, and no proxy to this machine.
pub fn builder(base: &Url) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("regledger/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT);
    match base.host_str() {
        Some("localhost" | "127.0.0.1" | "[::1]") => builder.no_proxy(),
        _ => builder,
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Whether a write may have been done although nobody said so.
fn is_unknown(error: &anyhow::Error) -> bool {
    let timed_out = |problem: &Problem| problem.status == StatusCode::GATEWAY_TIMEOUT.as_u16();
    error.downcast_ref().is_some_and(timed_out)
        || error.downcast_ref().is_some_and(|none: &NoAnswer| none.may_have_arrived)
}

/// Reads an answer, or the part of one that matters.
pub fn read<'a, T: Deserialize<'a>>(json: &'a RawValue) -> anyhow::Result<T> {
    serde_json::from_str(json.get()).context(UNEXPECTED)
}

/// The members of an object as parameters: what is null is left out, a list repeats its name.
fn pairs(query: &Value) -> Vec<(&str, String)> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let words = |value: &Value| match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(word).collect(),
        one => vec![word(one)],
    };
    let members = query.as_object().into_iter().flatten();
    members.flat_map(|(name, value)| words(value).into_iter().map(move |word| (name.as_str(), word))).collect()
}

/// `/v1/clients/ID/reveal`. A name or id is one segment: whatever it holds, it names nothing else.
pub fn path(noun: &str, id: &str, verb: &str) -> String {
    let segment: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("/v1/{noun}/{}{verb}", segment.replace('+', "%20"))
}

#[cfg(test)]
mod tests;
