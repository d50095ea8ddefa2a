//! How streams end: with their token, and with the process.

use std::time::Duration;

use acceptance::{Client, Options, Server, tool};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::stream::{post, subjects, tenant};
use acceptance::sse::Stream;

#[tokio::test]
async fn a_revoked_tokens_streams_end_within_a_second_and_the_others_go_on() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let asked = json!({"name": "follower", "scopes": ["changes:read"]});
    let made = admin.post("/v1/tokens", &asked).await;
    let follower = Client::new(&server.url, made["token"].as_str().unwrap());
    let mut streams = Vec::new();
    for query in ["", "from=now", "from=snapshot", "integration=other"] {
        let mut stream = Stream::open(&follower, query).await;
        stream.next_named(if query.is_empty() { "integration.created" } else { "bookmark" }).await;
        streams.push(stream);
    }
    let mut other = Stream::open(&admin, "from=now").await;
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    let (status, _) = admin.send(Method::DELETE, &path, &json!({})).await;
    assert_eq!(status, 204);
    let ended = async {
        for stream in &mut streams {
            stream.end().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), ended).await.expect("they end within a second");
    post(&admin, &hookup, [1]).await;
    assert_eq!(subjects(&other.changes(1).await), [tenant(1)]);
}

#[tokio::test]
async fn an_expired_tokens_streams_end_without_a_heartbeat_and_the_others_go_on() {
    let arguments = ["--stream-heartbeat-seconds", "3600"];
    let server = Server::start_with(&Options { arguments: &arguments, ..Options::default() });
    let admin = server.admin();
    let soon = ["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d", "3 seconds"];
    let soon = tool("date").args(soon).output().unwrap();
    let expires = String::from_utf8(soon.stdout).unwrap();
    let asked = json!({"name": "short", "scopes": ["changes:read"], "expires_time": expires.trim()});
    let made = admin.post("/v1/tokens", &asked).await;
    let short = Client::new(&server.url, made["token"].as_str().unwrap());
    let mut other = Stream::open(&admin, "from=now").await;
    let streams = ["", "from=now", "from=snapshot"].map(|query| Stream::open(&short, query));
    for mut stream in join_all(streams).await {
        stream.end().await;
    }
    assert_eq!(short.try_get("/v1/changes").await.0, 401);
    admin.integration("acme-lab").await;
    assert_eq!(subjects(&other.changes(1).await), ["acme-lab"]);
}

#[tokio::test]
async fn streams_end_in_an_orderly_way_at_shutdown() {
    let server = Server::start();
    let admin = server.admin();
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = Stream::open(&admin, "").await;
        stream.next_named("domain.created").await;
        streams.push(stream);
    }
    server.signal("TERM");
    for stream in &mut streams {
        stream.end().await;
    }
    let mut server = server;
    assert!(server.wait().success());
    let errors: Vec<_> = server.log().lines().filter(|line| line.contains("\"ERROR\"")).map(str::to_owned).collect();
    assert_eq!(errors, Vec::<String>::new(), "nothing went wrong");
}
