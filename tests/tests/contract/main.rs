//! The outside of regledger, held to the contract: the real executable over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

mod access;
mod clients_of_others;
mod commands;
mod cursors;
mod deployment;
mod documents;
mod domains;
mod endings;
mod events;
mod fixed;
mod forgotten;
mod hookup;
mod isl;
mod linters;
mod many;
mod operators;
mod quarantine;
mod reads;
mod repetitions;
mod replay;
mod routes;
mod settings;
mod simulated;
mod story;
mod stream;
mod strict;
mod structure;
mod subscriptions;
mod tokens;
mod users;
