//! Calls: what is sent, what comes back, and what is not followed.

use std::process::Command;

use delivery::egress::{CallError, Part};
use delivery::retry::{RetryAfter, Verdict, judge};
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::receiver::{Receiver, read_request};
use super::{PATIENCE, local, post, send};

#[tokio::test]
async fn what_is_sent_is_what_was_asked_for() {
    let (heard, mut hear) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut stream| {
        let heard = heard.clone();
        async move {
            heard.send(read_request(&mut stream).await).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let url = format!("{}hooks?a=b#fragment", receiver.url());
    let egress = local();
    let target = egress.guard().target(&url);
    let mut call = post(&target, PATIENCE);
    call.headers = HeaderMap::from_iter([("content-type".parse().unwrap(), HeaderValue::from_static("text/x-test"))]);
    let answer = egress.send(call).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len(), answer.is_whole), (204, 0, true));
    let head = hear.recv().await.unwrap();
    assert!(head.starts_with("POST /hooks?a=b HTTP/1.1\r\n"), "{head}");
    for line in ["content-type: text/x-test", "content-length: 2", &format!("host: {}", receiver.address)] {
        assert!(head.contains(line), "{line} in {head}");
    }
    for name in ["accept-encoding", "referer", "cookie", "authorization"] {
        assert!(!head.contains(name), "{name} in {head}");
    }
}

/// The environment is that of a process, so another one makes the call.
#[test]
fn no_proxy_of_the_environment_is_used() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "calls::what_is_sent_is_what_was_asked_for"]).env_remove("no_proxy").env_remove("NO_PROXY");
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, "http://127.0.0.1:9");
    }
    let done = again.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn a_redirection_is_an_answer() {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\n\r\n").await;
    for status in [301, 302, 303, 307, 308] {
        for to in [elsewhere.url(), "http://169.254.169.254/latest/meta-data/".to_owned(), "/again".to_owned()] {
            let answer =
                format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let receiver = Receiver::answering(answer).await;
            let answer = send(&local(), &receiver.url()).await.unwrap();
            assert_eq!(answer.status, status);
            assert_eq!(judge(&Ok(answer)), Verdict::Retry);
            assert_eq!(receiver.connections(), 1);
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn what_was_compressed_stays_so() {
    // what something begins with that gzip made
    let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let receiver = Receiver::answering([head.as_bytes(), packed].concat()).await;
    assert_eq!(send(&local(), &receiver.url()).await.unwrap().body.as_ref(), packed);
}

#[tokio::test]
async fn retry_after_is_read_from_the_answer() {
    let date = "2026-11-26T06:00:00Z".parse().unwrap();
    let cases = [
        ("retry-after: 120\r\n", Some(RetryAfter::In(std::time::Duration::from_secs(120)))),
        ("Retry-After: Thu, 26 Nov 2026 06:00:00 GMT\r\n", Some(RetryAfter::At(date))),
        ("retry-after: soon\r\n", None),
        ("retry-after: \u{e9}\r\n", None),
        ("", None),
    ];
    for (header, expected) in cases {
        let answer = format!("HTTP/1.1 503 Busy\r\n{header}content-length: 5\r\nconnection: close\r\n\r\nlater");
        let answer = send(&local(), &Receiver::answering(answer).await.url()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.retry_after), (503, expected), "{header}");
        assert_eq!(answer.body.as_ref(), b"later");
    }
}

#[tokio::test]
async fn a_broken_connection_says_where_it_broke() {
    let cases: [(&[u8], Part); 6] = [
        (b"", Part::Answer),
        (b"HTTP/1.1 200", Part::Answer),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Part::Answer),
        (b"* OK IMAP4 ready\r\n", Part::Answer),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Part::Body),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Part::Body),
    ];
    for (answer, part) in cases {
        let receiver = Receiver::answering(answer).await;
        let error = send(&local(), &format!("{}canary?canary", receiver.url())).await.unwrap_err();
        assert_eq!(error.part(), part, "{}: {error:?}", answer.escape_ascii());
        assert!(error.can_pass() && !format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_host_that_refuses_says_so() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = send(&local(), &format!("http://{address}/canary?canary")).await.unwrap_err();
    assert!(matches!(error, CallError::Connect(_)) && error.can_pass(), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}
