//! The stores of a process: opened, checked against one another, and closed in order.

use std::path::PathBuf;
use std::sync::Arc;

use admission::{Admission, Clock, DirectoryView};
use anyhow::{Context, bail};
use api::Reason;
use delivery::egress::{Egress, Names, Settings as EgressOptions};
use ledger::Ledger;
use outbox::{Birth, Outbox};
use projection::Store;
use prometheus::Registry;
use registration::directory::LedgerRow;
use vault::{KeyStore, Vault};

use super::backends::{missing_keys, open_keys, open_ledger, open_outbox, open_state};
use super::credentials::{admin_token, open_kek};
use super::waiting::Waiting;
use crate::config::{LedgerBackend, Settings};
use crate::lock::{DataDirLock, make_data_dir};

/// What a process keeps open.
pub(super) struct Stores {
    pub registry: Registry,
    pub clock: Clock,
    pub ledger: Arc<dyn Ledger>,
    pub directory: Arc<DirectoryView>,
    pub vault: Vault,
    /// None where no role of the process needs it: intake works without.
    pub state: Option<Arc<dyn Store>>,
    pub admission: Admission,
    /// None where no role of the process needs it.
    pub outbox: Option<Arc<dyn Outbox>>,
    pub egress: Egress,
    _lock: Option<DataDirLock>,
}

/// What everything else follows from.
struct Truth {
    ledger: Arc<dyn Ledger>,
    directory: Arc<DirectoryView>,
    vault: Vault,
}

/// What is made of it, as far as a role of the process needs it.
struct Views {
    state: Option<Arc<dyn Store>>,
    outbox: Option<Arc<dyn Outbox>>,
}

impl Stores {
    /// Opens everything, and waits for what is away; what does not belong together is refused.
    pub async fn open(settings: &Settings, waiting: &Waiting) -> anyhow::Result<Self> {
        let lock = hold_data_dir(settings)?;
        let egress = open_egress(settings)?;
        let (registry, clock) = (Registry::new(), Clock::system());
        let truth = waiting.until_there(async || Truth::open(settings, &registry, &clock).await).await?;
        let views = waiting.until_there(async || Views::open(settings, &truth).await).await?;
        let Truth { ledger, directory, vault } = truth;
        let admin_token = admin_token(&settings.admin_token_file)?;
        let ensured = async || Ok(directory.ensure_admin_token(admin_token.clone(), &clock).await?);
        waiting.until_there(ensured).await?;
        let admission = Admission::new(ledger.clone(), vault.clone(), clock.clone(), &registry)?;
        let Views { state, outbox } = views;
        Ok(Self { registry, clock, ledger, directory, vault, state, admission, outbox, egress, _lock: lock })
    }

    /// The state store, for the roles that need it.
    pub fn state(&self) -> anyhow::Result<&Arc<dyn Store>> {
        self.state.as_ref().context("no state store was opened")
    }

    /// The delivery store, for the roles that need it.
    pub fn outbox(&self) -> anyhow::Result<&Arc<dyn Outbox>> {
        self.outbox.as_ref().context("no delivery store was opened")
    }

    /// What `/readyz` watches.
    pub fn checks(&self) -> Vec<(&'static str, Reason)> {
        let mut checks = vec![
            ("ledger", self.ledger.health()),
            ("directory", self.directory.health()),
            ("keys", self.vault.health()),
        ];
        checks.extend(self.state.as_ref().map(|state| ("state", state.health())));
        checks.extend(self.outbox.as_ref().map(|outbox| ("deliveries", outbox.health())));
        checks
    }
}

impl Truth {
    async fn open(settings: &Settings, registry: &Registry, clock: &Clock) -> anyhow::Result<Self> {
        let ledger = open_ledger(settings, registry).await?;
        let keys = open_keys(settings, ledger.head(0).await?).await?;
        let known_id = belonging(&*keys).await?;
        // Another first start may have written it meanwhile, before the keys.
        if known_id.is_some() && ledger.head(0).await? == 0 {
            refuse_lost_ledger(settings, &*keys).await?;
        }
        let directory =
            DirectoryView::open(ledger.clone(), known_id.clone(), clock).await.context("cannot read the directory")?;
        refuse_partial_import(&*ledger, &directory.ledger()).await?;
        // Tokens come after the keys; another first start may have written both meanwhile.
        let has_tokens = !directory.read().tokens().is_empty();
        if has_tokens && known_id.is_none() && belonging(&*keys).await?.is_none() {
            bail!(missing_keys(&keys.place()));
        }
        let kek = open_kek(settings, known_id.is_none())?;
        let vault =
            Vault::open(keys, kek, directory.ledger().sealed_for()).await.context("cannot open the key store")?;
        Ok(Self { ledger, directory, vault })
    }
}

