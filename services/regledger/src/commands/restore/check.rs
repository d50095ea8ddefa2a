//! Whether a ledger and a key store are whole, and belong together.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use ledger::{Ledger, Limit, SqliteLedger};
use registration::Event;
use registration::event::Body;
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
    /// Quarantined messages whose time is over: their keys are gone, as they should be.
    pub expired: u64,
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
    walked.map(|()| checked)
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
        Err(error) => return Err(error).with_context(|| format!("{} cannot be opened", secret.field)),
    }
    Ok(())
}
