//! Subscriptions as they are typed on the command line: the hub is asked, and the receiver hears of nothing but changes.

use std::process::Output;

use acceptance::{Receiver, Server};
use serde_json::Value;

use crate::hub::start;

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What was printed, one object.
fn printed(output: &Output) -> Value {
    said(output);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_made_and_changed_at_the_hub_and_its_receiver_sees_no_token() {
    let server = start();
    let receiver = Receiver::start().await;
    let run = |words: &[&str]| server.command(words).args(["--output", "json"]).output().unwrap();
    let made = run(&["subscription", "create", "acme", "--endpoint", &receiver.url, "--type", "client.*"]);
    assert!(said(&made).contains("Keep the secret"), "{made:?}");
    assert!(printed(&made)["secret"].as_str().unwrap().starts_with("whsec_"));
    let other = format!("{}/2", receiver.url);
    let changed = run(&["subscription", "update", "acme", "--endpoint", &other]);
    assert_eq!(printed(&changed)["url"], other.as_str());
    assert_eq!(printed(&run(&["subscription", "list"]))["name"], "acme");
    assert_eq!(receiver.count(), 0);
    printed(&run(&["subscription", "test", "acme"]));
    assert!(receiver.received().iter().all(|request| !request.headers.contains_key("authorization")));
    let mailed = run(&["subscription", "create", "office", "--address", "office@acme.example"]);
    assert!(!said(&mailed).contains("Keep"), "{mailed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_in_the_hubs_place_and_says_well_done_is_no_success() {
    let server = Server::start();
    let receiver = Receiver::start().await;
    let mut create = acceptance::regledger(&["subscription", "create", "acme", "--endpoint", "https://h.example/"]);
    create.args(["--url", &receiver.url, "--data-dir"]).arg(&server.data_dir);
    let output = create.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("Keep"), "{output:?}");
}
