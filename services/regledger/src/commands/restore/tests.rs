use std::sync::Arc;

use jiff::Timestamp;
use ledger::{Entry, Ledger, SqliteLedger};
use registration::Sealed;
use registration::directory::LedgerCreate;
use registration::event::{Attributes, EventType, encode};
use registration::quarantine::QuarantineReceive;
use rstest::rstest;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;
use vault::{Context as SealContext, Kek, SqliteKeys, Subject, Vault};

use super::*;
use crate::cli::Globals;
use crate::commands::backup::{self, Backup};
use crate::config::Variables;
use crate::session::Session;

const LEDGER: &str = "0190aaaa";
const TENANT: &str = "provetcloud.com/1234";

/// A data directory with a ledger, its keys and their key-encryption key.
struct Hub {
    dir: TempDir,
    ledger: SqliteLedger,
    vault: Vault,
}

impl Hub {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kek = Kek::create_file(&dir.path().join("kek")).unwrap();
        let ledger = SqliteLedger::open(&dir.path().join(LEDGER_FILE), sqlite::Options::default()).unwrap();
        let keys = SqliteKeys::open(&dir.path().join(KEYS_FILE)).unwrap();
        let vault = Vault::open(Arc::new(keys), kek, LEDGER).await.unwrap();
        let hub = Self { dir, ledger, vault };
        let genesis = LedgerCreate { ledger: LEDGER.to_owned(), partitions: 1, imported: None };
        hub.append(EventType::LedgerCreate, "", Uuid::nil(), &genesis).await;
        hub
    }

    async fn append(&self, kind: EventType, subject: &str, id: Uuid, data: &impl Serialize) {
        let attributes =
            Attributes { id, source: "/x".to_owned(), subject: subject.to_owned(), ..Attributes::default() };
        let bytes = encode(&attributes, kind, data).unwrap();
        self.ledger.append(vec![Entry::new(0, false, bytes)]).await.unwrap();
    }

    async fn seal(&self, subject: &Subject, id: Uuid, field: &str) -> Sealed {
        let key = self.vault.data_key(subject, clock::now()).await.unwrap();
        Sealed { sealed: self.vault.seal(&key, &SealContext { event: id, field }, b"s3cret").unwrap() }
    }

    async fn register(&self) {
        let id = clock::fresh_id();
        let secret = self.seal(&Subject::Tenant(TENANT.to_owned()), id, "client_secret").await;
        let notice = json!({
            "provet_id": 1234, "client_id": "abc", "client_secret": secret, "algorithm": null,
            "authorization_grant_type": "client_credentials", "client_type": "confidential", "redirect_uris": "",
            "token_url": "https://provetcloud.com/1234/", "authorize_url": "", "openid_autodiscovery_url": null,
        });
        self.append(EventType::ProvetRegistration, TENANT, id, &notice).await;
    }

    /// A quarantined message that has expired, and so has its key.
    async fn quarantine_expired(&self) {
        let id = clock::fresh_id();
        let expires = Timestamp::UNIX_EPOCH;
        let subject = Subject::Quarantine { id: "q1".to_owned(), expires };
        let body = self.seal(&subject, id, "body").await;
        let message = QuarantineReceive {
            id: "q1".to_owned(),
            body,
            bytes: 6,
            kept_bytes: None,
            hash: Vec::new(),
            status: 422,
            detail: String::new(),
            violations: Vec::new(),
            expires_time: expires,
        };
        self.append(EventType::QuarantineReceive, "q1", id, &message).await;
        assert_eq!(self.vault.expire(clock::now()).await.unwrap(), 1);
    }

    fn kek_file(&self) -> String {
        self.dir.path().join("kek").display().to_string()
    }

    /// A backup, while ledger and keys are open.
    fn back_up(&self) -> PathBuf {
        let to = self.dir.path().join(format!("backup-{}", clock::fresh_id()));
        backup::run(&Backup { dir: to.clone() }, &session(self.dir.path())).unwrap();
        to
    }
}

fn session(data_dir: &Path) -> Session {
    let globals = Globals { data_dir: Some(data_dir.to_owned()), ..Globals::default() };
    Session::new(globals, Variables::new())
}

async fn restore(hub: &Hub, backup: &Path, to: &Path, replace: bool) -> anyhow::Result<()> {
    let arguments = Restore { dir: backup.to_owned(), replace, kek_file: Some(hub.kek_file()) };
    run(&arguments, &session(to)).await
}

