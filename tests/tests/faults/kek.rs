//! The key-encryption key that a command prints: it opens what it sealed, and without it nothing starts.

use std::fs;

use acceptance::{Client, Options, Server};
use serde_json::json;
use tempfile::TempDir;

use crate::hub::{Hub, answers};

/// 256 bits in base64, as a key service prints them.
const KEY: &str = "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80=";

fn with(command: &str) -> [String; 2] {
    ["--kek-command".to_owned(), command.to_owned()]
}

fn start(data: &std::path::Path, command: &str) -> Result<Server, String> {
    let arguments = with(command);
    let arguments = [arguments[0].as_str(), arguments[1].as_str()];
    Server::try_start_in(data, &Options { arguments: &arguments, ..Options::default() })
}

#[tokio::test]
async fn what_was_sealed_under_a_key_of_a_command_is_opened_with_it_and_with_no_other() {
    let dir = TempDir::new().unwrap();
    let (data, key) = (dir.path().join("data"), dir.path().join("key"));
    fs::write(&key, format!("{KEY}\n")).unwrap();
    let command = format!("cat,{}", key.display());
    let hub = Hub::of(start(&data, &command).unwrap()).await;
    let receipts = hub.acknowledged(1..2).await;
    answers(&hub.admin, &format!("/v1/clients?min_position={}", Client::place(&receipts[0]))).await;
    let id = hub.admin.get("/v1/clients").await["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(!data.join("kek").exists(), "no key is made where a command gives one");
    assert!(hub.server.stop().0.success());

    let server = start(&data, &command).unwrap();
    let shown = server.admin().post(&format!("/v1/clients/{id}/reveal"), &json!({"reason": "a test"})).await;
    assert_eq!(shown["client_secret"], acceptance::notice(1)["client_secret"]);
    assert!(server.stop().0.success());

    fs::write(&key, KEY.replace('q', "r")).unwrap();
    let said = start(&data, &command).err().expect("another key opens nothing");
    assert!(
        said.contains("keys.db was made with another key-encryption key") && said.contains("exit status: 1"),
        "{said}"
    );
}

#[tokio::test]
async fn a_command_that_gives_no_key_is_refused_and_named() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    for (command, said) in [
        ("false", "false"),
        ("sh,-c,exit 3", "exit status: 3"),
        ("echo,no key", "echo does not give a key"),
        ("true", "true does not give a key"),
        ("no-such-program-of-regledger", "no-such-program-of-regledger"),
    ] {
        let refused = start(&data, command).err().unwrap_or_else(|| panic!("{command} was taken"));
        for part in ["cannot get the key-encryption key", said, "exit status: 1"] {
            assert!(refused.contains(part), "{command}: {part} in {refused}");
        }
    }
}
