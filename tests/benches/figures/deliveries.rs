//! Deliveries to a receiver on this machine: how many in a second of a core that who sends has used, against the same client with
//! no ledger, no signature and no bookkeeping; how a dead receiver is felt by the others; how long a change takes from its acknowledgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use acceptance::{Client, notice};
use bytes::Bytes;
use delivery::egress::{Call, Egress, Names, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bench::{Bench, child as child_of, settle};
use crate::disk::{self, Room};
use crate::load::{Load, hookup};
use crate::report::{Line, median, median_ratio, milliseconds, quantile, rate};
use crate::serving::{Serving, cpu_seconds};

const ARGUMENTS: [&str; 2] = ["--egress-allow", "127.0.0.0/8"];

/// Requests on their way at a time, as one subscription has them.
const AT_A_TIME: usize = 16;

/// Takes what comes and says only that it did: it costs the same for whoever is measured.
struct Sink {
    url: String,
    count: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Sink {
    /// `delay` before each answer; told each body, if anybody listens.
    async fn start(delay: Duration, told: Option<tokio::sync::mpsc::UnboundedSender<(Instant, Vec<u8>)>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(take(stream, delay, counted.clone(), told.clone()));
            }
        });
        Self { url, count, task }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    async fn wait(&self, count: usize) {
        while self.count() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(
    mut stream: TcpStream,
    delay: Duration,
    count: Arc<AtomicUsize>,
    told: Option<tokio::sync::mpsc::UnboundedSender<(Instant, Vec<u8>)>>,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = Vec::new();
    loop {
        let (end, length) = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                break (end + 4, length.unwrap_or(0));
            }
            read(&mut stream, &mut buffer).await?;
        };
        while buffer.len() < end + length {
            read(&mut stream, &mut buffer).await?;
        }
        let rest = buffer.split_off(end + length);
        let body = buffer.split_off(end);
        buffer = rest;
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(told) = &told {
            let _ = told.send((Instant::now(), body));
        }
        // Even a sleep of nothing would last to the next tick of the timer, a millisecond.
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await.ok()?;
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 16 * 1024];
    let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
    buffer.extend_from_slice(&chunk[..read]);
    Some(())
}

async fn subscribe(admin: &Client, name: &str, url: &str, more: Value) {
    let mut asked = json!({"name": name, "url": url, "types": ["client.*"]});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    admin.post("/v1/subscriptions", &asked).await;
}

/// A server with as many changes of clients as a load makes in so many seconds; how many.
async fn filled(bench: &Bench, name: &str, seconds: u32) -> (Serving, usize) {
    let server = Serving::start(&bench.path(name), &ARGUMENTS);
    let hookup = hookup(&server).await;
    let mut load = Load::new(bench);
    load.run(&server, &hookup, 16, seconds);
    server.wait_until_projected();
    (server, load.acknowledged() as usize)
}

/// Deliveries of a subscription from the beginning: in a second, and in one of a core.
async fn delivered(server: &Serving, name: &str, signature: &str, changes: usize) -> (f64, f64) {
    let sink = Sink::start(Duration::ZERO, None).await;
    settle();
    let (begin, used) = (Instant::now(), server.cpu());
    subscribe(&server.admin(), name, &sink.url, json!({"from": "beginning", "signature": signature})).await;
    sink.wait(changes).await;
    let (took, used) = (begin.elapsed().as_secs_f64(), server.cpu() - used);
    let (_, _) = server.admin().send(reqwest::Method::DELETE, &format!("/v1/subscriptions/{name}"), &json!({})).await;
    (changes as f64 / took, changes as f64 / used)
}

