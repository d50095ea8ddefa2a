//! What every outgoing call goes through: where it may go, how it is signed, and what becomes of its answer.
//!
//! - [`egress`]: the one HTTP client. It calls only where the guard lets it, and every call has one deadline.
//! - [`webhook`]: Standard Webhooks signatures, made and verified.
//! - [`destination`]: how something is sent, and what became of it.
//! - [`jwt`]: JSON Web Tokens with asymmetric keys, signed and verified.
//! - [`retry`]: what an answer means for a delivery, and when the next attempt is due.
//! - [`template`]: JSON with placeholders, as ISL's notification parameters are.
//! - [`webapi`]: calls of an external WebAPI, as ISL has it.
//! - [`reply`]: what ISL's strict HTTP events ask of a reply.
//!
//! Nothing here has state, but for the connections that a client keeps open. The time and random numbers are passed in.
//! This crate knows neither what is delivered nor to whom; no secret and no part of a URL is in any of its errors.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod destination;
pub mod egress;
pub mod jwt;
pub mod reply;
pub mod retry;
pub mod template;
pub mod webapi;
pub mod webhook;
