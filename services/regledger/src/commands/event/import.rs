//! `regledger event import`: an embedded ledger goes on as another one, scaled out.
//!
//! What an import is:
//! - Every entry is appended byte for byte, in the order of the export, to the partition in which intake would have put it.
//! - The new genesis takes the place of the old one, and says what was imported: the other ledger's id, its length and its
//!   Merkle tree hash, which proves the history from before.
//! - Keys are taken over as they are, under the same key-encryption key. Envelopes are bound to the id of the ledger that
//!   they were sealed in, so the genesis names that id too, and whatever is sealed later is bound to it as well.
//! - No state is kept of an import: how far it came is what the ledger holds.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;
use ledger::Ledger;
use prometheus::Registry;
use registration::directory::LogHead;
use serde::Serialize;
use serde_json::value::to_raw_value;
use vault::{Kek, KeyStore, SqliteKeys};

use crate::commands::restore::kek;
use crate::config::{LedgerBackend, SettingFlags, Settings};
use crate::lock::DataDirLock;
use crate::output::say;
use crate::serve::{open_keys, open_ledger};
use crate::session::{Session, Usage};

mod plan;
mod target;
mod verify;

use self::plan::Plan;
use self::target::Target;
use self::verify::{Verified, unlock, verify};

/// Append an export to an empty ledger, and verify it.
#[derive(Debug, Args)]
pub struct Import {
    /// A file that `event export` wrote
    file: PathBuf,
    /// The key store of the exported ledger: `keys.db` of its data directory, or of a backup
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// The settings of the deployment that is imported into.
    #[command(flatten)]
    settings: SettingFlags,
}

/// What was imported.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Done {
    /// Id of the new ledger.
    ledger: String,
    /// Id of the exported ledger.
    imported_from: String,
    /// How long the exported ledger is, and its Merkle tree hash, as `event export` says it.
    #[serde(flatten)]
    log: LogHead,
    /// Number of partitions of the new ledger.
    partitions: u32,
    /// Entries that were appended now.
    appended: u64,
    #[serde(flatten)]
    verified: Verified,
}

/// Imports.
///
/// # Errors
/// If the export, the keys and the ledger do not belong together, a store cannot be written, or anything differs in the end.
pub async fn run(arguments: Import, session: &Session) -> anyhow::Result<()> {
    let settings = session.settings(&arguments.settings)?;
    let partitions = match &settings.ledger {
        LedgerBackend::Memory => return Err(Usage::error("a ledger in memory is lost when the import ends")),
        LedgerBackend::Sqlite => 1,
        LedgerBackend::Kafka(_) => settings.partitions,
    };
    let _lock = settings.is_embedded().then(|| DataDirLock::acquire(&settings.data_dir)).transpose()?;
    let Import { file, keys, .. } = arguments;
    let plan = Plan::read(file.clone(), partitions).with_context(|| format!("cannot import {}", file.display()))?;
    let done =
        import_into(&settings, &plan, keys).await.with_context(|| format!("cannot import {}", file.display()))?;
    session.output().object(&to_raw_value(&done)?)?;
    say("Everything was read back and is as it was. Subscribers start over: the ledger has a new id.");
    Ok(())
}

async fn import_into(settings: &Settings, plan: &Plan, keys: PathBuf) -> anyhow::Result<Done> {
    ensure!(keys.exists(), "there is no key store {}", keys.display());
    let old_keys = Arc::new(SqliteKeys::open(&keys).context("cannot open the old key store")?);
    ensure!(old_keys.belonging().await?.is_some(), "{} holds no keys", old_keys.place());
    // Before anything is written: the keys are the export's, and the key-encryption key is theirs.
    let old_vault = unlock(old_keys.clone(), kek(settings)?, plan.origin.sealed_for()).await?;
    let ledger = open_ledger(settings, &Registry::new()).await?;
    let keys = open_keys(settings, ledger.head(0).await?).await?;
    let done = import(plan, &*old_keys, &*ledger, keys, kek(settings)?).await;
    ledger.close().await;
    old_vault.close().await;
    done
}

/// Begins an import or goes on with it, up to the end.
async fn import(
    plan: &Plan,
    old_keys: &dyn KeyStore,
    ledger: &dyn Ledger,
    keys: Arc<dyn KeyStore>,
    kek: Kek,
) -> anyhow::Result<Done> {
    let belonging = old_keys.belonging().await?.context("the old key store is empty")?;
    if keys.belonging().await?.is_some_and(|found| found != belonging) {
        bail!("{} holds the keys of another ledger", keys.place());
    }
    let target = Target { plan, ledger, old_keys, keys: &*keys };
    let id = target.begin().await?;
    keys.establish(belonging).await.context("the key store cannot be put to use")?;
    let held = target.held().await?;
    target.fill(&held).await?;
    let vault = unlock(keys.clone(), kek, plan.origin.sealed_for()).await?;
    let verified = verify(&target, &id, &vault).await;
    vault.close().await;
    let verified = verified.context("what was imported is not as it was")?;
    Ok(Done {
        ledger: id,
        imported_from: plan.origin.ledger.clone(),
        partitions: ledger.partitions(),
        appended: plan.entries() - held.iter().sum::<u64>(),
        log: plan.log(),
        verified,
    })
}

#[cfg(test)]
mod tests;
