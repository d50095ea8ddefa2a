//! Growing: an embedded ledger goes on in Kafka, with its client table in PostgreSQL.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use acceptance::{Client, Kafka, Options, Postgres, Server, eventually, notice, regledger};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hub::Hub;

/// What an embedded server left behind.
struct Old {
    dir: TempDir,
    hookup: String,
    token: String,
    cursor: String,
    clients: Vec<Value>,
}

impl Old {
    /// A server with a user and with what is left of another, that had notices of so many tenants, one of them retired, and a message in quarantine; exported and stopped.
    async fn new(tenants: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let options = Options { arguments: &["--directory-retention-days", "0"], ..Options::default() };
        let Hub { server, admin, hookup, .. } = Hub::of(Server::start_in(&dir.path().join("data"), &options)).await;
        users(&admin).await;
        for tenant in 1..=tenants {
            admin.notify(&hookup, &notice(tenant)).await;
        }
        let (status, _) = admin.try_notify(&hookup, "{\"not\": \"a registration\"}").await;
        assert_eq!(status, 422);
        let mut update = notice(1);
        update["departments"] = json!([3, 9]);
        let place = Client::place(&admin.notify(&hookup, &update).await);
        let all = clients(&admin, &place).await;
        let retired = all[1]["id"].as_str().unwrap();
        let said = server.command(&["client", "retire", retired]).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let clients = clients(&admin, &place).await;
        assert_eq!(clients[1]["state"], "retired");
        let cursor = admin.get("/v1/changes?limit=1000").await["cursor"].as_str().unwrap().to_owned();
        let file = dir.path().join("events.ndjson");
        let exported = server.command(&["event", "export", file.to_str().unwrap()]).output().unwrap();
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        assert!(server.stop().0.success());
        Self { dir, hookup, token: admin.token, cursor, clients }
    }

    fn import(&self, arguments: &[&str]) -> Command {
        let data = self.dir.path().join("data");
        let mut command = regledger(&["event", "import", "--output", "json"]);
        command.arg(self.dir.path().join("events.ndjson")).arg("--keys").arg(data.join("keys.db"));
        command.arg("--kek-file").arg(data.join("kek")).args(arguments);
        command
    }

    /// The hookup URL, where another server is reached.
    fn hookup_at(&self, server: &Server) -> String {
        let path = self.hookup.split_once("/hookup/").unwrap().1;
        format!("{}/hookup/{path}", server.url)
    }
}

/// A user who stays, and one who is purged.
async fn users(admin: &Client) {
    let spec = json!({"name": "Ann", "email": "ann@example.com", "password": "a test of it"});
    admin.post("/v1/users", &spec).await;
    let gone = admin.post("/v1/users", &json!({"name": "bob"})).await;
    let path = format!("/v1/users/{}", gone["id"].as_str().unwrap());
    admin.send(Method::DELETE, &path, &json!({})).await;
    eventually("the user is purged", async || (admin.get(&path).await["state"] == "purged").then_some(())).await;
}

/// The client table, without what follows from places.
async fn clients(admin: &Client, place: &str) -> Vec<Value> {
    let page = admin.get(&format!("/v1/clients?limit=1000&min_position={place}")).await;
    let mut clients = page["items"].as_array().unwrap().clone();
    for client in &mut clients {
        client.as_object_mut().unwrap().retain(|name, _| name != "partition" && name != "position");
    }
    clients.sort_by_key(|client| client["provet_id"].as_u64());
    clients
}

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn goes_on_as_it_was(old: &Old, server: &Server) {
    let admin = Client::new(&server.url, &old.token);
    let as_it_was = eventually("the client table", async || {
        let found = clients(&admin, "0:0").await;
        (found.len() == old.clients.len() && found == old.clients).then_some(found)
    });
    for client in as_it_was.await {
        let id = client["id"].as_str().unwrap();
        let shown = admin.post(&format!("/v1/clients/{id}/reveal"), &json!({"reason": "after the import"})).await;
        assert_eq!(shown["client_secret"], notice(client["provet_id"].as_u64().unwrap())["client_secret"]);
    }
    let (status, problem) = admin.try_get(&format!("/v1/changes?after={}", old.cursor)).await;
    assert_eq!(status, 410, "{problem}");
    let held = admin.get("/v1/quarantine?state=held").await;
    assert_eq!(held["items"].as_array().unwrap().len(), 1, "{held}");

    let users = admin.get("/v1/users").await;
    let known: Vec<_> = users["items"].as_array().unwrap().iter().map(|user| (&user["name"], &user["email"])).collect();
    assert_eq!(known, [(&json!("Ann"), &json!("ann@example.com"))], "names open, and who was purged stays so");
    assert_eq!(admin.try_post("/v1/users", &json!({"name": "ANN"})).await.0, 409, "names are taken as they were");

    let place = Client::place(&admin.notify(&old.hookup_at(server), &notice(999)).await);
    let now = clients(&admin, &place).await;
    assert_eq!(now.len(), old.clients.len() + 1, "the old hookup URL still works");
    let again = Client::place(&admin.notify(&old.hookup_at(server), &notice(3)).await);
    assert_eq!(
        clients(&admin, &again).await,
        now,
        "a repeated notice still changes nothing: fingerprints are as they were"
    );
}

#[tokio::test]
async fn an_embedded_ledger_goes_on_in_kafka_and_postgres() {
    let (kafka, postgres) = (Kafka::shared(), Postgres::shared());
    let old = Old::new(20).await;
    let new = old.dir.path().join("new");
    let ledger = format!("kafka://{}/growing.events", kafka.bootstrap_servers());
    let state = postgres.database();
    let data_dir = new.to_str().unwrap();
    let to = ["--ledger", &ledger, "--state", &state, "--partitions", "4", "--data-dir", data_dir];
    let done = summary(&old.import(&to).output().unwrap());
    assert_eq!(done["clients"], 20, "{done}");
    // those of the notices and the message in quarantine, and what is personal about a user
    assert_eq!((&done["secrets"], &done["destroyed"]), (&json!(25), &json!(1)), "{done}");

    let kek = old.dir.path().join("data/kek");
    let arguments = ["--ledger", &ledger, "--state", &state, "--partitions", "4", "--kek-file", kek.to_str().unwrap()];
    let server = Server::start_in(&new, &Options { arguments: &arguments, ..Options::default() });
    goes_on_as_it_was(&old, &server).await;
    let refused = old.import(&to).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("came after the import"), "{said}");
}

#[tokio::test]
async fn an_import_that_was_killed_goes_on_where_it_was() {
    let old = Old::new(20).await;
    let new = old.dir.path().join("new");
    let to = ["--data-dir", new.to_str().unwrap()];
    let mut killed = old.import(&to).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the ledger", async || has_something(&new.join("ledger.db")).then_some(())).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let done = summary(&old.import(&to).output().unwrap());
    assert_eq!(done["clients"], 20, "{done}");
    let kek = old.dir.path().join("data/kek");
    let arguments = ["--kek-file", kek.to_str().unwrap()];
    let server = Server::start_in(&new, &Options { arguments: &arguments, ..Options::default() });
    goes_on_as_it_was(&old, &server).await;
}

fn has_something(file: &Path) -> bool {
    file.metadata().is_ok_and(|file| file.len() > 0)
}
