//! Keys: the secret part of an inbound URL.

use std::net::IpAddr;
use std::sync::Arc;

use admission::hash_of;
use api::Problem;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;
use registration::directory::{Directory, IntegrationRow, Source};

use crate::Intake;

impl Intake {
    /// The integration of a source whose key this is. Before it says that there is none, it catches up with the
    /// head of the directory: a hookup URL made a moment ago, elsewhere, works.
    ///
    /// # Errors
    /// 404 for an unknown integration or a wrong key, indistinguishably; 429 for too many of these;
    /// 503 if the directory cannot be read.
    pub(crate) async fn integration(
        &self,
        source: Source,
        name: &str,
        key: &str,
        sender: IpAddr,
    ) -> Result<Arc<IntegrationRow>, Problem> {
        let hash = hash_of(key);
        let now = self.admission.now();
        if let Some(found) = with_key(&self.directory.read(), source, name, &hash, now) {
            return Ok(found);
        }
        self.wrong_keys.check(sender, "Too many wrong addresses were tried from here; slow down.")?;
        self.directory
            .catch_up()
            .await
            .map_err(|_| Problem::unavailable("The directory cannot be read; send it again."))?;
        with_key(&self.directory.read(), source, name, &hash, now).ok_or_else(Problem::not_found)
    }
}

/// As long as a hash, and none: comparing with it takes as long as with any other.
const NOBODYS: &str = "____________________________________________";

/// Compares in constant time, and does so too where there is no such integration.
fn with_key(
    directory: &Directory,
    source: Source,
    name: &str,
    hash: &str,
    now: Timestamp,
) -> Option<Arc<IntegrationRow>> {
    let row = directory.integration(name).filter(|row| row.integration.source == source);
    let current = row.map_or(NOBODYS, |row| &row.hookup_key_hash);
    let previous = row.and_then(|row| row.previous_key.as_ref()).filter(|key| now < key.until);
    let is_current = is_equal(current, hash);
    let is_previous = is_equal(previous.map_or(NOBODYS, |key| &key.hash), hash);
    row.filter(|_| is_current || is_previous).cloned()
}

fn is_equal(known: &str, given: &str) -> bool {
    verify_slices_are_equal(known.as_bytes(), given.as_bytes()).is_ok()
}
