//! The stores of the embedded deployment: opened, checked against one another, and closed in order.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use admission::{Admission, Capability, Clock, DirectoryView, hash_of};
use anyhow::{Context, bail};
use api::Reason;
use ledger::{Ledger, MemoryLedger, SqliteLedger};
use projection::Store;
use prometheus::Registry;
use secrecy::ExposeSecret;
use vault::{Kek, KekError, KeyStore, SqliteKeys, Vault};

use crate::config::{KekSource, LedgerBackend, Settings};
use crate::lock::DataDirLock;

/// Connections that read the state store at a time.
const READERS: usize = 8;

/// What a process keeps open.
pub(super) struct Stores {
    pub registry: Registry,
    pub clock: Clock,
    pub ledger: Arc<dyn Ledger>,
    pub directory: Arc<DirectoryView>,
    pub vault: Vault,
    pub store: Store,
    pub admission: Admission,
    _lock: DataDirLock,
}

impl Stores {
    /// Opens everything; what does not belong together is refused.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let lock = DataDirLock::acquire(&settings.data_dir)?;
        let (registry, clock) = (Registry::new(), Clock::system());
        let ledger = open_ledger(settings, &registry)?;
        let (keys, known_id) = open_keys(settings, &*ledger).await?;
        let directory =
            DirectoryView::open(ledger.clone(), known_id.clone(), &clock).await.context("cannot read the directory")?;
        let kek = open_kek(settings, known_id.is_none())?;
        let vault = Vault::open(keys, kek, &directory.ledger_id()).await.context("cannot open the key store")?;
        let store = Store::open(
            &settings.state_file(),
            &directory.ledger_id(),
            directory.partitions(),
            READERS,
            sqlite::Options::default(),
        )
        .context("cannot open the state store")?;
        refuse_lost_events(&*ledger, &store, settings).await?;
        let token_hash = admin_token(&settings.admin_token_file)?;
        directory.ensure_admin_token(token_hash, &clock).await?;
        let admission = Admission::new(ledger.clone(), vault.clone(), clock.clone(), &registry)?;
        Ok(Self { registry, clock, ledger, directory, vault, store, admission, _lock: lock })
    }

    /// What `/readyz` watches.
    pub fn checks(&self) -> Vec<(&'static str, Reason)> {
        vec![
            ("ledger", self.ledger.health()),
            ("directory", self.directory.health()),
            ("keys", self.vault.health()),
            ("state", self.store.health()),
        ]
    }
}

/// Refuses a ledger that ends before what was projected from it, before anything takes the places of
/// the events that it lost.
async fn refuse_lost_events(ledger: &dyn Ledger, store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let projected = store.watch().borrow().clone();
    for (partition, next) in (0..).zip(projected) {
        let head = ledger.head(partition).await?;
        if next > head {
            bail!(
                "partition {partition} of the ledger ends before position {head}, but {0} was projected from it \
                 up to {next}: events are lost. Restore a backup; if this ledger is the one to keep, delete \
                 {0}, and it will be built anew",
                settings.state_file().display()
            );
        }
    }
    Ok(())
}

fn open_ledger(settings: &Settings, registry: &Registry) -> anyhow::Result<Arc<dyn Ledger>> {
    let path = settings.ledger_file();
    Ok(match settings.ledger {
        LedgerBackend::Sqlite => {
            let ledger = SqliteLedger::open(&path, super::metrics::ledger_options(registry)?);
            Arc::new(ledger.with_context(|| format!("cannot open the ledger {}", path.display()))?)
        }
        LedgerBackend::Memory => {
            tracing::warn!("the ledger is in memory: everything is lost when the process ends");
            Arc::new(MemoryLedger::new(1))
        }
    })
}

/// The key store, and the ledger whose keys it holds: None if it has not been put to use. Refused where one of the two was lost.
async fn open_keys(settings: &Settings, ledger: &dyn Ledger) -> anyhow::Result<(Arc<dyn KeyStore>, Option<String>)> {
    let (path, head) = (settings.keys_file(), ledger.head(0).await?);
    // The genesis alone needs no key: the first start may have ended right after it.
    let is_needed = head > 1;
    let keys = (path.exists() || !is_needed).then(|| SqliteKeys::open(&path)).transpose();
    let keys = keys.context("cannot open the key store")?;
    let known_id = match &keys {
        Some(keys) => keys.belonging().await.context("cannot read the key store")?.map(|belonging| belonging.ledger),
        None => None,
    };
    let (Some(keys), false) = (keys, is_needed && known_id.is_none()) else {
        bail!(
            "{} is missing beside a ledger that has events: without it no secret can be read. \
             Restore it from a backup",
            path.display()
        );
    };
    let should_be_empty = settings.ledger == LedgerBackend::Memory || known_id.is_none();
    if head == 0 && !should_be_empty && keys.has_keys().await.context("cannot read the key store")? {
        bail!(
            "{} is missing or empty, but {} holds the keys of its events. Restore it from a backup",
            settings.ledger_file().display(),
            path.display()
        );
    }
    Ok((Arc::new(keys), known_id))
}

/// The key-encryption key. The first start makes one if it is to come from a file: later, a file
/// that is missing was lost, and a new one would open nothing.
fn open_kek(settings: &Settings, is_first_start: bool) -> anyhow::Result<Kek> {
    let path = match &settings.kek {
        KekSource::Command(command) => {
            return Kek::from_command(command).context("cannot get the key-encryption key");
        }
        KekSource::File(path) => path,
    };
    if is_first_start && !path.exists() {
        match Kek::create_file(path) {
            Ok(_) | Err(KekError::Exists { .. }) => {}
            Err(error) => return Err(error).context("cannot make the key-encryption key"),
        }
    }
    if path.starts_with(&settings.data_dir) {
        tracing::warn!(
            kek.file = %path.display(),
            "the key-encryption key lies beside the data that it protects; move it and set kek.file"
        );
    }
    Kek::from_file(path).context("cannot read the key-encryption key")
}

/// The hash of the admin token; the first start makes one, exclusively, readable by its owner alone.
fn admin_token(path: &Path) -> anyhow::Result<String> {
    if !path.exists() {
        match make_admin_token(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot make the admin token {}", path.display()));
            }
            _ => {}
        }
    }
    let token = fs::read_to_string(path).with_context(|| format!("cannot read the admin token {}", path.display()))?;
    if token.trim().is_empty() {
        bail!("the admin token {} is empty; delete it and start again", path.display());
    }
    Ok(hash_of(token.trim()))
}

/// Makes the file with a new token. It appears at once and whole, also if the process is killed.
fn make_admin_token(path: &Path) -> io::Result<()> {
    let token = Capability::new("rgl_").map_err(|_| io::Error::other("there is no randomness"))?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", token.secret.expose_secret())?;
    file.sync_all()?;
    let made = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    made
}
