//! `event replay`: what the ledger says, folded anew by an auditor, is what the service told.

use std::path::Path;
use std::process::Output;

use acceptance::{Client, Server, notice, regledger};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server whose ledger has events of many kinds: a department enabled and disabled, a retired client, a message in
/// quarantine, an integration that was deleted, a domain with users that was, too.
async fn server() -> Server {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    for (id, department) in [(1, 3), (2, 4), (2, 4), (3, 5)] {
        let mut notice = notice(id);
        notice["added_department"] = json!(department);
        admin.notify(&hookup, &notice).await;
    }
    let mut removed = notice(1);
    removed["removed_department"] = json!(3);
    admin.notify(&hookup, &removed).await;
    admin.try_notify(&hookup, "{}").await;
    let receipt = admin.notify(&hookup, &notice(4)).await;
    let page = admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    let id = page["items"][3]["id"].as_str().unwrap();
    admin.post(&format!("/v1/clients/{id}/retire"), &json!({})).await;
    admin.integration("gone").await;
    admin.send(reqwest::Method::DELETE, "/v1/integrations/gone", &json!({})).await;
    admin.post("/v1/domains", &json!({"name": "acme"})).await;
    let spec = json!({"name": "acme-pay", "source": "provet", "domain": "acme", "notify": {"kind": "hookup"}});
    let hookup = admin.post("/v1/integrations", &spec).await["hookup_url"].as_str().unwrap().to_owned();
    admin.notify(&hookup, &notice(9)).await;
    for name in ["ann", "bob"] {
        let made = admin.post("/v1/users", &json!({"name": name, "domain": "acme", "password": "a test of it"})).await;
        let path = format!("/v1/users/{}", made["id"].as_str().unwrap());
        admin.send(reqwest::Method::PATCH, &path, &json!({"name": format!("{name}-too")})).await;
        admin.send(reqwest::Method::DELETE, &path, &json!({})).await;
        admin.post(&format!("{path}/undelete"), &json!({})).await;
    }
    admin.send(reqwest::Method::DELETE, "/v1/domains/acme", &json!({})).await;
    server
}

fn run(server: &Server, arguments: &[&str]) -> Output {
    server.command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

/// Exports the ledger; gives the path of the file.
fn export(server: &Server, dir: &TempDir) -> String {
    let path = dir.path().join("events.ndjson").display().to_string();
    assert!(run(server, &["event", "export", &path]).status.success());
    path
}

async fn stream(admin: &Client) -> Vec<Value> {
    admin.get("/v1/changes?limit=1000").await["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_replay_is_the_stream_that_the_service_told() {
    let server = server().await;
    let told: Vec<String> = stream(&server.admin()).await.iter().map(Value::to_string).collect();
    assert!(told.len() > 10, "{told:?}");
    let dir = TempDir::new().unwrap();
    let file = export(&server, &dir);
    // Nobody is asked: there is no server at this address, and no token.
    let offline = regledger(&["event", "replay", &file, "--output", "json", "--url", "http://127.0.0.1:9"]).output();
    for replayed in [run(&server, &["event", "replay", "--check", "--output", "json"]), offline.unwrap()] {
        let (said, summary) = (text(&replayed.stdout), text(&replayed.stderr));
        assert!(replayed.status.success(), "{summary}");
        let said: Vec<String> =
            said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap().to_string()).collect();
        assert_eq!(said, told);
        let expected = format!("changes: {}; clients: 3 active, 1 inactive, 1 retired", told.len());
        assert!(summary.contains(&expected), "{summary}");
    }
}

#[tokio::test]
async fn a_replay_ends_where_it_is_told_to() {
    let server = server().await;
    let replayed = run(&server, &["event", "replay", "--until", "0:2", "--output", "json"]);
    let changes = text(&replayed.stdout);
    let last: Value = serde_json::from_str(changes.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "regledger.integration.created.v1");
    assert!(text(&replayed.stderr).contains("events: 3; changes: 2; clients: none"));
    let nonsense = run(&server, &["event", "replay", "--partition", "0", "--until", "1:2"]);
    assert_eq!(nonsense.status.code(), Some(2));
}

/// Replaces a text in a line of a file.
fn tamper(file: &Path, line: usize, from: &str, to: &str) {
    let content = std::fs::read_to_string(file).unwrap();
    let lines = content.lines().enumerate().map(|(number, text)| {
        let changed = text.replace(from, to);
        assert!(number != line || changed != text, "{from} is not in {text}");
        if number == line { changed } else { text.to_owned() }
    });
    let lines: Vec<String> = lines.collect();
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}

#[tokio::test]
async fn an_export_that_was_tampered_with_is_found() {
    let server = server().await;
    for (line, from, to) in [
        (3, "client-1", "client-9"),
        (1, "\"admin\"", "\"events:read\""),
        (4, "\"specversion\":\"1.0\"", "\"specversion\":\"1.0"),
    ] {
        let dir = TempDir::new().unwrap();
        let file = export(&server, &dir);
        let sound = run(&server, &["event", "replay", &file, "--check"]);
        assert!(sound.status.success(), "{}", text(&sound.stderr));
        tamper(Path::new(&file), line, from, to);
        let found = run(&server, &["event", "replay", &file, "--check"]);
        assert_eq!(found.status.code(), Some(1), "line {line}");
        let said = text(&found.stderr);
        assert!(said.contains(&format!("position {line}")), "{said}");
    }
}

#[tokio::test]
async fn a_ledger_that_differs_from_what_was_told_is_found() {
    let server = server().await;
    let told = stream(&server.admin()).await.len().to_string();
    let (status, data, _own) = server.stop();
    assert!(status.success());
    // As if a service with an error had told something else.
    let state = rusqlite::Connection::open(data.join("state.db")).unwrap();
    let sql = "UPDATE change SET body = replace(body, '\"client-2\"', '\"client-X\"')";
    assert_eq!(state.execute(sql, []).unwrap().to_string(), told);
    drop(state);
    let server = Server::start_in(&data, &acceptance::Options::default());
    let found = run(&server, &["event", "replay", "--check"]);
    let said = text(&found.stderr);
    assert_eq!(found.status.code(), Some(1), "{said}");
    for expected in ["change 0 of 0:4 differs", "replayed", "client-2", "service", "client-X"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
