use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use ledger::{AppendError, Entry, Limit, MemoryLedger, Place, ReadError, Recorded};
use registration::client::client_id;
use registration::directory::LedgerCreate;
use registration::event::{Attributes, Body, EventType, Nothing, encode};
use registration::quarantine::QuarantineReceive;
use registration::{Event, Sealed};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;
use vault::{Context as SealContext, Subject, Vault};

use super::*;
use crate::clock;

const OLD: &str = "0190aaaa";
const ALL: Limit = Limit { events: usize::MAX, bytes: usize::MAX };
const INTEGRATION: Uuid = Uuid::from_u128(7);

/// An embedded ledger, exported, and its keys.
struct Export {
    dir: TempDir,
    vault: Vault,
    keys: Arc<SqliteKeys>,
    lines: Vec<Vec<u8>>,
}

impl Export {
    /// A hub with a story: three tenants, one of them retired; a message in quarantine, and one whose key is destroyed.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kek = Kek::create_file(&dir.path().join("kek")).unwrap();
        let keys = Arc::new(SqliteKeys::open(&dir.path().join("keys.db")).unwrap());
        let vault = Vault::open(keys.clone(), kek, OLD).await.unwrap();
        let mut export = Self { dir, vault, keys, lines: Vec::new() };
        let genesis = LedgerCreate { ledger: OLD.to_owned(), partitions: 1, imported: None };
        export.event(EventType::LedgerCreate, OLD, Uuid::nil(), &genesis);
        let integration = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "hookup"}});
        let create = json!({"integration": integration, "hookup_key_hash": "x"});
        export.event(EventType::IntegrationCreate, "acme-lab", INTEGRATION, &create);
        for tenant in [1, 2, 3, 1] {
            export.register(tenant).await;
        }
        export.quarantine("q1", Timestamp::UNIX_EPOCH).await;
        assert_eq!(export.vault.expire(clock::now()).await.unwrap(), 1);
        export.quarantine("q2", Timestamp::MAX).await;
        export.event(EventType::QuarantineDismiss, "q2", clock::fresh_id(), &Nothing {});
        let client = client_id(INTEGRATION, &tenant(2), "abc");
        export.event(EventType::ClientRetire, &client, clock::fresh_id(), &Nothing {});
        export
    }

    fn event(&mut self, kind: EventType, subject: &str, id: Uuid, data: &impl Serialize) {
        let attributes = Attributes {
            id,
            source: "/integrations/acme-lab".to_owned(),
            subject: subject.to_owned(),
            time: Timestamp::from_second(self.lines.len() as i64).unwrap(),
            integration_id: Some(INTEGRATION),
            ..Attributes::default()
        };
        self.lines.push(encode(&attributes, kind, data).unwrap());
    }

    async fn seal(&self, subject: &Subject, id: Uuid, field: &str) -> Sealed {
        let key = self.vault.data_key(subject, clock::now()).await.unwrap();
        Sealed { sealed: self.vault.seal(&key, &SealContext { event: id, field }, b"s3cret").unwrap() }
    }

    async fn register(&mut self, provet_id: u64) {
        let id = clock::fresh_id();
        let secret = self.seal(&Subject::Tenant(tenant(provet_id)), id, "client_secret").await;
        let notice = json!({
            "provet_id": provet_id, "client_id": "abc", "client_secret": secret, "algorithm": null,
            "authorization_grant_type": "client_credentials", "client_type": "confidential", "redirect_uris": "",
            "token_url": "https://provetcloud.com/1/", "authorize_url": "", "openid_autodiscovery_url": null,
            "departments": [self.lines.len()],
        });
        self.event(EventType::ProvetRegistration, &tenant(provet_id), id, &notice);
    }

    async fn quarantine(&mut self, id: &str, expires: Timestamp) {
        let event = clock::fresh_id();
        let body = self.seal(&Subject::Quarantine { id: id.to_owned(), expires }, event, "body").await;
        let message = json!({
            "id": id, "body": body, "bytes": 6, "status": 422, "detail": "", "expires_time": expires,
        });
        serde_json::from_value::<QuarantineReceive>(message.clone()).unwrap();
        self.event(EventType::QuarantineReceive, id, event, &message);
    }

    fn kek(&self) -> Kek {
        Kek::from_file(&self.dir.path().join("kek")).unwrap()
    }

    fn plan(&self, partitions: u32) -> anyhow::Result<Plan> {
        let file = self.dir.path().join("events.ndjson");
        std::fs::write(&file, [self.lines.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
        Plan::read(file, partitions)
    }

    async fn import(&self, ledger: &dyn Ledger, keys: &Arc<SqliteKeys>) -> anyhow::Result<Done> {
        import(&self.plan(ledger.partitions())?, &*self.keys, ledger, keys.clone(), self.kek()).await
    }

    fn empty_keys(&self) -> Arc<SqliteKeys> {
        Arc::new(SqliteKeys::open(&self.dir.path().join(format!("{}.db", clock::fresh_id()))).unwrap())
    }
}

fn tenant(provet_id: u64) -> String {
    format!("provetcloud.com/{provet_id}")
}

/// The entries of each partition, the genesis left out: it has a new id each time.
async fn contents(ledger: &dyn Ledger) -> Vec<Vec<Recorded>> {
    let mut all = Vec::new();
    for partition in 0..ledger.partitions() {
        all.push(ledger.read(partition, u64::from(partition == 0), ALL).await.unwrap());
    }
    all
}

#[rstest]
#[case::embedded(1)]
#[case::scaled_out(4)]
#[tokio::test]
async fn an_imported_ledger_is_as_it_was(#[case] partitions: u32) {
    let (export, ledger) = (Export::new().await, MemoryLedger::new(partitions));
    let done = export.import(&ledger, &export.empty_keys()).await.unwrap();
    let entries = export.lines.len() as u64;
    assert_eq!((done.appended, done.log.entries, done.imported_from.as_str()), (entries - 1, entries, OLD));
    let Verified { clients, secrets, destroyed, .. } = done.verified;
    assert_eq!((clients, secrets, destroyed), (3, 5, 1));
    let contents = contents(&ledger).await;
    let mut bytes: Vec<_> = contents.iter().flatten().map(|recorded| recorded.bytes.to_vec()).collect();
    let mut lines = export.lines[1..].to_vec();
    bytes.sort();
    lines.sort();
    assert_eq!(bytes, lines, "byte for byte");
    assert_eq!(contents[0].len() == 1, partitions > 1, "the directory alone is in partition 0");
}

#[tokio::test]
async fn the_genesis_says_what_was_imported_and_is_as_old_as_the_first_one() {
    let (export, ledger) = (Export::new().await, MemoryLedger::new(4));
    let done = export.import(&ledger, &export.empty_keys()).await.unwrap();
    let genesis = Event::parse(&ledger.read(0, 0, ALL).await.unwrap()[0].bytes).unwrap();
    assert_eq!(genesis.attributes.time, Timestamp::UNIX_EPOCH);
    let Body::LedgerCreate(create) = genesis.body else { panic!("no genesis") };
    assert_eq!((create.ledger.as_str(), create.sealed_for()), (done.ledger.as_str(), OLD));
    let imported = create.imported.unwrap();
    assert_eq!(imported.logs, [done.log]);
    for (partition, head) in (0..).zip(imported.heads) {
        assert_eq!(ledger.head(partition).await.unwrap(), head, "{partition}");
    }
}

#[tokio::test]
async fn an_imported_ledger_can_be_imported_again() {
    let mut export = Export::new().await;
    let (ledger, keys) = (MemoryLedger::new(1), export.empty_keys());
    let first = export.import(&ledger, &keys).await.unwrap();
    export.lines = ledger.read(0, 0, ALL).await.unwrap().iter().map(|recorded| recorded.bytes.to_vec()).collect();
    let second = export.import(&MemoryLedger::new(4), &export.empty_keys()).await.unwrap();
    assert_eq!((second.imported_from, second.verified), (first.ledger, first.verified));
}

/// A ledger that takes so many entries more, and then fails as if the process were killed: some entries of a batch may
/// have come through, those of the last partitions first.
struct Killed {
    ledger: MemoryLedger,
    left: AtomicUsize,
    last_first: bool,
}

impl Ledger for Killed {
    fn partitions(&self) -> u32 {
        self.ledger.partitions()
    }

    fn append(&self, mut batch: Vec<Entry>) -> BoxFuture<'_, Result<Vec<Place>, AppendError>> {
        async move {
            let left = self.left.load(Ordering::SeqCst);
            if batch.len() <= left {
                self.left.store(left - batch.len(), Ordering::SeqCst);
                return self.ledger.append(batch).await;
            }
            if self.last_first {
                batch.sort_by_key(|entry| std::cmp::Reverse(entry.partition()));
            }
            batch.truncate(left);
            self.ledger.append(batch).await?;
            Err(AppendError::Closed)
        }
        .boxed()
    }

    fn read(&self, partition: u32, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.ledger.read(partition, from, limit)
    }

    fn read_directory(&self, from: u64, limit: Limit) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        self.ledger.read_directory(from, limit)
    }

    fn head(&self, partition: u32) -> BoxFuture<'_, Result<u64, ReadError>> {
        self.ledger.head(partition)
    }

    fn watch(&self, partition: u32) -> Result<watch::Receiver<u64>, ReadError> {
        self.ledger.watch(partition)
    }

    fn health(&self) -> watch::Receiver<Option<String>> {
        self.ledger.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.ledger.close()
    }
}

