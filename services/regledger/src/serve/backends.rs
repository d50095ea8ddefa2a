//! The backends that the settings name: embedded ones in the data directory, and those that many processes share.

use std::sync::Arc;

use anyhow::{Context, bail};
use api::Reason;
use ledger::{Ledger, MemoryLedger, SqliteLedger};
use outbox::{Birth, Outbox, SqliteOutbox};
use projection::{SqliteStore, Store};
use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vault::{KeyStore, SqliteKeys};

use super::stores::Stores;
use crate::config::{LedgerBackend, Settings, StateBackend};

#[cfg_attr(not(feature = "scale-out"), path = "backends/absent.rs")]
mod shared;

pub(super) use shared::is_away;

/// Reads of the state store that run at a time.
const READERS: usize = 8;

/// The ledger that the settings name.
///
/// # Errors
/// If it cannot be opened, or is not as it must be.
pub async fn open_ledger(settings: &Settings, registry: &Registry) -> anyhow::Result<Arc<dyn Ledger>> {
    Ok(match &settings.ledger {
        LedgerBackend::Sqlite => {
            let path = settings.ledger_file();
            let ledger = SqliteLedger::open(&path, super::metrics::ledger_options(registry)?);
            Arc::new(ledger.with_context(|| format!("cannot open the ledger {}", path.display()))?)
        }
        LedgerBackend::Memory => {
            tracing::warn!("the ledger is in memory: everything is lost when the process ends");
            Arc::new(MemoryLedger::new(1))
        }
        LedgerBackend::Kafka(topics) => shared::open_ledger(settings, topics).await?,
    })
}

/// The key store that goes with the ledger, which has `head` events. An embedded one that is missing is not made anew beside
/// a ledger that needs it: the genesis alone needs no key, since the first start may have ended right after it.
///
/// # Errors
/// If it cannot be opened, or is missing.
pub async fn open_keys(settings: &Settings, head: u64) -> anyhow::Result<Arc<dyn KeyStore>> {
    if let LedgerBackend::Kafka(topics) = &settings.ledger {
        return shared::open_keys(settings, topics).await;
    }
    let path = settings.keys_file();
    if head > 1 && !path.exists() {
        bail!(missing_keys(&path.display().to_string()));
    }
    Ok(Arc::new(SqliteKeys::open(&path).context("cannot open the key store")?))
}

/// What to say where a ledger has events and their keys are gone.
pub(super) fn missing_keys(place: &str) -> String {
    format!(
        "{place} is missing beside a ledger that has events: without it no secret can be read. Restore it from a backup"
    )
}

pub(super) async fn open_state(settings: &Settings, ledger: &str, partitions: u32) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match &settings.state {
        StateBackend::Sqlite => {
            let options = sqlite::Options::default();
            let store = SqliteStore::open(&settings.state_file(), ledger, partitions, READERS, options);
            Arc::new(store.context("cannot open the state store")?)
        }
        StateBackend::Postgres(url) => shared::open_state(url, ledger, partitions).await?,
    })
}

pub(super) async fn open_outbox(settings: &Settings, born: Birth) -> anyhow::Result<Arc<dyn Outbox>> {
    Ok(match &settings.state {
        StateBackend::Sqlite => {
            let options = sqlite::Options::default();
            let store = SqliteOutbox::open(&settings.deliveries_file(), born, READERS, options);
            Arc::new(store.context("cannot open the delivery store")?)
        }
        StateBackend::Postgres(url) => shared::open_outbox(url, born).await?,
    })
}

/// Publishes the changes where the ledger is in Kafka; whether everything is published.
pub(super) fn start_publisher(
    settings: &Settings,
    stores: &Stores,
    roles: &mut JoinSet<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Reason>> {
    match &settings.ledger {
        LedgerBackend::Kafka(topics) => shared::start_publisher(settings, topics, stores, roles, stop).map(Some),
        LedgerBackend::Sqlite | LedgerBackend::Memory => Ok(None),
    }
}
