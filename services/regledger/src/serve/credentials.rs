//! What a start needs to know and nobody may see: the key-encryption key and the admin token. The first start makes them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use admission::{Capability, hash_of};
use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use vault::{Kek, KekError};

use crate::config::{KekSource, Settings};

/// The key-encryption key. The first start makes one if it is to come from a file: later, a file
/// that is missing was lost, and a new one would open nothing.
pub(super) fn open_kek(settings: &Settings, is_first_start: bool) -> anyhow::Result<Kek> {
    let path = match &settings.kek {
        KekSource::Command(command) => {
            return Kek::from_command(command).context("cannot get the key-encryption key");
        }
        KekSource::File(path) => path,
    };
    if is_first_start && !path.exists() {
        match Kek::create_file(path) {
            Ok(_) | Err(KekError::Exists { .. }) => {}
            Err(error) => return Err(error).context("cannot make the key-encryption key"),
        }
    }
    if settings.is_embedded() && path.starts_with(&settings.data_dir) {
        tracing::warn!(
            kek.file = %path.display(),
            "the key-encryption key lies beside the data that it protects; move it and set kek.file"
        );
    }
    Kek::from_file(path).context("cannot read the key-encryption key")
}

/// The hash of the admin token; the first start makes one, exclusively, readable by its owner alone.
pub(super) fn admin_token(path: &Path) -> anyhow::Result<String> {
    if !path.exists() {
        match make_admin_token(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot make the admin token {}", path.display()));
            }
            _ => {}
        }
    }
    let token = fs::read_to_string(path).with_context(|| format!("cannot read the admin token {}", path.display()))?;
    if token.trim().is_empty() {
        bail!("the admin token {} is empty; delete it and start again", path.display());
    }
    Ok(hash_of(token.trim()))
}

/// Makes the file with a new token. It appears at once and whole, also if the process is killed.
fn make_admin_token(path: &Path) -> io::Result<()> {
    let new = |prefix| Capability::new(prefix).map_err(|_| io::Error::other("there is no randomness"));
    let (token, name) = (new("rgl_")?, new(".")?);
    // No process id: in containers that share the file each is process 1, and would write over what another has published.
    let mut draft = path.as_os_str().to_owned();
    draft.push(name.secret.expose_secret());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", token.secret.expose_secret())?;
    file.sync_all()?;
    let made = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    made
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn first_starts_at_once_make_one_admin_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin-token");
        let barrier = Barrier::new(8);
        let start = || {
            barrier.wait();
            admin_token(&path).unwrap()
        };
        let hashes: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|started| started.join().unwrap()).collect()
        });
        let kept = admin_token(&path).unwrap();
        assert!(hashes.iter().all(|hash| *hash == kept), "{hashes:?}");
        let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["admin-token"]);
    }
}
