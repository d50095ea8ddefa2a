//! Changes are pushed: at least once, in order, signed, and whatever happens on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account_service;
mod accounts;
mod administered;
mod failing;
mod hub;
mod interrupted;
mod mailed;
mod notified;
mod pushed;
mod repeated;
mod typed;
mod unsubscribed;
