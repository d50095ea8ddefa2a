//! Leases: who works on which partition, and how whoever worked on it before is kept out.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

/// A lease as its holder has it. It may have been lost meanwhile: what is done under it is conditional on its epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What it is for: `projector/3`.
    pub name: Arc<str>,
    /// Which of the times it was claimed: drawn from clock and randomness (a UUIDv7), so that a store made anew never repeats
    /// one.
    pub epoch: Uuid,
}

/// Who wants to hold which lease.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The lease, under an epoch that was never used before.
    pub lease: Lease,
    /// Who will hold it: a name that no other process and no earlier start of this one has.
    pub holder: Arc<str>,
    /// How long it lasts unless it is renewed, by the store's clock.
    pub ttl: Duration,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The lease is held under the epoch of the claim.
    Granted,
    /// Somebody else holds it.
    Held {
        /// Who.
        holder: String,
    },
}
