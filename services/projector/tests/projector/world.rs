//! A ledger's worth of events, and everything that a store makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acceptance::eventually;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use ledger::{Entry, Ledger};
use projection::{Cursor, ListedClient, SqliteStore, Store, StoredChange};
use projector::{Projector, ProjectorError};
use prometheus::Registry;
use prometheus::proto::Metric;
use proptest::prelude::*;
use registration::client::Registration;
use registration::directory::{IntegrationCreate, LedgerCreate};
use registration::event::{Attributes, EventType, encode};
use registration::{Envelope, Sealed};
use serde::Serialize;
use sqlite::Options;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// More than any test makes.
const ALL: usize = 10_000;

/// Long enough for the slowest machine; no test waits that long unless it fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a notice says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notice {
    pub tenant: i64,
    pub installation: usize,
    pub secret: usize,
    pub adds: Option<i64>,
    pub removes: Option<i64>,
}

pub fn notices() -> impl Strategy<Value = Vec<Notice>> {
    let department = || prop::option::weighted(0.5, 1..4i64);
    let notice = (0..3i64, 0..2usize, 0..2usize, department(), department());
    let notice = notice.prop_map(|(tenant, installation, secret, adds, removes)| Notice {
        tenant,
        installation,
        secret,
        adds,
        removes,
    });
    prop::collection::vec(notice, 1..30)
}

/// When the first event came.
pub fn start() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

/// The directory, and then the notices, in the partitions of their tenants; one each second.
pub fn entries(partitions: u32, notices: &[Notice]) -> Vec<Entry> {
    let spec = r#"{"name":"acme-lab","source":"provet","notify":{"kind":"hookup"}}"#;
    let create = IntegrationCreate {
        integration: serde_json::from_str(spec).unwrap(),
        hookup_key_hash: "h".to_owned(),
        mailbox: None,
    };
    let genesis = LedgerCreate { ledger: "l".to_owned(), partitions, imported: None };
    let integration = "/integrations/acme-lab";
    let mut entries = vec![
        Entry::new(0, true, bytes(0, "/ledger", "l", EventType::LedgerCreate, &genesis)),
        Entry::new(0, true, bytes(1, integration, "acme-lab", EventType::IntegrationCreate, &create)),
    ];
    for (notice, number) in notices.iter().zip(2..) {
        let tenant = format!("provetcloud.com/{}", notice.tenant);
        let data = registration(*notice);
        let partition = u32::try_from(notice.tenant).unwrap() % partitions;
        let bytes = bytes(number, integration, &tenant, EventType::ProvetRegistration, &data);
        entries.push(Entry::new(partition, false, bytes));
    }
    entries
}

fn bytes(number: u64, source: &str, subject: &str, kind: EventType, data: &impl Serialize) -> Vec<u8> {
    let attributes = Attributes {
        id: Uuid::from_u64_pair(1, number),
        source: source.to_owned(),
        subject: subject.to_owned(),
        time: start() + SignedDuration::from_secs(number.cast_signed()),
        integration_id: Some(Uuid::from_u128(1)),
        ..Attributes::default()
    };
    encode(&attributes, kind, data).unwrap()
}

fn registration(notice: Notice) -> Registration {
    let Notice { tenant, installation, secret, adds, removes } = notice;
    let envelope = Envelope {
        alg: "A256GCM".to_owned(),
        kid: "k1".to_owned(),
        nonce: "AAAAAAAAAAAAAAAA".to_owned(),
        ct: "c2VhbGVk".to_owned(),
        fp: vec![format!("f1:{secret}")],
    };
    Registration {
        provet_id: tenant,
        client_id: format!("client-{installation}"),
        client_secret: Some(Sealed { sealed: envelope }),
        algorithm: None,
        authorization_grant_type: "client_credentials".to_owned(),
        client_type: "confidential".to_owned(),
        redirect_uris: "https://example.com/callback".to_owned(),
        token_url: format!("https://provetcloud.com/{tenant}/oauth2/token/"),
        authorize_url: format!("https://provetcloud.com/{tenant}/oauth2/authorize/"),
        openid_autodiscovery_url: None,
        departments: None,
        added_department: adds,
        removed_department: removes,
        unknown: None,
    }
}

