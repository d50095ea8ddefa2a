//! Scaled out: processes of one role each that share a ledger in Kafka and a state store in PostgreSQL. They start at once, die,
//! are paused and lose what they rest on; nothing acknowledged is lost, and nothing happens twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

mod canary;
mod configuration;
mod deliveries;
mod first_start;
mod fleet;
mod isl;
mod killed;
mod one_or_many;
mod outages;
mod people;
mod refused;
mod starts;
mod topics;