/// The body of a delivery.
async fn body(server: &Serving) -> String {
    let (told, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let sink = Sink::start(Duration::ZERO, Some(told)).await;
    subscribe(&server.admin(), "one", &sink.url, json!({"from": "beginning"})).await;
    let (_, body) = arrived.recv().await.unwrap();
    server.admin().send(reqwest::Method::DELETE, "/v1/subscriptions/one", &json!({})).await;
    String::from_utf8(body).unwrap()
}

/// Requests of the same client, with the same body and nothing else, in a second of a core.
async fn bare(body: &str, changes: usize) -> f64 {
    let sink = Sink::start(Duration::ZERO, None).await;
    settle();
    let mut client = child_of("deliveries", &[&sink.url, body, &changes.to_string()]);
    let done = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    assert!(done.status.success() && sink.count() == changes, "{}", String::from_utf8_lossy(&done.stderr));
    changes as f64 / String::from_utf8(done.stdout).unwrap().trim().parse::<f64>().unwrap()
}

/// Sends so many requests with a body to a URL, as a child, and prints the seconds of a core that it used.
#[tokio::main]
pub async fn child(arguments: &[&str]) {
    let [url, body, requests] = arguments else { panic!("child deliveries URL BODY REQUESTS") };
    let settings = Settings { allow: vec!["127.0.0.0/8".parse().unwrap()], roots: None, names: Names::system() };
    let egress = Egress::new(settings).unwrap();
    let (target, body) = (egress.guard().target(url), Bytes::copy_from_slice(body.as_bytes()));
    let left = Arc::new(AtomicUsize::new(requests.parse().unwrap()));
    let senders = (0..AT_A_TIME).map(|_| {
        let (egress, target, body, left) = (egress.clone(), target.clone(), body.clone(), left.clone());
        tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let call = Call::post(&target, "application/cloudevents+json", body.clone(), Duration::from_secs(30));
                egress.send(call).await.unwrap();
            }
        })
    });
    futures_util::future::join_all(senders).await;
    println!("{}", cpu_seconds("self"));
}

