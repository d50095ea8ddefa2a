//! SIGTERM under load: every sender gets its answer or finds the door closed, streams end well, and nothing acknowledged is lost.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use acceptance::{Client, Options, PATIENCE, Server, eventually, notice};
use futures_util::{StreamExt, future::join_all};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hub::Hub;
use crate::ledger_file;
use acceptance::audit;

/// Who sends at the same time, each way.
const SENDERS: u64 = 8;

/// What one request came to.
#[derive(Debug)]
enum Outcome {
    Refused,
    Answered { status: u16, closes: bool, body: Value },
    Broken(String),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_answers_everybody_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let options = Options { arguments: &["--shutdown-drain-seconds", "3"], ..Options::default() };
    let mut hub = Hub::of(Server::start_in(&data, &options)).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let streams = join_all((0..4).map(|_| open_stream(&hub.admin))).await;
    let streams: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(read_to_the_end(stream))).collect();
    let mut half = Connection::open(&hub).await.unwrap();
    let late = Request::notice(&hub, 500_000, false);
    half.write(&late.bytes[..late.bytes.len() - 10]).await.unwrap();
    let senders: Vec<_> = (0..SENDERS * 2)
        .map(|number| tokio::spawn(send_until_refused(Sender::new(&hub, number, acknowledged.clone()))))
        .collect();
    let watcher = tokio::spawn(watch_readiness(Request::readiness(&hub)));

    eventually("load", async || (acknowledged.load(Ordering::SeqCst) >= 200).then_some(())).await;
    hub.server.signal("TERM");
    half.write(&late.bytes[late.bytes.len() - 10..]).await.unwrap();
    let mut receipts = vec![accepted(half.answer().await)];
    for sender in join_all(senders).await {
        receipts.extend(sender.unwrap());
    }
    for stream in join_all(streams).await {
        assert!(stream.unwrap().contains("client.registered"), "a stream that gave nothing");
    }
    assert!(watcher.await.unwrap(), "nobody was told that the process is not ready while it drained");
    let status = hub.server.wait();
    assert!(status.success(), "{status}: {}", hub.server.log());

    assert!(receipts.len() > 200);
    let server = Server::start_in(&data, &Options::default());
    let (events, _) = audit::everything_acknowledged_is_there(&server.admin(), &receipts).await;
    assert!(server.stop().0.success());
    ledger_file::has_no_gap(&data.join("ledger.db"), events.len());
}

#[tokio::test]
async fn an_idle_process_stops_at_once_and_says_goodbye() {
    for signal in ["TERM", "INT"] {
        let mut hub = Hub::start().await;
        let mut idle = Connection::open(&hub).await.unwrap();
        hub.server.signal(signal);
        let status = hub.server.wait();
        assert!(status.success(), "{signal}: {status}");
        assert!(hub.server.log().contains("stopped"), "{}", hub.server.log());
        assert!(matches!(idle.answer().await, Outcome::Broken(_)), "an idle connection is closed");
    }
}

/// One who sends notices, on one connection after another or on one as long as it is kept.
struct Sender {
    hub: (String, String),
    number: u64,
    keeps: bool,
    acknowledged: Arc<AtomicUsize>,
}

impl Sender {
    fn new(hub: &Hub, number: u64, acknowledged: Arc<AtomicUsize>) -> Self {
        let address = address(hub);
        let path = hub.hookup.split_once(&address).unwrap().1.to_owned();
        Self { hub: (address, path), number, keeps: number.is_multiple_of(2), acknowledged }
    }
}

/// The receipts of everything up to the refused connection; anything else is a failure.
async fn send_until_refused(sender: Sender) -> Vec<Value> {
    let mut receipts = Vec::new();
    let mut kept: Option<Connection> = None;
    for turn in 0.. {
        let request = Request::to(&sender.hub, sender.number * 10_000 + turn, sender.keeps);
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => match Connection::connect(&sender.hub.0).await {
                Ok(connection) => connection,
                Err(Outcome::Refused) => break,
                Err(outcome) => panic!("sender {}: turn {turn}: {outcome:?}", sender.number),
            },
        };
        let outcome = match connection.write(&request.bytes).await {
            Ok(()) => connection.answer().await,
            Err(broken) => broken,
        };
        let closes = matches!(outcome, Outcome::Answered { closes: true, .. });
        receipts.push(accepted(outcome));
        sender.acknowledged.fetch_add(1, Ordering::SeqCst);
        kept = (sender.keeps && !closes).then_some(connection);
    }
    receipts
}

