//! Eras: a restored ledger gives positions that were given before to other events, and says so in an event of its own.

use std::path::Path;

use ledger::{Entry, Ledger, SqliteLedger};
use registration::directory::LedgerRestore;
use registration::event::{Attributes, EventType, encode};

use crate::clock;
use crate::config::LEDGER_FILE;

/// Appends to the ledger in `dir` that it was restored, and from which positions on it is another than it was.
///
/// # Errors
/// If the ledger cannot be read or does not take the event.
pub async fn begin(dir: &Path, id: &str) -> anyhow::Result<()> {
    let ledger = SqliteLedger::open(&dir.join(LEDGER_FILE), sqlite::Options::default())?;
    let begun = append(&ledger, id).await;
    ledger.close().await;
    begun
}

async fn append(ledger: &SqliteLedger, id: &str) -> anyhow::Result<()> {
    let mut heads = Vec::new();
    for partition in 0..ledger.partitions() {
        heads.push(ledger.head(partition).await?);
    }
    let attributes = Attributes {
        id: clock::fresh_id(),
        source: "/ledger".to_owned(),
        subject: id.to_owned(),
        time: clock::now(),
        ..Attributes::default()
    };
    let data = LedgerRestore { era: clock::fresh_id(), heads };
    let bytes = encode(&attributes, EventType::LedgerRestore, &data)?;
    ledger.append(vec![Entry::new(0, true, bytes)]).await?;
    Ok(())
}
