//! Measures a rebuild.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]
use jiff::{SignedDuration, Timestamp};
use ledger::{Entry, Ledger, Limit, SqliteLedger};
use projection::Store;
use registration::client::Registration;
use registration::directory::*;
use registration::event::{Attributes, EventType, encode_data};
use registration::{Envelope, Sealed};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct Random(u64);
impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}
fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(
        0x0198_0000_0000_7000 | (n << 20),
        0x8000_0000_0000_0000 | n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 2,
    )
}
fn sealed(n: u64) -> Sealed {
    let ct: String = (0..120u64)
        .map(|i| char::from(b'a' + ((n * 31 + i * 7) % 26) as u8))
        .collect();
    Sealed {
        sealed: Envelope {
            alg: "A256GCM".into(),
            kid: format!("k{n:020}"),
            nonce: format!("{n:016}"),
            ct,
            fp: vec![format!("f1:{n:024}")],
        },
    }
}
fn registration(tenant: u64, i: u64) -> Registration {
    Registration {
        provet_id: 1000 + tenant as i64,
        client_id: format!("QmVuY2htYXJrQ2xpZW50SWQ{tenant:017}"),
        client_secret: Some(sealed(tenant * 100 + i / 9)),
        algorithm: Some("RS256".into()),
        authorization_grant_type: "client_credentials".into(),
        client_type: "confidential".into(),
        redirect_uris: "https://example.com/callback https://example.com/oauth/return".into(),
        token_url: format!("https://provetcloud.com/{}/oauth2/token/", 1000 + tenant),
        authorize_url: format!(
            "https://provetcloud.com/{}/oauth2/authorize/",
            1000 + tenant
        ),
        openid_autodiscovery_url: None,
        departments: Some((0..=i as i64).collect()),
        added_department: Some(i as i64),
        removed_department: None,
        unknown: None,
    }
}
fn event(n: u64, tenant: u64, i: u64, start: Timestamp) -> Vec<u8> {
    let attributes = Attributes {
        id: id(n),
        source: "/integrations/acme-lab".into(),
        subject: format!("provetcloud.com/{}", 1000 + tenant),
        time: start + SignedDuration::from_millis(n as i64 * 37),
        integration_id: Some(id(1)),
        ..Attributes::default()
    };
    encode_data(
        &attributes,
        EventType::ProvetRegistration,
        &registration(tenant, i),
    )
    .unwrap()
}
async fn make(dir: &Path, tenants: u64, window: usize) {
    let ledger = SqliteLedger::open(&dir.join("ledger.db"), sqlite::Options::default()).unwrap();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let a = |source: &str, subject: &str, n| Attributes {
        id: id(n),
        source: source.into(),
        subject: subject.into(),
        time: start,
        ..Attributes::default()
    };
    let genesis = encode_data(
        &a("/ledger", "l", 0),
        EventType::LedgerCreate,
        &LedgerCreate {
            ledger: "l".into(),
            partitions: 1,
        },
    )
    .unwrap();
    let spec: IntegrationSpec =
        serde_json::from_str(r#"{"name":"acme-lab","source":"provet","notify":{"kind":"hookup"}}"#)
            .unwrap();
    let create = encode_data(
        &a("/integrations/acme-lab", "acme-lab", 1),
        EventType::IntegrationCreate,
        &IntegrationCreate {
            integration: spec,
            hookup_key_hash: "h".into(),
        },
    )
    .unwrap();
    let entry = |bytes: Vec<u8>, directory| Entry {
        partition: 0,
        directory,
        bytes: bytes.into(),
    };
    ledger
        .append(vec![entry(genesis, true), entry(create, true)])
        .await
        .unwrap();
    let mut random = Random(42);
    let (mut active, mut next, mut n) = (Vec::<(u64, u64)>::new(), 0, 2);
    let mut batch = Vec::new();
    loop {
        while active.len() < window && next < tenants {
            active.push((next, 0));
            next += 1;
        }
        if active.is_empty() {
            break;
        }
        let k = random.below(active.len() as u64) as usize;
        let (tenant, i) = active[k];
        batch.push(entry(event(n, tenant, i, start), false));
        n += 1;
        if i == 9 {
            active.swap_remove(k);
        } else {
            active[k].1 += 1;
        }
        if batch.len() == 1000 || active.is_empty() {
            ledger.append(std::mem::take(&mut batch)).await.unwrap();
        }
    }
    if !batch.is_empty() {
        ledger.append(batch).await.unwrap();
    }
    let size = event(123_456, 12_345, 5, start).len();
    println!("{n} events, about {size} bytes");
    ledger.close().await;
}
async fn run(dir: &Path) {
    for f in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(dir.join(f));
    }
    let ledger: Arc<dyn Ledger> =
        Arc::new(SqliteLedger::open(&dir.join("ledger.db"), sqlite::Options::default()).unwrap());
    let head = ledger.head(0).await.unwrap();
    let store = Store::open(&dir.join("state.db"), "l", 1, 2, sqlite::Options::default()).unwrap();
    let projector = projector::Projector::new(
        ledger.clone(),
        store.clone(),
        "0198c0ffee0198c0ffee0198c0ffee00",
        Timestamp::now,
        &prometheus::Registry::new(),
    )
    .unwrap();
    let stop = CancellationToken::new();
    let begin = Instant::now();
    let task = tokio::spawn(projector.run(stop.clone()));
    let mut heads = store.watch();
    heads.wait_for(|h| h[0] >= head).await.unwrap();
    let t = begin.elapsed().as_secs_f64();
    stop.cancel();
    task.await.unwrap().unwrap();
    println!(
        "{head} events in {t:.2} s: {:.0}/s; state.db {} MB",
        head as f64 / t,
        std::fs::metadata(dir.join("state.db")).unwrap().len() >> 20
    );
    store.close().await;
}
async fn parts(dir: &Path) {
    let ledger: Arc<dyn Ledger> =
        Arc::new(SqliteLedger::open(&dir.join("ledger.db"), sqlite::Options::default()).unwrap());
    let (mut from, mut read, mut parse, mut keys, mut fold, mut render) =
        (0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let mut rows = registration::Rows::default();
    let mut before = Timestamp::MIN;
    let (mut changes, mut bytes) = (0, 0);
    loop {
        let t = Instant::now();
        let chunk = ledger
            .read(
                0,
                from,
                Limit {
                    events: 128,
                    bytes: 16 << 20,
                },
            )
            .await
            .unwrap();
        read += t.elapsed().as_secs_f64();
        if chunk.is_empty() {
            break;
        }
        from += chunk.len() as u64;
        let t = Instant::now();
        let events: Vec<_> = chunk
            .iter()
            .map(|r| {
                let p = registration::Placed::after(
                    before,
                    0,
                    r.position,
                    registration::Event::parse(&r.bytes).unwrap(),
                );
                before = p.recorded_time;
                p
            })
            .collect();
        parse += t.elapsed().as_secs_f64();
        let t = Instant::now();
        for e in &events {
            for k in e.rows() {
                if !rows.holds(&k) {
                    rows.know(k, None);
                }
            }
        }
        keys += t.elapsed().as_secs_f64();
        let t = Instant::now();
        let all: Vec<_> = events
            .iter()
            .map(|e| registration::fold(&mut rows, e))
            .collect();
        fold += t.elapsed().as_secs_f64();
        let t = Instant::now();
        for (e, c) in events.iter().zip(&all) {
            for c in c {
                changes += 1;
                bytes += serde_json::to_vec(&c.cloud_event("l", e, 0)).unwrap().len();
            }
        }
        render += t.elapsed().as_secs_f64();
        rows.settle();
    }
    let us = |s: f64| s * 1e6 / from as f64;
    println!(
        "µs/event: read {:.2} parse {:.2} keys {:.2} fold {:.2} render {:.2}; {changes} changes of {} bytes",
        us(read),
        us(parse),
        us(keys),
        us(fold),
        us(render),
        bytes / changes
    );
}
#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = Path::new(&args[2]);
    std::fs::create_dir_all(dir).unwrap();
    match args[1].as_str() {
        "make" => make(dir, args[3].parse().unwrap(), args[4].parse().unwrap()).await,
        "run" => run(dir).await,
        _ => parts(dir).await,
    }
}
