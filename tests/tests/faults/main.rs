//! Faults: hostile senders, full disks, killed processes, damaged files, wrong keys. The real executable gives the contract's
//! answers, loses nothing that it acknowledged, and says what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

mod arbitrary;
mod backup;
mod bodies;
mod canary;
mod damaged;
mod drain;
mod expiry;
mod full_disk;
mod growing;
mod hub;
mod kek;
mod killed;
mod ledger_file;
mod refused;
mod slow;
