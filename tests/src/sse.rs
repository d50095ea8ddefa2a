//! Server-sent events, read as WHATWG HTML 9.2 says, comments too.

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::{Client, PATIENCE};

/// One event of a stream. A comment is an event named `:`, a reconnection time one named `retry`.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Where to go on from, if it says so.
    pub id: Option<String>,
    /// Its name.
    pub event: String,
    /// What it carries.
    pub data: String,
}

impl Frame {
    /// Its data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }

    /// The id of the CloudEvent that it carries.
    pub fn change_id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// Whether it carries a change: heartbeats and bookmarks do not.
    pub fn is_change(&self) -> bool {
        self.event.contains('.')
    }
}

/// A stream that is being read.
pub struct Stream {
    response: Response,
    unread: String,
}

impl Stream {
    /// Opens `/v1/changes?query`.
    pub async fn open(client: &Client, query: &str) -> Self {
        Self::open_after(client, query, None).await
    }

    /// Opens `/v1/changes?query` with a `Last-Event-ID`.
    pub async fn open_after(client: &Client, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = client.request(Method::GET, &format!("/v1/changes?{query}"));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, unread: String::new() }
    }

    /// The next event; none once the stream has ended in an orderly way.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                let frame = parse(&self.unread[..end]);
                self.unread.drain(..end + 2);
                return Some(frame);
            }
            let read = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = read.expect("it goes on or ends").expect("it ends in an orderly way")?;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event that is asked for. Heartbeats alone are no reason to wait on.
    async fn next_that(&mut self, what: &str, is_it: impl Fn(&Frame) -> bool) -> Frame {
        let wait = async {
            loop {
                let frame = self.next().await.unwrap_or_else(|| panic!("it ended before {what}"));
                if is_it(&frame) {
                    return frame;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no {what} came"))
    }

    /// The next event of that name.
    pub async fn next_named(&mut self, event: &str) -> Frame {
        self.next_that(event, |frame| frame.event == event).await
    }

    /// The next change.
    pub async fn next_change(&mut self) -> Frame {
        self.next_that("change", Frame::is_change).await
    }

    /// Reads on to the end.
    pub async fn end(&mut self) {
        let ended = async { while self.next().await.is_some() {} };
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
    }

    /// The next so many changes.
    pub async fn changes(&mut self, number: usize) -> Vec<Frame> {
        let mut changes = Vec::new();
        while changes.len() < number {
            changes.push(self.next_change().await);
        }
        changes
    }
}

fn parse(text: &str) -> Frame {
    let mut frame = Frame { id: None, event: "message".to_owned(), data: String::new() };
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap();
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => (frame.event, frame.data) = (":".to_owned(), value.to_owned()),
            "id" => frame.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut frame.event),
            "data" => frame.data.push_str(value),
            "retry" => (frame.event, frame.data) = ("retry".to_owned(), value.to_owned()),
            other => panic!("no field of server-sent events: {other}"),
        }
    }
    frame
}
