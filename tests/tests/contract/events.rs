//! `/v1/events`: the ledger as it was logged.

use acceptance::{Client, Options, Server};
use reqwest::Method;
use serde_json::Value;

use crate::stream::post;

async fn read(admin: &Client, query: &str) -> String {
    let answer = admin.request(Method::GET, &format!("/v1/events?{query}")).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    answer.text().await.unwrap()
}

#[tokio::test]
async fn line_k_is_the_entry_at_from_plus_k() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, 0..10).await;
    let all = read(&admin, "").await;
    let lines: Vec<_> = all.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 13, "genesis, admin token, integration and ten notices");
    assert!(all.ends_with('\n'));
    for from in 0..14 {
        for limit in [1, 5, 1000] {
            let due: String = lines.iter().skip(from).take(limit).copied().collect();
            assert_eq!(read(&admin, &format!("from={from}&limit={limit}&partition=0")).await, due, "{from} {limit}");
        }
    }
    let genesis: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(genesis["type"], "regledger.ledger.create.v1");
    for (query, due) in [("partition=1", 404), ("limit=0", 400), ("limit=1001", 400), ("from=x", 400), ("from=-1", 400)]
    {
        assert_eq!(admin.try_get(&format!("/v1/events?{query}")).await.0, due, "{query}");
    }
}

#[tokio::test]
async fn the_ledger_is_byte_for_byte_the_same_after_restarts() {
    let server = Server::start();
    let hookup = server.admin().integration("acme-lab").await;
    post(&server.admin(), &hookup, 0..10).await;
    let before = read(&server.admin(), "").await;
    let (status, data, _own) = server.stop();
    assert!(status.success());
    let mut server = Server::start_in(&data, &Options::default());
    assert_eq!(read(&server.admin(), "").await, before);
    server.kill();
    let server = Server::start_in(&data, &Options::default());
    assert_eq!(read(&server.admin(), "").await, before);
}
