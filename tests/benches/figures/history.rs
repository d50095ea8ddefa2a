//! A data directory with a long history: 1,000,000 events of 100,000 tenants, and nothing projected yet.
//!
//! Each tenant registers, and then its users enable the integration for one department after the other, in one sitting:
//! that is how Provet has it. Meanwhile others do the same.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use ledger::{Entry, Ledger, SqliteLedger};
use registration::client::Registration;
use registration::event::{Attributes, EventType, encode};
use registration::{Envelope, Sealed};
use uuid::Uuid;

use crate::bench::Bench;
use crate::load::hookup;
use crate::serving::Serving;

/// Notices of each tenant.
const NOTICES: u64 = 10;

/// Other tenants that register between two notices of one: in one sitting, …
pub const SITTING: u64 = 20;

/// … or over weeks.
pub const SPREAD: u64 = 1000;

/// Appended in one commit.
const BATCH: usize = 1000;

/// A data directory with a long history.
pub struct History {
    /// Where it is.
    pub data_dir: PathBuf,
    /// Id of the ledger.
    pub ledger_id: String,
    /// Events in the ledger.
    pub events: u64,
}

impl History {
    /// Makes one in which so many other tenants register between two notices of one: the executable the beginning, this the
    /// rest.
    pub async fn make(bench: &Bench, between: u64) -> Self {
        let data_dir = bench.path(&format!("history-{between}"));
        let server = Serving::start(&data_dir, &[]);
        hookup(&server).await;
        let row = server.admin().get("/v1/integrations/acme-lab").await;
        let integration: Uuid = row["id"].as_str().unwrap().parse().unwrap();
        server.stop();
        let ledger = SqliteLedger::open(&data_dir.join("ledger.db"), sqlite::Options::default()).unwrap();
        fill(bench, &ledger, integration, between).await;
        let events = ledger.head(0).await.unwrap();
        let ledger_id = ledger_id(&ledger).await;
        ledger.close().await;
        remove_state(&data_dir);
        Self { data_dir, ledger_id, events }
    }

    /// Where the state store lies.
    pub fn state_file(&self) -> PathBuf {
        self.data_dir.join("state.db")
    }
}

/// Takes the state store away: it will be projected anew.
pub fn remove_state(data_dir: &Path) {
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(data_dir.join(name));
    }
}

async fn ledger_id(ledger: &SqliteLedger) -> String {
    let one = ledger::Limit { events: 1, bytes: 0 };
    let genesis = ledger.read(0, 0, one).await.unwrap();
    registration::Event::parse(&genesis[0].bytes).unwrap().attributes.subject
}

async fn fill(bench: &Bench, ledger: &SqliteLedger, integration: Uuid, between: u64) {
    let tenants = bench.size(100_000, 1_000);
    let progress = bench.progress("history", (tenants * NOTICES) as usize);
    let mut entries = notices(tenants, between, integration, |_| 0);
    loop {
        let batch: Vec<Entry> = entries.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        progress.inc(batch.len() as u64);
        ledger.append(batch).await.unwrap();
    }
    progress.finish_and_clear();
}

/// The notices of so many tenants, in the order in which they come, each in the partition of its tenant.
pub fn notices(
    tenants: u64,
    between: u64,
    integration: Uuid,
    partition: impl Fn(u64) -> u32,
) -> impl Iterator<Item = Entry> {
    let turns = (0..tenants + NOTICES * between).flat_map(|turn| (0..NOTICES).map(move |notice| (turn, notice)));
    let notices = turns
        .filter_map(move |(turn, notice)| Some((turn.checked_sub(notice * between)?, notice)))
        .filter(move |(tenant, _)| *tenant < tenants);
    (0..).zip(notices).map(move |(number, (tenant, notice))| {
        Entry::new(partition(tenant), false, event(number, integration, tenant, notice))
    })
}

fn event(number: u64, integration: Uuid, tenant: u64, notice: u64) -> Vec<u8> {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let attributes = Attributes {
        id: Uuid::from_u64_pair(0x0198_0000_0000_7000 | number << 16, 0x8000_0000_0000_0000 | number),
        source: "/integrations/acme-lab".to_owned(),
        subject: format!("provetcloud.com/{}", 1000 + tenant),
        time: start + SignedDuration::from_millis(number as i64 * 20),
        integration_id: Some(integration),
        ..Attributes::default()
    };
    encode(&attributes, EventType::ProvetRegistration, &notice_of(tenant, notice)).unwrap()
}

/// The first notice of a tenant, or one of a department more.
fn notice_of(tenant: u64, notice: u64) -> Registration {
    let base = format!("https://provetcloud.com/{}", 1000 + tenant);
    let last = notice as i64;
    Registration {
        provet_id: 1000 + tenant as i64,
        client_id: format!("c3VjaEFSZWFsaXN0aWNDbGllbnRJZGVudGlmaWVy{tenant}"),
        client_secret: Some(sealed(tenant)),
        algorithm: Some("RS256".to_owned()),
        authorization_grant_type: "client_credentials".to_owned(),
        client_type: "confidential".to_owned(),
        redirect_uris: "https://example.com/callback https://example.com/oauth/return".to_owned(),
        token_url: format!("{base}/oauth2/token/"),
        authorize_url: format!("{base}/oauth2/authorize/"),
        openid_autodiscovery_url: None,
        departments: (last > 0).then(|| (1..=last).collect()),
        added_department: (last > 0).then_some(last),
        removed_department: None,
        unknown: None,
    }
}

/// A secret as it stands in an event. Nobody opens it here.
fn sealed(tenant: u64) -> Sealed {
    let envelope = Envelope {
        alg: "A256GCM".to_owned(),
        kid: format!("{tenant:016}"),
        nonce: "c2l4dGVlbiBjaGFy".to_owned(),
        ct: "b3BhcXVl".repeat(13),
        fp: vec![format!("{tenant:016}:MTI4IGJpdHMgb2YgSE1BQw==")],
    };
    Sealed { sealed: envelope }
}
