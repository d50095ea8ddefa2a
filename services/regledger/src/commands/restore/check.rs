//! Whether a ledger and a key store are whole, and belong together.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use ledger::{Ledger, Limit, SqliteLedger};
use registration::directory::{Directory, Due, Forgotten};
use registration::event::Body;
use registration::{Event, Placed};
use serde::Serialize;
use vault::{Kek, SqliteKeys, UnsealError, Vault};

use crate::clock;
use crate::commands::sealed::{Secret, secrets};
use crate::config::{KEYS_FILE, LEDGER_FILE};

/// What was checked.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Id of the ledger.
    pub ledger: String,
    /// Entries, each with its hash.
    pub events: u64,
    /// Secrets that open.
    pub secrets: u64,
    /// Secrets of quarantined messages, users, subscriptions and integrations whose time is over: their keys are gone, as they
    /// should be.
    pub expired: u64,
    /// Whose keys are gone.
    #[serde(skip)]
    gone: BTreeSet<Forgotten>,
}

/// Entries that are read at a time.
const CHUNK: Limit = Limit { events: 1024, bytes: 8 << 20 };

/// Reads every entry, which compares it with its hash, and opens every secret.
///
/// # Errors
/// What is not as it should be, and where.
pub async fn check(dir: &Path, kek: Kek) -> anyhow::Result<Checked> {
    let ledger = SqliteLedger::open(&dir.join(LEDGER_FILE), sqlite::Options::default())
        .context("the ledger cannot be opened")?;
    let checked = check_ledger(&ledger, &dir.join(KEYS_FILE), kek).await;
    ledger.close().await;
    checked
}

async fn check_ledger(ledger: &SqliteLedger, keys: &Path, kek: Kek) -> anyhow::Result<Checked> {
    let first = ledger.read(0, 0, Limit { events: 1, bytes: 0 }).await?;
    let first = first.first().context("the ledger is empty")?;
    let Body::LedgerCreate(genesis) = Event::parse(&first.bytes)?.body else {
        bail!("the ledger does not begin with its genesis");
    };
    let keys = SqliteKeys::open(keys).context("the key store cannot be opened")?;
    let vault =
        Vault::open(Arc::new(keys), kek, genesis.sealed_for()).await.context("the keys do not fit the ledger")?;
    let mut checked = Checked { ledger: genesis.ledger, ..Checked::default() };
    let now = clock::now();
    let walked = walk(ledger, &vault, now, &mut checked).await;
    vault.close().await;
    walked?;
    check_gone(ledger, &checked.gone, now).await?;
    Ok(checked)
}

/// Whose keys are gone was deleted or purged, or was due, or never came to be: the keys were copied after the ledger.
async fn check_gone(ledger: &SqliteLedger, gone: &BTreeSet<Forgotten>, now: Timestamp) -> anyhow::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let directory = directory(ledger).await?;
    let over = directory.due(now).into_iter().filter_map(|due| match due {
        Due::User { id, .. } => Some(Forgotten::User(id)),
        Due::Domain { .. } => None,
    });
    let over: BTreeSet<_> = over.chain(directory.forgotten().iter().map(|(one, _)| one.clone())).collect();
    match gone.difference(&over).next() {
        Some(Forgotten::User(id)) => bail!("the keys of user {id} are missing"),
        Some(Forgotten::Subscription(id)) => bail!("the keys of subscription {id} are missing"),
        Some(Forgotten::Integration(id)) => bail!("the keys of integration {id} are missing"),
        None => Ok(()),
    }
}

async fn directory(ledger: &SqliteLedger) -> anyhow::Result<Directory> {
    let (mut directory, mut next, mut time) = (Directory::default(), 0, Timestamp::MIN);
    loop {
        let entries = ledger.read_directory(next, CHUNK).await?;
        let Some(last) = entries.last() else { return Ok(directory) };
        next = last.position + 1;
        for entry in entries {
            let placed = Placed::after(time, 0, entry.position, Event::parse(&entry.bytes)?);
            time = placed.recorded_time;
            directory.apply(&placed);
        }
    }
}

async fn walk(ledger: &SqliteLedger, vault: &Vault, now: Timestamp, checked: &mut Checked) -> anyhow::Result<()> {
    let head = ledger.head(0).await?;
    while checked.events < head {
        let chunk = ledger.read(0, checked.events, CHUNK).await?;
        ensure!(!chunk.is_empty(), "the ledger ends at position {} of {head}", checked.events);
        for recorded in chunk {
            let position = recorded.position;
            ensure!(position == checked.events, "position {} is missing", checked.events);
            let event = Event::parse(&recorded.bytes).with_context(|| format!("at position {position}"))?;
            for secret in secrets(&event) {
                open(&secret, vault, now, checked).await.with_context(|| format!("at position {position}"))?;
            }
            checked.events += 1;
        }
    }
    Ok(())
}

/// Opens a secret, unless it has expired.
async fn open(secret: &Secret<'_>, vault: &Vault, now: Timestamp, checked: &mut Checked) -> anyhow::Result<()> {
    match secret.open(vault).await {
        Ok(()) => checked.secrets += 1,
        Err(UnsealError::NoKey) if secret.is_over(now) => checked.expired += 1,
        Err(UnsealError::NoKey) if secret.of_whom().is_some() => {
            checked.expired += 1;
            checked.gone.extend(secret.of_whom());
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be opened", secret.field)),
    }
    Ok(())
}
