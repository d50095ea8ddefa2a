//! What the domain means: a notification becomes an event, events become rows and changes.
//!
//! Everything here is pure: no clock, no randomness, no I/O, and no secret is ever opened. The
//! same events give the same rows and the same changes, with the same ids, on every machine.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod change;
pub mod client;
pub mod command;
pub mod directory;
mod envelope;
pub mod event;
mod fold;
pub mod isl;
pub mod json;
pub mod notice;
pub mod place;
pub mod quarantine;
pub mod row;
#[cfg(test)]
mod story;

pub use envelope::{Envelope, Sealed};
pub use event::Event;
pub use fold::{Placed, fold};
pub use place::Place;
pub use row::{Kind, Row, RowKey, Rows};
