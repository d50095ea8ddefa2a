//! The head of a log: its Merkle tree hash (RFC 6962 section 2.1), by which an export and an import of it are compared.

use data_encoding::BASE64;
use ledger::leaf_hash;
use registration::directory::LogHead;
use sha2::{Digest, Sha256};

type Hash = [u8; 32];

/// A tree that grows at its end. It keeps one hash for each complete subtree, as many as the length has bits set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    leaves: u64,
    /// The largest subtree first.
    subtrees: Vec<Hash>,
}

impl Tree {
    /// Adds an entry.
    pub fn push(&mut self, entry: &[u8]) {
        let mut hash = leaf_hash(entry);
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.leaves += 1;
    }

    /// Its head.
    pub fn head(&self) -> LogHead {
        let whole = self.subtrees.iter().rev().copied().reduce(|right, left| node(&left, &right));
        let root = whole.unwrap_or_else(|| Sha256::digest([]).into());
        LogHead { entries: self.leaves, root: BASE64.encode(&root) }
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// The test vectors of Certificate Transparency: the entries, and the root after each of them.
    #[test]
    fn the_roots_are_those_of_rfc_6962() {
        let cases = [
            ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
            ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
            ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ];
        let mut tree = Tree::default();
        let root = |tree: &Tree| HEXLOWER.encode(&BASE64.decode(tree.head().root.as_bytes()).unwrap());
        assert_eq!(root(&tree), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (entry, expected) in cases {
            tree.push(&HEXLOWER.decode(entry.as_bytes()).unwrap());
            assert_eq!(root(&tree), expected, "after {} entries", tree.head().entries);
        }
    }
}
