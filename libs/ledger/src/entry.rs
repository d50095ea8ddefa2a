//! What can be appended, and the hash by which it is known.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::AppendError;

/// The longest entry: what the length prefix of a C2SP tlog-tiles entry bundle can express.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// An event to be appended, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) partition: u32,
    pub(crate) directory: bool,
    pub(crate) bytes: Bytes,
    leaf_hash: [u8; 32],
}

impl Entry {
    /// An event for a partition: at most [`MAX_ENTRY_BYTES`] bytes without a newline. Whether it is of the `directory`, which only
    /// partition 0 has, says whether [`Ledger::read_directory`](crate::Ledger::read_directory) finds it.
    pub fn new(partition: u32, directory: bool, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { partition, directory, leaf_hash: leaf_hash(&bytes), bytes }
    }

    /// The partition that it belongs to.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Its [`leaf_hash`].
    pub fn leaf_hash(&self) -> [u8; 32] {
        self.leaf_hash
    }
}

/// Why an [`Entry`] cannot be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// Longer than [`MAX_ENTRY_BYTES`].
    #[error("it has {bytes} bytes, and the most is {MAX_ENTRY_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It would be two lines of an export.
    #[error("it contains a newline")]
    Newline,
    /// The ledger does not have its partition.
    #[error("there is no partition {partition}")]
    NoSuchPartition {
        /// What it asked for.
        partition: u32,
    },
    /// The directory has one history, in partition 0.
    #[error("a directory entry belongs to partition 0, not {partition}")]
    DirectoryElsewhere {
        /// What it asked for.
        partition: u32,
    },
    /// In this ledger the directory has partition 0 to itself.
    #[error("partition 0 is the directory's alone")]
    OnlyDirectory,
}

/// The leaf hash of an entry: SHA-256(0x00 ‖ entry), RFC 6962 section 2.1.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix([0]).chain_update(bytes).finalize().into()
}

/// Refuses a batch, as a whole, for the first entry that cannot be appended to a ledger with
/// `partitions` partitions.
pub(crate) fn check(batch: &[Entry], partitions: u32) -> Result<(), AppendError> {
    let flaws = batch.iter().map(|entry| flaw(entry, partitions));
    match flaws.enumerate().find_map(|(index, flaw)| Some((index, flaw?))) {
        Some((index, source)) => Err(AppendError::Unacceptable { index, source }),
        None => Ok(()),
    }
}

fn flaw(entry: &Entry, partitions: u32) -> Option<Flaw> {
    let Entry { partition, directory, ref bytes, .. } = *entry;
    if partition >= partitions {
        return Some(Flaw::NoSuchPartition { partition });
    }
    if directory && partition != 0 {
        return Some(Flaw::DirectoryElsewhere { partition });
    }
    if bytes.len() > MAX_ENTRY_BYTES {
        return Some(Flaw::TooLong { bytes: bytes.len() });
    }
    bytes.contains(&b'\n').then_some(Flaw::Newline)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two leaves of the RFC 6962 test vectors of Certificate Transparency.
    #[test]
    fn leaf_hashes_are_those_of_rfc_6962() {
        let cases: [(&[u8], &str); 2] = [
            (b"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (b"\0", "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"),
        ];
        for (entry, expected) in cases {
            let hex: String = leaf_hash(entry).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{entry:?}");
        }
    }
}
