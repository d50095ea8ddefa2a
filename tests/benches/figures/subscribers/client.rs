//! The subscribers' side: as many connections as asked for, each read with as little work as possible, since both sides
//! share the machine.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::BufRead;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::LocalSet;

use super::Seen;
use crate::report::{median, quantile};

/// Connections that are being made at a time.
const CONNECTING: usize = 64;

/// How long the last change is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// What all subscribers saw.
#[derive(Default)]
struct Log {
    delays: Vec<f64>,
    /// Recorded times by their text: one change arrives many times.
    times: HashMap<Vec<u8>, Timestamp>,
}

/// Connects so many subscribers to an address with a token, as a child: prints `connected`, reads how many changes there
/// were, waits for them and prints what was [`Seen`] of them.
pub fn child(arguments: &[&str]) {
    let [address, token, subscribers] = arguments else { panic!("child subscribers ADDRESS TOKEN NUMBER") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = format!(
        "GET /v1/changes?from=now&type=client.* HTTP/1.1\r\nhost: {address}\r\n\
         accept: text/event-stream\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let seen = LocalSet::new().block_on(&runtime, follow(address, &request, subscribers.parse().unwrap()));
    println!("{}", serde_json::to_string(&seen).unwrap());
}

async fn follow(address: &str, request: &str, subscribers: usize) -> Seen {
    let log = Rc::new(RefCell::new(Log::default()));
    let (arrived, mut arrivals) = watch::channel(0);
    let arrived = Rc::new(arrived);
    let connecting = Semaphore::new(CONNECTING);
    let connections = (0..subscribers).map(|_| async {
        let _permit = connecting.acquire().await.unwrap();
        let mut subscriber = Subscriber::connect(address, request).await;
        let (log, arrived) = (log.clone(), arrived.clone());
        tokio::task::spawn_local(async move { subscriber.follow(&log, &arrived).await });
    });
    futures_util::future::join_all(connections).await;
    println!("connected");
    let expected = changes().await * subscribers as u64;
    let all = arrivals.wait_for(|arrived| *arrived >= expected);
    let _ = tokio::time::timeout(PATIENCE, all).await;
    let delays = || log.borrow().delays.clone();
    Seen {
        lost: expected - *arrived.borrow(),
        median: median(delays()),
        slow: quantile(delays(), 0.99),
        last: quantile(delays(), 1.0),
    }
}

/// Reads how many changes there were.
async fn changes() -> u64 {
    let (told, number) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).unwrap();
        let _ = told.send(line.trim().parse().unwrap());
    });
    number.await.unwrap()
}

struct Subscriber {
    stream: TcpStream,
    unread: Vec<u8>,
    /// The sequence of the last change: a later one is greater.
    last: Vec<u8>,
}

impl Subscriber {
    /// Connects, and waits for the bookmark that says that it has caught up.
    async fn connect(address: &str, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut subscriber = Self { stream, unread: Vec::new(), last: Vec::new() };
        while !subscriber.frames().await.iter().any(|frame| part(frame, b"event: ", b'\n') == Some(b"bookmark")) {}
        subscriber
    }

    async fn follow(&mut self, log: &RefCell<Log>, arrived: &watch::Sender<u64>) {
        loop {
            for frame in self.frames().await {
                let log = &mut *log.borrow_mut();
                if let Some(delay) = self.delay(&frame, log) {
                    log.delays.push(delay);
                    arrived.send_modify(|arrived| *arrived += 1);
                }
            }
        }
    }

    /// The next whole frames. What the chunks are framed in stays at their ends, and nobody looks there.
    async fn frames(&mut self) -> Vec<Vec<u8>> {
        self.stream.readable().await.unwrap();
        let mut bytes = [0; 4096];
        match self.stream.try_read(&mut bytes) {
            Ok(0) => panic!("the server ended a stream"),
            Ok(read) => self.unread.extend_from_slice(&bytes[..read]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
        }
        let mut frames = Vec::new();
        while let Some(end) = find(&self.unread, b"\n\n") {
            frames.push(self.unread.drain(..end + 2).collect());
        }
        self.unread.shrink_to_fit();
        frames
    }

    /// How many seconds after it was recorded a change that was not seen yet has arrived.
    fn delay(&mut self, frame: &[u8], log: &mut Log) -> Option<f64> {
        let sequence = part(frame, b"\"sequence\":\"", b'"')?;
        if sequence <= self.last.as_slice() {
            return None;
        }
        self.last = sequence.to_vec();
        let text = part(frame, b"\"recordedtime\":\"", b'"')?;
        let time = |text: &[u8]| str::from_utf8(text).unwrap().parse::<Timestamp>().unwrap();
        let recorded = *log.times.entry(text.to_vec()).or_insert_with(|| time(text));
        Some(Timestamp::now().duration_since(recorded).as_secs_f64())
    }
}

/// What stands between a beginning and an end.
fn part<'a>(bytes: &'a [u8], begin: &[u8], end: u8) -> Option<&'a [u8]> {
    let rest = &bytes[find(bytes, begin)? + begin.len()..];
    rest.split(|byte| *byte == end).next()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
