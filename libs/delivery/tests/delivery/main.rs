//! Delivery from outside: over real sockets, and against what others wrote in other languages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

mod calls;
mod guard;
mod limits;
mod mails;
mod names;
mod others;
mod receiver;
mod tls;
mod tokens;
mod webhooks;

use std::time::Duration;

use bytes::Bytes;
use delivery::egress::{Answer, Call, CallError, Egress, Names, Settings, Target};
use reqwest::Method;
use reqwest::header::HeaderMap;

/// Long enough for whatever is meant to succeed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that may also call these networks.
fn egress(allow: &[&str], names: Names) -> Egress {
    let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    Egress::new(Settings { allow, roots: None, names }).unwrap()
}

/// A client that may call this machine.
fn local() -> Egress {
    egress(&["127.0.0.0/8"], Names::system())
}

fn post(target: &Target, deadline: Duration) -> Call<'_> {
    Call { method: Method::POST, target, headers: HeaderMap::new(), body: Bytes::from_static(b"{}"), deadline }
}

async fn send(egress: &Egress, url: &str) -> Result<Answer, CallError> {
    send_within(egress, url, PATIENCE).await
}

async fn send_within(egress: &Egress, url: &str, deadline: Duration) -> Result<Answer, CallError> {
    egress.send(post(&egress.guard().target(url), deadline)).await
}
