//! `regledger backup`: a copy of the ledger and of the keys, also while the server runs.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use rusqlite::backup::Backup as Copying;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::config::{KEYS_FILE, LEDGER_FILE, SettingFlags};
use crate::output::say;
use crate::session::Session;

/// How long a copy waits for a lock.
const BUSY: Duration = Duration::from_secs(5);

/// Copy the ledger and the keys, also while the server runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  regledger backup --data-dir /var/lib/regledger /mnt/backup/$(date +%F)

Works on the files of the data directory, whether the server runs or not; nothing has to stop. The ledger is copied
before the keys, so that every secret of the copy has its key. The client table is not copied: it is derived anew.

The key-encryption key is not in the backup: without it the backup opens no secret. Keep it elsewhere. A tenant's
secrets are gone for good only when the backups that hold its keys are gone too, or their key-encryption key is.")]
pub struct Backup {
    /// Directory to make
    pub dir: PathBuf,
}

/// Copies.
///
/// # Errors
/// If there is nothing to copy, or the copy cannot be made.
pub fn run(arguments: &Backup, session: &Session) -> anyhow::Result<()> {
    let settings = session.settings(&SettingFlags::default())?;
    make_dir(&arguments.dir)?;
    let (ledger, keys) = (
        arguments.dir.join(LEDGER_FILE),
        arguments.dir.join(KEYS_FILE),
    );
    // Keys after the ledger: a key is durable before the event that uses it, so that none can be missing.
    let ledger_bytes = copy(&settings.ledger_file(), &ledger)?;
    let keys_bytes = copy(&settings.keys_file(), &keys)?;
    File::open(&arguments.dir)?.sync_all()?;
    let made =
        json!({"directory": arguments.dir, "ledger_bytes": ledger_bytes, "keys_bytes": keys_bytes});
    session.output().object(&to_raw_value(&made)?)?;
    say("The key-encryption key is not in the backup: keep a copy of it elsewhere.");
    Ok(())
}

/// Makes a directory that only its owner can read, or takes an empty one.
fn make_dir(dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let empty = fs::read_dir(dir)?.next().is_none();
    ensure!(empty, "{} is not empty", dir.display());
    Ok(())
}

/// Copies a database as it is at one moment into one file, and says how large that is.
fn copy(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .with_context(failed)?;
    copy_pages(from, to).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    Ok(file.metadata()?.len())
}

fn copy_pages(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(BUSY)?;
    let mut target = Connection::open(to)?;
    // All pages in one step: between two steps something might be written, and SQLite would start again.
    Copying::new(&source, &mut target)?.step(-1)?;
    // One file without a write-ahead log, which may be lost on the way.
    target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
}
