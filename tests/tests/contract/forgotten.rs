//! What is deleted takes its keys with it: nobody can read where a subscription led, in any copy of the ledger.

use std::path::Path;
use std::process::Command;

use acceptance::{Client, Options, Server, eventually, regledger};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

/// The kinds of subjects that keys belong to, without those of the hub itself.
fn subjects(data: &Path) -> Vec<String> {
    let database = Connection::open(data.join("keys.db")).unwrap();
    let mut found = database.prepare("SELECT DISTINCT kind FROM data_key ORDER BY kind").unwrap();
    found.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn subscribe(admin: &Client, name: &str, domain: Option<&str>) {
    let asked = json!({"name": name, "domain": domain, "url": "https://hooks.example.com/canary"});
    admin.post("/v1/subscriptions", &asked).await;
}

async fn integrate(admin: &Client, name: &str, domain: &str) {
    let notify = json!({"kind": "email", "address": "ann@example.com"});
    admin
        .post("/v1/integrations", &json!({"name": name, "source": "provet", "domain": domain, "notify": notify}))
        .await;
}

async fn delete(admin: &Client, path: &str) {
    assert_eq!(admin.send(Method::DELETE, path, &json!({})).await.0, 204, "{path}");
}

async fn keys_are_gone(server: &Server) {
    eventually("the keys are gone", async || {
        let left = subjects(&server.data_dir);
        left.iter().all(|kind| !matches!(kind.as_str(), "subscription" | "integration")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_keys_of_what_is_deleted_are_destroyed_and_the_hub_is_folded_anew() {
    let options = Options { arguments: &["--directory-retention-days", "0"], ..Options::default() };
    let server = Server::start_with(&options);
    let admin = server.admin();
    admin.post("/v1/domains", &json!({"name": "acme"})).await;
    subscribe(&admin, "hub", None).await;
    subscribe(&admin, "owned", Some("acme")).await;
    integrate(&admin, "acme-lab", "acme").await;
    integrate(&admin, "other-lab", "default").await;
    assert_eq!(admin.try_post("/v1/subscriptions", &json!({"name": "hub", "address": "a@example.com"})).await.0, 409);
    assert_eq!(subjects(&server.data_dir), ["integration", "subscription"]);
    for path in ["/v1/subscriptions/hub", "/v1/integrations/other-lab", "/v1/domains/acme"] {
        delete(&admin, path).await;
    }
    keys_are_gone(&server).await;
    subscribe(&admin, "hub", None).await;

    let (_, data, _own) = server.stop();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    let server = Server::start_in(&data, &options);
    let admin = server.admin();
    let shown = eventually("the subscription of now", async || {
        let (status, shown) = admin.try_get("/v1/subscriptions/hub").await;
        status.is_success().then_some(shown)
    })
    .await;
    assert_eq!(shown["url"], "https://hooks.example.com/canary");
    is_restored(&server);
}

/// A backup is checked to have every key that it should have, and no more are asked of it.
fn is_restored(server: &Server) {
    let into = tempfile::TempDir::new().unwrap();
    let backup = into.path().join("backup");
    let made = server.command(&["backup", backup.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let restored = into.path().join("restored");
    let kek = server.data_dir.join("kek");
    let mut command: Command = regledger(&["restore", backup.to_str().unwrap(), "--output", "json"]);
    command.arg("--data-dir").arg(&restored).arg("--kek-file").arg(&kek);
    let said = command.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert!(said["expired"].as_u64().unwrap() >= 4, "{said}");
}

#[tokio::test]
async fn what_can_still_be_in_a_backup_of_the_ledger_keeps_its_keys_for_a_while() {
    let server = Server::start();
    let admin = server.admin();
    subscribe(&admin, "hub", None).await;
    delete(&admin, "/v1/subscriptions/hub").await;
    let gone = admin.post("/v1/users", &json!({"name": "ann"})).await;
    delete(&admin, &format!("/v1/users/{}", gone["id"].as_str().unwrap())).await;
    assert_eq!(subjects(&server.data_dir), ["subscription", "user"]);
}