/// Measures how many deliveries there are in a second of a core; both sides are asked what they used, not who else was at work.
pub async fn measure(bench: &Bench) -> Vec<Line> {
    let (rounds, seconds) = (bench.size(5, 1), bench.size(3, 1));
    let progress = bench.progress("deliveries", rounds);
    let (server, changes) = filled(bench, "deliveries", seconds).await;
    let body = body(&server).await;
    let (mut hmac, mut ed25519, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        hmac.push(delivered(&server, &format!("v1-{round}"), "v1", changes).await);
        others.push(bare(&body, changes).await);
        ed25519.push(delivered(&server, &format!("v1a-{round}"), "v1a", changes).await);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let mut lines = Vec::new();
    for (signature, ours) in [("HMAC", hmac), ("Ed25519", ed25519)] {
        let (in_a_second, of_a_core): (Vec<f64>, Vec<f64>) = ours.into_iter().unzip();
        let what = format!("deliveries of one subscription, {signature}");
        lines.push(Line::absolute(&what, rate(median(in_a_second))));
        let (measured, bare) = (rate(median(of_a_core.clone())), rate(median(others.clone())));
        let what = format!("{what}, in a second of a core");
        let ratio = median_ratio(&of_a_core, &others);
        lines.push(Line::ratio(&what, measured, "by the client alone", bare, ratio).at_least(0.5));
    }
    lines
}

/// Measures how a dead receiver is felt by nine others.
pub async fn dead(bench: &Bench) -> Vec<Line> {
    let (rounds, seconds) = (bench.size(5, 1), bench.size(2, 1));
    let progress = bench.progress("dead_subscription", rounds);
    let (server, changes) = filled(bench, "dead-subscription", seconds).await;
    let (mut all_well, mut one_dead) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        all_well.push(nine(&server, &format!("well-{round}"), changes, false).await);
        one_dead.push(nine(&server, &format!("dead-{round}"), changes, true).await);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let (measured, other) = (rate(median(one_dead.clone())), rate(median(all_well.clone())));
    let ratio = median_ratio(&one_dead, &all_well);
    vec![
        Line::ratio("deliveries of nine, beside a dead subscription", measured, "beside a healthy one", other, ratio)
            .at_least(0.95),
    ]
}

/// Deliveries in a second of nine subscriptions, beside a tenth that may be dead.
async fn nine(server: &Serving, name: &str, changes: usize, is_dead: bool) -> f64 {
    let admin = server.admin();
    let delay = if is_dead { Duration::from_secs(600) } else { Duration::ZERO };
    let tenth = Sink::start(delay, None).await;
    let mut sinks = Vec::new();
    for _ in 0..9 {
        sinks.push(Sink::start(Duration::ZERO, None).await);
    }
    settle();
    let begin = Instant::now();
    for (number, sink) in sinks.iter().chain([&tenth]).enumerate() {
        subscribe(&admin, &format!("{name}-{number}"), &sink.url, json!({"from": "beginning"})).await;
    }
    for sink in &sinks {
        sink.wait(changes).await;
    }
    let took = begin.elapsed().as_secs_f64();
    for number in 0..10 {
        admin.send(reqwest::Method::DELETE, &format!("/v1/subscriptions/{name}-{number}"), &json!({})).await;
    }
    9.0 * changes as f64 / took
}

/// Measures how long a change takes from its acknowledgement to its receiver, at 500 notices a second.
pub async fn latency(bench: &Bench) -> Vec<Line> {
    let (seconds, pieces) = (bench.size(20_u64, 3), bench.size(1000, 100));
    let server = Serving::start(&bench.path("delivered"), &ARGUMENTS);
    let admin = server.admin();
    let hookup = format!("http://{}{}", server.address(), hookup(&server).await);
    let (told, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let sink = Sink::start(Duration::ZERO, Some(told)).await;
    subscribe(&admin, "acme", &sink.url, json!({})).await;
    settle();
    let acknowledged = paced(&hookup, 500, seconds).await;
    sink.wait(acknowledged.len()).await;
    let mut waits = Vec::new();
    for _ in 0..acknowledged.len() {
        let (time, body) = arrived.recv().await.unwrap();
        let change: Value = serde_json::from_slice(&body).unwrap();
        let number = change["data"]["client"]["provet_id"].as_u64().unwrap() as usize;
        waits.push(time.saturating_duration_since(acknowledged[number - 1]).as_secs_f64());
    }
    let (request, fsync) = (bare_request(pieces).await, bare_fsync(bench, pieces));
    let goal = 3.0 * (request + fsync) * 1e3;
    vec![
        Line::absolute("acknowledged to delivered at 500/s, 99th percentile", milliseconds(quantile(waits, 0.99)))
            .against(format!("{} request, {} fdatasync; 3× both", milliseconds(request), milliseconds(fsync)))
            .at_most(goal),
    ]
}

/// Posts so many notices a second, each at its time; when each was acknowledged.
async fn paced(hookup: &str, per_second: u64, seconds: u64) -> Vec<Instant> {
    let http = reqwest::Client::new();
    let begin = tokio::time::Instant::now();
    let sent = (1..=per_second * seconds).map(|number| {
        let (http, hookup) = (http.clone(), hookup.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep_until(begin + Duration::from_micros(number * 1_000_000 / per_second)).await;
            let answer = http.post(&hookup).body(notice(number).to_string()).send().await.unwrap();
            assert!(answer.status().is_success());
            Instant::now()
        })
    });
    futures_util::future::join_all(sent).await.into_iter().map(Result::unwrap).collect()
}

/// The 99th percentile of one request after another.
async fn bare_request(pieces: usize) -> f64 {
    let sink = Sink::start(Duration::ZERO, None).await;
    let http = reqwest::Client::builder().http1_only().no_proxy().build().unwrap();
    let body = notice(1).to_string().repeat(2);
    let mut took = Vec::new();
    for _ in 0..pieces {
        let begin = Instant::now();
        http.post(&sink.url).body(body.clone()).send().await.unwrap();
        took.push(begin.elapsed().as_secs_f64());
    }
    quantile(took, 0.99)
}

fn bare_fsync(bench: &Bench, pieces: usize) -> f64 {
    let appends = disk::append(&bench.path("bare-file"), Room::None, pieces, 4096);
    quantile(appends.iter().map(Duration::as_secs_f64), 0.99)
}
