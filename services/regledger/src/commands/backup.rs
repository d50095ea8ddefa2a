//! `regledger backup`: a copy of the ledger and of the keys, also while the server runs.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use rusqlite::backup::{Backup as Copying, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::config::{KEYS_FILE, LEDGER_FILE, SettingFlags, Settings};
use crate::output::say;
use crate::session::Session;

/// How long an attempt at a copy waits for a lock.
const BUSY: Duration = Duration::from_secs(5);

/// How often a copy is attempted while others hold the lock, and the time between.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

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

/// What was copied.
#[derive(Debug, Serialize)]
struct Made<'a> {
    directory: &'a Path,
    ledger_bytes: u64,
    keys_bytes: u64,
}

/// Copies.
///
/// # Errors
/// If there is nothing to copy, or the copy cannot be made; nothing is left of it then.
pub fn run(arguments: &Backup, session: &Session) -> anyhow::Result<()> {
    let settings = session.settings(&SettingFlags::default())?;
    make_dir(&arguments.dir)?;
    let made = copy_stores(&settings, &arguments.dir).inspect_err(|_| remove(&arguments.dir))?;
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

/// Removes what there is of a backup that failed: nobody should take it for one.
fn remove(dir: &Path) {
    if let Err(error) = fs::canonicalize(dir).and_then(fs::remove_dir_all) {
        say(format_args!("cannot remove {}: {error}", dir.display()));
    }
}

fn copy_stores<'a>(settings: &Settings, dir: &'a Path) -> anyhow::Result<Made<'a>> {
    // Keys after the ledger: a key is durable before the event that uses it, so that none can be missing.
    let ledger_bytes = copy(&settings.ledger_file(), &dir.join(LEDGER_FILE))?;
    let keys_bytes = copy(&settings.keys_file(), &dir.join(KEYS_FILE))?;
    File::open(dir)?.sync_all()?;
    Ok(Made { directory: dir, ledger_bytes, keys_bytes })
}

/// Copies a database as it is at one moment into one file, and says how large that is.
fn copy(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).with_context(failed)?;
    copy_pages(from, to).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    Ok(file.metadata()?.len())
}

fn copy_pages(from: &Path, to: &Path) -> anyhow::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(BUSY)?;
    let mut target = Connection::open(to)?;
    // All pages in one step: between two steps something might be written, and SQLite would start again.
    let copying = Copying::new(&source, &mut target)?;
    complete(|| copying.step(-1))?;
    drop(copying);
    // One file without a write-ahead log, which may be lost on the way.
    target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    Ok(())
}

/// Takes a step that copies everything, again if a lock was in its way.
fn complete(mut step: impl FnMut() -> rusqlite::Result<StepResult>) -> anyhow::Result<()> {
    for attempt in 1..=ATTEMPTS {
        match step()? {
            StepResult::Done => return Ok(()),
            _ if attempt < ATTEMPTS => thread::sleep(PAUSE),
            _ => {}
        }
    }
    bail!("it is locked by another process")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::StepResult::{Busy, Done, Locked};
    use super::*;
    use crate::cli::Globals;
    use crate::config::Variables;

    #[rstest]
    #[case::at_once(&[Done], true)]
    #[case::after_a_while(&[Busy, Locked, Done], true)]
    #[case::never(&[Busy, Locked, Busy], false)]
    fn a_copy_that_a_lock_hinders_is_attempted_again_and_then_fails(
        #[case] steps: &[StepResult],
        #[case] copied: bool,
    ) {
        let mut left = steps.iter();
        let result = complete(|| Ok(*left.next().unwrap()));
        assert_eq!((result.is_ok(), left.len()), (copied, 0));
    }

    #[test]
    fn nothing_is_left_of_a_backup_that_failed() {
        let data_dir = tempfile::tempdir().unwrap();
        Connection::open(data_dir.path().join(LEDGER_FILE))
            .and_then(|ledger| ledger.execute_batch("CREATE TABLE event (entry)"))
            .unwrap();
        let globals = Globals { data_dir: Some(data_dir.path().to_owned()), ..Globals::default() };
        let session = Session::new(globals, Variables::new());
        let dir = data_dir.path().join("backup");
        let error = run(&Backup { dir: dir.clone() }, &session).unwrap_err();
        assert!(format!("{error:#}").contains(KEYS_FILE), "{error:#}");
        assert!(!dir.exists());
    }

    #[test]
    fn a_directory_that_holds_something_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kept"), "").unwrap();
        let arguments = Backup { dir: dir.path().to_owned() };
        run(&arguments, &Session::new(Globals::default(), Variables::new())).unwrap_err();
        assert!(dir.path().join("kept").exists());
    }
}