async fn events_of(data_dir: &Path) -> u64 {
    let ledger = SqliteLedger::open(&data_dir.join(LEDGER_FILE), sqlite::Options::default()).unwrap();
    ledger.head(0).await.unwrap()
}

#[tokio::test]
async fn a_backup_of_a_running_hub_is_restored_whole() {
    let hub = Hub::new().await;
    hub.register().await;
    hub.quarantine_expired().await;
    let backup = hub.back_up();
    hub.register().await;
    let to = tempfile::tempdir().unwrap();
    restore(&hub, &backup, to.path(), false).await.unwrap();
    assert_eq!(events_of(to.path()).await, 3 + 1, "and that it was restored");
    DataDirLock::acquire(to.path()).unwrap();
    let kek = Kek::from_file(&hub.dir.path().join("kek")).unwrap();
    let checked = check::check(to.path(), kek).await.unwrap();
    assert_eq!((checked.events, checked.secrets, checked.expired), (3 + 1, 1, 1));
}

/// Spoils a backup.
fn spoil(backup: &Path, file: &str, sql: &str) {
    Connection::open(backup.join(file)).unwrap().execute_batch(sql).unwrap();
}

#[rstest]
#[case::an_entry_was_changed(
    LEDGER_FILE,
    "DROP TRIGGER event_is_never_changed; UPDATE event SET entry = CAST('{}' AS BLOB) WHERE position = 1"
)]
#[case::an_entry_is_missing(LEDGER_FILE, "DROP TRIGGER event_is_never_removed; DELETE FROM event WHERE position = 1")]
#[case::a_key_is_missing(KEYS_FILE, "DELETE FROM data_key")]
#[case::the_keys_are_of_another_ledger(KEYS_FILE, "UPDATE store SET ledger = 'another'")]
#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused(#[case] file: &str, #[case] sql: &str) {
    let hub = Hub::new().await;
    hub.register().await;
    hub.register().await;
    let backup = hub.back_up();
    spoil(&backup, file, sql);
    let to = tempfile::tempdir().unwrap();
    let error = restore(&hub, &backup, to.path(), false).await.unwrap_err();
    assert!(!to.path().join(LEDGER_FILE).exists(), "{error:#}");
    assert!(!to.path().join(RESTORING).exists(), "{error:#}");
}

#[rstest]
#[case::of_the_ledger(LEDGER_FILE)]
#[case::of_the_keys(KEYS_FILE)]
#[tokio::test]
async fn a_copy_with_a_write_ahead_log_is_refused(#[case] file: &str) {
    let hub = Hub::new().await;
    let backup = hub.back_up();
    fs::write(backup.join(format!("{file}-wal")), "tail").unwrap();
    let to = tempfile::tempdir().unwrap();
    let error = restore(&hub, &backup, to.path(), false).await.unwrap_err();
    assert!(error.to_string().contains("`regledger backup`"), "{error:#}");
    assert!(!to.path().join(LEDGER_FILE).exists(), "{error:#}");
}

#[tokio::test]
async fn a_backup_needs_its_own_key_encryption_key() {
    let (hub, other) = (Hub::new().await, Hub::new().await);
    let backup = hub.back_up();
    let to = tempfile::tempdir().unwrap();
    let error = restore(&other, &backup, to.path(), false).await.unwrap_err();
    assert!(format!("{error:#}").contains("key-encryption key"), "{error:#}");
}

#[tokio::test]
async fn what_is_there_is_replaced_only_when_asked_for_and_then_kept() {
    let hub = Hub::new().await;
    let backup = hub.back_up();
    hub.register().await;
    hub.ledger.close().await;
    let data_dir = hub.dir.path();
    restore(&hub, &backup, data_dir, false).await.unwrap_err();
    restore(&hub, &backup, data_dir, true).await.unwrap();
    assert_eq!(events_of(data_dir).await, 1 + 1);
    let aside = fs::read_dir(data_dir).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.filter(|path| path.to_string_lossy().contains("/replaced-")).last().unwrap();
    assert_eq!(events_of(&aside).await, 2);
}

#[tokio::test]
async fn a_data_directory_in_use_is_left_alone() {
    let hub = Hub::new().await;
    let backup = hub.back_up();
    let to = tempfile::tempdir().unwrap();
    let _running = DataDirLock::acquire(to.path()).unwrap();
    let error = restore(&hub, &backup, to.path(), true).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error:#}");
}

#[test]
fn a_server_does_not_start_where_a_restore_was_interrupted() {
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join(RESTORING)).unwrap();
    DataDirLock::acquire(to.path()).unwrap_err();
    DataDirLock::acquire_to_restore(to.path()).unwrap();
}
