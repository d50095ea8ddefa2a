//! Access tokens: shown once, kept as hashes, given with no more than their maker has.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use acceptance::{Client, Server};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_is_shown_once() {
    let server = Server::start();
    let admin = server.admin();
    let asked = json!({"name": "reader", "scopes": ["clients:read"], "integrations": ["acme-lab"]});
    let made = admin.post("/v1/tokens", &asked).await;
    let secret = made["token"].as_str().unwrap();
    assert!(secret.len() > 43, "256 random bits");
    let id = made["id"].as_str().unwrap();
    let shown = admin.get(&format!("/v1/tokens/{id}")).await;
    let listed = admin.get("/v1/tokens").await;
    for answer in [&shown, &listed] {
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
    let mut about = made.clone();
    about.as_object_mut().unwrap().remove("token");
    assert_eq!(shown, about);
    assert_eq!(listed["items"].as_array().unwrap().last(), Some(&about));
}

#[tokio::test]
async fn the_admin_token_is_for_its_owner_alone_and_stays_the_same() {
    let server = Server::start();
    let file = server.data_dir.join("admin-token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap();
    let (_, data, _own) = server.stop();
    let again = Server::start_in(&data, &acceptance::Options::default());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token);
    let tokens = again.admin().get("/v1/tokens").await;
    assert_eq!(tokens["items"].as_array().unwrap().len(), 1, "its event is appended once");
}

#[tokio::test]
async fn no_file_holds_a_token_or_a_hookup_key_but_the_admin_token_file() {
    let mut server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let made = admin.post("/v1/tokens", &json!({"name": "t", "scopes": ["admin"]})).await;
    let secrets = [
        admin.token.clone(),
        made["token"].as_str().unwrap().to_owned(),
        hookup.rsplit('/').next().unwrap().to_owned(),
    ];
    let running = holders_of(&server.data_dir, &secrets);
    let log = server.whole_log();
    assert!(secrets.iter().all(|secret| !log.contains(secret)), "nor a line of the log");
    for found in [running, holders_of(&server.data_dir, &secrets)] {
        assert_eq!(found, ["admin-token"]);
    }
}

fn holders_of(dir: &Path, secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(entry.path()).unwrap();
        let holds = |secret: &String| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        if secrets.iter().any(holds) {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.post("/v1/tokens", &json!({"name": "t", "scopes": ["admin"], "domain": "default"})).await;
    let limited = Client::new(&server.url, made["token"].as_str().unwrap());
    let cases: [(Value, u16); 5] = [
        (json!({"scopes": ["clients:read"], "domain": "default"}), 201),
        (json!({"scopes": ["clients:read"]}), 403),
        (json!({"scopes": ["clients:read"], "domain": "other"}), 403),
        (json!({"scopes": ["secrets:reveal"], "domain": "default"}), 403),
        (json!({"scopes": ["tokens:mint"], "domain": "default"}), 403),
    ];
    for (mut asked, due) in cases {
        asked["name"] = json!("t");
        let (status, answer) = limited.try_post("/v1/tokens", &asked).await;
        assert_eq!(status, due, "{asked}: {answer}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_refused_with_the_fields() {
    let server = Server::start();
    let cases = [
        (json!({"name": "", "scopes": ["admin"]}), "/name"),
        (json!({"name": "t", "scopes": []}), "/scopes"),
        (json!({"name": "t", "scopes": ["clients:write"]}), "/scopes"),
        (json!({"name": "t", "scopes": ["admin"], "domain": "No Name"}), "/domain"),
        (json!({"name": "t", "scopes": ["admin"], "integrations": ["ok", "-"]}), "/integrations/1"),
        (json!({"name": "t", "scopes": ["admin"], "expires_time": "tomorrow"}), "/expires_time"),
        (json!({"name": "t", "scopes": ["admin"], "colour": "red"}), ""),
    ];
    for (asked, pointer) in cases {
        let (status, problem) = server.admin().try_post("/v1/tokens", &asked).await;
        assert_eq!(status, 422, "{asked}: {problem}");
        let said = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(said.starts_with(pointer), "{asked}: {problem}");
    }
    let unknown = json!({"name": "t", "scopes": ["admin"], "domain": "nowhere"});
    assert_eq!(server.admin().try_post("/v1/tokens", &unknown).await.0, 409);
}

#[tokio::test]
async fn a_token_can_be_revoked_twice_and_stays_listed() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.post("/v1/tokens", &json!({"name": "t", "scopes": ["admin"]})).await;
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(admin.send(Method::DELETE, &path, &json!({})).await.0, 204);
    }
    assert!(admin.get(&path).await["revoked_time"].is_string());
    assert_eq!(admin.send(Method::DELETE, "/v1/tokens/unknown", &json!({})).await.0, 404);
}
