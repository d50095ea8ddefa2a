//! `regledger restore`: a backup is checked as a whole, then put into a data directory.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::value::to_raw_value;
use vault::Kek;

use crate::clock;
use crate::config::{KEYS_FILE, KekSource, LEDGER_FILE, STATE_FILE, SettingFlags, Settings};
use crate::lock::{DataDirLock, RESTORING};
use crate::output::say;
use crate::session::Session;

mod check;
mod era;

use self::check::Checked;

/// Check a backup and put it into a data directory.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  regledger restore /mnt/backup/2026-11-23 --data-dir /var/lib/regledger --kek-file /etc/regledger/kek
  regledger restore /mnt/backup/2026-11-23 --replace

Nothing is replaced before everything is checked: each entry of the ledger is there and is what was appended, and
each secret opens with the keys of the backup and the key-encryption key. The server must not run.

What came after the backup is lost, and its positions are given to other events: an event in the restored ledger says
from where on. A subscriber that was ahead of the backup is answered 410 and starts over with from=snapshot; the others
go on.")]
pub struct Restore {
    /// The directory that `regledger backup` made
    dir: PathBuf,
    /// Move what the data directory holds aside, and put the backup in its place
    #[arg(long)]
    replace: bool,
    /// Holds the key-encryption key [default: as `serve` does]
    #[arg(long, value_name = "FILE")]
    kek_file: Option<String>,
}

/// What was restored.
#[derive(Debug, Serialize)]
struct Restored {
    data_dir: PathBuf,
    #[serde(flatten)]
    checked: Checked,
    moved_aside: Option<PathBuf>,
}

/// Checks and restores.
///
/// # Errors
/// If the backup is not whole, the keys do not fit, or the data directory is in use or not empty.
pub async fn run(arguments: &Restore, session: &Session) -> anyhow::Result<()> {
    let mut flags = SettingFlags::default();
    flags.0.extend(arguments.kek_file.clone().map(|file| ("kek.file", file)));
    let settings = session.settings(&flags)?;
    let _lock = DataDirLock::acquire_to_restore(&settings.data_dir)?;
    let data_dir = &settings.data_dir;
    ensure!(
        arguments.replace || !settings.ledger_file().exists(),
        "{} holds a ledger already; --replace moves it aside",
        data_dir.display()
    );
    let (kek, staging) = (kek(&settings)?, data_dir.join(RESTORING));
    stage(&arguments.dir, &staging)?;
    let checked = match prepare(&staging, kek).await {
        Ok(checked) => checked,
        Err(error) => {
            fs::remove_dir_all(&staging)?;
            return Err(error.context("the backup is not restored, and nothing was replaced"));
        }
    };
    let moved_aside = move_aside(data_dir)?;
    put_into_place(&staging, data_dir)?;
    let restored = Restored { data_dir: data_dir.clone(), checked, moved_aside };
    session.output().object(&to_raw_value(&restored)?)?;
    say(format_args!(
        "Restored. The client table is derived anew when the server starts.
Positions from {} on are given to new events: subscribers that were beyond are answered 410 and start over.",
        restored.checked.events
    ));
    Ok(())
}

/// Checks what is staged, and lets a new era begin.
async fn prepare(staging: &Path, kek: Kek) -> anyhow::Result<Checked> {
    let checked = check::check(staging, kek).await?;
    era::begin(staging, &checked.ledger).await.context("a new era of the ledger cannot begin")?;
    Ok(checked)
}

/// The key-encryption key that the settings name, which must be there.
///
/// # Errors
/// If it cannot be had.
pub fn kek(settings: &Settings) -> anyhow::Result<Kek> {
    match &settings.kek {
        KekSource::File(path) => Kek::from_file(path),
        KekSource::Command(argv) => Kek::from_command(argv),
    }
    .context("cannot get the key-encryption key; --kek-file names it")
}

/// Copies the backup into the data directory's file system, so that putting it into place is a rename.
fn stage(backup: &Path, staging: &Path) -> anyhow::Result<()> {
    for name in [LEDGER_FILE, KEYS_FILE] {
        let file = backup.join(name);
        ensure!(file.is_file(), "{} is not there: is {} a backup?", file.display(), backup.display());
        refuse_tail(backup, name)?;
    }
    match fs::remove_dir_all(staging) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot clear {}", staging.display()));
        }
        _ => fs::create_dir(staging)?,
    }
    for name in [LEDGER_FILE, KEYS_FILE] {
        let (from, to) = (backup.join(name), staging.join(name));
        fs::copy(&from, &to)
            .and_then(|_| File::open(&to)?.sync_all())
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// A backup is whole without a write-ahead log. A copy of a data directory may not be, and would lose what was written
/// last; a server that ended well leaves an empty one.
fn refuse_tail(backup: &Path, name: &str) -> anyhow::Result<()> {
    let log = backup.join(format!("{name}-wal"));
    ensure!(
        log.metadata().map_or(0, |log| log.len()) == 0,
        "{} holds something, so {dir} is no backup but a copy of a data directory: use `regledger backup` to make one, or \
         start regledger once with --data-dir {dir} and stop it again",
        log.display(),
        dir = backup.display()
    );
    Ok(())
}

/// Moves the stores that are there into a directory of their own; none if there are none.
fn move_aside(data_dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let stores = files_of(data_dir, &[LEDGER_FILE, KEYS_FILE, STATE_FILE])?;
    if stores.is_empty() {
        return Ok(None);
    }
    let aside = data_dir.join(format!("replaced-{}", clock::now().strftime("%Y%m%dT%H%M%S%.6fZ")));
    fs::create_dir(&aside).with_context(|| format!("cannot make {}", aside.display()))?;
    move_into(&aside, &stores)?;
    Ok(Some(aside))
}

fn put_into_place(staging: &Path, data_dir: &Path) -> anyhow::Result<()> {
    move_into(data_dir, &files_of(staging, &[LEDGER_FILE, KEYS_FILE])?)?;
    // From here on the data directory is whole, and the server may start.
    fs::remove_dir(staging).with_context(|| format!("cannot remove {}", staging.display()))?;
    File::open(data_dir)?.sync_all()?;
    Ok(())
}

fn move_into(dir: &Path, files: &[PathBuf]) -> anyhow::Result<()> {
    for file in files {
        let Some(name) = file.file_name() else { bail!("{} has no name", file.display()) };
        fs::rename(file, dir.join(name))
            .with_context(|| format!("cannot move {} into {}", file.display(), dir.display()))?;
    }
    File::open(dir)?.sync_all()?;
    Ok(())
}

/// Databases with what SQLite keeps beside them.
fn files_of(dir: &Path, names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let base = ["-wal", "-shm"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        if names.contains(&base) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