#[rstest]
#[case::in_order(false)]
#[case::some_partitions_further_than_others(true)]
#[tokio::test]
async fn an_import_that_was_killed_anywhere_goes_on_and_appends_nothing_twice(#[case] last_first: bool) {
    let (export, whole) = (Export::new().await, MemoryLedger::new(4));
    export.import(&whole, &export.empty_keys()).await.unwrap();
    for survived in 0..export.lines.len() {
        let (ledger, keys) = (MemoryLedger::new(4), export.empty_keys());
        let killed = Killed { ledger: ledger.clone(), left: AtomicUsize::new(survived), last_first };
        export.import(&killed, &keys).await.unwrap_err();
        let done = export.import(&ledger, &keys).await.unwrap();
        let lacking = (export.lines.len() - survived.max(1)) as u64;
        assert_eq!(done.appended, lacking, "after {survived} entries");
        assert!(contents(&ledger).await == contents(&whole).await, "after {survived} entries");
    }
}

#[tokio::test]
async fn an_import_that_is_complete_can_be_verified_again() {
    let (export, ledger) = (Export::new().await, MemoryLedger::new(4));
    let keys = export.empty_keys();
    let first = export.import(&ledger, &keys).await.unwrap();
    let again = export.import(&ledger, &keys).await.unwrap();
    assert_eq!((again.appended, again.verified, again.ledger), (0, first.verified, first.ledger));
}

