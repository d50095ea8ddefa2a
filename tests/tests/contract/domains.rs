//! Domains: what they own is hidden when they are deleted, and another of their name owns nothing of it.

use acceptance::sse::Stream;
use acceptance::{Client, Options, Server, eventually, notice};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const NONE: Value = Value::Null;

/// A server that purges what is deleted as soon as it can.
fn forgetful() -> Server {
    Server::start_with(&Options { arguments: &["--directory-retention-days", "0"], ..Options::default() })
}

/// A domain with something of everything: the hookup URL of its integration, and its token.
async fn domain(admin: &Client, name: &str, integration: &str) -> (String, Client) {
    admin.post("/v1/domains", &json!({"name": name})).await;
    let spec = json!({"name": integration, "domain": name, "source": "provet", "notify": {"kind": "hookup"}});
    let hookup = admin.post("/v1/integrations", &spec).await["hookup_url"].as_str().unwrap().to_owned();
    let receipt = admin.notify(&hookup, &notice(1)).await;
    admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    admin.try_notify(&hookup, "{}").await;
    admin.post("/v1/users", &json!({"domain": name, "name": "ann"})).await;
    let scopes = ["admin", "clients:read", "changes:read"];
    let token = admin.post("/v1/tokens", &json!({"name": "t", "scopes": scopes, "domain": name})).await;
    (hookup, Client::new(&admin.url, token["token"].as_str().unwrap()))
}

async fn names(client: &Client, path: &str, pointer: &str) -> Vec<Value> {
    let page = client.get(path).await;
    page["items"].as_array().unwrap().iter().map(|item| item.pointer(pointer).unwrap().clone()).collect()
}

#[tokio::test]
async fn a_deleted_domain_takes_with_it_what_it_owns_and_nothing_else() {
    let server = Server::start();
    let admin = server.admin();
    let (hookup, limited) = domain(&admin, "acme", "acme-lab").await;
    let (other, kept) = domain(&admin, "other", "other-lab").await;
    let client = limited.get("/v1/clients").await["items"][0]["id"].as_str().unwrap().to_owned();
    let (status, _) = admin.send(Method::DELETE, "/v1/domains/acme", &json!({})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);

    assert_eq!(admin.try_notify(&hookup, notice(1).to_string()).await.0, 404);
    assert_eq!(limited.try_get("/v1/clients").await.0, 401);
    for path in [
        "/v1/integrations/acme-lab".to_owned(),
        format!("/v1/clients/{client}"),
        format!("/v1/clients/{client}/changes"),
    ] {
        assert_eq!(admin.try_get(&path).await.0, 404, "{path}");
    }
    for (path, pointer) in [
        ("/v1/integrations", "/domain"),
        ("/v1/clients", "/domain"),
        ("/v1/clients?as_of=0:999", "/domain"),
        ("/v1/users", "/domain"),
    ] {
        assert_eq!(names(&admin, path, pointer).await, ["other"], "{path}");
    }
    assert_eq!(names(&admin, "/v1/quarantine", "/integration").await, ["other-lab"]);
    assert!(names(&admin, "/v1/tokens", "/domain").await.iter().all(|domain| domain != "acme"));
    for (path, body) in [
        ("/v1/users", json!({"domain": "acme", "name": "bob"})),
        ("/v1/integrations", json!({"name": "x", "domain": "acme", "source": "provet", "notify": {"kind": "hookup"}})),
        ("/v1/tokens", json!({"name": "t", "scopes": ["admin"], "domain": "acme"})),
        ("/v1/domains", json!({"name": "acme"})),
    ] {
        let (status, problem) = admin.try_post(path, &body).await;
        assert_eq!(status, 409, "{path}: {problem}");
    }
    let deleted = admin.get("/v1/domains/acme").await;
    assert_eq!(deleted["state"], "deleted");
    assert!(deleted["purge_after"].as_str() > deleted["deleted_time"].as_str(), "{deleted}");

    let receipt = admin.notify(&other, &notice(2)).await;
    let page = kept.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2, "the other domain goes on: {page}");
    let snapshot = changes(&admin, "domain.*").await;
    let told: Vec<_> = snapshot.iter().map(|change| (&change["subject"], &change["type"])).collect();
    assert_eq!(told.last().unwrap(), &(&json!("acme"), &json!("regledger.domain.deleted.v1")), "one change");
    assert!(changes(&admin, "user.*").await.iter().all(|change| change["type"] == "regledger.user.created.v1"));
}

