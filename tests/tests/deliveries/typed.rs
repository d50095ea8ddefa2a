//! What is typed on the command line: the hub is asked, and nobody else, and what does nothing yet or makes no sense is told.

use std::process::Output;

use acceptance::{Receiver, Server, eventually};
use serde_json::{Value, json};

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

#[tokio::test(flavor = "multi_thread")]
async fn what_does_nothing_yet_or_is_not_known_is_told_with_what_to_do() {
    let server = start();
    let run = |line: &str| {
        let output = server.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let subscribed = run("subscription create office --address office@acme.example");
    assert!(subscribed.0, "{}", subscribed.1);
    for (line, is_done, said) in [
        ("setting set webhook_events.user_create yes", true, "Nothing is sent yet: jwt_webhook.url is not set."),
        (
            "setting set http_events.per_domain.enabled yes --domain default",
            true,
            "http_events.per_domain.server is not set.",
        ),
        ("setting set http_events.global.server h.example:8080", true, ""),
        ("setting set http_events.global.enabled yes", true, ""),
        ("setting set external_webapi.sign_up no", true, ""),
        (
            "setting set http_events.global.server ",
            false,
            "to take it back: regledger setting reset http_events.global.server",
        ),
        ("setting get webhook_events.user_created", false, "Did you mean webhook_events.user_create?"),
        ("setting get nonesuch", false, "`regledger setting list` has them."),
        ("delivery replay --subscription office", true, "Nothing was given up; 0 wait: --state held replays them."),
        ("subscription test office", false, "To see a mail"),
    ] {
        let (done, words) = run(line);
        assert_eq!(done, is_done, "{line}: {words}");
        assert!(if said.is_empty() { words.is_empty() } else { words.contains(said) }, "{line}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_not_played_against_a_url_that_is_not_known() {
    let server = start();
    let (events, _) = server.admin().isl_integration("acme-isl", json!({})).await;
    let wrong = events.replace("/events", "x/events");
    let output = server.command(&["simulate", "--events-url", &wrong]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("regledger integration rotate-hookup"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_module_is_kept_with_what_it_lacks() {
    let server = start();
    let (events, _) = server.admin().isl_integration("acme-isl", json!({})).await;
    let http = reqwest::Client::new();
    let form = http.post(&events).header("content-type", "application/x-www-form-urlencoded").body("EVENT=USER CREATE");
    assert_eq!(form.send().await.unwrap().status(), 200);
    let listed = eventually("it is in quarantine", async || {
        let listed = server.command(&["quarantine", "list"]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        listed.contains("acme-isl").then_some(listed)
    });
    let listed = listed.await;
    assert!(listed.contains("MODULE must be there once"), "{listed}");
}