/// An entry that no executable of this version can read.
pub fn raw(partition: u32, text: &str) -> Entry {
    Entry::new(partition, false, Bytes::copy_from_slice(text.as_bytes()))
}

/// A directory for one store.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub fn open(&self, partitions: u32) -> Arc<dyn Store> {
        self.open_with(partitions, Options::default())
    }

    pub fn open_with(&self, partitions: u32, options: Options) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path("state.db"), "l", partitions, 2, options).unwrap())
    }
}

/// An id that no other projector of this test has.
fn fresh_id() -> Uuid {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u64_pair(u64::from(std::process::id()), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A projector at work.
pub struct Running {
    pub metrics: Registry,
    pub status: tokio::sync::watch::Receiver<Option<String>>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ProjectorError>>,
}

impl Running {
    /// Starts one whose clock stands one minute after the first event.
    pub fn start(ledger: &Arc<dyn Ledger>, store: &Arc<dyn Store>) -> Self {
        let now = || start() + SignedDuration::from_mins(1);
        let metrics = Registry::new();
        let projector = Projector::new(ledger.clone(), store.clone(), "l", now, fresh_id, &metrics).unwrap();
        let (status, stop) = (projector.status(), CancellationToken::new());
        let task = tokio::spawn(projector.run(stop.clone()));
        Self { metrics, status, stop, task }
    }

    /// Waits for a status.
    pub async fn says(&mut self, wanted: impl FnMut(&Option<String>) -> bool) -> Option<String> {
        let status = tokio::time::timeout(DEADLINE, self.status.wait_for(wanted)).await;
        status.unwrap().unwrap().clone()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.ended().await.unwrap();
    }

    /// Waits for it to end by itself.
    pub async fn ended(self) -> Result<(), ProjectorError> {
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap()
    }

    /// Ends it as a kill would: nothing is finished, nothing given back.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub fn gauge(&self, name: &str, partition: u32) -> f64 {
        self.metric(name, &partition.to_string()).get_gauge().get_value()
    }

    /// How many leases were `claimed`, `lost` or `released`.
    pub fn leases(&self, change: &str) -> f64 {
        self.metric("regledger_lease_changes_total", change).get_counter().get_value()
    }

    pub fn fenced(&self, partition: u32) -> f64 {
        self.metric("regledger_fenced_total", &partition.to_string()).get_counter().get_value()
    }

    fn metric(&self, name: &str, label: &str) -> Metric {
        let families = self.metrics.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = family.get_metric().iter().find(|m| m.get_label()[0].value() == label);
        metric.unwrap().clone()
    }

    /// Waits until it holds so many partitions.
    pub async fn holds(&self, partitions: u32) {
        let held = async || {
            let held = self.leases("claimed") - self.leases("released") - self.leases("lost");
            (held == f64::from(partitions)).then_some(())
        };
        eventually(&format!("{partitions} partitions are held"), held).await;
    }
}

/// Waits until a partition is folded up to before a position.
pub async fn reaches(store: &dyn Store, partition: usize, next: u64) {
    let mut heads = store.watch();
    let reached = heads.wait_for(|heads| heads[partition] >= next);
    tokio::time::timeout(DEADLINE, reached).await.unwrap().unwrap();
}

/// Projects everything that the ledger has.
pub async fn project(ledger: &Arc<dyn Ledger>, store: &Arc<dyn Store>) {
    let running = Running::start(ledger, store);
    for partition in 0..ledger.partitions() {
        let head = ledger.head(partition).await.unwrap();
        reaches(&**store, partition as usize, head).await;
    }
    running.stop().await;
}

/// Everything that a reader can see of a store.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub cursors: Vec<Cursor>,
    pub clients: Vec<ListedClient>,
    pub changes: Vec<StoredChange>,
}

pub async fn seen(store: &dyn Store) -> Seen {
    let clients = store.clients(Default::default(), None, ALL).await.unwrap();
    let (mut cursors, mut changes) = (Vec::new(), Vec::new());
    let partitions = store.watch().borrow().len() as u32;
    for partition in 0..partitions {
        cursors.push(store.cursor(partition).await.unwrap());
        changes.extend(store.changes(partition, (0, 0), u64::MAX, ALL).await.unwrap());
    }
    Seen { cursors, clients, changes }
}