/// Appends something to a ledger that an import did not.
async fn append(ledger: &MemoryLedger, partition: u32, bytes: &[u8]) {
    let entry = Entry::new(partition, partition == 0, bytes.to_vec());
    ledger.append(vec![entry]).await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_holds_anything_else_is_refused_and_left_as_it_is() {
    let export = Export::new().await;
    let other = Export::new().await;
    let genesis = other.lines[0].clone();
    for (what, expected) in [
        ("another ledger", "another ledger than an import of this file"),
        ("no genesis", "partition 0 is empty"),
        ("later events", "came after the import"),
        ("another entry", "another entry at 1:0"),
    ] {
        let ledger = MemoryLedger::new(2);
        match what {
            "another ledger" => append(&ledger, 0, &genesis).await,
            "no genesis" => append(&ledger, 1, &genesis).await,
            "later events" => {
                export.import(&ledger, &export.empty_keys()).await.unwrap();
                append(&ledger, 0, &genesis).await;
            }
            _ => {
                let killed = Killed { ledger: ledger.clone(), left: AtomicUsize::new(1), last_first: false };
                export.import(&killed, &export.empty_keys()).await.unwrap_err();
                append(&ledger, 1, &genesis).await;
            }
        }
        let before = contents(&ledger).await;
        let error = export.import(&ledger, &export.empty_keys()).await.unwrap_err();
        assert!(format!("{error:#}").contains(expected), "{what}: {error:#}");
        assert!(contents(&ledger).await == before, "{what}");
    }
}

#[tokio::test]
async fn keys_of_another_ledger_are_refused() {
    let (export, other, ledger) = (Export::new().await, Export::new().await, MemoryLedger::new(2));
    let error = export.import(&ledger, &other.keys).await.unwrap_err();
    assert!(error.to_string().contains("the keys of another ledger"), "{error:#}");
    assert_eq!(ledger.head(0).await.unwrap(), 0);
}

#[tokio::test]
async fn a_key_that_the_new_store_lacks_is_missed() {
    let (export, ledger) = (Export::new().await, MemoryLedger::new(2));
    let keys = export.empty_keys();
    export.import(&ledger, &keys).await.unwrap();
    keys.destroy(vault::Doomed::Of { kind: "tenant".to_owned(), name: tenant(3) }).await.unwrap();
    let error = export.import(&ledger, &keys).await.unwrap_err();
    assert!(format!("{error:#}").contains("client_secret cannot be opened"), "{error:#}");
}

#[rstest]
#[case::empty(|_: &mut Vec<Vec<u8>>| Vec::new(), "it is empty")]
#[case::of_a_later_position(|lines: &mut Vec<Vec<u8>>| lines.split_off(1), "does not begin with the genesis")]
#[case::of_several_partitions(
    |lines: &mut Vec<Vec<u8>>| vec![replaced(&lines[0], "/data/partitions", json!(8))],
    "one of 8 partitions"
)]
#[case::of_a_newer_version(
    |lines: &mut Vec<Vec<u8>>| vec![lines[0].clone(), replaced(&lines[1], "/type", json!("regledger.moon.land.v1"))],
    "line 2"
)]
#[tokio::test]
async fn what_is_no_export_is_refused(#[case] spoil: fn(&mut Vec<Vec<u8>>) -> Vec<Vec<u8>>, #[case] expected: &str) {
    let mut export = Export::new().await;
    let lines = spoil(&mut export.lines);
    let file = export.dir.path().join("spoilt.ndjson");
    let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    std::fs::write(&file, text).unwrap();
    let error = Plan::read(file, 4).unwrap_err();
    assert!(format!("{error:#}").contains(expected), "{error:#}");
}

#[tokio::test]
async fn an_export_that_was_cut_off_is_refused() {
    let export = Export::new().await;
    let file = export.dir.path().join("cut.ndjson");
    std::fs::write(&file, export.lines.join(&b'\n')).unwrap();
    let error = Plan::read(file, 4).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error:#}");
}

fn replaced(line: &[u8], pointer: &str, value: Value) -> Vec<u8> {
    let mut entry: Value = serde_json::from_slice(line).unwrap();
    *entry.pointer_mut(pointer).unwrap() = value;
    entry.to_string().into_bytes()
}
