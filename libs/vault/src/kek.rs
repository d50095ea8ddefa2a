//! The key-encryption key: where it comes from.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use rustix::process::geteuid;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use crate::cipher::{KEY_BYTES, random_id, random_key};
use crate::command;
use crate::error::KekError;

/// Length of a key in base64, in bytes.
const BASE64_BYTES: usize = 44;

/// The most that is read of a file or of a command's output, in bytes.
pub(crate) const MAX_INPUT_BYTES: usize = 1024;

/// How long a key command may take: it may have to ask a hardware module or a key service.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// The key-encryption key: 256 bits from outside, under which all other keys are wrapped.
///
/// Its text form is base64 (RFC 4648, 4, with padding) on a line of its own.
pub struct Kek(SecretBox<[u8; KEY_BYTES]>);

impl Kek {
    /// Reads the key from a file that nobody but its owner may open (mode 0600 or stricter), or that root owns and lends to
    /// our group (0640 or stricter), as systemd does with credentials.
    ///
    /// # Errors
    /// [`KekError::Missing`], [`KekError::Exposed`], [`KekError::NotAKey`], or [`KekError::File`].
    pub fn from_file(path: &Path) -> Result<Self, KekError> {
        let (file, mode, owner) = open(path)?;
        if mode & forbidden(owner, geteuid().as_raw()) != 0 {
            return Err(KekError::Exposed { path: path.to_owned(), mode });
        }
        let text = read_some(file).map_err(|source| failed("read", path, source))?;
        Self::parse(&text).ok_or_else(|| KekError::NotAKey { origin: path.display().to_string() })
    }

    /// Runs a command (program and arguments, no shell) and reads the key from its standard output. It has 60 seconds, and its
    /// standard error is ours. Blocks.
    ///
    /// # Errors
    /// [`KekError::NoCommand`], [`KekError::Command`], [`KekError::CommandFailed`], [`KekError::CommandTimedOut`] or
    /// [`KekError::NotAKey`].
    pub fn from_command(argv: &[String]) -> Result<Self, KekError> {
        let (program, arguments) = argv.split_first().ok_or(KekError::NoCommand)?;
        let text = command::output(program, arguments, COMMAND_DEADLINE)?;
        Self::parse(&text).ok_or_else(|| KekError::NotAKey { origin: program.clone() })
    }

    /// Makes a file with a new key, mode 0600, and gives the key. The file appears at once and whole, so that of several
    /// processes that start together one makes it and the others read it.
    ///
    /// # Errors
    /// [`KekError::Exists`] if there is such a file, which is left alone; [`KekError::File`] or [`KekError::Random`].
    pub fn create_file(path: &Path) -> Result<Self, KekError> {
        let key = random_key().map_err(|_| KekError::Random)?;
        let mut text = Zeroizing::new([b'\n'; BASE64_BYTES + 1]);
        BASE64.encode_mut(key.as_slice(), &mut text[..BASE64_BYTES]);
        let draft = Draft::write(path, text.as_slice())?;
        draft.publish(path)?;
        Ok(Self::new(&key))
    }

    fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(SecretBox::init_with_mut(|secret: &mut [u8; KEY_BYTES]| secret.copy_from_slice(key)))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() != BASE64_BYTES {
            return None;
        }
        // Decoding wants room for the byte that padding stands for.
        let mut bytes = Zeroizing::new([0; KEY_BYTES + 1]);
        let length = BASE64.decode_mut(line, bytes.as_mut()).ok()?;
        <&[u8; KEY_BYTES]>::try_from(&bytes[..length]).ok().map(Self::new)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(..)")
    }
}

/// A complete key file under another name. It is removed when dropped.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, text: &[u8]) -> Result<Self, KekError> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", random_id().map_err(|_| KekError::Random)?));
        let draft = Self(name.into());
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.0)?;
            file.write_all(text)?;
            file.sync_all()
        };
        write().map_err(|source| failed("write", path, source))?;
        Ok(draft)
    }

    /// Gives the file its name, unless there is such a file.
    fn publish(&self, path: &Path) -> Result<(), KekError> {
        fs::hard_link(&self.0, path).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => KekError::Exists { path: path.to_owned() },
            _ => failed("name", path, source),
        })?;
        sync_parent(path).map_err(|source| failed("sync the folder of", path, source))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // If it stays it is as secret as the key file itself, and in nobody's way.
        let _ = fs::remove_file(&self.0);
    }
}

/// The permission bits that a key file of this owner may not have where we are this user.
fn forbidden(owner: u32, we: u32) -> u32 {
    if owner == 0 && we != 0 { 0o137 } else { 0o077 }
}

/// The open file, its permission bits and its owner, which are those of the very file that is read.
fn open(path: &Path) -> Result<(File, u32, u32), KekError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => KekError::Missing { path: path.to_owned() },
        _ => failed("open", path, source),
    })?;
    let metadata = file.metadata().map_err(|source| failed("look at", path, source))?;
    Ok((file, metadata.permissions().mode() & 0o777, metadata.uid()))
}

/// Reads at most [`MAX_INPUT_BYTES`] into a buffer that never grows, since growing would leave a copy behind.
pub(crate) fn read_some(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_INPUT_BYTES));
    from.take(MAX_INPUT_BYTES as u64).read_to_end(&mut text)?;
    Ok(text)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> KekError {
    KekError::File { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::forbidden;

    #[test]
    fn a_key_file_is_ours_alone_or_lent_to_our_group_by_root() {
        let cases = [
            (1000, 1000, 0o600, true),
            (1000, 1000, 0o400, true),
            (1000, 1000, 0o640, false),
            (0, 0, 0o600, true),
            (0, 0, 0o440, false),
            (0, 1000, 0o440, true),
            (0, 1000, 0o640, true),
            (0, 1000, 0o660, false),
            (0, 1000, 0o444, false),
        ];
        for (owner, we, mode, accepted) in cases {
            assert_eq!(mode & forbidden(owner, we) == 0, accepted, "{owner} {we} {mode:o}");
        }
    }
}