impl Views {
    async fn open(settings: &Settings, truth: &Truth) -> anyhow::Result<Self> {
        let Truth { ledger, directory, .. } = truth;
        let state = match settings.needs_state() {
            true => Some(open_state(settings, &directory.ledger_id(), directory.partitions()).await?),
            false => None,
        };
        if let Some(state) = &state {
            refuse_lost_events(&**ledger, &**state, settings).await?;
        }
        let outbox = match settings.needs_deliveries() {
            true => Some(open_outbox(settings, birth(&**ledger, directory).await?).await?),
            false => None,
        };
        Ok(Self { state, outbox })
    }
}

/// What a delivery store is born with that is made now.
async fn birth(ledger: &dyn Ledger, directory: &DirectoryView) -> anyhow::Result<Birth> {
    let mut heads = Vec::new();
    for partition in 0..ledger.partitions() {
        heads.push(ledger.head(partition).await?);
    }
    let row = directory.ledger();
    Ok(Birth { era: row.era(), ledger: row.ledger, heads })
}

/// The one client for outgoing calls.
fn open_egress(settings: &Settings) -> anyhow::Result<Egress> {
    let read = |file: &PathBuf| std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let roots = settings.egress.ca_file.as_ref().map(read).transpose()?;
    let options = EgressOptions { allow: settings.egress.allow.clone(), roots, names: Names::system() };
    Egress::new(options).context("cannot make outgoing calls")
}

/// Locks the data directory if something is kept there. Else processes share it, for the files of their credentials.
fn hold_data_dir(settings: &Settings) -> anyhow::Result<Option<DataDirLock>> {
    if settings.is_embedded() {
        return DataDirLock::acquire(&settings.data_dir).map(Some);
    }
    make_data_dir(&settings.data_dir)?;
    Ok(None)
}

/// Id of the ledger whose keys these are; none before a first start.
async fn belonging(keys: &dyn KeyStore) -> anyhow::Result<Option<String>> {
    let belonging = keys.belonging().await.context("cannot read the key store")?;
    Ok(belonging.map(|belonging| belonging.ledger))
}

/// Refuses a ledger without events beside keys that were used.
async fn refuse_lost_ledger(settings: &Settings, keys: &dyn KeyStore) -> anyhow::Result<()> {
    let lost = match &settings.ledger {
        LedgerBackend::Memory => return Ok(()),
        LedgerBackend::Sqlite => settings.ledger_file().display().to_string(),
        LedgerBackend::Kafka(topics) => format!("the topic {}", topics.events),
    };
    if keys.has_keys().await.context("cannot read the key store")? {
        bail!(
            "{lost} is missing or empty, but {} holds the keys of its events. Restore it from a backup",
            keys.place()
        );
    }
    Ok(())
}

/// Refuses a ledger that is still being imported, before anything takes the places of the events that are to come.
async fn refuse_partial_import(ledger: &dyn Ledger, row: &LedgerRow) -> anyhow::Result<()> {
    for (partition, imported) in (0..).zip(row.imported.iter().flat_map(|imported| &imported.heads)) {
        if ledger.head(partition).await? < *imported {
            bail!("the import of this ledger is not complete: run the same `regledger event import` again");
        }
    }
    Ok(())
}

/// Refuses a ledger that ends before what was projected from it, before anything takes the places of
/// the events that it lost.
async fn refuse_lost_events(ledger: &dyn Ledger, state: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    let projected = state.watch().borrow().clone();
    for (partition, next) in (0..).zip(projected) {
        let head = ledger.head(partition).await?;
        if next > head {
            bail!(
                "partition {partition} of the ledger ends before position {head}, but {0} was projected from it \
                 up to {next}: events are lost. Restore a backup; if this ledger is the one to keep, delete \
                 {0}, and it will be built anew",
                settings.state_place()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ledger::{Entry, MemoryLedger};
    use registration::directory::Imported;

    use super::*;

    #[tokio::test]
    async fn a_ledger_is_served_only_once_its_import_is_complete() {
        let ledger = MemoryLedger::new(2);
        for partition in [0, 1, 1] {
            ledger.append(vec![Entry::new(partition, partition == 0, "{}")]).await.unwrap();
        }
        for (heads, is_complete) in [(vec![1, 2], true), (vec![1, 1], true), (vec![1, 3], false), (vec![2, 2], false)] {
            let (ledger_id, sealed_for, logs) = ("a".to_owned(), "a".to_owned(), Vec::new());
            let imported = Some(Imported { ledger: ledger_id, sealed_for, logs, heads: heads.clone() });
            let row = LedgerRow { imported, ..LedgerRow::default() };
            assert_eq!(refuse_partial_import(&ledger, &row).await.is_ok(), is_complete, "{heads:?}");
        }
        refuse_partial_import(&ledger, &LedgerRow::default()).await.unwrap();
    }
}
