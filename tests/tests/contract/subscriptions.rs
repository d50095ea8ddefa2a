//! Subscriptions: made, changed, paused and resumed, and their secrets shown once.

use acceptance::{Client, Server};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stream::read_pages;

const URL: &str = "https://hooks.example.com/services/T0/canary-path?token=canary-query";

async fn with_key(admin: &Client, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
    let request = admin.request(Method::POST, path).header("idempotency-key", key).json(body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_subscription_is_made_changed_paused_resumed_and_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.post("/v1/subscriptions", &json!({"name": "acme", "url": URL, "types": ["client.*"]})).await;
    assert_eq!(
        (&made["kind"], &made["state"], &made["signature"]),
        (&"webhook".into(), &"active".into(), &"v1".into())
    );
    assert_eq!((&made["url"], &made["origin"]), (&URL.into(), &"https://hooks.example.com".into()));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = "/v1/subscriptions/acme";
    assert_eq!(admin.get(path).await["url"], URL);
    let by_id = format!("/v1/subscriptions/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.get(&by_id).await, admin.get(path).await);
    assert!(admin.get(path).await.get("secret").is_none(), "shown once");

    let other = json!({"url": "https://hooks.example.org/", "tenants": ["provetcloud.com/1"]});
    let (_, changed) = admin.send(Method::PATCH, path, &other).await;
    assert_eq!((&changed["url"], &changed["types"]), (&other["url"], &json!(["client.*"])), "what is not named stays");
    let paused = admin.post(&format!("{path}/pause"), &json!({})).await;
    assert_eq!((&paused["state"], &paused["paused"]["reason"]), (&"paused".into(), &"by-hand".into()));
    let resumed = admin.post(&format!("{path}/resume"), &json!({"from": "beginning"})).await;
    assert_eq!((&resumed["state"], &resumed["paused"]), (&"active".into(), &Value::Null));
    assert_eq!(admin.get("/v1/subscriptions").await["items"].as_array().unwrap().len(), 1);
    admin.send(Method::DELETE, path, &json!({})).await;
    assert_eq!(admin.try_get(path).await.0, StatusCode::NOT_FOUND);
    let again = admin.post("/v1/subscriptions", &json!({"name": "acme", "url": URL})).await;
    assert_ne!(again["id"], made["id"], "a name can be used again, an id cannot");

    let kinds: Vec<_> = read_pages(&admin, "/v1/changes?type=subscription.*").await;
    let kinds: Vec<_> =
        kinds.iter().map(|change| change["type"].as_str().unwrap().split('.').nth(2).unwrap()).collect();
    assert_eq!(kinds, ["created", "updated", "paused", "resumed", "deleted", "created"]);
}

#[tokio::test]
async fn the_secret_is_shown_once_and_a_rotation_makes_another() {
    let server = Server::start();
    let admin = server.admin();
    let asked = json!({"name": "acme", "url": URL, "signature": "both"});
    let (status, first) = with_key(&admin, "/v1/subscriptions", "k1", &asked).await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, again) = with_key(&admin, "/v1/subscriptions", "k1", &asked).await;
    assert_eq!(again["id"], first["id"]);
    assert_eq!((again.get("secret"), &again["secret_shown"]), (None, &json!(true)));
    let (status, _) =
        with_key(&admin, "/v1/subscriptions", "k1", &json!({"name": "acme", "url": "https://a.example/"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "another URL is another request");
    assert_eq!(first["public_keys"].as_array().unwrap().len(), 1);

    let rotated = admin.post("/v1/subscriptions/acme/rotate-secret", &json!({"grace_seconds": 60})).await;
    assert_ne!(rotated["secret"], first["secret"]);
    assert_eq!(rotated["public_keys"][1], first["public_keys"][0], "the old key stays valid for a while");
    let rotated =
        admin.post("/v1/subscriptions/acme/rotate-secret", &json!({"grace_seconds": 0, "signature": "v1a"})).await;
    assert_eq!(rotated.get("secret"), None);
    assert_eq!(rotated["public_keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_may_not_be_called_is_refused_when_it_is_configured() {
    let server = Server::start();
    let admin = server.admin();
    for url in
        ["http://127.0.0.1:9000/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/", "http://u:p@example.com/"]
    {
        let asked = json!({"name": "acme", "url": url});
        let request = admin.request(Method::POST, "/v1/subscriptions").json(&asked);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{url}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{problem}");
        assert!(!problem.to_string().contains(url), "{problem}");
    }
}

#[tokio::test]
async fn neither_where_a_subscription_leads_nor_its_keys_stand_anywhere_in_clear() {
    let mut server = Server::start();
    let admin = server.admin();
    let made = admin.post("/v1/subscriptions", &json!({"name": "acme", "url": URL, "signature": "both"})).await;
    admin.post("/v1/subscriptions", &json!({"name": "office", "address": "canary-mailbox@example.com"})).await;
    let rotated = admin.post("/v1/subscriptions/acme/rotate-secret", &json!({})).await;
    let secret = |answer: &Value| answer["secret"].as_str().unwrap().trim_start_matches("whsec_").to_owned();
    let mut canaries = vec![secret(&made), secret(&rotated)];
    canaries.extend(["canary-path", "canary-query", "canary-mailbox"].map(str::to_owned));
    let changes = read_pages(&admin, "/v1/changes").await;
    let events = admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    let told = format!("{} {events}", json!(changes));
    let data_dir = server.data_dir.clone();
    let files: Vec<_> = std::fs::read_dir(&data_dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("deliveries.db")));
    let log = server.whole_log();
    for canary in &canaries {
        assert!(!told.contains(canary.as_str()), "{canary}");
        assert!(!log.contains(canary.as_str()), "{canary} is logged");
        for file in &files {
            let bytes = std::fs::read(file).unwrap_or_default();
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is in {}", file.display());
        }
    }
}