async fn changes(client: &Client, types: &str) -> Vec<Value> {
    let page = client.get(&format!("/v1/changes?type={types}")).await;
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_domain_made_again_owns_nothing_of_the_one_before() {
    let server = forgetful();
    let admin = server.admin();
    let (hookup, before) = domain(&admin, "acme", "acme-lab").await;
    admin.send(Method::DELETE, "/v1/domains/acme", &json!({})).await;
    let made = eventually("the name is free", async || {
        let (status, made) = admin.try_post("/v1/domains", &json!({"name": "acme"})).await;
        (status == 201).then_some(made)
    })
    .await;
    let spec = json!({"name": "t", "scopes": ["admin", "changes:read", "clients:read"], "domain": "acme"});
    let token = admin.post("/v1/tokens", &spec).await;
    let now = Client::new(&server.url, token["token"].as_str().unwrap());
    assert_eq!(before.try_get("/v1/clients").await.0, 401, "an old token stays refused");
    assert_eq!(admin.try_notify(&hookup, notice(1).to_string()).await.0, 404);
    for path in ["/v1/integrations", "/v1/clients", "/v1/users", "/v1/users?state=purged", "/v1/changes?type=user.*"] {
        assert_eq!(now.get(path).await["items"], json!([]), "{path}");
    }
    let told = changes(&now, "domain.*").await;
    let ids: Vec<_> = told.iter().map(|change| &change["data"]["domain"]["id"]).collect();
    assert_eq!(ids, [&made["id"]], "it hears of itself, and not of the one before");
    admin.post("/v1/users", &json!({"domain": "acme", "name": "ann"})).await;
    assert_eq!(names(&now, "/v1/users", "/name").await, ["ann"]);
}

#[tokio::test]
async fn a_stream_of_a_deleted_domains_token_ends_and_a_snapshot_leaves_its_clients_out() {
    let server = Server::start();
    let admin = server.admin();
    let (_, limited) = domain(&admin, "acme", "acme-lab").await;
    domain(&admin, "other", "other-lab").await;
    let mut stream = Stream::open(&limited, "").await;
    let mut frames = vec![stream.next_named("client.registered").await, stream.next_named("user.created").await];
    admin.send(Method::DELETE, "/v1/domains/acme", &json!({})).await;
    while let Some(frame) = stream.next().await {
        frames.push(frame);
    }
    assert!(frames.iter().all(|frame| !frame.data.contains("other")), "{frames:?}");
    let mut stream = Stream::open(&admin, "from=snapshot").await;
    let row = stream.next_named("snapshot").await;
    assert_eq!(row.json()["integration"], "other-lab");
    let next = stream.next().await.expect("it goes on");
    assert_eq!(next.event, "bookmark", "one row: {}", next.data);
}

#[tokio::test]
async fn default_stays_and_names_are_names() {
    let server = Server::start();
    let admin = server.admin();
    for (method, path, body, due) in [
        (Method::DELETE, "/v1/domains/default", NONE, 409),
        (Method::DELETE, "/v1/domains/nowhere", NONE, 404),
        (Method::GET, "/v1/domains/nowhere", NONE, 404),
        (Method::POST, "/v1/domains", json!({"name": "default"}), 409),
        (Method::POST, "/v1/domains", json!({"name": "Acme"}), 422),
        (Method::POST, "/v1/domains", json!({"name": "a/b"}), 422),
        (Method::POST, "/v1/domains", json!({}), 422),
        (Method::POST, "/v1/domains", json!({"name": "a", "colour": "blue"}), 422),
    ] {
        let (status, problem) = admin.send(method.clone(), path, &body).await;
        assert_eq!(status, due, "{method} {path} {body}: {problem}");
    }
    let only = admin.get("/v1/domains").await;
    assert_eq!((&only["items"][0]["name"], only["items"].as_array().unwrap().len()), (&json!("default"), 1));
}
