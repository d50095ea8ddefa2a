//! The change stream as programs read it that others wrote: curl, and libraries from npm and PyPI.

use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

use acceptance::{Options, Server, node, python, repository, tool};
use serde_json::Value;
use tempfile::TempDir;

use crate::stream::post;

/// A program that follows a stream and writes a line for each event.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the program goes on").unwrap()
    }

    fn json(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script(name: &str) -> std::path::PathBuf {
    repository().join("tests/tests/contract/clients").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_follows_the_stream() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let mut curl = tool("curl");
    curl.args(["-sN", "-H", &format!("authorization: Bearer {}", admin.token)]);
    curl.arg(format!("{}/v1/changes?from=now&type=client.*", server.url));
    let mut curl = Follower::start(curl);
    while curl.line() != "event: bookmark" {}
    post(&admin, &hookup, [1]).await;
    while curl.line() != "event: client.registered" {}
    let data = curl.line();
    let change: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(change["subject"], "provetcloud.com/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn eventsource_of_npm_misses_nothing_and_gets_nothing_twice_across_restarts() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let options = Options { listen: Some(&address), ..Options::default() };
    let server = Server::start_in(&data, &options);
    let (admin, hookup) = (server.admin(), server.admin().integration("acme-lab").await);
    let mut follow = node();
    follow.arg(script("eventsource.mjs")).arg(format!("{}/v1/changes?from=now", server.url)).arg(&admin.token);
    let mut follow = Follower::start(follow);
    assert_eq!(follow.json()["event"], "open");

    post(&admin, &hookup, 1..=3).await;
    let mut seen = vec![follow.json(), follow.json(), follow.json()];
    server.stop();
    let mut server = Server::start_in(&data, &options);
    post(&admin, &hookup, 4..=6).await;
    server.kill();
    let _server = Server::start_in(&data, &options);
    post(&admin, &hookup, 7..=9).await;
    while seen.len() < 9 {
        let event = follow.json();
        if event["event"] != "open" {
            seen.push(event);
        }
    }
    let subjects: Vec<_> = seen.iter().map(|event| event["change"]["subject"].clone()).collect();
    let due: Vec<_> = (1..=9).map(|number| Value::String(format!("provetcloud.com/{number}"))).collect();
    assert_eq!(subjects, due);
}

#[tokio::test(flavor = "multi_thread")]
async fn httpx_sse_and_the_cloudevents_sdk_of_pypi_read_every_change() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, [1]).await;
    let mut follow = python();
    follow.arg(script("follow.py")).arg(format!("{}/v1/changes", server.url)).arg(&admin.token);
    let mut follow = Follower::start(follow);
    let page = admin.get("/v1/changes").await;
    for due in page["items"].as_array().unwrap() {
        let read = follow.json();
        for (attribute, value) in read["attributes"].as_object().unwrap() {
            assert_eq!(value, &due[attribute], "{attribute}");
        }
        assert_eq!(read["data"], due["data"]);
        assert_eq!(format!("regledger.{}.v1", read["event"].as_str().unwrap()), due["type"]);
    }
    post(&admin, &hookup, [2]).await;
    assert_eq!(follow.json()["attributes"]["subject"], "provetcloud.com/2");
}
