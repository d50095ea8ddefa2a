//! The projector between real ledgers and real stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod obstacles;
mod projecting;
mod sharing;
mod world;
