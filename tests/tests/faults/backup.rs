//! Backups under load, and restores that check before they replace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance::{Options, Server, regledger};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hub::Hub;
use crate::refused::copy;
use acceptance::audit;
use acceptance::load::Load;

#[tokio::test]
async fn a_backup_under_load_holds_everything_that_was_acknowledged_before_it() {
    let dir = TempDir::new().unwrap();
    let (receipts, backup) = (dir.path().join("receipts.ndjson"), dir.path().join("backup"));
    let hub = Hub::of(Server::start_in(&dir.path().join("data"), &Options::default())).await;
    let load = Load::start(&hub.hookup, &receipts);
    load.acknowledged(200).await;
    let before = load.receipts();
    let made = hub.server.command(&["backup", backup.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    load.acknowledged(50).await;
    load.stop();
    let originals = audit::events(&hub.admin).await;
    let kek = hub.server.data_dir.join("kek");

    let restored = dir.path().join("restored");
    let said = restore(&backup, &restored, &kek, &[]);
    assert_eq!(said.0, Some(0), "{}", said.1);
    let kek_file = kek.to_str().unwrap();
    let server = Server::start_in(&restored, &Options { arguments: &["--kek-file", kek_file], ..Options::default() });
    let (events, changes) = audit::everything_acknowledged_is_there(&server.admin(), &before).await;
    let (as_it_was, since) = events.split_at(events.len() - 2);
    assert_eq!(*as_it_was, originals[..as_it_was.len()], "the ledger is as it was");
    let since: Vec<Value> = since.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let since: Vec<&str> = since.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        since,
        ["regledger.ledger.restore.v1", "regledger.token.create.v1"],
        "a new era, and its own admin token"
    );
    assert!(changes.len() > before.len() / 4);
    everything_is_revealed(&server, &audit::clients(&server.admin()).await).await;
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_is_replaced() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let hub = Hub::of(Server::start_in(&data, &Options::default())).await;
    let receipts = hub.acknowledged(1..100).await;
    let backup = dir.path().join("backup");
    let made = hub.server.command(&["backup", backup.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let other = Server::start_in(&dir.path().join("other"), &Options::default());
    assert!(other.stop().0.success());

    let kek = data.join("kek");
    let (code, said) = restore(&backup, &data, &kek, &["--replace"]);
    assert!(code == Some(1) && said.contains("is in use by another regledger process"), "{code:?} {said}");
    assert!(hub.server.stop().0.success());
    let (code, said) = restore(&backup, &data, &kek, &[]);
    assert!(code == Some(1) && said.contains("holds a ledger already"), "{code:?} {said}");

    let before = contents(&data);
    for (name, harm, expected) in harms(&dir.path().join("other")) {
        let damaged = dir.path().join("damaged");
        copy(&backup, &damaged);
        harm(&damaged);
        let (code, said) = restore(&damaged, &data, &kek, &["--replace"]);
        assert!(code == Some(1) && said.contains(expected), "{name}: {code:?} {said}");
        assert!(contents(&data) == before, "{name}: something was replaced");
        fs::remove_dir_all(damaged).unwrap();
    }
    let (code, said) = restore(&backup, &data, &dir.path().join("other/kek"), &["--replace"]);
    assert!(code == Some(1) && said.contains("another key-encryption key"), "{code:?} {said}");
    assert!(contents(&data) == before, "something was replaced");

    let (code, said) = restore(&backup, &data, &kek, &["--replace"]);
    assert_eq!(code, Some(0), "{said}");
    let server = Server::start_in(&data, &Options::default());
    audit::everything_acknowledged_is_there(&server.admin(), &receipts).await;
    everything_is_revealed(&server, &audit::clients(&server.admin()).await[..5]).await;
}

type Harm = Box<dyn Fn(&Path)>;

/// Ways to damage a backup, and what a restore then says.
fn harms(other: &Path) -> Vec<(&'static str, Harm, &'static str)> {
    let sql = |name: &'static str, sql: &'static str| -> Harm {
        Box::new(move |backup| rusqlite::Connection::open(backup.join(name)).unwrap().execute_batch(sql).unwrap())
    };
    let other: PathBuf = other.to_owned();
    vec![
        (
            "an event is changed",
            sql(
                "ledger.db",
                "DROP TRIGGER event_is_never_changed; UPDATE event SET entry = CAST('{}' AS BLOB) WHERE position = 9",
            ),
            "0:9",
        ),
        (
            "an event is missing",
            sql("ledger.db", "DROP TRIGGER event_is_never_removed; DELETE FROM event WHERE position = 9"),
            "0:9",
        ),
        ("a key is missing", sql("keys.db", "DELETE FROM data_key WHERE ordinal = 7"), "cannot be opened"),
        (
            "a key is changed",
            sql("keys.db", "UPDATE data_key SET wrapped = zeroblob(length(wrapped)) WHERE ordinal = 7"),
            "at position",
        ),
        ("no ledger", Box::new(|backup| fs::remove_file(backup.join("ledger.db")).unwrap()), "ledger.db is not there"),
        ("no keys", Box::new(|backup| fs::remove_file(backup.join("keys.db")).unwrap()), "keys.db is not there"),
        ("half a ledger", Box::new(|backup| halve(&backup.join("ledger.db"))), "the ledger"),
        (
            "another ledger's keys",
            Box::new(move |backup| {
                fs::copy(other.join("keys.db"), backup.join("keys.db")).unwrap();
            }),
            "do not fit",
        ),
    ]
}

fn halve(file: &Path) {
    let content = fs::read(file).unwrap();
    fs::write(file, &content[..content.len() / 2]).unwrap();
}

/// Exit code and words of a restore.
fn restore(backup: &Path, data: &Path, kek: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command: Command = regledger(&["restore"]);
    command.arg(backup).arg("--data-dir").arg(data).arg("--kek-file").arg(kek).args(more).args(["--output", "json"]);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// The stores of a data directory.
fn contents(data: &Path) -> Vec<Vec<u8>> {
    ["ledger.db", "keys.db", "state.db", "admin-token", "kek"].map(|name| fs::read(data.join(name)).unwrap()).into()
}

/// Each client with a secret gives it back.
async fn everything_is_revealed(server: &Server, clients: &[Value]) {
    let admin = server.admin();
    assert!(!clients.is_empty());
    for client in clients {
        let id = client["id"].as_str().unwrap();
        let revealed = admin.post(&format!("/v1/clients/{id}/reveal"), &json!({"reason": "a test"})).await;
        assert_eq!(revealed["client_id"], client["client_id"]);
        assert_eq!(revealed["client_secret"].is_string(), client["has_secret"] == json!(true), "{client}");
    }
}
