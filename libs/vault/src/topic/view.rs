//! What the records of the topic say together.
//!
//! The view depends on nothing but the last record of each key of a record, and on their order. So compaction, which takes
//! away the others, changes nothing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::record::Said;
use crate::contract::Doomed;
use crate::row::{Belonging, KeyRow};

/// All keys that there are, in memory: about half a gigabyte for a million tenants.
#[derive(Default)]
pub(super) struct View {
    /// The offset after the record that was taken note of last.
    next: u64,
    belonging: Option<Belonging>,
    by_kid: HashMap<String, Arc<Held>>,
    by_subject: BTreeSet<BySubject>,
    /// Those that expire, by when they do.
    by_expiry: BTreeMap<(i64, u64), Arc<Held>>,
}

struct Held {
    /// Of two keys of a subject that with the lower offset seals.
    offset: u64,
    row: KeyRow,
}

/// A key in the order of subjects, and for each of them in that of the topic.
struct BySubject(Arc<Held>);

impl View {
    /// Takes note of what the record at `offset` says; records come in their order.
    pub(super) fn apply(&mut self, offset: u64, said: Said) {
        self.next = offset + 1;
        match said {
            Said::Belongs(belonging) => {
                self.belonging.get_or_insert(belonging);
            }
            Said::Made(row) => {
                self.remove(&row.kid);
                self.insert(Held { offset, row });
            }
            Said::Destroyed { kid } => self.remove(&kid),
            Said::Nothing => {}
        }
    }

    /// The offset of the record that is next, or of one before it that compaction has taken away.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whose keys these are, as the first record says that says so.
    pub(super) fn belonging(&self) -> Option<&Belonging> {
        self.belonging.as_ref()
    }

    pub(super) fn has_keys(&self) -> bool {
        !self.by_kid.is_empty()
    }

    pub(super) fn by_kid(&self, kid: &str) -> Option<&KeyRow> {
        self.by_kid.get(kid).map(|held| &held.row)
    }

    /// The key that seals for the subject of `row`: the first that expires when `row` does.
    pub(super) fn sealing(&self, row: &KeyRow) -> Option<&KeyRow> {
        let first = &self.from(&row.kind, &row.name, row.expires).next()?.0.row;
        (subject(first) == subject(row)).then_some(first)
    }

    /// The ids of keys that are to be destroyed.
    pub(super) fn doomed(&self, doomed: &Doomed) -> Vec<String> {
        let kid = |held: &Arc<Held>| held.row.kid.clone();
        match doomed {
            Doomed::Due(now) => self.by_expiry.range(..=(*now, u64::MAX)).map(|(_, held)| kid(held)).collect(),
            Doomed::Of { kind, name } => {
                let of = self.from(kind, name, None).take_while(|of| of.0.row.kind == *kind && of.0.row.name == *name);
                of.map(|of| kid(&of.0)).collect()
            }
        }
    }

    /// The keys of this subject and of those after it.
    fn from(&self, kind: &str, name: &str, expires: Option<i64>) -> impl Iterator<Item = &BySubject> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let row = KeyRow { kid: String::new(), kind, name, made: 0, expires, wrapped: Vec::new() };
        self.by_subject.range(BySubject(Arc::new(Held { offset: 0, row }))..)
    }

    fn insert(&mut self, held: Held) {
        let held = Arc::new(held);
        self.by_kid.insert(held.row.kid.clone(), held.clone());
        if let Some(expires) = held.row.expires {
            self.by_expiry.insert((expires, held.offset), held.clone());
        }
        self.by_subject.insert(BySubject(held));
    }

    fn remove(&mut self, kid: &str) {
        let Some(held) = self.by_kid.remove(kid) else { return };
        if let Some(expires) = held.row.expires {
            self.by_expiry.remove(&(expires, held.offset));
        }
        self.by_subject.remove(&BySubject(held));
    }
}

/// What tells the keys of one subject from those of others. A key that does not expire comes before those that do.
fn subject(row: &KeyRow) -> (&str, &str, Option<i64>) {
    (&row.kind, &row.name, row.expires)
}

impl Ord for BySubject {
    fn cmp(&self, other: &Self) -> Ordering {
        (subject(&self.0.row), self.0.offset).cmp(&(subject(&other.0.row), other.0.offset))
    }
}

impl PartialOrd for BySubject {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for BySubject {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for BySubject {}

#[cfg(test)]
mod tests;
