//! A simulated ISL Conference Proxy: what it says that it posted is in the ledger, in the directory and on the stream.

use std::collections::BTreeMap;

use acceptance::{Client, Server, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stream::read_pages;

/// Plays, and gives the report and how often each step was acknowledged.
async fn simulate(server: &Server, more: &[&str]) -> (Value, BTreeMap<String, usize>) {
    let (events, _) = server.admin().isl_integration("acme-isl", json!({})).await;
    let dir = TempDir::new().unwrap();
    let receipts = dir.path().join("receipts.ndjson");
    let arguments = ["simulate", "--events-url", &events, "--tenants", "5", "--output", "json", "--receipts"];
    let mut command = server.command(&[&arguments[..], &[receipts.to_str().unwrap()], more].concat());
    let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut steps = BTreeMap::new();
    for line in std::fs::read_to_string(receipts).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["tenant"].is_string(), "{line}");
        *steps.entry(line["step"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    (serde_json::from_slice(&said.stdout).unwrap(), steps)
}

/// The types of events in the ledger, with their number.
async fn events(admin: &Client) -> BTreeMap<String, usize> {
    let request = admin.request(reqwest::Method::GET, "/v1/events?limit=1000");
    let text = request.send().await.unwrap().text().await.unwrap();
    count(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().to_owned()))
}

/// What was told of users and domains of the ISL system.
async fn told(admin: &Client) -> BTreeMap<String, usize> {
    let changes = read_pages(admin, "/v1/changes?integration=acme-isl&type=user.*&type=domain.*").await;
    count(changes.iter().map(|change| change["type"].as_str().unwrap().to_owned()))
}

fn count(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_insert(0) += 1);
    counts
}

fn due(steps: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    let names = [
        ("domain made", "regledger.domain.created.v1"),
        ("domain deleted", "regledger.domain.deleted.v1"),
        ("user made", "regledger.user.created.v1"),
        ("user deleted", "regledger.user.deleted.v1"),
        ("user undeleted", "regledger.user.undeleted.v1"),
    ];
    names.into_iter().map(|(step, kind)| (kind.to_owned(), steps[step])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_simulated_proxy_posts_is_in_the_ledger_and_in_the_directory() {
    let server = Server::start();
    let admin = server.admin();
    let (report, steps) = simulate(&server, &[]).await;
    let sent = steps.values().sum::<usize>();
    assert_eq!((&report["sent"], &report["answers"]["200"]), (&json!(sent), &json!(sent)));
    assert_eq!(events(&admin).await["regledger.isl.event.v1"], sent);
    let due = due(&steps);
    eventually("all is told", async || (told(&admin).await == due).then_some(())).await;
    assert_eq!(due["regledger.domain.created.v1"], 10, "five domains, each made twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_repetitions_nor_cut_connections_nor_poison_change_the_directory() {
    let server = Server::start();
    let admin = server.admin();
    let (report, steps) = simulate(&server, &["--faults"]).await;
    assert_eq!((&report["unexpected"], &report["unanswered"]), (&json!(0), &json!(0)), "{report}");
    assert!(report["retried"].as_u64().unwrap() > 0, "{report}");
    let due = due(&steps);
    eventually("all is told once", async || (told(&admin).await == due).then_some(())).await;
    let poison: usize = steps.iter().filter(|(step, _)| step.starts_with("fault")).map(|(_, n)| n).sum();
    let kept = admin.get("/v1/quarantine?limit=1000").await["items"].as_array().unwrap().len();
    assert_eq!(kept, poison);
    assert!(events(&admin).await["regledger.isl.event.v1"] >= steps.values().sum::<usize>() - poison);
}
