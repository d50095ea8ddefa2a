//! The lock of a data directory: one process at a time writes there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Holds a data directory until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct DataDirLock {
    /// The lock is the kernel's and goes with the open file.
    _file: File,
}

/// Where a restore keeps what it has not put into place yet. While it is there, the stores are not whole.
pub const RESTORING: &str = "restoring";

impl DataDirLock {
    /// Makes the directory if it is missing, readable by its owner alone, and locks it.
    ///
    /// # Errors
    /// If another process holds it, a restore was interrupted, or it cannot be made.
    pub fn acquire(data_dir: &Path) -> anyhow::Result<Self> {
        let lock = Self::acquire_to_restore(data_dir)?;
        if data_dir.join(RESTORING).exists() {
            bail!("a restore into {} was interrupted: run `regledger restore` again", data_dir.display());
        }
        Ok(lock)
    }

    /// As [`Self::acquire`], but takes a directory in which a restore was interrupted.
    ///
    /// # Errors
    /// If another process holds it, or it cannot be made.
    pub fn acquire_to_restore(data_dir: &Path) -> anyhow::Result<Self> {
        make_data_dir(data_dir)?;
        let path = data_dir.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => {
                bail!("{} is in use by another regledger process", data_dir.display())
            }
            Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

/// Makes the directory if it is missing, readable by its owner alone.
///
/// # Errors
/// If it cannot be made.
pub fn make_data_dir(data_dir: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.with_context(|| format!("cannot make the data directory {}", data_dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_holds_a_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDirLock::acquire(&dir.path().join("data")).unwrap();
        let error = DataDirLock::acquire(&dir.path().join("data")).unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
        drop(held);
        DataDirLock::acquire(&dir.path().join("data")).unwrap();
    }
}
