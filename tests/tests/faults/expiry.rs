//! Expiry: a quarantined message can be read for thirty days, and then by nobody.

use std::fs;
use std::path::Path;

use acceptance::{Client, Options, Server, eventually};
use rusqlite::Connection;
use serde_json::json;

use crate::hub::{Hub, answers};

/// The wrapped key of a message; none once it is destroyed.
fn key_of(data: &Path, message: &str) -> Vec<u8> {
    let keys = Connection::open(data.join("keys.db")).unwrap();
    keys.query_row("SELECT wrapped FROM data_key WHERE name = ?1", [message], |row| row.get(0)).unwrap()
}

/// Lets thirty days pass for a message: its key says that it was to be destroyed yesterday.
fn let_time_pass(data: &Path, message: &str) {
    let keys = Connection::open(data.join("keys.db")).unwrap();
    let sql = "UPDATE data_key SET expires = CAST(1000 * (unixepoch() - 86400) AS INTEGER) WHERE name = ?1";
    assert_eq!(keys.execute(sql, [message]).unwrap(), 1);
}

fn is_in_a_file(data: &Path, bytes: &[u8]) -> bool {
    let files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| fs::read(path).unwrap()).any(|file| file.windows(bytes.len()).any(|part| part == bytes))
}

async fn refused(hub: &Hub, body: &'static str) -> String {
    let (_, problem) = hub.admin.try_notify(&hub.hookup, body).await;
    let message = problem["quarantine_id"].as_str().unwrap().to_owned();
    answers(&hub.admin, &format!("/v1/quarantine/{message}")).await;
    message
}

async fn act(admin: &Client, message: &str, verb: &str) -> (u16, serde_json::Value) {
    let (status, answer) =
        admin.try_post(&format!("/v1/quarantine/{message}/{verb}"), &json!({"reason": "a test"})).await;
    (status.as_u16(), answer)
}

#[tokio::test]
async fn a_running_process_destroys_the_key_of_a_message_whose_time_has_come() {
    let hub = Hub::start().await;
    let (old, young) = (refused(&hub, "{\"old\":1}").await, refused(&hub, "{\"young\":1}").await);
    assert_eq!(act(&hub.admin, &old, "reveal").await, (200, json!({"body": "{\"old\":1}"})));
    let (status, data, _own) = hub.server.stop();
    assert!(status.success());
    let key = key_of(&data, &old);
    let_time_pass(&data, &old);
    assert!(is_in_a_file(&data, &key));

    let server = Server::start_in(&data, &Options::default());
    let admin = server.admin();
    let gone = eventually("the key is destroyed", async || {
        let (status, problem) = act(&admin, &old, "reveal").await;
        (status == 410).then_some(problem)
    })
    .await;
    assert_eq!(gone["type"], "urn:regledger:problem:key-destroyed");
    eventually("its bytes are overwritten", async || (!is_in_a_file(&data, &key)).then_some(())).await;
    assert_eq!(act(&admin, &old, "release").await.0, 410, "nobody can release it either");
    assert_eq!(act(&admin, &young, "reveal").await, (200, json!({"body": "{\"young\":1}"})), "others are others");
}