fn accepted(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Answered { status: 200, body, .. } => body,
        Outcome::Broken(why) => panic!("{why}, instead of a receipt"),
        outcome => panic!("{outcome:?} instead of a receipt"),
    }
}

/// Whether `/readyz` said that the process shuts down before nobody answered any more.
async fn watch_readiness(request: Request) -> bool {
    let mut told = false;
    loop {
        let mut connection = match Connection::connect(&request.address).await {
            Ok(connection) => connection,
            Err(Outcome::Refused) => return told,
            Err(outcome) => panic!("{outcome:?}"),
        };
        connection.write(&request.bytes).await.unwrap();
        match connection.answer().await {
            Outcome::Answered { status: 200, body, .. } => assert!(body["ready"] == true && !told, "{body}"),
            Outcome::Answered { status: 503, body, .. } => {
                assert!(body["ready"] == false && body.to_string().contains("shutting down"), "{body}");
                told = true;
            }
            outcome => panic!("{outcome:?} instead of readiness"),
        }
    }
}

async fn open_stream(admin: &Client) -> reqwest::Response {
    let stream = admin.request(reqwest::Method::GET, "/v1/changes?from=now").send().await.unwrap();
    stream.error_for_status().unwrap()
}

/// Everything that a stream gives; it must end with its last chunk, not with its connection.
async fn read_to_the_end(stream: reqwest::Response) -> String {
    let mut frames = stream.bytes_stream();
    let mut text = Vec::new();
    while let Some(frame) = frames.next().await {
        text.extend(frame.expect("a stream that was cut off"));
    }
    String::from_utf8(text).unwrap()
}

struct Request {
    address: String,
    bytes: Vec<u8>,
}

impl Request {
    fn notice(hub: &Hub, provet_id: u64, keeps: bool) -> Self {
        Self::to(&Sender::new(hub, 0, Arc::default()).hub, provet_id, keeps)
    }

    fn to((address, path): &(String, String), provet_id: u64, keeps: bool) -> Self {
        let body = notice(provet_id).to_string();
        let connection = if keeps { "keep-alive" } else { "close" };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: {connection}\r\ncontent-length: {}",
            body.len()
        );
        Self { address: address.clone(), bytes: format!("{head}\r\n\r\n{body}").into_bytes() }
    }

    fn readiness(hub: &Hub) -> Self {
        let address = address(hub);
        let bytes = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").into_bytes();
        Self { address, bytes }
    }
}

fn address(hub: &Hub) -> String {
    hub.server.url.strip_prefix("http://").unwrap().to_owned()
}

/// A connection without anything that hides what becomes of it.
struct Connection(TcpStream);

impl Connection {
    async fn open(hub: &Hub) -> Result<Self, Outcome> {
        Self::connect(&address(hub)).await
    }

    async fn connect(address: &str) -> Result<Self, Outcome> {
        match timeout(PATIENCE, TcpStream::connect(address)).await.expect("a connection or a refusal") {
            Ok(stream) => Ok(Self(stream)),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(Outcome::Refused),
            Err(error) => Err(Outcome::Broken(format!("connecting: {error}"))),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Outcome> {
        self.0.write_all(bytes).await.map_err(|error| Outcome::Broken(format!("writing: {error}")))
    }

    async fn answer(&mut self) -> Outcome {
        let mut answer = Vec::new();
        loop {
            if let Some(outcome) = whole(&answer) {
                return outcome;
            }
            match timeout(PATIENCE, self.0.read_buf(&mut answer)).await.expect("an answer") {
                Ok(0) => return Outcome::Broken(format!("it ended after {} bytes", answer.len())),
                Ok(_) => {}
                Err(error) => {
                    return Outcome::Broken(format!("reading after {} bytes: {error}", answer.len()));
                }
            }
        }
    }
}

/// The answer, once all of it is there.
fn whole(answer: &[u8]) -> Option<Outcome> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let length: usize = header("content-length:")?.parse().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Outcome::Answered {
        status,
        closes: header("connection:") == Some("close"),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    })
}
