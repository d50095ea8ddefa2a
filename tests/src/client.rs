//! An HTTP client with an access token.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// Asks a server in the name of an access token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Where the server is reached.
    pub url: String,
    /// The access token.
    pub token: String,
}

impl Client {
    /// A client with a token.
    pub fn new(url: &str, token: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned(), token: token.to_owned() }
    }

    /// A request to a path, or to a whole URL.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.http.request(method, url).bearer_auth(&self.token)
    }

    /// GET; status and JSON.
    pub async fn try_get(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::GET, path).header("accept", "application/json").send().await.unwrap()).await
    }

    /// GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        succeeded(path, self.try_get(path).await)
    }

    /// POST; status and JSON.
    pub async fn try_post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.request(Method::POST, path).json(body).send().await.unwrap()).await
    }

    /// POST that must succeed.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        succeeded(path, self.try_post(path, body).await)
    }

    /// Any method; status and JSON.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        read(self.request(method, path).json(body).send().await.unwrap()).await
    }

    /// Makes an integration; its hookup URL.
    pub async fn integration(&self, name: &str) -> String {
        let asked = json!({"name": name, "source": "provet", "notify": {"kind": "hookup"}});
        let made = self.post("/v1/integrations", &asked).await;
        made["hookup_url"].as_str().unwrap().to_owned()
    }

    /// Makes an integration of an ISL system; the URLs of its HTTP events and of its JWT webhook.
    pub async fn isl_integration(&self, name: &str, more: Value) -> (String, String) {
        let mut asked = json!({"name": name, "source": "isl", "notify": {"kind": "hookup"}});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.post("/v1/integrations", &asked).await;
        let url = |name: &str| made[name].as_str().unwrap().to_owned();
        (url("events_url"), url("jwt_url"))
    }

    /// Posts bytes as ISL Conference Proxy would; status, media type and answer.
    pub async fn post_form(&self, url: &str, form: impl Into<reqwest::Body>) -> (StatusCode, String, String) {
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let media_type = headers.get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
        (status, media_type, answer.text().await.unwrap())
    }

    /// Posts a notice to a hookup URL as the source would; the receipt.
    pub async fn notify(&self, hookup: &str, notice: &Value) -> Value {
        succeeded(hookup, self.try_notify(hookup, notice.to_string()).await)
    }

    /// Posts bytes to a hookup URL; status and answer.
    pub async fn try_notify(&self, hookup: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let request = self.http.post(hookup).header("content-type", "application/json").body(body);
        read(request.send().await.unwrap()).await
    }

    /// `min_position` of a receipt, for reads that must see it.
    pub fn place(receipt: &Value) -> String {
        format!("{}:{}", receipt["partition"], receipt["position"])
    }
}

fn succeeded(path: &str, (status, value): (StatusCode, Value)) -> Value {
    assert!(status.is_success(), "{path}: {status} {value}");
    value
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
