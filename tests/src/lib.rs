//! Drives the real executable over real sockets: builds it, starts it, asks it, kills it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

pub mod audit;
mod client;
pub mod deaf;
mod kafka;
pub mod load;
mod mailbox;
mod postgres;
mod process;
mod proxy;
mod receiver;
pub mod search;
pub mod sse;
mod tools;

pub use client::Client;
pub use kafka::{Credentials, Kafka};
pub use mailbox::{Mailbox, mail_server};
pub use postgres::Postgres;
pub use process::{Options, Server, executable, free_address, regledger};
pub use proxy::{Mishap, Proxy};
pub use receiver::{Received, Receiver, Reply};
pub use tools::{kafka_libraries, node, python, repository, tool};

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a condition holds, and panics with what was waited for if it does not.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The notice that the source's documentation shows, of a tenant of that number.
pub fn notice(provet_id: u64) -> Value {
    json!({
        "provet_id": provet_id,
        "client_id": format!("client-{provet_id}"),
        "client_secret": format!("secret-of-{provet_id}-4f9a1c0e7b"),
        "algorithm": "RS256",
        "authorization_grant_type": "client_credentials",
        "client_type": "confidential",
        "redirect_uris": "https://example.com/callback",
        "token_url": format!("https://provetcloud.com/{provet_id}/oauth2/token/"),
        "authorize_url": format!("https://provetcloud.com/{provet_id}/oauth2/authorize/"),
        "openid_autodiscovery_url": null,
    })
}
