//! The harm: what is done to a data directory, as it may happen on a disk or by somebody's hand.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rusqlite::Connection;

/// A data directory to be harmed, and one of another ledger.
pub struct Prepared {
    pub data: PathBuf,
    pub other: PathBuf,
}

impl Prepared {
    pub fn replace(&self, name: &str, content: &[u8]) {
        fs::write(self.data.join(name), content).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.data.join(name)).unwrap();
    }

    pub fn copy_within(&self, from: &str, to: &str) {
        fs::copy(self.data.join(from), self.data.join(to)).unwrap();
    }

    pub fn take_others(&self, name: &str) {
        fs::copy(self.other.join(name), self.data.join(name)).unwrap();
    }

    pub fn expose(&self, name: &str) {
        fs::set_permissions(self.data.join(name), Permissions::from_mode(0o644)).unwrap();
    }

    pub fn overwrite(&self, name: &str, at: usize, bytes: usize) {
        let mut content = fs::read(self.data.join(name)).unwrap();
        content[at..at + bytes].fill(0xA5);
        self.replace(name, &content);
    }

    /// Keeps only one part of the file.
    pub fn truncate(&self, name: &str, part: usize) {
        let content = fs::read(self.data.join(name)).unwrap();
        self.replace(name, &content[..content.len() / part]);
    }

    /// Overwrites the last page, which holds the newest rows.
    pub fn harm_page(&self, name: &str) {
        let length = fs::metadata(self.data.join(name)).unwrap().len();
        self.overwrite(name, usize::try_from(length).unwrap() - 16 * 1024, 16 * 1024);
    }

    pub fn sql(&self, name: &str, sql: &str) {
        Connection::open(self.data.join(name)).unwrap().execute_batch(sql).unwrap();
    }

    /// Changes one byte of an event.
    pub fn change(&self, position: u64) {
        let drop = "DROP TRIGGER event_is_never_changed";
        let changed =
            "CAST(replace(CAST(entry AS TEXT), '\"specversion\":\"1.0\"', '\"specversion\":\"1.1\"') AS BLOB)";
        self.sql("ledger.db", &format!("{drop}; UPDATE event SET entry = {changed} WHERE position = {position}"));
    }

    pub fn delete(&self, which: &str) {
        self.sql("ledger.db", &format!("DROP TRIGGER event_is_never_removed; DELETE FROM event WHERE {which}"));
    }
}
