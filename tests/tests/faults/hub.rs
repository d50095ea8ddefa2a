//! A server with one integration, and the answers that it gives as they are on the wire.

use acceptance::{Client, Options, Server, eventually, notice};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

/// A server with an integration named `acme-lab`.
pub struct Hub {
    pub server: Server,
    pub admin: Client,
    pub hookup: String,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Hub {
    pub async fn start() -> Self {
        Self::start_with(&Options::default()).await
    }

    pub async fn start_with(options: &Options<'_>) -> Self {
        Self::of(Server::start_with(options)).await
    }

    pub async fn of(server: Server) -> Self {
        let admin = server.admin();
        let hookup = admin.integration("acme-lab").await;
        Self { server, admin, hookup }
    }

    /// Acknowledged notices of so many tenants, from a number on; their receipts.
    pub async fn acknowledged(&self, provet_ids: std::ops::Range<u64>) -> Vec<Value> {
        let mut receipts = Vec::new();
        for provet_id in provet_ids {
            receipts.push(self.admin.notify(&self.hookup, &notice(provet_id)).await);
        }
        receipts
    }

    /// The secret part of the hookup URL.
    pub fn key(&self) -> &str {
        self.hookup.rsplit('/').next().unwrap()
    }
}

/// Waits until a read succeeds, as one that must see a position does once that is projected.
pub async fn answers(admin: &Client, path: &str) {
    eventually(path, async || admin.try_get(path).await.0.is_success().then_some(())).await;
}

/// Posts bytes, with a media type or without any.
pub async fn post(http: &reqwest::Client, url: &str, media_type: Option<&[u8]>, body: Vec<u8>) -> Answer {
    let mut request = http.post(url).body(body);
    if let Some(media_type) = media_type {
        request = request.header(CONTENT_TYPE, HeaderValue::from_bytes(media_type).unwrap());
    }
    Answer::of(request.send().await.unwrap()).await
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The type of the problem, its common part left out; the media type if this is no problem.
    pub fn problem(&self) -> String {
        if self.header("content-type") != "application/problem+json" {
            return self.header("content-type").to_owned();
        }
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.strip_prefix("urn:regledger:problem:").unwrap_or(&kind).to_owned()
    }

    /// Where its violations are, sorted.
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let mut pointers: Vec<String> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect();
        pointers.sort_unstable();
        pointers
    }
}
