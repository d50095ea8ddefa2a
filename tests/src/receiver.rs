//! A receiver of webhooks: keeps what came, and answers as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The id of what was delivered.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The tenant that it is about.
    pub fn subject(&self) -> String {
        self.json()["subject"].as_str().unwrap().to_owned()
    }
}

/// How it is answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status; 0 ends the connection without a word.
    pub status: u16,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// How long it is waited before.
    pub delay: Duration,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer of nothing but a status.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }
}

type Answer = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

/// A receiver; it ends when it is dropped.
pub struct Receiver {
    /// Where it is reached.
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Mutex<Answer>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// A receiver that takes everything.
    pub async fn start() -> Self {
        Self::answering(|_| Reply::status(204)).await
    }

    /// A receiver that answers as a function says.
    pub async fn answering(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", answer).await
    }

    /// A receiver at an address.
    pub async fn at(address: &str, answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Arc::new(answer)));
        let task = tokio::spawn(serve(listener, received.clone(), answer.clone()));
        Self { url, received, answer, task }
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    /// Everything that came, whatever it was answered.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How much came.
    pub fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// Waits until so much has come.
    pub async fn wait(&self, count: usize) -> Vec<Received> {
        crate::eventually(&format!("{count} deliveries"), async || (self.count() >= count).then(|| self.received()))
            .await
    }

    /// The ids of what came, each where it came first.
    pub fn ids(&self) -> Vec<String> {
        let mut seen = std::collections::BTreeSet::new();
        let ids = self.received().into_iter().map(|received| received.id().to_owned());
        ids.filter(|id| seen.insert(id.clone())).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, received: Arc<Mutex<Vec<Received>>>, answer: Arc<Mutex<Answer>>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (received, answer) = (received.clone(), answer.clone());
        connections.spawn(async move { converse(stream, &received, &answer).await });
    }
}

/// Answers what comes on a connection, one after the other.
async fn converse(mut stream: TcpStream, received: &Mutex<Vec<Received>>, answer: &Mutex<Answer>) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    loop {
        let request = request(&mut stream, &mut buffer).await?;
        let answer = answer.lock().unwrap().clone();
        let reply = answer(&request);
        received.lock().unwrap().push(request);
        tokio::time::sleep(reply.delay).await;
        if reply.status == 0 {
            return None;
        }
        let headers: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let Reply { status, body, .. } = reply;
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await.ok()?;
    }
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: BTreeMap<String, String> = lines.map(header).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < end + 4 + length {
        more(stream, buffer).await?;
    }
    let body = buffer[end + 4..end + 4 + length].to_vec();
    buffer.drain(..end + 4 + length);
    Some(Received { path, headers, body })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 16 * 1024];
    let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
    buffer.extend_from_slice(&chunk[..read]);
    Some(())
}
