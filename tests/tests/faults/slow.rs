//! Slow senders: many connections that send a byte now and then hold up nobody, and are ended.

use std::time::Duration;

use acceptance::{PATIENCE, notice};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::hub::{Hub, answers};
use acceptance::audit;

/// Connections of each kind.
const EACH: usize = 50;

/// How often a slow sender sends a byte.
const PACE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_hold_up_nobody_and_are_ended() {
    let hub = Hub::start().await;
    let path = hub.hookup.strip_prefix(&hub.server.url).unwrap();
    let wrong = path.replace(hub.key(), "a-key-that-nobody-gave-out");
    let sized = "host: regledger\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n";
    let chunked = "host: regledger\r\ntransfer-encoding: chunked\r\n\r\n";
    let (spaces, chunks) = (" ".repeat(4000), "1\r\n \r\n".repeat(1000));
    let head = format!("POST {path} HTTP/1.1\r\nx-slow: {}", "x".repeat(4000));
    let mut kinds = vec![("a head", String::new(), head)];
    for (kind, path) in [
        ("a body", path),
        ("a body of a command", "/v1/tokens"),
        ("a body of a stranger's command", "/v1/tokens"),
        ("a body behind a wrong key", &wrong),
        ("a body that nobody reads", "/nothing"),
    ] {
        let is_known = kind == "a body of a command";
        let token = if is_known { &hub.admin.token } else { "" };
        let line = format!("POST {path} HTTP/1.1\r\nauthorization: Bearer {token}\r\n");
        kinds.push((kind, format!("{line}{sized}"), spaces.clone()));
        kinds.push((kind, format!("{line}{chunked}"), chunks.clone()));
    }
    let mut slow: Vec<(&str, JoinHandle<String>)> = Vec::new();
    for (kind, at_once, slowly) in &kinds {
        for _ in 0..EACH {
            slow.push((kind, tokio::spawn(send_slowly(address(&hub), at_once.clone(), slowly.clone()))));
        }
    }

    let receipts = hub.acknowledged(1..40).await;
    answers(&hub.admin, "/healthz").await;
    audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
    let still_sending = slow.iter().filter(|(_, task)| !task.is_finished()).count();
    assert!(still_sending > EACH, "only {still_sending} slow senders were there while the others were served");

    let (kinds, tasks): (Vec<_>, Vec<_>) = slow.into_iter().unzip();
    for (kind, ended) in kinds.into_iter().zip(join_all(tasks).await) {
        let answer = ended.unwrap_or_else(|_| panic!("{kind}: it was not ended"));
        if ["a body", "a body of a command"].contains(&kind) {
            assert!(
                answer.starts_with("HTTP/1.1 408 ") && answer.contains("urn:regledger:problem:request-timeout"),
                "{kind}: {answer}"
            );
        }
        assert!(!answer.starts_with("HTTP/1.1 5") && !answer.starts_with("HTTP/1.1 2"), "{kind}: {answer}");
    }
    let events = audit::events(&hub.admin).await;
    assert_eq!(events.len(), 3 + receipts.len(), "nothing is kept of what did not arrive");
}

#[tokio::test]
async fn a_body_that_ends_early_is_not_kept() {
    let hub = Hub::start().await;
    let path = hub.hookup.strip_prefix(&hub.server.url).unwrap();
    let body = notice(1).to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: regledger\r\n");
    for sent in [
        format!("{head}content-length: {}\r\n\r\n{body}", body.len() + 1),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len()),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}", body.len() + 1),
        format!("{head}transfer-encoding: chunked\r\n\r\nnonsense\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(address(&hub)).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an end");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let receipts = hub.acknowledged(2..3).await;
    let (events, _) = audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
    assert_eq!(events.len(), 4, "{events:?}");
}

/// Sends byte by byte until the other side ends it; what it said.
async fn send_slowly(address: String, at_once: String, slowly: String) -> String {
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    let sending = tokio::spawn(async move {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        to.write_all(at_once.as_bytes()).await?;
        for byte in slowly.bytes() {
            pace.tick().await;
            to.write_all(&[byte]).await?;
        }
        Ok::<_, std::io::Error>(())
    });
    let mut answer = Vec::new();
    // A connection that was reset is ended too.
    let _ = timeout(PATIENCE, from.read_to_end(&mut answer)).await.expect("the connection is ended");
    sending.abort();
    String::from_utf8_lossy(&answer).into_owned()
}

fn address(hub: &Hub) -> String {
    hub.server.url.strip_prefix("http://").unwrap().to_owned()
}
